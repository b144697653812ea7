"""The main job, through the command, as a user has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.projects import Shop

BUG = ("left join", "inner join")


def test_create_draws_once_and_says_its_age_afterwards(shop: Shop) -> None:
    first = shop.run("create", "--json").json
    assert first["drawn"] is True
    second = shop.run("create")
    assert second.status == 0
    assert "sandbox default is ready" in second.stdout
    assert "drawn just now" not in second.stdout
    assert shop.run("create", "--json").json["sample"] == first["sample"]
    assert shop.left_behind() == []


def test_unchanged_code_is_the_same_and_exits_0(shop: Shop) -> None:
    done = shop.run("diff", "--json")
    assert done.status == 0
    assert done.json["verdict"] == "same"
    assert done.json["baseline"]["run"] == done.json["candidate"]["run"]
    assert [done.json[side]["ref"] for side in ("baseline", "candidate")] == ["main", "working tree"]
    assert done.json["same_code"] is True
    assert "both sides ran the same code, so no change could show" in shop.run("diff").stdout.replace("\n", " ")
    shop.git(
        "update-ref", "refs/remotes/origin/main", shop.git("commit-tree", "-m", "elsewhere", "HEAD^{tree}").strip()
    )
    ahead = shop.run("diff", "--json", env={"CI": "false"})
    assert (ahead.status, "--baseline origin/main" in ahead.json["error"]["hint"]) == (10, True), ahead.stdout


def test_change_is_found_counted_and_exits_1(shop: Shop) -> None:
    shop.edit("pipeline.py", *BUG)
    shop.edit("pipeline.py", "coalesce(sum(amount), 0)", "sum(amount) + any_value((customer_id % 10 = 0)::int)")
    done = shop.run("diff", "--json")
    assert done.status == 1
    document = done.json
    assert document["verdict"] == "outside_gate"
    rows = document["outputs"]["value"]["rows"]
    changed = rows["changed"]
    assert changed > 0
    assert rows["added"] == 0
    assert rows["baseline"] == rows["removed"] + changed + rows["unchanged"]
    assert document["outputs"]["value"]["columns"]["total"]["changed"] == changed
    assert document["outputs"]["value"]["columns"]["orders"]["changed"] == 0
    assert document["outputs"]["value"]["columns"]["total"]["total_change"] == pytest.approx(changed)
    folder = shop.root / ".sandbox" / "diffs" / document["id"]
    assert {path.name for path in folder.iterdir()} == {"diff.json", "report.html", "comment.md", "junit.xml"}
    assert document["report"] == str(folder / "report.html")


def test_terminal_names_output_rows_and_report(shop: Shop) -> None:
    shop.edit("pipeline.py", "count(order_id)", "count(*)")
    done = shop.run("diff")
    assert done.status == 1
    first = done.stdout.splitlines()[0]
    assert "outside" in first
    assert "value" in first
    assert "report.html" in done.stdout.replace("\n", "")
    assert "orders" in done.stdout
    assert "not isolated" in done.stderr + done.stdout or "isolation" in done.stderr + done.stdout


def test_without_values_nothing_shows_a_value_of_a_row(shop: Shop) -> None:
    shop.edit("pipeline.py", "country,", "'secret-' || country as country,")
    diffs = shop.root / ".sandbox" / "diffs"
    for flags, shows in (((), True), (("--no-values",), False)):
        before = set(diffs.glob("*"))
        done = shop.run("diff", *flags)
        assert ("secret-" in done.stdout) == shows
        [folder] = set(diffs.glob("*")) - before
        for name in ("comment.md", "report.html", "diff.json"):
            assert ("secret-" in (folder / name).read_text("utf-8")) == shows, name


def test_second_diff_runs_no_pipeline(shop: Shop) -> None:
    shop.edit("pipeline.py", *BUG)
    first = shop.run("diff", "--json").json
    second = shop.run("diff", "--json").json
    assert second["baseline"]["cached"]
    assert second["candidate"]["cached"]
    assert second["outputs"] == first["outputs"]
    fresh = shop.run("diff", "--fresh", "--json").json
    assert not fresh["baseline"]["cached"]


def test_gate_decides_the_status(shop: Shop) -> None:
    shop.edit("pipeline.py", "count(order_id)", "count(*)")
    with (shop.root / "sandbox.toml").open("a") as file:
        file.write('\n[gate]\nchanged_rows = "100%"\n')
    assert shop.run("diff").status == 1, "the change itself does not say what is accepted"
    shop.git("commit", "-qm", "what is accepted", "sandbox.toml")
    done = shop.run("diff", "--json")
    assert done.status == 0
    assert done.json["verdict"] == "within_gate"


def test_misspelt_column_of_a_rule_is_refused(shop: Shop) -> None:
    shop.edit("sandbox.toml", "[outputs.value]", '[outputs.value]\nignore = ["totl"]')
    done = shop.run("diff")
    assert done.status == 10
    assert '"totl"' in done.stderr
    assert '"total"' in done.stderr


def test_two_refs_are_compared_whatever_the_working_tree_is(shop: Shop) -> None:
    shop.edit("pipeline.py", "count(order_id)", "count(*)")
    shop.git("commit", "-am", "count all")
    shop.git("tag", "changed")
    shop.edit("pipeline.py", "import duckdb", "import nonsense")
    done = shop.run("diff", "--baseline", "main~1", "--candidate", "changed", "--json")
    assert done.status == 1
    assert done.json["outputs"]["value"]["rows"]["changed"] > 0


def test_candidate_without_the_baselines_commit_is_warned_about(shop: Shop) -> None:
    shop.git("branch", "feature")
    shop.git("commit", "--allow-empty", "-m", "production moved on")
    shop.git("checkout", "-q", "feature")
    done = shop.run("diff", "--json")
    assert done.status == 0
    assert any("does not contain main" in warning for warning in done.json["warnings"])
    assert any("both sides run the same code, that of main" in warning for warning in done.json["warnings"])


def test_schema_change_breaks_the_gate(shop: Shop) -> None:
    shop.edit("pipeline.py", "count(order_id) as orders", "count(order_id) as number_of_orders")
    done = shop.run("diff", "--json")
    assert done.status == 1
    assert done.json["outputs"]["value"]["schema"]["added"] == ["number_of_orders"]
    assert done.json["outputs"]["value"]["schema"]["removed"] == ["orders"]
    assert any(rule["rule"] == "schema" and not rule["held"] for rule in done.json["gate"])


def test_run_gives_the_record_and_reuses_it(shop: Shop) -> None:
    first = shop.run("run", "main", "--json").json
    assert first["ending"] == "succeeded"
    assert first["outputs"]["value"]["rows"] > 100
    assert first["isolation"]["network"] == "host"
    assert shop.run("run", "--json").json["id"] == first["id"], "the working tree holds the same code"
    assert "ran before" in shop.run("run", "main").stdout


def test_tampered_run_is_run_again(shop: Shop) -> None:
    first = shop.run("run", "--json").json
    output = shop.root / ".sandbox" / "runs" / first["id"] / "output" / "value.parquet"
    output.write_bytes(output.read_bytes()[:-1] + b"x")
    bad = shop.run("verify")
    assert bad.status == 13
    assert "value.parquet was changed" in bad.stderr
    again = shop.run("run", "--json").json
    assert again["id"] != first["id"]
    assert not again["cached"]


def test_plan_extracts_nothing(shop: Shop) -> None:
    done = shop.run("plan")
    assert done.status == 0
    assert "customers" in done.stdout
    assert not (shop.root / ".sandbox" / "requests").exists()
    assert shop.run("plan", "--json").json["units"]["customers"]["population"] == 400


def test_sample_json_has_the_documented_fields(shop: Shop) -> None:
    fields = shop.run("sample", "--json").json
    documented = {"format_version", "fingerprint", "path", "drawn", "tables", "strata", "pulled", "profile"}
    assert set(fields) == documented
    assert fields["tables"]["customers"]["rows"] == sum(stratum["sampled"] for stratum in fields["strata"])
    assert shop.run("verify", fields["fingerprint"][:12]).status == 0


def test_ls_and_rm_clean_up(shop: Shop) -> None:
    shop.edit("sandbox.toml", 'salt = "test"', 'salt = "removed"')  # a sample that no other test uses meanwhile
    fingerprint = shop.run("create", "--name", "other", "--json").json["sample"]
    shop.run("diff")
    names = [one["name"] for one in shop.run("ls", "--json").json["sandboxes"]]
    assert names == ["default", "other"]
    refused = shop.run("rm")
    assert refused.status == 2
    assert "--yes" in refused.stderr
    assert shop.run("rm", "--yes").status == 0
    assert (shop.root / ".sandbox" / "runs").is_dir()
    assert shop.run("rm", "--name", "other", "--yes").status == 0
    assert (shop.home / "samples" / fingerprint).exists()
    assert shop.run("rm", "--samples", "--yes").status == 0
    assert shop.run("rm", "--samples", "--yes").status == 2
    assert not (shop.root / ".sandbox").exists()
    assert not (shop.home / "samples" / fingerprint).exists()
    assert shop.run("stop").status == 2


def test_lock_is_written_and_frozen_refuses_to_change_it(shop: Shop) -> None:
    missing = shop.run("create", "--frozen")
    assert missing.status == 18
    assert shop.run("lock").status == 0
    assert shop.run("create", "--frozen").status == 0
    (shop.root / "requirements.txt").write_text("pyarrow<26\n")
    with (shop.root / "sandbox.toml").open("a") as file:
        file.write('\n[stack]\nrequirements = "requirements.txt"\n')
    refused = shop.run("create", "--frozen")
    assert refused.status == 18, refused.stderr
    in_ci = shop.run("create", env={"CI": "true"})
    assert in_ci.status == 18, in_ci.stderr


def test_same_tables_need_no_project(shop: Shop) -> None:
    orders = str(shop.root / "warehouse" / "orders.csv")
    (shop.root / "sandbox.toml").unlink()
    assert shop.run("diff", orders, orders).status == 0
    text = (shop.root / "warehouse" / "orders.csv").read_text().splitlines()
    changed = shop.root / "changed.csv"
    changed.write_text("\n".join([text[0], *reversed(text[2:])]) + "\n")
    done = shop.run("diff", orders, str(changed), "--key", "order_id", "--json")
    assert done.status == 1
    rows = done.json["outputs"]["orders"]["rows"]
    assert (rows["removed"], rows["added"], rows["changed"]) == (1, 0, 0)


def test_home_inside_the_project_is_no_code(shop: Shop) -> None:
    done = shop.run("diff", "--json", env={"SANDBOX_HOME": str(shop.root / "cache")})
    assert done.status == 0, done.stderr
    assert done.json["baseline"]["run"] == done.json["candidate"]["run"]
