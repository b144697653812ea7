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
from sandbox.sampler.draw.parquet_writer import ParquetTableWriter
from sandbox.sampler.draw.sampled_rows import MarkColumns
from sandbox.sources.adapters.spark import get_spark_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sandbox.config.sections.sample import MaskEntry
    from sandbox.engine.content_digest import RowSums
    from sandbox.engine.duckdb.session import Session
    from sandbox.engine.spark.cluster import SparkCluster
    from sandbox.engine.spark.executor_tasks import PartReport
    from sandbox.engine.spark.table import SparkTable as Frames
    from sandbox.masking import Secret
    from sandbox.sampler.draw.sampled_rows import SampledRows
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
    tables: list[ClusterTableWriter] = field(default_factory=list)
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

    def add_table(self, **fields: Any) -> ClusterTableWriter:
        """Create the writer of a table (see `ParquetTableWriter`)."""
        self.tables.append(ClusterTableWriter(cluster_writer=self, **fields))
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
class ClusterTableWriter(ParquetTableWriter):
    """A table of the sample written into the store.

    Attributes:
        cluster_writer: The cluster's writer.
        sums: Of the rows of its parts.
        staged_paths: Path in the sample -> staged path, of each part.
        column_types: Its columns as written; known when it is finished.
    """

    cluster_writer: ClusterWriter
    sums: list[RowSums] = field(default_factory=list)
    staged_paths: dict[str, str] = field(default_factory=dict)
    column_types: dict[str, str] = field(default_factory=dict)
    _row_count: int = 0
    _pending: dict[Future[list[PartReport]], tuple[str, int | None]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows written or queued."""
        return self._row_count

    def resume_part(self, name: str) -> bool:
        """Return False: an unfinished draw leaves nothing in the store."""
        del name
        return False

    def build_projection(self, select: str, known: SampledRows) -> str:
        """Build the SELECT of keys, row numbers and units, the only columns read here."""
        marks = known.marks
        names = [*known.columns, marks.row_number, marks.stratum, marks.unit]
        return f"select {', '.join(map(quote_identifier, dict.fromkeys(names)))} from ({select})"

    def write(self, session: Session, name: str, files: Sequence[int], rows: str, order: str | None) -> None:
        """Queue rows of a file for the executors (see `ParquetTableWriter.write`); ``order`` is their row number."""
        assert order is not None, "rows are told by their places"
        shifted = any(mask.kind == "date_shift" for mask in self._masks.values())
        unit = (
            f", {quote_identifier(MarkColumns.from_columns(self.table.columns).unit)} as {executor_tasks.UNIT_COLUMN}"
            if shifted
            else ""
        )
        sql = f"select {quote_identifier(order)} as {executor_tasks.SELECTED_ROW_COLUMN}{unit} from {rows} order by 1"
        batches = list(session.fetch_batches(sql, size=1 << 17))
        if not batches:
            return
        numbers = pa.Table.from_batches(batches)
        self._row_count += numbers.num_rows
        for number, start in enumerate(range(0, numbers.num_rows, MAX_ROW_NUMBERS_PER_TASK)):
            chunk = numbers.slice(start, MAX_ROW_NUMBERS_PER_TASK)
            self._submit_rows(f"{name}-{number:03d}" if number else name, files[0], chunk)

    def write_all_rows(self, session: Session, name: str, files: Sequence[int], rows: str, order: str | None) -> None:
        """Queue all rows of a file for the executors."""
        del session, rows, order
        self._submit_rows(name, files[0], None)

    def finish(self, session: Session, empty: str) -> None:
        """Wait for all parts; without rows keep an empty local part."""
        self._wait_for_reports(0)
        path = self.build_part_path("part-00000")
        target = self.journal.sample / path
        self._copy_rows(session, f"select {self.columns} from {empty}", target)
        relation = build_parquet_reader([target])
        self.column_types = {row[0]: row[1] for row in session.fetch_rows(f"describe select * from {relation}")}
        if self.parts:
            target.unlink()
        else:
            self.parts[path] = self.journal.describe_part(path)

    def build_relation(self, session: Session) -> str:
        """Build SQL for the FROM clause: all rows, read from the store."""
        if not self.staged_paths:
            return super().build_relation(session)
        store = self.cluster_writer.store
        if store.is_local:
            files = [f"{store.root}/{path}" for _, path in sorted(self.staged_paths.items())]
        else:
            sizes = {
                f"{STORE_SCHEME}://{store.root}/{self.staged_paths[path]}": (done.bytes, 0)
                for path, done in sorted(self.parts.items())
            }
            register_remote_files(session, store.system, sizes)
            files = list(sizes)
        return build_parquet_reader(files)

    def describe_content(self, session: Session) -> tuple[dict[str, str], str]:
        """Return the columns and the content digest from the executors' sums."""
        del session
        return self.column_types, combine_row_sums(self.column_types, self.sums)

    @property
    def _masks(self) -> Mapping[str, MaskEntry]:
        masks = self.cluster_writer.masks.get(self.table.name, {})
        return {column: mask for column, mask in masks.items() if mask.kind != "none"}

    def _submit_rows(self, name: str, file: int, row_numbers: pa.Table | None) -> None:
        self._wait_for_reports(MAX_QUEUED_FILES)
        handle = get_spark_table(self.table)
        recipe = worker.WriteTask(
            table=self.table.name,
            columns=dict(self.table.columns),
            constants={column: texts[file] for column, texts in handle.constants.items()},
            masks=self._masks,
            secret=self.cluster_writer.secret if needs_secret({self.table.name: self._masks}) else None,
            engine=DUCKDB_VERSION,
            group_rows=self.group_rows,
            store=self.cluster_writer.store.address,
            path=f"{self.cluster_writer.stage}/{self.build_part_path(name).removesuffix('.parquet')}",
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
                f"chosen rows of {self.table.name}: {rows:,}; found by the cluster: {written:,}",
                hint="draw again when nothing writes to the source",
            )
        for report in reports:
            path = self.build_part_path(f"{name}-{report.part:04d}-{report.sha256[:8]}")
            self.staged_paths[path] = report.path
            self.sums.append(report.sums)
            self.parts[path] = PartRecord(path=path, rows=report.sums[0], bytes=report.bytes, sha256=report.sha256)


def _run_on_cluster(table: Frames, file: int, row_numbers: pa.Table | None, work: Any) -> list[PartReport]:
    with translate_worker_errors():
        return executor_tasks.run_on_executors(table, file, row_numbers, work)
