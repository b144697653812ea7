"""The comparison gives what a plain computation in Python gives, and obeys its laws, on any two tables."""

from __future__ import annotations

import math
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.compare import OutputRules, Tolerance, compare_tables
from sandbox.compare.rows import detail_sample, hash_prefilter
from sandbox.compare.rules import NO_TOLERANCE
from sandbox.model import SilentProgress, TableFiles

if TYPE_CHECKING:
    from sandbox.manifest.diff import OutputDiff

SCHEMA = pa.schema(
    [
        ("id", pa.int32()),
        ("part", pa.string()),
        ("amount", pa.float64()),
        ("price", pa.decimal128(8, 2)),
        ("tags", pa.list_(pa.int32())),
        ("at", pa.timestamp("us")),
        ("name", pa.string()),
        ("deep", pa.struct([("x", pa.float64()), ("y", pa.list_(pa.string()))])),
    ]
)
NAMES = SCHEMA.names
Row = tuple[Any, ...]
NOON = datetime(2026, 1, 1, 12)  # noqa: DTZ001 -- pipelines write moments without a zone

floats = st.sampled_from([None, math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 1.004, 1.5, -2.5, 1e300])
rows = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 5)),
        st.sampled_from([None, "a", "b", ""]),
        floats,
        st.sampled_from([None, Decimal("1.00"), Decimal("1.01"), Decimal("9.99")]),
        st.sampled_from([None, [], [1], [1, None], [None, 1], [1, 1]]),
        st.sampled_from([None, NOON, NOON + timedelta(milliseconds=1500), NOON + timedelta(days=1)]),
        st.sampled_from([None, "Ada  L", "ada l", "Ada L ", "ADA\u00a0L", "", " "]),
        st.sampled_from([None, {"x": 0.0, "y": []}, {"x": -0.0, "y": []}, {"x": math.nan, "y": ["a", None]}]),
    ),
    max_size=9,
)
unique_rows = st.lists(rows.filter(bool).map(lambda many: many[0]), max_size=9).map(
    lambda many: [(place, *row[1:]) for place, row in enumerate(many)]
)
keys = st.sampled_from([("id",), ("id", "part"), ("part", "id"), ("amount",), ("tags",)])
tolerances = st.sampled_from(
    [
        {},
        {"amount": Tolerance(abs=0.01)},
        {"price": Tolerance(abs=0.01)},
        {"amount": Tolerance(rel=1.0), "price": Tolerance(rel=0.01)},
        {"at": Tolerance(seconds=1.5), "name": Tolerance(case=False)},
        {"at": Tolerance(seconds=1.0), "name": Tolerance(space=False), "tags": Tolerance(as_set=True)},
        {"name": Tolerance(case=False, space=False), "part": Tolerance(case=False), "id": Tolerance(abs=9)},
    ]
)
taints = st.sets(st.sampled_from(["id", "amount", "tags", "name"]), max_size=2).map(frozenset)
bounded = settings(max_examples=60, deadline=None)


def files(folder: Path, name: str, table: list[Row]) -> TableFiles:
    columns = [pa.array([row[place] for row in table], field.type) for place, field in enumerate(SCHEMA)]
    path = folder / f"{name}.parquet"
    pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), path)
    return TableFiles(name=name, format="parquet", paths=(path,))


def diff(baseline: list[Row], candidate: list[Row], rules: OutputRules, threads: int = 1) -> OutputDiff:
    """Compare twice: as small tables are compared, and as large ones are, equal rows set aside before."""
    with tempfile.TemporaryDirectory() as folder:
        sides = [
            {"t": files(Path(folder), name, table)}
            for name, table in (("baseline", baseline), ("candidate", candidate))
        ]

        def found() -> OutputDiff:
            return compare_tables(
                *sides,
                rules={"t": rules},
                units={"units": ("id",)},
                identical=(),
                memory=2**28,
                threads=threads,
                progress=SilentProgress(),
            )["t"]

        with (
            mock.patch.object(detail_sample, "MAX_SAMPLE_ROWS", 1),
            mock.patch.object(hash_prefilter, "MAX_REMAINING_SHARE", 1.0),
        ):
            large = found()
        small = found()
    parts_alone: dict[str, Any] = {"profiles": {}, "segments": [], "examples": []}
    assert large.model_copy(update=parts_alone) == small.model_copy(update=parts_alone)
    return small


@dataclass
class Reference:
    added: int = 0
    removed: int = 0
    changed: int = 0
    unchanged: int = 0
    noise: int = 0
    units: frozenset[int] = frozenset()
    columns: tuple[tuple[str, int], ...] = ()


def normal(value: Any, tolerance: Tolerance = NO_TOLERANCE) -> Any:
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value + 0.0
    if isinstance(value, dict):
        return tuple(normal(part) for part in value.values())
    if isinstance(value, list):
        return frozenset(value) if tolerance.as_set else tuple(value)
    if isinstance(value, str):
        spaced = value if tolerance.space else " ".join(value.split())
        return spaced if tolerance.case else spaced.lower()
    return value


def equal(before: Any, after: Any, tolerance: Tolerance) -> bool:
    if normal(before, tolerance) == normal(after, tolerance):
        return True
    if before is None or after is None:
        return False
    if isinstance(before, datetime):
        return bool(abs((after - before).total_seconds()) <= tolerance.seconds)
    if not isinstance(before, float | Decimal):
        return False
    if not (math.isfinite(before) and math.isfinite(after)):
        return False
    return bool(abs(float(after - before)) <= tolerance.abs + tolerance.rel * abs(float(before)))


def reference(baseline: list[Row], candidate: list[Row], rules: OutputRules) -> Reference:
    """Group by key; pair where a key is whole and unique on both sides; else cancel equal rows."""
    names = [name for name in NAMES if name not in rules.ignore]
    groups: dict[Row, tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for side, table in enumerate((baseline, candidate)):
        for row in table:
            key = tuple(normal(row[NAMES.index(name)]) for name in rules.key or ())
            groups[key][side].append(row)
    found, units, columns = Reference(), set(), Counter[str]()
    nets = Counter[Row]()
    for key, (before, after) in groups.items():
        if rules.key and None not in key and len(before) == len(after) == 1:
            differing = [
                name
                for name in names
                if name not in rules.key
                and not equal(
                    before[0][NAMES.index(name)],
                    after[0][NAMES.index(name)],
                    rules.tolerance.get(name, NO_TOLERANCE),
                )
            ]
            columns.update(differing)
            found.changed += bool(differing)
            found.unchanged += not differing
            noise = bool(differing) and set(differing) <= rules.nondeterministic
            found.noise += noise
            units |= {before[0][0], after[0][0]} if differing and not noise else set()
            continue
        there, here = (Counter(row_of(row, names, rules) for row in side) for side in (before, after))
        for some, sign in ((there, 1), (here, -1)):
            for row, count in some.items():
                nets[tuple(v for v, name in zip(row, names, strict=True) if name not in rules.nondeterministic)] += (
                    sign * count
                )
        found.removed += (there - here).total()
        found.added += (here - there).total()
        found.unchanged += (there & here).total()
        units |= {row[0] for row in ((there - here) + (here - there))}
    found.noise += found.removed + found.added - sum(abs(net) for net in nets.values())
    return replace(
        found, units=frozenset(units - {None}), columns=tuple(sorted((n, c) for n, c in columns.items() if c))
    )


def row_of(row: Row, names: list[str], rules: OutputRules) -> Row:
    """Give a row as it is compared with others; a key knows no tolerance."""
    return tuple(
        normal(
            row[NAMES.index(name)],
            NO_TOLERANCE if name in (rules.key or ()) else rules.tolerance.get(name, NO_TOLERANCE),
        )
        for name in names
    )


def agrees(diff_: OutputDiff, expected: Reference) -> None:
    counts = diff_.rows
    assert (counts.added, counts.removed, counts.changed, counts.unchanged) == (
        expected.added,
        expected.removed,
        expected.changed,
        expected.unchanged,
    )
    assert counts.noise == expected.noise
    assert counts.added + counts.unchanged + counts.changed == counts.candidate
    assert counts.removed + counts.unchanged + counts.changed == counts.baseline
    assert diff_.estimate.units_affected is not None
    assert diff_.estimate.units_affected.sample == len(expected.units)


@bounded
@given(rows, rows, keys, tolerances)
def test_counts_with_repeated_and_null_keys_equal_a_plain_computation(
    baseline: list[Row], candidate: list[Row], key: tuple[str, ...], tolerance: dict[str, Tolerance]
) -> None:
    """Takes long: a comparison for each of sixty generated pairs of tables."""
    rules = OutputRules(key=key, tolerance=tolerance)
    found = diff(baseline, candidate, rules)
    agrees(found, reference(baseline, candidate, rules))
    for side, table in (("baseline", baseline), ("candidate", candidate)):
        named = Counter(tuple(normal(row[NAMES.index(name)]) for name in key) for row in table)
        nulls = sum(count for values, count in named.items() if None in values)
        repeated = sum(count for values, count in named.items() if count > 1 and None not in values)
        assert getattr(found.key, f"{side}_nulls") == nulls
        assert getattr(found.key, f"{side}_duplicates") == repeated


@bounded
@given(unique_rows, unique_rows, tolerances)
def test_counts_and_columns_of_unique_keys_equal_a_plain_computation(
    baseline: list[Row], candidate: list[Row], tolerance: dict[str, Tolerance]
) -> None:
    """Takes long: two comparisons for each of sixty generated pairs of tables."""
    rules = OutputRules(key=("id",), tolerance=tolerance)
    expected = reference(baseline, candidate, rules)
    found = diff(baseline, candidate, rules)
    agrees(found, expected)
    changed = {name: column.changed for name, column in found.columns.items() if column.changed}
    assert changed == dict(expected.columns)
    # Without a declaration the same key is found: it is named like one.
    agrees(diff(baseline, candidate, replace(rules, key=None)), expected)


@bounded
@given(rows, rows, keys, tolerances, taints)
def test_what_tainted_columns_alone_explain_is_noise(
    baseline: list[Row],
    candidate: list[Row],
    key: tuple[str, ...],
    tolerance: dict[str, Tolerance],
    tainted: frozenset[str],
) -> None:
    """Takes long: a comparison for each of sixty generated pairs of tables."""
    rules = OutputRules(key=key, tolerance=tolerance, nondeterministic=tainted)
    found, expected = diff(baseline, candidate, rules), reference(baseline, candidate, rules)
    assert (found.rows.noise, found.rows.different) == (
        expected.noise,
        expected.added + expected.removed + expected.changed,
    )
    assert found.is_same == (found.rows.different == expected.noise)


@bounded
@given(rows, rows)
def test_tables_without_a_key_are_compared_as_multisets(baseline: list[Row], candidate: list[Row]) -> None:
    """Takes long: a comparison for each of sixty generated pairs of tables."""
    doubled, other = baseline + baseline[:1] * 2, candidate + candidate[:1] * 2
    rules = OutputRules(ignore=frozenset({"part"}))
    found = diff(doubled, other, rules)
    if found.key.source == "none":
        agrees(found, reference(doubled, other, rules))
    else:
        agrees(found, reference(doubled, other, replace(rules, key=tuple(found.key.columns))))
    assert found.columns == {} or not found.rows.different or found.key.columns


@settings(max_examples=12, deadline=None)
@given(rows, st.one_of(st.none(), keys), tolerances)
def test_a_table_does_not_differ_from_itself_in_another_order(
    table: list[Row], key: tuple[str, ...] | None, tolerance: dict[str, Tolerance]
) -> None:
    found = diff(table, table[::-1], OutputRules(key=key, tolerance=tolerance), threads=2)
    assert found.rows.different == 0
    assert found.rows.unchanged == len(table)
    assert found.schema_.is_same
    assert found.examples == []
    assert all(column.changed == 0 and column.match_rate == 1.0 for column in found.columns.values())


@settings(max_examples=12, deadline=None)
@given(rows, rows, st.one_of(st.none(), keys), st.randoms())
def test_neither_threads_nor_the_order_of_rows_matter(
    baseline: list[Row], candidate: list[Row], key: tuple[str, ...] | None, random: Any
) -> None:
    first = diff(baseline, candidate, OutputRules(key=key))
    random.shuffle(baseline)
    random.shuffle(candidate)
    again = diff(baseline, candidate, OutputRules(key=key), threads=2)
    assert again.model_copy(update={"examples": []}) == first.model_copy(update={"examples": []})


@settings(max_examples=12, deadline=None)
@given(rows, rows, st.one_of(st.none(), keys))
def test_swapping_the_sides_swaps_added_and_removed(
    baseline: list[Row], candidate: list[Row], key: tuple[str, ...] | None
) -> None:
    there, back = (
        diff(baseline, candidate, OutputRules(key=key)).rows,
        diff(candidate, baseline, OutputRules(key=key)).rows,
    )
    assert (there.added, there.removed) == (back.removed, back.added)
    assert (there.changed, there.unchanged) == (back.changed, back.unchanged)


@settings(max_examples=12, deadline=None)
@given(rows, rows, keys, tolerances)
def test_a_tolerance_never_adds_differences(
    baseline: list[Row], candidate: list[Row], key: tuple[str, ...], tolerance: dict[str, Tolerance]
) -> None:
    strict = diff(baseline, candidate, OutputRules(key=key))
    loose = diff(baseline, candidate, OutputRules(key=key, tolerance=tolerance))
    assert loose.rows.different <= strict.rows.different
    assert all(column.changed <= strict.columns[name].changed for name, column in loose.columns.items())
