"""State what a source must do: one `SourceAdapter` for each format of tables.

A new kind of source is one subclass and one line in `sandbox.sources.registry`. Only `open_table` and `build_select` have
no default.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sandbox.config.toml_quoting import quote_key
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.errors import SourceError
from sandbox.sources.files.file_errors import explain_read_error
from sandbox.sources.listing import fetch_etags
from sandbox.sources.unreadable_file import format_names

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from sandbox.config.sections.csv import CsvSection
    from sandbox.config.sections.sample import TableSection
    from sandbox.config.sections.source import SourceSection
    from sandbox.engine.database_schema import DeclaredTable
    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile, SourceListing
    from sandbox.sources.table import SourceTable

    ColumnPairs = Sequence[tuple[tuple[str, str], tuple[str, str]]]

MAX_GROUPS = 200_000  # groups that a source counts for the session


@dataclass(frozen=True, kw_only=True)
class TableRequest:
    """A table to open.

    Attributes:
        listing: The source's tables.
        name: The table.
        files: Its files, registered in the session.
        fixed: Column types fixed in ``sandbox.toml``, as DuckDB names them.
        section: Its settings.
        pin: The requested version (see `SourceAdapter.pin`); None for the newest.
        kind: The table of ``sandbox.toml`` that its settings are in.
    """

    listing: SourceListing
    name: str
    files: tuple[SourceFile, ...]
    fixed: Mapping[str, str]
    section: TableSection
    pin: int | None = None
    kind: Literal["tables", "outputs"] = "tables"

    @property
    def heading(self) -> str:
        """The heading of its settings in ``sandbox.toml``."""
        return f"[{self.kind}.{quote_key(self.name)}]"


@dataclass(frozen=True, kw_only=True)
class DrawRule:
    """A condition that every drawn row of a unit table meets: a small random number, or one of some labels.

    Attributes:
        key: The key of the table.
        coefficients: Coefficients of the random number.
        threshold: Exclusive limit of the random number.
        label_columns: Columns that form a row's label.
        labels: Labels of rows that pass whatever their number.
    """

    key: Sequence[str]
    coefficients: Sequence[int]
    threshold: int
    label_columns: Sequence[str]
    labels: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class BrokenLines:
    """Unreadable lines of a text file with one reason.

    Attributes:
        reason: The reason for one line: "is not UTF-8".
        plural_reason: The reason for several lines: "are not UTF-8".
        first: Number of the first such line.
        count: Number of such lines.
    """

    reason: str
    plural_reason: str
    first: int
    count: int


class SourceAdapter:
    """Reads the tables of one format.

    Attributes:
        format: Name of the format.
        suffixes: File suffixes of the format in a folder or bucket.
        weak_suffixes: Those that other files have as well: a file of another suffix with the same name goes first.
        compressions: Suffixes that may follow, for compressed files.
        pin: Key of ``[tables.<name>]`` that names a version of a table; None without versions.
        parquet_ratio: Approximate bytes of Parquet per byte of the source.
        is_columnar: Whether tables are read in place, because unused columns cost nothing.
        has_dense_row_numbers: Whether the row numbers of a file are consecutive, deleted rows aside.
        has_header_line: Whether the first line of a file names its columns.
        reads_empty_as_null: Whether an empty field is NULL in columns other than text.
        is_snapshot: Whether all queries of a listing read one snapshot, so that nothing can change.
    """

    format: str
    suffixes: tuple[str, ...] = ()
    weak_suffixes: tuple[str, ...] = ()
    compressions: tuple[str, ...] = ()
    pin: str | None = None
    parquet_ratio = 1.0
    is_columnar = False
    has_dense_row_numbers = False
    has_header_line = False
    reads_empty_as_null = False
    is_snapshot = False

    def list_source(self, uri: str, *, base: Path, section: SourceSection | None) -> SourceListing | None:
        """List the tables at an address; None if the address is not of this kind.

        Raises:
            OSError: A file cannot be read.
            SourceError: The source cannot be read.
        """
        return None

    def list_declared_tables(self, listing: SourceListing) -> Iterator[tuple[str, DeclaredTable]]:
        """Yield the names and the declared constraints of a listing's tables."""
        yield from ()

    def find_unsupported_columns(self, listing: SourceListing, name: str) -> Mapping[str, tuple[str, str]]:
        """Return the columns with a value that their type in a sample cannot hold.

        Returns:
            Column -> the type to read it with, and the reason.

        Raises:
            SourceError: The table cannot be read.
        """
        return {}

    def list_warnings(self, table: SourceTable) -> list[str]:
        """Return what a reader of a sample has to know about a table, one sentence each."""
        return []

    def estimate_scanned_bytes(self, table: SourceTable) -> int | None:
        """Estimate the bytes that a warehouse scans for one reading of a table; None if nobody says."""
        return None

    def open_table(self, session: Session, request: TableRequest) -> SourceTable:
        """Open a table, and attach it to the session.

        Raises:
            SourceError: The table cannot be read.
        """
        raise NotImplementedError

    def attach_table(self, session: Session, table: SourceTable) -> None:
        """Make an opened table readable in another session; its files are registered there.

        Raises:
            SourceError: The table cannot be read.
        """

    def build_select(self, table: SourceTable, files: Sequence[int] | None, number: str | None) -> str:
        """Build the SELECT for a table with its columns, types and order.

        Args:
            table: The table.
            files: Indexes of files of one read group, in order; None for all.
            number: Name of an additional column for the row number in the file. With several files it grows along them.
        """
        raise NotImplementedError

    def build_untyped_select(self, table: SourceTable) -> str:
        """Build the SELECT for a table before types are fixed."""
        return self.build_select(table, None, None)

    def has_row_numbers(self, table: SourceTable) -> bool:
        """Check whether DuckDB knows row numbers, so that a range of rows is read alone."""
        return False

    def list_read_groups(self, table: SourceTable) -> Sequence[Hashable] | None:
        """Return a value for each file: neighbours with equal ones may be read at once; None to read each file alone."""
        return None

    def read_row_groups(self, table: SourceTable, min_bytes: int) -> dict[int, list[int]]:
        """Return the rows of each row group, by index of the file, for files of more than ``min_bytes``.

        Raises:
            SourceError: A file is missing or damaged.
        """
        return {}

    def preserves_row_order(self, table: SourceTable) -> bool:
        """Check whether the rows of a file arrive in the order of their numbers."""
        return True

    def can_prefetch(self, table: SourceTable) -> bool:
        """Check whether the files are Parquet with exactly the rows and columns of the table."""
        return False

    def has_no_nulls(self, table: SourceTable, columns: Sequence[str]) -> bool:
        """Check whether the table's metadata rule out NULL in some columns.

        Raises:
            SourceError: A file is missing or damaged.
        """
        return False

    def check_key(self, table: SourceTable, key: Sequence[str]) -> None:
        """Check that columns of this source are fit for a unit's key.

        Raises:
            DataRuleError: A column is not.
        """

    def check_reference(
        self, table: SourceTable, columns: Sequence[str], target: SourceTable, key: Sequence[str]
    ) -> None:
        """Check that this source finds the same rows equal as a sample does, for a reference between two tables.

        Raises:
            DataRuleError: It does not.
        """

    def count_undecodable_values(self, table: SourceTable) -> dict[str, int]:
        """Count invalid UTF-8 values per text column, omitting columns without any."""
        return {}

    def find_broken_lines(self, session: Session, file: SourceFile, csv: CsvSection | None) -> list[BrokenLines]:
        """Return the unreadable lines of a text file by reason; ``csv`` says how it is written."""
        return []

    def explain_error(self, cause: Exception, files: Sequence[SourceFile]) -> SourceError:
        """Translate DuckDB's error about some files."""
        return explain_read_error(cause, files)

    def find_changed_files(self, table: SourceTable, files: tuple[SourceFile, ...]) -> list[str]:
        """Return the names of a table's changed and missing files; ``files`` are the present ones.

        Raises:
            OSError: A file is unreachable.
        """
        present = set(fetch_etags(files))
        return [file.name for file in table.files if file not in present]

    def build_change_error(self, table: SourceTable, names: Sequence[str]) -> SourceError:
        """Build the error for files of a table that changed or vanished since they were listed."""
        return SourceError(
            f"the source changed while it was read: {format_names(names)}",
            hint="draw again when nothing writes to these files; files that only come do not matter",
        )

    def list_pushable_columns(self, table: SourceTable) -> list[str]:
        """Return the columns whose values the source and the session interpret alike."""
        return []

    def count_groups(self, table: SourceTable, columns: Sequence[str], key: Sequence[str]) -> pa.Table | None:
        """Count the rows by some columns in the source.

        Returns:
            The columns, the number of rows with a complete key and the number of all rows of each group; None if the
            source does not count, or finds more than `MAX_GROUPS`.
        """
        return None

    def build_rule_filter(self, table: SourceTable, rule: DrawRule) -> Any:
        """Build the filter for rows of a unit table that may be drawn; None keeps all rows."""
        return None

    def build_key_filter(self, session: Session, table: SourceTable, pairs: ColumnPairs, keys: str) -> Any:
        """Build the filter for rows of a table with one of some keys; None keeps all rows.

        Args:
            session: The query engine.
            table: The table.
            pairs: Its columns and the compared columns of the keys, each with its type.
            keys: SQL for the FROM clause.
        """
        return None

    @contextlib.contextmanager
    def filter_rows(self, table: SourceTable, condition: Any) -> Iterator[None]:
        """Filter a table's rows inside the block by a filter of this adapter; None keeps all rows."""
        yield


def number_rows(select: str, number: str | None) -> str:
    """Add a column for the row number to a SELECT, if requested.

    A window without an order numbers rows as they arrive, on one thread.
    """
    if number is None:
        return select
    return f"select *, row_number() over () as {quote_identifier(number)} from ({select})"
