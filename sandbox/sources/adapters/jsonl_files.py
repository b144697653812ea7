"""Read JSON Lines files of a folder or bucket."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import build_compression_option, format_file_list
from sandbox.errors import SourceError
from sandbox.sources.files.columns import describe_columns
from sandbox.sources.files.file_errors import JSON_HINT, explain_jsonl_error, find_jsonl_error
from sandbox.sources.files.partitions import FileConstants
from sandbox.sources.files.text_lines import find_undecodable_lines
from sandbox.sources.protocol import BrokenLines, SourceAdapter, number_rows
from sandbox.sources.table import SourceTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile
    from sandbox.sources.protocol import TableRequest

TYPE_REPLACEMENTS = {"HUGEINT": "DECIMAL(38,0)", '"NULL"': "VARCHAR"}


class JsonLinesAdapter(SourceAdapter):
    """Files with one JSON object a line, possibly compressed."""

    format = "jsonl"
    suffixes = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
    parquet_ratio = 0.12

    def open_table(self, session: Session, request: TableRequest) -> SourceTable:
        files = request.files
        sniffed = (
            f"read_json({_list_paths(files)}, format = 'newline_delimited', sample_size = -1, union_by_name = true, "
            f"maximum_sample_files = {len(files)}, map_inference_threshold = -1, {_build_compression(files)}, hive_partitioning = false)"
        )
        types = {
            column: _replace_unsupported_types(kind)
            for column, kind in describe_columns(session, f"select * from {sniffed}").items()
        }
        lines = f"read_ndjson_objects({_list_paths(files)}, {_build_compression(files)})"
        [(rows,)] = session.fetch_rows(f"select count(*) from {lines}", doing="counting rows")
        # DuckDB's only column for lines without an object; a real column can have that name too.
        if list(types.items()) == [("json", "JSON")] and (broken := find_jsonl_error(files)):
            raise broken
        if not rows:
            raise SourceError(f"{files[0].path} holds no JSON object, so its columns are not known", hint=JSON_HINT)
        _check_renamed_columns(session, files, lines, types)
        return SourceTable(
            name=request.name,
            format=self.format,
            files=files,
            columns={column: request.fixed.get(column, kind) for column, kind in types.items()},
            rows=rows,
            width=sum(file.bytes for file in files) / max(1, rows),
        )

    def build_select(self, table: SourceTable, file: int | None, number: str | None) -> str:
        files = range(len(table.files)) if file is None else [file]
        constants = FileConstants.from_files(table, files)
        columns = ", ".join(
            f"{quote_literal(name)}: {quote_literal(kind)}"
            for name, kind in table.columns.items()
            if name not in constants.sql
        )
        names = ", ".join(constants.sql.get(name, quote_identifier(name)) for name in table.columns)
        reader = _build_reader([table.files[index] for index in files], columns, constants.option)
        return number_rows(f"select {names} from {reader}", number)

    def build_untyped_select(self, table: SourceTable) -> str:
        columns = ", ".join(f"{quote_literal(name)}: 'JSON'" for name in table.columns)
        names = ", ".join(f"{quote_identifier(name)} ->> '$' as {quote_identifier(name)}" for name in table.columns)
        return f"select {names} from {_build_reader(table.files, columns)}"

    def explain_error(self, cause: Exception, files: Sequence[SourceFile]) -> SourceError:
        return explain_jsonl_error(cause, files)

    def find_broken_lines(self, session: Session, file: SourceFile) -> list[BrokenLines]:
        lines = find_undecodable_lines(file)
        if lines is None:
            return []
        return [BrokenLines(reason="is not UTF-8", plural_reason="are not UTF-8", first=lines[0], count=lines[1])]


def _list_paths(files: Sequence[SourceFile]) -> str:
    return format_file_list(file.path for file in files)


def _build_compression(files: Sequence[SourceFile]) -> str:
    return build_compression_option([file.is_gzipped for file in files])


def _build_reader(files: Sequence[SourceFile], columns: str, option: str = "") -> str:
    """Build the table function for files with declared columns."""
    return (
        f"read_json({_list_paths(files)}, format = 'newline_delimited', columns = {{{columns}}}, "
        f"{_build_compression(files)}, hive_partitioning = false{option})"
    )


def _check_renamed_columns(session: Session, files: Sequence[SourceFile], lines: str, types: Mapping[str, str]) -> None:
    """Check that DuckDB renamed no column: it reads ``A`` beside ``a`` as ``A_1``."""
    lower = {name.lower() for name in types}
    for name in types:
        match = re.fullmatch(r"(.+)_\d+", name)
        if match is None or match[1].lower() not in lower:
            continue
        known = f"select count(*) from (select 1 from {lines} where list_contains(json_keys(json), ?) limit 1)"
        if not session.fetch_rows(known, [name], doing="reading the columns")[0][0]:
            raise SourceError(f"{files[0].path}: columns that differ at most in case: {match[1]}")


def _replace_unsupported_types(kind: str) -> str:
    return re.sub(r'\bHUGEINT\b|"NULL"', lambda match: TYPE_REPLACEMENTS[match[0]], kind)
