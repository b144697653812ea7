"""Compare the secret of a sample's masks with the one that is set here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.store.paths import find_home_folder
from sandbox.store.secret_environment import SECRET_VARIABLES, read_secret_variable

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Progress


def report_other_secret(project: Project, manifest: SampleManifest, progress: Progress) -> None:
    """Report that a stored sample was masked with another secret than the one set here."""
    if manifest.masking_key is None or not any(map(read_secret_variable, SECRET_VARIABLES)):
        return
    from sandbox.masking import find_secret  # noqa: PLC0415 - slow to import

    secret = find_secret(find_home_folder(), root=project.root)
    if secret is not None and secret.id != manifest.masking_key:
        progress.print_message(
            f"the sample {manifest.fingerprint[:12]} was masked with the secret {manifest.masking_key}, and {secret.id} is set here; "
            "to draw one with that: sandbox sample --refresh"
        )
