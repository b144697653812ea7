"""``sandbox doctor``: check this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sandbox.commands.cleanup.inventory import leftovers
from sandbox.formatting import many
from sandbox.model import is_own_image
from sandbox.project.stack import own_image
from sandbox.provisioner.doctor import doctor as stack
from sandbox.provisioner.doctor.check import bad, carried_out, good
from sandbox.store.paths import home

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.model import Progress
    from sandbox.provisioner.doctor.check import Check

LEFT = "what was left behind"
SHOWN = 3


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
    project: Project | None, *, runtime: Literal["auto", "docker", "local"], progress: Progress
) -> Diagnosis:
    """Check what a sandbox needs; of a project also its own image, if it names one."""
    root = project.root if project else None
    checks = stack.doctor(root, home=home(), runtime=runtime, progress=progress)
    with progress.step("looking for what was left behind"):
        checks.append(carried_out(LEFT, _left))
    if project is not None and is_own_image(project.settings.stack.image):
        with progress.step("trying what runs ask of the image"):
            checks += own_image(project)
    return Diagnosis(checks=checks)


def _left() -> Check:
    found = leftovers(home())
    if not found:
        return good(LEFT, "nothing")
    shown = ", ".join(f"{one.name} ({one.what})" for one in found[:SHOWN])
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return bad(LEFT, f"{many(len(found), 'thing')}: {shown}{more}", "sandbox gc", [one.name for one in found])
