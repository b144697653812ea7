"""What a run left in its output folder, as tables. What is in there was made by code that nobody has reviewed yet."""

from __future__ import annotations

import contextlib
import stat
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import Session, literal, quote
from sandbox.engine.duckdb.table_functions import relation
from sandbox.errors import PipelineError
from sandbox.manifest.run import Output, RunRecord
from sandbox.model import TableFiles
from sandbox.runner.output_records import recorded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sandbox.model import TableFormat

FORMATS: dict[str, TableFormat] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".duckdb": "duckdb",
}
MEMORY = 10**9


def opened() -> Session:
    """Give an engine for `collect`, and do what else its first use would wait for: much takes longer once in a process."""
    session = Session(memory=MEMORY, failure=PipelineError)
    _shape("(select 1 as one)", session, "a first query")
    Output.model_rebuild()
    RunRecord.model_rebuild()
    return session


def collect(folder: Path, *, paths: Mapping[str, str], session: Session | None = None) -> dict[str, Output]:
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
    with session or Session(memory=MEMORY, failure=PipelineError) as reading:
        tables = _named(list(_tables(folder, paths, reading)))
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
        return {name: _described(table, folder, reading) for name, table in tables.items()}


def tables_in(place: Path, *, paths: Mapping[str, str]) -> dict[str, TableFiles]:
    """Give the tables that lie in a folder as a run would leave them, or in a ``.duckdb`` file, sorted by name.

    Raises:
        PipelineError: Two have one name, something is no plain file, or a database cannot be read.
    """
    with Session(memory=MEMORY, failure=PipelineError) as session:
        found = _tables(place, paths, session) if place.is_dir() else _members(place, session)
        return _named(list(found))


def _named(tables: list[TableFiles]) -> dict[str, TableFiles]:
    given: dict[str, TableFiles] = {}
    for table in sorted(tables, key=lambda table: table.name):
        if table.name in given:
            raise PipelineError(
                f"two outputs are called {table.name}", hint="give each output one file or one folder"
            )
        given[table.name] = table
    return given


def _tables(folder: Path, paths: Mapping[str, str], session: Session) -> Iterator[TableFiles]:
    named = {folder / path: name for name, path in paths.items()}
    for entry in sorted({*folder.iterdir(), *(path for path in named if path.parent != folder)}):
        if entry.name.startswith((".", "_")) or not (entry.exists() or entry.is_symlink()):
            continue
        if _kind(entry) == "folder":
            files = tuple(file for file in sorted(entry.glob("*.parquet")) if _kind(file) == "file")
            if files:
                yield TableFiles(name=named.get(entry, entry.name), format="parquet", paths=files)
        elif entry.suffix == ".duckdb":
            yield from _members(entry, session)
        elif entry.suffix in FORMATS:
            name = named.get(entry, entry.stem)
            yield TableFiles(name=name, format=FORMATS[entry.suffix], paths=(entry,))


def _kind(entry: Path) -> str:
    """Say whether it is a file or a folder; a link could lead our reading out of the run, so nothing else is read."""
    mode = entry.lstat().st_mode
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISREG(mode):
        return "file"
    raise PipelineError(
        f"output {entry.name} is a link or a device, not a file", hint="write plain files and folders"
    )


def _members(file: Path, session: Session) -> Iterator[TableFiles]:
    """Give the tables of a DuckDB file; not its views, whose text could read any file of this machine."""
    with _attached(file, session):
        found = session.rows(
            "select table_name from duckdb_tables() where database_name = 'output' and schema_name = 'main' order by 1"
        )
    for (member,) in found:
        yield TableFiles(name=member, format="duckdb", paths=(file,), member=member)


def _described(table: TableFiles, folder: Path, session: Session) -> Output:
    doing = f"output {table.name} cannot be read"
    if table.member is not None:
        with _attached(table.paths[0], session):
            rows, columns = _shape(f"output.main.{quote(table.member)}", session, doing)
    else:
        rows, columns = _shape(relation(table), session, doing)
    files = [recorded(folder, path) for path in table.paths]
    return Output(format=table.format, rows=rows, columns=columns, files=files, member=table.member)


def _shape(source: str, session: Session, doing: str) -> tuple[int, dict[str, str]]:
    columns = {name: kind for name, kind, *_ in session.rows(f"describe select * from {source}", doing=doing)}
    return int(session.rows(f"select count(*) from {source}", doing=doing)[0][0]), columns


@contextlib.contextmanager
def _attached(file: Path, session: Session) -> Iterator[None]:
    doing = f"output {file.name} cannot be read"
    session.execute(f"attach {literal(str(file))} as output (read_only)", doing=doing)
    try:
        yield
    finally:
        session.execute("detach output")
