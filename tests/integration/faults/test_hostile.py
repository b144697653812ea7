"""A pipeline that does what it can to its machine: each attempt is refused or contained, and the record says by what."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.projects import Shop

pytestmark = [pytest.mark.docker, pytest.mark.slow]
HOSTILE = textwrap.dedent("""
    import ctypes, errno, glob, json, os, signal, socket, subprocess, sys, time

    libc = ctypes.CDLL(None, use_errno=True)
    found = {}

    def attempt(name, act):
        try:
            found[name] = str(act())
        except OSError as error:
            found[name] = errno.errorcode.get(error.errno, type(error).__name__)
        except Exception as error:
            found[name] = type(error).__name__

    def call(name, *arguments):
        if getattr(libc, name)(*arguments):
            raise OSError(ctypes.get_errno(), name)
        return "done"

    def connect(host, port):
        socket.create_connection((host, port), 2).close()
        return "reached"

    def write(path):
        with open(path, "w") as file:
            file.write("-1000")
        return "written"

    def change(path):
        with open(path, "r+b") as file:
            file.write(b"x")
        return "changed"

    sample = os.environ["SANDBOX_SAMPLE"]
    parquet = glob.glob(sample + "/customers/*.parquet")[0]
    for host, port in (("169.254.169.254", 80), ("172.17.0.1", 22), ("1.1.1.1", 53), ("192.168.0.1", 80)):
        attempt(f"connect {host}", lambda: connect(host, port))
    attempt("dns", lambda: socket.getaddrinfo("example.org", 80))
    attempt("raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
    attempt("packet socket", lambda: socket.socket(17, socket.SOCK_RAW))
    for path in ("/etc/passwd", "/usr/bin/x", "/x", "/sandbox/code/x", "/proc/sys/kernel/hostname",
                 "/proc/sysrq-trigger", "/proc/1/oom_score_adj", "/sys/fs/cgroup/x", "/dev/sda", sample + "/x"):
        attempt(f"write {path}", lambda: write(path))
    attempt("change sample", lambda: change(parquet))
    attempt("remove sample", lambda: os.remove(parquet))
    attempt("chmod sample", lambda: os.chmod(parquet, 0o777))
    attempt("mount", lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None))
    attempt("remount", lambda: call("mount", None, b"/sandbox/sample", None, 32 | 4096, None))
    attempt("umount", lambda: call("umount2", b"/sandbox/sample", 2))
    attempt("unshare user", lambda: call("unshare", 0x10000000))
    attempt("unshare mount", lambda: call("unshare", 0x20000))
    attempt("chroot", lambda: os.chroot("/tmp"))
    attempt("setuid", lambda: os.setuid(0))
    attempt("mknod", lambda: os.mknod("/tmp/sda", 0o60666, os.makedev(8, 0)))
    attempt("set clock", lambda: time.clock_settime(time.CLOCK_REALTIME, 0))
    attempt("reboot", lambda: call("reboot", 0x1234567))
    attempt("nice", lambda: os.setpriority(os.PRIO_PROCESS, 0, -20))
    attempt("hostname", lambda: call("sethostname", b"owned", 5))
    attempt("docker socket", lambda: os.stat("/var/run/docker.sock"))
    attempt("host processes", lambda: sorted(name for name in os.listdir("/proc") if name.isdigit())[-1:] > ["999"])
    secrets = ["of-the-host"]
    environments = b"".join(open(path, "rb").read() for path in glob.glob("/proc/[0-9]*/environ")
                            if os.access(path, os.R_OK))
    found["secrets seen"] = str(any(secret.encode() in environments for secret in secrets))
    found["mounts"] = sorted({line.split()[1] for line in open("/proc/mounts") if line.split()[2] in ("ext4", "xfs", "btrfs")})

    def fill(folder):
        written = 0
        try:
            with open(folder + "/fill", "wb") as file:
                while written < 4 * 10**9:
                    written += file.write(b"x" * 2**20)
            return "endless"
        finally:
            os.remove(folder + "/fill")

    attempt("fill /tmp", lambda: fill("/tmp"))
    attempt("fill /dev/shm", lambda: fill("/dev/shm"))

    def forks():
        made = []
        try:
            while len(made) < 5000:
                pid = os.fork()
                if pid == 0:
                    time.sleep(60)
                    os._exit(0)
                made.append(pid)
            return "endless"
        finally:
            for pid in made:
                os.kill(pid, signal.SIGKILL)
            for pid in made:
                os.waitpid(pid, 0)

    attempt("fork", forks)
    attempt("kill 1", lambda: os.kill(1, signal.SIGKILL))  # nobody in a space of process numbers can end its first one
    with open(os.environ["SANDBOX_OUTPUT"] + "/attempts.csv", "w") as file:
        file.write("attempt;result\\n" + "".join(f"{name};{result}\\n" for name, result in found.items()))
    print(json.dumps(found))
""")
REFUSED = {
    "EPERM",
    "EACCES",
    "EROFS",
    "ENOENT",
    "ENETUNREACH",
    "EAFNOSUPPORT",
    "gaierror",
    "EAI_AGAIN",
    "EISDIR",
}


def test_hostile_code_is_refused_or_contained_and_the_record_tells_it(shop: Shop, engine: str) -> None:
    (shop.root / "pipeline.py").write_text(HOSTILE)
    env = {
        "SANDBOX_RUNTIME": "docker",
        "AWS_SECRET_ACCESS_KEY": "of-the-host",
        "HTTPS_PROXY": "http://user:of-the-host@127.0.0.1:9",
    }
    done = shop.run("run", "--json", env=env)
    assert done.status == 0, done.stderr
    record = done.json
    found = json.loads((shop.root / ".sandbox" / "runs" / record["id"] / "stdout.log").read_text())
    contained = {
        "fill /tmp": {"ENOSPC"},
        "fill /dev/shm": {"ENOSPC", "EROFS", "EACCES"},
        "fork": {"EAGAIN"},
        "host processes": {"False"},
        "secrets seen": {"False"},
        "kill 1": {"None"},  # as if it had not been sent
    }
    mounts = set(found.pop("mounts")) - {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}
    assert {path for path in mounts if not path.startswith("/sandbox/")} <= {
        "/usr/sbin/docker-init",
        "/sbin/docker-init",
    }
    assert {name: result for name, result in found.items() if result not in contained.get(name, REFUSED)} == {}
    assert record["isolation"] == {
        "network": "none",
        "root_filesystem": "read-only",
        "sample": "read-only",
        "user": record["isolation"]["user"],
        "capabilities": "none",
        "no_new_privileges": True,
        "seccomp": "default",
        "memory_bytes": 10**9,
        "cpus": 1,
        "pids": 512,
    }
    assert not record["isolation"]["user"].startswith("0:")
    assert shop.run("verify").status == 0  # the sample is what it was
    [left] = shop.run("ls", "--json", env=env).json["sandboxes"]
    assert left["running"] == []


@pytest.mark.parametrize(
    ("code", "status", "ending"),
    [
        ("x = []\nwhile True: x.append(b'x' * 2**24)", 17, "out_of_memory"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 15, "signalled"),
        (
            "import os, signal; os.kill(os.getppid(), signal.SIGTERM); os.kill(1, signal.SIGTERM); import time; time.sleep(60)",
            15,
            "signalled",
        ),
        ("import ctypes, time; ctypes.CDLL(None).ptrace(16, 1, 0, 0); time.sleep(60)", 16, "timed_out"),
    ],
    ids=["allocates without end", "kills itself", "signals its parents", "stops the first process"],
)
def test_what_has_no_end_is_ended_and_the_next_run_works(
    shop: Shop, engine: str, code: str, status: int, ending: str
) -> None:
    env = {"SANDBOX_RUNTIME": "docker"}
    good = (shop.root / "pipeline.py").read_text()
    (shop.root / "pipeline.py").write_text(code)
    shop.edit("sandbox.toml", 'timeout = "600s"', 'timeout = "5s"')
    done = shop.run("run", env=env)
    (record,) = (shop.root / ".sandbox" / "runs").glob("[0-9]*/run.json")
    assert json.loads(record.read_text())["ending"] == ending
    assert done.status == status, done.stderr
    (shop.root / "pipeline.py").write_text(good)
    assert shop.run("run", env=env).status == 0
