"""Which columns tell rows apart: the declared ones, or the first of the likely ones that are unique on both sides."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from sandbox.compare.reading.table_reader import suggest_names
from sandbox.compare.sql_types import INTEGER_TYPES
from sandbox.formatting import split_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sandbox.compare.columns import ComparedColumn, TableShape
    from sandbox.compare.relations import SideName
    from sandbox.compare.rules import OutputRules
    from sandbox.errors import SandboxError

_KEY_WORDS = frozenset({"id", "key", "uuid", "guid"})
_MAX_COMPOSITE_COLUMNS = 6  # so many columns of a kind take part in composite keys
_TEXT_KEY_TYPES = frozenset({"VARCHAR", "UUID", "DATE"})
_OTHER_KEY_TYPES = INTEGER_TYPES | {"HUGEINT", "UHUGEINT", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}


def resolve_declared_key(
    output: str,
    rules: OutputRules,
    columns: Sequence[ComparedColumn],
    shapes: Mapping[SideName, TableShape],
    failure: type[SandboxError],
) -> list[ComparedColumn] | None:
    """Return the columns of the declared key; None where none is declared.

    Raises:
        SandboxError: Of the given class; a side lacks one of them.
    """
    if rules.key is None:
        return None
    known = {column.name: column for column in columns}
    for name in rules.key:
        if name not in known:
            side: SideName = "candidate" if name in shapes["baseline"].names else "baseline"
            raise failure(
                f'the key of {output} names "{name}", which the {side}\'s table does not have',
                hint=suggest_names(name, list(shapes[side].names)),
            )
    return [known[name] for name in dict.fromkeys(rules.key)]


def check_declared_columns(
    output: str, rules: OutputRules, shapes: Mapping[SideName, TableShape], failure: type[SandboxError]
) -> None:
    """Make sure that every declared column is in the output: a misspelt one would have no effect and say nothing.

    Raises:
        SandboxError: Of the given class; neither side has one of them, or it is called otherwise in production.
    """
    baseline, candidate = shapes["baseline"].names, shapes["candidate"].names
    known = {*baseline, *candidate}
    renamed = {
        name: production
        for name, production in rules.rename.items()
        if name != production and name in candidate and production in baseline and name not in baseline
    }
    declared_columns = {
        "ignore": rules.ignore,
        "tolerance": rules.tolerance,
        "types": rules.types,
        "unit_key": rules.unit_key or (),
        "rename": [name for name, production in rules.rename.items() if production not in known],
    }
    if rules.types and all(shape.states_types for shape in shapes.values()):
        raise failure(
            f"types of {output} has no effect: its files state their own types",
            hint="types is for CSV and JSON; leave it out here",
        )
    turned = [
        (name, production)
        for name, production in rules.rename.items()
        if name in baseline and production in candidate and name not in candidate and production not in baseline
    ]
    for name, production in turned:
        raise failure(
            f'rename of {output} is turned round: "{name}" is the baseline\'s column, and "{production}" the candidate\'s',
            hint=f'the candidate\'s name comes first: rename = {{ "{production}" = "{name}" }}',
        )
    for setting, names in declared_columns.items():
        for name in sorted(set(names) & renamed.keys()):
            raise failure(
                f'{setting} of {output} names "{name}", which is {renamed[name]} in production',
                hint=f'columns are called as in production: "{renamed[name]}"',
            )
        for name in sorted(set(names) - known):
            raise failure(
                f'{setting} of {output} names "{name}", which neither side\'s table has',
                hint=suggest_names(name, sorted(known)),
            )


def suggest_likely_keys(
    output: str, columns: Sequence[ComparedColumn], unit_keys: Sequence[Sequence[str]]
) -> Iterator[list[ComparedColumn]]:
    """Return the sets of columns that may be the key, the likeliest first; not many, whatever the table's width.

    Names decide before positions: keys of units, then names such as ``order_id``, then text and dates, then two or
    three of these, whole numbers last: a count may be unique by accident. Fractions are never a key.
    """
    known = {column.name: column for column in columns if column.common is not None and not column.is_nondeterministic}
    for names in unit_keys:
        if names and all(name in known for name in names):
            yield [known[name] for name in names]
    named = sorted(
        (
            column
            for column in known.values()
            if is_key_name(column.name, output) and column.common in _TEXT_KEY_TYPES | _OTHER_KEY_TYPES
        ),
        key=lambda column: _rank_key_name(column.name, output),
    )
    text = [column for column in known.values() if column.common in _TEXT_KEY_TYPES and column not in named]
    others = [column for column in known.values() if column.common in _OTHER_KEY_TYPES and column not in named]
    yield from ([column] for column in (*named, *text))
    first = (*named[:_MAX_COMPOSITE_COLUMNS], *text[:_MAX_COMPOSITE_COLUMNS])[:_MAX_COMPOSITE_COLUMNS]
    yield from _combine_columns(first)
    yield from (chosen for chosen in _combine_columns((*first[:4], *others[:4])) if chosen[0] in first)
    yield from ([column] for column in others)


def _combine_columns(columns: Sequence[ComparedColumn]) -> Iterator[list[ComparedColumn]]:
    for size in (2, 3):
        yield from map(list, itertools.combinations(columns, size))


def list_key_parts(columns: Sequence[ComparedColumn]) -> Iterator[list[ComparedColumn]]:
    """Return the columns of a key, alone and in groups, the smallest first and all of them last.

    The first of these that is unique is a minimal key.
    """
    for size in range(1, len(columns) + 1):
        yield from map(list, itertools.combinations(columns, size))


def is_key_name(name: str, output: str) -> bool:
    """Return whether a column is called as keys are.

    >>> [is_key_name(name, "customers") for name in ("CustomerId", "order_id", "OrderID", "customerid", "iso_code", "id")]
    [True, True, True, True, True, True]
    >>> [is_key_name(name, "customers") for name in ("paid", "Country", "code", "idea")]
    [False, False, False, False]
    """
    words = split_words(name)
    last = words[-1] if words else ""
    return last in _KEY_WORDS or (last == "code" and len(words) > 1) or _is_own_id(words, output)


def _rank_key_name(name: str, output: str) -> int:
    """Return a low number for the id of the output itself."""
    words = split_words(name)
    if words == ["id"] or _is_own_id(words, output):
        return 0
    return 1 if words[-1:] == ["id"] else 2


def _is_own_id(words: Sequence[str], output: str) -> bool:
    """Return whether a column's words are a table's name with ``id`` behind it."""
    table = "".join(split_words(output.rpartition(".")[2]))
    return "".join(words) in {f"{table}id", f"{table.removesuffix('s')}id"}
