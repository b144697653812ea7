"""Masks of a draw as SQL: functions registered with a session, and expressions that call them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.masking.kinds import REDACTED_TEXT, build_mask_function

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.sections.sample import MaskEntry
    from sandbox.engine.duckdb.session import Session
    from sandbox.masking.secret import Secret

UNIT_TYPE = "BIGINT"
_function_numbers = itertools.count()  # masks may be registered twice in a session


class Masking:
    """The masks of a draw in one session (see `register` and `build_expression`)."""

    def __init__(self, masks: Mapping[str, Mapping[str, MaskEntry]], names: Mapping[tuple[str, str], str]) -> None:
        self._masks = masks
        self._names = names

    @classmethod
    def register(
        cls,
        session: Session,
        masks: Mapping[str, Mapping[str, MaskEntry]],
        secret: Secret | None,
        columns: Mapping[str, Mapping[str, str]],
    ) -> Masking:
        """Register the mask functions, from `sandbox.masking.rules.resolve_masks`, with a session.

        The secret may be None if no mask needs one. ``columns`` are each table's columns and their DuckDB types.
        """
        names: dict[tuple[str, str], str] = {}
        functions: dict[tuple[MaskEntry, str], str] = {}
        for table, table_masks in masks.items():
            for column, mask in table_masks.items():
                if mask.kind in ("none", "null", "redact"):
                    continue
                engine_type = columns[table][column]
                same = (mask, engine_type)
                if same not in functions:
                    functions[same] = f"sandbox mask {next(_function_numbers)}"
                    _register_function(session, functions[same], mask, engine_type, secret)
                names[table, column] = functions[same]
        return cls(masks, names)

    def build_expression(self, table: str, column: str, unit: str | None = None, row: str | None = None) -> str:
        """Return SQL for a column's masked value; the quoted column itself if it has no mask.

        ``unit`` is the column (BIGINT) with the number of the row's unit, required by ``date_shift``. ``row`` is the
        relation's alias, if the column's name alone is ambiguous.
        """
        before = f"{quote_identifier(row)}." if row is not None else ""
        value = before + quote_identifier(column)
        mask = self._masks.get(table, {}).get(column)
        match mask.kind if mask is not None else "none":
            case "none":
                return value
            case "null":
                return f"case when false then {value} end"
            case "redact":
                return f"case when {value} is not null then {quote_literal(REDACTED_TEXT)} end"
            case "date_shift":
                assert unit is not None, "a shift where rows belong to no unit is refused when masks are resolved"
                return f"{quote_identifier(self._names[table, column])}({value}, {before}{quote_identifier(unit)})"
            case _:
                return f"{quote_identifier(self._names[table, column])}({value})"


def _register_function(session: Session, name: str, mask: MaskEntry, engine_type: str, secret: Secret | None) -> None:
    assert secret is not None or mask.kind == "bucket", "every other mask is keyed"
    masked = build_mask_function(mask, engine_type, secret.key if secret is not None else b"")
    parameters = [engine_type, UNIT_TYPE] if mask.kind == "date_shift" else [engine_type]
    session.register_function(name, masked, parameters, engine_type)
