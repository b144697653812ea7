"""`sandbox diff --bisect`, as `git bisect run` calls it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.projects import Done, Shop

BISECT = ("diff", "--bisect", "--baseline", "good")
TOTAL = "coalesce(sum(amount), 0)"
DEFECT = "coalesce(sum(amount), 0) + any_value((customer_id % 7 = 0)::int)"


def history(shop: Shop) -> None:
    """Ten commits after `good`: the 4th does not run, the 5th lacks the key, the 7th brings the defect."""
    shop.git("tag", "good")
    for number in range(1, 11):
        if number == 4:
            shop.edit("pipeline.py", "import duckdb", "import duckdb, nonsense")
        if number == 5:
            shop.edit("pipeline.py", "import duckdb, nonsense", "import duckdb")
            shop.edit("pipeline.py", "select customer_id,", "select customer_id as id,")
        if number == 6:
            shop.edit("pipeline.py", "select customer_id as id,", "select customer_id,")
        if number == 7:
            shop.edit("pipeline.py", TOTAL, DEFECT)
        with (shop.root / "pipeline.py").open("a") as file:
            file.write(f"# {number}\n")
        shop.git("commit", "-am", f"commit {number}")


def test_git_bisect_run_finds_the_commit_with_the_defect(shop: Shop) -> None:
    history(shop)
    shop.git("bisect", "start", "HEAD", "good")
    done = subprocess.run(
        ["git", "bisect", "run", sys.executable, "-m", "sandbox", *BISECT],
        cwd=shop.root,
        env=shop.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is the first bad commit" in done.stdout
    assert "    commit 7" in done.stdout
    assert shop.git("status", "--porcelain", "--untracked-files=no") == "", "git can check out what comes next"
    assert not (shop.root / "sandbox.lock").exists()
    assert shop.git("log", "-1", "--format=%s", "refs/bisect/bad") == "commit 7"


def status(shop: Shop, *arguments: str) -> Done:
    return shop.run(*(arguments or BISECT))


def test_statuses_are_those_that_git_bisect_run_understands(shop: Shop) -> None:
    history(shop)
    said = ""
    for commit, expected in (("main~8", 0), ("main", 1), ("main~6", 125), ("main~5", 125)):
        shop.git("checkout", "-q", commit)
        done = status(shop)
        assert done.status == expected, f"{commit}: {done.stderr}"
        said = done.stderr
    assert "this commit cannot be judged" in said
    assert "customer_id" in said

    # What would fail at every commit ends the search instead.
    shop.git("checkout", "-q", "main")
    for wrong in (
        ("diff", "--bisect"),
        ("diff", "--bisect", "--basline", "good"),
        ("diff", "--bisect", "--baseline", "nowhere"),
        ("diff", "--bisect", "--baseline", "main~6"),
        (*BISECT, "--candidate", "main"),
        (*BISECT, "--config", "nowhere.toml"),
    ):
        assert status(shop, *wrong).status == 128, shlex.join(wrong)


def test_settings_that_a_commit_lacks_are_its_own_fault_and_the_hint_helps(shop: Shop) -> None:
    settings = (shop.root / "sandbox.toml").read_text("utf-8")
    shop.git("tag", "good")
    shop.git("rm", "-q", "sandbox.toml")
    shop.git("commit", "-m", "no settings yet")
    lacking = status(shop)
    assert lacking.status == 125
    assert "--config" in lacking.stderr
    (shop.root / "sandbox.toml").write_text(settings.replace('"customers"', '"costumers"'))
    assert status(shop).status == 128, "a mistake of the user's own must not look like the commit's"
    shop.git("add", "sandbox.toml")
    shop.git("commit", "-m", "wrong settings")
    assert status(shop).status == 125
    (shop.root / "bisect.toml").write_text(settings)
    judged = status(shop, *BISECT, "--config", "bisect.toml")
    assert judged.status == 0, judged.stderr
    (shop.root / "elsewhere").mkdir()
    outside = subprocess.run(
        [sys.executable, "-m", "sandbox", *BISECT],
        cwd=shop.root.parent,
        env=shop.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outside.returncode == 128, "the wrong folder is no commit's fault"
