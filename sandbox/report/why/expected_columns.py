"""Describe expected and unexpected changes of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.formatting import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.manifest.diff import DiffDocument

_MAX_NAMES = 8


def describe_unexpected(document: DiffDocument) -> list[str]:
    """Return the unexpected changes of columns and rows, one line for each output."""
    lines = []
    for name, columns in document.expected_columns.items():
        what = [_join(columns.unexpected)] if columns.unexpected else []
        if columns.unexpected_rows:
            what.append(f"{format_count(columns.unexpected_rows, 'row')} added or removed")
        if what:
            lines.append(f"{name}: {', '.join(what)}: no changed SQL leads there")
    return lines


def describe_expected(document: DiffDocument) -> list[str]:
    """Return the expected and the unknown columns, one line for each output."""
    lines = []
    for name, columns in document.expected_columns.items():
        phrases = []
        if columns.changed:
            phrases.append(f"changed as expected: {_join(columns.changed)}")
        if columns.unchanged:
            phrases.append(f"could have changed: {_join(columns.unchanged)}")
        if columns.unknown:
            phrases.append(f"unknown: {_join(columns.unknown)} ({columns.reason})")
        if phrases:
            lines.append(f"{name}: {'; '.join(phrases)}")
    return lines


def _join(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more
