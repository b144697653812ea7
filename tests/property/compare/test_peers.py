"""Where diffly defines them, our counts are its counts: keys that are unique and never null, columns of one type.

diffly takes NaN and NULL for equal, so no column here has both.
"""

from __future__ import annotations

import datetime as dt
import math
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import diffly
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.compare import OutputRules, Tolerance, compare_tables
from sandbox.model import SilentProgress, TableFiles

MIDNIGHT = dt.datetime(2026, 1, 1)  # noqa: DTZ001 -- pipelines write moments without a zone
VALUES: dict[str, tuple[Any, list[Any]]] = {
    "whole": (pl.Int32, [None, 0, 1, -7, 2**31 - 1]),
    "fraction": (pl.Float64, [0.0, -0.0, 1.0, 1.004, 1.5, math.nan, math.inf, -math.inf]),
    "small": (pl.Float32, [None, 0.1, 0.2, math.inf]),
    "text": (pl.String, [None, "", "a", "A", "ä", "🦆"]),
    "price": (pl.Decimal(9, 2), [None, Decimal("1.00"), Decimal("1.01")]),
    "day": (pl.Date, [None, dt.date(2026, 1, 1), dt.date(2026, 1, 2)]),
    "at": (pl.Datetime("us"), [None, MIDNIGHT, MIDNIGHT + dt.timedelta(seconds=1)]),
    "flag": (pl.Boolean, [None, True, False]),
    "list": (pl.List(pl.Int64), [None, [], [1], [1, 2], [2, 1]]),
}
ROW = st.fixed_dictionaries({name: st.sampled_from(values) for name, (_, values) in VALUES.items()})
KEYS = st.tuples(st.integers(0, 6), st.sampled_from(["x", "y"]))
TABLE = st.dictionaries(KEYS, ROW, max_size=8)


def frame(table: dict[tuple[int, str], dict[str, Any]], columns: list[str]) -> pl.DataFrame:
    schema = {"a": pl.Int64, "b": pl.String} | {name: VALUES[name][0] for name in columns}
    return pl.DataFrame(
        [{"a": key[0], "b": key[1], **{name: row[name] for name in columns}} for key, row in table.items()],
        schema=schema,
    )


@settings(max_examples=240, suppress_health_check=[HealthCheck.too_slow])
@given(
    TABLE,
    TABLE,
    st.lists(st.sampled_from(sorted(VALUES)), unique=True, min_size=1),
    st.sampled_from(sorted(VALUES)),
    st.sampled_from([0.0, 0.01, 1.0]),
    st.booleans(),
)
def test_counts_equal_those_of_diffly(  # one table is partly a copy of the other
    baseline: dict[tuple[int, str], dict[str, Any]],
    other: dict[tuple[int, str], dict[str, Any]],
    columns: list[str],
    extra: str,
    tolerance: float,
    copied: bool,
) -> None:
    """Takes long: a comparison by sandbox and one by diffly for each generated pair of tables."""
    candidate = {**baseline, **dict(list(other.items())[:2])} if copied else other
    there = frame(baseline, columns)
    here = frame(candidate, sorted({*columns, extra}))
    apart = dt.timedelta(seconds=tolerance)
    theirs = diffly.compare_frames(
        there, here, primary_key=["a", "b"], abs_tol=tolerance, rel_tol=0.0, abs_tol_temporal=apart
    )
    temporal = {"day", "at"} & set(columns)
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for side, table in (("baseline", there), ("candidate", here.select(reversed(here.columns)))):
            path = Path(folder) / f"{side}.parquet"
            table.write_parquet(path)
            files[side] = {"t": TableFiles(name="t", format="parquet", paths=(path,))}
        ours = compare_tables(
            files["baseline"],
            files["candidate"],
            rules={
                "t": OutputRules(
                    key=("a", "b"),
                    tolerance={
                        **{name: Tolerance(abs=tolerance) for name in {"fraction", "small"} & set(columns)},
                        **{name: Tolerance(seconds=tolerance) for name in temporal},
                    },
                )
            },
            units={},
            identical=(),
            memory=2**28,
            threads=1,
            progress=SilentProgress(),
        )["t"]
    rows = ours.rows
    assert rows.added == theirs.num_rows_right_only()
    assert rows.removed == theirs.num_rows_left_only()
    assert rows.changed == theirs.num_rows_joined_unequal()
    assert rows.unchanged == theirs.num_rows_joined_equal()
    for name in columns:
        assert ours.columns[name].changed == theirs.num_rows_joined_unequal(name), name
