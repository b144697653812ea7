"""Problems in a ``sandbox.toml``: each with its key, its line and the nearest valid name."""

from __future__ import annotations

import difflib
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from sandbox.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from sandbox.config.toml_lines import KeyPath


@dataclass(frozen=True, kw_only=True)
class ConfigProblem:
    """One problem; ``key`` is its path in the file."""

    key: KeyPath
    message: str


def suggest_name(name: str, valid: Iterable[str]) -> str:
    """Return ``; did you mean "x"?`` for the closest valid name, or an empty text.

    >>> suggest_name("ratee", ["rate", "unit"])
    '; did you mean "rate"?'
    """
    close = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def convert_validation_error(error: ValidationError) -> list[ConfigProblem]:
    return [_convert_error_details(details) for details in error.errors()]


def _convert_error_details(error: ErrorDetails) -> ConfigProblem:
    key = error["loc"]
    match error["type"]:
        case "extra_forbidden":
            valid = _list_valid_names(key[:-1])
            listed = "" if suggest_name(str(key[-1]), valid) else f"; valid here: {', '.join(sorted(valid))}"
            message = f"unknown key{suggest_name(str(key[-1]), valid)}{listed}"
        case "missing":
            message = "is missing"
        case "literal_error":
            expected = error.get("ctx", {}).get("expected", "")
            choices = expected.replace("'", "").replace(" or ", ", ").split(", ")
            message = f"expected {expected}, not {error['input']!r}{suggest_name(str(error['input']), choices)}"
        case "value_error":
            message = str(error["msg"]).removeprefix("Value error, ")
        case _:
            expectation = str(error["msg"]).replace("Input should be", "expected")
            message = f"{expectation[0].lower()}{expectation[1:]}, not {error['input']!r}"
    return ConfigProblem(key=key, message=message)


def _list_valid_names(key: KeyPath) -> list[str]:
    kind: Any = Settings
    for step in key:
        kind = _resolve_step(kind, step)
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return []
    return [field.alias or name for name, field in kind.model_fields.items()]


def _resolve_step(kind: Any, step: str | int) -> Any:
    """Return the type of a field, of a list's items or of a mapping's values."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {field.alias or name: field for name, field in kind.model_fields.items()}
        return unwrap_annotation(fields[str(step)].annotation) if str(step) in fields else None
    arguments = typing.get_args(kind)
    return unwrap_annotation(arguments[-1]) if arguments else None


def unwrap_annotation(kind: Any) -> Any:
    """Strip ``Annotated`` and ``| None``."""
    if typing.get_origin(kind) is typing.Annotated:
        return unwrap_annotation(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return unwrap_annotation(next(argument for argument in typing.get_args(kind) if argument is not type(None)))
    return kind
