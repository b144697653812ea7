"""Find the nodes of dbt runs that failed: neither they nor what depends on them can be compared."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sandbox.dbt.tests import read_build_record
from sandbox.errors import PipelineError
from sandbox.formatting import format_count
from sandbox.manifest.diff import NotCompared
from sandbox.runner.logs import append_log_lines

if TYPE_CHECKING:
    from collections.abc import Collection

    from sandbox.dbt.tests import FailureRecord
    from sandbox.runner.run import Run

MAX_ADVICES = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class _SideNode:
    """A node on one side: why it failed, whether the side's project has it, and the rows of its output."""

    failure: FailureRecord | None
    is_known: bool
    rows: int | None


def check_nodes(run: Run) -> None:
    """Check that no node of a run failed.

    Raises:
        PipelineError: One failed; the message has the end of the run's log, which names each.
    """
    record = read_build_record(run)
    if record is None or not record.failed:
        return
    own = [entry.name for entry in record.failed.values() if not entry.parent]
    after = len(record.failed) - len(own)
    message = f"the pipeline at {run.record.code.ref}: {', '.join(sorted(own))} failed"
    if after:
        message += f", so {format_count(after, 'other was', 'others were')} not built"
    raise PipelineError(append_log_lines(message, run.folder), hint=f"the whole log: {run.folder / 'stderr.log'}")


def list_failed_nodes(baseline: Run | None, candidate: Run, *, production: Collection[str] = ()) -> list[NotCompared]:
    """Return the nodes that failed on either side, with the reason, sorted by name; what failed itself comes first.

    ``production`` are the outputs that production made, if these take the place of the baseline's run.
    """
    entries = []
    for key in sorted({key for run in (baseline, candidate) for key in _read_failed(run)}):
        before, after = _read_node(baseline, key), _read_node(candidate, key)
        known = after.failure or before.failure
        assert known is not None
        reason = _describe_production(after) if baseline is None else _describe_sides(before, after)
        causes = {side.failure.cause for side in (before, after) if side.failure is not None}
        entry = NotCompared(
            name=known.name,
            reason=reason,
            output=known.output,
            quoted=sorted(cause for cause in causes if cause),
            is_broken=after.failure is not None and (before.rows is not None or known.output in production),
        )
        entries.append((bool(known.parent), entry.name, entry))
    return [entry for *_, entry in sorted(entries, key=lambda item: item[:2])]


def list_failure_advice(baseline: Run | None, candidate: Run) -> list[str]:
    """Return what to do about failed nodes, where it is known."""
    advice = {
        entry.name: entry.advice
        for run in (baseline, candidate)
        for entry in _read_failed(run).values()
        if entry.advice and not entry.parent
    }
    lines = [f"{name}: {text}" for name, text in sorted(advice.items())]
    more = len(lines) - MAX_ADVICES
    return [
        *lines[:MAX_ADVICES],
        *([f"{more} more failed; each run's stderr.log has all messages"] if more > 0 else []),
    ]


def drop_outputs(run: Run, names: Collection[str]) -> Run:
    """Return a run without some outputs, for comparisons; its record on the disk stays as it is."""
    left = {name: output for name, output in run.record.outputs.items() if name not in names}
    return dataclasses.replace(run, record=run.record.model_copy(update={"outputs": left}))


def _read_failed(run: Run | None) -> dict[str, FailureRecord]:
    record = read_build_record(run) if run is not None else None
    return record.failed if record is not None else {}


def _read_node(run: Run | None, key: str) -> _SideNode:
    record = read_build_record(run) if run is not None else None
    if run is None or record is None:
        return _SideNode(failure=None, is_known=False, rows=None)
    output = run.record.outputs.get(record.outputs.get(key, ""))
    return _SideNode(
        failure=record.failed.get(key), is_known=key in record.places, rows=output.rows if output else None
    )


def _describe_production(after: _SideNode) -> str:
    assert after.failure is not None
    return f"it {_describe_failure(after.failure)} in the candidate"


def _describe_sides(before: _SideNode, after: _SideNode) -> str:
    if before.failure is not None and after.failure is not None:
        texts = [_describe_failure(side.failure) for side in (before, after) if side.failure is not None]
        if texts[0] == texts[1]:
            return f"in both versions it {texts[0]}"
        return f"in the baseline it {texts[0]}; in the candidate it {texts[1]}"
    if after.failure is not None:
        text = f"in the candidate it {_describe_failure(after.failure)}"
        return f"{text}; {_describe_success('the baseline', before)}" if before.is_known else f"{text}; it is new"
    assert before.failure is not None
    text = f"in the baseline it {_describe_failure(before.failure)}"
    if not after.is_known:
        return f"{text}; the candidate does not have it any more"
    return f"{text}; {_describe_success('the candidate', after)}, with nothing to compare"


def _describe_success(side: str, node: _SideNode) -> str:
    rows = "builds it" if node.rows is None else f"makes {format_count(node.rows, 'row')}"
    return f"{side} {rows}"


def _describe_failure(failure: FailureRecord) -> str:
    if failure.parent:
        return f"is not built, because {failure.parent} fails"
    return f"fails: {failure.cause}"
