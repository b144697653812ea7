"""A local job's place: a temporary folder with its home, named after it, that says whose it is."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.containers import ownership
from sandbox.containers.local import cgroups
from sandbox.containers.local.cgroups import ControlGroup
from sandbox.containers.local.job_processes import Group
from sandbox.errors import EngineError, StoreError
from sandbox.scratch import held_folder, temporary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.model import Limits

RECORD = "job.json"


@dataclass(frozen=True, kw_only=True)
class Place:
    """One job's folder.

    Attributes:
        folder: ``home`` and ``tmp`` lie in it.
        labels: The job's and the owner's.
        control: The job's control group; None where this process may not make one.
    """

    folder: Path
    labels: Mapping[str, str]
    control: ControlGroup | None = None

    @property
    def home(self) -> Path:
        """The job's home."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """The job's folder for temporary files."""
        return self.folder / "tmp"

    @property
    def abandoned(self) -> bool:
        """True where the process that made it is gone."""
        owning = ownership.named(self.labels)
        return owning is not None and owning.gone

    @property
    def group(self) -> Group:
        """The job's processes, told by its home alone: process numbers may be others' by now."""
        return Group(None, str(self.home), self.control)


def root() -> Path:
    """Give the folder of all places of this user, which nobody else can write to.

    Raises:
        EngineError: Somebody else made it, or it cannot be made.
    """
    try:
        return temporary()
    except StoreError as error:
        raise EngineError(error.message, hint=error.hint) from error


@contextlib.contextmanager
def made(name: str, labels: Mapping[str, str], limits: Limits) -> Iterator[Place]:
    """Give a place that is removed afterwards.

    Raises:
        EngineError: A job of this name is at work.
    """
    folder = root() / name
    control = cgroups.possible(f"sandbox-{os.getuid()}-{name}")
    place = Place(folder=folder, labels={**labels, **ownership.current().labels}, control=control)
    try:
        _make(place)
    except OSError as error:
        if error.errno in {errno.EEXIST, errno.ENOTEMPTY}:
            raise EngineError(
                f"{name} is at work already", hint="wait for it, or end it: sandbox stop"
            ) from None
        raise EngineError(f"{folder} cannot be made: {error.strerror}", hint="free some space") from error
    try:
        # Made when it is on record, so that none is left that nobody knows.
        yield place if control is None or control.make(limits) else replace(place, control=None)
    finally:
        clear(place)


def _make(place: Place) -> None:
    """Make a place whole at once: whoever looks meanwhile must not take a half for a wreck."""
    with held_folder(place.folder.parent, label=place.folder.name) as half:
        (half / place.home.name).mkdir(mode=0o700)
        (half / place.temporary.name).mkdir(mode=0o700)
        about = {"labels": place.labels, "control": _written(place.control)}
        (half / RECORD).write_text(json.dumps(about), encoding="utf-8")
        half.rename(place.folder)


def clear(place: Place) -> None:
    """Remove a place, and what a job left in it that it could not remove itself."""
    if place.control is not None:
        place.control.remove()
    for folder, names, _ in os.walk(place.folder):
        for inside in (Path(folder) / name for name in names):
            with contextlib.suppress(OSError):
                if not inside.is_symlink():
                    inside.chmod(0o700)
    shutil.rmtree(place.folder, ignore_errors=True)


def places() -> list[Place]:
    """Give all places of this user."""
    found = [_read(file) for file in sorted(root().glob(f"*/{RECORD}"))]
    return [place for place in found if place is not None]


def _written(control: ControlGroup | None) -> dict[str, str] | None:
    return {name: str(folder) for name, folder in control.folders.items()} if control else None


def _read(file: Path) -> Place | None:
    with contextlib.suppress(OSError, ValueError, KeyError, AttributeError, TypeError):
        found: Any = json.loads(file.read_text(encoding="utf-8"))
        labels = {str(name): str(value) for name, value in found["labels"].items()}
        folders = {str(name): Path(folder) for name, folder in (found["control"] or {}).items()}
        control = ControlGroup(folders=folders) if folders else None
        return Place(folder=file.parent, labels=labels, control=control)
    return None
