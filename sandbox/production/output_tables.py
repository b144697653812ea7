"""Find and open the outputs that production made, wherever they are; nothing is written there."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare.reading.table_reader import TableReader
from sandbox.config.sections.sample import TableSection
from sandbox.config.sections.source import MySQLSection, PostgresSection
from sandbox.engine.duckdb.session import Session
from sandbox.errors import ConfigError, PipelineError
from sandbox.sources.discover import list_source
from sandbox.sources.open_table import open_table
from sandbox.sources.registry import ADAPTERS, build_select
from sandbox.tables.database_tables import list_database_tables
from sandbox.tables.file_formats import find_database_format
from sandbox.tables.folder_contents import list_contents, parse_partition, resolve_json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.config.sections.source import SourceSection
    from sandbox.model import TableFiles
    from sandbox.sources.listing import SourceListing

OUTPUTS_HINT = 'name them: sandbox test --production PLACE, or outputs = "…" in [production]'


@dataclass(frozen=True, kw_only=True)
class OutputPiece:
    """A file of an output, or a table of a database: its bytes, and the values of the partition columns in its path."""

    bytes: int
    partition: Mapping[str, str | None]


@dataclass(frozen=True, kw_only=True)
class OpenedOutput:
    """An output in a session: SQL for the FROM clause, and the addresses that it reads."""

    sql: str
    paths: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class OutputTable:
    """An output that production made.

    Attributes:
        name: Its name.
        files: Its files; of a table of a database, one with the bytes of the table, or of the file around it.
        open_in: Opens it in a session.
    """

    name: str
    files: Sequence[OutputPiece]
    open_in: Callable[[Session], OpenedOutput]

    @property
    def bytes(self) -> int:
        """The size of its files."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True, kw_only=True)
class ProductionOutputs:
    """The outputs at a place; ``problems`` has those that cannot be read, with the reason."""

    display_name: str
    tables: Mapping[str, OutputTable]
    problems: Mapping[str, str] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def open_production_outputs(project: Project, place: str, *, version: int | None = None) -> Iterator[ProductionOutputs]:
    """List the outputs at a place: a folder laid out like a run's outputs, or any address of a source.

    ``version`` is that of a lake's tables; None for the newest.

    Raises:
        ConfigError: There is nothing at the place.
        SourceError: It cannot be read.
        PipelineError: An entry of the folder is no plain file.
    """
    path = (project.root / place).absolute()
    if "://" not in place and path.is_dir() and version is None:
        yield _list_folder(project, path)
        return
    if "://" not in place and not path.exists():
        raise ConfigError(f"production's outputs are not at {path}", hint=OUTPUTS_HINT)
    listing = list_source(place, base=project.root, section=_build_source_section(project, place))
    with contextlib.closing(listing):
        yield ProductionOutputs(
            display_name=listing.display_name,
            tables={name: _describe_source_table(project, listing, name, version) for name in listing.files},
            problems=listing.problems,
        )


def _build_source_section(project: Project, place: str) -> SourceSection:
    """Return ``[source]`` for another place; no statement on a server takes longer than all tests may."""
    source, seconds = project.settings.source, project.settings.production.timeout
    limited = {
        name: section.model_copy(update={"statement_timeout": min(section.statement_timeout, seconds)})
        for name, section in (
            ("postgres", source.postgres or PostgresSection()),
            ("mysql", source.mysql or MySQLSection()),
        )
    }
    return source.model_copy(update={"uri": place, **limited})


def _list_folder(project: Project, folder: Path) -> ProductionOutputs:
    outputs, csv = project.settings.outputs, project.settings.output_csv
    named = {folder / section.path: name for name, section in outputs.items() if section.path}
    contents = list_contents(folder, named=named)
    tables = [*contents.tables]
    with Session(failure=PipelineError) as session:
        for above, path in contents.databases:
            if (format_ := find_database_format(path)) is not None:
                tables += list_database_tables(session, path, format_, above, None).tables
    found = {}
    for table in tables:
        resolved = resolve_json_lines(table)
        if resolved.format == "csv":
            resolved = dataclasses.replace(resolved, csv=csv.get(resolved.name))
        found[resolved.name] = OutputTable(
            name=resolved.name,
            files=[
                OutputPiece(
                    bytes=path.stat().st_size,
                    partition=parse_partition(resolved.folder, path) if resolved.folder is not None else {},
                )
                for path in resolved.paths
            ],
            open_in=functools.partial(_open_files, table=resolved),
        )
    return ProductionOutputs(display_name=str(folder), tables=found)


def _open_files(session: Session, table: TableFiles) -> OpenedOutput:
    reader = TableReader(session, PipelineError)
    source, _ = reader.prepare_source(
        f"production {table.name}", table, doing=f"production's {table.name} cannot be read"
    )
    return OpenedOutput(sql=str(source), paths=[str(path) for path in table.paths])


def _describe_source_table(project: Project, listing: SourceListing, name: str, version: int | None) -> OutputTable:
    files = listing.files[name][1]
    section = project.settings.outputs.get(name)
    settings = TableSection() if section is None else TableSection(types=dict(section.types), csv=section.csv)
    if version is not None and (pin := ADAPTERS[listing.files[name][0]].pin) is not None:
        settings = settings.model_copy(update={pin: version})
    return OutputTable(
        name=name,
        files=[OutputPiece(bytes=file.bytes, partition=dict(file.constants)) for file in files],
        open_in=functools.partial(_open_source_table, listing=listing, name=name, section=settings),
    )


def _open_source_table(session: Session, listing: SourceListing, name: str, section: TableSection) -> OpenedOutput:
    table = open_table(session, listing, name, section)
    return OpenedOutput(sql=f"({build_select(table)})", paths=[file.address for file in table.files])
