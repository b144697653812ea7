"""One person draws and pushes, the rest of the team gets the same sample: through the command, as a user has it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.projects import Shop


@pytest.fixture
def shop(shop: Shop, tmp_path: Path) -> Shop:
    """Give the project of somebody whose home is empty."""
    return dataclasses.replace(shop, home=tmp_path / "home")


@pytest.fixture
def colleague(shop: Shop, tmp_path: Path) -> Shop:
    """Give the same project, with a store, on the machine of somebody who has no source."""
    store_named(shop)
    shop.edit("sandbox.toml", 'salt = "test"', 'salt = "of the team"')
    shop.git("commit", "-qam", "the team's settings")
    root = tmp_path / "colleague" / "shop"
    shutil.copytree(shop.root, root)
    shutil.rmtree(root / "warehouse")
    return dataclasses.replace(shop, root=root, home=tmp_path / "colleague" / "home")


def store_named(shop: Shop) -> None:
    shop.edit("sandbox.toml", 'uri = "warehouse/"', f'uri = "warehouse/"\nstore = "{shop.root.parent}/tëam"')


def files_of(drawn: dict[str, str]) -> int:
    """Count the files that a manifest names: all but the manifest."""
    return sum(path.is_file() for path in Path(drawn["path"]).rglob("*")) - 1


def test_everyone_gets_the_sample_that_one_has_drawn_and_pushed(shop: Shop, colleague: Shop) -> None:
    drawn = shop.run("sample", "--json").json
    assert (drawn["drawn"], drawn["pulled"]) == (True, None)
    pushed = shop.run("sample", "push", "--json").json
    assert pushed["fingerprint"] == drawn["fingerprint"]
    assert pushed["files"] == files_of(drawn)
    pulled = colleague.run("sample", "--json").json
    assert pulled["fingerprint"] == drawn["fingerprint"]
    assert (pulled["drawn"], pulled["pulled"]) == (False, pushed["store"])
    again = colleague.run("sample", "--json").json
    assert (again["drawn"], again["pulled"]) == (False, None)
    assert colleague.run("verify").status == 0


def test_diff_pulls_the_sample_that_it_needs(shop: Shop, colleague: Shop, sandbox_home: Path) -> None:
    shop.run("sample")
    shop.run("sample", "push")
    done = dataclasses.replace(colleague, home=sandbox_home).run("diff", "--json")
    assert done.status == 0, done.stderr
    assert done.json["sample"]["fingerprint"] == shop.run("sample", "--json").json["fingerprint"]


def test_nothing_is_pushed_unless_asked_and_what_the_store_lacks_is_drawn(shop: Shop) -> None:
    store_named(shop)
    assert shop.run("sample", "--json").json["drawn"] is True
    assert not (shop.root.parent / "tëam").exists()


def test_push_and_pull_say_what_they_did(shop: Shop, tmp_path: Path) -> None:
    missing = shop.run("sample", "push", str(tmp_path / "store"))
    assert (missing.status, missing.stdout) == (13, "")
    assert "this project's sample is not drawn yet\nhint: draw it: sandbox sample" in missing.stderr
    drawn = shop.run("sample", "--json").json
    name, files = drawn["fingerprint"], files_of(drawn)
    first = shop.run("sample", "push", str(tmp_path / "store"))
    assert first.status == 0
    assert first.stdout.replace("\n", " ").startswith(f"sample {name[:16]} is in {tmp_path}/store: {files} files, ")
    again = shop.run("sample", "push", f"{tmp_path}/store").stdout
    assert "everything was there already" in " ".join(again.split())  # wherever a long path breaks the line
    shutil.rmtree(shop.home)
    pulled = shop.run("sample", "pull", name[:7], "--store", str(tmp_path / "store"))
    assert pulled.stdout.startswith(f"sample {name[:16]} is here: {files} files, ")
    assert shop.run("sample", "--json").json == shop.run("sample", "--json").json | {
        "drawn": False,
        "fingerprint": name,
    }


def test_sample_of_another_project_is_pulled_but_not_used(shop: Shop, tmp_path: Path) -> None:
    name = shop.run("sample", "--json").json["fingerprint"]
    shop.run("sample", "push", str(tmp_path / "store"))
    shop.edit("sandbox.toml", 'salt = "test"', 'salt = "another"')
    shutil.rmtree(shop.home)
    done = shop.run("sample", "pull", name, "--store", str(tmp_path / "store"))
    assert done.status == 0
    assert "it is not what sandbox.toml asks for" in done.stdout
    assert shop.run("sample", "--json").json["drawn"] is True
    asked = shop.run("sample", "pull", "--store", str(tmp_path / "store"), "--json")
    assert (asked.status, asked.json["error"]["kind"]) == (13, "store")
    assert "has no sample of what this project asks for" in asked.stderr


def test_refresh_draws_again_and_push_points_the_team_there(shop: Shop, colleague: Shop) -> None:
    first = shop.run("sample", "--json").json["fingerprint"]
    shop.run("sample", "push")
    with (shop.root / "warehouse" / "customers.csv").open("a") as file:
        file.write("401,c401@example.org,DE\n")
    second = shop.run("sample", "--refresh", "--json").json
    assert second["drawn"] is True
    assert second["fingerprint"] != first
    shop.run("sample", "push")
    assert colleague.run("sample", "--json").json["fingerprint"] == second["fingerprint"]
    assert colleague.run("sample", "pull", first).status == 0


def test_damaged_store_stops_the_command_and_leaves_nothing(shop: Shop, colleague: Shop) -> None:
    shop.run("sample")
    shop.run("sample", "push")
    (manifest,) = (shop.root.parent / "tëam" / "samples").glob("*/manifest.json")
    document = json.loads(manifest.read_text("utf-8"))
    document["tables"]["orders"]["files"][0]["path"] = "../../../../escaped"
    manifest.write_text(json.dumps(document), "utf-8")
    done = colleague.run("create")
    assert (done.status, done.stdout) == (13, "")
    assert "names a file that cannot be part of a sample: '../../../../escaped'" in done.stderr
    assert "hint: to draw a sample of your own: sandbox sample --refresh" in done.stderr
    left = (colleague.home / "samples").rglob("*")
    assert [path for path in left if path.is_file() and path.suffix != ".lock"] == []


def test_store_that_does_not_answer_is_an_error_and_no_reason_to_draw_another_sample(shop: Shop) -> None:
    shop.edit(
        "sandbox.toml",
        'uri = "warehouse/"',
        'uri = "warehouse/"\nstore = "s3://team/x?endpoint_override=127.0.0.1:9&region=eu-west-1"',
    )
    secret = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI"}
    done = shop.run("sample", env=secret)
    assert done.status == 13
    assert "s3://team/x cannot be read: it cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
    assert "wJalr" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("push",), "it is not said which store"),
        (("pull", "abc"), "it is not said which store"),
        (("pull", "xyz", "--store", "."), "'xyz' is not the beginning of a fingerprint"),
        (("--refresh", "push"), "put the flags after push"),
        (("--json", "pull"), "put the flags after pull"),
    ],
)
def test_calls_that_make_no_sense_are_usage_errors(shop: Shop, arguments: tuple[str, ...], message: str) -> None:
    done = shop.run("sample", *arguments)
    assert done.status == 2
    assert message in done.stderr


def test_store_within_the_project_is_no_code(shop: Shop, sandbox_home: Path) -> None:
    shop = dataclasses.replace(shop, home=sandbox_home)
    shop.edit("sandbox.toml", 'uri = "warehouse/"', 'uri = "warehouse/"\nstore = "store"')
    before = shop.run("run", "--json").json["code"]["tree"]
    shop.run("sample", "push")
    assert (shop.root / "store" / "samples").is_dir()
    assert shop.run("run", "--json").json["code"]["tree"] == before
