"""Prepare a run's setup besides its code: sandbox's programs, stub files, and the output of an earlier run."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.containers.protocol import Mount
from sandbox.errors import ConfigError
from sandbox.runner import programs

if TYPE_CHECKING:
    from collections.abc import Mapping

SETUP_MOUNT = "/sandbox/kit"
STATE_MOUNT = "/sandbox/state"
DATABASE_PROGRAM = "database.py"


@dataclass(frozen=True, kw_only=True)
class RunSetup:
    """The setup for one kind of pipeline.

    Attributes:
        files: Files mounted read-only in the folder ``$SANDBOX_KIT``.
        stubs: Replacement contents of files of the code, by path.
        cleared: Folders of the code that are removed before.
        links: Links in the code: their targets by their paths, both below the project.
        state: The output of an earlier run, mounted read-only as ``$SANDBOX_STATE``.
        state_run_id: The id of that run: another run of the same identity may have different outputs.
        setup_command: A shell command run before the pipeline's; the pipeline runs only if it succeeds.
        outputs: Variables with the path of a file in the output folder; the file is an output if it has tables.
        kept_folders: Entries of the output folder written by a sandbox program for later runs; they are no outputs.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    stubs: Mapping[str, bytes] = field(default_factory=dict)
    cleared: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    state: Path | None = None
    state_run_id: str | None = None
    setup_command: str | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    kept_folders: tuple[str, ...] = ()

    @property
    def identity(self) -> dict[str, Any]:
        """The properties of the setup that can change a run's outputs."""
        return {
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(self.files.items())},
            "stubs": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(self.stubs.items())},
            "since": self.state_run_id,
            **({"cleared": list(self.cleared)} if self.cleared else {}),
            **({"links": dict(self.links)} if self.links else {}),
            **({"before": self.setup_command, "outputs": dict(self.outputs)} if self.setup_command else {}),
        }

    def drop_state(self) -> RunSetup:
        """Return the setup without an earlier run's output: that is of another sample."""
        return dataclasses.replace(self, state=None, state_run_id=None)

    def wrap_command(self, pipeline: str) -> str:
        """Return the shell command to run the setup command and the pipeline."""
        return f"{self.setup_command} || exit\n{pipeline}" if self.setup_command else pipeline


def build_database_setup() -> RunSetup:
    """Build the setup to create the DuckDB file ``$SANDBOX_DATABASE``, for one run alone."""
    program = Path(programs.__file__).with_name(DATABASE_PROGRAM)
    return RunSetup(
        files={DATABASE_PROGRAM: program.read_bytes()},
        setup_command=f'python "$SANDBOX_KIT/{DATABASE_PROGRAM}"',
        outputs={"SANDBOX_DATABASE": "database.duckdb"},
    )


def write_setup(kit: RunSetup, folder: Path, code: Path) -> dict[str, Mount]:
    """Write a setup into an existing, empty folder and into the code; return its mounts by variable.

    Raises:
        ConfigError: A link in the code leads out of it.
    """
    for name, content in kit.files.items():
        (folder / name).write_bytes(content)
    for name in kit.cleared:
        shutil.rmtree(_resolve_inside(code, name), ignore_errors=True)
    for name, content in kit.stubs.items():
        path = _resolve_inside(code, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name, target in kit.links.items():
        link = code / name
        if link.is_symlink():
            link.unlink()
        link = _resolve_inside(code, name)
        shutil.rmtree(link, ignore_errors=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(code / target, link.parent), target_is_directory=True)
    mounts = {"SANDBOX_KIT": Mount(source=folder, target=SETUP_MOUNT)}
    if kit.state is not None:
        mounts["SANDBOX_STATE"] = Mount(source=kit.state, target=STATE_MOUNT)
    return mounts


def _resolve_inside(code: Path, name: str) -> Path:
    """Return the path of a file or folder of the code.

    Raises:
        ConfigError: A link in the code leads out of it, or the path itself is a link.
    """
    path = code / name
    if not path.parent.resolve().is_relative_to(code.resolve()) or path.is_symlink():
        raise ConfigError(f"{name} is a link, or lies behind one", hint="make it a plain file")
    return path
