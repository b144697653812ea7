"""Bin production's columns: edges from a subset of rows, counts in one pass over all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.engine.duckdb.session import quote_identifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.profile.columns import ComparableColumn

QUANTILE_BINS = 50
EDGE_SAMPLE_ROWS = 100_000  # rows for edges and frequent values
RESAMPLE_FACTOR = 8  # factor for a second look if the first saw this many times fewer rows
MIN_FREQUENT_SHARE = 0.002  # share of rows from which a text has its own bin
MIN_FREQUENT_ROWS = 5  # least number of rows for it
MAX_HASHED_COLUMNS = 64  # hashed columns to choose rows by


@dataclass(frozen=True, kw_only=True)
class ColumnBins:
    """Production's rows of one column by bins; the last bin is NULL.

    Attributes:
        column: The column.
        edges: Ordered bins: all upper ends but the last. Categories: all values; the bin after them holds the others.
        counts: Shape (B,).
        highest: Production's greatest value, for ordered bins.
        total: The sum over all rows, for numbers.
        answers: Answers to the column's question about invalid values.
    """

    column: ComparableColumn
    edges: tuple[Any, ...]
    counts: NDArray[np.float64]
    highest: float | None
    total: float | None
    answers: Mapping[str, Any]

    @property
    def is_ordered(self) -> bool:
        """Whether the bins have an order."""
        return self.column.is_ordered

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.counts.sum())

    @property
    def shares(self) -> NDArray[np.float64]:
        """Shares of the bins; 0 without rows."""
        return self.counts / max(1.0, float(self.counts.sum()))

    @property
    def upper_ends(self) -> list[float]:
        """Upper ends of all ordered bins."""
        return [*self.edges, *([self.highest] if len(self.counts) > len(self.edges) + 1 else [])]

    @property
    def widths(self) -> NDArray[np.float64]:
        """Differences between the upper ends of neighbouring bins."""
        return np.diff(np.array(self.upper_ends, np.float64))

    def find_bins(self, values: NDArray[Any], missing: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the bin of each value of the sample; values are numbers, or positions in `edges` from 1."""
        bins = len(self.counts)
        if self.is_ordered:
            bins_of_values = np.searchsorted(np.array(self.edges, np.float64), values, side="left")
            bins_of_values = np.minimum(bins_of_values, bins - 2)
        else:
            # Infrequent values have no position.
            bins_of_values = np.where(values > 0, values - 1, bins - 2).astype(np.int64)
        return np.where(missing, bins - 1, bins_of_values).astype(np.int64)


def bin_columns(
    session: Session,
    rows: str,
    columns: Sequence[ComparableColumn],
    *,
    like: str,
    count: int,
    alike: Sequence[str],
    doing: str,
) -> list[ColumnBins]:
    """Bin production's rows of some columns.

    Args:
        session: The query engine.
        rows: SELECT of the rows; `ComparableColumn.build_expression` refers to it as ``r``.
        columns: The columns.
        like: SELECT of similar rows; the edges are taken from some of them.
        count: Approximate number of those rows.
        alike: Columns whose hash chooses them, if there are many.
        doing: The activity, for messages.
    """
    values = ", ".join(f"{column.build_expression('r')} as c{index}" for index, column in enumerate(columns))
    edges = _estimate_edges(session, f"select {values} from ({like}) r", columns, count, alike=alike, doing=doing)
    raw = "".join(
        f", r.{quote_identifier(each.name)} as {each.raw_name}" for each in columns if each.question or each.is_exact
    )
    figures: list[str] = []
    parameters: list[Any] = []
    for index, (column, ends) in enumerate(zip(columns, edges, strict=True)):
        figures += _build_aggregates(index, column, len(ends))
        figures += column.aggregates.values()
        parameters += [ends] * (column.kind is not None and len(ends) > 0)
    row = session.fetch_rows(
        f"select count(*), {', '.join(figures)} from (select {values}{raw} from ({rows}) r)",
        parameters,
        doing=doing,
    )[0]
    cells = iter(row[1:])
    return [
        _build_column_bins(
            column,
            tuple(ends),
            row[0],
            [next(cells) for _ in range(4)],
            [next(cells) for _ in column.aggregates],
        )
        for column, ends in zip(columns, edges, strict=True)
    ]


def bin_tally(session: Session, tally: str, column: ComparableColumn, *, doing: str) -> ColumnBins:
    """Bin numbers with few distinct values, exactly.

    ``tally`` is a SELECT of each value, finite and not NULL, and its number of rows.
    """
    rows = sorted(session.fetch_rows(tally, doing=doing))
    values = np.array([row[0] for row in rows], np.float64)
    often = np.array([row[1] for row in rows], np.float64)
    reached = np.cumsum(often)
    count = float(often.sum())
    ranks = np.arange(1, QUANTILE_BINS) * (count / QUANTILE_BINS)
    edges = np.unique(values[np.searchsorted(reached, ranks)]) if count else values
    counts = np.bincount(np.searchsorted(edges, values), often, minlength=len(edges) or 1)
    return ColumnBins(
        column=column,
        edges=tuple(edges.tolist()),
        counts=np.append(counts, 0.0),
        highest=float(values[-1]) if count else None,
        total=float(values @ often) if count else None,
        answers={},
    )


def build_bin_expression(column: ComparableColumn, row: str, edges: Sequence[Any]) -> tuple[str, list[Any]]:
    """Build the SQL of a sample row's input to `ColumnBins.find_bins`, and its parameters."""
    if column.kind != "category":
        return column.build_expression(row), []
    if not edges:
        return f"case when {column.build_expression(row)} is not null then 0 end", []
    return _build_position_expression(column.build_expression(row)), [list(edges)]


def _estimate_edges(
    session: Session,
    values: str,
    columns: Sequence[ComparableColumn],
    count: int,
    *,
    alike: Sequence[str],
    doing: str,
) -> list[list[Any]]:
    """Compute the edges (see `_compute_edges`) from a subset of the rows.

    Equal rows are chosen together, so few may be seen of a repetitive table or a narrow frame; the share is then
    increased.
    """
    look = quote_identifier("profile look")
    part = max(1, math.ceil(count / EDGE_SAMPLE_ROWS))
    while True:
        picked = (
            f" where hash({', '.join(f'r.{quote_identifier(name)}' for name in alike)}) % {part} = 0"
            if part > 1
            else ""
        )
        session.execute(f"create or replace temp table {look} as {values}{picked}", doing=doing)
        if (
            part == 1
            or session.count_user_query_rows(f"from {look}", doing=doing) >= EDGE_SAMPLE_ROWS // RESAMPLE_FACTOR
        ):
            break
        part = max(1, part // RESAMPLE_FACTOR)
    edges = _compute_edges(session, look, columns)
    session.execute(f"drop table {look}")
    return edges


def _compute_edges(session: Session, look: str, columns: Sequence[ComparableColumn]) -> list[list[Any]]:
    """Return the edges of ordered columns and the frequent values of the others."""
    ordered = [index for index, column in enumerate(columns) if column.is_ordered]
    shares = [rank / QUANTILE_BINS for rank in range(1, QUANTILE_BINS)]
    edges: dict[int, list[Any]] = {}
    if ordered:
        quantiles = ", ".join(f"quantile_disc(c{index}, {shares}::double[])" for index in ordered)
        cells = session.fetch_rows(f"select {quantiles} from {look}")[0]
        edges = {index: sorted(set(cell or [])) for index, cell in zip(ordered, cells, strict=True)}
    for index, column in enumerate(columns):
        if column.kind == "category":
            edges[index] = _find_frequent_values(session, look, index)
    return [edges.get(index, []) for index in range(len(columns))]


def _find_frequent_values(session: Session, look: str, index: int) -> list[Any]:
    rows = session.fetch_rows(
        f"select c{index} from {look} where c{index} is not null group by 1 "
        f"having count(*) >= greatest({MIN_FREQUENT_ROWS}, {MIN_FREQUENT_SHARE} * (select count(*) from {look})) "
        f"order by count(*) desc, 1 limit {QUANTILE_BINS - 1}"
    )
    return sorted(row[0] for row in rows)


def _build_aggregates(index: int, column: ComparableColumn, edges: int) -> list[str]:
    """Build four aggregates: rows with a value, their bins, the greatest, the sum."""
    value = f"c{index}"
    none = "null"
    if column.kind is None or not edges:
        bins = none
    elif column.kind == "category":
        every = ", ".join(str(position) for position in range(1, edges + 1))
        bins = f"histogram_exact({_build_position_expression(value)}, [{every}]::integer[])"
    else:
        bins = f"histogram({value}, ?::double[])"
    if column.is_exact:  # On raw numbers: aggregates shared with the question are computed once.
        raw = column.raw_name
        return [f"count({raw})", bins, f"max({raw})::double", f"sum({raw})::double"]
    return [
        f"count({value})",
        bins,
        f"max({value})" if column.is_ordered else none,
        f"fsum({value})" if column.kind == "number" else none,
    ]


def _build_position_expression(value: str) -> str:
    """Build the SQL of a text's position among the frequent ones: NULL for NULL, 0 if it is infrequent."""
    return f"case when {value} is not null then coalesce(list_position(?::varchar[], {value}), 0) end"


def _build_column_bins(
    column: ComparableColumn, edges: tuple[Any, ...], rows: int, cells: list[Any], answers: list[Any]
) -> ColumnBins:
    present, bins, highest, total = cells
    counts_by_key: Mapping[Any, int] = bins or {}
    keys = range(1, len(edges) + 1) if column.kind == "category" else edges
    counts = [float(counts_by_key.get(key, 0)) for key in keys]
    others = present - sum(counts)
    # An ordered column with an edge as its greatest value has no rows beyond it.
    if not column.is_ordered or others or not edges:
        counts.append(others)
    return ColumnBins(
        column=column,
        edges=edges,
        counts=np.array([*counts, rows - present], np.float64),
        highest=highest,
        total=total,
        answers=dict(zip(column.aggregates, answers, strict=True)),
    )
