"""Strata: counted over the frame in one pass, rare values merged, probabilities allocated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sandbox.engine import prn, rule
from sandbox.engine.duck import quote
from sandbox.errors import RuleError
from sandbox.sampler import allocation
from sandbox.sampler.plan import Label, StrataColumn, Stratum, UnitPlan, as_integer

if TYPE_CHECKING:
    from sandbox.config.settings import DrawSection
    from sandbox.engine.duck import Session
    from sandbox.sampler.table import SourceTable

MOST = 10_000
LOOK_FIRST = 2_000_000  # rows from which a quick estimate comes before an exact count
COUNTED = "strata_counted"
ORDER = {"value": 0, "rare": 1, "null": 2}


def planned(
    session: Session, table: SourceTable, relation: str, key: tuple[str, ...], draw: DrawSection
) -> tuple[UnitPlan, list[str]]:
    """Count a unit table's strata and allocate.

    Args:
        session: The engine.
        table: The unit table.
        relation: The name of a view or table with at least its key and strata columns.
        key: The unit's key.
        draw: How it is drawn.

    Returns:
        The plan and warnings, one sentence each.

    Raises:
        RuleError: There is no unit, a column cannot make strata, or there are more than 10,000.
    """
    columns = [
        StrataColumn(name=one.column, type=table.columns[one.column], rare_below=one.rare_below)
        for one in draw.strata
    ]
    _check_types(table, columns)
    _look_first(session, table, relation, columns)
    sql = rule.counts(relation, table.columns, key, [column.name for column in columns])
    session.execute(f"create or replace temp table {COUNTED} as {sql}", doing=f"counting {table.name}")
    null_keys, population = session.rows(
        f"select coalesce(sum(null_keys), 0)::bigint, coalesce(sum(population), 0)::bigint from {COUNTED}"
    )[0]
    _check_population(table, key, population, null_keys)
    columns = [_with_common(session, index, column) for index, column in enumerate(columns)]
    counted = _counted(session, table, columns)
    session.execute(f"drop table {COUNTED}")
    chosen, warnings = _allocated(table.name, [count for _, count in counted], draw)
    strata = tuple(
        Stratum(labels=labels, population=count, probability=level / prn.PRIME, threshold=level)
        for (labels, count), level in zip(counted, map(prn.threshold, chosen), strict=True)
    )
    plan = UnitPlan(
        table=table.name,
        key=key,
        coefficients=prn.coefficients(draw.salt, table.name),
        columns=tuple(columns),
        strata=strata,
        null_keys=null_keys,
    )
    return plan, warnings


def _allocated(table: str, populations: list[int], draw: DrawSection) -> tuple[list[float], list[str]]:
    least = allocation.floors(populations, draw.min_per_stratum)
    slopes = [1.0] * len(populations)
    warnings: list[str] = []
    if draw.rate is not None:
        scale = draw.rate
    else:
        assert draw.units is not None, "the file is refused with neither rate nor units"
        scale = allocation.scale_for(draw.units, populations, slopes, least)
        if scale == 0:
            needed = math.fsum(n * floor for n, floor in zip(populations, least, strict=True))
            warnings.append(
                f"{table}: min_per_stratum = {draw.min_per_stratum} alone takes about {needed:,.0f} units, "
                f"more than units = {draw.units:,}"
            )
        if math.isinf(scale):
            warnings.append(f"{table}: units = {draw.units:,} is all there are; every unit comes")
    return allocation.probabilities(slopes, least, scale), warnings


def _check_types(table: SourceTable, columns: list[StrataColumn]) -> None:
    for column in columns:
        if column.type.endswith(("]", ")", "BLOB", "JSON")) and not column.type.startswith("DECIMAL"):
            raise RuleError(
                f"{table.name}.{column.name} cannot make strata: it is {column.type}",
                hint="name columns of single values: text, numbers, dates, booleans",
            )


def _look_first(session: Session, table: SourceTable, relation: str, columns: list[StrataColumn]) -> None:
    """Stop before counting millions of groups exactly; the estimate may be off by a few percent, not by half."""
    plain = [column for column in columns if column.rare_below is None]
    if table.rows <= LOOK_FIRST or not plain:
        return
    estimates = ", ".join(f"approx_count_distinct({quote(column.name)})" for column in plain)
    found = session.rows(f"select {estimates} from {quote(relation)}", doing=f"counting {table.name}")[0]
    if max(found) > 2 * MOST:
        raise _too_many(table, dict(zip(plain, found, strict=True)), about=True)


def _check_population(table: SourceTable, key: tuple[str, ...], population: int, null_keys: int) -> None:
    if population:
        return
    if null_keys:
        what = f"in all {null_keys:,} rows a part of the key ({', '.join(key)}) is NULL"
    else:
        what = "it has no rows"
    raise RuleError(f"there is nothing to sample in {table.name}: {what}", hint="look at the source's files")


def _with_common(session: Session, index: int, column: StrataColumn) -> StrataColumn:
    """Find the values that are not rare, by their count over the whole frame."""
    if column.rare_below is None:
        return column
    found = session.rows(
        f"select value_{index}::varchar from {COUNTED} where value_{index} is not null group by value_{index} "
        f"having sum(population) >= ? order by 1 limit {MOST + 1}",
        [column.rare_below],
    )
    return StrataColumn(
        name=column.name,
        type=column.type,
        rare_below=column.rare_below,
        common=tuple(row[0] for row in found),
    )


def _counted(
    session: Session, table: SourceTable, columns: list[StrataColumn]
) -> list[tuple[tuple[Label, ...], int]]:
    kinds, texts = [], []
    for index, column in enumerate(columns):
        value = f"value_{index}"
        rare = "false"
        if column.rare_below is not None:
            rare = f"{value}::varchar not in (select unnest(?::varchar[]))"
        kinds.append(f"case when {value} is null then 'null' when {rare} then 'rare' else 'value' end")
        texts.append(f"{value}::varchar")
    labels = "".join(f"{kind} as kind_{i}, {texts[i]} as text_{i}, " for i, kind in enumerate(kinds))
    groups = "".join(
        f"kind_{i}, case when kind_{i} = 'value' then text_{i} end as text_{i}, " for i in range(len(columns))
    )
    found = session.rows(
        f"select {groups}sum(population)::bigint as n from (select {labels}population from {COUNTED}) "
        f"group by all having n > 0 order by all limit {MOST + 1}",
        [list(column.common) for column in columns if column.rare_below is not None],
        doing=f"counting the strata of {table.name}",
    )
    if len(found) > MOST:
        distinct = ", ".join(f"count(distinct value_{index})" for index in range(len(columns)))
        counts = session.rows(f"select {distinct} from {COUNTED}")[0]
        raise _too_many(table, dict(zip(columns, counts, strict=True)), about=False)
    strata = [(tuple(_labels(row[:-1])), int(row[-1])) for row in found]
    return sorted(strata, key=lambda one: _order(columns, one[0]))


def _order(columns: list[StrataColumn], labels: tuple[Label, ...]) -> list[tuple[int, int, str]]:
    """Order strata by their values, integers as such; rare ones come after, NULL last."""
    pairs = zip(columns, labels, strict=True)
    return [(ORDER[one.kind], as_integer(column, one) or 0, one.text or "") for column, one in pairs]


def _labels(cells: tuple[str | None, ...]) -> list[Label]:
    pairs = zip(cells[::2], cells[1::2], strict=True)
    return [Label(kind=kind, text=text) for kind, text in pairs]  # type: ignore[arg-type]


def _too_many(table: SourceTable, distinct: dict[StrataColumn, int], *, about: bool) -> RuleError:
    widest = max(distinct, key=lambda column: distinct[column])
    count = f"{'about ' if about else ''}{distinct[widest]:,}"
    return RuleError(
        f"{table.name} would fall into more than {MOST:,} strata; the widest column is {widest.name}, "
        f"with {count} values",
        hint=f'merge its rare values: {{column = "{widest.name}", rare_below = 200}}, or take it out of strata',
    )
