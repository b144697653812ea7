"""Hypothesis strategies: a table of any types in any format, and a candidate in which little or nothing is changed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from hypothesis import strategies as st

from tests.property.compare.column_types import (
    CSV_TYPES,
    INTEGERS,
    JSONL_TYPES,
    NULLS,
    TYPES_OF_FORMAT,
    UNREAD_ARROW_TYPES,
    ColumnType,
    find_wider,
    may_refuse,
)
from tests.property.compare.comparison import Case, SchemaChange
from tests.property.compare.table_files import (
    FORMATS,
    JSON_FORMATS,
    ONE_FILE_FORMATS,
    TEXT_FORMATS,
    Format,
    Layout,
    Part,
    Side,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.compare import TableOrigin
    from tests.property.compare.oracle import Row, Value

Draw: TypeAlias = st.DrawFn
KeyKind = Literal["unique", "typed", "composite", "none", "found"]
KEY_KINDS: tuple[KeyKind, ...] = ("unique", "typed", "composite", "none", "found")
Mutation = Literal[
    "cell", "nudge", "delete", "duplicate", "insert", "drop column", "add column", "retype", "repart", "layout", "shuffle",
    "reorder columns", "repeat name",
]  # fmt: skip
MUTATIONS: tuple[Mutation, ...] = (
    "cell", "cell", "cell", "nudge", "delete", "duplicate", "insert", "drop column", "add column", "retype", "retype",
    "repart", "repart", "layout", "shuffle", "reorder columns", "repeat name",
)  # fmt: skip
WHOLE: dict[Format, ColumnType] = {
    "parquet": INTEGERS[3],
    "duckdb": INTEGERS[3],
    "csv": CSV_TYPES[0],
    "jsonl": JSONL_TYPES[0],
    "json": JSONL_TYPES[0],
    "arrow": INTEGERS[3],
    "orc": INTEGERS[3],
}
ORIGINS: tuple[TableOrigin, ...] = ("tables", "project")
BATCH = 8
"""Cases that are generated together."""
WIDE_COLUMNS = (10, 24)
MOST_ROWS = 8
MOST_PARTS = 3
PREFILTERED = 4
"""Of so many rows the prefilter's tables of sums have a prime size; the product never uses it for fewer."""


@dataclass(frozen=True)
class Manner:
    """How the cases of one batch are compared: what is shared costs only once."""

    origin: TableOrigin
    prefilter: bool
    details: bool


@st.composite
def build_batches(draw: Draw, formats: Sequence[Format] = FORMATS, *, wide: bool = False) -> list[Case]:
    """Generate some cases that are compared alike, as far as they can be; one where the tables are wide."""
    manner = Manner(
        origin=draw(st.sampled_from(ORIGINS)), prefilter=draw(st.booleans()), details=draw(st.integers(0, 9)) == 0
    )
    return [draw(build_cases(formats, manner, wide=wide)) for _ in range(1 if wide else BATCH)]


@st.composite
def build_cases(draw: Draw, formats: Sequence[Format], manner: Manner, *, wide: bool) -> Case:
    """Generate two tables to compare; those of ``wide`` tables have many columns, and changes in most of them."""
    format_ = draw(st.sampled_from(formats))
    kind = draw(st.sampled_from(KEY_KINDS if not wide else ("unique", "found")))
    usable = [type_ for type_ in TYPES_OF_FORMAT[format_] if not (wide and type_.refusable)]
    columns = WIDE_COLUMNS if wide else (1, 3)
    types = draw(st.lists(st.sampled_from(usable), min_size=columns[0], max_size=columns[1]))
    names = ("id", *(f"v{number}" for number in range(len(types))))
    all_types = (WHOLE[format_], *types)
    count = draw(st.integers(int(format_ in JSON_FORMATS) if not wide else MOST_ROWS // 2, MOST_ROWS))
    rows = [_draw_row(draw, format_, all_types, number, unique=kind in {"unique", "found"}) for number in range(count)]
    whole = Side(format_, (Part(names, all_types, tuple(rows)),), _draw_layout(draw))
    baseline = whole if wide else _split(draw, whole)
    some = ("cell", "cell", "cell", "nudge") if wide else MUTATIONS
    most = len(types) if wide else 3
    mutations = draw(st.lists(st.sampled_from(some), min_size=most // 2 if wide else 0, max_size=most))
    key = {"unique": ("id",), "typed": ("v0",), "composite": ("v0", "id"), "none": None, "found": None}[kind]
    candidate = baseline
    done = []
    for mutation in mutations:
        mutated = _mutate(draw, candidate, mutation, key or ())
        if mutated is not None:
            candidate = mutated
            done.append(mutation)
    folder = format_ in TEXT_FORMATS and max(len(baseline.parts), len(candidate.parts)) > 1
    case = Case(
        baseline,
        candidate,
        key=key,
        origin="tables" if folder else manner.origin,
        prefilter=manner.prefilter and max(len(baseline.rows), len(candidate.rows)) >= PREFILTERED,
        details=manner.details,
        mutations=tuple(done),
    )
    return restate_case(case)


def restate_case(case: Case) -> Case:
    """Return a case with what its two sides make of schema and refusal."""
    return replace(
        case,
        schema=_find_schema_change(case.baseline, case.candidate),
        refusal=_find_refusal(case.baseline, case.candidate),
    )


def _draw_row(draw: Draw, format_: Format, types: Sequence[ColumnType], number: int, *, unique: bool) -> Row:
    id_: Value = number if unique else draw(st.sampled_from([0, 1, 2, None]))
    if format_ in TEXT_FORMATS and id_ is not None:
        id_ = str(id_)
    return (id_, *(_draw_value(draw, type_) for type_ in types[1:]))


def _draw_value(draw: Draw, type_: ColumnType) -> Value:
    return draw(st.sampled_from((None, *type_.values)))


def _draw_layout(draw: Draw) -> Layout:
    return Layout(
        compression=draw(st.sampled_from(["snappy", "zstd", "none"])),
        dictionary=draw(st.booleans()),
        row_group_rows=draw(st.sampled_from([1, 2, 1000])),
        quote_all=draw(st.booleans()),
        newline=draw(st.sampled_from(["\n", "\r\n"])),
        omit_nulls=draw(st.booleans()),
        packing=draw(st.sampled_from(["", "", ".gz", ".zst"])),
    )


def _split(draw: Draw, side: Side) -> Side:
    """Distribute the rows over several files, some of which give columns another type."""
    types = _find_common_types(side)
    if side.format in ONE_FILE_FORMATS or types is None or len({part.names for part in side.parts}) > 1:
        return side
    if len(set(side.parts[0].names)) < len(side.parts[0].names):
        return side
    names, rows = side.parts[0].names, side.rows
    places = [draw(st.integers(0, MOST_PARTS - 1)) for _ in rows] if draw(st.booleans()) else [0] * len(rows)
    parts = []
    for number in range(MOST_PARTS):
        some = tuple(row for row, place in zip(rows, places, strict=True) if place == number)
        if some or (number == 0 and not rows):
            parts.append(Part(names, types, some))
    if side.format == "parquet" and len(parts) > 1:
        parts = [_drift(draw, part) for part in parts]
    return replace(side, parts=tuple(parts))


def _find_common_types(side: Side) -> tuple[ColumnType, ...] | None:
    """Return types that hold all of a side's values; None where none of its files has one for some column."""
    found = []
    for place, name in enumerate(side.names):
        types = [type_ for type_ in dict.fromkeys(side.find_types(name)) if type_ is not NULLS] or [NULLS]
        values = [row[place] for row in side.rows]
        fitting = [type_ for type_ in types if len(types) == 1 or all(type_.holds(value) for value in values)]
        found += fitting[:1]
    return tuple(found) if len(found) == len(side.names) else None


def _drift(draw: Draw, part: Part) -> Part:
    types = list(part.types)
    for place, type_ in enumerate(types):
        others = find_wider(type_, [row[place] for row in part.rows])
        if others and draw(st.integers(0, 2)) == 0:
            types[place] = draw(st.sampled_from(others))
    return replace(part, types=tuple(types))


def _mutate(draw: Draw, side: Side, mutation: Mutation, key: Sequence[str]) -> Side | None:  # noqa: C901, PLR0911, PLR0912 -- one a mutation
    """Return a changed side; None where this change cannot be made."""
    number = draw(st.integers(0, len(side.parts) - 1))
    part = side.parts[number]
    columns = [name for name in part.names if name not in key and name != "id"]
    row = draw(st.integers(0, len(part.rows) - 1)) if part.rows else 0
    match mutation:
        case "cell" | "nudge" if part.rows:
            place = draw(st.integers(0, len(part.names) - 1))
            value = part.rows[row][place]
            if mutation == "nudge":
                nudged = _nudge(value, part.types[place])
                return None if nudged is None else _set_cell(side, number, row, place, nudged)
            few = {"0", "1", 0, 1}
            values = [one for one in part.types[place].values if part.names[place] != "id" or one in few]
            return _set_cell(side, number, row, place, draw(st.sampled_from((None, *values))))
        case "delete" if len(part.rows) > 1:
            return _set_rows(side, number, part.rows[:row] + part.rows[row + 1 :])
        case "duplicate" | "insert" if part.rows:
            new = part.rows[row]
            if mutation == "insert":
                id_: Value = "77" if side.format in TEXT_FORMATS else 77
                new = tuple(
                    id_ if name == "id" else _draw_value(draw, type_)
                    for name, type_ in zip(part.names, part.types, strict=True)
                )
            return _set_rows(side, number, (*part.rows, new))
        case "drop column" if columns:
            name = draw(st.sampled_from(columns))
            return replace(side, parts=tuple(_drop_column(one, name) for one in side.parts))
        case "add column" if "more" not in part.names and part.rows:
            value = "1" if side.format in TEXT_FORMATS else 1
            parts = tuple(
                Part((*p.names, "more"), (*p.types, WHOLE[side.format]), tuple((*r, value) for r in p.rows))
                for p in side.parts
            )
            return replace(side, parts=parts)
        case "retype" if columns and side.format == "parquet":
            return _retype(draw, side, draw(st.sampled_from(columns)))
        case "repart":
            return _split(draw, side)
        case "layout":
            return replace(side, layout=_draw_layout(draw))
        case "shuffle":
            return replace(side, parts=tuple(replace(p, rows=tuple(draw(st.permutations(p.rows)))) for p in side.parts))
        case "reorder columns":
            return replace(side, parts=tuple(_reverse_columns(one) for one in side.parts))
        case "repeat name" if side.format in {"parquet", "csv"} and len(part.names) > 2 and draw(st.booleans()):
            names = (*part.names[:-1], part.names[-2])
            return replace(side, parts=tuple(replace(one, names=names) for one in side.parts))
    return None


def _nudge(value: Value, type_: ColumnType) -> Value:
    """Return the next floating-point number, or one that differs by a bit more than rounding."""
    if isinstance(value, float) and type_.name == "double" and math.isfinite(value):
        return math.nextafter(value, math.inf)
    if isinstance(value, tuple) and len(value) == 1 and isinstance(value[0], float) and math.isfinite(value[0]):
        return (math.nextafter(value[0], math.inf),)
    return None


def _set_cell(side: Side, number: int, row: int, place: int, value: Value) -> Side:
    rows = side.parts[number].rows
    changed = (*rows[row][:place], value, *rows[row][place + 1 :])
    return _set_rows(side, number, (*rows[:row], changed, *rows[row + 1 :]))


def _set_rows(side: Side, number: int, rows: tuple[Row, ...]) -> Side:
    part = replace(side.parts[number], rows=rows)
    return replace(side, parts=(*side.parts[:number], part, *side.parts[number + 1 :]))


def _drop_column(part: Part, name: str) -> Part:
    if name not in part.names:
        return part
    place = part.names.index(name)
    return Part(
        part.names[:place] + part.names[place + 1 :],
        part.types[:place] + part.types[place + 1 :],
        tuple(row[:place] + row[place + 1 :] for row in part.rows),
    )


def _reverse_columns(part: Part) -> Part:
    return Part(part.names[::-1], part.types[::-1], tuple(row[::-1] for row in part.rows))


def _retype(draw: Draw, side: Side, name: str) -> Side | None:
    values = [row[side.names.index(name)] for row in side.rows]
    others = find_wider(side.find_types(name)[0], values)
    if not others:
        return None
    new = draw(st.sampled_from(others))
    return replace(
        side,
        parts=tuple(
            replace(
                part,
                types=tuple(new if n == name else t for n, t in zip(part.names, part.types, strict=True)),
            )
            for part in side.parts
        ),
    )


def _find_schema_change(baseline: Side, candidate: Side) -> SchemaChange:
    if set(baseline.names) != set(candidate.names):
        return "changed"
    if baseline.format in TEXT_FORMATS:
        return "same"
    same = all(
        {type_.name for type_ in baseline.find_types(name)} == {type_.name for type_ in candidate.find_types(name)}
        for name in baseline.names
    )
    return "same" if same else "unknown"


def _find_refusal(baseline: Side, candidate: Side) -> Literal["no", "may", "must"]:
    sides = (baseline, candidate)
    if any(len(set(part.names)) < len(part.names) for side in sides for part in side.parts):
        return "must"
    if baseline.format == "arrow" and any(
        type_.name in UNREAD_ARROW_TYPES for side in sides for name in side.names for type_ in side.find_types(name)
    ):
        return "may"
    columns = [
        (side.find_types(name), [row[place] for row in side.rows])
        for side in sides
        for place, name in enumerate(side.names)
    ]
    return "may" if any(may_refuse(types, values) for types, values in columns) else "no"


def describe_case(case: Case) -> str:
    """Return a case in a few lines."""
    lines = [
        f"key={case.key} origin={case.origin} prefilter={case.prefilter} details={case.details} mutations={case.mutations}"
    ]
    for name, side in (("baseline", case.baseline), ("candidate", case.candidate)):
        lines += [f"{name}: {side.format} {side.layout}"]
        for part in side.parts:
            lines.append("  " + ", ".join(f"{n} {t.name}" for n, t in zip(part.names, part.types, strict=True)))
            lines += [f"    {row}" for row in part.rows]
    return "\n".join(lines)
