"""How one output is to be compared: the rules that ``[outputs.NAME]`` declares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import OutputSection

Origin = Literal["project", "tables"]
"""Where two tables came from: the runs of a project, or the command line."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is declared about one output; column names are production's.

    Attributes:
        key: The columns that name a row; None where the key is to be found.
        unit_key: The columns that name a sampling unit; None where they are found by name.
        ignore: Columns that are not looked at.
        rename: The candidate's name of a column to production's.
        tolerance: A numeric column to (abs, rel): |candidate − baseline| ≤ abs + rel · |baseline| counts as equal.
    """

    key: tuple[str, ...] | None = None
    unit_key: tuple[str, ...] | None = None
    ignore: frozenset[str] = frozenset()
    rename: Mapping[str, str] = field(default_factory=dict)
    tolerance: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def rules(section: OutputSection | None) -> Rules:
    """Give the rules of one output; those of an output that is not declared if ``section`` is None."""
    if section is None:
        return Rules()
    return Rules(
        key=tuple(section.key) if section.key else None,
        unit_key=tuple(section.unit_key) if section.unit_key else None,
        ignore=frozenset(section.ignore),
        rename=dict(section.rename),
        tolerance={name: (entry.abs, entry.rel) for name, entry in section.tolerance.items()},
    )
