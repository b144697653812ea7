"""A standalone cluster of Spark on this machine's loopback: a master and two workers, each a process of its own; and a Connect server.

cluster.py            starts them, prints what to write into sandbox.toml, and ends them with Ctrl-C
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pyspark

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST = "127.0.0.1"
PATIENCE = 120.0
WORKERS = 2
SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"


class Cluster:
    """The processes; they end when the block does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = Path(pyspark.__file__).parent
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.master = f"spark://{HOST}:{_free_port()}"
        self.remote = f"sc://{HOST}:{_free_port()}"

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
        for process in reversed(self.processes.values()):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the executors too
            process.wait()

    def worker(self, number: int) -> None:
        """Start a worker and wait until the master knows it."""
        name = f"worker-{number}"
        self._start(name, "org.apache.spark.deploy.worker.Worker", self.master, "--host", HOST, "--webui-port", "0",
                    "--cores", "2", "--memory", "2g", "--work-dir", str(self._folder / name))  # fmt: skip
        self._wait(name, "Successfully registered with master")

    def connect(self) -> str:
        """Start a Connect server on the cluster, and give its address."""
        settings = {
            "spark.connect.grpc.binding.address": HOST,
            "spark.connect.grpc.binding.port": self.remote.rpartition(":")[2],
            "spark.driver.host": HOST,
            "spark.driver.bindAddress": HOST,
            "spark.ui.enabled": "false",
            "spark.executor.memory": "512m",
            "spark.cores.max": str(WORKERS),  # the rest is for others
        }
        options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
        self._run("connect", [str(self._home / "bin" / "spark-submit"), "--class", SERVER, "--master", self.master,
                              *options, "spark-internal"])  # fmt: skip
        self._wait("connect", "Spark Connect server started")
        return self.remote

    def _start(self, name: str, main: str, *arguments: str) -> None:
        self._run(name, [str(self._home / "bin" / "spark-class"), main, *arguments])

    def _run(self, name: str, command: Sequence[str]) -> None:
        variables = {
            **os.environ,
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
        deadline = time.monotonic() + PATIENCE
        while sign not in (said := self._log(name).read_text("utf-8", "replace")):
            if self.processes[name].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} of Spark did not start:\n{said[-3000:]}")
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


def main() -> None:
    """Start a cluster and keep it until Ctrl-C."""
    with tempfile.TemporaryDirectory(prefix="sandbox-spark-") as folder, Cluster(Path(folder)) as cluster:
        lines = [
            f"a master and {WORKERS} workers are running; in sandbox.toml, below [source]:\n",
            'engine = "spark"\n\n[source.spark]',
            f'master = "{cluster.master}"',
            f'# or, a Connect server on it:\n# remote = "{cluster.connect()}"\n',
            "Ctrl-C ends them",
        ]
        print("\n".join(lines), flush=True)  # noqa: T201
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
