"""What a run left in its output folder, as tables. What is in there was made by code that nobody has reviewed yet."""

from __future__ import annotations

import contextlib
import stat
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import Session, quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import build_table_function
from sandbox.errors import PipelineError
from sandbox.manifest.run import RunOutput, RunRecord
from sandbox.model import TableFiles
from sandbox.runner.output_records import record_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sandbox.model import TableFormat

FORMAT_BY_SUFFIX: dict[str, TableFormat] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".duckdb": "duckdb",
}
MEMORY_BYTES = 10**9


def open_session() -> Session:
    """Give an engine for `collect_outputs`, and do what else its first use would wait for: much takes longer once in a process."""
    session = Session(memory=MEMORY_BYTES, failure=PipelineError)
    _read_count_and_columns("(select 1 as one)", session, "a first query")
    RunOutput.model_rebuild()
    RunRecord.model_rebuild()
    return session


def collect_outputs(folder: Path, *, paths: Mapping[str, str], session: Session | None = None) -> dict[str, RunOutput]:
    """Find the outputs in a folder and describe them.

    Args:
        folder: The run's output folder.
        paths: Outputs whose file or folder the settings name, relative to ``folder``.
        session: What reads them, which is then closed; by default one of its own.

    Returns:
        By name: ``<name>.parquet``, ``<name>.csv``, ``<name>.jsonl``, ``<name>/*.parquet``, tables of ``.duckdb`` files.

    Raises:
        PipelineError: There is none, one cannot be read, two have one name, or something is no plain file.
    """
    with session or Session(memory=MEMORY_BYTES, failure=PipelineError) as reading:
        tables = _index_by_name(list(_list_folder_tables(folder, paths, reading)))
        for name in paths:
            if name not in tables:
                raise PipelineError(
                    f"output {name}: the run left no {paths[name]}",
                    hint=f"it left {', '.join(tables) or 'nothing'}; correct [outputs.{name}] path, or the pipeline",
                )
        if not tables:
            raise PipelineError(
                "the run left no output",
                hint="write <name>.parquet, <name>/*.parquet or <name>.csv into the folder in $SANDBOX_OUTPUT",
            )
        return {name: _describe_output(table, folder, reading) for name, table in tables.items()}


def find_tables(place: Path, *, paths: Mapping[str, str]) -> dict[str, TableFiles]:
    """Give the tables that lie in a folder as a run would leave them, or in a ``.duckdb`` file, sorted by name.

    Raises:
        PipelineError: Two have one name, something is no plain file, or a database cannot be read.
    """
    with Session(memory=MEMORY_BYTES, failure=PipelineError) as session:
        found = _list_folder_tables(place, paths, session) if place.is_dir() else _list_duckdb_tables(place, session)
        return _index_by_name(list(found))


def _index_by_name(tables: list[TableFiles]) -> dict[str, TableFiles]:
    given: dict[str, TableFiles] = {}
    for table in sorted(tables, key=lambda table: table.name):
        if table.name in given:
            raise PipelineError(f"two outputs are called {table.name}", hint="give each output one file or one folder")
        given[table.name] = table
    return given


def _list_folder_tables(folder: Path, paths: Mapping[str, str], session: Session) -> Iterator[TableFiles]:
    named = {folder / path: name for name, path in paths.items()}
    for entry in sorted({*folder.iterdir(), *(path for path in named if path.parent != folder)}):
        if any(above.is_symlink() for above in entry.parents if above.is_relative_to(folder) and above != folder):
            raise PipelineError(f"output {entry} lies behind a link", hint="write plain files and folders")
        if entry.name.startswith((".", "_")) or not (entry.exists() or entry.is_symlink()):
            continue
        if _classify_entry(entry) == "folder":
            files = tuple(file for file in sorted(entry.glob("*.parquet")) if _classify_entry(file) == "file")
            if files:
                yield TableFiles(name=named.get(entry, entry.name), format="parquet", paths=files)
        elif entry.suffix == ".duckdb":
            yield from _list_duckdb_tables(entry, session)
        elif entry.suffix in FORMAT_BY_SUFFIX:
            name = named.get(entry, entry.stem)
            yield TableFiles(name=name, format=FORMAT_BY_SUFFIX[entry.suffix], paths=(entry,))


def _classify_entry(entry: Path) -> str:
    """Say whether it is a file or a folder; a link could lead our reading out of the run, so nothing else is read."""
    mode = entry.lstat().st_mode
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISREG(mode):
        return "file"
    raise PipelineError(f"output {entry.name} is a link or a device, not a file", hint="write plain files and folders")


def _list_duckdb_tables(file: Path, session: Session) -> Iterator[TableFiles]:
    """Give the tables of a DuckDB file; not its views, whose text could read any file of this machine."""
    with _attach_file(file, session):
        found = session.fetch_rows(
            "select table_name from duckdb_tables() where database_name = 'output' and schema_name = 'main' order by 1"
        )
    for (member,) in found:
        yield TableFiles(name=member, format="duckdb", paths=(file,), member=member)


def _describe_output(table: TableFiles, folder: Path, session: Session) -> RunOutput:
    doing = f"output {table.name} cannot be read"
    if table.member is not None:
        with _attach_file(table.paths[0], session):
            rows, columns = _read_count_and_columns(f"output.main.{quote_identifier(table.member)}", session, doing)
    else:
        rows, columns = _read_count_and_columns(build_table_function(table), session, doing)
    files = [record_file(folder, path) for path in table.paths]
    return RunOutput(format=table.format, rows=rows, columns=columns, files=files, member=table.member)


def _read_count_and_columns(source: str, session: Session, doing: str) -> tuple[int, dict[str, str]]:
    columns = {name: kind for name, kind, *_ in session.fetch_rows(f"describe select * from {source}", doing=doing)}
    return int(session.fetch_rows(f"select count(*) from {source}", doing=doing)[0][0]), columns


@contextlib.contextmanager
def _attach_file(file: Path, session: Session) -> Iterator[None]:
    doing = f"output {file.name} cannot be read"
    session.execute(f"attach {quote_literal(str(file))} as output (read_only)", doing=doing)
    try:
        yield
    finally:
        session.execute("detach output")
