"""Checks whether this machine can do what a sandbox needs."""

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
    """Check this machine, and say one thing to do for each failure.

    Args:
        root: A project's folder, if there is one.
        home: What all projects share.
        runtime: What the project wants to run in; the engine is not looked at for ``local``.
        progress: Shows what is being checked.
    """
    with progress.step("checking this machine"):
        found = machine_checks.check_machine(home, root)
    if runtime == "local":
        return [*found, machine_checks.check_local_python()]
    # Imports the Docker SDK, which a check of the local runtime need not pay.
    from sandbox.provisioner.doctor import engine_checks  # noqa: PLC0415

    with progress.step("checking the container engine"):
        engine = engine_checks.check_engine(home)
    if runtime == "auto" and not engine[0].ok:
        return [*found, *engine, machine_checks.check_local_python()]
    return [*found, *engine]
