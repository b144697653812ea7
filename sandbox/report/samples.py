"""Plans, samples and checks of them, for a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sandbox.report.words import age, cut, many, number, share, size, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import RenderableType

    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Sample
    from sandbox.sampler.plan import Plan

MOST_STRATA = 12


def plan(found: Plan) -> RenderableType:
    """Show what a sample would take: strata, rows and bytes a table, precision, what it would detect."""
    parts: list[RenderableType] = []
    for name, unit in found.units.items():
        head = f"{visible(name)}: about {number(round(unit.expected))} of {number(unit.population)} units"
        strata = [
            (
                unit.values(stratum),
                stratum.population,
                stratum.probability,
                f"≈ {number(round(stratum.expected))}",
            )
            for stratum in unit.strata
        ]
        precision = (
            f"a share of {visible(name)} is known to within ± {share(unit.half_width_95)}; a change that affects "
            f"{many(unit.detectable_units, 'unit')} or more is seen with 95 % probability"
        )
        parts += [Text(head, style="bold"), _strata(strata), Text(precision)]
    rows = {
        step.table: (
            step.role,
            found.tables[step.table].rows,
            found.expected[step.table].rows,
            found.expected[step.table].bytes,
        )
        for step in found.steps
    }
    parts += [Text(""), _tables(rows, "≈ ")]
    parts.append(Text(f"together about {number(found.expected_rows)} rows, {size(found.expected_bytes)}"))
    if found.not_sampled:
        parts.append(
            Text(
                f"left out, because sandbox.toml does not name them: {_listed(found.not_sampled)}",
                style="dim",
            )
        )
    parts += [Text(f"warning: {visible(warning)}", style="yellow") for warning in found.warnings]
    return Group(*parts, Text("next: sandbox create", style="dim"))


def sample(drawn_sample: Sample, manifest: SampleManifest, *, drawn: bool) -> RenderableType:
    """Show a sample: how many of each unit, which strata, what each table holds."""
    when = (
        "drawn just now" if drawn else f"drawn {age(manifest.drawn)}; to draw again: sandbox sample --refresh"
    )
    parts: list[RenderableType] = [Text(f"sample {drawn_sample.fingerprint[:16]}, {when}", style="bold")]
    for name, unit in manifest.units.items():
        sampled = sum(stratum.sampled for stratum in unit.strata)
        population = sum(stratum.population for stratum in unit.strata)
        parts.append(Text(f"{visible(name)}: {number(sampled)} of {number(population)} units"))
        parts.append(
            _strata(
                [(one.values, one.population, one.probability, number(one.sampled)) for one in unit.strata]
            )
        )
        if unit.null_keys:
            parts.append(Text(f"{many(unit.null_keys, 'row')} without a key: never drawn", style="yellow"))
    rows = {name: (one.role, one.source_rows, one.rows, one.bytes) for name, one in manifest.tables.items()}
    parts.append(_tables(rows, ""))
    parts += [Text(line, style="yellow") for line in _remarks(manifest)]
    return Group(*parts, Text(str(drawn_sample.path), style="dim"))


def verified(problems: Mapping[str, Sequence[str]]) -> RenderableType:
    """Show what was checked; only good news arrives here."""
    return Text(
        "\n".join(f"{name}: as it was recorded" for name in problems) or "there is no sample or run yet"
    )


def _strata(strata: Sequence[tuple[Mapping[str, Any], int, float, str]]) -> Table:
    """Show the largest strata; one screen is enough for any number of them."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    names = list(strata[0][0]) if strata else []
    for name in names:
        table.add_column(visible(name), overflow="ellipsis", max_width=24)
    for name in ("units", "rate", "sample"):
        table.add_column(name, justify="right", no_wrap=True)
    largest = sorted(strata, key=lambda stratum: -stratum[1])
    for values, population, probability, drawn in largest[:MOST_STRATA]:
        table.add_row(
            *(Text(_value(values[name])) for name in names), number(population), share(probability), drawn
        )
    if len(largest) > MOST_STRATA:
        rest = largest[MOST_STRATA:]
        label = f"{number(len(rest))} more strata"
        cells = [Text(label if index == 0 else "", style="dim") for index in range(len(names))]
        table.add_row(*cells, number(sum(stratum[1] for stratum in rest)), "", "")
    return table


def _tables(rows: Mapping[str, tuple[str, int, int, int]], about: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("table", overflow="fold")
    table.add_column("role")
    for name in ("rows in the source", "in the sample", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, (role, source, sampled, taken) in rows.items():
        table.add_row(
            Text(visible(name)), role, number(source), f"{about}{number(sampled)}", f"{about}{size(taken)}"
        )
    return table


def _remarks(manifest: SampleManifest) -> Iterable[str]:
    for name, table in manifest.tables.items():
        if table.outside_frame:
            count = many(table.outside_frame, "row")
            yield f"{visible(name)}: {count} of the source belong to no unit: outside of all estimates"
        for reference in table.references:
            if reference.dangling:
                where = f"{visible(name)}.{_listed(reference.columns)}"
                yield f"{where}: {many(reference.dangling, 'row')} name no row of {visible(reference.table)}"


def _value(found: Any) -> str:
    if found is None:
        return "NULL"
    if isinstance(found, dict):
        return f"(fewer than {found['rare_below']})"
    return cut(visible(found if isinstance(found, str) else json.dumps(found)), 40)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(visible(name) for name in names)
