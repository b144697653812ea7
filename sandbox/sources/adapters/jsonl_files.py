"""Read JSON files of a folder or bucket: one object a line, or one array of objects."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.config.sections.csv import PLAIN_CSV
from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import build_compression_option, format_file_list
from sandbox.errors import SourceError
from sandbox.sources.files.columns import describe_columns
from sandbox.sources.files.csv_layout import decode_file
from sandbox.sources.files.file_errors import JSON_HINT, explain_jsonl_error, find_jsonl_error
from sandbox.sources.files.json_values import JsonForm, choose_exact_types, detect_form, find_long_number
from sandbox.sources.files.partitions import FileConstants
from sandbox.sources.files.text_lines import find_undecodable_lines
from sandbox.sources.listing import register_files
from sandbox.sources.protocol import BrokenLines, SourceAdapter, number_rows
from sandbox.sources.table import SourceTable

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from sandbox.config.sections.csv import CsvSection
    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile
    from sandbox.sources.protocol import TableRequest

TYPE_REPLACEMENTS = {"HUGEINT": "DECIMAL(38,0)", '"NULL"': "VARCHAR"}


@dataclass(frozen=True, kw_only=True)
class JsonDetails:
    """The form of a table's files."""

    form: JsonForm


class JsonLinesAdapter(SourceAdapter):
    """Files with one JSON object a line or with an array of objects, possibly compressed."""

    format = "jsonl"
    suffixes = (".jsonl", ".ndjson", ".json")
    weak_suffixes = (".json",)
    compressions = (".gz", ".zst", ".bz2", ".xz")
    parquet_ratio = 0.12

    def open_table(self, session: Session, request: TableRequest) -> SourceTable:
        files = tuple(decode_file(file, PLAIN_CSV) for file in request.files)
        register_files(session, files)
        form = detect_form(files)
        options = (
            f"sample_size = -1, union_by_name = true, maximum_sample_files = {len(files)}, map_inference_threshold = -1"
        )
        sniffed = _build_reader(files, form, options)
        types = {
            column: _replace_unsupported_types(kind)
            for column, kind in describe_columns(session, f"select * from {sniffed}").items()
        }
        objects = _build_objects_reader(files, form)
        [(rows, long)] = session.fetch_rows(
            f"select count(*), coalesce(bool_or({find_long_number('json')}), false) from {objects}",
            doing="counting rows",
        )
        if list(types) == ["json"]:
            _check_objects(session, files, objects)
        if not rows:
            raise SourceError(f"{files[0].path} holds no JSON object, so its columns are not known", hint=JSON_HINT)
        _check_renamed_columns(session, files, objects, types)
        opened = SourceTable(
            name=request.name,
            format=self.format,
            files=files,
            columns={column: request.fixed.get(column, kind) for column, kind in types.items()},
            rows=rows,
            width=sum(file.bytes for file in files) / max(1, rows),
            details=JsonDetails(form=form),
        )
        inferred = [name for name in types if name not in request.fixed and request.section.takes_column(name)]
        exact = choose_exact_types(session, opened, inferred, self.build_untyped_select(opened), objects, long=long)
        return replace(opened, columns={**opened.columns, **exact})

    def build_select(self, table: SourceTable, files: Sequence[int] | None, number: str | None) -> str:
        files = range(len(table.files)) if files is None else files
        constants = FileConstants.from_files(table, files)
        columns = ", ".join(
            f"{quote_literal(name)}: {quote_literal(kind)}"
            for name, kind in table.columns.items()
            if name not in constants.sql
        )
        names = ", ".join(constants.sql.get(name, quote_identifier(name)) for name in table.columns)
        options = f"columns = {{{columns}}}{constants.option}"
        reader = _build_reader([table.files[index] for index in files], _get_form(table), options)
        return number_rows(f"select {names} from {reader}", number)

    def list_read_groups(self, table: SourceTable) -> Sequence[Hashable] | None:
        return [None] * len(table.files)

    def build_untyped_select(self, table: SourceTable) -> str:
        columns = ", ".join(f"{quote_literal(name)}: 'JSON'" for name in table.columns)
        names = ", ".join(f"{quote_identifier(name)} ->> '$' as {quote_identifier(name)}" for name in table.columns)
        return f"select {names} from {_build_reader(table.files, _get_form(table), f'columns = {{{columns}}}')}"

    def explain_error(self, cause: Exception, files: Sequence[SourceFile]) -> SourceError:
        return explain_jsonl_error(cause, files)

    def find_broken_lines(self, session: Session, file: SourceFile, csv: CsvSection | None) -> list[BrokenLines]:
        lines = find_undecodable_lines(file)
        if lines is None:
            return []
        return [BrokenLines(reason="is not UTF-8", plural_reason="are not UTF-8", first=lines[0], count=lines[1])]


def _get_form(table: SourceTable) -> JsonForm:
    assert isinstance(table.details, JsonDetails)
    return table.details.form


def _list_addresses(files: Sequence[SourceFile]) -> str:
    return format_file_list(file.address for file in files)


def _build_compression(files: Sequence[SourceFile]) -> str:
    return build_compression_option([file.compression if file.decoding.is_plain else None for file in files])


def _build_reader(files: Sequence[SourceFile], form: JsonForm, options: str) -> str:
    """Build the table function for files."""
    return (
        f"read_json({_list_addresses(files)}, format = '{form}', {options}, "
        f"{_build_compression(files)}, hive_partitioning = false)"
    )


def _build_objects_reader(files: Sequence[SourceFile], form: JsonForm) -> str:
    """Build the table function for the objects of files, as the column ``json``."""
    return f"read_json_objects({_list_addresses(files)}, format = '{form}', {_build_compression(files)})"


def _check_objects(session: Session, files: Sequence[SourceFile], objects: str) -> None:
    """Check that all values are objects: DuckDB reads others as a column ``json``, a name that a real one may have."""
    others = f"select count(*) from {objects} where json_type(json) <> 'OBJECT'"
    if session.fetch_rows(others, doing="reading the columns") != [(0,)]:
        raise find_jsonl_error(files) or SourceError(
            f"{files[0].path} holds values that are no objects, so its columns are not known", hint=JSON_HINT
        )


def _check_renamed_columns(
    session: Session, files: Sequence[SourceFile], objects: str, types: Mapping[str, str]
) -> None:
    """Check that DuckDB renamed no column: it reads ``A`` beside ``a`` as ``A_1``."""
    lower = {name.lower() for name in types}
    for name in types:
        match = re.fullmatch(r"(.+)_\d+", name)
        if match is None or match[1].lower() not in lower:
            continue
        known = f"select count(*) from (select 1 from {objects} where list_contains(json_keys(json), ?) limit 1)"
        if not session.fetch_rows(known, [name], doing="reading the columns")[0][0]:
            raise SourceError(f"{files[0].path}: columns that differ at most in case: {match[1]}")


def _replace_unsupported_types(kind: str) -> str:
    return re.sub(r'\bHUGEINT\b|"NULL"', lambda match: TYPE_REPLACEMENTS[match[0]], kind)
