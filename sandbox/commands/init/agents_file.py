"""``sandbox init --agents``: write AGENTS.md, which tells coding agents how to use sandbox in a project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.errors import UsageError
from sandbox.store.folder import write_file
from sandbox.store.paths import find_packaged_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project

AGENTS_FILE = "AGENTS.md"


@dataclass(frozen=True, kw_only=True)
class AgentsFileResult:
    """The written file."""

    file: Path

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox init --agents --json``."""
        return {"format_version": 1, "files": [str(self.file)]}


def init_agents(project: Project, *, overwrite: bool) -> AgentsFileResult:
    """Write the file beside ``sandbox.toml``.

    Raises:
        UsageError: There is one already, and it may not be overwritten.
    """
    target = project.root / AGENTS_FILE
    source = find_packaged_folder("templates") / AGENTS_FILE
    if target.exists() and not overwrite:
        raise UsageError(
            f"{target} is there already",
            hint=f"to overwrite it: sandbox init --agents --yes; to add to it: cat '{source}' >> {AGENTS_FILE}",
        )
    write_file(target, source.read_bytes())
    return AgentsFileResult(file=target)
