"""Commands beside a diff: what ends its runs is told as that, and never as a pipeline that failed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.projects import give_own_home
from tests.waiting import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from tests.projects import Shop

WAITING = """\
import time
print("started", flush=True)
time.sleep(3600)
"""


def start_diff(shop: Shop, env: dict[str, str]) -> subprocess.Popen[str]:
    """Start a diff whose pipeline never ends, and wait until that is at work."""
    called = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "diff"],
        cwd=shop.root,
        env=shop.environment | env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    logs = ".sandbox/runs/.staged-*/stdout.log"
    wait_until(lambda: called.poll() is not None or any(log.stat().st_size for log in shop.root.glob(logs)))
    assert called.poll() is None, called.communicate()[1]
    return called


@pytest.mark.parametrize("runtime", ["local", pytest.param("docker", marks=pytest.mark.docker)])
@pytest.mark.parametrize("command", [["stop"], ["rm", "--yes"]])
def test_a_run_that_another_command_ends_is_lost(
    shop: Shop, runtime: str, command: list[str], request: pytest.FixtureRequest
) -> None:
    if runtime == "docker":
        request.getfixturevalue("engine")
    env = {"SANDBOX_RUNTIME": runtime}
    (shop.root / "pipeline.py").write_text(WAITING)
    shop.git("commit", "-qam", "a pipeline that never ends")
    called = start_diff(shop, env)
    ended = shop.run(*command, env=env)
    _, stderr = called.communicate(timeout=PATIENCE_SECONDS)
    assert ended.status == 0, ended.stderr
    assert called.returncode in {13, 14}, stderr
    assert "was lost" in stderr or "was removed while the pipeline ran" in stderr
    assert "failed with status" not in stderr


# A run gets its final name, a query may spill, the report is written.
STEPS = {"run": ("os.rename", "runs/.staged-"), "query": ("os.mkdir", "spill"), "report": ("os.rename", "diffs")}


@pytest.mark.parametrize(
    ("other", "steps"),
    [
        ("gc --yes --idle 1s --max-size 1", ("run", "query", "report")),
        ("rm --yes", ("query",)),
        ("stop", ("query",)),
    ],
)
def test_a_command_at_any_step_of_a_diff_leaves_it_its_verdict_or_names_what_was_removed(
    shop: Shop, other: str, steps: tuple[str, ...], tmp_path: Path
) -> None:
    """Takes long: a diff for each step; what gc removes is that of a home of its own."""
    shop.edit("pipeline.py", "count(order_id)", "count(*)")
    if other.startswith("gc"):
        shop = give_own_home(shop, tmp_path / "home")
    else:
        assert shop.run("create").status == 0
    for step in steps:
        called = subprocess.run(
            [sys.executable, "-m", "tests.interleaving", *STEPS[step], other, "diff", "--fresh"],
            cwd=shop.root,
            env=shop.environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert called.returncode in {1, 13, 14}, (step, called.stderr)
        assert called.stderr.rstrip().endswith("\n0"), (step, called.stderr)
        assert "failed with status" not in called.stderr, (step, called.stderr)
