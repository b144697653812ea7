"""What ``create``, ``run`` and ``diff`` share of the stack: lock it, and make the environment of one version of the code."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sandbox import provisioner
from sandbox.containers.runtime_choice import choose
from sandbox.errors import ConfigError, StoreError
from sandbox.manifest.canonical_json import digest
from sandbox.manifest.lock import Lock
from sandbox.model import POSTGRES
from sandbox.project.services import services as service
from sandbox.store.folder import locked, write
from sandbox.store.paths import home

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.containers.protocol import Runtime
    from sandbox.model import Environment, Limits, Progress
    from sandbox.provisioner.doctor.check import Check
    from sandbox.runner.repository import Code

LOCK = "sandbox.lock"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A project's stack, ready to make environments.

    Attributes:
        project: Whose.
        runtime: What carries out the code.
        warning: What the user should know about the runtime, if anything.
        frozen: Whether the lock may not change.
    """

    project: Project
    runtime: Runtime
    warning: str | None
    frozen: bool

    @property
    def limits(self) -> Limits:
        """The limits of a run at first."""
        return self.project.limits(self.runtime.memory_bytes())

    @property
    def more_memory(self) -> int | None:
        """The memory that a run gets, once, that ran out of it; None where the settings fix the amount."""
        return self.project.more_memory(self.runtime.memory_bytes())

    def environment(self, *, sample: str, progress: Progress) -> Environment:
        """Make the environment of the working tree, and bring ``sandbox.lock`` up to date with it and the sample.

        Raises:
            FrozenError: The lock would have to change and may not.
        """
        request = provisioner.request(self.project.settings.stack, _reader(self.project.root))
        with locked(self.project.state / LOCK):
            previous = read_lock(self.project)
            if self.frozen:
                provisioner.check_frozen(request, previous)
            # A committed lock that answers the request is taken as it is: what it lacks is not resolved behind its back.
            lock = previous if self.frozen else None
            lock = lock or self._resolved(request, previous, upgrade=False, progress=progress)
            lock = self._with_packages(lock, services=True, progress=progress)
            environment = self._made(request, lock, progress)
            now = provisioner.recorded(lock, environment).model_copy(update={"sample": sample})
            if self.frozen:
                provisioner.check_frozen(now, previous)
            elif now != previous:
                write(self.project.root / LOCK, now.text())
        return environment

    def lock(self, *, sample: str | None, upgrade: bool, progress: Progress) -> tuple[Lock, Lock | None]:
        """Resolve the working tree's lock and write it; gives it, and the one that was there before."""
        request = provisioner.request(self.project.settings.stack, _reader(self.project.root))
        with locked(self.project.state / LOCK):
            previous = read_lock(self.project)
            now = self._resolved(request, previous, upgrade=upgrade, progress=progress)
            if upgrade and self._kind == "docker":
                from sandbox.provisioner.images import environment  # noqa: PLC0415 - the SDK is slow to import

                now = environment.rebased(now, previous, home=home(), progress=progress)
            now = self._with_packages(now, services=True, newest=upgrade, progress=progress)
            if sample is not None:
                now = now.model_copy(update={"sample": sample})
            if now != previous:
                write(self.project.root / LOCK, now.text())
        return now, previous

    def environment_of(self, code: Code, *, progress: Progress) -> Environment:
        """Make the environment of one version of the code, from its own requirements and, where it has one, its own lock."""
        request = provisioner.request(self.project.settings.stack, code.read)
        return self._made(request, self._lock_of(request, code, progress), progress)

    def environment_at(self, folder: Path, *, progress: Progress) -> Environment:
        """Make the environment of a stack whose requirements file lies in a folder; ``sandbox.lock`` stays as it is."""
        request = provisioner.request(self.project.settings.stack, _reader(folder))
        return self._made(request, self._lock_of(request, None, progress), progress)

    def _lock_of(self, request: provisioner.StackRequest, code: Code | None, progress: Progress) -> Lock:
        """Find a lock with these inputs: its commit's, the working tree's, one resolved before; else resolve it now."""
        wanted = provisioner.inputs(request)
        committed = code.committed(LOCK) if code else None
        locks = (
            [Lock.parse(committed.decode(), origin=f"{LOCK} at {code.version.ref}")]
            if code and committed
            else []
        )
        current = read_lock(self.project)
        found = next(
            (lock for lock in [*locks, *([current] if current else [])] if lock.inputs == wanted), None
        )
        kept = self.project.state / "locks" / f"{digest(wanted.model_dump())}.json"
        if found is None and kept.is_file():
            found = Lock.read(kept)
        lock = self._resolved(request, found, upgrade=False, progress=progress)
        lock = self._with_packages(lock, progress=progress)
        if lock != found:
            write(kept, lock.text())
        return lock

    def _resolved(
        self, request: provisioner.StackRequest, previous: Lock | None, *, upgrade: bool, progress: Progress
    ) -> Lock:
        name = self._kind
        return provisioner.resolve(
            request, previous=previous, upgrade=upgrade, progress=progress, runtime=name
        )

    def _with_packages(
        self, lock: Lock, *, services: bool = False, newest: bool = False, progress: Progress
    ) -> Lock:
        """Give a lock that names Debian's packages of the stack's image and services; nothing is asked where it does already.

        Args:
            lock: Of the stack.
            services: Whether it is the project's own lock, which holds its services too.
            newest: Ask what there is now, for services.
            progress: Shows what is downloaded.
        """
        if self._kind != "docker":
            return lock
        from sandbox.provisioner.images import debian_packages  # noqa: PLC0415 - the SDK is slow to import, and most stacks have none

        wanted = [(lock.inputs.image, False)] if debian_packages.named(lock.inputs.image) else []
        if services and service.wanted(self.project):
            wanted.append((POSTGRES, newest))
        for image, now in wanted:
            lock = debian_packages.pinned(
                lock, image, home=home(), progress=progress, newest=now, frozen=self.frozen and not newest
            )
        return lock

    def _made(self, request: provisioner.StackRequest, lock: Lock, progress: Progress) -> Environment:
        return provisioner.environment(
            request,
            lock,
            self._kind,
            home=home(),
            progress=progress,
            frozen=self.frozen,
            python=needs_python(self.project),
        )

    @property
    def _kind(self) -> Literal["docker", "local"]:
        assert self.runtime.name != "fake"
        return self.runtime.name


def open_stack(project: Project, *, frozen: bool, progress: Progress) -> Stack:
    """Choose the runtime and say what is to be known about it.

    Raises:
        EngineError: The settings ask for Docker and no engine answers.
    """
    runtime, warning = choose(project.settings.stack.runtime)
    if warning:
        progress.say(warning)
    in_ci = os.environ.get("CI") == "true" and (project.root / LOCK).is_file()
    return Stack(project=project, runtime=runtime, warning=warning, frozen=frozen or in_ci)


def needs_python(project: Project) -> bool:
    """Say whether something of ours is carried out beside the pipeline, which takes a Python."""
    pipeline = project.settings.pipeline
    return pipeline.kind == "dbt" or "duckdb" in pipeline.inputs


def own_image(project: Project) -> list[Check]:
    """Check that the user's own image does what a run asks of every image; it is not built or pulled for that."""
    from sandbox.provisioner.images import custom_environment  # noqa: PLC0415 - the SDK is slow to import

    request = provisioner.request(project.settings.stack, _reader(project.root))
    assert request.own is not None
    return custom_environment.checked(
        request.own, read_lock(project), python=needs_python(project), home=home()
    )


def read_lock(project: Project) -> Lock | None:
    """Give the project's lock, if there is one."""
    path = project.root / LOCK
    if not path.is_file():
        return None
    try:
        return Lock.read(path)
    except StoreError as error:
        raise StoreError(error.message, hint=f"remove {path} and make it again: sandbox lock") from error


def _reader(folder: Path) -> Callable[[str], bytes]:
    def read(path: str) -> bytes:
        try:
            return (folder / path).read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{folder / path} cannot be read: {error.strerror}",
                hint="make it, or correct [stack] requirements",
            ) from error

    return read
