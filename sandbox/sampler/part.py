"""Writing a table of the sample: parts of Parquet, one for each file of the source that gave rows."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.engine.duck import file_list, literal, quote
from sandbox.errors import SourceError, StoreError
from sandbox.sampler.blame import blamed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.engine.duck import Session
    from sandbox.sampler.table import SourceTable


@dataclass(kw_only=True)
class Written:
    """A table of the sample while it is being written.

    Attributes:
        table: The table as the source has it.
        folder: Where its parts lie.
        parts: What is written, and the rows of each.
    """

    table: SourceTable
    folder: Path
    parts: dict[Path, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of all parts."""
        return sum(self.parts.values())

    @property
    def relation(self) -> str:
        """SQL that can stand after ``from``: the rows that are written so far."""
        if self.parts:
            return f"read_parquet({file_list(self.parts)}, hive_partitioning = false)"
        columns = ", ".join(f"null::{kind} as {quote(name)}" for name, kind in self.table.columns.items())
        return f"(select {columns} where false)"

    def write(self, session: Session, name: str, select: str) -> int:
        """Write a part, unless there are no rows, and give their number.

        Raises:
            SourceError: The source cannot be read, or the part not written (see `space_reported`).
        """
        target = self.folder / f"{name}.parquet"
        rows = _copied(session, self.table, select, target)
        if rows:
            self.parts[target] = rows
        else:
            target.unlink(missing_ok=True)
        return rows

    def finish(self, session: Session) -> None:
        """Leave an empty part, which has the columns, where there are no rows at all."""
        if not self.parts:
            target = self.folder / "part-00000.parquet"
            _copied(session, self.table, f"select * from {self.relation}", target)
            self.parts[target] = 0


def _copied(session: Session, table: SourceTable, select: str, target: Path) -> int:
    sql = (
        f"copy ({select}) to {literal(str(target))} "
        f"(format parquet, compression zstd, row_group_size {table.group_rows})"
    )
    with blamed(table.format, table.files):
        return int(session.rows(sql, doing=f"drawing {table.name}")[0][0])


@contextlib.contextmanager
def space_reported(folder: Path) -> Iterator[None]:
    """Tell the engine's complaints about the disk that it writes to from those about the source."""
    try:
        yield
    except SourceError as error:
        full = re.search(
            r"no space left|disk quota|file too large|max_temp_directory_size", _chain(error), re.IGNORECASE
        )
        if full is None and str(folder) not in _chain(error):
            raise
        raise StoreError(
            f"the sample cannot be written to {folder.parent}: {full[0].lower() if full else error.message}",
            hint="free some space, or put the store elsewhere with SANDBOX_HOME",
        ) from error


def _chain(error: BaseException) -> str:
    """Give the texts of an error and of those that it came from."""
    texts = []
    current: BaseException | None = error
    while current is not None:
        texts.append(str(current))
        current = current.__cause__
    return "\n".join(texts)
