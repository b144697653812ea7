"""What a run is given beside its code: programs of ours, files that stand for others, and what an earlier run left."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.containers.protocol import Mount
from sandbox.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PLACE = "/sandbox/kit"
STATE = "/sandbox/state"


@dataclass(frozen=True, kw_only=True)
class Kit:
    """What one kind of pipeline needs.

    Attributes:
        files: Shown read-only in the folder ``$SANDBOX_KIT``.
        stubs: Files of the code, by path, that hold this instead of what the version has.
        state: The output of an earlier run, shown read-only as ``$SANDBOX_STATE``.
        since: The id of that run: another run of the same may have made something else.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    stubs: Mapping[str, bytes] = field(default_factory=dict)
    state: Path | None = None
    since: str | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What of it can change a run's outputs."""
        return {
            "files": {
                name: hashlib.sha256(content).hexdigest() for name, content in sorted(self.files.items())
            },
            "stubs": {
                name: hashlib.sha256(content).hexdigest() for name, content in sorted(self.stubs.items())
            },
            "since": self.since,
        }


def laid_out(kit: Kit, folder: Path, code: Path) -> dict[str, Mount]:
    """Write a kit into an existing, empty folder and into the code; gives what the run sees, by its variable.

    Raises:
        ConfigError: A link in the code would lead the writing out of it.
    """
    for name, content in kit.files.items():
        (folder / name).write_bytes(content)
    for name, content in kit.stubs.items():
        path = code / name
        if not path.parent.resolve().is_relative_to(code.resolve()) or path.is_symlink():
            raise ConfigError(f"{name} is a link, or lies behind one", hint="make it a plain file")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    mounts = {"SANDBOX_KIT": Mount(source=folder, target=PLACE)}
    if kit.state is not None:
        mounts["SANDBOX_STATE"] = Mount(source=kit.state, target=STATE)
    return mounts
