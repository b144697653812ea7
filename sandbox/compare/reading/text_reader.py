"""Reads tables of CSV and JSON as texts, and gives columns one type for both sides."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare.reading.csv_notation import rewrite_text_dates, rewrite_values
from sandbox.compare.reading.declared_types import check_declared_types
from sandbox.compare.reading.json_documents import DocumentTable, has_long_numbers, store_documents
from sandbox.compare.reading.text_columns import decide_types
from sandbox.compare.relations import TextRows, create_table
from sandbox.config.sections.csv import CsvSection
from sandbox.engine.duckdb.session import find_engine_error, quote_identifier
from sandbox.engine.duckdb.table_functions import (
    build_objects_function,
    build_table_function,
    find_delimiter,
    read_heading,
)
from sandbox.errors import SandboxError
from sandbox.tables.json_types import infer_json_types, render_columns_option
from sandbox.tables.table_opening import open_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.compare.relations import SideName
    from sandbox.engine.duckdb.session import Session
    from sandbox.model import TableFiles

TEXT_FORMATS = frozenset({"csv", "jsonl", "json"})
_NUMBERED = re.compile(r"_\d+$")


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """A table of texts that was parsed and stored.

    Attributes:
        stored: Its rows.
        names: The columns, spelt as in the files where these can be told apart.
        columns: What they are called there in SQL.
        typed: Whether DuckDB read values of their types.
        strings: The columns of JSON strings, which stay texts, by the names of both sides.
    """

    stored: TextRows
    names: tuple[str, ...]
    columns: tuple[str, ...]
    typed: bool
    strings: frozenset[str] = frozenset()


def _find_shared_name(side: SideName, name: str, renamed: Mapping[str, str]) -> str:
    """Return what both sides call a column of one side."""
    return renamed.get(name, name) if side == "candidate" else name


class TextReader:
    """Reads the text tables of a comparison.

    Args:
        session: Where tables are stored.
        failure: The class of errors.
    """

    def __init__(self, session: Session, failure: type[SandboxError]) -> None:
        self._session = session
        self._failure = failure

    def open(
        self,
        tables: Mapping[SideName, TableFiles],
        renamed: Mapping[str, str],
        declared: Mapping[str, str],
        doing: Mapping[SideName, str],
    ) -> dict[SideName, tuple[TextRows, tuple[str, ...]]]:
        """Return each table's rows, and its columns' names.

        Args:
            tables: One side's, or both sides'.
            renamed: The candidate's names of columns to the baseline's.
            declared: Types of columns, which decide instead of the values, by the baseline's name.
            doing: The start of messages, by side.
        """
        read = {
            side: self._store_csv(side, table, doing[side]) for side, table in tables.items() if table.format == "csv"
        }
        documents = {side: table for side, table in tables.items() if table.format != "csv"}
        read |= self._store_json(documents, renamed, doing, as_texts=bool(declared))
        places: dict[str, list[tuple[TextRows, str]]] = {}
        for side, table in read.items():
            for name, column in zip(table.names, table.columns, strict=True):
                if not table.typed:
                    shared = _find_shared_name(side, name, renamed)
                    places.setdefault(shared, []).append((table.stored, column))
        sections = {
            read[side].stored: CsvSection.model_validate(table.csv)
            for side, table in tables.items()
            if table.csv is not None
        }
        strings = {name for table in read.values() for name in table.strings}
        types = self._decide_types(places, declared, strings, sections)
        return {side: (self._convert_types(side, table, renamed, types), table.names) for side, table in read.items()}

    def _decide_types(
        self,
        places: Mapping[str, list[tuple[TextRows, str]]],
        declared: Mapping[str, str],
        strings: set[str],
        sections: Mapping[TextRows, CsvSection],
    ) -> dict[str, str]:
        """Return the type of each column, after rewriting values of CSV files that are written as their settings say."""
        doing = "deciding the types of text columns"
        texts = rewrite_values(self._session, places, sections)
        types = check_declared_types(self._session, places, declared, failure=self._failure)
        types |= {name: "VARCHAR" for name in strings | texts if name not in types}
        left = {name: found for name, found in places.items() if name not in types}
        types |= decide_types(self._session, left, doing=doing)
        fixed = {*declared, *strings}
        undated = {n: found for n, found in places.items() if types[n] == "VARCHAR" and n not in fixed}
        dates = rewrite_text_dates(self._session, undated, sections)
        return types | decide_types(self._session, {name: places[name] for name in dates}, doing=doing)

    def _convert_types(
        self, side: SideName, table: TextTable, renamed: Mapping[str, str], types: Mapping[str, str]
    ) -> TextRows:
        if table.typed:
            return table.stored
        names = [_find_shared_name(side, name, renamed) for name in table.names]
        casts = ", ".join(
            f"{column}::{types[name]} as {column}" for name, column in zip(names, table.columns, strict=True)
        )
        typed = create_table(self._session, TextRows(name=f"typed_{side}"), f"select {casts} from {table.stored}")
        self._session.execute(f"drop table {table.stored}")
        return typed

    def _store_csv(self, side: SideName, table: TableFiles, doing: str) -> TextTable:
        stored = _name_stored_rows(side)
        if table.csv is not None:
            return self._store_described_csv(stored, table, doing)
        try:
            headers = self._read_headers(table, doing)
            self._store(stored, table, ", all_varchar = true, allow_quoted_nulls = false", doing)
        except SandboxError as error:
            self._explain_broken_csv(table, doing, error)
            raise
        columns = [name for name, *_ in self._session.fetch_rows(f"describe {stored}", doing=doing)]
        first = headers[0]
        named = len(table.paths) == 1 and len(first) == len(columns)  # else DuckDB's names, and those of partitions
        names = [own or engine for own, engine in zip(first, columns, strict=True)] if named else columns
        return TextTable(stored=stored, names=tuple(names), columns=tuple(map(quote_identifier, columns)), typed=False)

    def _store_described_csv(self, stored: TextRows, table: TableFiles, doing: str) -> TextTable:
        """Store a table whose files the settings describe."""
        from sandbox.tables.csv_tables import open_csv_texts  # noqa: PLC0415 - slow to import, and rarely needed

        try:
            with open_csv_texts(self._session, table) as source:
                create_table(self._session, stored, f"select * from {source}", doing=doing)
        except SandboxError as error:
            raise self._failure(f"{doing}: {error.message}", hint=error.hint) from error
        names = tuple(name for name, *_ in self._session.fetch_rows(f"describe {stored}", doing=doing))
        return TextTable(stored=stored, names=names, columns=tuple(map(quote_identifier, names)), typed=False)

    def _explain_broken_csv(self, table: TableFiles, doing: str, error: SandboxError) -> None:
        """Raise the error for the first broken line of a table, if there is one."""
        if find_engine_error(error) is None:
            return
        from sandbox.engine.duckdb import decoded_files  # noqa: PLC0415 - slow to import, and rarely needed
        from sandbox.sources.files.csv_problems import find_csv_problem  # noqa: PLC0415
        from sandbox.sources.files.file_errors import CSV_HINT  # noqa: PLC0415

        for path in table.paths:
            compression = decoded_files.find_compression(path.name)
            with path.open("rb") as stream, decoded_files.open_decompressed(stream, compression) as lines:
                problem = find_csv_problem(lines, find_delimiter(path))
            if problem is not None:
                where = f"{path.name}: " if len(table.paths) > 1 else ""
                raise self._failure(f"{doing}: {where}line {problem[0]} {problem[1]}", hint=CSV_HINT) from error

    def _read_headers(self, table: TableFiles, doing: str) -> list[tuple[str | None, ...]]:
        """Return the columns of the first file, then those of files with other first lines."""
        headers = []
        known = set()
        for path in table.paths:
            heading = read_heading(path)
            if heading is None or heading not in known:
                headers.append(self._read_header(dataclasses.replace(table, paths=(path,)), doing))
                known.add(heading)
        return headers

    def _read_header(self, table: TableFiles, doing: str) -> tuple[str | None, ...]:
        function = build_table_function(table).replace("header = true", "header = false")
        rows = self._session.fetch_rows(f"select * from {function[:-1]}, all_varchar = true) limit 1", doing=doing)
        if not rows:
            raise self._failure(f"{doing}: {table.paths[0].name} is empty; the first line must name the columns")
        header: tuple[str | None, ...] = rows[0]
        repeated = sorted({name for name in header if name and header.count(name) > 1})
        if repeated:
            raise self._failure(
                f'{doing}: {table.paths[0].name} has more than one column "{repeated[0]}"',
                hint="give each column a name of its own",
            )
        return header

    def _store_json(
        self,
        tables: Mapping[SideName, TableFiles],
        renamed: Mapping[str, str],
        doing: Mapping[SideName, str],
        *,
        as_texts: bool,
    ) -> dict[SideName, TextTable]:
        types = {side: infer_json_types(self._session, [table], doing=doing[side]) for side, table in tables.items()}
        members = {side: self._list_members(tables[side], list(types[side]), doing[side]) for side in tables}
        is_renamed = any(members[side] != list(types[side]) for side in tables)
        if (
            as_texts
            or is_renamed
            or any(has_long_numbers(self._session, table, doing=doing[side]) for side, table in tables.items())
        ):
            for side, table in tables.items():
                if table.folder is not None:
                    raise self._failure(
                        f"{doing[side]}: partitioned JSON with numbers of more than 15 digits, declared types, or members that differ only in case, is not supported",
                        hint="write it as Parquet",
                    )
            strings = store_documents(
                self._session,
                {
                    _name_stored_rows(side): DocumentTable(
                        files=table,
                        members=members[side],
                        shared=[_find_shared_name(side, name, renamed) for name in members[side]],
                        doing=doing[side],
                    )
                    for side, table in tables.items()
                },
                self._failure,
            )
            return {
                side: TextTable(
                    stored=_name_stored_rows(side),
                    names=tuple(names),
                    columns=tuple(f"c{number}" for number in range(len(names))),
                    typed=False,
                    strings=strings,
                )
                for side, names in members.items()
            }
        if len({tuple(sorted(kinds.items())) for kinds in types.values()}) > 1:
            joint = infer_json_types(self._session, list(tables.values()), doing=next(iter(doing.values())))
            types = {
                side: {name: joint.get(name, kind) for name, kind in kinds.items()} for side, kinds in types.items()
            }
        return {side: self._store_typed_json(side, table, types[side], doing[side]) for side, table in tables.items()}

    def _list_members(self, table: TableFiles, names: list[str], doing: str) -> list[str]:
        """Return the names of the documents' members, of which DuckDB numbers those that differ only in case."""
        known = [name.casefold() for name in names]
        if not any(_NUMBERED.sub("", name) in known for name in known if _NUMBERED.search(name)):
            return names
        rows = self._session.fetch_rows(
            f"select distinct unnest(json_keys(json)) as name from {build_objects_function(table)} order by name",
            doing=doing,
        )
        return [name for (name,) in rows]

    def _store_typed_json(self, side: SideName, table: TableFiles, types: Mapping[str, str], doing: str) -> TextTable:
        stored = _name_stored_rows(side)
        self._store(stored, table, render_columns_option(types), doing)
        columns = [name for name, *_ in self._session.fetch_rows(f"describe {stored}", doing=doing)]
        return TextTable(stored=stored, names=tuple(columns), columns=tuple(map(quote_identifier, columns)), typed=True)

    def _store(self, stored: TextRows, table: TableFiles, option: str, doing: str) -> None:
        source = open_table(self._session, table, stored.name, doing=doing, option=option)
        create_table(self._session, stored, f"select * from {source}", doing=doing)


def _name_stored_rows(side: SideName) -> TextRows:
    return TextRows(name=f"stored_{side}")
