"""``gc``, ``ls``, ``rm`` and what the shell completes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.projects import give_own_home
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects import Shop

MONTH = 31 * 86_400


@pytest.fixture
def own(shop: Shop, tmp_path: Path) -> Shop:
    """A project whose user has nothing else."""
    return give_own_home(shop, tmp_path / "home")


def age(*folders: Path, seconds: float = MONTH) -> None:
    """Let everything in folders have been used last long ago."""
    for folder in folders:
        for path in folder.iterdir():
            os.utime(path, (time.time() - seconds,) * 2)


def kinds(found: list[dict[str, Any]]) -> list[str]:
    return sorted({one["kind"] for one in found})


@pytest.mark.slow
def test_gc_removes_what_is_idle_but_nothing_that_a_living_command_uses(own: Shop) -> None:
    assert own.run("diff").status == 0
    state, command = own.root / ".sandbox", [sys.executable, "-m", "sandbox", "exec", "sh", "-c"]
    assert own.run("gc", "--dry-run").stdout == "nothing to remove\n"
    with subprocess.Popen(
        [*command, "echo started; cat $SANDBOX_SAMPLE/orders/* | wc -c; sleep 3600"],
        cwd=own.root,
        env=own.environment,
        stdout=subprocess.PIPE,
    ) as living:
        assert living.stdout is not None
        assert living.stdout.readline() == b"started\n"
        try:
            age(own.home / "samples", own.home / "environments", state / "runs", state / "diffs")
            planned = own.run("gc", "--dry-run", "--json").json
            assert own.run("gc").status == 2  # nobody there to ask
            done = own.run("gc", "--json", "--yes")
            assert done.status == 0, done.stderr
            assert planned["removed"] == done.json["removed"]
            assert (planned["dry_run"], done.json["dry_run"]) == (True, False)
            # Environments of other tests are in this home too.
            assert [kind for kind in kinds(done.json["removed"]) if kind != "environment"] == ["report", "run"]
            assert kinds(done.json["in_use"]) == ["environment", "sample"]
            assert done.json["bytes"] == sum(one["bytes"] for one in done.json["removed"]) > 1000
            assert not [*(state / "runs").glob("[0-9]*"), *(state / "diffs").glob("[0-9]*")]
        finally:
            living.terminate()
    age(own.home / "samples", own.home / "environments")
    last = own.run("gc", "--yes")
    assert "sample" in last.stdout
    assert "removed 2 things" in last.stdout
    assert own.run("run", "--json").json["ending"] == "succeeded"


def test_samples_have_a_lifetime_although_they_are_used(own: Shop) -> None:
    fingerprint = own.run("sample", "--json").json["fingerprint"]
    # The project is known from the first command that prepares its state.
    os.utime(own.home / "samples" / fingerprint, (time.time() - 120,) * 2)
    assert own.run("gc", "--yes", "--older", "1h").stdout == "nothing to remove\n"
    (removed,) = own.run("gc", "--yes", "--older", "0s", "--json").json["removed"]
    assert (removed["kind"], removed["name"]) == ("sample", fingerprint)
    assert own.run("sample", "--json").json["fingerprint"] == fingerprint


def test_what_killed_commands_left_half_made_goes_with_any_gc(own: Shop) -> None:
    assert own.run("sample").status == 0
    left = own.home / "samples" / ".staged-0123-x"
    left.mkdir()
    (left / "part.parquet").write_bytes(b"rows of people")
    assert own.run("gc", "--yes").stdout == "nothing to remove\n"  # it may be at work still
    os.utime(left, (1, 1))
    found = own.run("gc", "--yes", "--json").json["removed"]
    assert [one["kind"] for one in found] == ["half-made"]
    assert not left.exists()


@pytest.mark.slow
def test_create_and_run_against_gc_always_succeed(own: Shop) -> None:
    """Takes long: the environment is removed and made again in each turn."""
    assert own.run("run").status == 0
    for _ in range(2):
        age(own.home / "samples", own.home / "environments", own.root / ".sandbox" / "runs")
        commands = [["gc", "--yes"], ["create"], ["run"], ["gc", "--yes"]]
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "sandbox", *words],
                cwd=own.root,
                env=own.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            for words in commands
        ]
        for process, words in zip(processes, commands, strict=True):
            _, said = process.communicate(timeout=PATIENCE_SECONDS)
            assert process.returncode == 0, (words, said.decode())
    assert own.run("verify").status == 0


def test_sizes_and_ages_that_make_no_sense_are_usage_errors(shop: Shop) -> None:
    for flag, value in (("--max-size", "much"), ("--idle", "long"), ("--older", "-1d")):
        done = shop.run("gc", flag, value)
        assert done.status == 2, (flag, value)
        assert "expected a" in done.stderr


def test_several_sandboxes_are_listed_with_what_they_hold(shop: Shop) -> None:
    for name in ("default", "wide"):
        assert shop.run("create", "--name", name).status == 0
    assert shop.run("run").status == 0
    listed = shop.run("ls", "--json").json
    assert [one["name"] for one in listed["sandboxes"]] == ["default", "wide"]
    assert all(one["sample_bytes"] > 0 and one["environment_bytes"] > 10**6 for one in listed["sandboxes"])
    assert listed["runs"] == 1
    assert 0 < listed["runs_bytes"] < listed["state_bytes"]
    done = shop.run("rm", "--yes", "--name", "wied")
    assert done.status == 2
    assert 'did you mean "wide"' in done.stderr
    assert shop.run("rm", "--yes", "--name", "wide").status == 0
    assert shop.run("ls", "--json").json["runs"] == 1
    shop.run("rm", "--yes")
    assert shop.run("ls", "--json").json["runs"] == 0


def test_the_shell_completes_commands_refs_sandboxes_runs_and_samples(shop: Shop) -> None:
    shop.git("branch", "feature/nullable")
    fingerprint = shop.run("create", "--json", "--name", "wide").json["sample"]
    run = shop.run("run", "--json").json["id"]

    def completed(line: str) -> list[str]:
        words = line.split(" ")
        asked = {"_SANDBOX_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        return [one.removeprefix("plain,") for one in shop.run(env=asked).stdout.splitlines()]

    assert completed("sandbox cr") == ["create"]
    assert completed("sandbox run f") == ["feature/nullable"]
    assert completed("sandbox diff --baseline m") == ["main"]
    assert completed("sandbox stop --name w") == ["wide"]
    assert completed("sandbox logs ") == [run]
    assert fingerprint in completed(f"sandbox verify {fingerprint[:4]}")
    (shop.root / "sandbox.toml").write_text("broken [")
    assert completed("sandbox run f") == ["feature/nullable"]
