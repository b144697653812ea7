"""Where things of a dbt project are: names of tables, outputs and nodes, and how they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def patch_source_relations(taken: set[str]) -> None:
    """Let sources that the sample has be read from it, where the project says that they lie in files of their own."""
    from dbt.adapters.base.relation import BaseRelation
    from dbt.adapters.duckdb.relation import DuckDBRelation

    elsewhere = DuckDBRelation.create_from_source.__func__

    def create(cls: Any, quoting: Any, source: Any, **options: Any) -> Any:
        if source.unique_id in taken:
            return BaseRelation.create_from.__func__(cls, quoting, source, **options)
        return elsewhere(cls, quoting, source, **options)

    DuckDBRelation.create_from_source = classmethod(create)


def find_table(tables: dict[str, Path], *names: str) -> str | None:
    """Return the first table that has one of these names, whatever their case."""
    lower = {name.lower(): name for name in tables}
    return next((lower[name.lower()] for name in names if name.lower() in lower), None)


def name_outputs(nodes: dict[str, Any]) -> dict[str, str]:
    """Name each output for its node, with its schema where two have one name."""
    names = [node.alias for node in nodes.values() if node.resource_type != "seed"]
    return {
        key: node.alias if names.count(node.alias) <= 1 else f"{node.schema}.{node.alias}"
        for key, node in nodes.items()
    }


def quote(name: str) -> str:
    """Return an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Return an SQL text."""
    return "'" + text.replace("'", "''") + "'"
