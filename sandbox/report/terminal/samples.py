"""Plans, samples and checks of them, for a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sandbox.formatting import age, cut, many, number, share, size, visible
from sandbox.report.sample_profile import broken, summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import RenderableType

    from sandbox.manifest.profile import Profile
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Sample
    from sandbox.sampler.plan.plan import Plan, UnitPlan

MOST_STRATA = 12


def plan(found: Plan) -> RenderableType:
    """Show what a sample would take: strata, rows and bytes a table, precision, what it would detect."""
    parts: list[RenderableType] = []
    most = max(3, MOST_STRATA // len(found.units))
    for unit in found.units.values():
        parts += _drawn(unit, most)
    several = len(found.units) > 1
    rows = {
        step.table: (
            f"{step.role} of {visible(step.unit or '')}" if several and step.role == "child" else step.role,
            found.tables[step.table].rows,
            found.expected[step.table].rows,
            found.expected[step.table].bytes,
        )
        for step in found.steps
    }
    parts += [Text(""), _tables(rows, "≈ ")]
    based = (
        "a size is that of rows of a small pilot draw, written as Parquet"
        if found.measured
        else "a size is guessed from the source's files"
    )
    total = f"together about {number(found.expected_rows)} rows, {size(found.expected_bytes)}; {based}"
    parts.append(Text(total))
    if found.not_sampled:
        parts.append(
            Text(
                f"left out, because sandbox.toml does not name them: {_listed(found.not_sampled)}",
                style="dim",
            )
        )
    parts += [Text(f"warning: {visible(warning)}", style="yellow") for warning in found.warnings]
    return Group(*parts, Text("next: sandbox create", style="dim"))


def _drawn(unit: UnitPlan, most: int) -> list[RenderableType]:
    """Show the draw of one unit table."""
    name = visible(unit.table)
    head = f"{name}: about {number(round(unit.expected))} of {number(unit.population)} units"
    if unit.outside:
        head += f"; {many(unit.outside, 'row')} outside the frame"
    strata = [
        (unit.values(one), one.population, one.probability, f"≈ {number(round(one.expected))}")
        for one in unit.strata
    ]
    precision = (
        f"a share of {name} is known to within ± {share(unit.half_width_95)}; a change that affects "
        f"{many(unit.detectable_units, 'unit')} or more is seen with 95 % probability"
    )
    return [Text(head, style="bold"), _strata(strata, most), Text(precision)]


def sample(
    drawn_sample: Sample,
    manifest: SampleManifest,
    *,
    drawn: bool,
    pulled: str | None = None,
    profile: Profile | None = None,
    store: str | None = None,
) -> RenderableType:
    """Show a sample: how many of each unit, which strata, what each table holds, how like production it is."""
    when = (
        "drawn just now" if drawn else f"drawn {age(manifest.drawn)}; to draw again: sandbox sample --refresh"
    )
    if pulled is not None:
        when = f"pulled just now from {visible(pulled)}, {when}"
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
    parts += [*summary(profile), *broken(profile)] if profile is not None else []
    where = (
        str(drawn_sample.path)
        if store is None
        else f"{visible(store)}\nto bring it here: sandbox sample pull"
    )
    return Group(*parts, Text(where, style="dim"))


def verified(problems: Mapping[str, Sequence[str]]) -> RenderableType:
    """Show what was checked; only good news arrives here."""
    return Text(
        "\n".join(f"{name}: as it was recorded" for name in problems) or "there is no sample or run yet"
    )


def _strata(strata: Sequence[tuple[Mapping[str, Any], int, float, str]], most: int = MOST_STRATA) -> Table:
    """Show the largest strata; one screen is enough for any number of them."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    names = list(strata[0][0]) if strata else []
    for name in names:
        table.add_column(visible(name), overflow="ellipsis", max_width=44)
    for name in ("units", "rate", "sample"):
        table.add_column(name, justify="right", no_wrap=True)
    largest = sorted(strata, key=lambda stratum: -stratum[1])
    for values, population, probability, drawn in largest[:most]:
        table.add_row(
            *(Text(_value(values[name])) for name in names), number(population), share(probability), drawn
        )
    if len(largest) > most:
        rest = largest[most:]
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
    if isinstance(found, dict) and "rare_below" in found:
        return f"(fewer than {found['rare_below']})"
    if isinstance(found, dict):
        return _bin(found["from"], found["to"])
    return cut(visible(found if isinstance(found, str) else json.dumps(found)), 40)


def _bin(low: Any, high: Any) -> str:
    """Show the values from one edge to below the next.

    >>> _bin(None, 18), _bin(18, 30.0), _bin(30.0, None)
    ('< 18', '[18, 30)', '≥ 30')
    """
    first, last = (
        f"{one:.15g}" if isinstance(one, float) else cut(visible(str(one)), 30) for one in (low, high)
    )
    if low is None:
        return "any value" if high is None else f"< {last}"
    return f"≥ {first}" if high is None else f"[{first}, {last})"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(visible(name) for name in names)
