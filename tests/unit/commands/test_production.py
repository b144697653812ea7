"""By which columns production's outputs are cut to the sample's units."""

from __future__ import annotations

import pytest

from sandbox.compare import Rules
from sandbox.errors import ConfigError
from sandbox.impact.production_baseline import unit_of

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
    assert unit_of(columns, Rules(unit_key=declared), keys=KEYS, masking={}) == expected


def test_masked_unit_key_cannot_be_found_in_what_production_made() -> None:
    masking = {"customers": {"customer_id": "key"}}
    with pytest.raises(ConfigError, match="customer_id of customers is masked"):
        unit_of(["customer_id"], Rules(), keys=KEYS, masking=masking)
    both = unit_of(["customer_id", "region", "number"], Rules(), keys=KEYS, masking=masking)
    assert both == ("stores", ("region", "number")), "another unit's key does as well"
    others = {"customers": {"email": "email"}}
    assert unit_of(["customer_id"], Rules(), keys=KEYS, masking=others) == ("customers", ("customer_id",))
