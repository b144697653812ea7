"""Cache the last comparison of two runs.

A run is reused only while its outputs are byte for byte the recorded ones. So equal digests of outputs, compared by
equal rules on one sample, have equal results. A record counts only with this installation's signature.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

from sandbox import __version__
from sandbox.errors import StoreError
from sandbox.impact.compare_outputs import compare_tables, find_identical_outputs
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.comparison import ComparisonRecord
from sandbox.runner.output_records import list_output_tables
from sandbox.store.folder import write_file
from sandbox.store.seal_key import load_seal_key

if TYPE_CHECKING:
    from sandbox.compare import OutputRules
    from sandbox.compare.units.sampled_units import UnitTableDraw
    from sandbox.impact.compare_outputs import ComparisonOptions
    from sandbox.impact.sides import SideContext
    from sandbox.manifest.diff import OutputDiff
    from sandbox.model import Progress
    from sandbox.runner.run import Run

CACHE_FILE = "comparisons/last.json"


def compare_runs(
    ground: SideContext, runs: tuple[Run, Run], terms: ComparisonOptions, *, fresh: bool, progress: Progress
) -> dict[str, OutputDiff]:
    """Compare the outputs of two runs, or return the last comparison if it has the same identity.

    Args:
        ground: The context of both sides.
        runs: The baseline's and the candidate's run.
        terms: The options of the comparison.
        fresh: Whether to ignore the cached comparison.
        progress: Shows one step for each compared output.
    """
    path = ground.project.state_folder / CACHE_FILE
    identity = _compute_identity(ground.sample.sample.fingerprint, runs, terms)
    if path.is_file() and not fresh:
        with contextlib.suppress(StoreError):  # a damaged or forged record is replaced
            record = ComparisonRecord.read(path, key=load_seal_key())
            if record.identity == identity:
                return record.outputs
    baseline, candidate = (list_output_tables(run.output_folder, run.record.outputs) for run in runs)
    same = find_identical_outputs(*runs, terms.rules)
    outputs = compare_tables(baseline, candidate, terms, identical=same, progress=progress)
    record = ComparisonRecord(identity=identity, outputs=outputs)
    write_file(path, record.to_json_text(key=load_seal_key()), mode=0o600)
    return outputs


def _compute_identity(fingerprint: str, runs: tuple[Run, Run], terms: ComparisonOptions) -> str:
    """Compute a digest of everything that determines a comparison's result, this program's version included."""
    outputs = [{name: output.model_dump(mode="json") for name, output in run.record.outputs.items()} for run in runs]
    return hash_json(
        {
            "version": __version__,
            "sample": fingerprint,
            "outputs": outputs,
            "rules": {name: serialize_rules(rules) for name, rules in terms.rules.items()},
            "units": [[table, list(key)] for table, key in terms.units.items()],
            "draws": {name: _describe_draw(draw) for name, draw in (terms.draws or {}).items()},
        }
    )


def _describe_draw(draw: UnitTableDraw) -> dict[str, Any]:
    """Describe what a draw's estimates depend on beside its fingerprint."""
    return {"called": draw.called, "sizes": [size.model_dump(mode="json") for size in draw.sizes]}


def serialize_rules(rules: OutputRules) -> dict[str, Any]:
    """Serialize rules in a form independent of the process."""
    fields = dataclasses.asdict(dataclasses.replace(rules, references=()))
    fields["references"] = [[one.column, one.unit, one.link.table, one.link.key] for one in rules.references]
    if not rules.references:
        del fields["references"]  # as in records of earlier versions
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in fields.items()}
