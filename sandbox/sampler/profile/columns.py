"""What of a column is compared, and the SQL that makes it comparable. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote
from sandbox.engine.sql.type_names import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import Mask
    from sandbox.manifest.profile import Kind
    from sandbox.sources.checks.column_checks import Question

TEXT_LENGTH = 100  # characters by which texts are told apart
MOMENTS = re.compile(r"DATE|TIME|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?")
EXACT = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT)|DECIMAL\((1?[0-9]|2[0-8]),\s*[0-9]+\)")
CATEGORIES = re.compile(r"VARCHAR|BOOLEAN|UUID|ENUM\(.*\)", flags=re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A column to compare.

    Attributes:
        name: The column.
        kind: How; None where only its NULLs are.
        type: The engine's name of its type.
        reason: Why only the NULLs are, else None.
        question: What is asked of its own values (see `raw`) besides; None where nothing is.
    """

    name: str
    kind: Kind | None
    type: str
    reason: str | None = None
    question: Question | None = None

    @property
    def raw(self) -> str:
        """The name that its own values have beside what is compared of them; good in SQL as it is."""
        return f"raw_{self.name.encode().hex()}"

    @property
    def asked(self) -> Mapping[str, str]:
        """What is asked of its own values: name -> SQL of an aggregate."""
        return self.question.asked if self.question is not None else {}

    @property
    def exact(self) -> bool:
        """Whether the engine adds its own values up without rounding, and without running over."""
        return self.kind == "number" and EXACT.fullmatch(self.type) is not None

    @property
    def ordered(self) -> bool:
        """Whether its values have an order that means something."""
        return self.kind not in (None, "category")

    @property
    def nested(self) -> bool:
        """Whether it holds more than single values."""
        return self.type.startswith(("STRUCT(", "MAP(", "UNION(")) or self.type.endswith("]")

    def value(self, row: str) -> str:
        """Give the SQL of what is compared of a row: a finite number, or a text; NULL where there is no value.

        Where only NULLs are compared it is a truth value.
        """
        column = f"{row}.{quote(self.name)}"
        if self.kind is None:
            return f"case when {column} is not null then true end"
        if self.kind == "category":
            return self._text(column)
        if self.kind == "moment":
            finite = "" if self.type == "TIME" else f"case when isfinite({column}) then "
            return f"{finite}epoch({column}){' end' if finite else ''}"
        if self.type in ("FLOAT", "DOUBLE"):
            return f"case when isfinite({column}) then {column}::double end"
        return f"{column}::double"

    def _text(self, column: str) -> str:
        if self.type in ("BOOLEAN", "UUID"):
            return f"{column}::varchar"
        # To count a text's characters costs more than all else that is asked of it; its bytes are known, and no fewer.
        text = f"{column}::varchar"
        return f"case when strlen({text}) <= {TEXT_LENGTH} then {text} else left({text}, {TEXT_LENGTH}) end"


def chosen(columns: Mapping[str, str], masks: Mapping[str, Mask]) -> tuple[list[Compared], dict[str, str]]:
    """Say what of each column is compared.

    Returns:
        The columns to compare, and those that are not, with the reason.
    """
    wanted: list[Compared] = []
    skipped: dict[str, str] = {}
    for name, kind in columns.items():
        mask = masks[name].kind if name in masks else "none"
        one = Compared(name=name, kind=_kind(kind), type=kind)
        if mask == "null":
            skipped[name] = "its mask leaves nothing of it in the sample"
        elif mask != "none":
            wanted.append(replace(one, kind=None, reason="masked: only its NULLs are compared"))
        elif one.kind is None:
            what = "nested" if one.nested else kind
            wanted.append(replace(one, reason=f"{what}: only its NULLs are compared"))
        else:
            wanted.append(one)
    return wanted, skipped


def _kind(kind: str) -> Kind | None:
    if NUMBERS.fullmatch(kind):
        return "number"
    if MOMENTS.fullmatch(kind):
        return "moment"
    return "category" if CATEGORIES.fullmatch(kind) else None
