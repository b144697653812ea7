"""Comparing some columns of one table: production binned, the sample streamed past by units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.estimate.bin_totals import BinTotals
from sandbox.estimate.distribution_tests import compare_distributions, compare_total
from sandbox.manifest.profile import ProfiledColumn
from sandbox.sampler.profile.bins import QUANTILE_BINS, ColumnBins, bin_columns, build_bin_expression
from sandbox.sampler.profile.document import describe_column

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from sandbox.engine.duckdb.session import Session
    from sandbox.estimate.design import SamplingDesign
    from sandbox.sampler.profile.columns import ComparableColumn

    ColumnCells = tuple[NDArray[np.float64], NDArray[np.bool_]]

BATCH_ROWS = 16_384  # of the sample at a time
MAX_SUM_BYTES = 64 * 2**20  # bytes for the sums of the columns that are read together
MAX_COLUMNS = 128  # columns that are read together


@dataclass(frozen=True, kw_only=True)
class ProfileSides:
    """The two sides of a comparison.

    Attributes:
        name: Of what is compared, for messages.
        population: The SELECT of production's rows.
        approximate_population: The SELECT of rows like them, which costs less.
        rows: How many those are, roughly.
        hash_columns: Columns of them by whose values some can be picked.
        sample: The SELECT of the sample's rows.
        unit: Its column with the number of a row's unit.
    """

    name: str
    population: str
    approximate_population: str
    rows: int
    hash_columns: tuple[str, ...]
    sample: str
    unit: str


def compare_columns(
    session: Session, design: SamplingDesign, sides: ProfileSides, columns: Sequence[ComparableColumn]
) -> list[tuple[ProfiledColumn, ColumnBins]]:
    """Compare columns, as many at a time as their sums leave room for; give also what production's rows are like.

    Args:
        session: The engine.
        design: The draw; units in the order of their numbers.
        sides: What is compared.
        columns: Its columns.
    """
    together = _count_columns_per_pass(design)
    doing = f"comparing {sides.name}"
    found: list[tuple[ProfiledColumn, ColumnBins]] = []
    for start in range(0, len(columns), together):
        some = columns[start : start + together]
        known = bin_columns(
            session,
            sides.population,
            some,
            like=sides.approximate_population,
            count=sides.rows,
            alike=sides.hash_columns,
            doing=doing,
        )
        compared = compare_with_bins(session, design, known, sample=sides.sample, unit=sides.unit, doing=doing)
        found += zip(compared, known, strict=True)
    return found


@dataclass(kw_only=True)
class _ColumnSums:
    """What the sample's rows of one column add up to."""

    design: SamplingDesign
    production: ColumnBins
    moments: BinTotals = field(init=False)
    totals: NDArray[np.float64] | None = field(init=False)

    def __post_init__(self) -> None:
        self.moments = BinTotals(self.design, self.production.shares)
        self.totals = np.zeros(self.design.unit_count) if self.production.total is not None else None

    def add(self, first: int, units: NDArray[np.int64], values: NDArray[Any], missing: NDArray[np.bool_]) -> None:
        """Add whole units: ``units`` are counted from ``first`` on, ascending."""
        bins, count = len(self.production.counts), int(units[-1]) + 1
        places = self.production.find_bins(values, missing)
        counts = np.bincount(units * bins + places, minlength=count * bins).reshape(count, bins)
        self.moments.add(first, counts.astype(np.float64))
        if self.totals is not None:
            weights = np.where(missing, 0.0, values)
            self.totals[first : first + count] += np.bincount(units, weights, minlength=count)

    def build_column(self) -> ProfiledColumn:
        """Give the comparison."""
        known = self.production
        widths = known.widths if known.is_ordered else None
        found = compare_distributions(self.moments, known.counts, widths=widths)
        if found is None:
            return ProfiledColumn(kind=known.column.kind, compared=False, reason="there are no rows to compare")
        total = None
        if self.totals is not None and known.total is not None:
            total = compare_total(self.design, self.totals, known.total)
        tests = [*found.p_values, *([total.p] if total is not None and total.p is not None else [])]
        return describe_column(known, found, total, min(1.0, len(tests) * min(tests)) if tests else None)


def compare_with_bins(
    session: Session,
    design: SamplingDesign,
    known: Sequence[ColumnBins],
    *,
    sample: str,
    unit: str,
    doing: str,
) -> list[ProfiledColumn]:
    """Compare the sample with what is known of production.

    Args:
        session: The engine.
        design: The draw; units in the order of their numbers.
        known: Of each column.
        sample: The SELECT of the sample's rows.
        unit: Its column with the number of a row's unit.
        doing: What is being done, for messages.
    """
    sums = [_ColumnSums(design=design, production=one) for one in known]
    parts = [build_bin_expression(one.column, "r", one.edges) for one in known]
    values = ", ".join(f"{sql} as c{index}" for index, (sql, _) in enumerate(parts))
    sql = f"select r.{quote_identifier(unit)} as unit, {values} from ({sample}) r order by 1"
    parameters = [one for _, given in parts for one in given]
    for first, units, cells in _split_by_unit(session.fetch_batches(sql, parameters, size=BATCH_ROWS, doing=doing)):
        for one, (column, missing) in zip(sums, cells, strict=True):
            one.add(first, units, column, missing)
    return [one.build_column() for one in sums]


def _count_columns_per_pass(design: SamplingDesign) -> int:
    bins = QUANTILE_BINS + 2
    each = 8 * bins * (2 * len(design.groups.population) + bins) + 8 * design.unit_count
    return max(1, min(MAX_COLUMNS, MAX_SUM_BYTES // each))


def _split_by_unit(
    batches: Iterator[pa.RecordBatch],
) -> Iterator[tuple[int, NDArray[np.int64], list[ColumnCells]]]:
    """Give rows by whole units: the first unit's number, each row's unit counted from there, and the columns.

    The rows come ordered by their first column, the unit.
    """
    held: list[NDArray[Any]] = []
    for batch in batches:
        pieces = [cell for column in batch.columns for cell in _convert_column(column)]
        held = [np.concatenate(pair) for pair in zip(held, pieces, strict=True)] if held else pieces
        # The last unit may go on in the next batch.
        complete = int(np.searchsorted(held[0], held[0][-1], side="left")) if len(held[0]) else 0
        if complete >= BATCH_ROWS // 2:
            yield _build_block([one[:complete] for one in held])
            held = [one[complete:] for one in held]
    if held and len(held[0]):
        yield _build_block(held)


def _build_block(held: list[NDArray[Any]]) -> tuple[int, NDArray[np.int64], list[ColumnCells]]:
    first = int(held[0][0])
    return first, (held[0] - first).astype(np.int64), list(zip(held[2::2], held[3::2], strict=True))


def _convert_column(column: pa.Array) -> ColumnCells:
    # Neither `fill_null` nor `to_numpy`: they import pandas, where there is one, which takes longer than to compare a table.
    missing = np.from_dlpack(column.is_null().cast("uint8")).astype(np.bool_)
    values = column.cast("double", safe=False)
    found = np.frombuffer(values.buffers()[1] or b"", np.float64)[values.offset : values.offset + len(values)]
    return np.where(missing, 0.0, found), missing
