"""Render plans, samples and their checks for a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sandbox.formatting import (
    describe_left_out_files,
    escape_hidden,
    format_age,
    format_count,
    format_number,
    format_share,
    format_size,
    truncate_text,
)
from sandbox.report.sample_profile import render_findings, render_summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import RenderableType

    from sandbox.manifest.profile import SampleProfile
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Sample
    from sandbox.sampler.plan.plan import SamplePlan, UnitPlan

MAX_STRATA = 12


def render_plan(plan: SamplePlan) -> RenderableType:
    """Render a sample's plan: strata, rows and bytes per table, precision, detection limits."""
    parts: list[RenderableType] = []
    most = max(3, MAX_STRATA // len(plan.units))
    for unit in plan.units.values():
        parts += _render_unit_draw(unit, most)
    several = len(plan.units) > 1
    rows = {
        step.table: (
            f"{step.role} of {escape_hidden(step.unit or '')}" if several and step.role == "child" else step.role,
            plan.tables[step.table].rows,
            plan.expected_sizes[step.table].rows,
            plan.expected_sizes[step.table].bytes,
        )
        for step in plan.steps
    }
    parts += [Text(""), _render_tables(rows, "≈ ")]
    based = (
        "a size is that of rows of a small pilot draw, written as Parquet"
        if plan.measured_tables
        else "a size is guessed from the source's files"
    )
    total = f"together about {format_count(plan.expected_rows, 'row')}, {format_size(plan.expected_bytes)}; {based}"
    parts.append(Text(total))
    if added := {step.table: plan.expected_sizes[step.table].by_reference for step in plan.steps if step.unit}:
        listed = ", ".join(f"{format_number(rows)} of {escape_hidden(name)}" for name, rows in added.items() if rows)
        parts += [Text(f"among them, only because other rows refer to them: about {listed}")] if listed else []
    if plan.scanned_bytes:
        scanned = ", ".join(
            f"{format_size(size)} of {escape_hidden(name)}" for name, size in plan.scanned_bytes.items()
        )
        parts.append(Text(f"one reading scans, by EXPLAIN of the warehouse: {scanned}"))
    if plan.not_sampled:
        parts.append(
            Text(
                f"left out, because sandbox.toml does not name them: {_join_names(plan.not_sampled)}",
                style="dim",
            )
        )
    if plan.listing.left_out:
        parts.append(Text(f"no tables: {describe_left_out_files(plan.listing.left_out)}", style="dim"))
    parts += [Text(f"warning: {escape_hidden(warning)}", style="yellow") for warning in plan.warnings]
    return Group(*parts, Text("next: sandbox create", style="dim"))


def _render_unit_draw(unit: UnitPlan, most: int) -> list[RenderableType]:
    """Render the draw of one unit table."""
    name = escape_hidden(unit.table)
    head = f"{name}: about {format_number(round(unit.expected_units))} of {format_count(unit.population, 'unit')}"
    if unit.outside:
        head += f"; {format_count(unit.outside, 'row')} outside the frame"
    strata = [
        (
            unit.describe_stratum(stratum),
            stratum.population,
            stratum.probability,
            f"≈ {format_number(round(stratum.expected_units))}",
        )
        for stratum in unit.strata
    ]
    precision = (
        f"a share of {name} is known to within ± {format_share(unit.half_width_95)}; a change that affects "
        f"{format_count(unit.detectable_units, 'unit')} or more is seen with 95 % probability"
    )
    lines = [precision, *_describe_totals(unit)]
    return [Text(head, style="bold"), _render_strata(strata, most), *map(Text, lines)]


def _describe_totals(unit: UnitPlan) -> Iterable[str]:
    """Yield the precision of totals named in the settings, and the cost of strata by size."""
    for label, total in unit.total_precisions.items():
        sentence = f"the {escape_hidden(label)} is known to within ± {format_share(total.half_width_95)}"
        if not total.has_interval:
            sentence += f"; few large {escape_hidden(unit.table)} carry it, so that its changes get one limit at most"
            if unit.size_column is None:
                sentence += (
                    f'; to draw by size, add to strata: {{ sum = "{escape_hidden(label.removeprefix("sum of "))}" }}'
                )
        yield sentence
    if unit.size_column is not None:
        yield (
            f"shares of {escape_hidden(unit.table)} have intervals {unit.count_widening:.1f} times as wide as with one rate for "
            "all: the cost of strata by size"
        )


def render_sample(
    drawn_sample: Sample,
    manifest: SampleManifest,
    *,
    drawn: bool,
    pulled: str | None = None,
    profile: SampleProfile | None = None,
    store: str | None = None,
) -> RenderableType:
    """Render a sample: units, strata, rows of each table, and similarity to production."""
    when = "drawn just now" if drawn else f"drawn {format_age(manifest.drawn)}; to draw again: sandbox sample --refresh"
    if pulled is not None:
        when = f"pulled just now from {escape_hidden(pulled)}, {when}"
    parts: list[RenderableType] = [Text(f"sample {drawn_sample.fingerprint[:16]}, {when}", style="bold")]
    for name, unit in manifest.units.items():
        sampled = sum(stratum.sampled for stratum in unit.strata)
        population = sum(stratum.population for stratum in unit.strata)
        parts.append(Text(f"{escape_hidden(name)}: {format_number(sampled)} of {format_count(population, 'unit')}"))
        parts.append(
            _render_strata(
                [(item.values, item.population, item.probability, format_number(item.sampled)) for item in unit.strata]
            )
        )
        if unit.null_keys:
            parts.append(Text(f"{format_count(unit.null_keys, 'row')} without a key: never drawn", style="yellow"))
    rows = {name: (item.role, item.source_rows, item.rows, item.bytes) for name, item in manifest.tables.items()}
    parts.append(_render_tables(rows, ""))
    parts += [Text(line, style="yellow") for line in _list_remarks(manifest)]
    parts += [*render_summary(profile), *render_findings(profile)] if profile is not None else []
    where = (
        str(drawn_sample.path) if store is None else f"{escape_hidden(store)}\nto bring it here: sandbox sample pull"
    )
    return Group(*parts, Text(where, style="dim"))


def render_verification(problems: Mapping[str, Sequence[str]]) -> RenderableType:
    """Render the completed checks; they all passed."""
    return Text("\n".join(f"{name}: as it was recorded" for name in problems) or "there is no sample or run yet")


def _render_strata(strata: Sequence[tuple[Mapping[str, Any], int, float, str]], most: int = MAX_STRATA) -> Table:
    """Render the largest strata, at most one screen."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    names = list(strata[0][0]) if strata else []
    for name in names:
        table.add_column(escape_hidden(name), overflow="ellipsis", max_width=44)
    for name in ("units", "rate", "sample"):
        table.add_column(name, justify="right", no_wrap=True)
    largest = sorted(strata, key=lambda stratum: -stratum[1])
    for values, population, probability, drawn in largest[:most]:
        table.add_row(
            *(Text(_format_stratum_value(values[name])) for name in names),
            format_number(population),
            format_share(probability),
            drawn,
        )
    if len(largest) > most:
        others = largest[most:]
        label = format_count(len(others), "more stratum", "more strata")
        cells = [Text(label if index == 0 else "", style="dim") for index in range(len(names))]
        table.add_row(*cells, format_number(sum(stratum[1] for stratum in others)), "", "")
    return table


def _render_tables(rows: Mapping[str, tuple[str, int, int, int]], count_label: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("table", overflow="fold")
    table.add_column("role")
    for name in ("rows in the source", "in the sample", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, (role, source, sampled, taken) in rows.items():
        table.add_row(
            Text(escape_hidden(name)),
            role,
            format_number(source),
            f"{count_label}{format_number(sampled)}",
            f"{count_label}{format_size(taken)}",
        )
    return table


def _list_remarks(manifest: SampleManifest) -> Iterable[str]:
    for name, table in manifest.tables.items():
        if table.outside_frame:
            count = format_count(table.outside_frame, "row")
            yield f"{escape_hidden(name)}: {count} of the source outside every unit: in no estimate"
        for reference in table.references:
            if reference.dangling:
                where = f"{escape_hidden(name)}.{_join_names(reference.columns)}"
                yield f"{where}: {format_count(reference.dangling, 'row')} name no row of {escape_hidden(reference.table)}"


def _format_stratum_value(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, dict) and "rare_below" in value:
        return f"(fewer than {value['rare_below']})"
    if isinstance(value, dict) and "any_of" in value:
        return f"({value['any_of']} values)"
    if isinstance(value, dict):
        return _format_bin(value["from"], value["to"])
    return truncate_text(escape_hidden(value if isinstance(value, str) else json.dumps(value)), 40)


def _format_bin(low: Any, high: Any) -> str:
    """Return the text of a bin, from one edge to below the next.

    >>> _format_bin(None, 18), _format_bin(18, 30.0), _format_bin(30.0, None)
    ('< 18', '[18, 30)', '≥ 30')
    """
    first, last = (
        f"{edge:.15g}" if isinstance(edge, float) else truncate_text(escape_hidden(str(edge)), 30)
        for edge in (low, high)
    )
    if low is None:
        return "any value" if high is None else f"< {last}"
    return f"≥ {first}" if high is None else f"[{first}, {last})"


def _join_names(names: Sequence[str]) -> str:
    return ", ".join(escape_hidden(name) for name in names)
