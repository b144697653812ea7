"""Choose the comparison of each column and build its SQL. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.sql.type_names import NUMBER_TYPE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sandbox.config.sections.sample import MaskEntry
    from sandbox.manifest.profile import ColumnKind
    from sandbox.sources.checks.column_checks import ColumnQuestion

KEY_COLUMN_REASON = "a key or a reference: compared, not tested"
MAX_TEXT_LENGTH = 100  # compared characters of a text
TIME_TYPES = re.compile(r"DATE|TIME|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?")
EXACT_TYPES = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT)|DECIMAL\((1?[0-9]|2[0-8]),\s*[0-9]+\)")
CATEGORY_TYPES = re.compile(r"VARCHAR|BOOLEAN|UUID|ENUM\(.*\)", flags=re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class ComparableColumn:
    """A column to compare.

    Attributes:
        name: The column.
        kind: Kind of comparison; None if only NULLs are compared.
        type: DuckDB's name of its type.
        reason: Why only NULLs are compared, or why nothing is tested; else None.
        is_tested: Whether its differences count: those of keys and references follow from the draw of units.
        question: Additional aggregates over its raw values (see `raw_name`), if any.
    """

    name: str
    kind: ColumnKind | None
    type: str
    reason: str | None = None
    is_tested: bool = True
    question: ColumnQuestion | None = None

    @property
    def raw_name(self) -> str:
        """Name of its raw values beside the compared ones; valid in SQL without quotes."""
        return f"raw_{self.name.encode().hex()}"

    @property
    def aggregates(self) -> Mapping[str, str]:
        """Aggregates over its raw values: name -> SQL."""
        return self.question.aggregates if self.question is not None else {}

    @property
    def is_exact(self) -> bool:
        """Whether DuckDB sums its raw values without rounding or overflow."""
        return self.kind == "number" and EXACT_TYPES.fullmatch(self.type) is not None

    @property
    def is_ordered(self) -> bool:
        """Whether its values have a meaningful order."""
        return self.kind not in (None, "category")

    @property
    def is_nested(self) -> bool:
        """Whether its type is nested."""
        return self.type.startswith(("STRUCT(", "MAP(", "UNION(")) or self.type.endswith("]")

    def build_expression(self, row: str) -> str:
        """Build the SQL of a row's compared value: a finite number or a text; NULL without a value.

        It is a boolean if only NULLs are compared.
        """
        column = f"{row}.{quote_identifier(self.name)}"
        if self.kind is None:
            return f"case when {column} is not null then true end"
        if self.kind == "category":
            return self._build_text_expression(column)
        if self.kind == "moment":
            finite = "" if self.type == "TIME" else f"case when isfinite({column}) then "
            return f"{finite}epoch({column}){' end' if finite else ''}"
        if self.type in ("FLOAT", "DOUBLE"):
            return f"case when isfinite({column}) then {column}::double end"
        return f"{column}::double"

    def _build_text_expression(self, column: str) -> str:
        if self.type in ("BOOLEAN", "UUID"):
            return f"{column}::varchar"
        # Counting characters costs more than everything else; the number of bytes is known and never smaller.
        text = f"{column}::varchar"
        return f"case when strlen({text}) <= {MAX_TEXT_LENGTH} then {text} else left({text}, {MAX_TEXT_LENGTH}) end"


def choose_columns(
    columns: Mapping[str, str], masks: Mapping[str, MaskEntry], naming: Collection[str] = ()
) -> tuple[list[ComparableColumn], dict[str, str]]:
    """Choose the comparison of each column; those of keys and references, ``naming``, are compared but not tested.

    Returns:
        The columns to compare, and the others with the reason.
    """
    compared: list[ComparableColumn] = []
    skipped: dict[str, str] = {}
    for name, kind in columns.items():
        mask = masks[name].kind if name in masks else "none"
        column = ComparableColumn(name=name, kind=_choose_kind(kind), type=kind, is_tested=name not in naming)
        if mask == "null":
            skipped[name] = "its mask leaves nothing of it in the sample"
        elif mask != "none":
            compared.append(replace(column, kind=None, reason="masked: only its NULLs are compared"))
        elif column.kind is None:
            what = "nested" if column.is_nested else kind
            compared.append(replace(column, reason=f"{what}: only its NULLs are compared"))
        else:
            compared.append(column if column.is_tested else replace(column, reason=KEY_COLUMN_REASON))
    return compared, skipped


def _choose_kind(kind: str) -> ColumnKind | None:
    if NUMBER_TYPE.fullmatch(kind):
        return "number"
    if TIME_TYPES.fullmatch(kind):
        return "moment"
    return "category" if CATEGORY_TYPES.fullmatch(kind) else None
