"""Reads a table of Parquet files: every value exactly, whatever type each file gives a column.

The files' Arrow schemas decide. Files of one schema are one call of DuckDB's reader; where schemas differ, each is cast to
types that hold all values. Where there is no such type the file is refused.
"""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sandbox.compare.reading.flat_schema import read_flat_schema
from sandbox.compare.reading.parquet_types import UnreadableTypeError, WideType, unify_types
from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import format_file_list
from sandbox.error_text import describe_foreign_error
from sandbox.tables.table_opening import (
    FILE_COLUMN,
    build_marked_function,
    list_partition_columns,
    render_partitions_sql,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sandbox.engine.duckdb.session import Session
    from sandbox.errors import SandboxError
    from sandbox.model import TableFiles

_READER_OPTIONS = "hive_partitioning = false"
_FIRST_NS, _LAST_NS = "TIMESTAMP '1677-09-22 00:00:00'", "TIMESTAMP '2262-04-11 00:00:00'"


@dataclass(frozen=True, kw_only=True)
class ParquetSource:
    """A table of Parquet files.

    Attributes:
        sql: Its rows, valid after ``from``; columns in the order of ``names``.
        names: The columns, spelt as in the files.
        units: The units of each column's durations.
        files: The files, where one call of DuckDB's reader reads them all and no column is a folder's; else none.
        options: What that call is given besides the files.
    """

    sql: str
    names: tuple[str, ...]
    units: tuple[tuple[str, ...], ...]
    files: tuple[ParquetFile, ...] = ()
    options: str = ""


@dataclass(frozen=True, kw_only=True)
class ParquetFile:
    """What the footer of one file says.

    Attributes:
        path: The file.
        names, types: Its columns, and those of its folders, with their Arrow types.
        int96: Columns of timestamps as INT96.
        metadata: Arrow's ``FileMetaData``.
    """

    path: Path
    names: tuple[str, ...]
    types: tuple[Any, ...]
    int96: frozenset[str]
    metadata: Any

    @functools.cached_property
    def types_by_name(self) -> dict[str, Any]:
        """The Arrow type of each column."""
        return dict(zip(self.names, self.types, strict=True))


def open_parquet(session: Session, table: TableFiles, failure: type[SandboxError], *, doing: str) -> ParquetSource:
    """Return the source of a table; the columns of partitions come last, as texts.

    Raises:
        SandboxError: Of the given class; a file cannot be read, or holds values that would be changed.
    """
    if len(table.paths) == 1 and not table.folder and (plain := read_flat_schema(table.paths[0])) is not None:
        sql = f"read_parquet({format_file_list(table.paths)}, {_READER_OPTIONS})"
        return ParquetSource(sql=sql, names=plain, units=((),) * len(plain))
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    files = [_read_schema(path, failure, doing) for path in table.paths]
    held = {name.lower() for file in files for name in file.names}
    partitions = (
        list_partition_columns(session, table, build_marked_function(table), held, doing=doing) if table.folder else {}
    )
    files = [
        replace(file, names=(*file.names, *partitions), types=(*file.types, *(pa.string() for _ in partitions)))
        for file in files
    ]
    names = tuple(dict.fromkeys(name for file in files for name in file.names))
    int96 = any(file.int96 for file in files)
    wide = {name: _unify_column(files, name, failure, doing) for name in names}
    groups: dict[tuple[tuple[str, str], ...], list[ParquetFile]] = {}
    for file in files:
        kinds = (
            _name_kind(type_, int96=name in file.int96) for name, type_ in zip(file.names, file.types, strict=True)
        )
        groups.setdefault(tuple(zip(file.names, kinds, strict=True)), []).append(file)
    units = tuple(wide[name].units for name in names)
    reader = _GroupReader(session=session, failure=failure, doing=doing, int96=int96, partitions=partitions)
    if len(groups) == 1:
        [group] = groups.values()
        reader.check_int96(group)
        return ParquetSource(
            sql=reader.render_files_sql(group),
            names=names,
            units=units,
            files=() if partitions else tuple(group),
            options=reader.options,
        )
    parts = []
    for columns, group in groups.items():
        reader.check_int96(group)
        for number, (name, kind) in enumerate(columns):
            if wide[name].must_check and kind != wide[name].sql:
                reader.check_values(group, number, name, kind, wide[name].sql)
        shown = [f"c{number}::{wide[name].sql} as g{names.index(name)}" for number, (name, _) in enumerate(columns)]
        aliases = ", ".join(f"c{number}" for number in range(len(columns)))
        parts.append(f"select {', '.join(shown)} from {reader.render_files_sql(group)} t({aliases})")
    ordered = ", ".join(f"g{number}" for number in range(len(names)))
    return ParquetSource(sql=f"(select {ordered} from ({' union all by name '.join(parts)}))", names=names, units=units)


def _read_schema(path: Path, failure: type[SandboxError], doing: str) -> ParquetFile:
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    from pyarrow import parquet  # noqa: PLC0415 - slow to import

    try:
        with parquet.ParquetFile(path) as opened:
            schema, physical, metadata = opened.schema_arrow, opened.schema, opened.metadata
            columns = [physical.column(number) for number in range(len(physical))]
    except (OSError, pa.ArrowException) as error:
        raise failure(f"{doing}: {path.name}: {describe_foreign_error(error)}") from error
    names = tuple(schema.names)
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise failure(
            f'{doing}: {path.name} has more than one column "{repeated[0]}"', hint="give each column a name of its own"
        )
    int96 = frozenset(column.path.partition(".")[0] for column in columns if column.physical_type == "INT96")
    return ParquetFile(path=path, names=names, types=tuple(schema.types), int96=int96, metadata=metadata)


def _unify_column(files: Sequence[ParquetFile], name: str, failure: type[SandboxError], doing: str) -> WideType:
    held = [(file, file.types_by_name[name]) for file in files if name in file.types_by_name]
    int96 = any(name in file.int96 for file, _ in held)
    try:
        return unify_types([type_ for _, type_ in held], int96=int96)
    except UnreadableTypeError as error:
        blamed = next((file for file, type_ in held if not _is_readable([held[0][1], type_], int96=int96)), held[0][0])
        raise failure(
            f'{doing}: {blamed.path.name}: column "{name}": {error}', hint="write it with one type in all files"
        ) from None


def _name_kind(type_: Any, *, int96: bool) -> str:
    """Return what the types of columns share that one call of the reader may read."""
    # The type of a column without any value is no other file's.
    return unify_types([type_], int96=int96).sql + (f" {type_}" if "null" in str(type_) else "")


def _is_readable(types: Sequence[Any], *, int96: bool) -> bool:
    try:
        unify_types(types, int96=int96)
    except UnreadableTypeError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class _GroupReader:
    """Reads files of one schema."""

    session: Session
    failure: type[SandboxError]
    doing: str
    int96: bool
    partitions: Mapping[str, str]

    @property
    def options(self) -> str:
        """The options of DuckDB's reader."""
        return _READER_OPTIONS + (", int96_as = 'timestamp_ns'" if self.int96 else "")

    def render_files_sql(self, group: Sequence[ParquetFile], *, with_file: bool = False) -> str:
        """Return the SQL of the files' rows, with the columns of partitions and, if asked for, ``filename``."""
        reader = f"read_parquet({format_file_list(file.path for file in group)}, {self.options}"
        if not self.partitions:
            return f"{reader}, filename = true)" if with_file else f"{reader})"
        more = [f"{quote_identifier(FILE_COLUMN)} as filename"] if with_file else []
        return render_partitions_sql(f"{reader}, filename = {quote_literal(FILE_COLUMN)})", self.partitions, more)

    def check_int96(self, group: Sequence[ParquetFile]) -> None:
        """Check that the timestamps of INT96 columns are within the range of nanoseconds."""
        for name in sorted(group[0].int96):
            number = group[0].names.index(name)
            if group[0].types[number].id == _get_timestamp_id():
                files = format_file_list(file.path for file in group)
                extra = "".join(f", null as {quote_identifier(part)}" for part in self.partitions)
                rows = f"(select * exclude (filename){extra}, filename from read_parquet({files}, hive_partitioning = false, filename = true))"
                self._refuse(
                    group,
                    rows,
                    number,
                    name,
                    f"c{number} between {_FIRST_NS} and {_LAST_NS}",
                    "nanoseconds (1677 to 2262)",
                )

    def check_values(self, group: Sequence[ParquetFile], number: int, name: str, kind: str, wide: str) -> None:
        """Check that a wider type holds each value of a column."""
        value = f"c{number}"
        scale = int(kind.rpartition(",")[2].rstrip(")")) if kind.startswith("DECIMAL(") else None
        if wide == "DOUBLE" and scale is not None:
            digits = f"replace({value}::VARCHAR, '.', '')::HUGEINT"
            held = f"{digits} % {5**scale} = 0 and ({digits} // {5**scale})::DOUBLE::HUGEINT = {digits} // {5**scale}"
        elif wide == "DOUBLE" and kind.endswith("INT"):
            held = f"{value}::DOUBLE::HUGEINT = {value}"
        else:
            held = f"try_cast({value} as {wide})::{kind} is not distinct from {value}"
        self._refuse(group, self.render_files_sql(group, with_file=True), number, name, held, wide)

    def _refuse(self, group: Sequence[ParquetFile], rows: str, number: int, name: str, held: str, wide: str) -> None:
        aliases = ", ".join([*(f"c{place}" for place in range(len(group[0].names))), "filename"])
        found = self.session.fetch_rows(
            f"select filename from {rows} t({aliases}) where c{number} is not null and not coalesce({held}, false) limit 1",
            doing=self.doing,
        )
        if found:
            file = str(found[0][0]).rpartition("/")[2]
            raise self.failure(
                f'{self.doing}: {file}: column "{name}" has values that {wide} does not hold exactly',
                hint="write it with one type in all files",
            )


def _get_timestamp_id() -> int:
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    return int(pa.timestamp("ns").id)
