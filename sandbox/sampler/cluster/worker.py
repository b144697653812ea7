"""What a worker of a cluster does with the rows that are drawn of a part of a file: it masks, writes and sums them.

The same code as here, in an engine of the worker's own. Nothing leaves its memory unmasked; what it writes has a name that no
other attempt has, and counts only if its report arrives.
"""

from __future__ import annotations

import itertools
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from sandbox.engine.content_digest import sums
from sandbox.engine.duckdb.session import VERSION, Session, literal, quote
from sandbox.engine.duckdb.table_functions import file_list
from sandbox.engine.spark import executor_tasks
from sandbox.engine.sql.ibis_types import fresh
from sandbox.errors import SourceError
from sandbox.manifest.canonical_json import file_digest
from sandbox.masking.duckdb_functions import Masking
from sandbox.samples.transfer import read
from sandbox.store.remote import opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.config.settings import Mask
    from sandbox.masking.secret import Secret

ROWS = "rows of a part"
MEMORY = 2**29  # bytes that the worker's engine may hold before it spills


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the rows of a file become parts of the sample.

    Attributes:
        table: As in ``sandbox.toml``.
        columns: The table's columns and the engine's names of their types, in order.
        constants: Those that the file does not hold, with the text of its value; the others arrive as ``c<n>``.
        masks: By column.
        secret: Of the masks; None where none needs one.
        engine: The version of the engine, which has to be the same.
        group_rows: How many rows make a row group.
        store: Where to write, as `sandbox.store.remote.opened` takes it.
        path: What the names of parts begin with there.
    """

    table: str
    columns: Mapping[str, str]
    constants: Mapping[str, str | None]
    masks: Mapping[str, Mask]
    secret: Secret | None
    engine: str
    group_rows: int
    store: str
    path: str

    def select(self, masking: Masking, *, unit: bool) -> str:
        """Give the SELECT that makes the sample's rows of those that arrive."""
        own = [
            f"{_value(self.constants[name])}::{kind} as {quote(name)}"
            if name in self.constants
            else f"c{number}::{kind} as {quote(name)}"
            for number, (name, kind) in enumerate(self.columns.items())
        ]
        number = executor_tasks.UNIT if unit else "null::bigint"
        mark = fresh("unit number", self.columns)
        masked = ", ".join(
            f"{masking.expression(self.table, name, unit=mark)} as {quote(name)}" for name in self.columns
        )
        return f"select {masked} from (select {', '.join(own)}, {number} as {quote(mark)} from {quote(ROWS)})"


def written(recipe: Recipe, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Write the rows of a part and report it; of no rows there is no part.

    Raises:
        StoreError: The part cannot be written.
        SourceError: The worker's engine is another one, or a value does not fit the table.
    """
    batches = (batch for batch in batches if batch.num_rows)
    first = next(batches, None)
    if first is None:
        return
    _require(recipe.engine)
    rows = pa.RecordBatchReader.from_batches(first.schema, itertools.chain([first], batches))
    number = executor_tasks.part()
    with tempfile.TemporaryDirectory(prefix="sandbox-part-") as folder:
        file = Path(folder) / "part.parquet"
        found = _copied(recipe, rows, file)
        path = f"{recipe.path}-{number:04d}.{uuid.uuid4().hex}.parquet"
        opened(recipe.store, base=Path("/")).write(path, read(file, lambda _: None))
        yield executor_tasks.Report(
            part=number, path=path, bytes=file.stat().st_size, sha256=file_digest(file), sums=found
        ).batch


def tried(engine: str, store: str, path: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Try what `written` needs: the code, the same engine, and a store that can be written.

    Raises:
        StoreError: The store cannot be written.
        SourceError: The worker's engine is another one.
    """
    for batch in batches:
        _require(engine)
        opened(store, base=Path("/")).write(path, [b"\n"])
        yield batch


def _require(engine: str) -> None:
    if engine != VERSION:
        raise SourceError(f"the workers have DuckDB {VERSION}, and here it is {engine}")


def _copied(recipe: Recipe, rows: pa.RecordBatchReader, file: Path) -> tuple[int, int, int]:
    masks = {recipe.table: recipe.masks}
    with Session(memory=MEMORY, threads=1, spill=file.parent, encrypted=bool(recipe.masks)) as session:
        session.execute("set preserve_insertion_order = true")
        masking = Masking.of(session, masks, recipe.secret, {recipe.table: recipe.columns})
        session.lend(ROWS, rows)
        select = recipe.select(masking, unit=executor_tasks.UNIT in rows.schema.names)
        session.execute(
            f"copy ({select}) to {literal(str(file))} "
            f"(format parquet, compression zstd, row_group_size {recipe.group_rows})",
            doing=f"writing {recipe.table}",
        )
        return sums(session, f"read_parquet({file_list([file])}, hive_partitioning = false)", recipe.columns)


def _value(text: str | None) -> str:
    return "null" if text is None else literal(text)
