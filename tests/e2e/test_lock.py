"""``sandbox.lock`` through the command: what moves it, what does not, and what is refused when it may not move."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.projects import Shop


def locked(shop: Shop) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shop.root / "sandbox.lock").read_text("utf-8"))
    return found


def version(lock: dict[str, Any], library: str) -> set[str]:
    """The library's version on all platforms."""
    return {
        one["version"] for entry in lock["platforms"].values() for one in entry["libraries"] if one["name"] == library
    }


def asking(shop: Shop, requirements: str) -> None:
    (shop.root / "requirements.txt").write_text(requirements)
    text = (shop.root / "sandbox.toml").read_text()
    if "requirements" not in text:
        shop.edit("sandbox.toml", "[stack.limits]", '[stack]\nrequirements = "requirements.txt"\n[stack.limits]')


def test_upgrade_moves_what_may_move_and_lists_it_and_nothing_else_does(shop: Shop) -> None:
    asking(shop, "six==1.16.0\niniconfig==2.0.0\n")
    assert shop.run("lock", "--json").json["moved"] == []
    asking(shop, "six\ntomli==2.2.1\n")
    kept = shop.run("lock", "--json").json
    assert version(kept, "six") == {"1.16.0"}
    platforms = sorted(kept["platforms"])
    assert {"linux/amd64", "linux/arm64"} <= set(platforms)
    assert [(one["name"], one["from"], one["to"]) for one in kept["moved"]] == [
        ("iniconfig", "2.0.0", None),
        ("tomli", None, "2.2.1"),
    ]
    assert shop.run("lock", "--json").json["changed"] is False
    done = shop.run("lock", "--upgrade", "--json").json
    moved = {one["name"]: one for one in done["moved"]}
    assert moved["six"]["from"] == "1.16.0"
    assert {moved["six"]["to"]} == version(locked(shop), "six")
    assert moved["six"]["platforms"] == platforms
    asking(shop, "tomli==2.2.1\n")
    shown = shop.run("lock", "--upgrade")
    assert [line.split() for line in shown.stdout.splitlines() if line.startswith("six")] == [
        ["six", moved["six"]["to"], "–", *", ".join(platforms).split()]
    ]


def test_a_frozen_lock_without_this_platform_is_refused_and_completed_without_frozen(shop: Shop) -> None:
    """As if somebody had made it on another machine: the entry that runs on this one need is taken out."""
    assert shop.run("lock").status == 0
    made = locked(shop)
    here = shop.run("create", "--json").json["environment"]["platform"]
    others = {name: entry for name, entry in made["platforms"].items() if not name.startswith(here)}
    assert others
    (shop.root / "sandbox.lock").write_text(json.dumps({**made, "platforms": others}))
    refused = shop.run("create", "--frozen")
    assert refused.status == 18
    assert f"sandbox.lock has nothing for {here}" in refused.stderr
    assert ", ".join(sorted(others)) in refused.stderr
    assert shop.run("create").status == 0
    completed = locked(shop)["platforms"]
    assert completed.keys() > others.keys()
    assert {name: completed[name] for name in others} == others


def test_a_frozen_lock_is_taken_as_it_is_and_another_sample_is_named(shop: Shop) -> None:
    first = shop.run("create", "--json").json
    assert shop.run("create", "--frozen").status == 0
    assert shop.run("create", env={"CI": "true"}).status == 0
    shutil.rmtree(shop.root / ".sandbox")
    with (shop.root / "warehouse" / "orders.csv").open("a") as file:
        file.writelines(f"{number},{number % 400 + 1},1.00\n" for number in range(9000, 9400))
    refused = shop.run("create", "--frozen", "--json")
    assert refused.status == 18
    said = refused.json["error"]["message"]
    assert f"and was {first['sample'][:16]}" in said
    assert "the sample is " in said
