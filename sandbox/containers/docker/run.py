"""The course of one run: a created container is started, watched, ended if need be, and its end is told."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import docker.errors

from sandbox.containers.docker import engine_api as plan
from sandbox.containers.docker.client import CONNECTION_ERRORS, connect, translated
from sandbox.containers.docker.output import Output
from sandbox.containers.docker.usage import meter
from sandbox.containers.outcome import Cause, classify, watch
from sandbox.containers.usage import Figures, Meter
from sandbox.errors import EngineError
from sandbox.model import Ending, Isolation, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.containers.protocol import Job, Stop

KILL_SECONDS = 20.0
REST_SECONDS = 30.0
FAILURES = (docker.errors.DockerException, *CONNECTION_ERRORS)


class Exit(threading.Thread):
    """Waits for a container's end."""

    def __init__(self, client: docker.DockerClient, container: str) -> None:
        super().__init__(name=f"end of {container[:12]}", daemon=True)
        self._client = client
        self._container = container
        self.ended = threading.Event()
        self.status: int | None = None

    def run(self) -> None:
        """Ask once; the engine answers when the container has ended."""
        try:
            self.status = int(self._client.api.wait(self._container, timeout=None)["StatusCode"])
        except (*FAILURES, KeyError, ValueError):
            self.status = None
        finally:
            self.ended.set()


class DockerRun:
    """One container's run; the container is made before and removed afterwards by somebody else."""

    def __init__(
        self, client: docker.DockerClient, container: str, *, job: Job, engine: plan.Engine, grace: float
    ) -> None:
        self._client = client
        self._container = container
        self._job = job
        self._engine = engine
        self._grace = grace
        self._exit = Exit(client, container)
        self._isolation: Isolation | None = None
        self._meter: Meter | None = None

    def carry_out(
        self,
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        stop: Stop | None,
    ) -> Outcome:
        """Start the container and wait for its end.

        Raises:
            EngineError: It could not be started.
        """
        output = Output(self._client, self._container, stdout=stdout, stderr=stderr)
        try:
            output.attach()
            started = time.time()
            answered = self._start()
            began = time.monotonic()
            deadline = began + self._job.limits.timeout_seconds
            cause = self._watched(output, deadline, stop) if answered else Cause.LOST
            wall = time.monotonic() - began
            output.finish(REST_SECONDS if cause is not Cause.LOST else 0.0)
        finally:
            output.cut()
            figures = self._meter.finish() if self._meter is not None else Figures()
        if output.refused is not None:  # the caller's own functions could not take the output: a full disk
            raise output.refused
        return self._outcome(cause, figures, started=started, wall=wall, complete=not output.broken)

    def _start(self) -> bool:
        """Start it; False where the engine went away meanwhile, as it may have been started then."""
        try:
            with translated(f"start {self._job.name}"):
                self._client.api.start(self._container)
        except EngineError as error:
            if isinstance(error.__cause__, docker.errors.APIError):
                raise
            return False
        return True

    def _watched(self, output: Output, deadline: float, stop: Stop | None) -> Cause:
        self._exit.start()
        try:
            self._look()
            cause = watch(self._exit.ended, deadline=deadline, stop=stop, trouble=lambda: _trouble(output))
            if cause is not Cause.EXITED:
                self._end()
        except BaseException:  # the caller wants the job ended; a second interruption skips the grace period
            self._end()
            raise
        return cause

    def _look(self) -> None:
        """See what is in force, and start to measure."""
        try:
            inspected = self._client.api.inspect_container(self._container)
        except FAILURES:
            return  # whatever happened, waiting for the end meets it too
        self._isolation = plan.isolation(inspected, asked=self._job.mounts, engine=self._engine)
        if pid := int(inspected["State"].get("Pid") or 0):
            self._meter = meter(self._client, self._container, pid)

    def _end(self) -> None:
        """SIGTERM, a grace period, SIGKILL."""
        for name, seconds in (("SIGTERM", self._grace), ("SIGKILL", KILL_SECONDS)):
            try:
                self._client.api.kill(self._container, name)
            except docker.errors.APIError:
                pass  # it has ended meanwhile
            except FAILURES:
                return
            if self._exit.ended.wait(seconds):
                return

    def _outcome(
        self, cause: Cause, figures: Figures, *, started: float, wall: float, complete: bool
    ) -> Outcome:
        state = self._final_state()
        if state is None or self._exit.status is None or not complete:
            cause = Cause.LOST
        killed = bool(state and state.get("OOMKilled")) or figures.kills > 0
        end = classify(cause, self._exit.status, out_of_memory=killed)
        if (
            cause is Cause.EXITED
            and end.signal in {signal.SIGTERM, signal.SIGKILL}
            and not killed
            and _going()
        ):
            end = classify(Cause.LOST, None)
        memory = figures.memory_bytes or None  # nothing is held yet at the very first sample
        if end.ending is Ending.OUT_OF_MEMORY:  # it had all that it may have, whatever the samples saw
            memory = self._job.limits.memory_bytes
        return Outcome(
            ending=end.ending,
            status=end.status,
            signal=end.signal,
            started=started,
            wall_seconds=wall,
            cpu_seconds=figures.cpu_seconds,
            peak_memory_bytes=memory,
            bytes_read=figures.bytes_read,
            bytes_written=figures.bytes_written,
            isolation=self._isolation,
        )

    def _final_state(self) -> dict[str, Any] | None:
        """Give the engine's account of the container; None if there is neither."""
        try:
            state: dict[str, Any] = self._client.api.inspect_container(self._container)["State"]
        except (*FAILURES, KeyError):
            return None
        return None if state.get("Running") else state


def _trouble(output: Output) -> Cause | None:
    if output.refused is not None:
        return Cause.STOPPED
    return Cause.LOST if output.broken else None


def _going() -> bool:
    """True where the engine is being stopped: it ends its containers then, and answers on old connections only."""
    try:
        connect().close()
    except EngineError:
        return True
    return False
