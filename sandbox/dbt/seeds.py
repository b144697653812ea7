"""Find seeds that are part of the source and differ between the two versions: a change of data, not of code."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from sandbox.dbt.runs import find_seed_files
from sandbox.manifest.diff import NotCompared
from sandbox.model import WORKING_TREE

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.manifest.sample import SampleManifest
    from sandbox.runner.code.checkout import CodeCheckout


REFRESH_COMMAND = "sandbox sample --refresh"


def list_changed_seeds(
    project: Project, manifest: SampleManifest, baseline: CodeCheckout, candidate: CodeCheckout
) -> list[NotCompared]:
    """Return the seeds of the source with other contents in the candidate; both sides ran on the same sample of them."""
    changed = []
    for table, (path, file) in sorted(find_seed_files(project).items(), key=lambda item: item[1][0]):
        before = baseline.read_committed(path)
        after = _read_candidate(project, candidate, path)
        if before is None or before == after:
            continue
        drawn = manifest.source.get(table, [])
        is_current = [(one.bytes, one.modified) for one in drawn] == [(file.bytes, file.modified)]
        is_drawn = is_current and candidate.version.ref == WORKING_TREE
        reason = describe_seed_change(before, after, ref=baseline.version.ref, is_drawn=is_drawn)
        changed.append(NotCompared(name=path, reason=reason))
    return changed


def describe_seed_change(before: bytes, after: bytes | None, *, ref: str, is_drawn: bool) -> str:
    """Describe an edited seed of the source, and what to do about it.

    Args:
        before: Its contents in the baseline.
        after: Those in the candidate; None if it is gone.
        ref: The baseline's git ref.
        is_drawn: Whether the sample was drawn from the candidate's contents.
    """
    if after is None:
        return f"it is gone, and it is part of the source: both sides ran on it as it was drawn at {ref}"
    old, new = (_read_header(text) for text in (before, after))
    added, removed = [name for name in new if name not in old], [name for name in old if name not in new]
    texts = [f"has the new {_join_columns(added)}"] if added else []
    texts += [f"has no {_join_columns(removed)} any more"] if removed else []
    start = f"it {' and '.join(texts)}" if texts else f"it has other rows than at {ref}"
    if is_drawn:
        return (
            f"{start}: it is part of the source, so this is a change of data, and both sides ran on the sample of its new "
            "contents; what the edit itself changes is not compared"
        )
    brings = (
        f"to run both sides with {'it' if len(added) == 1 else 'them'}"
        if added
        else "to run both sides on its new contents"
    )
    return (
        f"{start}: it is part of the source, so this is a change of data, and both sides ran on the sample as it was "
        f"drawn; {brings}: {REFRESH_COMMAND}"
    )


def _join_columns(names: list[str]) -> str:
    return f"column{'s' * (len(names) > 1)} {', '.join(names)}"


def _read_header(text: bytes) -> list[str]:
    """Read the names in the header line of a CSV file."""
    line = text.decode("utf-8-sig", "replace").partition("\n")[0]
    return next(csv.reader([line.rstrip("\r")]), [])


def _read_candidate(project: Project, candidate: CodeCheckout, path: str) -> bytes | None:
    if candidate.version.ref != WORKING_TREE:
        return candidate.read_committed(path)
    file = project.root / path
    return file.read_bytes() if file.is_file() else None
