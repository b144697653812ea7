"""Describe exclusions from a verdict: ignored columns, wider tolerances, changed rules, files without comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.formatting import format_count, format_duration, format_size, truncate_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.manifest.diff import AppliedTolerance, ArtifactDiff, DiffDocument, OutputDiff, RuleChange

_MAX_NAMES = 3
_MAX_LISTED = 6
_MAX_TEXT_LENGTH = 80


def summarize_reservations(document: DiffDocument) -> list[str]:
    """Return one phrase for each reservation in the verdict's line, naming the first of many columns."""
    outputs = {name: output for name, output in document.outputs.items() if not output.identical}
    kinds: dict[str, Callable[[OutputDiff], Sequence[str]]] = {
        "ignored": lambda output: output.ignored,
        "within a tolerance": lambda output: list(output.tolerances),
        "nondeterministic": lambda output: output.tainted,
    }
    phrases = ["both sides ran the same code, so no change could show"] if document.same_code else []
    for what, list_columns in kinds.items():
        names = [f"{name}.{column}" for name, output in outputs.items() for column in list_columns(output)]
        if names:
            phrases.append(f"{what}: {_join(names)}")
    if document.not_compared:
        names = [f"{entry.name} ({entry.reason})" for entry in document.not_compared]
        phrases.append(f"not compared: {_join(names)}")
    changed = [name for name, artifact in document.artifacts.items() if artifact.status != "same"]
    if changed:
        phrases.append(f"artifacts that differ: {_join(changed)}")
    if document.rule_changes:
        keys = [change.key for change in sorted(document.rule_changes, key=lambda change: not change.loosens)]
        phrases.append(f"this change also changes the rules that judge it: {_join(keys)}")
    return phrases


def describe_reservations(document: DiffDocument) -> list[str]:
    """Return one line per output with the columns excluded from the verdict, and the reasons."""
    lines = []
    for name, output in document.outputs.items():
        if output.identical:
            continue
        if output.ignored:
            lines.append(f"{name}: {_join(output.ignored, most=_MAX_LISTED)} ignored, as sandbox.toml says")
        texts: dict[str, list[str]] = {}
        for column, tolerance in output.tolerances.items():
            texts.setdefault(_describe_tolerance(tolerance), []).append(column)
        lines += [f"{name}: {_join(columns, most=_MAX_LISTED)} equal {text}" for text, columns in texts.items()]
        if output.tainted:
            verb = "changes" if len(output.tainted) == 1 else "change"
            lines.append(f"{name}: {_join(output.tainted, most=_MAX_LISTED)} {verb} from run to run")
    return lines + describe_left_out(document)


def describe_left_out(document: DiffDocument) -> list[str]:
    """Return one line for everything that was not compared."""
    return [f"{entry.name}: not compared, {entry.reason}" for entry in document.not_compared]


def describe_rule_changes(document: DiffDocument) -> list[str]:
    """Return one line for each changed rule, loosened rules first."""
    ordered = sorted(document.rule_changes, key=lambda change: not change.loosens)
    return [_describe_rule_change(change) for change in ordered]


def describe_artifacts(document: DiffDocument) -> list[str]:
    """Return one line for each kind of differing artifact."""
    lines = []
    for status in ("changed", "added", "removed", "nondeterministic"):
        names = [name for name, artifact in document.artifacts.items() if artifact.status == status]
        if names:
            lines.append(f"{format_count(len(names), 'artifact')} {status}: {_join(names, most=_MAX_LISTED)}")
    return lines


def list_artifacts(document: DiffDocument) -> list[str]:
    """Return one line for each artifact, differing ones first, with its sizes and the reason it is no table."""
    ordered = sorted(document.artifacts.items(), key=lambda item: (item[1].status == "same", item[0]))
    return [f"{truncate_text(name, _MAX_TEXT_LENGTH)}: {_describe_artifact(artifact)}" for name, artifact in ordered]


def _describe_artifact(artifact: ArtifactDiff) -> str:
    sizes = [size for size in (artifact.baseline_bytes, artifact.candidate_bytes) if size is not None]
    shown = " → ".join(dict.fromkeys(format_size(size) for size in sizes))
    reason = "" if artifact.reason is None else f"; it {artifact.reason}"
    return f"{artifact.status}, {shown}{reason}"


def describe_accepted_rows(output: OutputDiff) -> str | None:
    """Return the differences of an output explained by noise or rounding alone; None otherwise."""
    rows = output.rows
    if not rows.different or rows.different > rows.noise + rows.rounding or not output.schema_.is_same:
        return None
    count = f"{format_count(rows.different, 'row')} {'differs' if rows.different == 1 else 'differ'}"
    if not rows.noise:
        return f"{count} by rounding only"
    rounded = f"; {format_count(rows.rounding, 'row')} of them by rounding" if rows.rounding else ""
    if output.tainted:
        verb = "changes by itself" if len(output.tainted) == 1 else "change by themselves"
        return f"{count} in {_join(output.tainted)} only, which {verb}{rounded}"
    return f"{count} as two runs of the same code do{rounded}"


def _describe_rule_change(change: RuleChange) -> str:
    effect = ["loosens"] if change.loosens else []
    why = ", ".join([*effect, *([change.reason] if change.reason else [])])
    before, after = (
        "nothing" if value is None else truncate_text(value, _MAX_TEXT_LENGTH)
        for value in (change.baseline, change.candidate)
    )
    return f"{change.key}: {after} instead of {before}" + (f" ({why})" if why else "")


def _describe_tolerance(tolerance: AppliedTolerance) -> str:
    parts = []
    if tolerance.abs:
        parts.append(f"within {tolerance.abs:g}")
    if tolerance.rel:
        parts.append(f"within {tolerance.rel:g} of its value")
    if tolerance.time:
        parts.append(f"within {format_duration(tolerance.time)}")
    parts += [
        text
        for applies, text in (
            (not tolerance.case, "without regard to case"),
            (not tolerance.space, "without regard to white space"),
            (tolerance.set, "in any order"),
        )
        if applies
    ]
    return " and ".join(parts)


def _join(names: Sequence[str], *, most: int = _MAX_NAMES) -> str:
    left = len(names) - most
    text = ", ".join(truncate_text(name, _MAX_TEXT_LENGTH) for name in names[:most])
    return text + (f" and {left:,} more" if left > 0 else "")
