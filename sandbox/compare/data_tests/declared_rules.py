"""Data tests of the rules that ``[outputs.NAME]`` declares: keys, NULL rules, ranges and references. Pure."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from sandbox.config.sections.outputs import DataTestEntry
from sandbox.engine.duckdb.session import quote_identifier, quote_literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.config.sections.outputs import OutputSection
    from sandbox.config.sections.sample import RangeBound, RangeEntry

COMPLETE_SCHEMA = "complete"
"""The schema with all rows of every output; the plain names may be restricted to the newest ones."""


def list_declared_tests(outputs: Mapping[str, OutputSection], *, keys: bool) -> list[DataTestEntry]:
    """Return the data tests of declared rules.

    Args:
        outputs: The outputs' settings.
        keys: Whether keys are tested; a diff matches rows by them, and says itself where they repeat.
    """
    return [test for name, section in outputs.items() for test in _list_output_tests(name, section, keys=keys)]


def _list_output_tests(name: str, section: OutputSection, *, keys: bool) -> Iterator[DataTestEntry]:
    output = quote_identifier(name)
    not_null = list(dict.fromkeys([*((section.key or ()) if keys else ()), *section.not_null]))
    if keys and section.key:
        columns = ", ".join(map(quote_identifier, section.key))
        yield DataTestEntry(
            name=f"{name}: {', '.join(section.key)} is unique",
            sql=(
                f"select 1 from (select count(*) as n from {output} group by {columns} having count(*) > 1) repeated, "
                "range(repeated.n)"
            ),
        )
    for column in not_null:
        yield DataTestEntry(
            name=f"{name}: {column} is never NULL", sql=f"from {output} where {quote_identifier(column)} is null"
        )
    for column, limits in section.ranges.items():
        yield DataTestEntry(
            name=f"{name}: {column} is {_describe_range(limits)}",
            sql=f"from {output} where {_build_range_condition(quote_identifier(column), limits)}",
        )
    for column, target in section.references.items():
        other, _, key = target.rpartition(".")
        yield DataTestEntry(
            name=f"{name}: {column} is in {target}",
            sql=(
                f"select 1 from {output} r anti join {COMPLETE_SCHEMA}.{quote_identifier(other)} t "
                f"on r.{quote_identifier(column)} = t.{quote_identifier(key)} where r.{quote_identifier(column)} is not null"
            ),
        )


def _describe_range(limits: RangeEntry) -> str:
    """Return a range in words.

    >>> from sandbox.config.sections.sample import RangeEntry
    >>> _describe_range(RangeEntry(min=0, max=120)), _describe_range(RangeEntry(min=0))
    ('from 0 to 120', 'at least 0')
    """
    if limits.min is not None and limits.max is not None:
        return f"from {limits.min} to {limits.max}"
    return f"at least {limits.min}" if limits.min is not None else f"at most {limits.max}"


def _build_range_condition(column: str, limits: RangeEntry) -> str:
    sides = (("<", limits.min), (">", limits.max))
    return " or ".join(f"{column} {sign} {_render_bound(bound)}" for sign, bound in sides if bound is not None)


def _render_bound(bound: RangeBound) -> str:
    if isinstance(bound, dt.datetime):
        return f"{'timestamptz' if bound.tzinfo else 'timestamp'} {quote_literal(bound.isoformat(' '))}"
    return f"date {quote_literal(bound.isoformat())}" if isinstance(bound, dt.date) else repr(bound)
