"""Two tables as views of one session, whatever their files are."""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING

from sandbox.compare.columns import ColumnMatch, ComparedColumn, TableShape
from sandbox.compare.reading.null_columns import find_null_columns
from sandbox.compare.reading.parquet_reader import open_parquet
from sandbox.compare.reading.text_reader import TEXT_FORMATS, TextReader
from sandbox.compare.relations import SIDES, RawRows, SideName, TextRows, create_table, create_view
from sandbox.compare.rules import NO_TOLERANCE
from sandbox.compare.sql_types import render_nan_safe_sql
from sandbox.compare.tolerance import find_misplaced_settings
from sandbox.engine.duckdb.session import Session, quote_identifier
from sandbox.errors import SandboxError
from sandbox.formatting import format_count
from sandbox.tables.table_opening import attach_duckdb_file, open_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare.reading.null_columns import NullSides
    from sandbox.compare.reading.parquet_reader import ParquetSource
    from sandbox.compare.relations import Relation
    from sandbox.compare.rules import OutputRules, Tolerance
    from sandbox.model import TableFiles

# Times that DuckDB would compare in the coarser type, or not at all.
_NANOSECOND_PAIRS = (("TIME", "TIME_NS"), ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"))
_NON_TEXT_TYPES = frozenset({"BLOB", "BIT", "VARIANT", "GEOMETRY"})
MIN_WIDE_COLUMNS = 200
MAX_STORED_VALUES = 1_000_000  # of a wide table


class TableReader:
    """Opens tables in a session as views with columns named by position.

    Args:
        session: Where the views are made.
        failure: What a table that cannot be read is.
    """

    def __init__(self, session: Session, failure: type[SandboxError]) -> None:
        self._session = session
        self._failure = failure
        self.parquet_sources: dict[SideName, ParquetSource] = {}
        """The Parquet files of each side that has any."""

    def open(self, side: SideName, table: TableFiles) -> TableShape:
        """Create a view of a table, and return its shape.

        Raises:
            SandboxError: Of the given class; a file cannot be read, or does not hold the table.
        """
        return self.open_tables({side: table})[side]

    def open_tables(
        self,
        tables: Mapping[SideName, TableFiles],
        renamed: Mapping[str, str] | None = None,
        declared: Mapping[str, str] | None = None,
    ) -> dict[SideName, TableShape]:
        """Create a view of each side's table, and return their shapes.

        Args:
            tables: One side's, or both sides'. Columns of text files get one type on both.
            renamed: The candidate's names of columns to the baseline's.
            declared: Types of text files' columns, by the baseline's name.

        Raises:
            SandboxError: Of the given class; a file cannot be read, or does not hold the table.
        """
        texts = {side: table for side, table in tables.items() if table.format in TEXT_FORMATS}
        doing = {side: describe_read_failure(side, table) for side, table in tables.items()}
        read = (
            TextReader(self._session, self._failure).open(texts, renamed or {}, declared or {}, doing) if texts else {}
        )
        shapes = {}
        self.parquet_sources = {}
        for side, table in tables.items():
            units: tuple[tuple[str, ...], ...] = ()
            source: Relation | str
            if side in read:
                source, names = read[side]
            elif table.format == "parquet":
                opened = open_parquet(self._session, table, self._failure, doing=doing[side])
                self.parquet_sources[side] = opened
                source, names, units = opened.sql, opened.names, opened.units
            else:
                source, found = self.prepare_source(side, table, doing=doing[side])
                names = tuple(found or ())
            shapes[side] = self._create_view(side, table, source, names, units, doing[side])
        return shapes

    def _create_view(
        self,
        side: SideName,
        table: TableFiles,
        source: Relation | str,
        names: tuple[str, ...],
        units: tuple[tuple[str, ...], ...],
        doing: str,
    ) -> TableShape:
        described = self._session.fetch_rows(f"describe select * from {source}", doing=doing)
        names = names or tuple(name for name, *_ in described)
        if len(names) != len(described):
            raise self._failure(f"{doing}: its columns' names cannot be told apart")
        types = [type_ for _, type_, *_ in described]
        aliases = ", ".join(f"r{position}" for position in range(len(types)))
        collation = ' collate "binary"' if table.format == "duckdb" else ""
        shown = ", ".join(render_raw_column(n, type_, collation) for n, type_ in enumerate(types))
        query = f"select {shown} from {source} as t({aliases})"
        [(rows,)] = self._session.fetch_rows(f"select count(*) from {source}", doing=doing)
        # Each query plans every column of a view again.
        stored = table.format == "parquet" and len(types) >= MIN_WIDE_COLUMNS and rows * len(types) <= MAX_STORED_VALUES
        create = create_table if stored else create_view
        relation = create(self._session, RawRows(name=f"raw_{side}"), query, doing=doing)
        return TableShape(
            relation=relation,
            names=names,
            types=tuple(types),
            rows=rows,
            units=units or ((),) * len(types),
            states_types=table.format not in TEXT_FORMATS,
        )

    def find_null_columns(
        self, columns: Sequence[ComparedColumn], shapes: Mapping[SideName, TableShape], *, doing: str
    ) -> dict[str, NullSides]:
        """Find the columns of opened tables that are NULL in every row (see `sandbox.compare.reading.null_columns`)."""
        return find_null_columns(self._session, columns, shapes, doing=doing)

    def check(self, side: SideName, table: TableFiles, shape: TableShape) -> None:
        """Read every value of an opened table, so that a damaged file is named.

        Raises:
            SandboxError: Of the given class; the file cannot be read.
        """
        query = f"select bit_xor(hash(t)) from {shape.relation} t"
        self._session.fetch_rows(query, doing=describe_read_failure(side, table))

    def prepare_source(self, place: str, table: TableFiles, *, doing: str) -> tuple[Relation | str, list[str] | None]:
        """Return the SQL of a table's rows, and its columns' names where the engine would not spell them as the file does.

        What has to be parsed is stored once, under a name that begins with ``place``.

        Raises:
            SandboxError: Of the given class; a file cannot be read, or does not hold the table.
        """
        if table.format == "duckdb":
            return self._attach_database_table(table, doing), None
        if table.format == "parquet":
            opened = open_parquet(self._session, table, self._failure, doing=doing)
            return opened.sql, list(opened.names)
        try:
            source = open_table(self._session, table, place, doing=doing)
        except SandboxError as error:
            if isinstance(error, self._failure) and error.message.startswith(doing):
                raise
            raise self._failure(f"{doing}: {error.message}", hint=error.hint) from error
        stored = TextRows(name=quote_identifier(f"stored_{place}"))
        return create_table(self._session, stored, f"select * from {source}", doing=doing), None

    def _attach_database_table(self, table: TableFiles, doing: str) -> str:
        alias = attach_duckdb_file(self._session, table, doing=doing)
        # Tables only: a view could hold any query, and would run here, outside the sandbox.
        held = [
            (schema, name)
            for schema, name in self._session.fetch_rows(
                "select schema_name, table_name from duckdb_tables() where database_name = ? order by all",
                [alias.strip('"')],
                doing=doing,
            )
        ]
        wanted = table.member or table.name
        fitting = [
            (schema, name)
            for schema, name in held
            if (name == wanted and schema == (table.schema or "main"))
            or (table.schema is None and f"{schema}.{name}" == wanted)
        ]
        if not fitting:
            known = [name if schema == "main" else f"{schema}.{name}" for schema, name in held]
            raise self._failure(
                f"{table.paths[0]} holds no table {wanted!r}", hint=suggest_names(wanted, known, what="tables")
            )
        schema, name = fitting[0]
        return f"{alias}.{quote_identifier(schema)}.{quote_identifier(name)}"


def render_raw_column(number: int, type_: str, collation: str = "") -> str:
    """Render the SQL of a column as it is read, ``r<n>``."""
    name = f"r{number}"
    return f"{name + collation if type_ == 'VARCHAR' else render_nan_safe_sql(type_, name)} as {name}"


def describe_read_failure(side: SideName, table: TableFiles) -> str:
    """Return the start of the message that a side's table cannot be read."""
    files = table.paths[0].name if len(table.paths) == 1 else format_count(len(table.paths), "file")
    return f"the {side}'s {table.name} ({files}) cannot be read"


def suggest_names(wanted: str, names: list[str], *, what: str = "columns") -> str:
    """Return a hint with the nearest names, else all of them.

    >>> suggest_names("custmer_id", ["customer_id", "day"])
    'did you mean "customer_id"?'
    """
    near = difflib.get_close_matches(wanted, names, n=1) or [
        name for name in names if name.casefold() == wanted.casefold()
    ]
    if near:
        return f'did you mean "{near[0]}"?'
    return f"its {what}: {', '.join(names[:20])}{', …' if len(names) > 20 else ''}" if names else f"it has no {what}"


def build_compared_columns(
    session: Session,
    shapes: Mapping[SideName, TableShape],
    found: ColumnMatch,
    rules: OutputRules,
    failure: type[SandboxError],
) -> list[ComparedColumn]:
    """Return the columns of both sides with the type in which each is compared, and its tolerance.

    Raises:
        SandboxError: Of the given class; a tolerance means nothing for its column.
    """
    given = []
    for name, baseline, candidate in found.pairs:
        types = (shapes["baseline"].types[baseline], shapes["candidate"].types[candidate])
        column = ComparedColumn(name=name, baseline=baseline, candidate=candidate, types=types, common=None)
        common, lossy = _find_common_type(session, column, shapes)
        if shapes["baseline"].units[baseline] != shapes["candidate"].units[candidate]:
            raise failure(
                f"the sides hold {name} as durations in other units, or as durations and numbers",
                hint="write it with one type on both sides",
            )
        column = dataclasses.replace(
            column, common=common, lossy_type=lossy, is_nondeterministic=name in rules.nondeterministic
        )
        stated = shapes["baseline"].states_types or shapes["candidate"].states_types or name in rules.types
        tolerance, misplaced = _resolve_tolerance(column, rules, failure, stated=stated)
        given.append(dataclasses.replace(column, tolerance=tolerance, misplaced=misplaced))
    return given


def _resolve_tolerance(
    column: ComparedColumn, rules: OutputRules, failure: type[SandboxError], *, stated: bool
) -> tuple[Tolerance, tuple[str, ...]]:
    """Return a column's own tolerance, else its type's, and the declared settings that cannot act.

    These are an error if the files state the type; not where the two sides' types differ: that is a finding.
    """
    if column.common is None:
        return NO_TOLERANCE, ()
    if column.name not in rules.tolerance:
        type_ = "LIST" if column.common.endswith("]") else column.common.partition("(")[0]
        return rules.type_tolerance.get(type_, NO_TOLERANCE), ()
    tolerance = rules.tolerance[column.name]
    wrong = find_misplaced_settings(column.common, tolerance, numeric=column.is_numeric)
    if wrong and not stated:
        return NO_TOLERANCE, tuple(wrong)
    if wrong and column.types[0] == column.types[1]:
        raise failure(
            f"the tolerance of {column.name} says {' and '.join(wrong)}, and the column is {column.common}",
            hint="abs and rel are for numbers, time for dates and times, case and space for text, set for lists",
        )
    return tolerance, ()


def _find_common_type(
    session: Session, column: ComparedColumn, shapes: Mapping[SideName, TableShape]
) -> tuple[str | None, str | None]:
    """Return the type to which both sides' values are converted, and None; in reverse where some are lost by that."""
    common = _unify_types(session, *column.types)
    if common is None:
        return None, None
    for side in SIDES:
        raw, type_ = column.format_raw_name(side), column.select_type(side)
        if type_ == common:
            continue
        [(lossless,)] = session.fetch_rows(
            f"select bool_and(try_cast(try_cast({raw} as {common}) as {type_}) is not distinct from {raw}) "
            f"from {shapes[side].relation}",
            doing=f"comparing the types of {column.name}",
        )
        if lossless is False:
            return None, common
    return common, None


def _unify_types(session: Session, baseline: str, candidate: str) -> str | None:
    if baseline == candidate:
        return baseline
    types = {baseline, candidate}
    for pair in _NANOSECOND_PAIRS:
        if types == set(pair):
            return pair[-1]
    if "VARCHAR" in types:
        other = (types - {"VARCHAR"}).pop()
        nested = other.endswith((")", "]")) and not other.startswith(("DECIMAL(", "ENUM("))
        return None if nested or other in _NON_TEXT_TYPES else "VARCHAR"
    try:
        # The engine's own rule covers nested types too.
        [(common,)] = session.fetch_rows(
            f"select typeof(case when true then null::{baseline} else null::{candidate} end)"
        )
    except SandboxError:
        return None  # it has no rule for the two, and that was the question
    return "DOUBLE" if common == "FLOAT" else common
