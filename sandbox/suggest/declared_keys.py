"""Read keys and references declared in a database's catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.sources import database_file
from sandbox.sources.table import DeclaredConstraints

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.engine.database_schema import DeclaredTable as InCatalogue
    from sandbox.sources.listing import SourceListing

DECLARED_EVIDENCE = "declared in the database"


def read_declared_constraints(listing: SourceListing) -> Mapping[str, DeclaredConstraints]:
    """Return the declared constraints by table; empty for a folder of files."""
    names, declarations = {}, {}
    for name, declared in _list_declared_tables(listing):
        names[declared.schema, declared.table] = name
        declarations[name] = declared
    return {
        name: DeclaredConstraints(
            key=declared.key or None,
            references={
                reference.columns: (names[target], reference.key)
                for reference in declared.references
                if (target := (reference.schema, reference.table)) in names
            },
            evidence=DECLARED_EVIDENCE,
        )
        for name, declared in declarations.items()
    }


def _list_declared_tables(listing: SourceListing) -> Iterator[tuple[str, InCatalogue]]:
    files = {Path(files[0].path) for form, files in listing.files.values() if form in {"duckdb", "sqlite"}}
    for path in sorted(files):
        for table in database_file.read_declared_tables(path):
            yield database_file.format_table_name(table.schema, table.table), table
    for name, (form, pieces) in listing.files.items():
        if form == "postgres":
            yield name, pieces[0].handle[1].declaration
