"""Compare artifacts, the files that are no tables, by digest, and list everything excluded from comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.manifest.diff import ArtifactDiff, NotCompared

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Literal

    from sandbox.manifest.run import RunArtifact
    from sandbox.runner.run import Run

UNSETTLED_STATUSES = frozenset({"changed", "removed"})


@dataclass(frozen=True, kw_only=True)
class SideContents:
    """The outputs of one side besides the rows of its tables.

    Attributes:
        tables: The names of its tables.
        artifacts: Its artifacts, by path.
        not_compared: Skipped outputs by name, with the reason.
    """

    tables: Collection[str]
    artifacts: Mapping[str, RunArtifact]
    not_compared: Mapping[str, str]

    @classmethod
    def from_run(cls, run: Run) -> SideContents:
        """Return the contents of a run."""
        record = run.record
        return cls(tables=record.outputs.keys(), artifacts=record.artifacts, not_compared=record.not_compared)


def compare_artifacts(baseline: SideContents, candidate: SideContents) -> dict[str, ArtifactDiff]:
    """Compare the artifacts of both sides by their digests, sorted by path."""
    return {
        path: _compare_artifact(path, baseline, candidate)
        for path in sorted({*baseline.artifacts, *candidate.artifacts})
    }


def _compare_artifact(path: str, baseline: SideContents, candidate: SideContents) -> ArtifactDiff:
    before, after = baseline.artifacts.get(path), candidate.artifacts.get(path)
    known = before or after
    assert known is not None
    table_in: Literal["baseline", "candidate"] | None = None
    if before is None and known.output in baseline.tables:
        table_in = "baseline"
    elif after is None and known.output in candidate.tables:
        table_in = "candidate"
    return ArtifactDiff(
        status="added" if before is None else "removed" if after is None else _compare_digests(before, after),
        baseline_bytes=before.bytes if before else None,
        candidate_bytes=after.bytes if after else None,
        output=known.output,
        reason=known.reason,
        table_in=table_in,
    )


def _compare_digests(before: RunArtifact, after: RunArtifact) -> Literal["same", "changed"]:
    return "same" if (before.sha256, before.bytes) == (after.sha256, after.bytes) else "changed"


def find_unsettled_artifacts(artifacts: Mapping[str, ArtifactDiff]) -> list[str]:
    """Return the differing artifacts that may be nondeterministic: a noise run decides."""
    return [path for path, artifact in artifacts.items() if artifact.status in UNSETTLED_STATUSES]


def mark_nondeterministic_artifacts(
    artifacts: Mapping[str, ArtifactDiff], baseline: Run, again: Run
) -> dict[str, ArtifactDiff]:
    """Return the artifacts, marking those that differ between two runs of the baseline."""
    first, second = baseline.record.artifacts, again.record.artifacts
    return {
        path: artifact.model_copy(update={"status": "nondeterministic"})
        if artifact.status in UNSETTLED_STATUSES
        and (path not in second or _compare_digests(first[path], second[path]) == "changed")
        else artifact
        for path, artifact in artifacts.items()
    }


def list_not_compared(baseline: SideContents, candidate: SideContents) -> list[NotCompared]:
    """Return the skipped outputs of either side, sorted by name."""
    skipped = []
    for name in sorted({*baseline.not_compared, *candidate.not_compared}):
        before, after = baseline.not_compared.get(name), candidate.not_compared.get(name)
        if before is not None and after is not None:
            reason = before if before == after else f"in the baseline {before}, in the candidate {after}"
        else:
            reason = f"{before}, in the baseline" if before is not None else f"{after}, in the candidate"
        skipped.append(NotCompared(name=name, reason=reason))
    return skipped
