"""Estimates of generated outputs against a plain Python account of every unit."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.compare import OutputRules, Tolerance, compare_tables
from sandbox.compare.units.output_estimate import UnitTotals, estimate_output
from sandbox.compare.units.sampled_units import UnitTableDraw
from sandbox.manifest.output_estimate import RowsWithoutUnit
from sandbox.manifest.sample import StratumRecord
from sandbox.model import SilentProgress, TableFiles

if TYPE_CHECKING:
    from pathlib import Path

UNITS = 8
Row = tuple[int, int | None, int | None]  # row key, unit, value

ROWS = st.lists(
    st.tuples(st.integers(0, 12), st.none() | st.integers(0, UNITS + 2), st.none() | st.integers(-3, 3)),
    max_size=14,
)


def unique(rows: list[Row]) -> list[Row]:
    return list({row[0]: row for row in rows}.values())


def write(path: Path, rows: list[Row], *, keyed: bool) -> TableFiles:
    columns = {
        "customer_id": pa.array([row[1] for row in rows], pa.int64()),
        "value": pa.array([row[2] for row in rows], pa.int64()),
    }
    if keyed:
        columns = {"row": pa.array([row[0] for row in rows], pa.int64()), **columns}
    pq.write_table(pa.table(columns), path)
    return TableFiles(name="t", format="parquet", paths=(path,))


def account(before: list[Row], after: list[Row], *, keyed: bool, tolerance: int) -> dict[str, Counter[Any]]:
    """Count what happens to each unit, row by row."""
    found: dict[str, Counter[Any]] = defaultdict(Counter)
    if keyed:
        old, new = ({row[0]: row for row in rows} for rows in (before, after))
        for key in old.keys() | new.keys():
            one, other = old.get(key), new.get(key)
            if one is None or other is None:
                unit = (one or other or (0, None, None))[1]
                found["removed" if other is None else "added"][unit] += 1
                found["affected"][unit] += 1
            elif one[1] != other[1] or not close(one[2], other[2], tolerance):
                found["changed"][one[1]] += 1
                found["affected"] += Counter({one[1]: 1, other[1]: 1})
        return found
    counts = [Counter((row[1], row[2]) for row in rows) for rows in (before, after)]
    for what, surplus in (("removed", counts[0] - counts[1]), ("added", counts[1] - counts[0])):
        for (unit, _), count in surplus.items():
            found[what][unit] += count
            found["affected"][unit] += 1
    return found


def close(one: int | None, other: int | None, tolerance: int) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= tolerance


@given(before=ROWS, after=ROWS, keyed=st.booleans(), tolerance=st.sampled_from([0, 1]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_figure_equals_that_of_a_plain_account(
    tmp_path: Path, before: list[Row], after: list[Row], keyed: bool, tolerance: int
) -> None:
    if keyed:
        before, after = unique(before), unique(after)
    tolerance = tolerance if keyed else 0
    weights = tmp_path / "weights.parquet"
    stratum = [unit % 2 for unit in range(UNITS)]
    pq.write_table(pa.table({"customer_id": list(range(UNITS)), "stratum": stratum}), weights)
    strata = [StratumRecord(values={}, population=n, probability=4 / n, threshold=1, sampled=4) for n in (4, 40)]
    drawn = UnitTableDraw(
        table="customers",
        key=("customer_id",),
        types=("BIGINT",),
        weights=weights,
        strata=strata,
        rows_outside_units={},
    )
    tables = [write(tmp_path / f"{name}.parquet", rows, keyed=keyed) for name, rows in (("b", before), ("c", after))]
    rules = OutputRules(
        key=("row",) if keyed else None,
        tolerance={"value": Tolerance(abs=tolerance)} if tolerance else {},
        unit_key=("customer_id",),
        ignore=frozenset(),
    )
    output = compare_tables(
        {"t": tables[0]},
        {"t": tables[1]},
        rules={"t": rules},
        units={"customers": ("customer_id",)},
        draws={"customers": drawn},
        identical=(),
        memory=2**28,
        threads=1,
        progress=SilentProgress(),
    )["t"]
    # Without a declared key one may be found, and then rows are told apart by it.
    by_key = bool(output.key.columns)
    if by_key and not keyed:
        return
    units = list(range(UNITS))
    found = account(before, after, keyed=keyed, tolerance=tolerance)

    def per_unit(name: str) -> Any:
        return np.array([found[name][unit] for unit in units])

    def summed(rows: list[Row], value: int | None) -> Any:
        given_ = [row for row in rows if value is None or row[value] is not None]
        parts = [sum((row[value] or 0) if value else 1 for row in given_ if row[1] == unit) for unit in units]
        return np.array(parts, float)

    def counted(rows: list[Row]) -> Any:
        return summed([row for row in rows if row[2] is not None], None)

    outside = [[row for row in rows if row[1] not in units] for rows in (before, after)]
    expected = estimate_output(
        drawn,
        UnitTotals(
            stratum=np.array(stratum),
            affected=per_unit("affected") > 0,
            added=per_unit("added"),
            removed=per_unit("removed"),
            changed=per_unit("changed"),
            rows=(summed(before, None), summed(after, None)),
            sums={"value": (summed(before, 2), summed(after, 2))},
            counts={"value": (counted(before), counted(after))},
            rows_without_unit=RowsWithoutUnit(
                baseline=len(outside[0]),
                candidate=len(outside[1]),
                different=sum(
                    count
                    for name in ("added", "removed", "changed")
                    for unit, count in found[name].items()
                    if unit not in units
                ),
            ),
        ),
    )
    if output.estimate.status == "not_estimated":
        assert not any(row[1] in units for row in (*before, *after))
        return
    ours, theirs = flat(output.estimate.model_dump()), flat(expected.model_dump())
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        near = isinstance(value, float)
        assert ours[name] == (pytest.approx(value, abs=1e-9) if near else value), name


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Give a nested document as one level of names."""
    if not isinstance(value, dict):
        return {name: value}
    return {key: one for part in value for key, one in flat(value[part], f"{name}.{part}").items()}
