"""Write the opening sentence of a report: the differences, their share of production, place, cause and smallest case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.formatting import format_count, format_number
from sandbox.report import estimates, findings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.manifest.diff import DiffDocument
    from sandbox.manifest.why.attribution import RowExplanation
    from sandbox.manifest.why.cause import OutputCause


def write_lead(document: DiffDocument) -> str:
    """Return the finding in one sentence, with each detail of the most important output if it is known."""
    name = _find_lead_output(document)
    if name is None:
        return findings.summarize_diff(document)
    output, cause = document.outputs[name], document.causes.get(name)
    details = [estimates.describe_affected_units(output)]
    details += [findings.describe_segment(segment, shares=False) for segment in output.segments[:1]]
    if cause is not None:
        details += [_describe_main_part(cause), _describe_smallest_case(cause)]
    return findings.summarize_diff(document, [detail for detail in details if detail])


def locate_other_differences(document: DiffDocument) -> list[str]:
    """Return the segments of all outputs but the one of the opening sentence."""
    return findings.locate_differences(document, beside=_find_lead_output(document))


def describe_causes(document: DiffDocument) -> list[str]:
    """Return the parts of the change with the rows of each, one line per output, beyond the opening sentence."""
    lead, lines = _find_lead_output(document), []
    for name, cause in document.causes.items():
        parts = [
            f"{describe_explained_rows(explanation)}: {describe_parts(explanation)}"
            for explanation in cause.explanations
        ]
        if parts and (len(parts) > 1 or name != lead):
            lines.append(f"{name}: {'; '.join(parts)}")
        if cause.smallest and name != lead:
            lines.append(f"{name}: {_describe_smallest_case(cause)}")
    return lines


def describe_parts(explanation: RowExplanation) -> str:
    """Return the parts of one explanation, and how they act."""
    parts = " + ".join(explanation.parts)
    return {
        "alone": parts,
        "together": f"{parts}, only together",
        "each": f"{' or '.join(explanation.parts)}, each alone",
        "several": f"{parts}, in combination",
        "unknown": "no single part",
    }[explanation.kind]


def describe_explained_rows(explanation: RowExplanation) -> str:
    """Return the rows and units of one explanation, with the estimated units of production."""
    units = ""
    if explanation.units is not None:
        production = format_number(round(explanation.production_units or 0))
        units = f" of {format_count(explanation.units, 'unit')}, about {production} in production"
    return f"{format_count(explanation.rows, 'row')}{units}"


def count_rows(rows: Mapping[str, int]) -> str:
    """Return the rows of tables as text; empty tables are left out.

    >>> count_rows({"customers": 1, "orders": 3, "notes": 0})
    '1 row of customers and 3 rows of orders'
    """
    return " and ".join(
        format_count(count, f"row of {table}", f"rows of {table}") for table, count in rows.items() if count
    )


def _find_lead_output(document: DiffDocument) -> str | None:
    """Return the most important output with differences."""
    return next((name for name, output in findings.sort_outputs(document) if not output.is_same), None)


def _describe_main_part(cause: OutputCause) -> str | None:
    """Return the part of the change behind the most rows; None if there is none."""
    known = [explanation for explanation in cause.explanations if explanation.kind != "unknown"]
    if not known:
        return None
    main, total = known[0], sum(explanation.rows for explanation in cause.explanations)
    some = f" for {format_number(main.rows)} of {format_count(total, 'row')}" if main.rows < total else ""
    return f"because of {describe_parts(main)}{some}"


def _describe_smallest_case(cause: OutputCause) -> str | None:
    if not cause.smallest:
        return None
    return f"smallest case{'' if cause.is_minimal else ' so far'}: {count_rows(cause.smallest)}"
