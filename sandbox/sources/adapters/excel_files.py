"""Read sheets of Excel and OpenDocument workbooks of a folder or bucket."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sandbox.engine.duckdb.arrow_types import describe_schema
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.errors import SourceError
from sandbox.sources.adapters.scan_view import build_file_select, name_scan_view
from sandbox.sources.files.columns import check_distinct_columns, check_same_columns
from sandbox.sources.files.type_union import unify_file_types
from sandbox.sources.protocol import SourceAdapter, number_rows
from sandbox.sources.table import SourceTable
from sandbox.sources.unreadable_file import build_file_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile
    from sandbox.sources.protocol import TableRequest

EXTRA_HINT = "pip install 'python-calamine>=0.5'"
MAX_EXACT_INTEGER = 2**53  # numbers of Excel are doubles


@dataclass(frozen=True, kw_only=True)
class ExcelDetails:
    """The columns of each file, in the sheet's order."""

    columns: tuple[tuple[str, ...], ...]


class ExcelAdapter(SourceAdapter):
    """One sheet of a workbook a table; the first row names the columns."""

    format = "excel"
    suffixes = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
    weak_suffixes = suffixes
    parquet_ratio = 0.5

    def open_table(self, session: Session, request: TableRequest) -> SourceTable:
        sheets = [_read_sheet(file) for file in request.files]
        names = [tuple(sheet.column_names) for sheet in sheets]
        check_same_columns(request.files, names)
        kinds = [describe_schema(session, sheet.schema) for sheet in sheets]
        _register_sheets(session, request.name, sheets)

        def build_own_select(index: int) -> str:
            columns = [
                f"c{n}::{kind} as {quote_identifier(name)}" for n, (name, kind) in enumerate(kinds[index].items())
            ]
            return f"select {', '.join(columns)} from {quote_identifier(name_scan_view(request.name, index))}"

        types = unify_file_types(session, request.name, request.files, kinds, build_own_select, skipped=request.fixed)
        rows = sum(sheet.num_rows for sheet in sheets)
        return SourceTable(
            name=request.name,
            format=self.format,
            files=request.files,
            columns={name: request.fixed.get(name, kind) for name, kind in types.items()},
            rows=rows,
            width=sum(sheet.nbytes for sheet in sheets) / max(1, rows),
            details=ExcelDetails(columns=tuple(names)),
        )

    def attach_table(self, session: Session, table: SourceTable) -> None:
        _register_sheets(session, table.name, [_read_sheet(file) for file in table.files])

    def build_select(self, table: SourceTable, files: Sequence[int] | None, number: str | None) -> str:
        files = range(len(table.files)) if files is None else files
        assert isinstance(table.details, ExcelDetails)
        names = table.details.columns
        selects = (build_file_select(table, index, names[index]) for index in files)
        return number_rows(" union all ".join(selects), number)


def _register_sheets(session: Session, table: str, sheets: Sequence[pa.Table]) -> None:
    for index, sheet in enumerate(sheets):
        numbered = sheet.rename_columns([f"c{number}" for number in range(sheet.num_columns)])
        session.register_table(name_scan_view(table, index), numbered)


def split_workbook(name: str, file: SourceFile) -> dict[str, SourceFile]:
    """Return the tables of a workbook: called as the file if there is one sheet, else ``file.sheet``.

    Raises:
        SourceError: It cannot be read.
    """
    sheets = _list_sheets(file)
    if len(sheets) == 1:
        return {name: replace(file, table_path=(sheets[0],))}
    return {f"{name}.{sheet}": replace(file, table_path=(sheet,)) for sheet in sheets}


def _open_workbook(file: SourceFile) -> Any:
    try:
        from python_calamine import CalamineWorkbook  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SourceError(f"{file.path}: Excel files need python-calamine", hint=EXTRA_HINT) from error
    with file.open() as stream:
        content = io.BytesIO(stream.read())
    return CalamineWorkbook.from_filelike(content)


def _list_sheets(file: SourceFile) -> list[str]:
    """Return the sheets of a workbook with cells."""
    try:
        book = _open_workbook(file)
        return [name for name in book.sheet_names if book.get_sheet_by_name(name).total_height] or book.sheet_names[:1]
    except (OSError, ValueError, RuntimeError) as error:
        raise _build_error(file, error) from error
    except Exception as error:  # calamine's own classes have no base but Exception
        if isinstance(error, SourceError) or type(error).__module__.partition(".")[0] != "python_calamine":
            raise
        raise _build_error(file, error) from error


def _build_error(file: SourceFile, error: Exception) -> SourceError:
    return build_file_error(file.path, "cannot be read as a workbook", error)


def _read_sheet(file: SourceFile) -> pa.Table:
    """Read a sheet; each column's type follows from all its values.

    Raises:
        SourceError: It cannot be read, or its first row does not name its columns.
    """
    sheets = [file.table_path[0]] if file.table_path else _list_sheets(file)
    if len(sheets) > 1:
        raise SourceError(f"{file.path} has several sheets: {', '.join(sheets)}", hint="keep one in a folder's files")
    rows = _open_workbook(file).get_sheet_by_name(sheets[0]).to_python(skip_empty_area=True)
    if not rows:
        raise SourceError(f"{file.path}: the sheet {sheets[0]} is empty; its first row must name the columns")
    names = [str(_convert_number(cell)) for cell in rows[0]]
    if "" in names:
        raise SourceError(
            f"{file.path}: the sheet {sheets[0]} has a column without a name",
            hint="give every column a name of its own",
        )
    check_distinct_columns(file, names)
    filled = [row for row in rows[1:] if any(cell != "" for cell in row)]
    columns = [_build_column([row[index] if index < len(row) else "" for row in filled]) for index in range(len(names))]
    return pa.table(columns, names=names)


def _build_column(cells: Sequence[Any]) -> pa.Array:
    """Build a column from cells; an empty one is NULL, and cells of several kinds are texts.

    >>> [str(_build_column(cells).type) for cells in ([1.0, ""], [1.0, 2.5], [True], ["x", 1.0], [""])]
    ['int64', 'double', 'bool', 'string', 'string']
    """
    values = [None if cell == "" else _convert_number(cell) for cell in cells]
    kinds = {type(value) for value in values if value is not None}
    convert, kind = next(
        ((convert, kind) for allowed, convert, kind in COLUMN_TYPES if kinds and kinds <= allowed),
        (_format_cell, pa.string()),
    )
    return pa.array([None if value is None else convert(value) for value in values], kind)


def _convert_number(cell: Any) -> Any:
    """Return a whole number as one: Excel knows floating-point numbers alone."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) <= MAX_EXACT_INTEGER:
        return int(cell)
    return cell


def _convert_time(value: dt.date) -> dt.datetime:
    return value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time())


def _format_cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


# The kinds of cells of a column, the conversion of each, and the column's type; the first that fits counts.
COLUMN_TYPES: tuple[tuple[set[type], Callable[[Any], Any], pa.DataType], ...] = (
    ({int}, int, pa.int64()),
    ({int, float}, float, pa.float64()),
    ({bool}, bool, pa.bool_()),
    ({dt.date}, lambda value: value, pa.date32()),
    ({dt.date, dt.datetime}, _convert_time, pa.timestamp("us")),
    ({dt.time}, lambda value: value, pa.time64("us")),
)
