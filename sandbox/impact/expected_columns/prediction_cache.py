"""Cache the expected columns of a diff, whose runs and comparison are those of an earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox import __version__
from sandbox.impact.check_records import read_record, write_record
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.why.expected_columns import ExpectedColumns, ExpectedColumnsRecord

if TYPE_CHECKING:
    from sandbox.impact.document import DiffFindings
    from sandbox.impact.sides import RunnableSide
    from sandbox.runner.run import Run


def load_or_predict_columns(
    baseline: RunnableSide, candidate: RunnableSide, findings: DiffFindings, *, fresh: bool
) -> dict[str, ExpectedColumns]:
    """Return the columns of each compared output by whether the change leads to them (see `predict_columns`).

    Args:
        baseline: The baseline.
        candidate: The candidate.
        findings: The comparison of their runs.
        fresh: Whether to ignore the cached prediction.

    Raises:
        StoreError: A run's record is damaged.
    """
    first, second = findings.baseline_run, findings.candidate_run
    if first is None or first.version.tree == second.version.tree:
        return {}
    folder = baseline.context.project.state_folder
    identity = _compute_identity(findings, first, second)
    known = None if fresh else read_record(ExpectedColumnsRecord, folder, identity)
    if known is not None:
        return known.outputs
    from sandbox.impact.expected_columns.predict import predict_columns  # noqa: PLC0415 - slow to import

    outputs = predict_columns(baseline, candidate, first, second, findings.outputs)
    write_record(folder, ExpectedColumnsRecord(identity=identity, outputs=outputs))
    return outputs


def _compute_identity(findings: DiffFindings, first: Run, second: Run) -> str:
    """Compute a digest of everything that determines the result, this program's version included."""
    outputs = {name: output.model_dump(mode="json") for name, output in findings.outputs.items()}
    runs = [[run.record.id, run.record.identity, run.version.tree] for run in (first, second)]
    return hash_json({"version": __version__, "runs": runs, "outputs": outputs})
