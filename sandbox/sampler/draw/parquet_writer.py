"""Write a table of the sample as Parquet parts, one for each item of the source with drawn rows."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import build_parquet_reader
from sandbox.errors import SourceError, StoreError
from sandbox.samples.contents import describe_parquet_files
from sandbox.sources.files.frame_metadata import restore_frame
from sandbox.sources.registry import translate_file_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.draw.journal import Journal, PartRecord
    from sandbox.sampler.draw.sampled_rows import SampledRows
    from sandbox.sources.table import SourceTable


@dataclass(kw_only=True)
class ParquetTableWriter:
    """A table of the sample being written.

    Attributes:
        table: The table of the source.
        columns: SELECT list of the masked columns over the source's columns and the unit's number.
        journal: The journal of parts; they are written into its ``sample``.
        group_rows: Rows of a row group.
        masked: The masked columns.
        parts: Written parts by path.
    """

    table: SourceTable
    columns: str
    journal: Journal
    group_rows: int
    masked: frozenset[str] = frozenset()
    parts: dict[str, PartRecord] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of all parts."""
        return sum(part.rows for part in self.parts.values())

    @property
    def paths(self) -> list[Path]:
        """The parts, in order."""
        return [self.journal.sample / path for path in sorted(self.parts)]

    def build_part_path(self, name: str) -> str:
        """Return the path of a part below the sample's folder."""
        return f"tables/{self.table.name}/{name}.parquet"

    def resume_part(self, name: str) -> bool:
        """Take over a part written by an unfinished draw; return whether there is one."""
        done = self.journal.find_part(self.build_part_path(name))
        if done is None:
            return False
        self._add_part(done)
        return True

    def build_projection(self, select: str, known: SampledRows) -> str:  # noqa: ARG002 - used by the cluster's writer
        """Build the SELECT of the columns to hold of an item's drawn rows."""
        return select

    def write_all_rows(self, session: Session, name: str, files: Sequence[int], rows: str, order: str | None) -> None:
        """Write all rows of an item (see `write`)."""
        self.write(session, name, files, rows, order)

    def write(self, session: Session, name: str, files: Sequence[int], rows: str, order: str | None) -> None:
        """Write a part and record it; without rows there is no part.

        Args:
            session: The query engine.
            name: The part's name.
            files: Indexes of the rows' files in the table.
            rows: SQL for the FROM clause: the unmasked rows.
            order: The column to sort by; None if the rows arrive in order.

        Raises:
            SourceError: The source cannot be read, or the part not written (see `translate_disk_errors`).
            StoreError: It cannot be synced to the disk.
        """
        path = self.build_part_path(name)
        target = self.journal.sample / path
        ordered = f" order by {quote_identifier(order)}" if order else ""
        with translate_file_errors(self.table.format, [self.table.files[index] for index in files]):
            count = self._copy_rows(session, f"select {self.columns} from {rows}{ordered}", target)
        if not count:
            target.unlink(missing_ok=True)
        self._add_part(self.journal.add(path, count))

    def finish(self, session: Session, empty: str) -> None:
        """Write an empty part with the columns if there are no rows at all; ``empty`` is SQL for the FROM clause."""
        if self.parts:
            return
        path = self.build_part_path("part-00000")
        self._copy_rows(session, f"select {self.columns} from {empty}", self.journal.sample / path)
        self.parts[path] = self.journal.describe_part(path)

    def build_relation(self, session: Session) -> str:  # noqa: ARG002 - see `build_projection`
        """Build SQL for the FROM clause: all written rows."""
        return build_parquet_reader(self.paths)

    def describe_content(self, session: Session) -> tuple[dict[str, str], str]:
        """Return the written columns with DuckDB's names of their types, and the content digest."""
        return describe_parquet_files(session, self.paths)

    def _copy_rows(self, session: Session, select: str, target: Path) -> int:
        sql = (
            f"copy ({select}) to {quote_literal(str(target))} "
            f"(format parquet, compression zstd, row_group_size {self.group_rows})"
        )
        with translate_file_errors(self.table.format, self.table.files):
            rows = int(session.fetch_rows(sql, doing=f"drawing {self.table.name}")[0][0])
        if self.table.frame is not None:
            restore_frame(target, self.table.frame, self.masked)
        return rows

    def _add_part(self, done: PartRecord) -> None:
        if done.rows:
            self.parts[done.path] = done


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
