"""The masks of a draw as SQL: functions that are registered with a session, and the expressions that call them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.masking.kinds import REDACTED_TEXT, build_mask_function

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import MaskEntry
    from sandbox.engine.duckdb.session import Session
    from sandbox.masking.secret import Secret

UNIT_TYPE = "BIGINT"
_function_numbers = itertools.count()  # a session may be given masks more than once


class Masking:
    """The masks of a draw in one session; see `register` and `build_expression`."""

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
        """Register with a session what masks need.

        Args:
            session: The session.
            masks: By table and column, as `resolved` gives them.
            secret: The secret; None only where no mask needs one.
            columns: Each table's columns and the engine's names of their types.
        """
        names: dict[tuple[str, str], str] = {}
        made: dict[tuple[MaskEntry, str], str] = {}
        for table, ones in masks.items():
            for column, mask in ones.items():
                if mask.kind in ("none", "null", "redact"):
                    continue
                engine_type = columns[table][column]
                same = (mask, engine_type)
                if same not in made:
                    made[same] = f"sandbox mask {next(_function_numbers)}"
                    _register_function(session, made[same], mask, engine_type, secret)
                names[table, column] = made[same]
        return cls(masks, names)

    def build_expression(self, table: str, column: str, unit: str | None = None, row: str | None = None) -> str:
        """Give the SQL of a column's masked value; the quoted column itself where it has no mask.

        Args:
            table: The table.
            column: The column.
            unit: The name of the column (BIGINT) with the number of the row's unit, which ``date_shift`` needs.
            row: The relation's alias, where the column's name alone would not say which one.
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
