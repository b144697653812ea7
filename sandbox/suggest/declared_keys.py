"""What a source's own catalogue declares of keys and references: a database's, for its tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.sources import database_file
from sandbox.sources.table import Declared

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.engine.database_schema import Declared as InCatalogue
    from sandbox.sources.listing import Listing

HOW = "declared in the database"


def catalogued(listing: Listing) -> Mapping[str, Declared]:
    """Give what a source declares of its tables; nothing where it is a folder of files."""
    names, said = {}, {}
    for name, one in _tables(listing):
        names[one.schema, one.table] = name
        said[name] = one
    return {
        name: Declared(
            key=one.key or None,
            references={
                reference.columns: (names[place], reference.key)
                for reference in one.references
                if (place := (reference.schema, reference.table)) in names
            },
            how=HOW,
        )
        for name, one in said.items()
    }


def _tables(listing: Listing) -> Iterator[tuple[str, InCatalogue]]:
    files = {Path(files[0].path) for form, files in listing.files.values() if form in {"duckdb", "sqlite"}}
    for path in sorted(files):
        for one in database_file.declared(path):
            yield database_file.name_of(one.schema, one.table), one
    for name, (form, pieces) in listing.files.items():
        if form == "postgres":
            yield name, pieces[0].opened[1].declared
