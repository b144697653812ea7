"""Write a table of the sample as Parquet parts, one for each item of the source with drawn rows."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.duckdb.table_functions import build_parquet_copy, build_parquet_reader
from sandbox.errors import SourceError, StoreError
from sandbox.samples.contents import describe_parquet_files
from sandbox.sources.files.pandas_metadata import restore_pandas_metadata
from sandbox.sources.registry import translate_file_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.draw.journal import Journal, PartRecord
    from sandbox.sources.table import SourceTable


@dataclass(frozen=True, kw_only=True)
class ItemRows:
    """The drawn rows of an item.

    Attributes:
        name: The part's name.
        files: Indexes of the rows' files in the table.
        relation: SQL for the FROM clause: the unmasked rows.
        order: The column to sort by; None if the rows arrive in order.
        is_whole: Whether they are all rows of the item.
    """

    name: str
    files: Sequence[int]
    relation: str
    order: str | None
    is_whole: bool = False


@dataclass(kw_only=True)
class TableParts:
    """The parts of a table of the sample.

    Attributes:
        session: The query engine.
        table: The table of the source.
        columns: SELECT list of the masked columns over the source's columns and the unit's number.
        journal: The journal of parts; they are written into its ``sample``.
        group_rows: Rows of a row group.
        masked: The masked columns.
        written: Written parts by path.
    """

    session: Session
    table: SourceTable
    columns: str
    journal: Journal
    group_rows: int
    masked: frozenset[str] = frozenset()
    written: dict[str, PartRecord] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of all parts."""
        return sum(part.rows for part in self.written.values())

    @property
    def paths(self) -> list[Path]:
        """The parts, in order."""
        return [self.journal.sample / path for path in sorted(self.written)]

    def build_path(self, name: str) -> str:
        """Return the path of a part below the sample's folder."""
        return f"tables/{self.table.name}/{name}.parquet"

    def resume(self, name: str) -> bool:
        """Take over a part written by an unfinished draw; return whether there is one."""
        done = self.journal.find_part(self.build_path(name))
        if done is not None:
            self.add(done)
        return done is not None

    def add(self, done: PartRecord) -> None:
        """Add a written part; one without rows is none."""
        if done.rows:
            self.written[done.path] = done

    def write_file(self, rows: str, target: Path) -> int:
        """Write masked rows of SQL for the FROM clause to a file, and return their number."""
        query = f"select {self.columns} from {rows}"
        copy = build_parquet_copy(query, target, group_rows=self.group_rows)
        with translate_file_errors(self.table.format, self.table.files):
            count = int(self.session.fetch_rows(copy, doing=f"drawing {self.table.name}")[0][0])
        if self.table.pandas is not None:
            restore_pandas_metadata(target, self.table.pandas, self.masked)
        return count

    def write_empty(self, empty: str) -> str:
        """Write a file without rows from SQL for the FROM clause, and return its path below the sample's folder."""
        path = self.build_path("part-00000")
        self.write_file(empty, self.journal.sample / path)
        return path


class PartWriter(Protocol):
    """Writes the parts of one table: here (`LocalPartWriter`), or on executors (`sandbox.sampler.cluster.writer`)."""

    parts: TableParts

    @property
    def needs_values(self) -> bool:
        """Whether all columns of the drawn rows are read here."""

    @property
    def rows(self) -> int:
        """Rows of all parts."""

    def write(self, rows: ItemRows) -> None:
        """Write the rows of an item; without rows there is no part.

        Raises:
            SourceError: The source cannot be read, or the part not written (see `translate_disk_errors`).
            StoreError: It cannot be synced to the disk.
        """

    def finish(self, empty: str) -> None:
        """Complete the parts; without any rows write an empty part, of ``empty`` as SQL for the FROM clause."""

    def build_relation(self) -> str:
        """Build SQL for the FROM clause: all written rows."""

    def describe_content(self) -> tuple[dict[str, str], str]:
        """Return the written columns with DuckDB's names of their types, and the content digest."""


@dataclass(kw_only=True)
class LocalPartWriter:
    """Writes parts to the disk of this machine, each recorded in the journal."""

    parts: TableParts
    needs_values: bool = True

    @property
    def rows(self) -> int:
        return self.parts.rows

    def write(self, rows: ItemRows) -> None:
        parts = self.parts
        path = parts.build_path(rows.name)
        target = parts.journal.sample / path
        ordered = f" order by {quote_identifier(rows.order)}" if rows.order else ""
        with translate_file_errors(parts.table.format, [parts.table.files[index] for index in rows.files]):
            count = parts.write_file(f"{rows.relation}{ordered}", target)
        if not count:
            target.unlink(missing_ok=True)
        parts.add(parts.journal.add(path, count))

    def finish(self, empty: str) -> None:
        if not self.parts.written:
            path = self.parts.write_empty(empty)
            self.parts.written[path] = self.parts.journal.describe_part(path)

    def build_relation(self) -> str:
        return build_parquet_reader(self.parts.paths)

    def describe_content(self) -> tuple[dict[str, str], str]:
        return describe_parquet_files(self.parts.session, self.parts.paths)


@contextlib.contextmanager
def translate_disk_errors(folder: Path) -> Iterator[None]:
    """Distinguish DuckDB's errors about the disk it writes to from those about the source."""
    try:
        yield
    except SourceError as error:
        full = re.search(
            r"no space left|disk quota|file too large|max_temp_directory_size",
            _join_error_texts(error),
            re.IGNORECASE,
        )
        if full is None and str(folder) not in _join_error_texts(error):
            raise
        raise StoreError(
            f"the sample cannot be written to {folder.parent}: {full[0].lower() if full else error.message}",
            hint="free some space, or put the store elsewhere with SANDBOX_HOME",
        ) from error


def _join_error_texts(error: BaseException) -> str:
    """Return the texts of an error and its causes."""
    texts = []
    current: BaseException | None = error
    while current is not None:
        texts.append(str(current))
        current = current.__cause__
    return "\n".join(texts)
