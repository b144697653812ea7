"""Write a sample's parts into a store on Spark's executors; keys, row numbers and reports are handled here.

Parts are staged in ``drawing/<draw>/`` of the store under unique names. After the last one the reported parts are moved
into the sample, and the others are removed (see `sandbox.sampler.cluster.publication`).
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sandbox.engine.content_digest import combine_row_sums
from sandbox.engine.duckdb.remote_files import register_remote_files
from sandbox.engine.duckdb.session import DUCKDB_VERSION, quote_identifier
from sandbox.engine.duckdb.table_functions import build_parquet_reader
from sandbox.engine.spark import executor_tasks
from sandbox.errors import SourceError, StoreError
from sandbox.masking import needs_secret
from sandbox.sampler.cluster import worker
from sandbox.sampler.cluster.package import translate_worker_errors
from sandbox.sampler.cluster.publication import DRAWS_FOLDER
from sandbox.sampler.draw.journal import PartRecord
from sandbox.sampler.draw.sampled_rows import MarkColumns
from sandbox.sources.adapters.spark import get_spark_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.config.sections.sample import MaskEntry
    from sandbox.engine.content_digest import RowSums
    from sandbox.engine.spark.cluster import SparkCluster
    from sandbox.engine.spark.executor_tasks import PartReport
    from sandbox.engine.spark.table import SparkTable as Frames
    from sandbox.masking import Secret
    from sandbox.sampler.draw.part_writer import ItemRows, TableParts
    from sandbox.store.remote import RemoteStore

MAX_CONCURRENT_FILES = 8  # of a table, written concurrently
MAX_QUEUED_FILES = 3 * MAX_CONCURRENT_FILES  # waiting, with the numbers of their rows
MAX_ROW_NUMBERS_PER_TASK = 4_000_000  # 64 MB with their units
POLL_SECONDS = 0.2  # between checks for Ctrl-C
STORE_SCHEME = "store"  # of addresses for DuckDB's reads from a bucket


@dataclass(kw_only=True, eq=False)
class ClusterWriter:
    """Writes parts of the sample on a cluster's executors.

    Attributes:
        cluster: The cluster.
        store: The store.
        masks: By table and column.
        secret: Of the masks; None if none needs one.
        stage: Folder of staged parts.
        tables: Writers of the tables.
    """

    cluster: SparkCluster
    store: RemoteStore
    masks: Mapping[str, Mapping[str, MaskEntry]]
    secret: Secret | None
    stage: str = field(default_factory=lambda: f"{DRAWS_FOLDER}/{uuid.uuid4().hex}")
    tables: list[ClusterPartWriter] = field(default_factory=list)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(MAX_CONCURRENT_FILES))

    @contextlib.contextmanager
    def run_workers(self) -> Iterator[None]:
        """Let executors write inside the block; afterwards stop them and remove staged files."""
        try:
            yield
        except BaseException:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self.cluster.cancel()
            self._pool.shutdown()
            with contextlib.suppress(StoreError):  # the original error is raised anyway
                self.store.remove_folder(self.stage)
            raise
        self._pool.shutdown()
        self.store.remove_folder(self.stage)

    def add_table(self, parts: TableParts) -> ClusterPartWriter:
        """Create the writer of a table."""
        self.tables.append(ClusterPartWriter(cluster_writer=self, parts=parts))
        return self.tables[-1]

    @property
    def staged_paths(self) -> dict[str, str]:
        """Path in the sample -> staged path, of each part."""
        return {path: staged for table in self.tables for path, staged in table.staged_paths.items()}

    def submit(
        self, table: Frames, recipe: worker.WriteTask, file: int, row_numbers: pa.Table | None
    ) -> Future[list[PartReport]]:
        """Queue the writing of a file's rows on the executors."""
        work = functools.partial(worker.write_part, recipe)
        return self._pool.submit(_run_on_cluster, table, file, row_numbers, work)


@dataclass(kw_only=True, eq=False)
class ClusterPartWriter:
    """Writes parts of a table into the store; an unfinished draw leaves none there to go on from.

    Attributes:
        cluster_writer: The cluster's writer.
        parts: The parts of the table.
        needs_values: Executors read the values; here only keys, row numbers and units are.
        sums: Of the rows of its parts.
        staged_paths: Path in the sample -> staged path, of each part.
        column_types: Its columns as written; known when it is finished.
    """

    cluster_writer: ClusterWriter
    parts: TableParts
    needs_values: bool = False
    sums: list[RowSums] = field(default_factory=list)
    staged_paths: dict[str, str] = field(default_factory=dict)
    column_types: dict[str, str] = field(default_factory=dict)
    _row_count: int = 0
    _pending: dict[Future[list[PartReport]], tuple[str, int | None]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows written or queued."""
        return self._row_count

    def write(self, rows: ItemRows) -> None:
        """Queue rows of a file for the executors; rows that are not all of them are told by their row numbers."""
        [file] = rows.files
        if rows.is_whole:
            self._submit_rows(rows.name, file, None)
            return
        assert rows.order is not None, "rows are told by their row numbers"
        shifted = any(mask.kind == "date_shift" for mask in self._masks.values())
        unit = (
            f", {quote_identifier(MarkColumns.from_columns(self.parts.table.columns).unit)} as {executor_tasks.UNIT_COLUMN}"
            if shifted
            else ""
        )
        sql = (
            f"select {quote_identifier(rows.order)} as {executor_tasks.SELECTED_ROW_COLUMN}{unit} "
            f"from {rows.relation} order by 1"
        )
        batches = list(self.parts.session.fetch_batches(sql, size=1 << 17))
        if not batches:
            return
        numbers = pa.Table.from_batches(batches)
        self._row_count += numbers.num_rows
        for number, start in enumerate(range(0, numbers.num_rows, MAX_ROW_NUMBERS_PER_TASK)):
            chunk = numbers.slice(start, MAX_ROW_NUMBERS_PER_TASK)
            self._submit_rows(f"{rows.name}-{number:03d}" if number else rows.name, file, chunk)

    def finish(self, empty: str) -> None:
        """Wait for all parts; without rows keep an empty local part."""
        self._wait_for_reports(0)
        parts = self.parts
        path = parts.write_empty(empty)
        target = parts.journal.sample / path
        described = parts.session.fetch_rows(f"describe select * from {build_parquet_reader([target])}")
        self.column_types = {row[0]: row[1] for row in described}
        if parts.written:
            target.unlink()
        else:
            parts.written[path] = parts.journal.describe_part(path)

    def build_relation(self) -> str:
        """Build SQL for the FROM clause: all rows, read from the store."""
        if not self.staged_paths:
            return build_parquet_reader(self.parts.paths)
        store = self.cluster_writer.store
        if store.is_local:
            files = [f"{store.root}/{path}" for _, path in sorted(self.staged_paths.items())]
        else:
            sizes = {
                f"{STORE_SCHEME}://{store.root}/{self.staged_paths[path]}": (done.bytes, 0)
                for path, done in sorted(self.parts.written.items())
            }
            register_remote_files(self.parts.session, store.system, sizes)
            files = list(sizes)
        return build_parquet_reader(files)

    def describe_content(self) -> tuple[dict[str, str], str]:
        """Return the columns and the content digest from the executors' sums."""
        return self.column_types, combine_row_sums(self.column_types, self.sums)

    @property
    def _masks(self) -> Mapping[str, MaskEntry]:
        masks = self.cluster_writer.masks.get(self.parts.table.name, {})
        return {column: mask for column, mask in masks.items() if mask.kind != "none"}

    def _submit_rows(self, name: str, file: int, row_numbers: pa.Table | None) -> None:
        self._wait_for_reports(MAX_QUEUED_FILES)
        handle = get_spark_table(self.parts.table)
        recipe = worker.WriteTask(
            table=self.parts.table.name,
            columns=dict(self.parts.table.columns),
            constants={column: texts[file] for column, texts in handle.constants.items()},
            masks=self._masks,
            secret=self.cluster_writer.secret if needs_secret({self.parts.table.name: self._masks}) else None,
            engine=DUCKDB_VERSION,
            group_rows=self.parts.group_rows,
            store=self.cluster_writer.store.address,
            path=f"{self.cluster_writer.stage}/{self.parts.build_path(name).removesuffix('.parquet')}",
        )
        count = None if row_numbers is None else row_numbers.num_rows
        self._pending[self.cluster_writer.submit(handle, recipe, file, row_numbers)] = (name, count)

    def _wait_for_reports(self, most: int) -> None:
        """Wait until at most ``most`` tasks are pending, and record finished ones."""
        while True:
            for done in [future for future in self._pending if future.done()]:
                self._record_reports(*self._pending.pop(done), done.result())
            if len(self._pending) <= most:
                return
            concurrent.futures.wait(self._pending, POLL_SECONDS, concurrent.futures.FIRST_COMPLETED)

    def _record_reports(self, name: str, rows: int | None, reports: list[PartReport]) -> None:
        """Record the parts written from a file.

        Raises:
            SourceError: The number of rows differs from the chosen rows.
        """
        written = sum(report.sums[0] for report in reports)
        if rows is None:
            self._row_count += written
        elif written != rows:
            raise SourceError(
                f"chosen rows of {self.parts.table.name}: {rows:,}; found by the cluster: {written:,}",
                hint="draw again when nothing writes to the source",
            )
        for report in reports:
            path = self.parts.build_path(f"{name}-{report.part:04d}-{report.sha256[:8]}")
            self.staged_paths[path] = report.path
            self.sums.append(report.sums)
            self.parts.written[path] = PartRecord(
                path=path, rows=report.sums[0], bytes=report.bytes, sha256=report.sha256
            )


def _run_on_cluster(table: Frames, file: int, row_numbers: pa.Table | None, work: Any) -> list[PartReport]:
    with translate_worker_errors():
        return executor_tasks.run_on_executors(table, file, row_numbers, work)
