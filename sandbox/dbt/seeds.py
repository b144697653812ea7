"""Find seeds that are part of the source and differ between the two versions: a change of data, not of code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.dbt.runs import find_seed_files
from sandbox.manifest.diff import NotCompared
from sandbox.model import WORKING_TREE

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.runner.code.checkout import CodeCheckout


def list_changed_seeds(project: Project, baseline: CodeCheckout, candidate: CodeCheckout) -> list[NotCompared]:
    """Return the seeds of the source with other contents in the candidate; both sides ran on the same sample of them."""
    changed = []
    for path, _ in sorted(find_seed_files(project).values(), key=lambda entry: entry[0]):
        before = baseline.read_committed(path)
        after = _read_candidate(project, candidate, path)
        if before is None or before == after:
            continue
        if after is None:
            text = "is gone"
        elif before.splitlines()[:1] != after.splitlines()[:1]:
            text = "has other columns"
        else:
            text = "has other rows"
        reason = (
            f"it {text} than at {baseline.version.ref}: it is part of the source, so this is a change of data, and both "
            "sides ran on the sample as it was drawn; to draw it anew: sandbox sample --refresh"
        )
        changed.append(NotCompared(name=path, reason=reason))
    return changed


def _read_candidate(project: Project, candidate: CodeCheckout, path: str) -> bytes | None:
    if candidate.version.ref != WORKING_TREE:
        return candidate.read_committed(path)
    file = project.root / path
    return file.read_bytes() if file.is_file() else None
