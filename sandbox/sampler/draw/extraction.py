"""Extract a plan's rows: units by the sampling rule, children with their units, lookups; item by item.

Chosen rows of an item wait in a table of the session, which may spill. From there the masked part is written, and the
unmasked columns needed by references are kept. An item in the journal is read for these columns only.
"""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox import masking
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.model import SilentProgress
from sandbox.sampler.draw import sampled_rows
from sandbox.sampler.draw.part_writer import ItemRows, LocalPartWriter, TableParts
from sandbox.sampler.draw.prefetch import build_prefetcher
from sandbox.sampler.draw.sampled_rows import create_empty_table, create_whole_table_view
from sandbox.sampler.draw.work_items import RANGE_BYTES, choose_batch_bytes, list_items
from sandbox.sampler.plan.frame import prepare_frame
from sandbox.sampler.plan.pushdown import build_rule_filter
from sandbox.sources.checks.key_check import build_not_null_condition
from sandbox.sources.checks.schema_check import (
    build_join_condition,
    build_when_condition,
    pair_reference_columns,
)
from sandbox.sources.projection import project_tables
from sandbox.sources.registry import build_select, get_adapter, translate_file_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow as pa

    from sandbox.engine.duckdb.session import Session
    from sandbox.masking import Masking
    from sandbox.model import Progress
    from sandbox.sampler.cluster.writer import ClusterWriter
    from sandbox.sampler.draw.context import DrawContext
    from sandbox.sampler.draw.journal import Journal
    from sandbox.sampler.draw.part_writer import PartWriter
    from sandbox.sampler.draw.sampled_rows import SampledRows
    from sandbox.sampler.draw.work_items import WorkItem
    from sandbox.sampler.plan.frame import SamplingFrame
    from sandbox.sampler.plan.plan import SamplePlan, TableStep
    from sandbox.sources.projection import SourceProjection
    from sandbox.sources.table import SourceTable

# Size of items with progress inside; watching slows DuckDB by a third.
MIN_WATCHED_BYTES = 512 * 2**20
ITEM_ROWS_VIEW = "rows of an item"
CHOSEN_ROWS_TABLE = "chosen rows of an item"
PREFETCHED_ROWS_VIEW = "rows read ahead"
PARENT_KEYS_TABLE = "keys of drawn parents"


@dataclass(kw_only=True)
class Extraction:
    """State of a draw.

    Attributes:
        session: The query engine.
        plan: The plan.
        journal: The journal of written parts.
        masking: The masks.
        source: Keys and references of the source.
        columns: Table -> columns kept of its drawn rows.
        memory: Bytes DuckDB may hold before it spills.
        progress: Shows the steps.
        cluster_writer: Writes parts on a cluster's executors; None to write them here.
        items: The items of each table.
        frames: The frame of each unit table.
        writers: The writer of each table.
        sampled_rows: The kept columns of each table's drawn rows.
    """

    session: Session
    plan: SamplePlan
    journal: Journal
    masking: Masking
    source: SourceProjection
    columns: Mapping[str, tuple[str, ...]]
    memory: int
    progress: Progress
    cluster_writer: ClusterWriter | None = None
    items: dict[str, list[WorkItem]] = field(default_factory=dict)
    frames: dict[str, SamplingFrame] = field(default_factory=dict)
    writers: dict[str, PartWriter] = field(default_factory=dict)
    sampled_rows: dict[str, SampledRows] = field(default_factory=dict)

    def prepare(self) -> None:
        """List the items and prepare writers, kept columns and frames.

        Raises:
            ConfigError: A mask does not fit its table.
            SourceError: A file has changed.
        """
        for step in self.plan.steps:
            table = self.plan.tables[step.table]
            self.items[step.table] = self._list_items(table)
            self.sampled_rows[step.table] = known = self._create_sampled_rows(step)
            unit = known.marks.unit if step.unit is not None else None
            masked = (
                f"{self.masking.build_expression(step.table, column, unit=unit)} as {quote_identifier(column)}"
                for column in table.columns
            )
            parts = TableParts(
                session=self.session,
                table=table,
                columns=", ".join(masked),
                journal=self.journal,
                group_rows=table.compute_row_group_rows(self.memory),
                masked=frozenset(
                    column for column, mask in self.plan.masks.get(step.table, {}).items() if mask.kind != "none"
                ),
            )
            self.writers[step.table] = (
                LocalPartWriter(parts=parts) if self.cluster_writer is None else self.cluster_writer.add_table(parts)
            )
            (self.journal.sample / "tables" / step.table).mkdir(parents=True, exist_ok=True)
        for name, unit_plan in self.plan.units.items():
            self.frames[name] = prepare_frame(self.session, self.plan.tables, unit_plan)

    def _list_items(self, table: SourceTable) -> list[WorkItem]:
        """List the items of a table, with batches whose parts are of a sensible size."""
        adapter = get_adapter(table)
        share = min(1.0, self.plan.expected_sizes[table.name].rows / max(1, table.rows))
        groups, read_groups = adapter.read_row_groups(table, RANGE_BYTES), adapter.list_read_groups(table)
        return list_items(table, groups, read_groups, choose_batch_bytes(share))

    def _create_sampled_rows(self, step: TableStep) -> SampledRows:
        table, columns = self.plan.tables[step.table], self.columns[step.table]
        if step.keep == "all":
            return create_whole_table_view(self.session, table, columns, self.source.quote_relation(step.table))
        return create_empty_table(self.session, table, columns)

    def write_tables(self) -> None:
        """Write units, children and whole lookups."""
        steps = [step for step in self.plan.steps if step.keep != "referenced"]
        total = sum(item.bytes for step in steps for item in self.items[step.table])
        with self.progress.step("drawing", total=total, unit="bytes") as advance:
            for step in steps:
                rows = self.plan.expected_sizes[step.table].rows
                with self.progress.step(f"drawing {step.table}", total=rows, unit="rows") as counted:
                    self._write_table(step, advance, counted)

    def finish(self) -> None:
        """Write an empty part with the columns for each table without rows."""
        for name, written in self.writers.items():
            marks = self.sampled_rows[name].marks
            nothing = f"(select *, null::bigint as {quote_identifier(marks.unit)} from ({build_select(written.parts.table)}) where false)"
            written.finish(nothing)

    def _write_table(self, step: TableStep, advance: Callable[[float], None], counted: Callable[[float], None]) -> None:
        items = self.items[step.table]
        with self._prefetch_items(step, items) as prefetched:
            select = self._build_selection(step)  # meanwhile the first item is read
            table = self.plan.tables[step.table]
            with get_adapter(table).filter_rows(table, self._build_pushdown_condition(step)):
                for item, rows in zip(items, prefetched, strict=False):
                    before = self.writers[step.table].rows
                    with self._show_item_progress(item, advance):
                        if step.keep == "all":
                            self._write_whole_item(step.table, item)
                        else:
                            self.write_item(step.table, item, select, f"part-{item.label}", 0, rows)
                    counted(self.writers[step.table].rows - before)

    @contextlib.contextmanager
    def _prefetch_items(self, step: TableStep, items: list[WorkItem]) -> Iterator[Iterator[pa.Table | None]]:
        """Yield prefetched rows of each item: candidates of a unit table, or None."""
        table, row_number = self.plan.tables[step.table], self.sampled_rows[step.table].marks.row_number
        reader = None
        if step.role == "unit":
            reader = build_prefetcher(table, self.plan.units[step.table], row_number, self.memory)
        if reader is None:
            yield itertools.repeat(None)
            return
        with translate_file_errors(table.format, table.files), reader.prefetch_items(items) as prefetched:
            yield prefetched

    @contextlib.contextmanager
    def _show_item_progress(self, item: WorkItem, advance: Callable[[float], None]) -> Iterator[None]:
        """Advance by an item's bytes at the block's end, and within a large item also during it."""
        reported = 0
        if item.bytes < MIN_WATCHED_BYTES or isinstance(self.progress, SilentProgress):
            yield
        else:

            def report_share(share: float) -> None:
                nonlocal reported
                # Only the first of an item's statements takes long.
                if (reached := int(share * item.bytes)) > reported:
                    advance(reached - reported)
                    reported = reached

            with self.session.watch_progress(report_share):
                yield
        advance(item.bytes - reported)

    def _build_pushdown_condition(self, step: TableStep) -> Any:
        """Build the condition for rows the source may omit before the selection (see `_build_selection`)."""
        table = self.plan.tables[step.table]
        if step.role == "unit":
            return build_rule_filter(table, self.plan.units[step.table])
        if step.through is None:
            return None
        pairs = pair_reference_columns(self.plan.tables, step.table, step.through)
        return get_adapter(table).build_key_filter(self.session, table, pairs, quote_identifier(PARENT_KEYS_TABLE))

    def _build_selection(self, step: TableStep) -> str:
        """Build the SQL that selects an item's rows, with stratum and unit."""
        marks = self.sampled_rows[step.table].marks
        columns = {**self.plan.tables[step.table].columns, marks.row_number: "BIGINT"}
        if step.role == "unit":
            return self.frames[step.table].build_sample_query(ITEM_ROWS_VIEW, columns)
        if step.through is None:
            return ""
        parent, keys = self.sampled_rows[step.through.table], step.through.key
        names = ", ".join(quote_identifier(key) for key in keys)
        unit = quote_identifier(marks.unit)
        self.session.execute(
            f"create or replace temp table {quote_identifier(PARENT_KEYS_TABLE)} as select {names}, min({quote_identifier(parent.marks.unit)}) as {unit} "
            f"from {parent.drawn_relation} where {build_not_null_condition(keys)} group by {names}",
            doing=f"drawing {step.table}",
        )
        on = build_join_condition(pair_reference_columns(self.plan.tables, step.table, step.through), "r", "p")
        return (
            f"select r.*, null::integer as {quote_identifier(marks.stratum)}, p.{unit} from {quote_identifier(ITEM_ROWS_VIEW)} r "
            f"join {quote_identifier(PARENT_KEYS_TABLE)} p on {on} and {build_when_condition(step.through, 'r')}"
        )

    def write_item(
        self, name: str, item: WorkItem, select: str, label: str, turn: int, ahead: pa.Table | None = None
    ) -> None:
        """Write an item's selected rows in file order and keep the columns needed later.

        Args:
            name: The table.
            item: The item.
            select: SELECT over the view `ITEM_ROWS_VIEW` (the table's columns and row number) that adds stratum and
                unit.
            label: The part's name.
            turn: The turn of the closure, or 0.
            ahead: The item's prefetched rows; None to read it now.
        """
        written, known = self.writers[name], self.sampled_rows[name]
        doing = f"drawing {name}"
        self._open_item(name, item, numbered=True, ahead=ahead)
        rows = f"({select})"
        table = written.parts.table
        with translate_file_errors(table.format, table.files):
            if not written.parts.resume(label):
                rows = quote_identifier(CHOSEN_ROWS_TABLE)
                chosen = select if written.needs_values else known.build_mark_query(select)
                self.session.execute(f"create or replace temp table {rows} as {chosen}", doing=doing)
                written.write(ItemRows(name=label, files=item.files, relation=rows, order=known.marks.row_number))
            known.add(self.session, rows, turn, doing=doing)
            self.session.execute(f"drop table if exists {quote_identifier(CHOSEN_ROWS_TABLE)}")

    def _write_whole_item(self, name: str, item: WorkItem) -> None:
        """Write all rows of an item as a stream."""
        written, label = self.writers[name], f"part-{item.label}"
        table = written.parts.table
        if not written.parts.resume(label):
            thinned = not get_adapter(table).preserves_row_order(table)
            self._open_item(name, item, numbered=thinned or item.stop is not None)
            marks = self.sampled_rows[name].marks
            rows = f"(select *, null::bigint as {quote_identifier(marks.unit)} from {quote_identifier(ITEM_ROWS_VIEW)})"
            order = marks.row_number if thinned else None
            written.write(ItemRows(name=label, files=item.files, relation=rows, order=order, is_whole=True))

    def _open_item(self, name: str, item: WorkItem, *, numbered: bool, ahead: pa.Table | None = None) -> None:
        """Make an item's rows readable, with row numbers if requested."""
        table, row_number = self.plan.tables[name], self.sampled_rows[name].marks.row_number
        rows = build_select(table, item.files, number=row_number if numbered else None)
        if ahead is not None:
            self.session.register_table(PREFETCHED_ROWS_VIEW, ahead)
            kinds = {**table.columns, row_number: "BIGINT"}
            names = ", ".join(
                f"{quote_identifier(column)}::{kind} as {quote_identifier(column)}" for column, kind in kinds.items()
            )
            rows = f"select {names} from {quote_identifier(PREFETCHED_ROWS_VIEW)}"
        elif item.stop is not None:
            rows = f"select * from ({rows}) where {quote_identifier(row_number)} >= {item.first} and {quote_identifier(row_number)} < {item.stop}"
        with translate_file_errors(table.format, table.files):
            self.session.execute(
                f"create or replace temp view {quote_identifier(ITEM_ROWS_VIEW)} as {rows}",
                doing=f"drawing {name}",
            )


def prepare_extraction(session: Session, begun: DrawContext, cluster_writer: ClusterWriter | None) -> Extraction:
    """Project the source's keys and references, register the masks, and prepare the extraction of a draw."""
    project, plan = begun.project, begun.plan
    keys = {name: table.key or [] for name, table in project.settings.tables.items()}
    columns = sampled_rows.list_needed_columns(plan, keys)
    columns_of_tables = {name: table.columns for name, table in plan.tables.items()}
    extraction = Extraction(
        session=session,
        plan=plan,
        journal=begun.journal,
        masking=masking.Masking.register(session, plan.masks, begun.secret, columns_of_tables),
        source=project_tables(session, plan.tables, sampled_rows.add_frame_columns(plan, columns)),
        columns=columns,
        memory=project.settings.sample.memory,
        progress=begun.progress,
        cluster_writer=cluster_writer,
    )
    extraction.prepare()
    if begun.journal.records:
        parts = sum(len(items) for items in extraction.items.values())
        begun.progress.print_message(f"resuming: {len(begun.journal.records)} of {parts} parts are there")
    return extraction
