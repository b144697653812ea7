"""Judge nondeterministic columns by their distribution: the candidate's values against those of two runs of the baseline.

Times within a run's own duration, and texts that are unique in each run, are judged by NULLs and uniqueness alone.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sandbox.compare.canonical_sql import canonicalize
from sandbox.compare.columns import match_columns
from sandbox.compare.reading.table_reader import TableReader, build_compared_columns
from sandbox.compare.relations import RunValues, create_table
from sandbox.compare.rules import compute_engine_memory
from sandbox.compare.sql_types import MEASURED_TIME_TYPES, is_nested
from sandbox.engine.duckdb.session import Session
from sandbox.errors import PipelineError
from sandbox.estimate.run_tests import (
    ALIKE,
    DEPENDENT,
    MARGIN,
    combine_p_values,
    compute_category_p_value,
    compute_ks_p_value,
    compute_run_p_value,
    estimate_dispersion,
)
from sandbox.formatting import format_share

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sandbox.compare.columns import ComparedColumn
    from sandbox.compare.relations import SideName
    from sandbox.compare.rules import OutputRules
    from sandbox.model import TableFiles

ColumnKind = Literal["times", "identifiers", "numbers", "categories"]

RUNS = (0, 1, 2)
"""The baseline's run, the noise run, the candidate's run."""

MAX_CATEGORIES = 50
"""Columns with more different values are compared as numbers, or by their most frequent values."""

CLOCK_SLACK = 5.0  # seconds around a run in which its clock may be read


@dataclass(frozen=True, kw_only=True)
class RunPeriod:
    """The time of one run, in seconds since 1970."""

    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class ColumnTest:
    """The test of one nondeterministic column.

    Attributes:
        name: The baseline's name of the column.
        kind: The way in which it is judged.
        p_value: The probability of values as unlike as the candidate's without a change.
        finding: What is unlike, without values.
    """

    name: str
    kind: ColumnKind
    p_value: float
    finding: str


@dataclass(frozen=True, kw_only=True)
class _RunFigures:
    """Figures of one column in one run; those of numbers are NaN where it holds none."""

    rows: int
    values: int
    distinct: int
    low: float = math.nan
    high: float = math.nan
    median: float = math.nan
    spread: float = math.nan

    @property
    def is_unique(self) -> bool:
        return self.values > 1 and self.distinct == self.values


def judge_columns(
    tables: Sequence[TableFiles],
    periods: Sequence[RunPeriod],
    columns: Collection[str],
    rules: OutputRules,
    *,
    key: Sequence[str],
    memory: int,
) -> list[ColumnTest]:
    """Test the nondeterministic columns of one output.

    Args:
        tables: The output in each of the runs.
        periods: When they ran.
        columns: The baseline's names of the columns.
        rules: What is declared about the output.
        key: The columns that identify a row; empty where there is none.
        memory: Bytes that this process may take.

    Raises:
        PipelineError: A table cannot be read.
    """
    with Session(memory=compute_engine_memory(memory), failure=PipelineError) as session:
        types, runs = _store_columns(session, tables, columns, rules, () if set(key) & set(columns) else key)
        return [_judge_column(session, runs, name, number, types[name], periods) for number, name in enumerate(types)]


def _store_columns(
    session: Session,
    tables: Sequence[TableFiles],
    columns: Collection[str],
    rules: OutputRules,
    key: Sequence[str],
) -> tuple[dict[str, str], list[RunValues]]:
    """Store the columns of each run as texts, and as numbers where they are; return their types, and the runs' values."""
    plain = dataclasses.replace(rules, tolerance={}, type_tolerance={})
    reader = TableReader(session, PipelineError)
    types: dict[str, set[str]] = {}
    runs: dict[int, RunValues] = {}
    for baseline in RUNS[:2]:
        shapes = reader.open_tables({"baseline": tables[baseline], "candidate": tables[2]}, rules.rename, rules.types)
        found = match_columns(shapes["baseline"].names, shapes["candidate"].names, plain)
        matched = build_compared_columns(session, shapes, found, plain, PipelineError)
        compared = sorted((column for column in matched if column.name in columns), key=lambda column: column.name)
        for column in compared:
            types.setdefault(column.name, set()).update(column.types)
        stores: list[tuple[int, SideName]] = [(baseline, "baseline")]
        if baseline == 0:
            stores.append((2, "candidate"))
        for run, side in stores:
            keys = [f"{column.format_raw_name(side)}::VARCHAR" for column in matched if column.name in key]
            shown = [f"[{', '.join(keys)}]::VARCHAR[] as k"]
            shown += [_render_values_sql(column, side, number) for number, column in enumerate(compared)]
            query = f"select {', '.join(shown)} from {shapes[side].relation}"
            runs[run] = create_table(session, RunValues(name=f"run_{run}"), query)
    given = {name: kinds.pop() if len(kinds) == 1 else "VARCHAR" for name, kinds in sorted(types.items())}
    return given, [runs[run] for run in RUNS]


def _render_values_sql(column: ComparedColumn, side: SideName, number: int) -> str:
    """Render a column's text ``t<n>``, and its number ``x<n>``: seconds since 1970 of times."""
    raw, type_ = column.format_raw_name(side), column.select_type(side)
    text, _ = canonicalize(type_, raw)
    value = "null::DOUBLE"
    if type_ in MEASURED_TIME_TYPES:
        instant = f"{raw}::TIMESTAMP WITH TIME ZONE" if type_ == "TIMESTAMPTZ_NS" else raw
        clock = type_ in {"TIME", "TIME_NS"}
        value = f"epoch({raw})" if clock else f"case when isfinite({instant}) then epoch({raw}) end"
    elif column.is_numeric:
        value = f"{raw}::DOUBLE"
    return f"({text})::VARCHAR as t{number}, ({value})::DOUBLE as x{number}"


def _judge_column(
    session: Session, runs: Sequence[RunValues], name: str, number: int, type_: str, periods: Sequence[RunPeriod]
) -> ColumnTest:
    figures = [_measure_run(session, run, number) for run in runs]
    nulls = _test_nulls(figures)
    kind, value, finding = _test_values(session, runs, number, type_, figures, periods)
    finding = _describe_nulls(figures) if nulls < value else finding
    return ColumnTest(name=name, kind=kind, p_value=combine_p_values([nulls, value]), finding=finding)


def _measure_run(session: Session, run: RunValues, number: int) -> _RunFigures:
    x = f"x{number}"
    [row] = session.fetch_rows(
        f"select count(*), count(t{number}), count(distinct t{number}), min({x}), max({x}), median({x}), "
        f"quantile_cont({x}, 0.75) - quantile_cont({x}, 0.25) from {run}",
        doing="looking at nondeterministic columns",
    )
    return _RunFigures(
        rows=row[0],
        values=row[1],
        distinct=row[2],
        **{
            figure: math.nan if value is None else float(value)
            for figure, value in zip(("low", "high", "median", "spread"), row[3:], strict=True)
        },
    )


def _test_nulls(figures: Sequence[_RunFigures]) -> float:
    counts = [[run.values, run.rows - run.values] for run in figures]
    return _test_shares(counts)


def _describe_nulls(figures: Sequence[_RunFigures]) -> str:
    shares = [format_share((run.rows - run.values) / run.rows) if run.rows else "none" for run in figures]
    return f"{shares[2]} of its values are NULL, {shares[0]} and {shares[1]} in two runs of the baseline"


def _test_shares(counts: Sequence[Sequence[int]]) -> float:
    """Test the third run's categories, and accept more where the two others have different shares themselves."""
    both = [first + second for first, second in zip(counts[0], counts[1], strict=True)]
    if _measure_distance(counts[2], both) <= MARGIN * _measure_distance(counts[0], counts[1]):
        return 1.0
    alike = compute_category_p_value(counts[0], counts[1]) >= ALIKE
    dispersion = 1.0 if alike else MARGIN**2 * estimate_dispersion(counts[0], counts[1])
    return compute_category_p_value(counts[2], both, dispersion=dispersion)


def _measure_distance(first: Sequence[int], second: Sequence[int]) -> float:
    """Return the total variation distance of two samples' shares."""
    totals = sum(first) or 1, sum(second) or 1
    return sum(abs(a / totals[0] - b / totals[1]) for a, b in zip(first, second, strict=True)) / 2


def _test_values(
    session: Session,
    runs: Sequence[RunValues],
    number: int,
    type_: str,
    figures: Sequence[_RunFigures],
    periods: Sequence[RunPeriod],
) -> tuple[ColumnKind, float, str]:
    """Return how a column's values are judged, the p-value, and what is unlike."""
    if all(_is_within(run, period, type_) for run, period in zip(figures, periods, strict=True)):
        return "times", 1.0, ""
    baseline = figures[:2]
    is_number = all(math.isfinite(run.median) for run in figures)
    if not is_number and not is_nested(type_) and all(run.is_unique for run in baseline):
        repeated = figures[2].values - figures[2].distinct
        return "identifiers", 0.0 if repeated else 1.0, f"{repeated:,} of its values repeat others, and none did before"
    unlike = "its values are distributed otherwise than in two runs of the baseline"
    if is_number and min(run.distinct for run in baseline) > MAX_CATEGORIES:
        return "numbers", _test_numbers(session, runs, number, figures), unlike
    value = _test_shares(_count_categories(session, runs, number))
    if is_number:
        value = combine_p_values([value, _test_run_figures(figures)])
    return "categories", value, unlike


def _is_within(run: _RunFigures, period: RunPeriod, type_: str) -> bool:
    """Return whether all values are times, or days, of the run."""
    if not type_.startswith(("TIMESTAMP", "DATE")) or math.isnan(run.low):
        return False
    slack = CLOCK_SLACK + (86_400.0 if type_ == "DATE" else 0.0)
    return period.start - slack <= run.low and run.high <= period.end + CLOCK_SLACK


def _test_numbers(session: Session, runs: Sequence[RunValues], number: int, figures: Sequence[_RunFigures]) -> float:
    """Test the distribution of numbers: of rows where these are drawn one by one, else of the runs.

    Rows that share a value are no independent draws, so there are counted as many draws as different values.
    """
    between, apart = _measure_ks_distances(session, runs, number)
    share = min(run.distinct / run.values for run in figures[:2])
    draws = [run.values * share for run in figures]
    alike = compute_ks_p_value(between, draws[0], draws[1]) >= ALIKE
    if not alike or _measure_dependence(session, runs, number) > DEPENDENT:
        return _test_run_figures(figures)
    if apart <= MARGIN * between:
        return 1.0
    return compute_ks_p_value(apart, draws[0] + draws[1], draws[2])


def _measure_dependence(session: Session, runs: Sequence[RunValues], number: int) -> float:
    """Return the rank correlation of the rows of two runs, paired by their key; 0 where there is none."""
    sides = (
        f"(select k, min(x{number}) as x from {run} where len(k) > 0 and x{number} is not null "
        "group by k having count(*) = 1)"
        for run in runs[:2]
    )
    [(found,)] = session.fetch_rows(
        "select corr(a, b) from (select percent_rank() over (order by f.x) as a, percent_rank() over (order by s.x) as b "
        f"from {next(sides)} f join {next(sides)} s using (k))",
        doing="looking at nondeterministic columns",
    )
    return abs(found) if found is not None and math.isfinite(found) else 0.0


def _measure_ks_distances(session: Session, runs: Sequence[RunValues], number: int) -> tuple[float, float]:
    """Return the largest difference of the distribution functions of the two runs, and of the third from both."""
    values = " union all ".join(f"select {run} as run, x{number} as x from {runs[run]}" for run in RUNS)
    counts = ", ".join(f"count(*) filter (run = {run}) as n{run}" for run in RUNS)
    sums = ", ".join(f"sum(n{run}) over (order by x) as c{run}, sum(n{run}) over () as s{run}" for run in RUNS)
    [(between, apart)] = session.fetch_rows(
        "select max(abs(c0 / s0 - c1 / s1)), max(abs(c2 / s2 - (c0 + c1) / (s0 + s1))) from "
        f"(select {sums} from (select x, {counts} from ({values}) where x is not null group by x))",
        doing="looking at nondeterministic columns",
    )
    return float(between or 0), float(apart or 0)


def _test_run_figures(figures: Sequence[_RunFigures]) -> float:
    """Test where the runs' values lie, and how far apart, as one observation a run."""
    medians = [run.median for run in figures]
    spreads = [math.log(run.spread) if run.spread > 0 else -math.inf for run in figures]
    tests = [compute_run_p_value(medians[0], medians[1], medians[2])]
    if all(map(math.isfinite, spreads[:2])):
        # A spread of 0 where both others have one is no draw of theirs.
        tests.append(compute_run_p_value(*spreads) if math.isfinite(spreads[2]) else 0.0)
    return combine_p_values(tests)


def _count_categories(session: Session, runs: Sequence[RunValues], number: int) -> list[list[int]]:
    """Return how often each run has each of the most frequent values, and all others together."""
    values = " union all ".join(f"select {run} as run, t{number} as t from {runs[run]}" for run in RUNS)
    counts = ", ".join(f"count(*) filter (run = {run}) as n{run}" for run in RUNS)
    rows = session.fetch_rows(
        f"select n0, n1, n2 from (select t, {counts}, count(*) as n from ({values}) where t is not null group by t) "
        f"order by n desc, t limit {MAX_CATEGORIES}",
        doing="looking at nondeterministic columns",
    )
    totals = session.fetch_rows(f"select {', '.join(f'(select count(t{number}) from {runs[run]})' for run in RUNS)}")[0]
    return [[*(row[run] for row in rows), totals[run] - sum(row[run] for row in rows)] for run in RUNS]
