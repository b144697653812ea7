"""Ways from a row of a table to the unit that it belongs to. Pure."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.duckdb.table_functions import build_parquet_reader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

GENERAL_KEYS = frozenset({"id", "key", "name", "no", "number", "pk", "uuid"})
"""Names of keys that say nothing of the table."""
TABLE_PREFIX = re.compile(r"(raw|src|source|stg|staging)_+", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class LinkedTable:
    """A table of the sample on the way to a unit: its files, and its columns with the next table's key."""

    files: Sequence[Path]
    columns: tuple[str, ...]
    next_key: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class UnitLink:
    """A way from the key of a table to the unit of its row.

    Attributes:
        table: The table.
        key: The unique column in it, and ``type`` the engine's name of its type.
        steps: The tables from it to the last one before the unit table.
        types: The types of the last one's columns with the unit's key.
    """

    table: str
    key: str
    type: str
    steps: tuple[LinkedTable, ...]
    types: tuple[str, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names by which a column of an output is taken for the key.

        >>> UnitLink(table="raw.raw_orders", key="id", type="BIGINT", steps=(), types=()).column_names
        ('order_id',)
        >>> UnitLink(table="countries", key="code", type="VARCHAR", steps=(), types=()).column_names
        ('code', 'country_code')
        """
        name = TABLE_PREFIX.sub("", self.table.rpartition(".")[2])
        singular = f"{name[:-3]}y" if name.endswith("ies") else name.removesuffix("s")
        return (*(() if self.key.lower() in GENERAL_KEYS else (self.key,)), f"{singular}_{self.key}")

    def render_unit_sql(self, value: str, place: int) -> str:
        """Render one column of the unit's key for a value of the key; NULL where there is no single one."""
        tables = f"{build_parquet_reader(self.steps[0].files)} l0"
        for number, (step, following) in enumerate(itertools.pairwise(self.steps)):
            on = " and ".join(
                f"l{number}.{quote_identifier(here)} = l{number + 1}.{quote_identifier(there)}"
                for here, there in zip(step.columns, step.next_key, strict=True)
            )
            tables += f" join {build_parquet_reader(following.files)} l{number + 1} on {on}"
        unit = f"l{len(self.steps) - 1}.{quote_identifier(self.steps[-1].columns[place])}"
        return (
            f"(select case when count(distinct {unit}) = 1 then any_value({unit}) end from {tables} "
            f"where l0.{quote_identifier(self.key)} = {value})"
        )


@dataclass(frozen=True, kw_only=True)
class UnitReference:
    """A column of an output, and the way from its values to units of ``unit``."""

    column: str
    unit: str
    link: UnitLink
