"""Check single columns with one aggregate query a table. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.sql.type_names import NUMBER_TYPE, TEMPORAL_TYPE
from sandbox.formatting import format_count
from sandbox.manifest.scan import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sandbox.config.sections.sample import RangeEntry

SAME_KIND_SHARE = 0.95  # share of one kind among a text column's values, from which the others are reported
SENTINEL_SHARE = 0.9  # share of a sentinel among the values within a year of it
MAX_EXAMPLE_LENGTH = 80

# Parts of column names that announce dates in the future.
FUTURE_NAME_PARTS = (
    "due", "valid", "expir", "until", "end", "next", "renew", "schedul", "plan", "deliver", "forecast", "effective",
    "deadline", "matur", "target", "expected", "eta", "_to", "future", "close", "terminat", "depart", "arriv",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ColumnQuestion:
    """Aggregates to compute for one column.

    Attributes:
        name: The column.
        type: DuckDB's name of its type.
        key: Whether it is part of the table's key or of a reference.
        limits: The range declared in ``sandbox.toml``.
        aggregates: Result name -> SQL of an aggregate.
    """

    name: str
    type: str
    key: bool
    limits: RangeEntry | None
    aggregates: Mapping[str, str] = field(default_factory=dict)


def build_question(name: str, kind: str, *, key: bool, limits: RangeEntry | None, now: dt.datetime) -> ColumnQuestion:
    """Build the aggregates for a column.

    Args:
        name: The column.
        kind: DuckDB's name of its type.
        key: Whether it is part of a key or of a reference.
        limits: Its declared range; None if there is none.
        now: Time of the scan, in UTC; values more than a day later are in the future.
    """
    column = quote_identifier(name)
    text = _build_text_aggregates(column, key=key) if kind == "VARCHAR" else {}
    aggregates = _build_value_aggregates(column, kind, limits, now) | text
    return ColumnQuestion(name=name, type=kind, key=key, limits=limits, aggregates=aggregates)


def build_basic_question(
    name: str, kind: str, *, column: str, limits: RangeEntry | None, now: dt.datetime
) -> ColumnQuestion:
    """Build the aggregates for a column without those on the content of texts (see `build_question`).

    ``column`` is SQL of its value.
    """
    aggregates = _build_value_aggregates(column, kind, limits, now)
    return ColumnQuestion(name=name, type=kind, key=False, limits=limits, aggregates=aggregates)


def find_range_mismatch(table: str, column: str, kind: str, limits: RangeEntry) -> list[Finding]:
    """Return an error finding if a declared range does not fit the column's type."""
    dated = isinstance(limits.min if limits.min is not None else limits.max, dt.date)
    if (TEMPORAL_TYPE if dated else NUMBER_TYPE).fullmatch(kind):
        return []
    message = f"{table}.{column} is {kind}: its range in sandbox.toml is one of {'dates' if dated else 'numbers'}"
    return [Finding(kind="out_of_range", severity="error", table=table, columns=[column], message=message)]


def _build_value_aggregates(column: str, kind: str, limits: RangeEntry | None, now: dt.datetime) -> dict[str, str]:
    aggregates = {"values": f"count({column})"}
    if kind in ("FLOAT", "DOUBLE"):
        aggregates |= {
            "nan": _build_filtered_count(f"isnan({column})"),
            "infinite": _build_filtered_count(f"isinf({column})"),
        }
    elif TEMPORAL_TYPE.fullmatch(kind):
        aggregates |= _build_temporal_aggregates(column, now)
    if limits is not None:
        aggregates |= _build_range_aggregates(column, kind, limits)
    if kind == "VARCHAR" or NUMBER_TYPE.fullmatch(kind) or TEMPORAL_TYPE.fullmatch(kind) or kind == "BOOLEAN":
        aggregates |= {"least": f"min({column})::varchar", "greatest": f"max({column})::varchar"}
    return aggregates


def find_column_problems(
    table: str,
    rows: int,
    question: ColumnQuestion,
    answers: Mapping[str, Any],
    *,
    hidden: bool,
    every: str = "every row",
) -> list[Finding]:
    """Return the findings for a column's answers.

    Args:
        table: The table.
        rows: Its number of rows.
        question: The column.
        answers: By the names of `ColumnQuestion.aggregates`.
        hidden: Whether its values must not be shown.
        every: Phrase for all rows in messages.
    """
    if rows == 0:
        return []
    judge = _ColumnFindings(
        table=table, rows=rows, question=question, answers=answers, hidden=hidden, all_rows_phrase=every
    )
    return [
        *judge.find_empty_column(),
        *judge.find_text_problems(),
        *judge.find_number_problems(),
        *judge.find_temporal_problems(),
        *judge.find_range_problems(),
    ]


@dataclass(frozen=True, kw_only=True)
class _ColumnFindings:
    table: str
    rows: int
    question: ColumnQuestion
    answers: Mapping[str, Any]
    hidden: bool
    all_rows_phrase: str

    def find_empty_column(self) -> Iterator[Finding]:
        values = self.answers["values"]
        if values == 0:
            yield self._build_finding("all_null", "note", f"is NULL in {self.all_rows_phrase}", count=self.rows)
        elif self._is_constant(values):
            shown = "" if self.hidden else f": {truncate_example(self.answers['least'])}"
            yield self._build_finding("constant", "note", f"is the same in {self.all_rows_phrase}{shown}")

    def find_text_problems(self) -> Iterator[Finding]:
        of = self.answers
        if "empty" not in of:
            return
        filled = of["values"] - of["empty"]
        if of["spaced"]:
            message = "has white space around keys, which then match nothing"
            yield self._build_finding("key_space", "warning", message, count=of["spaced"], ends="spaced")
        if of["damaged"]:
            message = "has the character that stands for text that could not be decoded (U+FFFD)"
            yield self._build_finding("damaged_text", "warning", message, count=of["damaged"])
        if of["empty"] and of["values"] < self.rows:
            nulls = self.rows - of["values"]
            message = f"has empty texts beside {nulls:,} NULLs"
            yield self._build_finding("empty_text", "note", message, count=of["empty"])
        for kind, name in (("number", "numbers"), ("date", "dates")):
            others = filled - of[kind]
            if 0 < others <= (1 - SAME_KIND_SHARE) * filled:
                message = f"holds {name}, and also texts that are none"
                yield self._build_finding("mixed", "warning", message, count=others, ends=f"no_{kind}")

    def find_number_problems(self) -> Iterator[Finding]:
        if self.question.type not in ("FLOAT", "DOUBLE"):
            return
        counts = {"NaN": self.answers["nan"], "infinite": self.answers["infinite"]}
        parts = [f"{name} {format_count(count, 'time')}" for name, count in counts.items() if count]
        if parts:
            message = f"is {' and '.join(parts)}"
            yield self._build_finding("not_finite", "warning", message, count=sum(counts.values()), is_counted=True)

    def find_temporal_problems(self) -> Iterator[Finding]:
        of = self.answers
        if not TEMPORAL_TYPE.fullmatch(self.question.type):
            return
        looks_ahead = any(word in self.question.name.lower() for word in FUTURE_NAME_PARTS)
        if of["future"] and of["future"] <= of["values"] / 2 and not looks_ahead:
            yield self._build_finding("future", "warning", "lies in the future", count=of["future"], ends="future")
        if of["last"]:
            message = "is in the year 9999, which stands for something else"
            yield self._build_finding("sentinel", "note", message, count=of["last"])
        for year in (1900, 1970):
            here, around = of[f"on_{year}"], of[f"near_{year}"]
            if here > 1 and here >= SENTINEL_SHARE * around:
                message = f"is {year}-01-01, which stands for something else"
                yield self._build_finding("sentinel", "warning", message, count=here)

    def find_range_problems(self) -> Iterator[Finding]:
        if self.question.limits is None or "below" not in self.answers:
            return
        for side, limit, word in (
            ("below", self.question.limits.min, "less"),
            ("above", self.question.limits.max, "more"),
        ):
            if limit is not None and self.answers[side]:
                message = f"is {word} than {limit}"
                yield self._build_finding("out_of_range", "warning", message, count=self.answers[side], ends=side)

    def _is_constant(self, values: int) -> bool:
        least = self.answers.get("least")
        return self.rows > 1 and values == self.rows and least is not None and least == self.answers["greatest"]

    def _build_finding(
        self,
        kind: Any,
        severity: Any,
        message: str,
        *,
        count: int | None = None,
        ends: str = "",
        is_counted: bool = False,
    ) -> Finding:
        """Build a finding; ``ends`` is the prefix of the answers with its least and greatest example."""
        texts = [self.answers[f"{ends}_{end}"] for end in ("least", "greatest")] if ends else []
        examples = [[truncate_example(text)] for text in dict.fromkeys(texts) if text is not None]
        where = "" if count is None or is_counted or kind == "all_null" else f", {_format_rows(count)}"
        return Finding(
            kind=kind,
            severity=severity,
            table=self.table,
            columns=[self.question.name],
            count=count,
            share=None if count is None else count / self.rows,
            message=f"{self.table}.{self.question.name} {message}{where}",
            examples=[] if self.hidden else examples,
            hidden=self.hidden and bool(examples),
        )


def build_aggregates(questions: Sequence[ColumnQuestion]) -> str:
    """Return the SELECT list: the row count, then all aggregates in order."""
    return ", ".join(["count(*)", *(sql for question in questions for sql in question.aggregates.values())])


def split_answers(questions: Sequence[ColumnQuestion], cells: Sequence[Any]) -> list[dict[str, Any]]:
    """Split the cells after the row count into one dict of answers a question."""
    values = iter(cells)
    return [{name: next(values) for name in question.aggregates} for question in questions]


def _build_text_aggregates(column: str, *, key: bool) -> dict[str, str]:
    spaced = f"{column} <> trim({column}, ' \t\r\n')" if key else "false"
    number = f"try_cast({column} as double) is not null"
    date = f"try_cast({column} as date) is not null"
    return {
        "empty": _build_filtered_count(f"{column} = ''"),
        "damaged": _build_filtered_count(f"contains({column}, '\ufffd')"),
        "spaced": _build_filtered_count(spaced),
        **_build_extremes("spaced", column, spaced),
        "number": _build_filtered_count(f"{number} and {column} <> ''"),
        **_build_extremes("no_number", column, f"not ({number}) and {column} <> ''"),
        "date": _build_filtered_count(f"{date} and {column} <> ''"),
        **_build_extremes("no_date", column, f"not ({date}) and {column} <> ''"),
    }


def _build_temporal_aggregates(column: str, now: dt.datetime) -> dict[str, str]:
    tomorrow = quote_literal((now + dt.timedelta(days=1)).strftime("%Y-%m-%d %H:%M:%S"))
    moment = f"try_cast({column} as timestamp)"  # a DATE may lie beyond all timestamps
    finite = f"isfinite({column})"
    future = f"{finite} and {moment} > timestamp {tomorrow} and {moment} < timestamp '9999-01-01'"
    aggregates = {
        "future": _build_filtered_count(future),
        **_build_extremes("future", column, future),
        "last": _build_filtered_count(
            f"{finite} and {moment} >= timestamp '9999-01-01' and {moment} < timestamp '10000-01-01'"
        ),
    }
    for year in (1900, 1970):
        near = f"{moment} >= timestamp '{year - 1}-01-01' and {moment} < timestamp '{year + 1}-01-01'"
        aggregates[f"on_{year}"] = _build_filtered_count(f"{finite} and {moment} = timestamp '{year}-01-01'")
        aggregates[f"near_{year}"] = _build_filtered_count(f"{finite} and {near}")
    return aggregates


def _build_range_aggregates(column: str, kind: str, limits: RangeEntry) -> dict[str, str]:
    aggregates: dict[str, str] = {}
    finite = f"isfinite({column}) and " if kind in ("FLOAT", "DOUBLE") or TEMPORAL_TYPE.fullmatch(kind) else ""
    for side, limit, sign in (("below", limits.min, "<"), ("above", limits.max, ">")):
        condition = "false"
        if limit is not None:
            condition = f"{finite}{column} {sign} {quote_literal(str(limit))}::{_choose_comparison_type(kind)}"
        aggregates |= {side: _build_filtered_count(condition), **_build_extremes(side, column, condition)}
    return aggregates


def _choose_comparison_type(kind: str) -> str:
    """Return the SQL type for comparing a limit; 0.5 must not become the integer 1."""
    return "double" if NUMBER_TYPE.fullmatch(kind) else kind


def _build_extremes(name: str, column: str, condition: str) -> dict[str, str]:
    return {
        f"{name}_least": f"min({column}) filter (where {condition})::varchar",
        f"{name}_greatest": f"max({column}) filter (where {condition})::varchar",
    }


def _build_filtered_count(condition: str) -> str:
    return f"count(*) filter (where {condition})"


def _format_rows(count: int) -> str:
    return f"in {format_count(count, 'row')}"


def truncate_example(text: str) -> str:
    return text if len(text) <= MAX_EXAMPLE_LENGTH else text[: MAX_EXAMPLE_LENGTH - 1] + "…"
