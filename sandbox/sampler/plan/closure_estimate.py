"""Estimate the rows that come into a sample by reference only, where references lead back to units or their children.

A small pilot draw counts the references that leave their unit. From these and from the number of distinct keys of each
reference, rows are added until their numbers no longer change.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.formatting import format_count
from sandbox.sampler.plan.pilot import PilotDraw
from sandbox.sampler.plan.plan import ExpectedSize, list_path_to_unit
from sandbox.sampler.plan.references import list_links
from sandbox.sampler.plan.size_estimate import estimate_sizes
from sandbox.sources.registry import build_select, translate_file_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.pilot import UnitCosts
    from sandbox.sampler.plan.plan import TableStep, UnitPlan
    from sandbox.sampler.plan.references import ReferenceLink
    from sandbox.sources.table import SourceTable

MAX_TURNS = 10_000
MIN_ROWS_TO_WARN = 1_000


@dataclass(frozen=True, kw_only=True)
class ReferenceCounts:
    """Counts of one reference in the source.

    Attributes:
        table: The referring table.
        target: The referenced table.
        rows: Rows of the referring table that have a reference.
        keys: Distinct keys among them.
        leaving_share: The share of drawn rows with a reference whose target is not drawn with the same unit.
        added_share: The same share for rows that come by reference, whose unit is not drawn: what leads to a row above theirs
            in their unit names the row that their reference to the unit names as well.
        levels: For how many levels it is followed; None for any number.
    """

    table: str
    target: str
    rows: int
    keys: int
    leaving_share: float
    added_share: float = 1.0
    levels: int | None = None


def compute_closure(
    references: Sequence[ReferenceCounts], drawn: Mapping[str, float], rows: Mapping[str, int]
) -> dict[str, float]:
    """Compute the expected rows of each table that come by reference only. Pure.

    A level of references names ``keys · (1 − (1 − followed / rows)^(rows / keys))`` rows, where ``followed`` are the
    references of the rows of earlier levels. Named rows are drawn already as often as other rows of their table, and tables
    are independent of each other.

    Args:
        references: The counts of each followed reference.
        drawn: Table -> rows that are drawn, with their unit or whole.
        rows: Table -> rows of the source.
    """
    added = dict.fromkeys(rows, 0.0)
    followed = [0.0] * len(references)
    for turn in range(1, MAX_TURNS):
        for number, counts in enumerate(references):
            if counts.levels is None or turn <= counts.levels:
                held = drawn[counts.table] * counts.leaving_share + added[counts.table] * counts.added_share
                followed[number] = min(counts.rows, held * counts.rows / max(1, rows[counts.table]))
        missing = dict.fromkeys(rows, 1.0)
        for counts, count in zip(references, followed, strict=True):
            missing[counts.target] *= 1 - _count_named_keys(counts, count) / max(1, rows[counts.target])
        more = {name: (rows[name] - min(drawn[name], rows[name])) * (1 - max(0.0, missing[name])) for name in rows}
        is_settled = all(abs(more[name] - added[name]) < 0.01 for name in rows)
        added = more
        if is_settled:
            break
    return added


def _count_named_keys(counts: ReferenceCounts, followed: float) -> float:
    if not counts.rows or not counts.keys:
        return 0.0
    share: float = (1 - min(1.0, followed / counts.rows)) ** (counts.rows / counts.keys)
    return counts.keys * (1 - share)


def leads_back(link: ReferenceLink, steps: Sequence[TableStep]) -> bool:
    """Return whether a reference can add rows of units or their children that are not drawn."""
    by_name = {step.table: step for step in steps}
    return (
        link.reference.levels != 0
        and by_name[link.target].unit is not None
        and link.reference != by_name[link.table].through
    )


def estimate_closed_sizes(
    session: Session,
    tables: Mapping[str, SourceTable],
    units: Mapping[str, UnitPlan],
    steps: tuple[TableStep, ...],
    costs: Mapping[str, UnitCosts],
) -> tuple[dict[str, ExpectedSize], list[str]]:
    """Estimate the size of each table, with the rows that come by reference only.

    Returns:
        The sizes, and a warning where more rows come by reference than are drawn.
    """
    sizes = estimate_sizes(steps, tables, units, costs)
    links = [link for link in list_links(steps, tables) if link.reference.levels != 0]
    if not any(leads_back(link, steps) for link in links):
        return sizes, []
    lookups = {step.table for step in steps if step.keep == "referenced"}
    rows = {name: table.rows for name, table in tables.items()}
    drawn = {name: 0.0 if name in lookups else float(sizes[name].rows) for name in tables}
    if all(drawn[step.table] >= rows[step.table] for step in steps if step.unit is not None):
        return sizes, []
    counted = _count_references(session, tables, units, steps, links)
    added = compute_closure(counted, drawn, rows)
    completed = {
        name: _add_rows(size, added[name], rows[name], is_lookup=name in lookups) for name, size in sizes.items()
    }
    return completed, _list_warnings(links, counted, drawn, rows, completed)


def _add_rows(size: ExpectedSize, added: float, most: int, *, is_lookup: bool) -> ExpectedSize:
    """Return a table's size with rows added; a lookup's rows come all by reference and are in its size."""
    count = max(size.rows, round(added)) if is_lookup else min(most, size.rows + round(added))
    of_row = size.bytes / max(1, size.rows)
    return ExpectedSize(rows=count, bytes=round(count * of_row), by_reference=count if is_lookup else count - size.rows)


def _count_references(
    session: Session,
    tables: Mapping[str, SourceTable],
    units: Mapping[str, UnitPlan],
    steps: tuple[TableStep, ...],
    links: Sequence[ReferenceLink],
) -> list[ReferenceCounts]:
    """Count each reference in the source, and on a pilot draw whether it leaves its unit."""
    leaving: dict[int, float] = {}
    unit_of = {step.table: step.unit for step in steps}
    for unit in units.values():
        pilot = PilotDraw(session=session, tables=tables, unit=unit, steps=steps)
        pilot.draw_keys()
        for number, link in enumerate(links):
            if unit_of[link.table] == unit_of[link.target] == unit.table:
                leaving[number] = pilot.measure_leaving_share(link)
        pilot.drop_tables()
    above = {step.table: {parent.table for parent in list_path_to_unit(step, steps)[1:]} for step in steps}
    through = {step.table: step.through for step in steps}
    found = []
    for number, link in enumerate(links):
        rows, keys = _count_keys(session, tables[link.table], link)
        is_second_way = number in leaving and link.target in above[link.table] and link.reference != through[link.table]
        found.append(
            ReferenceCounts(
                table=link.table,
                target=link.target,
                rows=rows,
                keys=min(keys, rows, tables[link.target].rows),
                leaving_share=leaving.get(number, 1.0),
                added_share=leaving[number] if is_second_way else 1.0,
                levels=link.reference.levels,
            )
        )
    return found


def _count_keys(session: Session, table: SourceTable, link: ReferenceLink) -> tuple[int, int]:
    names = ", ".join(f"r.{quote_identifier(column)}" for column in link.reference.columns)
    with translate_file_errors(table.format, table.files):
        [(rows, keys)] = session.fetch_rows(
            f"select count(*), approx_count_distinct(row({names})) from ({build_select(table)}) r where {link.row_condition}",
            doing=f"counting {link.table} → {link.target}",
        )
    return int(rows), int(keys)


def _list_warnings(
    links: Sequence[ReferenceLink],
    counted: Sequence[ReferenceCounts],
    drawn: Mapping[str, float],
    rows: Mapping[str, int],
    sizes: Mapping[str, ExpectedSize],
) -> list[str]:
    """Return a warning if more rows of units come by reference than are drawn, with the reference that brings most."""
    own = [name for name in rows if drawn[name]]
    by_reference = sum(sizes[name].by_reference for name in own)
    if by_reference < max(MIN_ROWS_TO_WARN, sum(drawn[name] for name in own if drawn[name] < rows[name])):
        return []
    left = [
        sum(compute_closure([*counted[:n], *counted[n + 1 :]], drawn, rows)[name] for name in own)
        for n in range(len(counted))
    ]
    first = min(range(len(left)), key=left.__getitem__)
    link = links[first]
    once = list(counted)
    once[first] = dataclasses.replace(counted[first], levels=1)
    bounded = sum(compute_closure(once, drawn, rows)[name] for name in own)
    by_table = ", ".join(f"{name} {sizes[name].by_reference:,}" for name in own if sizes[name].by_reference)
    columns = ", ".join(link.reference.columns)
    warning = (
        f"about {format_count(by_reference, 'row')} come only because other rows refer to them ({by_table}); "
        f"with follow = false at {link.table} ({columns}) → {link.target} about {round(left[first]):,}, with follow = 1 about "
        f"{round(bounded):,}; then rows of {link.table} refer to rows of {link.target} that the sample lacks, and joins lose them"
    )
    return [warning]
