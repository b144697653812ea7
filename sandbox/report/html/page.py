"""Render a comparison as one HTML file without scripts or network access."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sandbox
from sandbox.formatting import format_duration, format_number, format_size
from sandbox.report import dbt_changes, estimates, findings, reservations
from sandbox.report import sample_profile as profile_words
from sandbox.report.figures import build_figure_rows, get_unit_name
from sandbox.report.html import charts
from sandbox.report.html.graph import build_graph_picture
from sandbox.report.production.drift import describe_sample
from sandbox.report.templates import render_template, sanitize_text
from sandbox.report.why import causes, expected_columns

if TYPE_CHECKING:
    from sandbox.manifest.diff import ColumnProfile, DiffDocument, OutputDiff, RowExample
    from sandbox.manifest.diff_sides import DiffSide
    from sandbox.manifest.profile import SampleProfile
    from sandbox.report.html.charts import Gauge

MAX_REPORT_BYTES = 900_000
"""Maximum bytes of a report; a longer one shows less of the least important outputs."""
_UNFOLDED_OUTPUTS = 4  # maximum number of unfolded outputs


@dataclass(frozen=True, kw_only=True)
class DetailLevel:
    """Limits on details: outputs shown in full, outputs shown with a bar, and items of each list."""

    whole: int
    bars: int = 200
    columns: int = 40
    charts: int = 9
    cells: int = 60
    shown_charts: int = 3


DETAIL_LEVELS = (
    DetailLevel(whole=60),
    DetailLevel(whole=60, columns=15, charts=3, cells=15),
    DetailLevel(whole=12),
    DetailLevel(whole=3, bars=50),
    DetailLevel(whole=0, bars=20),
)


@dataclass(frozen=True, kw_only=True)
class CostRow:
    """One figure of both runs."""

    name: str
    baseline: str
    candidate: str


@dataclass(frozen=True, kw_only=True)
class LeadEstimate:
    """The estimate for production at the top of the report, and its gauge."""

    name: str | None
    text: str
    gauge: Gauge | None


def render_html(document: DiffDocument, profile: SampleProfile | None = None) -> str:
    """Render the report as a whole HTML document; every name and value in it is escaped as text.

    It stays under a megabyte: if everything does not fit, the least important outputs show less.
    """
    text = ""
    for room in DETAIL_LEVELS:
        text = _render_page(document, profile, room)
        if len(text.encode()) <= MAX_REPORT_BYTES:
            break
    return text


def _render_page(document: DiffDocument, profile: SampleProfile | None, room: DetailLevel) -> str:
    ordered = findings.sort_outputs(document)
    differing = [(name, output) for name, output in ordered if not output.is_same]
    return render_template(
        "report.html",
        finish=sanitize_text,
        values={
            "document": document,
            "verdict": findings.VERDICT_TEXTS[document.verdict],
            "headline": causes.write_lead(document),
            "notes": [
                *(("Unexpected", line) for line in expected_columns.describe_unexpected(document)),
                *(("Cause", line) for line in causes.describe_causes(document)),
                *(("Rule", line) for line in reservations.describe_rule_changes(document)),
                *(("Not judged", line) for line in reservations.describe_reservations(document)),
                *(("NULL", line) for line in findings.describe_null_columns(document)),
                *(("Artifacts", line) for line in reservations.describe_artifacts(document)),
                *(("Expected", line) for line in expected_columns.describe_expected(document)),
            ],
            "dbt_changes": dbt_changes.describe_model_changes(document),
            "graph": build_graph_picture(document),
            "users": dbt_changes.list_users(document),
            "contracts": dbt_changes.describe_contract_changes(document),
            "build_figure_rows": build_figure_rows,
            "where": causes.locate_other_differences(document)[:1],
            "lead": choose_lead_estimate(document, ordered),
            "differing": differing,
            "equal": [(name, output) for name, output in ordered if output.is_same],
            "equal_literally": all(output.is_literally_same for _, output in ordered if output.is_same),
            "artifacts": reservations.list_artifacts(document),
            "tiles": build_tiles(document),
            "pictures": charts,
            "room": room,
            "open": _UNFOLDED_OUTPUTS,
            "examples": group_examples,
            "distributions": sort_profiles,
            "costs": build_cost_rows(document.baseline, document.candidate),
            "sample_age": describe_sample(document),
            "profile": profile,
            "profile_words": profile_words,
            "version": sandbox.__version__,
        },
    )


def choose_lead_estimate(document: DiffDocument, ordered: list[tuple[str, OutputDiff]]) -> LeadEstimate | None:
    """Return the estimated effect on production of the most important output."""
    sentences = findings.describe_estimates(document)
    if not sentences:
        return None
    for name, output in ordered:
        if not output.is_same and estimates.describe_estimate(output) is not None:
            return LeadEstimate(name=name, text=sentences[0], gauge=charts.build_gauge(output.estimate))
    return LeadEstimate(name=None, text=sentences[0], gauge=None)


def build_tiles(document: DiffDocument) -> list[tuple[str, str, str]]:
    """Build the figures at the top: name, amount and reference of each."""
    outputs = list(document.outputs.values())
    differing = [output for output in outputs if not output.is_same]
    rows = sum(output.rows.different for output in outputs)
    either = sum(output.rows.baseline + output.rows.added for output in outputs)
    tiles = [
        ("outputs that differ", format_number(len(differing)), f"of {format_number(len(outputs))}"),
        (
            "rows that differ",
            format_number(rows),
            f"of {format_number(either)} on either side",
        ),
    ]
    counted = [
        (output.estimate.units_affected.sample, output.estimate.unit, get_unit_name(output.estimate))
        for output in outputs
        if output.estimate.units_affected is not None and output.estimate.unit is not None
    ]
    if counted and document.sample:
        most, unit, called = max(counted)
        held = document.sample.units.get(unit)
        of = f"of {format_number(held)} in the sample" if held is not None else "in the sample"
        tiles.append((f"{called} affected", format_number(most), f"{of}, by one output"))
    if document.tests:
        failing = sum(test.outcome == "newly_failing" for test in document.tests)
        tiles.append(("data tests newly failing", format_number(failing), f"of {format_number(len(document.tests))}"))
    failed_rules = sum(not result.held for result in document.gate)
    tiles.append(("gate rules failed", format_number(failed_rules), f"of {format_number(len(document.gate))}"))
    return tiles


def group_examples(output: OutputDiff) -> list[tuple[str, list[RowExample], list[str]]]:
    """Group the examples by kind, with the columns of added and removed rows."""
    groups = []
    for kind in ("changed", "added", "removed"):
        some = [example for example in output.examples if example.kind == kind]
        names: dict[str, None] = {}
        for example in some:
            names |= dict.fromkeys([*example.key, *(example.candidate or example.baseline or {})])
        if some:
            groups.append((kind, some, list(names)))
    return groups


def sort_profiles(output: OutputDiff) -> list[tuple[str, ColumnProfile]]:
    """Return the profiles, those of the most changed columns first."""

    def sort_key(item: tuple[str, ColumnProfile]) -> int:
        changes = output.columns.get(item[0])
        return -changes.changed if changes else 0

    return sorted(output.profiles.items(), key=sort_key)


def build_cost_rows(baseline: DiffSide, candidate: DiffSide) -> list[CostRow]:
    """Build the measured costs of both runs."""
    figures = [
        ("wall time", baseline.seconds, candidate.seconds, format_duration),
        ("processor time", baseline.cpu_seconds, candidate.cpu_seconds, format_duration),
        ("peak memory", baseline.peak_memory_bytes, candidate.peak_memory_bytes, _format_bytes),
        ("read from disk", baseline.bytes_read, candidate.bytes_read, _format_bytes),
        ("written to disk", baseline.bytes_written, candidate.bytes_written, _format_bytes),
        ("outputs", baseline.output_bytes, candidate.output_bytes, _format_bytes),
    ]
    return [
        CostRow(name=name, baseline=words(before), candidate=words(after))
        for name, before, after, words in figures
        if before is not None or after is not None
    ]


def _format_bytes(count: float | None) -> str:
    return format_size(None if count is None else int(count))
