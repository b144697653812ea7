"""One run in a container: start it, watch it, stop it if necessary, and determine its outcome."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import docker.errors

from sandbox.containers.docker import engine_api
from sandbox.containers.docker.client import CONNECTION_ERRORS, open_client, translate_errors
from sandbox.containers.docker.output import ContainerOutput
from sandbox.containers.docker.usage import start_container_meter
from sandbox.containers.outcome import EndCause, classify_end, wait_for_end
from sandbox.containers.output_watch import OutputWatch
from sandbox.containers.usage import ResourceUsage, UsageMeter
from sandbox.errors import ContainerEngineError
from sandbox.model import Isolation, JobResult, RunOutcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.containers.protocol import Job, StopEvent

KILL_SECONDS = 20.0
OUTPUT_TIMEOUT_SECONDS = 30.0
ENGINE_FAILURES = (docker.errors.DockerException, *CONNECTION_ERRORS)


class ExitWaiter(threading.Thread):
    """A thread that waits for a container's exit."""

    def __init__(self, client: docker.DockerClient, container: str) -> None:
        super().__init__(name=f"end of {container[:12]}", daemon=True)
        self._client = client
        self._container = container
        self.exit_event = threading.Event()
        self.status: int | None = None

    def run(self) -> None:
        """Request the exit status; the engine answers when the container has exited."""
        try:
            self.status = int(self._client.api.wait(self._container, timeout=None)["StatusCode"])
        except (*ENGINE_FAILURES, KeyError, ValueError):
            self.status = None
        finally:
            self.exit_event.set()


class DockerRun:
    """One container's run; the caller creates and removes the container."""

    def __init__(
        self, client: docker.DockerClient, container: str, *, job: Job, engine: engine_api.EngineInfo, grace: float
    ) -> None:
        self._client = client
        self._container = container
        self._job = job
        self._engine = engine
        self._grace = grace
        self._exit = ExitWaiter(client, container)
        self._isolation: Isolation | None = None
        self._meter: UsageMeter | None = None
        self._output_watch = OutputWatch(job)

    def run(
        self,
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        stop: StopEvent | None,
    ) -> JobResult:
        """Start the container and wait for its exit.

        Raises:
            ContainerEngineError: It could not be started.
        """
        output = ContainerOutput(self._client, self._container, stdout=stdout, stderr=stderr)
        try:
            output.attach()
            started = time.time()
            answered = self._start_container()
            began = time.monotonic()
            self._output_watch.start()
            deadline = began + self._job.limits.timeout_seconds
            cause = self._watch_container(output, deadline, stop) if answered else EndCause.LOST
            wall = time.monotonic() - began
            output.finish(OUTPUT_TIMEOUT_SECONDS if cause is not EndCause.LOST else 0.0)
        finally:
            output.disconnect()
            self._output_watch.finish()
            figures = self._meter.stop() if self._meter is not None else ResourceUsage()
        if output.error is not None:  # the caller's functions failed, for example on a full disk
            raise output.error
        return self._build_outcome(cause, figures, started=started, wall=wall, complete=not output.is_broken)

    def _start_container(self) -> bool:
        """Start it; return False if the engine went away, because it may have started."""
        try:
            with translate_errors(f"start {self._job.name}"):
                self._client.api.start(self._container)
        except ContainerEngineError as error:
            if isinstance(error.__cause__, docker.errors.APIError):
                raise
            return False
        return True

    def _watch_container(self, output: ContainerOutput, deadline: float, stop: StopEvent | None) -> EndCause:
        self._exit.start()
        try:
            self._inspect_container()
            cause = wait_for_end(
                self._exit.exit_event, deadline=deadline, stop=stop, find_cause=lambda: self._find_stop_cause(output)
            )
            if cause is not EndCause.EXITED:
                self._stop_container()
        except BaseException:  # stop the job; a second interrupt skips the grace period
            self._stop_container()
            raise
        return cause

    def _find_stop_cause(self, output: ContainerOutput) -> EndCause | None:
        if output.error is not None:
            return EndCause.STOPPED
        if output.is_broken:
            return EndCause.LOST
        return EndCause.OUTPUT if self._output_watch.is_full else None

    def _inspect_container(self) -> None:
        """Read the isolation in effect, and start the usage meter."""
        try:
            inspected = self._client.api.inspect_container(self._container)
        except ENGINE_FAILURES:
            return  # waiting for the exit will report the failure
        self._isolation = engine_api.parse_isolation(inspected, mounts=self._job.mounts, engine=self._engine)
        if pid := int(inspected["State"].get("Pid") or 0):
            self._meter = start_container_meter(self._client, self._container, pid)

    def _stop_container(self) -> None:
        """Send SIGTERM, wait for the grace period, then send SIGKILL."""
        for name, seconds in (("SIGTERM", self._grace), ("SIGKILL", KILL_SECONDS)):
            try:
                self._client.api.kill(self._container, name)
            except docker.errors.APIError:
                pass  # already exited
            except ENGINE_FAILURES:
                return
            if self._exit.exit_event.wait(seconds):
                return

    def _build_outcome(
        self, cause: EndCause, figures: ResourceUsage, *, started: float, wall: float, complete: bool
    ) -> JobResult:
        state = self._read_final_state()
        if state is None or self._exit.status is None or not complete:
            cause = EndCause.LOST
        elif self._output_watch.is_full and cause is EndCause.EXITED:
            cause = EndCause.OUTPUT
        killed = bool(state and state.get("OOMKilled")) or figures.kills > 0
        end = classify_end(cause, self._exit.status, out_of_memory=killed)
        if (
            cause is EndCause.EXITED
            and end.signal in {signal.SIGTERM, signal.SIGKILL}
            and not killed
            and _is_engine_stopping()
        ):
            end = classify_end(EndCause.LOST, None)
        memory = figures.memory_bytes or None  # zero at the very first sample
        if end.ending is RunOutcome.OUT_OF_MEMORY:  # it used its whole limit, whatever was sampled
            memory = self._job.limits.memory_bytes
        return JobResult(
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
            output_bytes=self._output_watch.output_bytes,
        )

    def _read_final_state(self) -> dict[str, Any] | None:
        """Return the engine's state of the exited container; None if it is unknown."""
        try:
            state: dict[str, Any] = self._client.api.inspect_container(self._container)["State"]
        except (*ENGINE_FAILURES, KeyError):
            return None
        # A container that is being removed was ended by that, whatever status it left.
        return None if state.get("Running") or state.get("Status") in {"removing", "dead"} else state


def _is_engine_stopping() -> bool:
    """Return whether the engine is shutting down: it then ends its containers, and answers on old connections only."""
    try:
        open_client().close()
    except ContainerEngineError:
        return True
    return False
