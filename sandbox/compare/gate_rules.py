"""The rules of the gate that concern no single output: artifacts, what was not compared, changes of the rules. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.compare.gate_limits import render_accept_line
from sandbox.config.sections.outputs import GATE_DEFAULTS
from sandbox.formatting import format_count
from sandbox.manifest.diff import GateResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sandbox.config.sections.outputs import GateSection
    from sandbox.manifest.diff import ArtifactDiff, NotCompared, OutputDiff, RuleChange
    from sandbox.manifest.why.expected_columns import ExpectedColumns

_MAX_NAMES = 5


def get_limit(rule: str, gate: GateSection, own: GateSection | None = None) -> float | str:
    """Return what is accepted by one key of the gate: the output's own value, else the gate's, else the default."""
    attribute = "schema_" if rule == "schema" else rule
    for section in (own, gate):
        limit: float | str | None = getattr(section, attribute) if section is not None else None
        if limit is not None:
            return limit
    return GATE_DEFAULTS[rule]


def evaluate_artifacts(artifacts: Mapping[str, ArtifactDiff], gate: GateSection) -> Iterator[GateResult]:
    """Judge artifacts: one result for those that changed, and one for those of one side, where there are any."""
    for rule, status in (("artifacts", "changed"), ("added", "added"), ("removed", "removed")):
        names = [name for name, artifact in artifacts.items() if artifact.status == status]
        if names or (artifacts and rule == "artifacts"):
            limit = str(get_limit(rule, gate))
            found = f"{format_count(len(names), 'artifact')} {status}: {_join_names(names)}" if names else "same"
            yield _judge(rule, limit, held=limit == "any" or not names, found=found)


def evaluate_classification(
    artifacts: Mapping[str, ArtifactDiff], gate: GateSection, per_output: Mapping[str, GateSection]
) -> Iterator[GateResult]:
    """Judge outputs that are a table on one side only because the other side's files cannot be read as one."""
    found = {artifact.output: artifact for artifact in artifacts.values() if artifact.output and artifact.table_in}
    for name, artifact in found.items():
        limit = str(get_limit("schema", gate, per_output.get(name)))
        held = limit == "any"
        other = "candidate" if artifact.table_in == "baseline" else "baseline"
        yield GateResult(
            rule="schema",
            output=name,
            limit=limit,
            held=held,
            found=f"a table in the {artifact.table_in}, in the {other} it {artifact.reason}",
            accept=None if held else render_accept_line("schema", "any", output=name),
        )


def evaluate_nondeterministic(name: str, output: OutputDiff, gate: GateSection, own: GateSection | None) -> GateResult:
    """Judge the distributions of an output's nondeterministic columns; one that was not tested is not held."""
    limit = str(get_limit("nondeterministic", gate, own))
    unlike = [
        f"{column}: {test.finding} (p {test.p_value:.1g})"
        for column, test in output.nondeterministic.items()
        if not test.is_alike
    ]
    unlike += [f"{column}: not tested" for column in output.tainted if column not in output.nondeterministic]
    held = limit == "any" or not unlike
    return GateResult(
        rule="nondeterministic",
        output=name,
        limit=limit,
        held=held,
        found="; ".join(unlike[:_MAX_NAMES]) or "distributed as in two runs of the baseline",
        accept=None if held else render_accept_line("nondeterministic", "any", output=name),
    )


def evaluate_not_compared(
    left_out: Sequence[NotCompared], gate: GateSection, per_output: Mapping[str, GateSection]
) -> Iterator[GateResult]:
    """Judge what was not compared: one result over all that the gate accepts, one over all that it does not.

    What the candidate alone fails to make is removed as well: who accepts models that never work accepts no broken one.
    """
    groups: dict[str, list[str]] = {}
    for entry in left_out:
        own = per_output.get(entry.output) if entry.output is not None else None
        groups.setdefault(str(get_limit("not_compared", gate, own)), []).append(f"{entry.name} ({entry.reason})")
    for limit, names in groups.items():
        yield _judge("not_compared", limit, held=limit == "any", found=f"{len(names)}: {_join_names(names)}")
    broken: dict[str, list[str]] = {}
    for entry in left_out:
        if entry.is_broken:
            own = per_output.get(entry.output) if entry.output is not None else None
            broken.setdefault(str(get_limit("removed", gate, own)), []).append(entry.name)
    for limit, names in broken.items():
        found = f"{format_count(len(names), 'output')} of the baseline that the candidate fails to make: {_join_names(names)}"
        yield _judge("removed", limit, held=limit == "any", found=found)


def evaluate_unexpected(expected: Mapping[str, ExpectedColumns], gate: GateSection) -> Iterator[GateResult]:
    """Judge columns and rows that changed though nothing leads there: one result, if there are any."""
    found = [f"{name}.{column}" for name, columns in expected.items() for column in columns.unexpected]
    found += [f"rows of {name}" for name, columns in expected.items() if columns.unexpected_rows]
    if found:
        limit = str(get_limit("unexpected", gate))
        text = f"{len(found)} changed though nothing leads there: {_join_names(found)}"
        yield _judge("unexpected", limit, held=limit == "any", found=text)


def evaluate_rule_changes(changes: Sequence[RuleChange] | None, limit: str) -> Iterator[GateResult]:
    """Judge changes of the rules: one result over all that loosen, where there are any."""
    loosening = [change.key for change in changes or () if change.loosens]
    if loosening:
        held = limit == "any"
        found = f"{format_count(len(loosening), 'rule')} loosened: {_join_names(loosening)}"
        accept = None if held else "sandbox diff --accept-rules"
        yield GateResult(rule="rules", output=None, limit=limit, held=held, found=found, accept=accept)


def _judge(rule: str, limit: str, *, held: bool, found: str) -> GateResult:
    accept = None if held else render_accept_line(rule, "any")
    return GateResult(rule=rule, output=None, limit=limit, held=held, found=found, accept=accept)


def _join_names(names: Sequence[str]) -> str:
    left = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {left:,} more" if left > 0 else "")
