"""List the tables of a database file, of any format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.engine.database_schema import detect_database_format
from sandbox.sources.listing import SourceFile, SourceListing
from sandbox.sources.protocol import SourceAdapter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.config.sections.source import SourceSection
    from sandbox.engine.database_schema import DeclaredTable
    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFormat

HEADER_BYTES = 16
WIDTH_SAMPLE_ROWS = 10_000  # rows sampled to estimate the width of a row


class DatabaseFileAdapter(SourceAdapter):
    """Tables of a database in one file.

    Attributes:
        wal_suffix: Suffix of the file with changes that are not yet in the database file.
    """

    wal_suffix: str

    def read_catalog(self, path: Path) -> tuple[Sequence[DeclaredTable], Any]:
        """Return the tables of a file, and the handle by which they are read; None without one.

        Raises:
            SourceError: The file cannot be read.
        """
        raise NotImplementedError

    def list_source(self, uri: str, *, base: Path, section: SourceSection | None) -> SourceListing | None:
        path = (base / uri).absolute()
        if "://" in uri or not path.is_file() or _detect_format(path) != self.format:
            return None
        state, more = path.stat(), Path(f"{path}{self.wal_suffix}")
        beside = more.stat() if more.exists() and more.stat().st_size else None  # readers create an empty one
        tables: dict[str, tuple[SourceFormat, tuple[SourceFile, ...]]] = {}
        problems = {}
        catalog, handle = self.read_catalog(path)
        for declared in catalog:
            name = format_table_name(declared.schema, declared.table)
            if name in tables:
                problems[name] = f"{path} has two tables that are called {name} here; rename one"
            file = SourceFile(
                path=str(path),
                name=path.name,
                bytes=state.st_size + (beside.st_size if beside else 0),
                modified=max(state.st_mtime_ns, beside.st_mtime_ns if beside else 0),
                table_path=(declared.schema, declared.table),
                handle=handle,
            )
            tables[name] = (self.format, (file,))
        files = {name: entry for name, entry in tables.items() if name not in problems}
        return SourceListing(uri=uri, base=base, display_name=str(path), files=files, problems=problems)

    def list_declared_tables(self, listing: SourceListing) -> Iterator[tuple[str, DeclaredTable]]:
        for path in sorted({files[0].path for form, files in listing.files.values() if form == self.format}):
            for table in self.read_catalog(Path(path))[0]:
                yield format_table_name(table.schema, table.table), table


def format_table_name(schema: str, table: str) -> str:
    """Return a table's name in ``sandbox.toml``: without prefix in the schema ``main``."""
    return table if schema == "main" else f"{schema}.{table}"


def estimate_file_share(file: SourceFile, rows: int, width: float) -> float:
    """Estimate a table's share of a file."""
    return min(1.0, rows * width / max(1, file.bytes))


def estimate_row_width(session: Session, relation: str) -> float:
    """Estimate the bytes of a row."""
    [(width,)] = session.fetch_rows(
        f"select avg(strlen(r::varchar)) from (select * from {relation} limit {WIDTH_SAMPLE_ROWS}) r",
        doing="looking at rows",
    )
    return float(width or 1)


def _detect_format(path: Path) -> str | None:
    """Return the format of a database file; None if it is not a known one."""
    with path.open("rb") as file:
        return detect_database_format(file.read(HEADER_BYTES))
