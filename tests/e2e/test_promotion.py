"""``sandbox promote``: a deploy job accepts exactly the version that a trusted key has signed."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects import Shop


@pytest.fixture
def merged(shop: Shop) -> Shop:
    """Give a project whose change was promoted, then merged into main."""
    assert shop.run("promote").status == 13
    assert shop.run("keys", "add", "--name", "release").status == 0
    assert shop.run("keys", "add").status == 2
    shop.edit("sandbox.toml", "[outputs.value]", '[promotion]\nmax_age = "1d"\n[outputs.value]')
    shop.git("add", "-A")
    shop.git("commit", "-q", "-m", "keys")
    shop.git("checkout", "-q", "-b", "feature")
    shop.edit("pipeline.py", "count(order_id)", "count(amount)")
    assert shop.run("diff").status == 0
    promoted = shop.run("promote", "--json")
    assert promoted.status == 0, promoted.stderr
    assert promoted.json["verdict"] == "same"
    shop.git("add", "-A")  # sandbox.lock too
    shop.git("commit", "-q", "-m", "feature")
    shop.git("checkout", "-q", "main")
    shop.git("merge", "-q", "--squash", "feature")
    shop.git("commit", "-q", "-m", "squashed")
    return shop


def check(shop: Shop, *arguments: str, ref: str = "main") -> tuple[int, str | None]:
    done = shop.run("promote", "--check", ref, "--json", *arguments)
    return done.status, done.json["kind"]


def test_the_merged_tree_is_covered_and_nothing_else_is(merged: Shop, tmp_path: Path) -> None:
    assert check(merged) == (0, None)
    assert merged.run("promote", "--check", "main").stdout.startswith("main is covered: ")
    [record] = (merged.root / ".sandbox" / "promotions").glob("*/*.dsse.json")
    text = record.read_text("utf-8")
    statement = json.loads(base64.b64decode(json.loads(text)["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"][0]["digest"]["gitTree"] == record.parent.name

    # A changed byte anywhere.
    envelope = json.loads(text)
    for before, after in (("same", "some"), ("release", "releasf"), (record.parent.name, "0" * 40)):
        changed = json.dumps(statement).replace(before, after).encode()
        record.write_text(json.dumps({**envelope, "payload": base64.b64encode(changed).decode()}), "utf-8")
        assert check(merged)[0] == 1
    record.write_text("{", "utf-8")
    assert check(merged) == (1, "none")
    record.write_text(text, "utf-8")

    # A key that nobody trusts, and one that is named by hand.
    keys = tmp_path / "keys"
    keys.write_text(f"ed25519 {base64.b64encode(bytes(32)).decode()} nobody\n", "utf-8")
    assert check(merged, "--keys", str(keys)) == (1, "signature")
    keys.write_text((merged.root / "sandbox.keys").read_text("utf-8"), "utf-8")
    assert check(merged, "--keys", str(keys)) == (0, None)

    # Something else was merged.
    (merged.root / "notes.txt").write_text("x", "utf-8")
    merged.git("add", "notes.txt")
    merged.git("commit", "-q", "-m", "more")
    assert check(merged) == (1, "tree")
    merged.git("rm", "-q", "notes.txt")
    (merged.root / "sandbox.lock").write_text("{}", "utf-8")
    merged.git("add", "-f", "sandbox.lock")
    merged.git("commit", "-q", "-m", "another lock")
    assert check(merged) == (1, "lock")
    merged.git("revert", "--no-edit", "HEAD")
    merged.git("rm", "-q", "--ignore-unmatch", "notes.txt")
    merged.edit("sandbox.toml", "[outputs.value]\n", '[outputs.value]\nignore = ["total"]\n')
    merged.git("commit", "-q", "-a", "-m", "other rules")
    assert check(merged) == (1, "rules")


def test_a_key_of_the_change_itself_does_not_count(shop: Shop) -> None:
    """The author of a branch adds a key to it, and signs with that key."""
    shop.git("checkout", "-q", "-b", "feature")
    assert shop.run("keys", "add", "--name", "author").status == 0
    shop.git("add", "-A")
    shop.git("commit", "-q", "-m", "a key")
    shop.edit("pipeline.py", "count(order_id)", "count(*)")
    outside = shop.run("diff", "--baseline", "HEAD")
    assert outside.status == 1
    refused = shop.run("promote")
    assert refused.status == 2
    assert "--reason" in refused.stderr
    assert shop.run("promote", "--reason", "because").status == 0
    shop.git("commit", "-q", "-a", "-m", "feature")
    shop.git("checkout", "-q", "main")
    shop.git("merge", "-q", "--no-ff", "-m", "merged", "feature")
    assert check(shop) == (1, "signature")
    shop.edit("pipeline.py", "count(*)", "count(1)")
    changed = shop.run("promote", "--reason", "because")
    assert changed.status == 2
    assert "has changed since the diff" in changed.stderr
