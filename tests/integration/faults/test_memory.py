"""``memory = "auto"``: raised once when a run runs out of it, said, recorded, and remembered."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from sandbox.containers.local import cgroups
from sandbox.model import ResourceLimits
from tests.requirements import skip_or_fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.containers.local.cgroups import ControlGroup
    from tests.projects import Done, Shop

MACHINE = 2 * 2**30  # of which three quarters are 1.6 GB
HUNGRY = """\
import os
with open(os.environ["SANDBOX_OUTPUT"] + "/value.csv", "w") as file:
    file.write("customer_id,total\\n1,2\\n")
taken = b"x" * {bytes}
"""


@pytest.fixture
def small_machine() -> Iterator[ControlGroup]:
    """A control group that stands for a machine with 2 GiB of memory."""
    group = cgroups.plan_control_group(f"machine-{uuid.uuid4().hex[:12]}")
    if group is None:
        skip_or_fail("no control group may be made here; run the tests as root")
    assert group.create(ResourceLimits(cpus=1, memory_bytes=MACHINE, timeout_seconds=1, pids=2000))
    yield group
    group.remove()


def run(shop: Shop, machine: ControlGroup, *words: str) -> Done:
    from tests.projects import Done  # noqa: PLC0415

    script = 'while [ "$1" != -- ]; do echo $$ >"$1"; shift; done; shift; exec "$@"'
    doors = [str(door) for door in machine.procs_files]
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *doors, "--", sys.executable, "-m", "sandbox", "run", *words],
        cwd=shop.root,
        env=shop.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(status=done.returncode, stdout=done.stdout, stderr=done.stderr)


def test_memory_is_raised_once_when_it_is_too_little_and_that_is_remembered(
    shop: Shop, small_machine: ControlGroup
) -> None:
    shop.edit("sandbox.toml", 'memory = "1GB"', 'memory = "auto"')
    (shop.root / "pipeline.py").write_text(HUNGRY.format(bytes=12 * 10**8))
    done = run(shop, small_machine)
    assert done.status == 0, done.stderr
    assert "it ran out of 1.0 GB of memory; it runs once more with 1.6 GB" in " ".join(done.stderr.split())
    assert "the second time, with 1.6 GB after 1.0 GB" in " ".join(done.stdout.split())
    records = [
        json.loads((folder / "run.json").read_text())
        for folder in sorted((shop.root / ".sandbox" / "runs").glob("[0-9]*"))
    ]
    told = [(one["ending"], one["limits"]["memory_bytes"], one["memory_raised_from"]) for one in records]
    assert sorted(told) == [("out_of_memory", 10**9, None), ("succeeded", MACHINE * 3 // 4, 10**9)]
    assert run(shop, small_machine, "--json").stdout
    again = json.loads(run(shop, small_machine, "--json", "--fresh").stdout)
    assert (again["limits"]["memory_bytes"], again["memory_raised_from"]) == (MACHINE * 3 // 4, None)
    assert json.loads(run(shop, small_machine, "--json").stdout)["cached"] is True


def test_what_needs_more_than_the_machine_has_is_out_of_memory_after_the_second_time(
    shop: Shop, small_machine: ControlGroup
) -> None:
    shop.edit("sandbox.toml", 'memory = "1GB"', 'memory = "auto"')
    (shop.root / "pipeline.py").write_text(HUNGRY.format(bytes=3 * 10**9))
    done = run(shop, small_machine)
    assert done.status == 17
    assert "needed more memory than 1,610,612,736 bytes" in done.stderr
    assert len(list((shop.root / ".sandbox" / "runs").glob("[0-9]*"))) == 2
