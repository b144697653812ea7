"""Compare columns of one table: production in bins, the sample streamed by unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.estimate.bin_totals import BinTotals
from sandbox.estimate.distribution_tests import ALPHA, adjust_p_values, compare_distributions, compare_total
from sandbox.manifest.profile import ProfiledColumn
from sandbox.sampler.profile.bins import QUANTILE_BINS, ColumnBins, bin_columns, build_bin_expression
from sandbox.sampler.profile.document import describe_column, round_figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from sandbox.engine.duckdb.session import Session
    from sandbox.estimate.design import SamplingDesign
    from sandbox.manifest.profile import ProfiledTable
    from sandbox.sampler.profile.columns import ComparableColumn

    ColumnCells = tuple[NDArray[np.float64], NDArray[np.bool_]]

BATCH_ROWS = 16_384
MAX_SUM_BYTES = 64 * 2**20  # bytes for the sums of columns compared together
MAX_COLUMNS = 128  # columns compared together


@dataclass(frozen=True, kw_only=True)
class ProfileSides:
    """The two sides of a comparison.

    Attributes:
        name: Name of the compared table, for messages.
        population: SELECT of production's rows.
        approximate_population: Cheaper SELECT of similar rows.
        rows: Approximate number of those rows.
        hash_columns: Their columns to choose rows by hash.
        sample: SELECT of the sample's rows.
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
    """Compare columns, as many at once as memory allows; return each with production's bins.

    Units of the design are in the order of their numbers.
    """
    together = _count_columns_per_pass(design)
    doing = f"comparing {sides.name}"
    results: list[tuple[ProfiledColumn, ColumnBins]] = []
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
        results += zip(compared, known, strict=True)
    return results


@dataclass(kw_only=True)
class _ColumnSums:
    """Sums of the sample's rows of one column."""

    design: SamplingDesign
    production: ColumnBins
    moments: BinTotals = field(init=False)
    totals: NDArray[np.float64] | None = field(init=False)

    def __post_init__(self) -> None:
        self.moments = BinTotals(self.design, self.production.shares)
        self.totals = np.zeros(self.design.unit_count) if self.production.total is not None else None

    def add(self, first: int, units: NDArray[np.int64], values: NDArray[Any], missing: NDArray[np.bool_]) -> None:
        """Add whole units; ``units`` are numbered from ``first``, ascending."""
        bins, count = len(self.production.counts), int(units[-1]) + 1
        positions = self.production.find_bins(values, missing)
        counts = np.bincount(units * bins + positions, minlength=count * bins).reshape(count, bins)
        self.moments.add(first, counts.astype(np.float64))
        if self.totals is not None:
            weights = np.where(missing, 0.0, values)
            self.totals[first : first + count] += np.bincount(units, weights, minlength=count)

    def build_column(self) -> ProfiledColumn:
        """Build the comparison."""
        known = self.production
        widths = known.widths if known.is_ordered else None
        comparison = compare_distributions(self.moments, known.counts, widths=widths)
        if comparison is None:
            return ProfiledColumn(kind=known.column.kind, compared=False, reason="there are no rows to compare")
        total = None
        if self.totals is not None and known.total is not None:
            total = compare_total(self.design, self.totals, known.total)
        tests = [*comparison.p_values, *([total.p] if total is not None and total.p is not None else [])]
        p = min(1.0, len(tests) * min(tests)) if tests and known.column.is_tested else None
        return describe_column(known, comparison, total, p)


def compare_with_bins(
    session: Session,
    design: SamplingDesign,
    known: Sequence[ColumnBins],
    *,
    sample: str,
    unit: str,
    doing: str,
) -> list[ProfiledColumn]:
    """Compare the sample with production's bins.

    Args:
        session: The query engine.
        design: The draw; units in the order of their numbers.
        known: Production's bins of each column.
        sample: SELECT of the sample's rows.
        unit: Its column with the number of a row's unit.
        doing: The activity, for messages.
    """
    sums = [_ColumnSums(design=design, production=bins) for bins in known]
    parts = [build_bin_expression(bins.column, "r", bins.edges) for bins in known]
    values = ", ".join(f"{sql} as c{index}" for index, (sql, _) in enumerate(parts))
    sql = f"select r.{quote_identifier(unit)} as unit, {values} from ({sample}) r order by 1"
    parameters = [value for _, part_values in parts for value in part_values]
    for first, units, cells in _split_by_unit(session.fetch_batches(sql, parameters, size=BATCH_ROWS, doing=doing)):
        for column_sums, (column, missing) in zip(sums, cells, strict=True):
            column_sums.add(first, units, column, missing)
    return [column_sums.build_column() for column_sums in sums]


def _count_columns_per_pass(design: SamplingDesign) -> int:
    bins = QUANTILE_BINS + 2
    each = 8 * bins * (2 * len(design.groups.population) + bins) + 8 * design.unit_count
    return max(1, min(MAX_COLUMNS, MAX_SUM_BYTES // each))


def _split_by_unit(
    batches: Iterator[pa.RecordBatch],
) -> Iterator[tuple[int, NDArray[np.int64], list[ColumnCells]]]:
    """Yield rows in blocks of whole units: the first unit's number, each row's unit relative to it, and the columns.

    The rows must be sorted by their first column, the unit.
    """
    held: list[NDArray[Any]] = []
    for batch in batches:
        pieces = [cell for column in batch.columns for cell in _convert_column(column)]
        held = [np.concatenate(pair) for pair in zip(held, pieces, strict=True)] if held else pieces
        # The last unit can continue in the next batch.
        complete = int(np.searchsorted(held[0], held[0][-1], side="left")) if len(held[0]) else 0
        if complete >= BATCH_ROWS // 2:
            yield _build_block([values[:complete] for values in held])
            held = [values[complete:] for values in held]
    if held and len(held[0]):
        yield _build_block(held)


def _build_block(held: list[NDArray[Any]]) -> tuple[int, NDArray[np.int64], list[ColumnCells]]:
    first = int(held[0][0])
    return first, (held[0] - first).astype(np.int64), list(zip(held[2::2], held[3::2], strict=True))


def _convert_column(column: pa.Array) -> ColumnCells:
    # Not `fill_null` or `to_numpy`: they import pandas if installed, which takes longer than the comparison of a table.
    missing = np.from_dlpack(column.is_null().cast("uint8")).astype(np.bool_)
    values = column.cast("double", safe=False)
    numbers = np.frombuffer(values.buffers()[1] or b"", np.float64)[values.offset : values.offset + len(values)]
    return np.where(missing, 0.0, numbers), missing


def mark_notable_columns(tables: Mapping[str, ProfiledTable]) -> dict[str, ProfiledTable]:
    """Adjust p-values for multiple tests (Holm) and mark notable columns and numbers of children.

    Columns have one half of α and numbers of children the other: lost children would not show among many columns.
    """
    adjusted: dict[tuple[str, str, str], float] = {}
    for part in ("columns", "children"):
        tested = [
            ((name, part, column), profiled.p)
            for name, table in tables.items()
            for column, profiled in getattr(table, part).items()
            if profiled.p is not None
        ]
        adjusted |= zip([key for key, _ in tested], adjust_p_values([p for _, p in tested]), strict=True)
    families = len({part for _, part, _ in adjusted})
    adjusted = {key: min(1.0, families * p) for key, p in adjusted.items()}

    def adjust_columns(name: str, part: str, columns: Mapping[str, ProfiledColumn]) -> dict[str, ProfiledColumn]:
        known = {column: adjusted.get((name, part, column)) for column in columns}
        return {
            column: profiled.model_copy(update={"adjusted": round_figure(p), "notable": p < ALPHA})
            if (p := known[column]) is not None
            else profiled
            for column, profiled in columns.items()
        }

    return {
        name: table.model_copy(
            update={
                "columns": adjust_columns(name, "columns", table.columns),
                "children": adjust_columns(name, "children", table.children),
            }
        )
        for name, table in tables.items()
    }
