"""``sandbox why --change``: attribute the differing rows to the parts of the change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.impact.attribution.attribute import attribute_change
from sandbox.impact.diff import open_comparison
from sandbox.manifest.why.cause import OutputCause
from sandbox.report.why.stored_causes import add_causes, write_or_find_document
from sandbox.store.folder import choose_modes, make_staging_folder, write_file

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.impact.options import DiffOptions, DiffVersions
    from sandbox.manifest.why.attribution import AttributionDocument
    from sandbox.model import Progress
    from sandbox.runner.code.code_parts import PartKind

ATTRIBUTION_FILE = "change.json"


@dataclass(frozen=True, kw_only=True)
class AttributionResult:
    """The attribution, and its file beside the report."""

    document: AttributionDocument
    path: Path

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox why --change --json``."""
        return {**self.document.to_dict(), "path": str(self.path)}


def why_change(
    project: Project, versions: DiffVersions, kind: PartKind | None, options: DiffOptions, *, progress: Progress
) -> AttributionResult:
    """Compare two versions, and attribute the differing rows to files or hunks of the change.

    Raises:
        UsageError: No code differs, or the change has too many parts.
        SandboxError: A version could not be judged.
    """
    with (
        open_comparison(project, versions, options, progress=progress) as comparison,
        make_staging_folder(project.state_folder, label="why") as folder,
    ):
        stored = write_or_find_document(project, comparison.document, values=options.values)
        document = attribute_change(comparison, kind=kind, folder=folder, progress=progress)
    assert stored.folder is not None
    path = stored.folder / ATTRIBUTION_FILE
    write_file(path, document.to_json_text(), mode=choose_modes()[1])
    causes = {
        name: OutputCause(rows=output.rows, explanations=output.explanations)
        for name, output in document.outputs.items()
        if output.explanations
    }
    add_causes(project, stored.folder, causes)
    return AttributionResult(document=document, path=path)
