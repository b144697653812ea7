"""``sandbox diff``: run baseline and candidate on the sample, compare the outputs and write the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.impact.diff import compare_versions
from sandbox.report.files import DiffResult, write_document
from sandbox.report.why.stored_causes import add_known_causes

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.impact.options import DiffOptions, DiffVersions
    from sandbox.model import Progress


def diff(project: Project, versions: DiffVersions, options: DiffOptions, *, progress: Progress) -> DiffResult:
    """Compare two versions on the project's sample and write the report, preparing sample and stack if needed.

    Raises:
        SandboxError: A version could not be judged; there is no verdict then.
    """
    document = compare_versions(project, versions, options, progress=progress)
    return write_document(project, add_known_causes(project, document), values=options.values)
