"""SQL for canonical forms and texts of values: equal values share both, different values share neither.

Intervals become their texts, because DuckDB holds 30 days equal to a month. Maps become their entries in the order of
their keys. Both apply at any depth.
"""

from __future__ import annotations

from sandbox.compare.sql_types import FLOAT_TYPES, NUMBER_TYPES, TEMPORAL_TYPES, is_numeric
from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.sql.type_names import parse_field_types, parse_item_type

NULL_TEXT = "'~'"
_PLAIN_TEXT_TYPES = NUMBER_TYPES | TEMPORAL_TYPES | {"BOOLEAN", "UUID"}


def has_canonical_form(type_: str) -> bool:
    """Return whether values of a type are compared in another form than their own."""
    return any(name in type_ for name in ("INTERVAL", "MAP(", "UNION("))


def canonicalize(type_: str, sql: str, depth: int = 0) -> tuple[str, str]:
    """Return the SQL of a value's canonical form, and its type.

    >>> canonicalize("INTERVAL[]", "x")
    ('list_transform(x, lambda x0: x0::VARCHAR)', 'VARCHAR[]')
    """
    if not has_canonical_form(type_):
        return sql, type_
    variable = f"x{depth}"
    if (item := parse_item_type(type_)) is not None:
        inner, inner_type = canonicalize(item, variable, depth + 1)
        return f"list_transform({sql}, lambda {variable}: {inner})", f"{inner_type}[]"
    fields = parse_field_types(type_)
    if type_ == "INTERVAL":
        return f"{sql}::VARCHAR", "VARCHAR"
    if fields is None:
        return _canonicalize_union(sql) if type_.startswith("UNION(") else (sql, type_)
    if type_.startswith("MAP("):
        parts = [canonicalize(fields[name], f"{variable}.{name}", depth + 1) for name in ("key", "value")]
        packed = _pack_struct(dict(zip("kv", (part for part, _ in parts), strict=True)))
        entries = f"list_sort(list_transform(map_entries({sql}), lambda {variable}: {packed}))"
        return entries, f"STRUCT(k {parts[0][1]}, v {parts[1][1]})[]"
    forms = {name: canonicalize(field, render_field_sql(sql, name), depth) for name, field in fields.items()}
    named = ", ".join(f"{quote_identifier(name)} {form[1]}" for name, form in forms.items())
    packed = _pack_struct({name: form[0] for name, form in forms.items()})
    return f"(case when ({sql}) is not null then {packed} end)", f"STRUCT({named})"


def render_field_sql(sql: str, name: str) -> str:
    """Return the SQL of a struct's field."""
    return f"struct_extract({sql}, {quote_literal(name)})"


def render_text_sql(type_: str, sql: str, depth: int = 0) -> str:
    """Return the SQL of the text of a value in canonical form, unique within its type; ``~`` for NULL.

    A zero has no sign, and there is one NaN. Texts carry their length, so that no separator can be part of one.
    """
    return f"coalesce({_render_inner_text_sql(type_, sql, depth)}, {NULL_TEXT})"


def _render_inner_text_sql(type_: str, sql: str, depth: int) -> str:
    variable = f"t{depth}"
    if (item := parse_item_type(type_)) is not None:
        texts = f"list_transform({sql}, lambda {variable}: {render_text_sql(item, variable, depth + 1)})"
        return f"'[' || array_to_string({texts}, ',') || ']'"
    if type_.startswith("STRUCT(") and (fields := parse_field_types(type_)) is not None:
        texts = ", ',', ".join(
            render_text_sql(field, render_field_sql(sql, name), depth) for name, field in sorted(fields.items())
        )
        return f"case when ({sql}) is not null then concat('{{', {texts}, '}}') end"
    if type_ in FLOAT_TYPES:
        return f"if(isnan({sql}), 'nan', ({sql} + 0)::VARCHAR)"
    if type_ in _PLAIN_TEXT_TYPES or is_numeric(type_):
        return f"({sql})::VARCHAR"
    if type_ == "BLOB":
        return f"hex({sql})"
    return f"strlen(({sql})::VARCHAR) || ':' || ({sql})::VARCHAR"


def _pack_struct(forms: dict[str, str]) -> str:
    return "struct_pack(" + ", ".join(f"{quote_identifier(name)} := {sql}" for name, sql in forms.items()) + ")"


def _canonicalize_union(sql: str) -> tuple[str, str]:
    text = f"({sql})::VARCHAR"
    return f"(union_tag({sql})::VARCHAR || coalesce(':' || {text}, ''))", "VARCHAR"
