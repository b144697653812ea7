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

from sandbox.engine.content_digest import combined
from sandbox.engine.duckdb.remote_files import reach
from sandbox.engine.duckdb.session import VERSION, quote
from sandbox.engine.duckdb.table_functions import file_list
from sandbox.engine.spark import executor_tasks
from sandbox.errors import SourceError, StoreError
from sandbox.masking import needs_secret
from sandbox.sampler.cluster import worker
from sandbox.sampler.cluster.package import understood
from sandbox.sampler.cluster.publication import DRAWING
from sandbox.sampler.draw.journal import Done
from sandbox.sampler.draw.parquet_writer import Written
from sandbox.sampler.draw.sampled_rows import Marks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.config.settings import Mask
    from sandbox.engine.content_digest import Sums
    from sandbox.engine.duckdb.session import Session
    from sandbox.engine.spark.cluster import Cluster
    from sandbox.engine.spark.executor_tasks import Report
    from sandbox.engine.spark.table import Table as Frames
    from sandbox.masking import Secret
    from sandbox.sampler.draw.sampled_rows import Known
    from sandbox.store.remote import Remote

TOGETHER = 8  # files of a table whose rows are written at the same time
WAITING = 3 * TOGETHER  # that may wait for their turn, with the places of their rows
MOST_PLACES = 4_000_000  # of rows that are sent at once: 64 MB with their units
LOOK_SECONDS = 0.2  # between two looks whether Ctrl-C came
SCHEME = "store"  # of the addresses by which the engine reads what is written, where that is a bucket


@dataclass(kw_only=True, eq=False)
class Afar:
    """Where and how the workers write.

    Attributes:
        cluster: Whose workers.
        store: The store.
        masks: By table and column.
        secret: Of the masks; None where none needs one.
        stage: Where parts lie until all are there.
        tables: What is written.
    """

    cluster: Cluster
    store: Remote
    masks: Mapping[str, Mapping[str, Mask]]
    secret: Secret | None
    stage: str = field(default_factory=lambda: f"{DRAWING}/{uuid.uuid4().hex}")
    tables: list[Sent] = field(default_factory=list)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(TOGETHER))

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """As long as the block lasts, workers write; when it has ended none does any more, and what is staged is removed."""
        try:
            yield
        except BaseException:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self.cluster.cancel()
            self._pool.shutdown()
            with contextlib.suppress(StoreError):  # the reason is on its way already
                self.store.clear(self.stage)
            raise
        self._pool.shutdown()
        self.store.clear(self.stage)

    def table(self, **about: Any) -> Sent:
        """Give a table that is to be written (see `Written`)."""
        self.tables.append(Sent(afar=self, **about))
        return self.tables[-1]

    @property
    def staged(self) -> dict[str, str]:
        """Where each part lies, by its path in the sample."""
        return {path: place for table in self.tables for path, place in table.staged.items()}

    def submit(
        self, table: Frames, recipe: worker.Recipe, file: int, places: pa.Table | None
    ) -> Future[list[Report]]:
        """Let the workers write rows of a file, when it is its turn."""
        work = functools.partial(worker.written, recipe)
        return self._pool.submit(_reported, table, file, places, work)


@dataclass(kw_only=True, eq=False)
class Sent(Written):
    """A table of the sample that is written in the store.

    Attributes:
        afar: Where.
        sums: Of the rows of its parts.
        staged: Where each part lies, by its path in the sample.
        kinds: Its columns as they are written; known when it is finished.
    """

    afar: Afar
    sums: list[Sums] = field(default_factory=list)
    staged: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    _sent: int = 0
    _pending: dict[Future[list[Report]], tuple[str, int | None]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows that are written or about to be."""
        return self._sent

    def finished(self, name: str) -> bool:
        """Say that a part is to be written: a draw that did not end leaves nothing in the store."""
        del name
        return False

    def chosen(self, select: str, known: Known) -> str:
        """Give the SELECT of keys, places and units: all else stays where it is."""
        marks = known.marks
        names = [*known.columns, marks.place, marks.stratum, marks.unit]
        return f"select {', '.join(map(quote, dict.fromkeys(names)))} from ({select})"

    def write(self, session: Session, name: str, file: int, rows: str, order: str | None) -> None:
        """Let the workers write some rows of a file (see `Written.write`); ``order`` is the column with their places."""
        assert order is not None, "rows are told by their places"
        shifted = any(mask.kind == "date_shift" for mask in self._masks.values())
        unit = f", {quote(Marks.beside(self.table.columns).unit)} as {executor_tasks.UNIT}" if shifted else ""
        sql = f"select {quote(order)} as {executor_tasks.CHOSEN}{unit} from {rows} order by 1"
        batches = list(session.batches(sql, size=1 << 17))
        if not batches:
            return
        found = pa.Table.from_batches(batches)
        self._sent += found.num_rows
        for number, start in enumerate(range(0, found.num_rows, MOST_PLACES)):
            places = found.slice(start, MOST_PLACES)
            self._submit(f"{name}-{number:03d}" if number else name, file, places)

    def whole(self, session: Session, name: str, file: int, rows: str, order: str | None) -> None:
        """Let the workers write all rows of a file."""
        del session, rows, order
        self._submit(name, file, None)

    def finish(self, session: Session, empty: str) -> None:
        """Wait until all is written; leave an empty part, here, where there are no rows at all."""
        self._await(0)
        path = self.path("part-00000")
        target = self.journal.sample / path
        self._copied(session, f"select {self.columns} from {empty}", target)
        relation = f"read_parquet({file_list([target])}, hive_partitioning = false)"
        self.kinds = {row[0]: row[1] for row in session.rows(f"describe select * from {relation}")}
        if self.parts:
            target.unlink()
        else:
            self.parts[path] = self.journal.described(path)

    def relation(self, session: Session) -> str:
        """Give SQL that can stand after ``from``: all rows, read from the store."""
        if not self.staged:
            return super().relation(session)
        store = self.afar.store
        if store.local:
            files = [f"{store.root}/{path}" for _, path in sorted(self.staged.items())]
        else:
            sizes = {
                f"{SCHEME}://{store.root}/{self.staged[path]}": (done.bytes, 0)
                for path, done in sorted(self.parts.items())
            }
            reach(session, store.system, sizes)
            files = list(sizes)
        return f"read_parquet({file_list(files)}, hive_partitioning = false)"

    def content(self, session: Session) -> tuple[dict[str, str], str]:
        """Give the columns and the content digest, by what the workers have summed."""
        del session
        return self.kinds, combined(self.kinds, self.sums)

    @property
    def _masks(self) -> Mapping[str, Mask]:
        masks = self.afar.masks.get(self.table.name, {})
        return {column: mask for column, mask in masks.items() if mask.kind != "none"}

    def _submit(self, name: str, file: int, places: pa.Table | None) -> None:
        self._await(WAITING)
        about: Frames = self.table.files[file].opened
        recipe = worker.Recipe(
            table=self.table.name,
            columns=dict(self.table.columns),
            constants={one: texts[file] for one, texts in about.constants.items()},
            masks=self._masks,
            secret=self.afar.secret if needs_secret({self.table.name: self._masks}) else None,
            engine=VERSION,
            group_rows=self.group_rows,
            store=self.afar.store.address,
            path=f"{self.afar.stage}/{self.path(name).removesuffix('.parquet')}",
        )
        wanted = None if places is None else places.num_rows
        self._pending[self.afar.submit(about, recipe, file, places)] = (name, wanted)

    def _await(self, most: int) -> None:
        """Wait until no more than so many pieces of work are under way, and take what has ended."""
        while True:
            for done in [one for one in self._pending if one.done()]:
                self._taken(*self._pending.pop(done), done.result())
            if len(self._pending) <= most:
                return
            concurrent.futures.wait(self._pending, LOOK_SECONDS, concurrent.futures.FIRST_COMPLETED)

    def _taken(self, name: str, rows: int | None, reports: list[Report]) -> None:
        """Record what workers have written of a file.

        Raises:
            SourceError: These are not the rows that were chosen.
        """
        found = sum(one.sums[0] for one in reports)
        if rows is None:
            self._sent += found
        elif found != rows:
            raise SourceError(
                f"{rows:,} rows of {self.table.name} were chosen, and the cluster found {found:,} of them",
                hint="draw again when nothing writes to the source",
            )
        for one in reports:
            path = self.path(f"{name}-{one.part:04d}-{one.sha256[:8]}")
            self.staged[path] = one.path
            self.sums.append(one.sums)
            self.parts[path] = Done(path=path, rows=one.sums[0], bytes=one.bytes, sha256=one.sha256)


def _reported(table: Frames, file: int, places: pa.Table | None, work: Any) -> list[Report]:
    with understood():
        return executor_tasks.reported(table, file, places, work)
