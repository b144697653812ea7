"""What code in a container cannot do."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.containers.docker.runtime import DockerRuntime
from sandbox.model import RunOutcome

if TYPE_CHECKING:
    import docker

    from tests.integration.containers.conftest import Jobs

pytestmark = pytest.mark.docker
MIB = 2**20


@pytest.fixture
def runtime(engine: docker.DockerClient) -> DockerRuntime:
    return DockerRuntime(grace=0.5)


def python(code: str) -> str:
    return f"python3 - <<'END'\n{textwrap.dedent(code)}\nEND"


@pytest.mark.parametrize("address", ["1.1.1.1", "169.254.169.254", "172.17.0.1", "127.0.0.1"])
def test_no_address_can_be_reached(jobs: Jobs, runtime: DockerRuntime, address: str) -> None:
    code = f"""
        import socket
        for port in (22, 53, 80, 443, 2375):
            try:
                socket.create_connection(("{address}", port), 2)
            except OSError as error:
                print(type(error).__name__, error.strerror)
            else:
                print("reached", port)
    """
    outcome, output = jobs.run(runtime, jobs.job(python(code)))
    assert outcome.ending is RunOutcome.SUCCEEDED
    expected = "Connection refused" if address == "127.0.0.1" else "Network is unreachable"
    assert [expected in line for line in output.splitlines()] == [True] * 5, output


def test_no_name_can_be_resolved(jobs: Jobs, runtime: DockerRuntime) -> None:
    _, output = jobs.run(runtime, jobs.job("getent hosts pypi.org; echo $?; ls /sys/class/net"))
    assert output.split() == ["2", "lo"]


@pytest.mark.parametrize(
    "path",
    [
        "/sandbox/sample/x",
        "/sandbox/code/x",
        "/etc/x",
        "/usr/bin/x",
        "/x",
        "/sandbox/x",
        "/proc/sys/kernel/x",
    ],
)
def test_only_the_output_can_be_written(jobs: Jobs, runtime: DockerRuntime, path: str) -> None:
    for folder in ("sample", "code"):
        jobs.mount(folder).source.chmod(0o777)  # neither is it for want of permission
    outcome, output = jobs.run(runtime, jobs.job(f"echo x > {path}"))
    assert outcome.status == 2
    assert "Read-only file system" in output or "Permission denied" in output or "nonexistent" in output, output


def test_a_file_of_the_sample_cannot_be_changed_or_removed(jobs: Jobs, runtime: DockerRuntime) -> None:
    file = jobs.mount("sample").source / "part.parquet"
    file.write_bytes(b"rows")
    file.chmod(0o666)
    command = "cd /sandbox/sample; echo x >> part.parquet; rm -f part.parquet; mv part.parquet y; chmod 0 part.parquet"
    _, output = jobs.run(runtime, jobs.job(command))
    assert output.count("Read-only file system") == 4, output
    assert file.read_bytes() == b"rows"


def test_what_was_made_with_a_narrow_umask_can_be_read(jobs: Jobs, runtime: DockerRuntime) -> None:
    inner = jobs.mount("sample").source / "orders"
    inner.mkdir(mode=0o700)
    (inner / "part.parquet").write_bytes(b"rows")
    (inner / "part.parquet").chmod(0o600)
    script = jobs.mount("code").source / "run.sh"
    script.write_text("cat /sandbox/sample/orders/part.parquet")
    script.chmod(0o700)
    (inner / "outside").symlink_to(jobs.folder / "secret")
    (jobs.folder / "secret").touch(mode=0o600)
    for name in ("code", "sample"):
        jobs.mount(name).source.chmod(0o700)
    assert jobs.run(runtime, jobs.job("./run.sh"))[1] == "rows"
    assert (jobs.folder / "secret").stat().st_mode & 0o777 == 0o600


def test_nothing_of_the_host_can_be_seen(jobs: Jobs, runtime: DockerRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-host")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:of-the-host@proxy")
    _, output = jobs.run(runtime, jobs.job(f"env; cat /proc/*/environ; ls /proc | grep -c '^[0-9]'; ls {jobs.folder}"))
    assert "of-the-host" not in output
    assert "No such file" in output


def test_the_proxy_settings_of_the_docker_client_are_not_handed_on(
    jobs: Jobs, runtime: DockerRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = jobs.folder / "docker"
    settings.mkdir()
    (settings / "config.json").write_text('{"proxies": {"default": {"httpProxy": "http://of-the-host:1"}}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(settings))
    _, output = jobs.run(runtime, jobs.job("env"))
    assert "of-the-host" not in output
    assert "PATH=" in output


def test_no_capability_is_left_and_none_can_be_had(jobs: Jobs, runtime: DockerRuntime) -> None:
    _, output = jobs.run(runtime, jobs.job("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status"))
    seen = dict(line.split(":\t") for line in output.splitlines())
    assert {seen[name] for name in seen if name.startswith("Cap")} == {"0000000000000000"}
    assert seen["NoNewPrivs"] == "1"
    assert seen["Seccomp"] == "2"


def test_a_fork_bomb_is_contained(jobs: Jobs, runtime: DockerRuntime) -> None:
    code = """
        import os, time
        made = 0
        for _ in range(500):
            try:
                pid = os.fork()
            except OSError as error:
                print(made, error.strerror)
                break
            if pid == 0:
                time.sleep(30)
            made += 1
    """
    outcome, output = jobs.run(runtime, jobs.job(python(code), pids=64))
    assert outcome.ending is RunOutcome.SUCCEEDED
    assert int(output.split()[0]) < 64
    assert "temporarily unavailable" in output


@pytest.mark.parametrize("folder", ["/tmp", "$HOME"])
def test_filling_a_temporary_folder_is_contained(jobs: Jobs, runtime: DockerRuntime, folder: str) -> None:
    command = f"dd if=/dev/zero of={folder}/file bs=1M; status=$?; du -m {folder}/file; exit $status"
    outcome, output = jobs.run(runtime, jobs.job(command, memory=128 * MIB))
    assert (outcome.ending, outcome.status) == (RunOutcome.FAILED, 1)
    assert "No space left on device" in output


def test_temporary_files_count_towards_memory(jobs: Jobs, runtime: DockerRuntime) -> None:
    command = "dd if=/dev/zero of=/tmp/file bs=1M count=60; exec python3 -c \"x = b'x' * (100 * 2**20)\""
    outcome, _ = jobs.run(runtime, jobs.job(command, memory=128 * MIB))
    assert outcome.ending is RunOutcome.OUT_OF_MEMORY


def test_processors_are_limited(jobs: Jobs, runtime: DockerRuntime) -> None:
    outcome, _ = jobs.run(runtime, jobs.job("grep -q . /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max"))
    assert outcome.isolation is not None
    assert outcome.isolation.cpus == 2


def test_a_user_without_an_entry_has_a_home_and_a_name(jobs: Jobs, runtime: DockerRuntime) -> None:
    code = (
        "import getpass, os, pathlib; (pathlib.Path.home() / 'x').write_text(''); print(getpass.getuser(), os.getuid())"
    )
    _, output = jobs.run(runtime, jobs.job(f'python3 -c "{code}"'))
    assert output.split() == ["sandbox", str(os.getuid() or 1000)]


def test_a_caller_who_is_not_root_has_runs_as_themselves(jobs: Jobs, engine: docker.DockerClient) -> None:
    """Done in a process of its own, which becomes an ordinary user who is in the group of the engine's socket."""
    socket = Path("/var/run/docker.sock").stat()
    job = jobs.job("id -u; id -g; echo x > /sandbox/output/mine; touch $HOME/x; echo $HOME")
    for mount in job.mounts:
        os.chown(mount.source, 4321, 4321)
    for folder in (jobs.folder, *list(jobs.folder.parents)[:-2]):
        folder.chmod(0o755)
    code = f"""
        import os, pickle, sys
        from sandbox.containers.docker.runtime import DockerRuntime
        DockerRuntime().check()  # the interpreter's own files may be root's: now all that is needed is imported
        os.setgroups([{socket.st_gid}])
        os.setgid(4321)
        os.setuid(4321)
        job = pickle.load(sys.stdin.buffer)
        DockerRuntime().run(job, stdout=sys.stdout.buffer.write, stderr=sys.stderr.buffer.write)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        input=pickle.dumps(job),
        capture_output=True,
        check=False,
    )
    assert done.stdout.decode().split() == ["4321", "4321", "/home/sandbox"], done.stderr.decode()
    left = (jobs.folder / "output" / "mine").stat()
    assert (left.st_uid, left.st_gid) == (4321, 4321)
