"""``sandbox doctor``: check this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sandbox.commands.cleanup.inventory import find_leftovers
from sandbox.formatting import format_count
from sandbox.model import is_custom_image
from sandbox.project.stack import check_custom_image
from sandbox.provisioner.doctor import doctor as stack
from sandbox.provisioner.doctor.check import fail_check, pass_check, run_check
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.model import Progress
    from sandbox.provisioner.doctor.check import DoctorCheck

RuntimeChoice = Literal["auto", "docker", "local"]
LEFTOVERS_CHECK = "leftovers"
MAX_SHOWN_LEFTOVERS = 3


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """All checks, with a fix for each failure."""

    checks: list[DoctorCheck]

    @property
    def is_healthy(self) -> bool:
        """Whether no check failed."""
        return all(check.ok is not False for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox doctor --json``."""
        return {
            "format_version": 1,
            "healthy": self.is_healthy,
            "checks": [check.fields() for check in self.checks],
        }


def doctor(project: Project | None, *, runtime: RuntimeChoice, progress: Progress) -> Diagnosis:
    """Check the requirements of a sandbox, and of a project's own image, if any."""
    root = project.root if project else None
    checks = stack.run_doctor(root, home=find_home_folder(), runtime=runtime, progress=progress)
    with progress.step("finding leftovers"):
        checks.append(run_check(LEFTOVERS_CHECK, _check_leftovers))
    if project is not None and is_custom_image(project.settings.stack.image):
        with progress.step("testing the image"):
            checks += check_custom_image(project)
    return Diagnosis(checks=checks)


def _check_leftovers() -> DoctorCheck:
    leftovers = find_leftovers(find_home_folder())
    if not leftovers:
        return pass_check(LEFTOVERS_CHECK, "none")
    shown = ", ".join(f"{leftover.name} ({leftover.description})" for leftover in leftovers[:MAX_SHOWN_LEFTOVERS])
    more = f" and {len(leftovers) - MAX_SHOWN_LEFTOVERS} more" if len(leftovers) > MAX_SHOWN_LEFTOVERS else ""
    return fail_check(
        LEFTOVERS_CHECK,
        f"{format_count(len(leftovers), 'thing')}: {shown}{more}",
        "sandbox gc",
        [leftover.name for leftover in leftovers],
    )
