"""The draw of a unit table, and which columns of an output name a drawn unit. Pure but for the manifest's shape.

Apart from the estimates, because these need numpy, and whether anything is estimated shows only later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.compare.units.unit_links import GENERAL_KEYS, LinkedTable, UnitLink
from sandbox.engine.sql.type_names import are_comparable
from sandbox.manifest.output_estimate import AffectedUnits, OutputEstimate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sandbox.compare.columns import ComparedColumn
    from sandbox.compare.relations import SideName
    from sandbox.manifest.sample import SampleManifest, SizeRecord, StratumRecord

NONDETERMINISTIC_KEY_REASON = "its unit key differs from run to run"


@dataclass(frozen=True, kw_only=True)
class UnitTableDraw:
    """The draw of one unit table.

    Attributes:
        table: The unit table.
        key: Its key, and ``types`` the engine's names of the types.
        weights: The file of its selected units: the key's columns, then the stratum.
        files: Those of the unit table in the sample, and ``columns`` their names with the engine's names of the types.
        links: The tables whose rows belong to its units, with a key of one column.
        strata: As in the manifest.
        sizes: Likewise, the recorded sizes of its units.
        called: What sentences call its units; empty for the table's name.
        rows_outside_units: Child tables with rows that belong to no unit, and how many in the source; None where not counted.
    """

    table: str
    key: tuple[str, ...]
    types: tuple[str, ...]
    weights: Path
    strata: Sequence[StratumRecord]
    sizes: Sequence[SizeRecord] = ()
    called: str = ""
    rows_outside_units: Mapping[str, int | None] = field(default_factory=dict)
    files: Sequence[Path] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    links: Sequence[UnitLink] = ()

    @property
    def population(self) -> int:
        """How many units production has."""
        return sum(stratum.population for stratum in self.strata)

    @property
    def is_complete(self) -> bool:
        """Whether every unit was drawn; there is nothing to estimate then, only to count."""
        return all(stratum.sampled == stratum.population for stratum in self.strata)


def build_unit_draws(
    manifest: SampleManifest, folder: Path, called: Mapping[str, str] | None = None
) -> dict[str, UnitTableDraw]:
    """Return the draw of each unit table of the sample in ``folder``, the most important first.

    ``called`` maps unit tables to what sentences call their units.
    """
    given = {}
    for unit, draw in manifest.units.items():
        types = {column.name: column.type for column in manifest.tables[unit].columns}
        family = [name for name in manifest.tables if _find_unit_table(manifest, name) == unit and name != unit]
        outside = {name: manifest.tables[name].outside_frame for name in family}
        given[unit] = UnitTableDraw(
            table=unit,
            key=tuple(draw.key),
            types=tuple(types[column] for column in draw.key),
            weights=folder / manifest.weights[unit].path,
            strata=draw.strata,
            sizes=manifest.sizes.get(unit, ()),
            called=(called or {}).get(unit, ""),
            rows_outside_units={name: count for name, count in outside.items() if count != 0},
            files=[folder / file.path for file in manifest.tables[unit].files],
            columns=types,
            links=[link for name in family if (link := _build_link(manifest, folder, name, unit)) is not None],
        )
    return given


def _build_link(manifest: SampleManifest, folder: Path, table: str, unit: str) -> UnitLink | None:
    """Return the way from a table's key to its unit; None without a unique column, or if a table has several ways."""
    first = manifest.tables[table]
    key = next(iter(first.unique), None) if len(first.unique) == 1 else None
    if key is None:
        named = [name for name in first.unique if name.lower() in GENERAL_KEYS or name.lower().endswith("_id")]
        key = named[0] if len(named) == 1 else None
    if key is None or not first.estimable:
        return None
    steps, name, step = list[LinkedTable](), table, first
    while name != unit:
        step = manifest.tables[name]
        ways = [reference for reference in step.references if reference.table == step.belongs_to]
        if len(ways) != 1 or step.belongs_to is None or len(steps) > len(manifest.tables):
            return None
        files = [folder / file.path for file in step.files]
        steps.append(LinkedTable(files=files, columns=tuple(ways[0].columns), next_key=tuple(ways[0].key)))
        name = step.belongs_to
    order = manifest.units[unit].key
    if not steps or set(steps[-1].next_key) != set(order):
        return None
    by_key = dict(zip(steps[-1].next_key, steps[-1].columns, strict=True))
    columns = tuple(by_key[column] for column in order)
    steps[-1] = LinkedTable(files=steps[-1].files, columns=columns, next_key=tuple(order))
    types = {column.name: column.type for column in step.columns}
    return UnitLink(
        table=table,
        key=key,
        type={column.name: column.type for column in first.columns}[key],
        steps=tuple(steps),
        types=tuple(types[column] for column in columns),
    )


def _find_unit_table(manifest: SampleManifest, table: str) -> str | None:
    """Return the unit table that a table's rows belong to; None for lookups."""
    name: str | None = table
    for _ in manifest.tables:
        if name is None or name in manifest.units:
            return name
        name = manifest.tables[name].belongs_to
    return None


def build_empty_estimate(reason: str, *, unit: str | None = None, sample: int | None = None) -> OutputEstimate:
    """Return an estimate that is none, and why; ``sample`` is how many units of the sample are affected, if known."""
    return OutputEstimate(
        status="not_estimated",
        reason=reason,
        unit=unit,
        units_affected=None if sample is None else AffectedUnits(status="not_estimated", sample=sample),
    )


@dataclass(frozen=True, kw_only=True)
class OutputUnits:
    """The units of one output: the draw, and the columns that name one, in the order of the draw's key.

    With a ``link``, the single column names a row of its table, and that row's unit counts.
    """

    draw: UnitTableDraw
    columns: Sequence[ComparedColumn]
    link: UnitLink | None = None

    @property
    def key_names(self) -> list[str]:
        """What a unit's key is called in the session."""
        return [f"u{place}" for place in range(len(self.draw.key))]

    @property
    def wanted_types(self) -> tuple[str, ...]:
        """The types that the columns are converted to."""
        return self.draw.types if self.link is None else (self.link.type,)

    def render_key_sql(self, side: SideName, row: str = "") -> list[str]:
        """Render the SQL of a row's unit key in the types of the draw; NULL where a value has no equal there."""
        prefix = f"{row}." if row else ""
        values = [
            _render_lossless_cast_sql(f"{prefix}{column.format_raw_name(side)}", column.select_type(side), wanted)
            for column, wanted in zip(self.columns, self.wanted_types, strict=True)
        ]
        if self.link is None:
            return values
        return [
            _render_lossless_cast_sql(self.link.render_unit_sql(values[0], place), type_, wanted)
            for place, (type_, wanted) in enumerate(zip(self.link.types, self.draw.types, strict=True))
        ]

    def render_key_columns_sql(self, side: SideName, row: str = "") -> str:
        """Render the same as columns to select."""
        return ", ".join(
            f"{sql} as {name}" for sql, name in zip(self.render_key_sql(side, row), self.key_names, strict=True)
        )

    @property
    def join_condition(self) -> str:
        """The condition between a drawn unit ``d`` and rows ``t``."""
        return " and ".join(f"d.{name} = t.{name}" for name in self.key_names)

    def find_problem(self) -> str | None:
        """Describe why no row's unit can be told, if so."""
        target = self.draw.table if self.link is None else self.link.table
        for column, wanted in zip(self.columns, self.wanted_types, strict=True):
            if column.is_nondeterministic:
                return NONDETERMINISTIC_KEY_REASON
            for type_ in column.types:
                if not are_comparable(type_, wanted):
                    return f"its {column.name} is {type_}, and the key of {target} is {wanted}"
        return None


def _render_lossless_cast_sql(raw: str, type_: str, wanted: str) -> str:
    """Render a value in another type, NULL where that is not the same value."""
    if type_ == wanted:
        return raw
    return f"(case when try_cast(try_cast({raw} as {wanted}) as {type_}) = {raw} then try_cast({raw} as {wanted}) end)"
