"""Mask, write and digest drawn rows of a part on a Spark executor.

An executor runs the same code as this machine in a DuckDB session of its own. Only masked rows leave its memory. Each
attempt writes under a unique name and counts only if its report arrives.
"""

from __future__ import annotations

import itertools
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from sandbox.engine.content_digest import compute_row_sums
from sandbox.engine.duckdb.session import DUCKDB_VERSION, Session, quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import build_parquet_copy, build_parquet_reader
from sandbox.engine.spark import executor_tasks
from sandbox.engine.sql.ibis_types import choose_unused_name
from sandbox.errors import SourceError
from sandbox.manifest.canonical_json import hash_file
from sandbox.masking.duckdb_functions import Masking
from sandbox.samples.transfer import read_chunks
from sandbox.store.remote import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.config.sections.sample import MaskEntry
    from sandbox.masking.secret import Secret

PART_ROWS_VIEW = "rows of a part"
SESSION_MEMORY = 2**29  # bytes DuckDB may hold on the executor before it spills


@dataclass(frozen=True, kw_only=True)
class WriteTask:
    """Instructions to write rows of a file as parts of the sample.

    Attributes:
        table: As in ``sandbox.toml``.
        columns: Column -> DuckDB's name of its type, in order.
        constants: Column absent from the file -> text of its value; the other columns arrive as ``c<n>``.
        masks: By column.
        secret: Of the masks; None if none needs one.
        engine: DuckDB's version, required to be the same.
        group_rows: Rows of a row group.
        store: Address for `sandbox.store.remote.open_store`.
        path: Prefix of the parts' names there.
    """

    table: str
    columns: Mapping[str, str]
    constants: Mapping[str, str | None]
    masks: Mapping[str, MaskEntry]
    secret: Secret | None
    engine: str
    group_rows: int
    store: str
    path: str

    def build_select(self, masking: Masking, *, unit: bool) -> str:
        """Build the SELECT of the sample's rows from the arriving rows."""
        columns = [
            f"{_format_constant(self.constants[name])}::{kind} as {quote_identifier(name)}"
            if name in self.constants
            else f"c{number}::{kind} as {quote_identifier(name)}"
            for number, (name, kind) in enumerate(self.columns.items())
        ]
        number = executor_tasks.UNIT_COLUMN if unit else "null::bigint"
        mark = choose_unused_name("unit number", self.columns)
        masked = ", ".join(
            f"{masking.build_expression(self.table, name, unit=mark)} as {quote_identifier(name)}"
            for name in self.columns
        )
        return f"select {masked} from (select {', '.join(columns)}, {number} as {quote_identifier(mark)} from {quote_identifier(PART_ROWS_VIEW)})"


def write_part(recipe: WriteTask, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Write the rows of a part and yield its report; without rows there is neither.

    Raises:
        StoreError: The part cannot be written.
        SourceError: DuckDB's version differs, or a value does not fit the table.
    """
    batches = (batch for batch in batches if batch.num_rows)
    first = next(batches, None)
    if first is None:
        return
    _check_engine_version(recipe.engine)
    rows = pa.RecordBatchReader.from_batches(first.schema, itertools.chain([first], batches))
    number = executor_tasks.read_partition_number()
    with tempfile.TemporaryDirectory(prefix="sandbox-part-") as folder:
        file = Path(folder) / "part.parquet"
        sums = _write_masked_rows(recipe, rows, file)
        path = f"{recipe.path}-{number:04d}.{uuid.uuid4().hex}.parquet"
        open_store(recipe.store, base=Path("/")).write(path, read_chunks(file, lambda _: None))
        yield executor_tasks.PartReport(
            part=number, path=path, bytes=file.stat().st_size, sha256=hash_file(file), sums=sums
        ).record_batch


def check_worker(engine: str, store: str, path: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Check the requirements of `write_part`: the code, DuckDB's version, and a writable store.

    Raises:
        StoreError: The store cannot be written.
        SourceError: DuckDB's version differs.
    """
    for batch in batches:
        _check_engine_version(engine)
        open_store(store, base=Path("/")).write(path, [b"\n"])
        yield batch


def _check_engine_version(engine: str) -> None:
    if engine != DUCKDB_VERSION:
        raise SourceError(f"the workers have DuckDB {DUCKDB_VERSION}, and here it is {engine}")


def _write_masked_rows(recipe: WriteTask, rows: pa.RecordBatchReader, file: Path) -> tuple[int, int, int]:
    masks = {recipe.table: recipe.masks}
    with Session(memory=SESSION_MEMORY, threads=1, spill=file.parent, encrypted=bool(recipe.masks)) as session:
        session.execute("set preserve_insertion_order = true")
        masking = Masking.register(session, masks, recipe.secret, {recipe.table: recipe.columns})
        session.register_table(PART_ROWS_VIEW, rows)
        select = recipe.build_select(masking, unit=executor_tasks.UNIT_COLUMN in rows.schema.names)
        session.execute(build_parquet_copy(select, file, group_rows=recipe.group_rows), doing=f"writing {recipe.table}")
        return compute_row_sums(session, build_parquet_reader([file]), recipe.columns)


def _format_constant(text: str | None) -> str:
    return "null" if text is None else quote_literal(text)
