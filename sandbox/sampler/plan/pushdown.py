"""Choose a filter for a source that omits only rows the session would omit too.

The session selects among arriving rows as among those of a file, so such a filter decides nothing. It may pass more
rows than are drawn. The source's adapter writes it (see `sandbox.sources.protocol.SourceAdapter.build_rule_filter`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.engine.duckdb.arrow_types import insert_rows
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.rule.prn import PRIME
from sandbox.engine.sql.ibis_types import choose_unused_name
from sandbox.sources.protocol import DrawRule
from sandbox.sources.registry import get_adapter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import StrataColumn, StratumLabel, UnitPlan
    from sandbox.sources.table import SourceTable

# Types with one text per value, on both sides.
LABEL_TYPES = {"SMALLINT", "INTEGER", "BIGINT", "BOOLEAN", "VARCHAR"}


@dataclass(frozen=True, kw_only=True)
class StrataSource:
    """The columns that determine a unit table's strata.

    Attributes:
        relation: A view or table of the session.
        columns: Its columns and DuckDB's names of their types.
        counts: Columns with the number of rows without NULL in the key, and of all rows, if the source counted them;
            the relation then has no keys. Else None.
    """

    relation: str
    columns: Mapping[str, str]
    counts: tuple[str, str] | None = None


def count_groups_in_source(
    session: Session, table: SourceTable, columns: Sequence[str], key: Sequence[str]
) -> StrataSource | None:
    """Count the rows of a table by strata columns in its database; None without one or with too many values."""
    chosen = list(dict.fromkeys(columns))
    rows = get_adapter(table).count_groups(table, chosen, key)
    if rows is None:
        return None
    whole, every = choose_unused_name("rows with a key", columns), choose_unused_name("rows", columns)
    names = [*(f"c{n}::{table.columns[name]} as {quote_identifier(name)}" for n, name in enumerate(chosen)),
             f"c{len(chosen)} as {quote_identifier(whole)}", f"c{len(chosen) + 1} as {quote_identifier(every)}"]  # fmt: skip
    relation = f"counted {table.name.encode().hex()}"
    kinds = {name: table.columns[name] for name in chosen} | {whole: "BIGINT", every: "BIGINT"}
    fields = ", ".join(f"{quote_identifier(name)} {kind}" for name, kind in kinds.items())
    session.execute(f"create or replace temp table {quote_identifier(relation)} ({fields})")
    insert_rows(session, rows, relation, ", ".join(names))
    return StrataSource(relation=relation, columns=kinds, counts=(whole, every))


def build_rule_filter(table: SourceTable, unit: UnitPlan) -> Any:
    """Build the source's filter for rows of a unit table that may be drawn; None keeps all rows."""
    adapter = get_adapter(table)
    columns = _list_label_columns(unit, adapter.list_pushable_columns(table))
    threshold, labels = _choose_threshold(unit, columns)
    rule = DrawRule(
        key=unit.key,
        coefficients=unit.coefficients,
        threshold=threshold,
        label_columns=[column.column for column in columns],
        labels=labels,
    )
    return adapter.build_rule_filter(table, rule)


def _list_label_columns(unit: UnitPlan, pushable: Collection[str]) -> list[StrataColumn]:
    """Return the strata columns usable in the source."""
    return [
        column
        for column in unit.columns
        if not column.path
        and column.size is None
        and column.edges is None
        and column.rare_below is None
        and column.type in LABEL_TYPES
        and column.column in pushable
    ]


def _choose_threshold(unit: UnitPlan, columns: Sequence[StrataColumn]) -> tuple[int, list[str]]:
    """Choose a threshold for most rows, and the labels of strata passed whole, to minimise the rows passed."""
    indexes = [unit.columns.index(entry) for entry in columns]
    highest: dict[str, int] = {}
    rows: dict[str, int] = {}
    for stratum in unit.strata:
        for cell in stratum.cells:
            label = _format_label(cell, indexes)
            highest[label] = max(highest.get(label, 0), stratum.threshold)
            rows[label] = rows.get(label, 0) + stratum.population // len(stratum.cells)
    levels = sorted(set(highest.values()))
    ordered = sorted(highest, key=lambda entry: -highest[entry])
    total, best = sum(rows.values()), (float("inf"), levels[-1])
    passing, index = 0, 0
    for level in reversed(levels):
        while index < len(ordered) and highest[ordered[index]] > level:
            passing += rows[ordered[index]]
            index += 1
        best = min(best, (passing + (total - passing) * level / PRIME, level))
    return best[1], sorted(label for label, level in highest.items() if level > best[1])


def _format_label(labels: Sequence[StratumLabel], indexes: Sequence[int]) -> str:
    texts = [labels[index].text for index in indexes]
    return "".join("~" if text is None else f"{len(text)}:{text}" for text in texts)
