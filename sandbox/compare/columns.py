"""The columns of two tables, matched by name, and how the values of each pair are compared.

Column names never reach SQL: a table's columns are called ``r0``, ``r1`` … by position, and the values that are
compared ``v0``, ``v1`` …, so that no name can clash with another one, with a keyword, or with its own spelling in
capitals (DuckDB does not tell those apart).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare.canonical_sql import canonicalize, render_text_sql
from sandbox.compare.rules import NO_TOLERANCE, Tolerance
from sandbox.compare.sql_types import MEASURED_TIME_TYPES, is_nested, is_numeric
from sandbox.compare.tolerance import render_normalized_sql
from sandbox.manifest.diff import ColumnTypeChange, SchemaChanges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.relations import RawRows, SideName
    from sandbox.compare.rules import OutputRules


@dataclass(frozen=True, kw_only=True)
class TableShape:
    """An opened table: where its rows are, the names and types of its columns in its order, and its number of rows.

    ``units`` are the units of each column's durations, of which DuckDB reads the numbers alone. ``states_types`` is false
    for text files, where the values decide.
    """

    relation: RawRows
    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: int
    units: tuple[tuple[str, ...], ...]
    states_types: bool = True


@dataclass(frozen=True, kw_only=True)
class ComparedColumn:
    """A column that both sides have.

    Attributes:
        name: Production's name of it.
        baseline, candidate: Its position in either table.
        types: Its type in either table.
        common: The type in which values are compared; None where the sides' types have none in common, and no value of one
            side equals one of the other.
        lossy_type: Set instead where some values do not survive the conversion to it: these differ from every value of the
            other side.
        tolerance: Which values count as equal although they are not the same.
        misplaced: Settings of its declared tolerance that mean nothing for the type that its texts turned out to have.
        is_nondeterministic: Differs without any change of code; nothing is judged in it.
    """

    name: str
    baseline: int
    candidate: int
    types: tuple[str, str]
    common: str | None
    lossy_type: str | None = None
    tolerance: Tolerance = NO_TOLERANCE
    is_nondeterministic: bool = False
    misplaced: tuple[str, ...] = ()

    def format_raw_name(self, side: SideName) -> str:
        """The column as it was read."""
        return f"r{self.baseline if side == 'baseline' else self.candidate}"

    def select_type(self, side: SideName) -> str:
        """Its type on one side."""
        return self.types[0] if side == "baseline" else self.types[1]

    @property
    def is_numeric(self) -> bool:
        """True where a change is a number."""
        return self.common is not None and is_numeric(self.common)

    @property
    def is_measurable(self) -> bool:
        """True where a change has a size: of numbers, and of dates and times in seconds."""
        return self.is_numeric or self.common in MEASURED_TIME_TYPES

    def render_value_sql(self, side: SideName, *, key: bool = False, row: str = "") -> str:
        """Return the SQL of the compared value: equal values of both sides are equal in it.

        As a part of a key, a column without a common type still tells its own side's rows apart. A tolerance does not apply
        to keys: it would make keys equal that are not. ``row`` is the alias of the row, if it has one.
        """
        raw = f"{row}.{self.format_raw_name(side)}" if row else self.format_raw_name(side)
        return self.render_converted_sql(side, raw, key=key)

    def render_converted_sql(self, side: SideName, raw: str, *, key: bool = False) -> str:
        """Return the SQL of the compared value, given that of the value as it was read (see `render_value_sql`)."""
        if self.lossy_type is not None:
            return self._render_lossy_sql(side, raw)
        if self.common is None:
            return f"'{side} ' || {raw}::VARCHAR" if key else f"'{side}'"
        cast = raw if self.select_type(side) == self.common else f"{raw}::{self.common}"
        canonical, type_ = canonicalize(self.common, cast)
        return canonical if key else render_normalized_sql(type_, self.tolerance, canonical)

    def _render_lossy_sql(self, side: SideName, raw: str) -> str:
        """Return a struct of the converted value, or of the side and the text of a value that the type does not hold."""
        assert self.lossy_type is not None
        type_ = self.select_type(side)
        converted = f"try_cast({raw} as {self.lossy_type})"
        canonical, _ = canonicalize(self.lossy_type, converted)
        kept = f"try_cast({converted} as {type_}) is not distinct from {raw}" if type_ != self.lossy_type else "true"
        return (
            f"case when {raw} is not null then struct_pack(v := case when {kept} then {canonical} end, "
            f"other := case when not ({kept}) then '{side} ' || {raw}::VARCHAR end) end"
        )

    @property
    def value_type(self) -> str:
        """The type of the compared value."""
        if self.lossy_type is not None:
            return f"STRUCT(v {canonicalize(self.lossy_type, '')[1]}, other VARCHAR)"
        return canonicalize(self.common, "")[1] if self.common is not None else "VARCHAR"

    @property
    def hash_input_sql(self) -> str:
        """Return the SQL that a row's unkeyed hash takes of the compared value ``v<n>``.

        DuckDB's hash of nested values sees their leaves alone, so their text is hashed as well.
        """
        name = f"v{self.baseline}"
        return f"{name}, {self.text_sql}" if is_nested(self.value_type) else name

    @property
    def text_sql(self) -> str:
        """Return the SQL of the text of the compared value ``v<n>``, equal for equal values alone."""
        name = f"v{self.baseline}"
        if self.tolerance.as_set:
            return f"coalesce(strlen({name}::VARCHAR) || ':' || {name}::VARCHAR, '~')"
        return render_text_sql(self.value_type, name)


@dataclass(frozen=True, kw_only=True)
class ColumnMatch:
    """Which position of the baseline's table is which of the candidate's, in the baseline's order."""

    pairs: tuple[tuple[str, int, int], ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: Mapping[str, str]
    ignored: tuple[str, ...]

    @property
    def is_reordered(self) -> bool:
        """True where the common columns stand in another order."""
        positions = [candidate for _, _, candidate in self.pairs]
        return positions != sorted(positions)

    def build_schema_changes(self, columns: Sequence[ComparedColumn]) -> SchemaChanges:
        """Return what the document says about the columns."""
        changed = {
            column.name: ColumnTypeChange(
                baseline=column.types[0],
                candidate=column.types[1],
                compared=column.common is not None or column.lossy_type is not None,
            )
            for column in columns
            if column.types[0] != column.types[1]
        }
        return SchemaChanges(
            added=list(self.added),
            removed=list(self.removed),
            renamed=dict(self.renamed),
            type_changed=changed,
            reordered=self.is_reordered,
        )


def match_columns(baseline: Sequence[str], candidate: Sequence[str], rules: OutputRules) -> ColumnMatch:
    """Match columns by exact name after the declared renaming; ignored columns do not appear on either side.

    A renaming applies where the candidate has the one name and the baseline the other; else it has no effect, so
    that versions from before it can be compared too. A key's columns cannot be ignored.
    """
    renamed = {
        production: name for name, production in rules.rename.items() if name in candidate and production in baseline
    }
    back = {name: production for production, name in renamed.items()}
    production_names = [back.get(name, None if name in renamed else name) for name in candidate]
    place = {name: position for position, name in enumerate(production_names) if name is not None}
    ignored = rules.ignore - set(rules.key or ())
    pairs = tuple(
        (name, position, place[name]) for position, name in enumerate(baseline) if name in place and name not in ignored
    )
    return ColumnMatch(
        pairs=pairs,
        added=tuple(
            name
            for name, production in zip(candidate, production_names, strict=True)
            if (production is None or production not in baseline) and name not in ignored
        ),
        removed=tuple(name for name in baseline if name not in place and name not in ignored),
        renamed={production: name for production, name in renamed.items() if production != name},
        ignored=tuple(sorted(ignored & {*baseline, *place})),
    )
