"""Types of columns of texts, decided over all values of both sides.

A kind of value applies where every text is written as it says; the first kind that applies decides. Texts of no kind stay
texts. So `007`, `+7`, `True`, `inf` and dates other than ISO's make a column text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sandbox.compare.relations import TextRows
    from sandbox.engine.duckdb.session import Session

_SAMPLED_ROWS = 2000  # rows that rule out most kinds at little cost
_COLUMNS_PER_QUERY = 40
_DOUBLE_DIGITS = 15
_MIN_EXPONENT, _MAX_EXPONENT = -290, 300
_BIGINT_DIGITS = 18
_MAX_DIGITS = 38
_MICROSECOND_DIGITS = 6
_FIRST_NS_YEAR, _LAST_NS_YEAR = 1678, 2261
_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?"
_FRACTION_DIGITS = r"length(regexp_extract({0}, '\.(\d+)', 1))"
_DIGITS = r"regexp_replace(regexp_replace({0}, '[eE].*$', ''), '[-.]', '', 'g')"
_EXPONENT = r"coalesce(try_cast(regexp_extract({0}, '[eE]([+-]?\d+)$', 1) as integer), 0)"
# The power of ten of the last digit that is written, and of the last one that is not 0.
_WRITTEN_POWER = rf"({_EXPONENT} - length(regexp_extract({{0}}, '\.(\d+)', 1)))"
_POWER = f"({_WRITTEN_POWER} + length({_DIGITS}) - length(rtrim({_DIGITS}, '0')))"
_SIGNIFICANT = f"length(ltrim(rtrim({_DIGITS}, '0'), '0'))"


@dataclass(frozen=True, kw_only=True)
class TextKind:
    """A kind of value.

    Attributes:
        test: SQL that checks a text ``{0}``.
        measures: SQL of numbers of a text, of which the largest ones decide.
        choose: Returns the type from these; None where values do not fit one, and the next kind is tried.
    """

    test: str
    measures: tuple[str, ...]
    choose: Callable[[Sequence[int]], str | None]


def _choose_whole(measures: Sequence[int]) -> str | None:
    [digits] = measures
    if digits > _MAX_DIGITS:
        return "VARCHAR"
    return "BIGINT" if digits <= _BIGINT_DIGITS else "HUGEINT"


def _choose_number(measures: Sequence[int]) -> str | None:
    significant, scale, whole, low = measures
    if significant <= _DOUBLE_DIGITS and whole <= _MAX_EXPONENT and -low >= _MIN_EXPONENT:
        return "DOUBLE"
    digits, places = max(whole, 0) + max(scale, 0), max(scale, 0)
    return f"DECIMAL({max(digits, 1)},{places})" if digits <= _MAX_DIGITS else "VARCHAR"


def _choose_timestamp(measures: Sequence[int]) -> str | None:
    fraction, last_year, negative_first_year = measures
    if fraction <= _MICROSECOND_DIGITS:
        return "TIMESTAMP"
    in_range = last_year <= _LAST_NS_YEAR and -negative_first_year >= _FIRST_NS_YEAR
    return "TIMESTAMP_NS" if in_range else None


def _choose_instant(measures: Sequence[int]) -> str | None:
    return {"TIMESTAMP": "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS": "TIMESTAMPTZ_NS", None: None}[
        _choose_timestamp(measures)
    ]


_ISO_DATE_TEST = "try_cast(left({0}, 10) as date) is not null"
KINDS: tuple[TextKind, ...] = (
    TextKind(
        test="regexp_full_match({0}, '-?(0|[1-9][0-9]*)')",
        measures=("length(ltrim({0}, '-'))",),
        choose=_choose_whole,
    ),
    TextKind(
        test=r"regexp_full_match({0}, '-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{{1,3}})?')",
        measures=(
            _SIGNIFICANT,
            f"case when {_SIGNIFICANT} > 0 then -{_POWER} else 0 end",
            f"case when {_SIGNIFICANT} > 0 then {_SIGNIFICANT} + {_POWER} else 0 end",
            f"case when {_SIGNIFICANT} > 0 then -({_SIGNIFICANT} + {_POWER}) else -1 end",
        ),
        choose=_choose_number,
    ),
    TextKind(test="{0} in ('true', 'false')", measures=(), choose=lambda _: "BOOLEAN"),
    TextKind(
        test=f"regexp_full_match({{0}}, '{_DATE.replace('{', '{{').replace('}', '}}')}') and {_ISO_DATE_TEST}",
        measures=(),
        choose=lambda _: "DATE",
    ),
    TextKind(
        test=f"regexp_full_match({{0}}, '{_TIME.replace('{', '{{').replace('}', '}}')}')",
        measures=(_FRACTION_DIGITS,),
        choose=lambda measures: "TIME" if measures[0] <= _MICROSECOND_DIGITS else "TIME_NS",
    ),
    TextKind(
        test=f"regexp_full_match({{0}}, '{(_DATE + '[ T]' + _TIME).replace('{', '{{').replace('}', '}}')}') and {_ISO_DATE_TEST}",
        measures=(_FRACTION_DIGITS, "left({0}, 4)::integer", "-(left({0}, 4)::integer)"),
        choose=_choose_timestamp,
    ),
    TextKind(
        test=(
            f"regexp_full_match({{0}}, '{(_DATE + '[ T]' + _TIME).replace('{', '{{').replace('}', '}}')}"
            r"(Z|[+-]\d\d(:?\d\d)?)') and try_cast({0} as timestamp with time zone) is not null"
        ),
        measures=(_FRACTION_DIGITS, "left({0}, 4)::integer", "-(left({0}, 4)::integer)"),
        choose=_choose_instant,
    ),
)


def decide_types(
    session: Session, columns: Mapping[str, Sequence[tuple[TextRows, str]]], *, doing: str
) -> dict[str, str]:
    """Return the type of each column.

    Args:
        session: Holds the tables.
        columns: Each column's tables, and what it is called there in SQL.
        doing: What a failure is the failure of.
    """
    decided: dict[str, str] = {}
    number = dict.fromkeys(columns, 0)
    _drop_kinds(session, columns, number, doing)
    while pending := [name for name in columns if name not in decided]:
        for name in pending:
            if number[name] == len(KINDS):
                decided[name] = "VARCHAR"
        pending = [name for name in pending if name not in decided]
        for start in range(0, len(pending), _COLUMNS_PER_QUERY):
            some = pending[start : start + _COLUMNS_PER_QUERY]
            measured = _measure(session, {name: columns[name] for name in some}, number, doing)
            for name, (matches, count, measures) in measured.items():
                type_ = KINDS[number[name]].choose(measures) if matches and count else None
                if not count:
                    type_ = "VARCHAR"
                if type_ is None:
                    number[name] += 1
                else:
                    decided[name] = type_
    return decided


def _drop_kinds(
    session: Session, columns: Mapping[str, Sequence[tuple[TextRows, str]]], number: dict[str, int], doing: str
) -> None:
    """Skip the kinds that do not apply to the first rows of a table."""
    for name, places in columns.items():
        matches = [True] * len(KINDS)
        for table, column in places:
            tests = ", ".join(f"coalesce(bool_and({kind.test.format(column)}), true)" for kind in KINDS)
            [row] = session.fetch_rows(
                f"select {tests} from (select {column} from {table} where {column} is not null limit {_SAMPLED_ROWS})",
                doing=doing,
            )
            matches = [one and other for one, other in zip(matches, row, strict=True)]
        number[name] = matches.index(True) if any(matches) else len(KINDS)


def _measure(
    session: Session, columns: Mapping[str, Sequence[tuple[TextRows, str]]], number: Mapping[str, int], doing: str
) -> dict[str, tuple[bool, int, list[int]]]:
    """Return whether all values of each column are of its next kind, how many there are, and their measures."""
    tables = dict.fromkeys(table for places in columns.values() for table, _ in places)
    found: dict[str, tuple[bool, int, list[int]]] = {}
    for table in tables:
        here = [(name, column) for name, places in columns.items() for owner, column in places if owner == table]
        wanted = []
        for name, column in here:
            kind = KINDS[number[name]]
            test = kind.test.format(column)
            wanted += [f"coalesce(bool_and({test}) filter ({column} is not null), true)", f"count({column})"]
            wanted += [f"coalesce(max({sql.format(column)}) filter ({test}), -1000)" for sql in kind.measures]
        [row] = session.fetch_rows(f"select {', '.join(wanted)} from {table}", doing=doing)
        left = iter(row)
        for name, _ in here:
            matches, count = next(left), next(left)
            measures = [next(left) for _ in KINDS[number[name]].measures]
            if name in found:
                before = found[name]
                matches, count = matches and before[0], count + before[1]
                measures = [max(pair) for pair in zip(measures, before[2], strict=True)]
            found[name] = (matches, count, measures)
    return found
