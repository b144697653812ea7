"""What a source's own catalogue declares of keys and references: a database's, for its tables."""

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
    """Give what a source declares of its tables; nothing where it is a folder of files."""
    names, said = {}, {}
    for name, one in _list_declared_tables(listing):
        names[one.schema, one.table] = name
        said[name] = one
    return {
        name: DeclaredConstraints(
            key=one.key or None,
            references={
                reference.columns: (names[place], reference.key)
                for reference in one.references
                if (place := (reference.schema, reference.table)) in names
            },
            evidence=DECLARED_EVIDENCE,
        )
        for name, one in said.items()
    }


def _list_declared_tables(listing: SourceListing) -> Iterator[tuple[str, InCatalogue]]:
    files = {Path(files[0].path) for form, files in listing.files.values() if form in {"duckdb", "sqlite"}}
    for path in sorted(files):
        for one in database_file.read_declared_tables(path):
            yield database_file.format_table_name(one.schema, one.table), one
    for name, (form, pieces) in listing.files.items():
        if form == "postgres":
            yield name, pieces[0].handle[1].declaration
