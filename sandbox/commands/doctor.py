"""``sandbox doctor``: check this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sandbox.stack import doctor as stack
from sandbox.store.places import home

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.model import Progress
    from sandbox.stack.checks import Check


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Every check, with a fix for each that failed."""

    checks: list[Check]

    @property
    def healthy(self) -> bool:
        """True where no check failed."""
        return all(check.ok is not False for check in self.checks)

    def fields(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox doctor --json``."""
        return {
            "format_version": 1,
            "healthy": self.healthy,
            "checks": [check.fields() for check in self.checks],
        }


def doctor(
    root: Path | None, *, runtime: Literal["auto", "docker", "local"], progress: Progress
) -> Diagnosis:
    """Check what a sandbox needs; ``root`` is a project's folder, if there is one."""
    return Diagnosis(checks=stack.doctor(root, home=home(), runtime=runtime, progress=progress))
