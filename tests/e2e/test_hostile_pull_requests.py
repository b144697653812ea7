"""Pull requests that change what judges them, in continuous integration: none gets a better verdict by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.projects import Done, Shop

CI = {"CI": "true", "GITHUB_BASE_REF": "main"}
MASK = '[tables.customers.mask]\nemail = "none"'


def diff(shop: Shop, *flags: str) -> Done:
    return shop.run("diff", "--json", *flags, env=CI)


@pytest.fixture
def change(shop: Shop) -> Shop:
    """Give a branch that changes every total, on a project whose file is committed on main."""
    shop.git("checkout", "-q", "-b", "feature")
    shop.edit("pipeline.py", "coalesce(sum(amount), 0)", "coalesce(sum(amount), 0) + 1")
    return shop


def test_rules_that_a_change_loosens_break_the_gate_and_are_listed(change: Shop) -> None:
    """An ignored column, a wider limit, and a production of its own: what they would hide is not asked."""
    change.edit(
        "sandbox.toml",
        '[outputs.value]\nkey = ["customer_id"]',
        '[outputs.value]\nkey = ["customer_id"]\nignore = ["total"]\n[gate]\nrules = "any"\nchanged_rows = "100%"',
    )
    change.edit("sandbox.toml", 'production = "main"', 'production = "feature"')
    change.git("commit", "-qam", "hostile")
    done = diff(change)
    assert done.status == 1, done.stderr
    found = done.json
    assert {rule["key"]: rule["loosens"] for rule in found["rule_changes"]} == {
        "outputs.value.ignore": True,
        "gate.changed_rows": True,
        "gate.rules": True,
        "pipeline.production": False,
    }
    assert found["baseline"]["ref"] == "main"
    [broken] = [rule for rule in found["gate"] if not rule["held"]]
    assert (broken["rule"], broken["limit"], broken["accept"]) == ("rules", "same", "sandbox diff --accept-rules")
    assert any("pipeline.production" in warning for warning in found["warnings"])

    accepted = change.run("diff", "--accept-rules", env=CI)
    assert accepted.status == 0
    assert accepted.stdout.startswith(
        "within the gate: 1 output, no difference in what is compared; ignored: value.total"
    )
    assert "this change also changes the rules that judge it: outputs.value.ignore" in " ".join(accepted.stdout.split())


def test_what_tightens_or_is_about_a_new_output_is_listed_only(change: Shop) -> None:
    change.git("checkout", "-q", "main", "--", "pipeline.py")
    change.edit("pipeline.py", "value.parquet'\n", "value.parquet'\n")
    with (change.root / "pipeline.py").open("a") as file:
        file.write("duckdb.sql(f\"copy (select 1 as id, 2 as x) to '{output}/extra.parquet'\")\n")
    with (change.root / "sandbox.toml").open("a") as file:
        file.write(
            'tolerance = { total = { abs = 0 } }\n[outputs.extra]\nkey = ["id"]\nignore = ["x"]\n[gate]\nadded = "fail"\n'
        )
    done = diff(change)
    assert {rule["key"]: rule["loosens"] for rule in done.json["rule_changes"]} == {
        "outputs.extra.key": False,
        "outputs.extra.ignore": False,
        "gate.added": False,
    }
    assert [rule["rule"] for rule in done.json["gate"] if not rule["held"]] == ["added"], "and it acts"


def test_the_pipelines_settings_are_each_sides_own(shop: Shop) -> None:
    """A change of `env` or `command` is a change of code: the baseline runs with its own."""
    shop.edit("pipeline.py", "coalesce(sum(amount), 0)", "coalesce(sum(amount), 0) * {os.environ['FACTOR']}")
    shop.edit("sandbox.toml", "[outputs.value]", '[pipeline.env]\nFACTOR = "1"\n\n[outputs.value]')
    shop.git("commit", "-qam", "a factor")
    shop.git("checkout", "-q", "-b", "feature")
    shop.edit("sandbox.toml", 'FACTOR = "1"', 'FACTOR = "2"')
    done = diff(shop)
    assert done.status == 1, done.stderr
    assert done.json["rule_changes"] == []
    assert done.json["outputs"]["value"]["columns"]["total"]["changed"] > 0
    assert shop.run("diff", "--candidate", "main", "--json", env=CI).json["verdict"] == "same"


def test_a_weaker_mask_is_refused_before_anything_is_read(shop: Shop) -> None:
    shop.edit("sandbox.toml", MASK, '[tables.customers.mask]\nemail = "hash"')
    shop.edit("sandbox.toml", 'salt = "test"', 'salt = "masked"')
    shop.git("commit", "-qam", "masked")
    shop.git("checkout", "-q", "-b", "feature")
    shop.edit("sandbox.toml", 'email = "hash"', 'email = "none"')
    for command in (["diff"], ["sample"], ["create"], ["run"]):
        done = shop.run(*command, "--json", env=CI)
        assert done.status == 10, command
        assert "customers.email: none instead of hash" in done.json["error"]["message"]
        assert "--accept-masks" in done.json["error"]["hint"]
    assert shop.run("diff", "--json").status == 10, "diff is a gate on every machine"
    assert not list((shop.root / ".sandbox").glob("runs/*"))

    accepted = diff(shop, "--accept-masks", "--accept-rules")
    assert accepted.status == 0, accepted.stderr
    assert [rule["key"] for rule in accepted.json["rule_changes"]] == ["tables.customers.mask.email"]


def test_a_file_that_moves_is_compared_with_what_it_was(shop: Shop) -> None:
    """In CI the command starts in the project's folder, and a file above it is found as well."""
    inner = shop.root / "jobs"
    inner.mkdir()
    shop.git("mv", "sandbox.toml", "jobs/sandbox.toml")
    shop.git("commit", "-qm", "in a folder")
    shop.git("checkout", "-q", "-b", "feature")
    shop.git("mv", "jobs/sandbox.toml", "sandbox.toml")
    with (shop.root / "sandbox.toml").open("a") as file:
        file.write('ignore = ["total"]\n')
    shop.git("commit", "-qam", "moved")
    done = shop.run("diff", "--baseline", "main", "--json", env=CI)
    assert done.status == 1, done.stderr
    assert [rule["key"] for rule in done.json["rule_changes"]] == ["outputs.value.ignore"]


def test_without_an_engine_nothing_runs_unisolated_in_ci(shop: Shop) -> None:
    env = {"CI": "true", "DOCKER_HOST": "tcp://127.0.0.1:1", "SANDBOX_RUNTIME": "auto"}
    done = shop.run("diff", "--json", env=env)
    assert done.status == 14
    assert "CI=true" in done.json["error"]["message"]
    assert "--runtime local" in done.json["error"]["hint"]
