"""A standalone cluster of Spark on this machine's loopback: a master and two workers, each a process of its own; and a Connect server.

`make cluster` starts them, prints what to write into sandbox.toml, and ends them with Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyspark

from sandbox.engine.spark import cluster
from sandbox.engine.spark.cluster import SparkCluster
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from sandbox.engine.spark.cluster import SparkEndpoint

HOST = "127.0.0.1"
WORKERS = 2
APPLICATIONS = 3  # the session of a test's process, a Connect server, and a command
JVM_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # for processes of seconds: half the processor time
DEFAULTS = """\
spark.cores.max 2
spark.executor.memory 512m
spark.sql.shuffle.partitions 2
spark.ui.enabled false
"""
SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"


class Cluster:
    """The processes; they end when the block does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = Path(pyspark.__file__).parent
        self._remote: str | None = None
        self._session: Any = None
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "spark-defaults.conf").write_text(DEFAULTS, "utf-8")
        self.master = f"spark://{HOST}:{_free_port()}"

    @property
    def variables(self) -> dict[str, str]:
        """Variables for the processes that use the cluster."""
        return {"SPARK_CONF_DIR": str(self._folder), "JAVA_TOOL_OPTIONS": JVM_OPTIONS}

    def __enter__(self) -> Self:
        try:
            self._start("master", "org.apache.spark.deploy.master.Master", "--host", HOST,
                        "--port", self.master.rpartition(":")[2], "--webui-port", "0")  # fmt: skip
            self._wait("master", "New state: ALIVE")
            for number in range(WORKERS):
                self.worker(number)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._session is not None:
            self._session.stop()
        for process in reversed(self.processes.values()):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the executors too
            process.wait()

    def worker(self, number: int) -> None:
        """Start a worker and wait until the master knows it."""
        name = f"worker-{number}"
        self._start(name, "org.apache.spark.deploy.worker.Worker", self.master, "--host", HOST, "--webui-port", "0",
                    "--cores", str(APPLICATIONS), "--memory", "2g", "--work-dir", str(self._folder / name))  # fmt: skip
        self._wait(name, "Successfully registered with master")

    def share_session(self, patch: pytest.MonkeyPatch) -> None:
        """Let this process use one session of the cluster, which stays open between draws, until the patch is undone."""
        start_context, upload, close = cluster._start_context, SparkCluster.upload_package, SparkCluster.close

        def is_shared(where: SparkEndpoint) -> bool:
            return where.remote is None and where.master == self.master

        def start_once(where: SparkEndpoint) -> None:
            if not is_shared(where) or self._session is None:
                start_context(where)

        def upload_once(opened: SparkCluster, archive: str) -> None:
            if not is_shared(opened.endpoint):
                upload(opened, archive)
            elif not (copy := self._folder / Path(archive).name).exists():
                shutil.copy(archive, copy)  # which stays there for executors that start later
                upload(opened, str(copy))

        def keep_open(opened: SparkCluster) -> None:
            if is_shared(opened.endpoint):
                self._session = opened.spark
            else:
                close(opened)

        for name, value in self.variables.items():
            patch.setenv(name, value)
        patch.setattr(cluster, "_start_context", start_once)
        patch.setattr(SparkCluster, "upload_package", upload_once)
        patch.setattr(SparkCluster, "close", keep_open)

    def connect(self) -> str:
        """Start a Connect server on the cluster, unless there is one, and return its address."""
        if self._remote is None:
            port = str(_free_port())
            settings = {
                "spark.connect.grpc.binding.address": HOST,
                "spark.connect.grpc.binding.port": port,
                "spark.driver.host": HOST,
                "spark.driver.bindAddress": HOST,
            }
            options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
            self._run("connect", [str(self._home / "bin" / "spark-submit"), "--class", SERVER, "--master", self.master,
                                  *options, "spark-internal"])  # fmt: skip
            self._wait("connect", "Spark Connect server started")
            self._remote = f"sc://{HOST}:{port}"
        return self._remote

    def _start(self, name: str, main: str, *arguments: str) -> None:
        self._run(name, [str(self._home / "bin" / "spark-class"), main, *arguments])

    def _run(self, name: str, command: Sequence[str]) -> None:
        variables = {
            **os.environ,
            **self.variables,
            "SPARK_LOCAL_IP": HOST,
            "SPARK_HOME": str(self._home),
            "SPARK_NO_DAEMONIZE": "1",
        }
        with self._log(name).open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=variables,
                cwd=self._folder, start_new_session=True,
            )  # fmt: skip

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _wait(self, name: str, sign: str) -> None:
        log, process = self._log(name), self.processes[name]
        wait_until(
            lambda: sign in log.read_text("utf-8", "replace") or process.poll() is not None, describe=log.read_text
        )
        if process.poll() is not None:
            raise RuntimeError(f"{name} of Spark did not start:\n{log.read_text('utf-8', 'replace')[-3000:]}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


def main() -> None:
    """Start a cluster and keep it until Ctrl-C."""
    with tempfile.TemporaryDirectory(prefix="sandbox-spark-") as folder, Cluster(Path(folder)) as running:
        lines = [
            f"a master and {WORKERS} workers are running; in sandbox.toml, below [source]:\n",
            'engine = "spark"\n\n[source.spark]',
            f'master = "{running.master}"',
            f'# or, a Connect server on it:\n# remote = "{running.connect()}"\n',
            "Ctrl-C ends them",
        ]
        print("\n".join(lines), flush=True)  # noqa: T201
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
