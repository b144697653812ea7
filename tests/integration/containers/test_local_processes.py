"""What the local runtime does about processes that hide, multiply or outlive it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import psutil
import pytest

from sandbox.containers.local import cgroups, job_folder
from sandbox.containers.local.runtime import LocalRuntime
from sandbox.model import RunOutcome
from tests.requirements import skip_or_fail
from tests.waiting import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.containers.conftest import Jobs

MIB = 2**20


@pytest.fixture
def runtime() -> LocalRuntime:
    return LocalRuntime(grace=0.5)


@pytest.fixture
def sampled(runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LocalRuntime:
    """The runtime where no control group may be made."""
    monkeypatch.setattr(cgroups, "CGROUP_ROOT", tmp_path)
    assert cgroups.plan_control_group("x") is None
    return runtime


@pytest.fixture
def kept(runtime: LocalRuntime) -> Iterator[LocalRuntime]:
    """The runtime where the kernel keeps the limits."""
    group = cgroups.plan_control_group("x")
    if group is None:
        skip_or_fail("no control group may be made here; run the tests as root")
    yield runtime
    # Groups of tests on other workers come and go; what one of ours left stays.
    left = _groups(group)
    wait_until(lambda: not left & _groups(group))


def _groups(group: cgroups.ControlGroup) -> set[Path]:
    return {left for folder in group.folders.values() for left in folder.parent.glob("sandbox-*-sbx-test-*")}


def python(code: str) -> str:
    return f"python3 - <<'END'\n{textwrap.dedent(code)}\nEND"


def living(argument: str) -> int:
    return sum(
        argument in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE
        for process in psutil.process_iter(["cmdline", "status"])
    )


def test_too_many_processes_end_the_run_and_it_says_why(jobs: Jobs, sampled: LocalRuntime) -> None:
    code = """
        import os, time
        for _ in range(60):
            if os.fork() == 0:
                os.execvp("sleep", ["sleep", "3641.5"])
        time.sleep(3600)
    """
    outcome, output = jobs.run(sampled, jobs.job(python(code), "local", pids=32))
    assert (outcome.ending, outcome.signal) == (RunOutcome.SIGNALLED, signal.SIGKILL)
    assert "more than 32 processes" in output
    assert not living("3641.5")


def test_threads_count_as_processes(jobs: Jobs, sampled: LocalRuntime) -> None:
    code = """
        import threading, time
        for _ in range(40):
            threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
        time.sleep(3600)
    """
    outcome, _ = jobs.run(sampled, jobs.job(python(code), "local", pids=32))
    assert outcome.ending is RunOutcome.SIGNALLED


def test_a_fork_bomb_is_ended(jobs: Jobs, sampled: LocalRuntime) -> None:
    code = """
        import os, time
        end = time.monotonic() + 300
        made = 0
        while time.monotonic() < end and made < 5:
            made += 1
            os.fork()
            time.sleep(0.1)
        os.execvp("sleep", ["sleep", "3642.5"])
    """
    outcome, _ = jobs.run(sampled, jobs.job(python(code), "local", pids=16))
    assert outcome.ending is RunOutcome.SIGNALLED
    assert not living("3642.5")


def test_memory_of_all_processes_together_counts(jobs: Jobs, sampled: LocalRuntime) -> None:
    command = "for i in 1 2 3; do python3 -c \"x = b'x' * (80 * 2**20); import time; time.sleep(3600)\" & done; wait"
    outcome, _ = jobs.run(sampled, jobs.job(command, "local", memory=200 * MIB))
    assert outcome.ending is RunOutcome.OUT_OF_MEMORY


def test_memory_that_forked_processes_share_counts_once(jobs: Jobs, sampled: LocalRuntime) -> None:
    code = """
        import os, time
        x = b'x' * (100 * 2**20)
        for _ in range(4):
            if os.fork() == 0:
                time.sleep(0.8)
                os._exit(0)
        for _ in range(4):
            os.wait()
    """
    outcome, output = jobs.run(sampled, jobs.job(python(code), "local", memory=250 * MIB))
    assert outcome.ending is RunOutcome.SUCCEEDED, output
    assert 100 * MIB <= (outcome.peak_memory_bytes or 0) <= 250 * MIB


def test_reserving_address_space_is_not_using_memory(jobs: Jobs, sampled: LocalRuntime) -> None:
    code = "import mmap, time; m = mmap.mmap(-1, 4 * 2**30); time.sleep(0.5)"
    outcome, output = jobs.run(sampled, jobs.job(f'python3 -c "{code}"', "local", memory=200 * MIB))
    assert outcome.ending is RunOutcome.SUCCEEDED, output


def test_the_kernel_keeps_a_run_below_its_memory(jobs: Jobs, kept: LocalRuntime) -> None:
    code = "import sys; x = b'x' * (2 * 10**9)"
    outcome, _ = jobs.run(kept, jobs.job(f'python3 -c "{code}"', "local", memory=128 * MIB))
    assert (outcome.ending, outcome.signal) == (RunOutcome.OUT_OF_MEMORY, signal.SIGKILL)
    assert outcome.peak_memory_bytes == 128 * MIB


def test_a_child_killed_by_the_kernel_for_memory_is_told_although_the_run_goes_on(
    jobs: Jobs, kept: LocalRuntime
) -> None:
    command = "python3 -c \"x = b'x' * 10**9\"; echo went on"
    outcome, output = jobs.run(kept, jobs.job(command, "local", memory=128 * MIB))
    assert (outcome.ending, outcome.status) == (RunOutcome.OUT_OF_MEMORY, 0)
    assert "went on" in output


def test_the_kernel_contains_a_fork_bomb(jobs: Jobs, kept: LocalRuntime) -> None:
    command = "bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 1; echo contained"
    outcome, output = jobs.run(kept, jobs.job(command, "local", pids=64))
    assert outcome.ending in {RunOutcome.SUCCEEDED, RunOutcome.FAILED, RunOutcome.SIGNALLED}
    assert outcome.wall_seconds >= 0
    assert not jobs.run(kept, jobs.job("true", "local"))[1], output


def test_a_daemon_without_an_environment_is_found_in_the_control_group(jobs: Jobs, kept: LocalRuntime) -> None:
    outcome, _ = jobs.run(kept, jobs.job("setsid env -i /bin/sleep 3646.5 & sleep 0.3", "local"))
    assert outcome.ending is RunOutcome.SUCCEEDED
    assert not living("3646.5")


def test_a_daemon_is_ended_when_the_time_is_up(jobs: Jobs, runtime: LocalRuntime) -> None:
    code = """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execvp("sleep", ["sleep", "3643.5"])
            os._exit(0)
        os.wait()
        time.sleep(3600)
    """
    outcome, _ = jobs.run(runtime, jobs.job(python(code), "local", seconds=1))
    assert outcome.ending is RunOutcome.TIMED_OUT
    assert not living("3643.5")


def test_processors_are_limited_by_affinity_and_the_callers_stay(jobs: Jobs, runtime: LocalRuntime) -> None:
    before = os.sched_getaffinity(0)
    job = jobs.job('python3 -c "import os; print(len(os.sched_getaffinity(0)))"', "local")
    outcome, output = jobs.run(runtime, job)
    assert output.strip() == str(min(2, len(before)))
    assert outcome.isolation is not None
    assert outcome.isolation.cpus == min(2, len(before))
    assert os.sched_getaffinity(0) == before


def test_the_environment_comes_first_on_the_path(jobs: Jobs, runtime: LocalRuntime) -> None:
    _, output = jobs.run(runtime, jobs.job("command -v python3; python3 -c 'import sys; print(sys.prefix)'", "local"))
    assert output.split() == [f"{sys.prefix}/bin/python3", sys.prefix]


OWNER = """
import pickle, sys
from sandbox.containers.local.runtime import LocalRuntime
job = pickle.load(sys.stdin.buffer)
LocalRuntime().run(job, stdout=lambda chunk: print(chunk.decode(), end="", flush=True), stderr=print)
"""


def test_what_a_run_leaves_whose_owner_is_killed_is_cleaned_up_by_the_next(jobs: Jobs, kept: LocalRuntime) -> None:
    runtime = kept
    job = jobs.job("setsid sleep 3644.5 & echo started; sleep 3644.5", "local")
    with subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pickle.dumps(job))
        process.stdin.close()
        assert process.stdout.readline() == b"started\n"
        (held,) = runtime.list_objects({"run": jobs.token})
        assert held.running
        assert held.memory_bytes
        wait_until(lambda: living("3644.5") == 2)  # the shell says "started" before it starts its last command
        process.kill()
    outcome, _ = jobs.run(runtime, jobs.job("true", "local"))
    assert outcome.ending is RunOutcome.SUCCEEDED
    assert not living("3644.5")
    assert not runtime.list_objects({"run": jobs.token})
    assert not (job_folder.make_root_folder() / job.name).exists()


def test_removing_what_is_at_work_ends_it(jobs: Jobs, runtime: LocalRuntime) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pickle.dumps(jobs.job("echo started; sleep 3645.5", "local")))
        process.stdin.close()
        process.stdout.readline()
        (held,) = runtime.list_objects({"run": jobs.token})
        runtime.remove_object(held)
        runtime.remove_object(held)
        process.wait(PATIENCE_SECONDS)
    assert not living("3645.5")


def test_a_place_of_somebody_elses_is_not_used(
    jobs: Jobs, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"sandbox-{os.getuid()}").mkdir()
    (tmp_path / f"sandbox-{os.getuid()}").chmod(0o777)
    with pytest.raises(Exception, match="belongs to somebody else"):
        jobs.run(runtime, jobs.job("true", "local"))
