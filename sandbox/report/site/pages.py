"""Render the pages of a project's history and status: HTML without scripts, every value escaped as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sandbox
from sandbox.formatting import format_duration, format_size
from sandbox.production.scores.outcomes import SELECTION_NOTE
from sandbox.report.production import data_tests, drift
from sandbox.report.site import history
from sandbox.report.templates import render_template, sanitize_text

if TYPE_CHECKING:
    from sandbox.manifest.sample import SampleManifest
    from sandbox.report.site.contents import SiteContents

PAGES = {
    "index.html": "Diffs",
    "outputs.html": "Outputs",
    "samples.html": "Samples",
    "production.html": "Production",
    "machine.html": "Sandboxes",
}
"""The pages, in the order of their links."""
MAX_ROWS = 500
"""Rows of one table of a page."""


def render_page(contents: SiteContents, page: str) -> str:
    """Render one page; ``page`` is a key of `PAGES`."""
    return render_template(
        f"site/{page}",
        finish=sanitize_text,
        values={
            "site": contents,
            "page": page,
            "pages": PAGES,
            "room": MAX_ROWS,
            "histories": history.build_output_histories(contents.diffs) if page == "outputs.html" else [],
            "costs": _build_costs(contents) if page == "index.html" else [],
            "chart_size": (history.CHART_WIDTH, history.CHART_HEIGHT),
            "drift": drift,
            "production_tests": data_tests,
            "describe_units": describe_units,
            "describe_effect": history.describe_effect,
            "note": SELECTION_NOTE,
            "version": sandbox.__version__,
        },
    )


def describe_units(manifest: SampleManifest) -> str:
    """Return how many units of production a sample has, by unit table."""
    return ", ".join(
        f"{sum(stratum.sampled for stratum in draw.strata):,} of {sum(stratum.population for stratum in draw.strata):,} {unit}"
        for unit, draw in manifest.units.items()
    )


def _build_costs(contents: SiteContents) -> list[tuple[str, history.HistoryChart]]:
    figures = (
        ("seconds", "run time", format_duration),
        ("peak_memory_bytes", "memory", lambda value: format_size(round(value))),
        ("output_bytes", "outputs", lambda value: format_size(round(value))),
    )
    charts = [(name, history.build_cost_chart(contents.diffs, figure, name, form)) for figure, name, form in figures]
    return [(name, chart) for name, chart in charts if chart is not None]
