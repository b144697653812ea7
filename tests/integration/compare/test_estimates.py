"""What a difference means for production: units, rows, totals; which rows count; what is not estimated, and why."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.compare import OutputRules, Tolerance, compare_tables
from sandbox.compare.units.sampled_units import UnitTableDraw
from sandbox.compare.units.unit_links import LinkedTable, UnitLink
from sandbox.errors import StoreError
from sandbox.manifest.sample import StratumRecord
from sandbox.model import SilentProgress, TableFiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.manifest.diff import OutputDiff

UNITS = 40
WEIGHT = 10


def parquet(path: Path, columns: dict[str, Any]) -> TableFiles:
    pq.write_table(pa.table(columns), path)
    return TableFiles(name=path.stem, format="parquet", paths=(path,))


def draw(
    folder: Path,
    keys: dict[str, Any],
    *,
    strata: Sequence[int] | None = None,
    populations: Sequence[int] = (),
) -> UnitTableDraw:
    """Give a draw of the units with these keys, one stratum unless told, of ten times as many."""
    table = pa.table(keys)
    strata = strata or [0] * len(table)
    counts = [strata.count(index) for index in range(max(strata) + 1)]
    populations = populations or [WEIGHT * count for count in counts]
    pq.write_table(table.append_column("stratum", pa.array(strata)), folder / "weights.parquet")
    types = {"int64": "BIGINT", "string": "VARCHAR", "date32[day]": "DATE"}
    return UnitTableDraw(
        table="customers",
        key=tuple(table.column_names),
        types=tuple(types[str(type_)] for type_ in table.schema.types),
        weights=folder / "weights.parquet",
        strata=[
            StratumRecord(values={}, population=n, probability=count / n, threshold=1, sampled=count)
            for n, count in zip(populations, counts, strict=True)
        ],
        rows_outside_units={"orders": 7},
    )


def diff(
    baseline: TableFiles,
    candidate: TableFiles,
    drawn: UnitTableDraw,
    rules: OutputRules | None = None,
    **rest: Any,
) -> OutputDiff:
    return compare_tables(
        {"t": baseline},
        {"t": candidate},
        rules={"t": rules or OutputRules()},
        units={"customers": drawn.key},
        draws={"customers": drawn},
        identical=rest.get("identical", ()),
        memory=2**28,
        threads=2,
        progress=SilentProgress(),
    )["t"]


@pytest.fixture
def drawn(tmp_path: Path) -> UnitTableDraw:
    return draw(tmp_path, {"customer_id": list(range(UNITS))})


def both(tmp_path: Path, before: dict[str, Any], after: dict[str, Any]) -> tuple[TableFiles, TableFiles]:
    return parquet(tmp_path / "before.parquet", before), parquet(tmp_path / "after.parquet", after)


def link_orders_and_items(tmp_path: Path, drawn: UnitTableDraw) -> UnitTableDraw:
    """Give the draw with two tables that belong to its units: three orders a customer, two items an order."""
    orders = {"id": list(range(120)), "buyer": [number % UNITS for number in range(120)]}
    items = {"id": list(range(1000, 1240)), "order": [number % 120 for number in range(240)]}
    files = {
        name: parquet(tmp_path / f"{name}.parquet", columns).paths
        for name, columns in {"orders": orders, "items": items}.items()
    }
    to_customers = LinkedTable(files=files["orders"], columns=("buyer",), next_key=("customer_id",))
    to_orders = LinkedTable(files=files["items"], columns=("order",), next_key=("id",))
    ways = {"raw_orders": (to_customers,), "items": (to_orders, to_customers)}
    links = [UnitLink(table=name, key="id", type="BIGINT", steps=way, types=("BIGINT",)) for name, way in ways.items()]
    return replace(drawn, links=links)


@pytest.mark.parametrize("declared", [None, "order_id"])
@pytest.mark.parametrize(("table", "column", "first"), [("raw_orders", "order_id", 0), ("items", "item_id", 1000)])
def test_rows_that_name_an_order_have_the_units_of_their_orders(
    tmp_path: Path, drawn: UnitTableDraw, table: str, column: str, first: int, declared: str | None
) -> None:
    linked = link_orders_and_items(tmp_path, drawn)
    count = 120 if table == "raw_orders" else 240
    keys = [first + number for number in range(count)]
    units = [number % 120 % UNITS for number in range(count)]
    before, after = [10.0] * count, [15.0] * 4 + [10.0] * (count - 4)
    rules = OutputRules(key=(column,), unit_key=(declared,) if declared == column else None)
    found = diff(*both(tmp_path, {column: keys, "v": before}, {column: keys, "v": after}), linked, rules).estimate
    assert found.through == table
    named = [{column: keys, "customer_id": units, "v": values} for values in (before, after)]
    direct = diff(*both(tmp_path, named[0], named[1]), linked, OutputRules(key=(column,))).estimate
    assert direct.through is None
    assert found.model_copy(update={"through": None}) == direct  # as if the output named the customers itself
    # An order that is not in the sample belongs to no unit of it, and is left out with its difference.
    keys[5] = 77_777
    found = diff(*both(tmp_path, {column: keys, "v": before}, {column: keys, "v": after}), linked, rules).estimate
    assert found.left_out is not None
    assert (found.left_out.baseline, found.left_out.candidate, found.left_out.different) == (1, 1, 0)


def test_a_key_that_says_nothing_of_its_table_leads_to_no_unit(tmp_path: Path, drawn: UnitTableDraw) -> None:
    linked = link_orders_and_items(tmp_path, drawn)
    values = {"id": list(range(120)), "v": [1.0] * 120}
    assert diff(*both(tmp_path, values, values), linked).estimate.status == "not_estimated"


def test_units_rows_totals_and_means_are_scaled_up(tmp_path: Path, drawn: UnitTableDraw) -> None:
    ids = list(range(UNITS))
    before = {"customer_id": ids, "value": [10.0] * UNITS}
    # Customer 39 is gone, 40 of them is new but not drawn, and customers 0 to 3 have another value.
    after = {"customer_id": [*ids[:39], 999], "value": [15.0] * 4 + [10.0] * 35 + [1.0]}
    found = diff(*both(tmp_path, before, after), drawn).estimate
    assert (found.status, found.reason, found.unit, found.population) == ("estimated", None, "customers", 400)
    assert found.units_affected is not None
    assert (found.units_affected.estimate, found.units_affected.sample) == (50, 5)
    assert (found.rows_changed.estimate, found.rows_removed.estimate, found.rows_added.estimate) == (
        40,
        10,
        0,
    )
    total = found.totals["value"]
    assert (total.baseline.estimate, total.candidate.estimate, total.change.estimate) == (4000, 4100, 100)
    assert total.relative.estimate == pytest.approx(0.025)
    mean = found.means["value"]
    assert mean.baseline.estimate == 10
    assert mean.candidate.estimate == pytest.approx(410 / 39)
    assert mean.change.estimate == pytest.approx(410 / 39 - 10)
    assert found.share.estimate == pytest.approx(5 / 40)
    assert found.left_out is not None
    assert (found.left_out.baseline, found.left_out.candidate, found.left_out.different) == (0, 1, 1)
    assert found.outside == {"orders": 7}


def test_strata_have_their_own_weights(tmp_path: Path) -> None:
    drawn = draw(tmp_path, {"customer_id": [1, 2, 3, 4]}, strata=[0, 0, 1, 1], populations=[2, 200])
    before = {"customer_id": [1, 2, 3, 4], "value": [1, 1, 1, 1]}
    found = diff(*both(tmp_path, before, before | {"value": [2, 1, 2, 1]}), drawn).estimate
    assert found.units_affected is not None
    assert found.units_affected.estimate == 1 + 100
    assert found.totals["value"].change.estimate == 101


def test_every_unit_drawn_gives_exact_figures(tmp_path: Path) -> None:
    drawn = draw(tmp_path, {"customer_id": [1, 2]}, populations=[2])
    before = {"customer_id": [1, 2], "value": [1, 1]}
    found = diff(*both(tmp_path, before, before | {"value": [2, 1]}), drawn).estimate
    assert found.units_affected is not None
    assert (found.units_affected.status, found.units_affected.high) == ("exact", 1)
    assert (found.totals["value"].change.status, found.totals["value"].change.low) == ("exact", 1)


def test_rows_of_a_unit_are_summed_and_a_missing_unit_counts_as_zero(tmp_path: Path, drawn: UnitTableDraw) -> None:
    before = {"order_id": [1, 2, 3, 4], "customer_id": [0, 0, 1, 2], "amount": [1, 2, 4, None]}
    after = {"order_id": [1, 2, 5], "customer_id": [0, 0, 3], "amount": [1, 3, 8]}
    found = diff(*both(tmp_path, before, after), drawn, OutputRules(key=("order_id",))).estimate
    assert found.units_affected is not None
    assert found.units_affected.sample == 4
    assert found.totals["amount"].baseline.estimate == 10 * 7
    assert found.totals["amount"].change.estimate == 10 * (1 - 4 + 8)
    assert found.means["amount"].baseline.estimate == pytest.approx(7 / 3)  # NULL has no part in a mean
    assert set(found.totals) == {"amount"}, "keys have no totals"


def test_a_row_that_changes_its_unit_touches_both(tmp_path: Path, drawn: UnitTableDraw) -> None:
    before = {"order_id": [1, 2], "customer_id": [0, 1], "amount": [5, 5]}
    found = diff(*both(tmp_path, before, before | {"customer_id": [3, 1]}), drawn, OutputRules(key=("order_id",)))
    assert found.estimate.units_affected is not None
    assert found.estimate.units_affected.sample == 2
    assert found.estimate.rows_changed.estimate == 10
    assert found.estimate.totals["amount"].change.estimate == 0


def test_rows_without_a_known_unit_are_left_out_and_counted(tmp_path: Path, drawn: UnitTableDraw) -> None:
    before = {"order_id": [1, 2, 3], "customer_id": [0, None, 777], "amount": [1, 10, 100]}
    found = diff(
        *both(tmp_path, before, before | {"amount": [2, 20, 200]}), drawn, OutputRules(key=("order_id",))
    ).estimate
    assert found.left_out is not None
    assert (found.left_out.baseline, found.left_out.candidate, found.left_out.different) == (2, 2, 2)
    assert found.totals["amount"].candidate.estimate == 20
    assert found.units_affected is not None
    assert found.units_affected.sample == 1


def test_rows_without_a_key_of_their_own_belong_to_their_unit(tmp_path: Path, drawn: UnitTableDraw) -> None:
    before = {"customer_id": [0, 0, 0, 1], "kind": ["a", "a", "b", "a"]}
    after = {"customer_id": [0, 0, 1, 1], "kind": ["a", "b", "a", "c"]}
    found = diff(*both(tmp_path, before, after), drawn).estimate
    assert found.units_affected is not None
    assert found.units_affected.sample == 2
    assert (found.rows_removed.estimate, found.rows_added.estimate, found.rows_changed.estimate) == (
        10,
        10,
        0,
    )


def test_repeated_rows_are_counted_one_by_one(tmp_path: Path, drawn: UnitTableDraw) -> None:
    before = {"customer_id": [5] * 7, "kind": ["a"] * 7}
    after = {"customer_id": [5] * 3, "kind": ["a"] * 3}
    found = diff(*both(tmp_path, before, after), drawn).estimate
    assert found.rows_removed.estimate == 40


def test_values_within_their_tolerance_do_not_affect_a_unit(tmp_path: Path, drawn: UnitTableDraw) -> None:
    before = {"customer_id": [0, 1], "value": [1.0, 1.0]}
    rules = OutputRules(tolerance={"value": Tolerance(abs=0.1)})
    found = diff(*both(tmp_path, before, before | {"value": [1.05, 2.0]}), drawn, rules).estimate
    assert found.units_affected is not None
    assert found.units_affected.sample == 1
    assert found.totals["value"].change.estimate == 10, "what is within the tolerance moves no total"


def test_noise_neither_affects_a_unit_nor_has_a_total(tmp_path: Path, drawn: UnitTableDraw) -> None:
    before = {"customer_id": [0, 1, 2], "value": [1, 1, 1], "now": [1, 2, 3]}
    after = before | {"value": [1, 1, 4], "now": [7, 8, 9]}
    found = diff(*both(tmp_path, before, after), drawn, OutputRules(nondeterministic=frozenset({"now"}))).estimate
    assert found.units_affected is not None
    assert found.units_affected.sample == 1
    assert set(found.totals) == {"value"}
    keyless = {"customer_id": [0, 0, 1], "value": [1, 1, 1], "now": [1, 2, 3]}
    both_ = both(tmp_path, keyless, keyless | {"now": [7, 8, 9], "value": [1, 2, 1]})
    found = diff(*both_, drawn, OutputRules(nondeterministic=frozenset({"now"}))).estimate
    assert found.units_affected is not None
    assert found.units_affected.sample == 1
    assert (found.rows_added.estimate, found.rows_removed.estimate) == (10, 10)


def test_a_unit_key_that_is_noise_is_not_estimated(tmp_path: Path, drawn: UnitTableDraw) -> None:
    before = {"order_id": [0, 1], "customer_id": [1, 1]}
    rules = OutputRules(key=("order_id",), nondeterministic=frozenset({"customer_id"}))
    found = diff(*both(tmp_path, before, before | {"customer_id": [2, 2]}), drawn, rules).estimate
    assert found.status == "not_estimated"
    assert "differs from run to run" in str(found.reason)


@pytest.mark.parametrize("identical", [("t",), ()])
def test_nothing_found_gives_the_largest_number_that_would_have_hidden(
    tmp_path: Path, drawn: UnitTableDraw, identical: tuple[str, ...]
) -> None:
    before = {"customer_id": [0, 1], "value": [1, 1]}
    found = diff(*both(tmp_path, before, before), drawn, identical=identical).estimate
    assert found.units_affected is not None
    assert found.units_affected.sample == 0
    assert found.units_affected.estimate == 0
    assert found.units_affected.high == 28  # ⌈ln 0.05 / ln 0.9⌉ − 1
    assert found.rows_changed.high is None


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 1], pa.int32()),
        ([0.0, 1.0], pa.float64()),
        (["0", "1"], pa.string()),
        ([Decimal("0.00"), Decimal("1.00")], pa.decimal128(12, 2)),
    ],
)
def test_a_unit_key_of_another_type_finds_its_units(
    tmp_path: Path, drawn: UnitTableDraw, values: list[Any], kind: pa.DataType
) -> None:
    before = {"customer_id": pa.array(values, kind), "value": [1, 1]}
    found = diff(*both(tmp_path, before, before | {"value": [2, 1]}), drawn).estimate
    assert found.left_out is not None
    assert found.left_out.baseline == 0
    assert found.units_affected is not None
    assert found.units_affected.sample == 1


def test_a_text_that_only_reads_like_a_key_is_no_unit(tmp_path: Path, drawn: UnitTableDraw) -> None:
    before = {"customer_id": ["007", "1", "x"], "value": [1, 1, 1]}
    found = diff(*both(tmp_path, before, before | {"value": [2, 2, 2]}), drawn).estimate
    assert found.left_out is not None
    assert found.left_out.baseline == 2


def test_a_unit_key_that_cannot_hold_one_says_so(tmp_path: Path, drawn: UnitTableDraw) -> None:
    before = {"customer_id": [[0], [1]], "value": [1, 1]}
    found = diff(*both(tmp_path, before, before | {"value": [2, 2]}), drawn).estimate
    assert found.status == "not_estimated"
    assert found.reason == "its customer_id is BIGINT[], and the key of customers is BIGINT"


def test_rows_of_no_drawn_unit_at_all_are_not_estimated(tmp_path: Path, drawn: UnitTableDraw) -> None:
    before = {"customer_id": [900, 901], "value": [1, 1]}
    found = diff(*both(tmp_path, before, before | {"value": [2, 2]}), drawn).estimate
    assert found.reason == "no row of it belongs to a unit of the sample"


def test_an_output_without_a_unit_is_not_estimated(tmp_path: Path, drawn: UnitTableDraw) -> None:
    before = {"day": [1, 2], "value": [1, 1]}
    found = diff(*both(tmp_path, before, before | {"value": [2, 2]}), drawn)
    assert found.estimate.status == "not_estimated"
    assert "unit_key" in str(found.estimate.reason)
    assert found.estimate.totals == {}


@pytest.mark.parametrize(
    ("unit_key", "said"),
    [
        (
            ("customer_id", "day"),
            "its unit_key is customer_id, day, and the sample's units have the key customer_id",
        ),
        (("gone",), "its unit_key gone is not on both sides"),
    ],
)
def test_a_unit_key_that_finds_no_unit_says_why(
    tmp_path: Path, drawn: UnitTableDraw, unit_key: tuple[str, ...], said: str
) -> None:
    before = {"customer_id": [1], "day": [1], "gone": [1]}
    after = {"customer_id": [1], "day": [2]}
    found = diff(*both(tmp_path, before, after), drawn, OutputRules(key=("customer_id",), unit_key=unit_key))
    assert str(found.estimate.reason).startswith(said)


def test_composite_keys_in_another_order(tmp_path: Path) -> None:
    drawn = draw(tmp_path, {"country": ["DE", "DE", "FR"], "number": [1, 2, 1]})
    before = {"number": [1, 2, 1], "country": ["DE", "DE", "FR"], "value": [1, 1, 1]}
    after = before | {"value": [2, 1, 1]}
    rules = OutputRules(unit_key=("number", "country"))
    for one in (OutputRules(), rules):
        found = diff(*both(tmp_path, before, after), drawn, one).estimate
        assert found.left_out is not None
        assert found.left_out.baseline == 0
        assert found.units_affected is not None
        assert found.units_affected.sample == 1


def test_many_columns_are_all_summed(tmp_path: Path, drawn: UnitTableDraw) -> None:
    names = [f"n{index}" for index in range(95)]
    before = {"customer_id": [3, 4], **{name: [index, 1] for index, name in enumerate(names)}}
    after = {"customer_id": [3, 4], **{name: [index + 1, 1] for index, name in enumerate(names)}}
    found = diff(*both(tmp_path, before, after), drawn).estimate
    assert {name: total.change.estimate for name, total in found.totals.items()} == dict.fromkeys(names, 10)
    assert found.totals["n94"].baseline.estimate == 950


def test_huge_numbers_and_infinities_do_not_stop_a_comparison(tmp_path: Path, drawn: UnitTableDraw) -> None:
    large = pa.array([Decimal(10) ** 37, Decimal(10) ** 37 * 9], pa.decimal128(38, 0))
    before = {
        "order": [1, 2],
        "customer_id": [3, 3],
        "large": large,
        "whole": pa.array([2**64 - 1] * 2, pa.uint64()),
        "odd": [float("inf"), float("nan")],
    }
    found = diff(*both(tmp_path, before, before | {"whole": [1, 1]}), drawn, OutputRules(key=("order",))).estimate
    assert found.totals["large"].baseline.estimate == pytest.approx(1e39)
    assert found.totals["odd"].baseline.status == "not_estimated"
    assert found.totals["whole"].change.estimate == pytest.approx(-2 * 10 * 2**64)


@pytest.mark.parametrize("damage", ["missing", "other", "short"])
def test_weights_that_are_not_the_draws_are_named(tmp_path: Path, drawn: UnitTableDraw, damage: str) -> None:
    if damage == "missing":
        drawn.weights.unlink()
    elif damage == "other":
        drawn.weights.write_bytes(b"PAR1 nothing PAR1")
    else:
        pq.write_table(pq.read_table(drawn.weights).slice(0, 9), drawn.weights)
    before = {"customer_id": [0, 1], "value": [1, 1]}
    with pytest.raises(StoreError, match=r"weights") as raised:
        diff(*both(tmp_path, before, before | {"value": [2, 2]}), drawn)
    assert raised.value.hint == "sandbox verify"


def test_slices_are_sought_among_the_units_own_columns(tmp_path: Path) -> None:
    """The output names customers, and the change follows two columns that only the customers' table has."""
    ids = list(range(600))
    customers = {
        "customer_id": ids,
        "country": [("DE", "FR", "PL")[one % 3] for one in ids],
        "tier": [("gold", "basic")[one // 3 % 2] for one in ids],
        "kind": ["other"] * 600,
    }
    drawn = replace(
        draw(tmp_path, {"customer_id": ids}),
        files=parquet(tmp_path / "customers.parquet", customers).paths,
        columns={"customer_id": "BIGINT", "country": "VARCHAR", "tier": "VARCHAR", "kind": "VARCHAR"},
    )
    before: dict[str, Any] = {
        "order_id": list(range(1800)),
        "buyer": ids * 3,
        "kind": ["own"] * 1800,
        "value": [1.0] * 1800,
    }
    hit = [one % 3 == 0 and one // 3 % 2 == 0 for one in before["buyer"]]
    after = {
        "order_id": before["order_id"][:1799],
        "buyer": before["buyer"][:1799],
        "kind": ["own"] * 1799,
        "value": [2.0 if one else 1.0 for one in hit[:1799]],
    }
    rules = OutputRules(key=("order_id",), unit_key=("buyer",))
    found = diff(*both(tmp_path, before, after), drawn, rules)
    assert (found.rows.changed, found.rows.removed) == (300, 1)
    [best, *others] = found.segments
    assert {(one.column, *map(str, one.values)) for one in best.slices} == {
        ("customers.country", "DE"),
        ("customers.tier", "gold"),
    }
    assert best.differing == 1.0
    assert best.covered == pytest.approx(300 / 301)
    named = {one.column for segment in (best, *others) for one in segment.slices}
    assert named <= {"customers.country", "customers.tier"}, "an output's own column goes before the unit's"


def test_truth_values_have_a_number_of_rows_and_a_share(tmp_path: Path, drawn: UnitTableDraw) -> None:
    ids = list(range(UNITS))
    before = {"customer_id": ids, "loyal": [key % 2 == 0 for key in ids], "nothing": pa.nulls(UNITS, pa.float64())}
    after = before | {"loyal": [True] * 30 + [key % 2 == 0 for key in ids[30:]]}
    found = diff(*both(tmp_path, before, after), drawn)
    total, share = found.estimate.totals["loyal"], found.estimate.means["loyal"]
    assert (total.baseline.estimate, total.change.estimate) == (200, 150)
    assert share.baseline.estimate == 0.5
    assert share.change.estimate == pytest.approx(0.375)
    assert found.estimate.truth_columns == ["loyal"]
    assert found.null_columns == {"nothing": "both"}


def test_a_column_that_becomes_null_throughout_is_named(tmp_path: Path, drawn: UnitTableDraw) -> None:
    before = {"customer_id": list(range(UNITS)), "value": [None] * (UNITS - 1) + [1.0]}
    after = {"customer_id": list(range(UNITS)), "value": pa.nulls(UNITS, pa.float64())}
    assert diff(*both(tmp_path, before, after), drawn).null_columns == {"value": "candidate"}
    assert diff(*both(tmp_path, after, before), drawn).null_columns == {}
