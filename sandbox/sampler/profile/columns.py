"""What of a column is compared, and the SQL that makes it comparable. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.sql.type_names import NUMBER_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import MaskEntry
    from sandbox.manifest.profile import ColumnKind
    from sandbox.sources.checks.column_checks import ColumnQuestion

MAX_TEXT_LENGTH = 100  # characters by which texts are told apart
TIME_TYPES = re.compile(r"DATE|TIME|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?")
EXACT_TYPES = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT)|DECIMAL\((1?[0-9]|2[0-8]),\s*[0-9]+\)")
CATEGORY_TYPES = re.compile(r"VARCHAR|BOOLEAN|UUID|ENUM\(.*\)", flags=re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class ComparableColumn:
    """A column to compare.

    Attributes:
        name: The column.
        kind: How; None where only its NULLs are.
        type: The engine's name of its type.
        reason: Why only the NULLs are, else None.
        question: What is asked of its own values (see `raw_name`) besides; None where nothing is.
    """

    name: str
    kind: ColumnKind | None
    type: str
    reason: str | None = None
    question: ColumnQuestion | None = None

    @property
    def raw_name(self) -> str:
        """The name that its own values have beside what is compared of them; good in SQL as it is."""
        return f"raw_{self.name.encode().hex()}"

    @property
    def aggregates(self) -> Mapping[str, str]:
        """What is asked of its own values: name -> SQL of an aggregate."""
        return self.question.aggregates if self.question is not None else {}

    @property
    def is_exact(self) -> bool:
        """Whether the engine adds its own values up without rounding, and without running over."""
        return self.kind == "number" and EXACT_TYPES.fullmatch(self.type) is not None

    @property
    def is_ordered(self) -> bool:
        """Whether its values have an order that means something."""
        return self.kind not in (None, "category")

    @property
    def is_nested(self) -> bool:
        """Whether it holds more than single values."""
        return self.type.startswith(("STRUCT(", "MAP(", "UNION(")) or self.type.endswith("]")

    def build_expression(self, row: str) -> str:
        """Give the SQL of what is compared of a row: a finite number, or a text; NULL where there is no value.

        Where only NULLs are compared it is a truth value.
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
        # To count a text's characters costs more than all else that is asked of it; its bytes are known, and no fewer.
        text = f"{column}::varchar"
        return f"case when strlen({text}) <= {MAX_TEXT_LENGTH} then {text} else left({text}, {MAX_TEXT_LENGTH}) end"


def choose_columns(
    columns: Mapping[str, str], masks: Mapping[str, MaskEntry]
) -> tuple[list[ComparableColumn], dict[str, str]]:
    """Say what of each column is compared.

    Returns:
        The columns to compare, and those that are not, with the reason.
    """
    wanted: list[ComparableColumn] = []
    skipped: dict[str, str] = {}
    for name, kind in columns.items():
        mask = masks[name].kind if name in masks else "none"
        one = ComparableColumn(name=name, kind=_choose_kind(kind), type=kind)
        if mask == "null":
            skipped[name] = "its mask leaves nothing of it in the sample"
        elif mask != "none":
            wanted.append(replace(one, kind=None, reason="masked: only its NULLs are compared"))
        elif one.kind is None:
            what = "nested" if one.is_nested else kind
            wanted.append(replace(one, reason=f"{what}: only its NULLs are compared"))
        else:
            wanted.append(one)
    return wanted, skipped


def _choose_kind(kind: str) -> ColumnKind | None:
    if NUMBER_TYPE.fullmatch(kind):
        return "number"
    if TIME_TYPES.fullmatch(kind):
        return "moment"
    return "category" if CATEGORY_TYPES.fullmatch(kind) else None
