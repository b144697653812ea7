"""Read keys and references declared in a database's catalogue."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from sandbox.sources.registry import ADAPTERS
from sandbox.sources.table import DeclaredConstraints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.sources.listing import SourceListing

DECLARED_EVIDENCE = "declared in the database"


def read_declared_constraints(listing: SourceListing) -> Mapping[str, DeclaredConstraints]:
    """Return the declared constraints by table; empty for a folder of files."""
    names, declarations = {}, {}
    for name, declared in itertools.chain.from_iterable(
        adapter.list_declared_tables(listing) for adapter in ADAPTERS.values()
    ):
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
