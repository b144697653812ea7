"""By which columns production's outputs are cut to the sample's units."""

from __future__ import annotations

import pytest

from sandbox.compare import OutputRules
from sandbox.errors import ConfigError
from sandbox.impact.production.baseline import choose_unit

KEYS = {"customers": ["customer_id"], "stores": ["region", "number"]}


@pytest.mark.parametrize(
    ("columns", "declared", "expected"),
    [
        (["customer_id", "total"], None, ("customers", ("customer_id",))),
        (["number", "region", "total"], None, ("stores", ("region", "number"))),
        (["client", "total"], ("client",), ("customers", ("client",))),
        (["number", "region"], ("number", "region"), ("stores", ("number", "region"))),
        (["country", "total"], None, None),
        (["total"], ("client",), None),
    ],
)
def test_unit_is_found_by_name_or_as_declared(
    columns: list[str], declared: tuple[str, ...] | None, expected: tuple[str, tuple[str, ...]] | None
) -> None:
    assert choose_unit(columns, OutputRules(unit_key=declared), keys=KEYS, masking={}) == expected


def test_masked_unit_key_cannot_be_found_in_what_production_made() -> None:
    masking = {"customers": {"customer_id": "key"}}
    with pytest.raises(ConfigError, match="customer_id of customers is masked"):
        choose_unit(["customer_id"], OutputRules(), keys=KEYS, masking=masking)
    both = choose_unit(["customer_id", "region", "number"], OutputRules(), keys=KEYS, masking=masking)
    assert both == ("stores", ("region", "number")), "another unit's key does as well"
    others = {"customers": {"email": "email"}}
    assert choose_unit(["customer_id"], OutputRules(), keys=KEYS, masking=others) == (
        "customers",
        ("customer_id",),
    )
