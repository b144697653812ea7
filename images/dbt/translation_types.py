"""Types of expressions for the translation of SQL: sqlglot's own rules, and the scale of exact numbers in Snowflake. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlglot.dialects.dialect import Dialect

Kind = exp.DataType.Type
MAX_PRECISION = 38
EXTRA_DIGITS = 6
MAX_QUOTIENT_SCALE = 12
DEFAULT_SIZES = {"bigquery": (38, 9), "databricks": (10, 0), "redshift": (18, 0), "snowflake": (38, 0)}
"""Precision and scale of ``numeric`` without either, by warehouse."""
FAMILIES: dict[str, frozenset[Any]] = {
    "integer": frozenset(exp.DataType.INTEGER_TYPES),
    "float": frozenset({Kind.FLOAT, Kind.DOUBLE}),
    "decimal": frozenset({Kind.DECIMAL, Kind.BIGDECIMAL}),
    "text": frozenset(exp.DataType.TEXT_TYPES),
    "date": frozenset({Kind.DATE}),
    "timestamp": frozenset(
        {Kind.TIMESTAMP, Kind.TIMESTAMPNTZ, Kind.DATETIME, Kind.TIMESTAMP_S, Kind.TIMESTAMP_MS, Kind.TIMESTAMP_NS}
    ),
    "zoned timestamp": frozenset({Kind.TIMESTAMPTZ, Kind.TIMESTAMPLTZ}),
    "boolean": frozenset({Kind.BOOLEAN}),
    "null": frozenset({Kind.NULL}),
    "interval": frozenset({Kind.INTERVAL}),
}
NUMBERS = frozenset({"integer", "decimal", "float"})


def find_family(node: exp.Expression | None) -> str | None:
    """Return the family of an expression's type; None if it is unknown or has none of `FAMILIES`."""
    if isinstance(node, exp.Null):
        return "null"
    kind = node if isinstance(node, exp.DataType) else node.type if node is not None else None
    if kind is None:
        return None
    return next((family for family, kinds in FAMILIES.items() if kind.this in kinds), None)


def complete_type(kind: exp.DataType, dialect: str) -> exp.DataType:
    """Return a type with the warehouse's own size where DuckDB's would be another one."""
    if kind.this == Kind.DECIMAL and not kind.expressions:
        precision, scale = DEFAULT_SIZES[dialect]
        return exp.DataType.build(f"DECIMAL({precision}, {scale})")
    if kind.this in {Kind.INT, Kind.SMALLINT, Kind.TINYINT} and dialect in {"bigquery", "snowflake"}:
        return exp.DataType.build("BIGINT")  # every integer has 38 digits in Snowflake, 64 bits in BigQuery
    if kind.this == Kind.FLOAT and dialect == "bigquery":
        return exp.DataType.build("DOUBLE")
    return kind


def find_scale(kind: exp.DataType | None) -> int | None:
    """Return the digits after the point of an exact number's type; None for other types, and where they are unknown."""
    family = find_family(kind)
    if kind is None or family not in {"integer", "decimal"}:
        return None
    if family == "integer":
        return 0
    parameters = kind.expressions
    return int(parameters[1].name) if len(parameters) > 1 else 0 if parameters else None


def compute_quotient_scale(scale: int) -> int:
    """Return the scale of a quotient or mean of exact numbers in Snowflake, from the scale of what is divided.

    Source: "Arithmetic operators" and ``AVG`` in Snowflake's documentation.
    """
    return max(scale, min(scale + EXTRA_DIGITS, MAX_QUOTIENT_SCALE))


def build_type_rules(opened: Dialect, dialect: str) -> dict[Any, Any]:
    """Return the rules by which sqlglot finds the types of expressions."""
    rules: dict[Any, Any] = dict(opened.EXPRESSION_METADATA)
    if dialect == "redshift":
        rules[exp.Sum] = {"annotator": _build_annotator(_compute_sum_type, rules.get(exp.Sum))}
    if dialect != "snowflake":
        return rules
    for kinds, compute in (
        ((exp.Div, exp.Avg), _compute_quotient_type),
        ((exp.Mul,), _compute_product_type),
        (
            (exp.Add, exp.Sub, exp.Mod, exp.Coalesce, exp.Case, exp.If, exp.Nullif, exp.Greatest, exp.Least),
            _combine_types,
        ),
        ((exp.Round,), _compute_rounded_type),
        ((exp.Literal,), _compute_literal_type),
    ):
        for kind in kinds:
            rules[kind] = {"annotator": _build_annotator(compute, rules.get(kind))}
    return rules


def _build_annotator(
    compute: Callable[[exp.Expression], exp.DataType | None], default: dict[str, Any] | None
) -> Callable[[Any, exp.Expression], exp.Expression]:
    """Return an annotator that asks a function first, and sqlglot's own rule where that knows no type."""

    def annotate(annotator: Any, node: exp.Expression) -> exp.Expression:
        if default and "annotator" in default:
            node = default["annotator"](annotator, node)
        elif default and "returns" in default:
            annotator._set_type(node, default["returns"])  # noqa: SLF001 - sqlglot's interface for annotators
        if (kind := compute(node)) is not None:
            annotator._set_type(node, kind)  # noqa: SLF001
        return node

    return annotate


def _build_number(scale: int) -> exp.DataType:
    return exp.DataType.build(f"DECIMAL({MAX_PRECISION}, {scale})")


def _list_values(node: exp.Expression) -> list[exp.Expression]:
    """Return the expressions whose values an expression may have."""
    match node:
        case exp.Case() | exp.If():
            branches = [node] if isinstance(node, exp.If) else list(node.args["ifs"])
            values = [branch.args["true"] for branch in branches]
            default = node.args.get("default") if isinstance(node, exp.Case) else node.args.get("false")
            return [*values, *([default] if default is not None else [])]
        case exp.Nullif():
            return [node.this]
        case exp.Coalesce() | exp.Greatest() | exp.Least():
            return [node.this, *node.expressions]
        case _:
            return [node.this, node.expression]


def _combine_types(node: exp.Expression) -> exp.DataType | None:
    return combine_numbers(value.type for value in _list_values(node))


def combine_numbers(kinds: Iterable[exp.DataType | None]) -> exp.DataType | None:
    """Return the type of a number that may come from several; None if one of them is no number."""
    known = [kind for kind in kinds if find_family(kind) != "null"]
    families = {find_family(kind) for kind in known}
    if not known or not families <= NUMBERS:
        return None
    if "float" in families:
        return exp.DataType.build("DOUBLE")
    if families == {"integer"}:
        return exp.DataType.build("BIGINT")
    scales = [find_scale(kind) for kind in known]
    return None if None in scales else _build_number(max(scale for scale in scales if scale is not None))


def _compute_quotient_type(node: exp.Expression) -> exp.DataType | None:
    operands = [node.this] if isinstance(node, exp.Avg) else [node.this, node.expression]
    families = {find_family(operand) for operand in operands}
    if not families <= NUMBERS:
        return exp.DataType.build("UNKNOWN")
    scale = find_scale(node.this.type)
    if "float" in families:
        return exp.DataType.build("DOUBLE")
    return exp.DataType.build("UNKNOWN") if scale is None else _build_number(compute_quotient_scale(scale))


def _compute_sum_type(node: exp.Expression) -> exp.DataType | None:
    """Return the type of Redshift's sum: of BIGINT it is NUMERIC, and the sample does not tell INTEGER from BIGINT."""
    return _build_number(0) if find_family(node.this) == "integer" else None


def _compute_product_type(node: exp.Expression) -> exp.DataType | None:
    combined = combine_numbers([node.this.type, node.expression.type])
    scales = [find_scale(part.type) for part in (node.this, node.expression)]
    if find_family(combined) != "decimal" or None in scales:
        return combined
    known = [scale for scale in scales if scale is not None]
    return _build_number(min(sum(known), max(*known, MAX_QUOTIENT_SCALE)))


def _compute_rounded_type(node: exp.Expression) -> exp.DataType | None:
    scale, digits = find_scale(node.this.type), node.args.get("decimals")
    if scale is None or (digits is not None and not digits.is_int):
        return None
    return _build_number(max(min(scale, int(digits.name) if digits is not None else 0), 0))


def _compute_literal_type(node: exp.Expression) -> exp.DataType | None:
    if node.is_string or "e" in node.name.lower() or "." not in node.name:
        return None
    return _build_number(len(node.name.partition(".")[2]))
