"""What of a column is compared, and the SQL that makes it comparable. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.engine.duck import quote
from sandbox.engine.types import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import Mask
    from sandbox.manifest.profile import Kind

TEXT_LENGTH = 100  # characters by which texts are told apart
MOMENTS = re.compile(r"DATE|TIME|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?")
CATEGORIES = re.compile(r"VARCHAR|BOOLEAN|UUID|ENUM\(.*\)", flags=re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A column to compare.

    Attributes:
        name: The column.
        kind: How; None where only its NULLs are.
        type: The engine's name of its type.
        reason: Why only the NULLs are, else None.
    """

    name: str
    kind: Kind | None
    type: str
    reason: str | None = None

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
            return f"left({column}::varchar, {TEXT_LENGTH})"
        if self.kind == "moment":
            finite = "" if self.type == "TIME" else f"case when isfinite({column}) then "
            return f"{finite}epoch({column}){' end' if finite else ''}"
        if self.type in ("FLOAT", "DOUBLE"):
            return f"case when isfinite({column}) then {column}::double end"
        return f"{column}::double"


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
