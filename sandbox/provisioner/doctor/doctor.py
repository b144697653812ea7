"""The checks of `sandbox doctor`, for the machine and the container engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sandbox.provisioner.doctor import machine_checks

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.model import Progress
    from sandbox.provisioner.doctor.check import DoctorCheck


def run_doctor(
    root: Path | None, *, home: Path, runtime: Literal["auto", "docker", "local"], progress: Progress
) -> list[DoctorCheck]:
    """Check this machine, with one action for each failure.

    The runtime ``local`` skips the container engine.
    """
    with progress.step("checking this machine"):
        checks = machine_checks.check_machine(home, root)
    if runtime == "local":
        return [*checks, machine_checks.check_local_python()]
    from sandbox.provisioner.doctor import engine_checks  # noqa: PLC0415

    with progress.step("checking the container engine"):
        engine = engine_checks.check_engine(home)
    if runtime == "auto" and not engine[0].ok:
        return [*checks, *engine, machine_checks.check_local_python()]
    return [*checks, *engine]
