"""How one output is to be compared: the rules that ``[outputs.NAME]`` declares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.compare.units.unit_links import UnitReference
    from sandbox.config.sections.outputs import OutputSection, ToleranceEntry

TableOrigin = Literal["project", "tables"]
"""Where two tables came from: the runs of a project, or the command line."""

_RESERVED_BYTES = (
    200 * 10**6
)  # the interpreter, its libraries, and what the engine does not count: measured 115 to 160 MB


def compute_engine_memory(memory: int) -> int:
    """Return the bytes that the engine may hold so that the process stays within ``memory``."""
    return max(memory - _RESERVED_BYTES, memory // 2)


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """Which values of a column count as equal although they are not the same.

    Attributes:
        abs, rel: Numbers: |candidate − baseline| ≤ abs + rel · |baseline|.
        seconds: Dates and times: at most so far apart.
        case, space: Text: False where letters' case, or the amount of white space, does not count.
        as_set: Lists: True where order and repetitions do not count.
    """

    abs: float = 0.0
    rel: float = 0.0
    seconds: float = 0.0
    case: bool = True
    space: bool = True
    as_set: bool = False


NO_TOLERANCE = Tolerance()


@dataclass(frozen=True, kw_only=True)
class OutputRules:
    """The declarations about one output; column names are production's.

    Attributes:
        key: The columns naming a row; None if the key is to be found.
        unit_key: The columns naming a sampling unit; None if they are found by name.
        ignore: Columns that are not compared.
        rename: The candidate's name of a column to production's.
        tolerance: A column to its tolerance.
        type_tolerance: The same for all columns of a type without an entry of their own; the engine's name of the
            type without its parameters, in capitals (``DECIMAL``).
        types: Types of columns of text files, as DuckDB writes them.
        nondeterministic: Columns that differ without any change of code. Differences in these alone count as noise.
        references: Columns with references to rows of a unit, if neither names nor ``unit_key`` say it.
    """

    key: tuple[str, ...] | None = None
    unit_key: tuple[str, ...] | None = None
    ignore: frozenset[str] = frozenset()
    rename: Mapping[str, str] = field(default_factory=dict)
    tolerance: Mapping[str, Tolerance] = field(default_factory=dict)
    type_tolerance: Mapping[str, Tolerance] = field(default_factory=dict)
    nondeterministic: frozenset[str] = frozenset()
    types: Mapping[str, str] = field(default_factory=dict)
    references: tuple[UnitReference, ...] = ()


def build_output_rules(section: OutputSection | None) -> OutputRules:
    """Return the rules of one output; those of an output that is not declared if ``section`` is None."""
    if section is None:
        return OutputRules()
    return OutputRules(
        key=tuple(section.key) if section.key else None,
        unit_key=tuple(section.unit_key) if section.unit_key else None,
        ignore=frozenset(section.ignore),
        rename=dict(section.rename),
        types={name: type_.upper() for name, type_ in section.types.items()},
        tolerance={name: _build_tolerance(entry) for name, entry in section.tolerance.items()},
        type_tolerance={name.upper(): _build_tolerance(entry) for name, entry in section.type_tolerance.items()},
    )


def _build_tolerance(entry: ToleranceEntry) -> Tolerance:
    return Tolerance(
        abs=entry.abs,
        rel=entry.rel,
        seconds=entry.time or 0.0,
        case=entry.case,
        space=entry.space,
        as_set=entry.set,
    )
