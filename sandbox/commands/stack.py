"""What ``create``, ``run`` and ``diff`` share of the stack: lock it, and make the environment of one version of the code."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import stack
from sandbox.containers.choose import choose
from sandbox.errors import ConfigError, FrozenError, StoreError
from sandbox.manifest.canonical import digest
from sandbox.manifest.lock import Lock
from sandbox.store.folder import locked, write
from sandbox.store.places import home

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.containers.protocol import Runtime
    from sandbox.model import Environment, Progress
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

    def environment(self, *, progress: Progress) -> Environment:
        """Make the environment of the working tree, and bring ``sandbox.lock`` up to date.

        Raises:
            FrozenError: The lock would have to change and may not.
        """
        with locked(self.project.state / LOCK):
            lock = self.lock(upgrade=False, progress=progress)
        return self._environment(lock, _reader(self.project), progress)

    def lock(self, *, upgrade: bool, progress: Progress) -> Lock:
        """Give the working tree's lock, resolving and writing what is not resolved yet (see `environment`)."""
        previous = read_lock(self.project)
        request = stack.request(self.project.settings.stack, _reader(self.project))
        if self.frozen and previous is None:
            raise FrozenError(
                f"there is no {LOCK}, and --frozen forbids to make one",
                hint="sandbox lock, and commit the file",
            )
        lock = stack.resolve(request, previous=previous, upgrade=upgrade, progress=progress)
        if self.frozen and previous is not None:
            stack.check_frozen(lock, previous)
        if lock != previous:
            write(self.project.root / LOCK, lock.text())
        return lock

    def environment_of(self, code: Code, *, progress: Progress) -> Environment:
        """Make the environment of one version of the code, from its own requirements and, where it has one, its own lock."""
        request = stack.request(self.project.settings.stack, code.read)
        lock = self._lock_of(request, code, progress)
        return self._environment(lock, code.read, progress)

    def _lock_of(self, request: stack.StackRequest, code: Code, progress: Progress) -> Lock:
        """Find a lock with these inputs: its commit's, the working tree's, one resolved before; else resolve it now."""
        wanted = stack.inputs(request)
        committed = code.committed(LOCK)
        locks = [Lock.parse(committed.decode(), origin=f"{LOCK} at {code.version.ref}")] if committed else []
        current = read_lock(self.project)
        for lock in [*locks, *([current] if current else [])]:
            if lock.inputs == wanted:
                return lock
        kept = self.project.state / "locks" / f"{digest(wanted.model_dump())}.json"
        if kept.is_file():
            return Lock.read(kept)
        lock = stack.resolve(request, previous=None, upgrade=False, progress=progress)
        write(kept, lock.text())
        return lock

    def _environment(self, lock: Lock, read: Callable[[str], bytes], progress: Progress) -> Environment:
        request = stack.request(self.project.settings.stack, read)
        name = self.runtime.name
        assert name != "fake"
        return stack.environment(request, lock, name, home=home(), progress=progress)


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


def read_lock(project: Project) -> Lock | None:
    """Give the project's lock, if there is one."""
    path = project.root / LOCK
    if not path.is_file():
        return None
    try:
        return Lock.read(path)
    except StoreError as error:
        raise StoreError(error.message, hint=f"remove {path} and make it again: sandbox lock") from error


def prepare_state(folder: Path) -> None:
    """Make the project's state folder, which keeps itself out of git."""
    if not (folder / ".gitignore").is_file():
        write(folder / ".gitignore", "*\n")


def _reader(project: Project) -> Callable[[str], bytes]:
    def read(path: str) -> bytes:
        try:
            return (project.root / path).read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{project.root / path} cannot be read: {error.strerror}",
                hint="make it, or correct [stack] requirements",
            ) from error

    return read
