"""A sample that the workers of a cluster write: into the store, each its part; here are keys, places and what they report.

Parts lie in ``drawing/<draw>/`` of the store until all are there, under names that no other attempt has; those that count get
their place in the sample, and the rest is removed (see `sandbox.sampler.cluster.publication`).
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
from sandbox.engine.duckdb.table_functions import format_file_list
from sandbox.engine.spark import executor_tasks
from sandbox.errors import SourceError, StoreError
from sandbox.masking import needs_secret
from sandbox.sampler.cluster import worker
from sandbox.sampler.cluster.package import translate_worker_errors
from sandbox.sampler.cluster.publication import DRAWS_FOLDER
from sandbox.sampler.draw.journal import PartRecord
from sandbox.sampler.draw.parquet_writer import ParquetTableWriter
from sandbox.sampler.draw.sampled_rows import MarkColumns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.config.settings import MaskEntry
    from sandbox.engine.content_digest import RowSums
    from sandbox.engine.duckdb.session import Session
    from sandbox.engine.spark.cluster import SparkCluster
    from sandbox.engine.spark.executor_tasks import PartReport
    from sandbox.engine.spark.table import SparkTable as Frames
    from sandbox.masking import Secret
    from sandbox.sampler.draw.sampled_rows import SampledRows
    from sandbox.store.remote import RemoteStore

MAX_CONCURRENT_FILES = 8  # files of a table whose rows are written at the same time
MAX_QUEUED_FILES = 3 * MAX_CONCURRENT_FILES  # that may wait for their turn, with the places of their rows
MAX_ROW_NUMBERS_PER_TASK = 4_000_000  # of rows that are sent at once: 64 MB with their units
POLL_SECONDS = 0.2  # between two looks whether Ctrl-C came
STORE_SCHEME = "store"  # of the addresses by which the engine reads what is written, where that is a bucket


@dataclass(kw_only=True, eq=False)
class ClusterWriter:
    """Where and how the workers write.

    Attributes:
        cluster: Whose workers.
        store: The store.
        masks: By table and column.
        secret: Of the masks; None where none needs one.
        stage: Where parts lie until all are there.
        tables: What is written.
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
        """As long as the block lasts, workers write; when it has ended none does any more, and what is staged is removed."""
        try:
            yield
        except BaseException:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self.cluster.cancel()
            self._pool.shutdown()
            with contextlib.suppress(StoreError):  # the reason is on its way already
                self.store.remove_folder(self.stage)
            raise
        self._pool.shutdown()
        self.store.remove_folder(self.stage)

    def add_table(self, **about: Any) -> ClusterTableWriter:
        """Give a table that is to be written (see `ParquetTableWriter`)."""
        self.tables.append(ClusterTableWriter(cluster_writer=self, **about))
        return self.tables[-1]

    @property
    def staged_paths(self) -> dict[str, str]:
        """Where each part lies, by its path in the sample."""
        return {path: place for table in self.tables for path, place in table.staged_paths.items()}

    def submit(
        self, table: Frames, recipe: worker.WriteTask, file: int, places: pa.Table | None
    ) -> Future[list[PartReport]]:
        """Let the workers write rows of a file, when it is its turn."""
        work = functools.partial(worker.write_part, recipe)
        return self._pool.submit(_run_on_cluster, table, file, places, work)


@dataclass(kw_only=True, eq=False)
class ClusterTableWriter(ParquetTableWriter):
    """A table of the sample that is written in the store.

    Attributes:
        cluster_writer: Where.
        sums: Of the rows of its parts.
        staged_paths: Where each part lies, by its path in the sample.
        column_types: Its columns as they are written; known when it is finished.
    """

    cluster_writer: ClusterWriter
    sums: list[RowSums] = field(default_factory=list)
    staged_paths: dict[str, str] = field(default_factory=dict)
    column_types: dict[str, str] = field(default_factory=dict)
    _row_count: int = 0
    _pending: dict[Future[list[PartReport]], tuple[str, int | None]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows that are written or about to be."""
        return self._row_count

    def resume_part(self, name: str) -> bool:
        """Say that a part is to be written: a draw that did not end leaves nothing in the store."""
        del name
        return False

    def build_projection(self, select: str, known: SampledRows) -> str:
        """Give the SELECT of keys, places and units: all else stays where it is."""
        marks = known.marks
        names = [*known.columns, marks.row_number, marks.stratum, marks.unit]
        return f"select {', '.join(map(quote_identifier, dict.fromkeys(names)))} from ({select})"

    def write(self, session: Session, name: str, file: int, rows: str, order: str | None) -> None:
        """Let the workers write some rows of a file (see `ParquetTableWriter.write`); ``order`` is the column with their places."""
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
        found = pa.Table.from_batches(batches)
        self._row_count += found.num_rows
        for number, start in enumerate(range(0, found.num_rows, MAX_ROW_NUMBERS_PER_TASK)):
            places = found.slice(start, MAX_ROW_NUMBERS_PER_TASK)
            self._submit_rows(f"{name}-{number:03d}" if number else name, file, places)

    def write_all_rows(self, session: Session, name: str, file: int, rows: str, order: str | None) -> None:
        """Let the workers write all rows of a file."""
        del session, rows, order
        self._submit_rows(name, file, None)

    def finish(self, session: Session, empty: str) -> None:
        """Wait until all is written; leave an empty part, here, where there are no rows at all."""
        self._wait_for_reports(0)
        path = self.build_part_path("part-00000")
        target = self.journal.sample / path
        self._copy_rows(session, f"select {self.columns} from {empty}", target)
        relation = f"read_parquet({format_file_list([target])}, hive_partitioning = false)"
        self.column_types = {row[0]: row[1] for row in session.fetch_rows(f"describe select * from {relation}")}
        if self.parts:
            target.unlink()
        else:
            self.parts[path] = self.journal.describe_part(path)

    def build_relation(self, session: Session) -> str:
        """Give SQL that can stand after ``from``: all rows, read from the store."""
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
        return f"read_parquet({format_file_list(files)}, hive_partitioning = false)"

    def describe_content(self, session: Session) -> tuple[dict[str, str], str]:
        """Give the columns and the content digest, by what the workers have summed."""
        del session
        return self.column_types, combine_row_sums(self.column_types, self.sums)

    @property
    def _masks(self) -> Mapping[str, MaskEntry]:
        masks = self.cluster_writer.masks.get(self.table.name, {})
        return {column: mask for column, mask in masks.items() if mask.kind != "none"}

    def _submit_rows(self, name: str, file: int, places: pa.Table | None) -> None:
        self._wait_for_reports(MAX_QUEUED_FILES)
        about: Frames = self.table.files[file].handle
        recipe = worker.WriteTask(
            table=self.table.name,
            columns=dict(self.table.columns),
            constants={one: texts[file] for one, texts in about.constants.items()},
            masks=self._masks,
            secret=self.cluster_writer.secret if needs_secret({self.table.name: self._masks}) else None,
            engine=DUCKDB_VERSION,
            group_rows=self.group_rows,
            store=self.cluster_writer.store.address,
            path=f"{self.cluster_writer.stage}/{self.build_part_path(name).removesuffix('.parquet')}",
        )
        wanted = None if places is None else places.num_rows
        self._pending[self.cluster_writer.submit(about, recipe, file, places)] = (name, wanted)

    def _wait_for_reports(self, most: int) -> None:
        """Wait until no more than so many pieces of work are under way, and take what has ended."""
        while True:
            for done in [one for one in self._pending if one.done()]:
                self._record_reports(*self._pending.pop(done), done.result())
            if len(self._pending) <= most:
                return
            concurrent.futures.wait(self._pending, POLL_SECONDS, concurrent.futures.FIRST_COMPLETED)

    def _record_reports(self, name: str, rows: int | None, reports: list[PartReport]) -> None:
        """Record what workers have written of a file.

        Raises:
            SourceError: These are not the rows that were chosen.
        """
        found = sum(one.sums[0] for one in reports)
        if rows is None:
            self._row_count += found
        elif found != rows:
            raise SourceError(
                f"{rows:,} rows of {self.table.name} were chosen, and the cluster found {found:,} of them",
                hint="draw again when nothing writes to the source",
            )
        for one in reports:
            path = self.build_part_path(f"{name}-{one.part:04d}-{one.sha256[:8]}")
            self.staged_paths[path] = one.path
            self.sums.append(one.sums)
            self.parts[path] = PartRecord(path=path, rows=one.sums[0], bytes=one.bytes, sha256=one.sha256)


def _run_on_cluster(table: Frames, file: int, places: pa.Table | None, work: Any) -> list[PartReport]:
    with translate_worker_errors():
        return executor_tasks.run_on_executors(table, file, places, work)
