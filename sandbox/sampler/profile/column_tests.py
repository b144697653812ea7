"""Comparing some columns of one table: production binned, the sample streamed past by units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.engine.duckdb.session import quote
from sandbox.estimate.bin_totals import Moments
from sandbox.estimate.distribution_tests import likeness, total_deviation
from sandbox.manifest.profile import Column
from sandbox.sampler.profile.bins import BANDS, Binned, binned, place
from sandbox.sampler.profile.document import described

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from sandbox.engine.duckdb.session import Session
    from sandbox.estimate.design import Design
    from sandbox.sampler.profile.columns import Compared

    Cells = tuple[NDArray[np.float64], NDArray[np.bool_]]

ROWS = 16_384  # of the sample at a time
ROOM = 64 * 2**20  # bytes for the sums of the columns that are read together
MOST = 128  # columns that are read together


@dataclass(frozen=True, kw_only=True)
class Sides:
    """The two sides of a comparison.

    Attributes:
        name: Of what is compared, for messages.
        population: The SELECT of production's rows.
        like: The SELECT of rows like them, which costs less.
        rows: How many those are, roughly.
        alike: Columns of them by whose values some can be picked.
        sample: The SELECT of the sample's rows.
        unit: Its column with the number of a row's unit.
    """

    name: str
    population: str
    like: str
    rows: int
    alike: tuple[str, ...]
    sample: str
    unit: str


def compared(
    session: Session, design: Design, sides: Sides, columns: Sequence[Compared]
) -> list[tuple[Column, Binned]]:
    """Compare columns, as many at a time as their sums leave room for; give also what production's rows are like.

    Args:
        session: The engine.
        design: The draw; units in the order of their numbers.
        sides: What is compared.
        columns: Its columns.
    """
    together = _together(design)
    doing = f"comparing {sides.name}"
    found: list[tuple[Column, Binned]] = []
    for start in range(0, len(columns), together):
        some = columns[start : start + together]
        known = binned(
            session,
            sides.population,
            some,
            like=sides.like,
            count=sides.rows,
            alike=sides.alike,
            doing=doing,
        )
        compared = against(session, design, known, sample=sides.sample, unit=sides.unit, doing=doing)
        found += zip(compared, known, strict=True)
    return found


@dataclass(kw_only=True)
class _Sums:
    """What the sample's rows of one column add up to."""

    design: Design
    known: Binned
    moments: Moments = field(init=False)
    totals: NDArray[np.float64] | None = field(init=False)

    def __post_init__(self) -> None:
        self.moments = Moments(self.design, self.known.shares)
        self.totals = np.zeros(self.design.units) if self.known.total is not None else None

    def add(
        self, first: int, units: NDArray[np.int64], values: NDArray[Any], missing: NDArray[np.bool_]
    ) -> None:
        """Add whole units: ``units`` are counted from ``first`` on, ascending."""
        bins, count = len(self.known.counts), int(units[-1]) + 1
        places = self.known.places(values, missing)
        counts = np.bincount(units * bins + places, minlength=count * bins).reshape(count, bins)
        self.moments.add(first, counts.astype(np.float64))
        if self.totals is not None:
            weights = np.where(missing, 0.0, values)
            self.totals[first : first + count] += np.bincount(units, weights, minlength=count)

    def column(self) -> Column:
        """Give the comparison."""
        known = self.known
        widths = known.widths if known.ordered else None
        found = likeness(self.moments, known.counts, widths=widths)
        if found is None:
            return Column(kind=known.column.kind, compared=False, reason="there are no rows to compare")
        total = None
        if self.totals is not None and known.total is not None:
            total = total_deviation(self.design, self.totals, known.total)
        tests = [*found.p, *([total.p] if total is not None and total.p is not None else [])]
        return described(known, found, total, min(1.0, len(tests) * min(tests)) if tests else None)


def against(
    session: Session, design: Design, known: Sequence[Binned], *, sample: str, unit: str, doing: str
) -> list[Column]:
    """Compare the sample with what is known of production.

    Args:
        session: The engine.
        design: The draw; units in the order of their numbers.
        known: Of each column.
        sample: The SELECT of the sample's rows.
        unit: Its column with the number of a row's unit.
        doing: What is being done, for messages.
    """
    sums = [_Sums(design=design, known=one) for one in known]
    parts = [place(one.column, "r", one.edges) for one in known]
    values = ", ".join(f"{sql} as c{index}" for index, (sql, _) in enumerate(parts))
    sql = f"select r.{quote(unit)} as unit, {values} from ({sample}) r order by 1"
    parameters = [one for _, given in parts for one in given]
    for first, units, cells in _blocks(session.batches(sql, parameters, size=ROWS, doing=doing)):
        for one, (column, missing) in zip(sums, cells, strict=True):
            one.add(first, units, column, missing)
    return [one.column() for one in sums]


def _together(design: Design) -> int:
    bins = BANDS + 2
    each = 8 * bins * (2 * len(design.groups.population) + bins) + 8 * design.units
    return max(1, min(MOST, ROOM // each))


def _blocks(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, NDArray[np.int64], list[Cells]]]:
    """Give rows by whole units: the first unit's number, each row's unit counted from there, and the columns.

    The rows come ordered by their first column, the unit.
    """
    held: list[NDArray[Any]] = []
    for batch in batches:
        pieces = [cell for column in batch.columns for cell in _cells(column)]
        held = [np.concatenate(pair) for pair in zip(held, pieces, strict=True)] if held else pieces
        # The last unit may go on in the next batch.
        complete = int(np.searchsorted(held[0], held[0][-1], side="left")) if len(held[0]) else 0
        if complete >= ROWS // 2:
            yield _block([one[:complete] for one in held])
            held = [one[complete:] for one in held]
    if held and len(held[0]):
        yield _block(held)


def _block(held: list[NDArray[Any]]) -> tuple[int, NDArray[np.int64], list[Cells]]:
    first = int(held[0][0])
    return first, (held[0] - first).astype(np.int64), list(zip(held[2::2], held[3::2], strict=True))


def _cells(column: pa.Array) -> Cells:
    # Neither `fill_null` nor `to_numpy`: they import pandas, where there is one, which takes longer than to compare a table.
    missing = np.from_dlpack(column.is_null().cast("uint8")).astype(np.bool_)
    values = column.cast("double", safe=False)
    found = np.frombuffer(values.buffers()[1] or b"", np.float64)[values.offset : values.offset + len(values)]
    return np.where(missing, 0.0, found), missing
