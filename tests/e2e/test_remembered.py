"""What the last comparison found is given again only where nothing that decided it is another, and it is whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.manifest.comparison import ComparisonRecord
from sandbox.manifest.diff import OutputDiff
from sandbox.store.seal_key import SEAL_KEY_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects import Shop

FALSE = 123_456  # changed rows that nobody found
BUG = ("count(order_id)", "count(*)")


def last(shop: Shop) -> Path:
    return shop.root / ".sandbox" / "comparisons" / "last.json"


def changed(shop: Shop, *arguments: str) -> int:
    found: int = shop.run("diff", "--json", *arguments).json["outputs"]["value"]["rows"]["changed"]
    return found


def falsify(shop: Shop, *, consistent: bool) -> None:
    """Make what is remembered a lie, so that it shows whether it was taken."""
    record: dict[str, Any] = json.loads(last(shop).read_text("utf-8"))
    record["outputs"]["value"]["rows"]["changed"] = FALSE
    if consistent:
        outputs = {name: OutputDiff.model_validate(fields) for name, fields in record["outputs"].items()}
        made = ComparisonRecord(identity=record["identity"], outputs=outputs)
        last(shop).write_text(made.to_json_text(key=bytes.fromhex((shop.home / SEAL_KEY_FILE).read_text())), "utf-8")
        return
    last(shop).write_text(json.dumps(record), "utf-8")


def test_same_runs_are_compared_once(shop: Shop) -> None:
    shop.edit("pipeline.py", *BUG)
    found = changed(shop)
    assert found > 0
    falsify(shop, consistent=True)
    assert changed(shop) == FALSE
    assert changed(shop, "--fresh") == found
    assert changed(shop) == found


def test_other_rules_other_code_and_another_sample_are_compared_again(shop: Shop) -> None:
    shop.edit("pipeline.py", *BUG)
    found = changed(shop)
    falsify(shop, consistent=True)
    shop.edit("sandbox.toml", "[outputs.value]", '[outputs.value]\nignore = ["country"]')
    assert changed(shop) == found
    falsify(shop, consistent=True)
    shop.edit("pipeline.py", "coalesce(sum(amount), 0)", "coalesce(sum(amount), 0) + 1")
    more = changed(shop)
    assert found < more < FALSE
    falsify(shop, consistent=True)
    shop.edit("sandbox.toml", 'salt = "test"', 'salt = "other"')
    assert changed(shop) not in {found, FALSE}


@pytest.mark.parametrize("damaged", ["changed", "cut"])
def test_damaged_record_is_not_believed(shop: Shop, damaged: str) -> None:
    shop.edit("pipeline.py", *BUG)
    found = changed(shop)
    if damaged == "changed":
        falsify(shop, consistent=False)
    else:
        last(shop).write_text(last(shop).read_text("utf-8")[:-20], "utf-8")
    assert changed(shop) == found
