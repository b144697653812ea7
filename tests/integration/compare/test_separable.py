"""Whether rows of a unit come out alike on half of the sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.compare import OutputRules, Tolerance
from sandbox.compare.units.sampled_units import UnitTableDraw
from sandbox.compare.units.separability import SeparabilityInput, find_separability_problem
from sandbox.compare.units.unit_links import LinkedTable, UnitLink
from sandbox.engine.duckdb.session import quote_literal
from sandbox.errors import PipelineError
from sandbox.model import TableFiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KEPT = [1, 2]
WHOLE = {"customer_id": [1, 2, 3, 4], "value": [1.0, 2.0, 3.0, 4.0]}
HALF = {"customer_id": [1, 2], "value": [1.0, 2.0]}


def asked(
    folder: Path,
    whole: dict[str, Any],
    half: dict[str, Any],
    rules: OutputRules | None = None,
    *,
    kept: list[int] | None = None,
    links: Sequence[UnitLink] = (),
) -> str | None:
    paths = {}
    for name, columns in (("whole", whole), ("half", half)):
        paths[name] = folder / f"{name}.parquet"
        pq.write_table(pa.table(columns), paths[name])
    units = folder / "kept.parquet"
    pq.write_table(pa.table({"customer_id": pa.array(KEPT if kept is None else kept, pa.int64())}), units)
    drawn = UnitTableDraw(
        table="customers",
        key=("customer_id",),
        types=("BIGINT",),
        weights=units,
        strata=[],
        rows_outside_units={},
        links=links,
    )
    question = SeparabilityInput(
        whole=TableFiles(name="t", format="parquet", paths=(paths["whole"],)),
        half=TableFiles(name="t", format="parquet", paths=(paths["half"],)),
        draw=drawn,
        half_name="half of the sample",
        half_units_sql=f"select * from read_parquet({quote_literal(str(units))})",
        rules=rules or OutputRules(),
        key=("customer_id",),
    )
    return find_separability_problem(question, memory=2**28)


def test_units_through_orders_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "orders.parquet"
    pq.write_table(pa.table({"id": [10, 11, 12, 13], "buyer": [1, 2, 3, 4]}), path)
    step = LinkedTable(files=[path], columns=("buyer",), next_key=("customer_id",))
    link = UnitLink(table="orders", key="id", type="BIGINT", steps=(step,), types=("BIGINT",))
    whole = {"order_id": [10, 11, 12, 13], "value": [1.0, 2.0, 3.0, 4.0]}
    rules = OutputRules(key=("order_id",))
    half = {"order_id": [10, 11, 99], "value": [1.0, 2.0, 9.0]}  # 99 is of a copied unit
    assert asked(tmp_path, whole, half, rules, links=[link]) is None
    half["value"] = [1.0, 3.0, 9.0]
    assert "depend on other" in str(asked(tmp_path, whole, half, rules, links=[link]))


def test_rows_that_stay_the_same_are_separable(tmp_path: Path) -> None:
    assert asked(tmp_path, WHOLE, HALF) is None


def test_rows_of_other_units_do_not_matter(tmp_path: Path) -> None:
    other = {"customer_id": [1, 2, 4, None], "value": [1.0, 2.0, 99.0, 7.0]}
    assert asked(tmp_path, WHOLE, other) is None


@pytest.mark.parametrize(
    ("half", "said"),
    [
        (HALF | {"value": [1.0, 9.0]}, "1 of 2 rows of the same customers differ (in value)"),
        ({"customer_id": [1], "value": [1.0]}, "1 of 2 rows"),
        ({"customer_id": [1, 2, 2], "value": [1.0, 2.0, 2.0]}, "1 of 3 rows"),
        ({"customer_id": [1, 2, 2, 2, 2, 2], "value": [9.0, 2.0, 5.0, 6.0, 7.0, 8.0]}, "5 of 6 rows"),
    ],
)
def test_a_row_that_differs_is_named(tmp_path: Path, half: dict[str, Any], said: str) -> None:
    found = str(asked(tmp_path, WHOLE, half))
    assert found.startswith("its rows of customers depend on other customers")
    assert said in found


def test_sums_may_round_but_whole_numbers_may_not(tmp_path: Path) -> None:
    assert asked(tmp_path, WHOLE, HALF | {"value": [1.0, 2.0 + 1e-12]}) is None
    assert asked(tmp_path, WHOLE, HALF | {"value": [1.0, 2.0001]}) is not None
    counts = {"customer_id": [1, 2, 3], "n": [10**12, 5, 5]}
    assert asked(tmp_path, counts, {"customer_id": [1, 2], "n": [10**12 + 1, 5]}) is not None


def test_tolerances_ignored_columns_and_noise_count_as_everywhere(tmp_path: Path) -> None:
    half = HALF | {"value": [1.05, 2.0]}
    for rules in (
        OutputRules(tolerance={"value": Tolerance(abs=0.1)}),
        OutputRules(ignore=frozenset({"value"})),
        OutputRules(nondeterministic=frozenset({"value"})),
    ):
        assert asked(tmp_path, WHOLE, half) is not None
        assert asked(tmp_path, WHOLE, half, rules) is None


def test_too_few_units_tell_nothing(tmp_path: Path) -> None:
    assert "too few customers" in str(asked(tmp_path, WHOLE, HALF, kept=[]))


def test_other_columns_on_the_half_tell_nothing(tmp_path: Path) -> None:
    assert asked(tmp_path, WHOLE, HALF | {"more": [1, 1]}) == "it has no column more on the whole sample"
    assert asked(tmp_path, WHOLE | {"more": [0, 1, 0, 0]}, HALF) == "it has no column more on half of the sample"
    assert asked(tmp_path, WHOLE | {"more": [0, None, 2, 3]}, HALF) is None


def test_columns_of_any_name_are_compared(tmp_path: Path) -> None:
    odd = {
        'q"uote': [1, 2, 3, 4],
        "select": [1, 2, 3, 4],
        "": [1, 2, 3, 4],
        "c0": [1, 2, 3, 4],
        "kept": [1, 2, 3, 4],
    }
    half = {name: values[:2] for name, values in odd.items()}
    assert asked(tmp_path, WHOLE | odd, HALF | half) is None
    found = str(asked(tmp_path, WHOLE | odd, HALF | half | {'q"uote': [1, 5]}))
    assert '(in q"uote)' in found


def test_an_output_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    asked(tmp_path, WHOLE, HALF)
    question_ = tmp_path / "half.parquet"
    question_.write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(PipelineError):
        find_separability_problem(
            SeparabilityInput(
                whole=TableFiles(name="t", format="parquet", paths=(tmp_path / "whole.parquet",)),
                half=TableFiles(name="t", format="parquet", paths=(question_,)),
                draw=UnitTableDraw(
                    table="customers",
                    key=("customer_id",),
                    types=("BIGINT",),
                    weights=tmp_path,
                    strata=[],
                    rows_outside_units={},
                ),
                half_name="half of the sample",
                half_units_sql="select 1",
                rules=OutputRules(),
                key=(),
            ),
            memory=2**28,
        )
