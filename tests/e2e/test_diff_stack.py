"""`sandbox diff --stack`: the same code on two stacks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.projects import Shop


def test_other_library_shows_in_what_the_same_code_makes(shop: Shop) -> None:
    """Takes long: environments of two stacks are made."""
    shop.edit("pipeline.py", "import duckdb\n", "import duckdb\nfrom importlib.metadata import version\n")
    shop.edit("pipeline.py", "count(order_id) as orders", "count(order_id) as orders, '{version('six')}' as six")
    (shop.root / "requirements.txt").write_text("six==1.16.0\n")
    with (shop.root / "sandbox.toml").open("a") as file:
        file.write('\n[stack]\nrequirements = "requirements.txt"\n')
    assert shop.run("lock").status == 0
    lock = (shop.root / "sandbox.lock").read_bytes()
    (shop.root / "try").mkdir()
    (shop.root / "try" / "next.txt").write_text("six==1.17.0\n")
    (shop.root / "try" / "stack.toml").write_text('[stack]\nrequirements = "next.txt"\n')
    done = shop.run("diff", "--stack", "try/stack.toml", "--json")
    assert done.status == 1, done.stderr
    document = done.json
    output = document["outputs"]["value"]
    assert output["columns"]["six"]["changed"] == output["rows"]["baseline"] > 100
    assert output["columns"]["total"]["changed"] == 0
    assert output["examples"][0]["candidate"] == {"six": "1.17.0"}
    assert document["baseline"]["tree"] == document["candidate"]["tree"]
    assert document["environment"]["id"] != document["environment"]["candidate_id"]
    assert document["candidate"]["stack"] == "try/stack.toml"
    locked = json.loads((shop.root / "sandbox.lock").read_bytes())
    assert "1.17.0" not in json.dumps(locked["platforms"])
    assert json.loads(lock)["inputs"] == locked["inputs"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[stack\n", "not valid TOML"),
        ("[stak]\npython = '3.13'\n", "line 1: stak: unknown key"),
        ("\n[stack]\n\nrequirement = 'x.txt'\n", 'line 4: stack.requirement: unknown key; did you mean "requirements"?'),
        ("[stack]\nruntime = 'docker'\n", "line 2: stack.runtime: both stacks run on the project's runtime"),
        ("[stack]\nrequirements = 'nowhere.txt'\n", "nowhere.txt cannot be read"),
    ],
)  # fmt: skip
def test_mistake_in_the_file_is_named_with_its_line(shop: Shop, text: str, said: str) -> None:
    (shop.root / "other.toml").write_text(text)
    done = shop.run("diff", "--stack", "other.toml")
    assert done.status == 10
    assert said in done.stderr
    if "line" in said:
        assert "other.toml" in done.stderr
