"""Redact a comparison: remove the values of rows, keep counts, shares, sums and names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.manifest.diff import (
        ColumnChanges,
        ColumnProfile,
        ColumnSummary,
        DataTestResult,
        DbtBuild,
        DiffDocument,
        GateResult,
        NotCompared,
        OutputDiff,
        RowSegment,
    )
    from sandbox.manifest.output_estimate import OutputEstimate

COMPILED_LABEL = "compiled: "
"""Start of a difference of compiled code; see `DbtBuild`."""
REDACTED_MESSAGE = "the engine's message is not shown, because it may hold values of rows"


def redact_document(document: DiffDocument) -> DiffDocument:
    """Return the document for readers without access to rows; no report made from it shows a row's value.

    Examples are removed. Distributions lose minimum, maximum, quantiles, edges and frequent values. Segments keep their
    columns and shares, and estimates by cell are removed. A column's largest change is removed, because it is the change of a single row. Mean and total
    are removed if only one row changed.
    """
    return document.model_copy(
        update={
            "values": False,
            "outputs": {name: _redact_output(output) for name, output in document.outputs.items()},
            "tests": [_redact_test(test) for test in document.tests],
            "dbt": _redact_build(document.dbt) if document.dbt else None,
            "not_compared": [_redact_entry(entry) for entry in document.not_compared],
            "gate": [_redact_result(result, document.not_compared) for result in document.gate],
        }
    )


def _redact_entry(entry: NotCompared) -> NotCompared:
    return entry.model_copy(update={"reason": _remove_quotes(entry.reason, [entry]), "quoted": []})


def _redact_result(result: GateResult, entries: Sequence[NotCompared]) -> GateResult:
    return result.model_copy(update={"found": _remove_quotes(result.found, entries)})


def _remove_quotes(text: str, entries: Sequence[NotCompared]) -> str:
    for quoted in sorted({text for entry in entries for text in entry.quoted}, key=len, reverse=True):
        text = text.replace(quoted, REDACTED_MESSAGE)
    return text


def _redact_build(build: DbtBuild) -> DbtBuild:
    """Return the build without compiled code, which may hold values that a template asked for."""
    kept = {name: text for name, text in build.code_changes.items() if not text.startswith(COMPILED_LABEL)}
    return build.model_copy(update={"code_changes": kept})


def _redact_output(output: OutputDiff) -> OutputDiff:
    return output.model_copy(
        update={
            "examples": [],
            "columns": {name: _redact_column(column) for name, column in output.columns.items()},
            "profiles": {name: _redact_profile(profile) for name, profile in output.profiles.items()},
            "segments": [_redact_segment(segment) for segment in output.segments],
            "estimate": _redact_estimate(output.estimate),
        }
    )


def _redact_estimate(estimate: OutputEstimate) -> OutputEstimate:
    """Return the estimate without cells, which are named by values."""
    if estimate.groups is None:
        return estimate
    return estimate.model_copy(update={"groups": estimate.groups.model_copy(update={"cells": []})})


def _redact_column(column: ColumnChanges) -> ColumnChanges:
    alone = {"mean_change": None, "total_change": None} if column.changed == 1 else {}
    return column.model_copy(update={"max_change": None, **alone})


def _redact_profile(profile: ColumnProfile) -> ColumnProfile:
    histogram = profile.histogram
    return profile.model_copy(
        update={
            "baseline": _redact_spread(profile.baseline),
            "candidate": _redact_spread(profile.candidate),
            "histogram": histogram.model_copy(update={"edges": []}) if histogram else None,
            "top": [],
        }
    )


def _redact_spread(spread: ColumnSummary) -> ColumnSummary:
    alone = {"mean": None} if spread.rows - spread.nulls == 1 else {}
    return spread.model_copy(update={"min": None, "max": None, "quantiles": [], **alone})


def _redact_segment(segment: RowSegment) -> RowSegment:
    bare = [slice_.model_copy(update={"values": [], "low": None, "high": None}) for slice_ in segment.slices]
    return segment.model_copy(update={"slices": bare})


def _redact_test(test: DataTestResult) -> DataTestResult:
    return test.model_copy(update={"problems": dict.fromkeys(test.problems, REDACTED_MESSAGE)})
