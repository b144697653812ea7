"""What every runtime promises, asked of each of them. A played function says the same as its shell command."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from sandbox.containers import fixed_environment
from sandbox.containers.protocol import Mount, StopEvent
from sandbox.errors import ContainerEngineError
from sandbox.model import RunOutcome
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from sandbox.containers.fake import FakeProcess
    from tests.contract.conftest import Bench

MIB = 2**20
TAKE_TOO_MUCH = "python3 -c \"x = b'x' * 10**9; import time; time.sleep(5)\""


def test_status_zero_is_success(bench: Bench) -> None:
    result = bench.run(bench.job("true"))
    assert (result.outcome.ending, result.outcome.status, result.outcome.signal) == (
        RunOutcome.SUCCEEDED,
        0,
        None,
    )


def test_a_run_that_writes_nothing_succeeds_with_nothing(bench: Bench) -> None:
    result = bench.run(bench.job("true"))
    assert (result.stdout, result.stderr) == (b"", b"")
    assert not list(bench.output.source.iterdir())


def test_another_status_is_failure_with_that_status(bench: Bench) -> None:
    outcome = bench.run(bench.job("exit 3", lambda _: 3)).outcome
    assert (outcome.ending, outcome.status, outcome.signal) == (RunOutcome.FAILED, 3, None)


def test_a_command_that_is_not_there_is_failure_with_the_status_of_the_shell(bench: Bench) -> None:
    outcome = bench.run(bench.job("no-such-command-here", lambda _: 127)).outcome
    assert (outcome.ending, outcome.status) == (RunOutcome.FAILED, 127)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_signal_from_elsewhere_is_told_with_its_number(bench: Bench, number: signal.Signals) -> None:
    outcome = bench.run(
        bench.job(f"sh -c 'kill -{number.value} $$'; exit $?", lambda play: play.exit_by_signal(number))
    ).outcome
    assert (outcome.ending, outcome.status, outcome.signal) == (RunOutcome.SIGNALLED, None, number)


def test_time_runs_out_although_the_command_ignores_the_request_to_end(bench: Bench) -> None:
    command = "trap '' TERM; while :; do sleep 1; done"
    outcome = bench.run(bench.job(command, lambda play: play.sleep(100), seconds=0.5)).outcome
    assert outcome.ending is RunOutcome.TIMED_OUT
    assert outcome.wall_seconds >= 0.5


def test_time_runs_out_and_the_command_may_clean_up(bench: Bench) -> None:
    def played(play: FakeProcess) -> None:
        play.stdout(b"bye\n")
        play.sleep(100)

    command = "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done"
    result = bench.run(bench.job(command, played, seconds=0.5))
    assert result.outcome.ending is RunOutcome.TIMED_OUT
    assert result.stdout == b"bye\n"


def test_taking_more_memory_than_allowed_is_out_of_memory(bench: Bench) -> None:
    outcome = bench.run(bench.job(TAKE_TOO_MUCH, lambda play: play.allocate_memory(10**9), memory=128 * MIB)).outcome
    assert outcome.ending is RunOutcome.OUT_OF_MEMORY
    assert outcome.peak_memory_bytes is not None
    assert outcome.peak_memory_bytes >= 128 * MIB


def test_a_child_killed_for_memory_is_out_of_memory_although_its_parent_exits_0(bench: Bench) -> None:
    def played(play: FakeProcess) -> None:
        play.kill_child()

    outcome = bench.run(bench.job(f"{TAKE_TOO_MUCH}; exit 0", played, memory=128 * MIB)).outcome
    assert outcome.ending is RunOutcome.OUT_OF_MEMORY


def test_an_allocation_that_python_refuses_is_a_plain_failure(bench: Bench) -> None:
    outcome = bench.run(bench.job("python3 -c 'raise MemoryError'", lambda _: 1)).outcome
    assert (outcome.ending, outcome.status) == (RunOutcome.FAILED, 1)


def test_100_megabytes_of_output_arrive_to_the_last_byte(bench: Bench) -> None:
    def played(play: FakeProcess) -> None:
        for _ in range(100):
            play.stdout(b"x" * 10**6)
        play.stdout(b"the end\n")

    command = "python3 -c \"for _ in range(100): print('x' * 10**6, end='')\nprint('the end')\""
    taken, last = 0, b""

    def take(chunk: bytes) -> None:
        nonlocal taken, last
        taken, last = taken + len(chunk), (last + chunk)[-8:]

    outcome = bench.runtime.run(bench.job(command, played), stdout=take, stderr=lambda _: None)
    assert outcome.ending is RunOutcome.SUCCEEDED
    assert (taken, last) == (100_000_008, b"the end\n")


def test_output_and_errors_are_kept_apart(bench: Bench) -> None:
    def played(play: FakeProcess) -> int:
        play.stdout(b"to out\n")
        play.stderr(b"to err\n")
        return 4

    result = bench.run(bench.job("echo to out; echo to err >&2; exit 4", played))
    assert (result.stdout, result.stderr) == (b"to out\n", b"to err\n")


def test_output_arrives_while_the_command_works(bench: Bench) -> None:
    stop = StopEvent()

    def played(play: FakeProcess) -> None:
        play.stdout(b"started\n")
        play.sleep(1)

    outcome = bench.runtime.run(
        bench.job(f"echo started; sleep {bench.nap}", played),
        stdout=lambda _: stop.set(),
        stderr=lambda _: None,
        stop=stop,
    )
    assert outcome.ending is RunOutcome.SIGNALLED


@pytest.mark.parametrize(
    "command",
    [
        "sleep NAP & sleep 0.2",
        "setsid sleep NAP & sleep 0.2",
        "(setsid sh -c 'sleep NAP & sleep NAP' &) ; exit 0",
        "trap '' TERM HUP; (sleep NAP &)",
    ],
)
def test_what_a_run_leaves_in_the_background_is_ended_with_it(bench: Bench, command: str) -> None:
    outcome = bench.run(bench.job(command.replace("NAP", bench.nap))).outcome
    assert outcome.ending is RunOutcome.SUCCEEDED
    assert not living(bench.nap)


def test_setting_stop_ends_the_run_as_signalled_whatever_its_status(bench: Bench) -> None:
    stop = StopEvent()
    threading.Timer(0.3, stop.set).start()

    def played(play: FakeProcess) -> None:
        assert stop.wait(PATIENCE_SECONDS)
        play.sleep(1)

    command = "trap 'exit 0' TERM; while :; do sleep 0.05; done"
    outcome = bench.run(bench.job(command, played), stop=stop).outcome
    assert (outcome.ending, outcome.status, outcome.signal) == (RunOutcome.SIGNALLED, None, signal.SIGTERM)


def test_an_interruption_ends_the_run_first_and_passes_on(bench: Bench) -> None:
    def played(play: FakeProcess) -> None:
        play.stdout(b"started\n")
        for _ in range(100):
            time.sleep(0.05)

    job = bench.job(f"echo started; sleep {bench.nap}", played)
    with pytest.raises(KeyboardInterrupt):
        bench.runtime.run(job, stdout=lambda _: os.kill(os.getpid(), signal.SIGINT), stderr=lambda _: None)
    assert not bench.left()
    assert not living(bench.nap)


def test_a_taker_of_output_that_fails_ends_the_run_and_its_error_passes_on(bench: Bench) -> None:
    def take(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    def played(play: FakeProcess) -> None:
        play.stdout(b"x")
        play.sleep(60)

    with pytest.raises(OSError, match="No space left"):
        bench.runtime.run(bench.job(f"echo x; sleep {bench.nap}", played), stdout=take, stderr=lambda _: None)
    assert not living(bench.nap)


@pytest.mark.parametrize("status", [0, 5])
def test_what_a_run_leaves_belongs_to_the_user(bench: Bench, status: int) -> None:
    def played(play: FakeProcess) -> int:
        play.write_file("/sandbox/output", "file", b"x")
        return status

    output = bench.runtime.resolve_mount_path(bench.output)
    command = f"cd '{output}'; echo x > file; mkdir -p a/b; ln -s /etc/passwd a/link; chmod 0 a/b; exit {status}"
    before = Path("/etc/passwd").stat()
    bench.run(bench.job(command, played))
    left = [bench.output.source, *bench.output.source.rglob("*")]
    assert (bench.output.source / "file").is_file()
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in left} == {(os.getuid(), os.getgid())}
    assert Path("/etc/passwd").stat().st_uid == before.st_uid


def test_the_variables_are_exactly_those_promised(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "never to be seen")
    command = "env -0"

    def played(play: FakeProcess) -> None:
        play.stdout(b"".join(f"{name}={value}\0".encode() for name, value in play.variables.items()))

    job = bench.job(command, played, variables={"SANDBOX_SEED": "1", "WITH": "a space = and ünïcode"})
    lines = bench.run(job).stdout.decode().rstrip("\0").split("\0")
    seen = dict(line.split("=", 1) for line in lines)
    promised = fixed_environment.build_variables(job.limits, home=seen["HOME"], temporary=seen["TMPDIR"])
    assert {name: seen[name] for name in promised} == promised
    assert seen["WITH"] == "a space = and ünïcode"
    assert seen["OMP_NUM_THREADS"] == "2"
    # PATH and HOSTNAME are the runtime's, the others the shell's own.
    extra = {"PATH", "HOSTNAME", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}
    assert set(seen) - extra == {*promised, "SANDBOX_SEED", "WITH"}


def test_a_job_may_set_what_is_fixed(bench: Bench) -> None:
    def played(play: FakeProcess) -> None:
        play.stdout(play.variables["TZ"].encode())

    assert bench.run(bench.job('printf "%s" "$TZ"', played, variables={"TZ": "Asia/Tokyo"})).stdout == b"Asia/Tokyo"


def test_home_and_the_temporary_folder_can_be_written_and_are_gone_afterwards(bench: Bench) -> None:
    def played(play: FakeProcess) -> None:
        play.stdout(f"{play.variables['HOME']}\n{play.variables['TMPDIR']}\n".encode())

    command = 'set -e; echo x > "$HOME/file"; echo x > "$TMPDIR/file"; echo "$HOME"; echo "$TMPDIR"; chmod 0 "$HOME"'
    result = bench.run(bench.job(command, played))
    assert result.outcome.ending is RunOutcome.SUCCEEDED, result.stderr
    assert not any((Path(folder) / "file").exists() for folder in result.stdout.decode().splitlines())


def test_mounts_are_seen_where_the_runtime_says(bench: Bench) -> None:
    (bench.sample.source / "größe.txt").write_text("of the sample", encoding="utf-8")
    seen = bench.runtime.resolve_mount_path(bench.sample)

    def played(play: FakeProcess) -> None:
        play.stdout((play.find_mounted_folder("/sandbox/sample") / "größe.txt").read_bytes())

    assert bench.run(bench.job(f"cat '{seen}/größe.txt'", played)).stdout == b"of the sample"


def test_the_working_directory_is_the_folder_of_workdir(bench: Bench) -> None:
    (bench.code.source / "here").write_text("yes", encoding="utf-8")

    def played(play: FakeProcess) -> None:
        play.stdout((play.job.workdir.source / "here").read_bytes())

    assert bench.run(bench.job("cat here", played)).stdout == b"yes"


def test_standard_input_is_empty(bench: Bench) -> None:
    outcome = bench.run(bench.job("cat; exit 6", lambda _: 6)).outcome
    assert (outcome.ending, outcome.status) == (RunOutcome.FAILED, 6)


def test_a_mount_that_is_not_there_is_refused_and_not_made(bench: Bench, tmp_path: Path) -> None:
    absent = Mount(source=tmp_path / "absent", target="/sandbox/absent")
    with pytest.raises(ContainerEngineError, match="absent"):
        bench.run(bench.job("true", mounts=(absent,)))
    assert not absent.source.exists()


def test_two_jobs_of_one_name_cannot_be_at_work_at_once(bench: Bench) -> None:
    refused: list[ContainerEngineError] = []

    def again(_: bytes) -> None:
        if not refused:
            try:
                bench.run(bench.job("true"))
            except ContainerEngineError as error:
                refused.append(error)
        stop.set()

    def played(play: FakeProcess) -> None:
        play.stdout(b"started")
        play.sleep(1)

    stop = StopEvent()
    outcome = bench.runtime.run(
        bench.job("echo started; sleep 3600", played), stdout=again, stderr=lambda _: None, stop=stop
    )
    assert outcome.ending is RunOutcome.SIGNALLED
    assert "at work already" in refused[0].message


def test_what_is_at_work_is_listed_by_its_labels_and_can_be_removed(bench: Bench) -> None:
    found: list[str] = []

    def look(_: bytes) -> None:
        for held in bench.runtime.list_objects({"run": bench.token}):
            assert held.running
            assert held.labels["role"] == "run"
            found.append(held.name)
            (measured,) = bench.runtime.measure_usage([held])
            assert measured.name == held.name
            assert measured.memory_bytes or bench.runtime.name == "fake"
            bench.runtime.remove_object(held)
            bench.runtime.remove_object(held)  # nothing happens where it is gone already
        assert not bench.runtime.list_objects({"run": bench.token, "role": "other"})

    def played(play: FakeProcess) -> None:
        play.stdout(b"started")
        play.exit_by_signal(9)

    job = bench.job("sleep 0.5; echo started; sleep 3600", played)
    outcome = bench.runtime.run(job, stdout=look, stderr=lambda _: None)
    assert found == [job.name]
    assert outcome.ending is RunOutcome.LOST


def test_figures_say_what_was_used(bench: Bench) -> None:
    command = (
        'python3 -c "import time\nx = bytearray(120 * 2**20)\nend = time.process_time() + 0.8\n'
        'while time.process_time() < end: pass"'
    )

    def played(play: FakeProcess) -> None:
        play.allocate_memory(120 * MIB)
        play.sleep(1)

    outcome = bench.run(bench.job(command, played)).outcome
    assert outcome.ending is RunOutcome.SUCCEEDED
    assert outcome.wall_seconds > 0.7
    assert 120 * MIB <= (outcome.peak_memory_bytes or 0) <= 160 * MIB
    if bench.runtime.name != "fake":
        assert 0.7 <= (outcome.cpu_seconds or 0) <= 1.5


def test_isolation_is_told_as_it_is(bench: Bench) -> None:
    isolation = bench.run(bench.job("sleep 0.1")).outcome.isolation
    assert isolation is not None
    assert isolation.is_complete == (bench.runtime.name != "local")
    assert isolation.memory_bytes == 256 * MIB
    assert isolation.pids == 128


def test_a_full_disk_at_the_output_is_the_failure_of_the_command(bench: Bench, small_disk: Path) -> None:
    def played(play: FakeProcess) -> int:
        play.stderr(b"No space left on device")
        return 1

    mount = Mount(source=small_disk, target="/sandbox/small", writable=True)
    command = f"dd if=/dev/zero of='{bench.runtime.resolve_mount_path(mount)}/file' bs=64k count=64"
    result = bench.run(bench.job(command, played, mounts=(mount,)))
    assert (result.outcome.ending, result.outcome.status) == (RunOutcome.FAILED, 1)
    assert b"No space left on device" in result.stderr


@pytest.mark.parametrize("command", ["", "; sleep NAP"], ids=["that has ended", "that goes on"])
def test_writing_more_than_allowed_is_output_full_with_the_size(bench: Bench, command: str) -> None:
    def played(play: FakeProcess) -> None:
        play.write_file("/sandbox/output", "file", b"x" * 3 * MIB)

    output = bench.runtime.resolve_mount_path(bench.output)
    script = f"head -c {3 * MIB} /dev/zero > '{output}/file'{command.replace('NAP', bench.nap)}"
    job = bench.job(script, played)
    full = dataclasses.replace(job, limits=dataclasses.replace(job.limits, output_bytes=2 * MIB))
    outcome = bench.run(full).outcome
    assert (outcome.ending, outcome.output_bytes) == (RunOutcome.OUTPUT_FULL, 3 * MIB)
    assert outcome.wall_seconds < 25
    (bench.output.source / "file").unlink()
    roomy = dataclasses.replace(job, limits=dataclasses.replace(job.limits, output_bytes=4 * MIB), command="true")
    bench.script["true"] = lambda _: None
    assert bench.run(roomy).outcome.ending is RunOutcome.SUCCEEDED


def test_it_says_what_it_is_in_one_line(bench: Bench) -> None:
    assert len(bench.runtime.check().splitlines()) == 1


def living(argument: str) -> list[psutil.Process]:
    """Give the living processes of this machine, containers included, that have an argument."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if argument in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]
