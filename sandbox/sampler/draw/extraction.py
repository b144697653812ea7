"""Writing the rows of a plan: units by the rule, children with their units, lookups; item by item, each once.

What is read of an item waits in a table of the session, which may spill; from there the part is written, masked, and what
references need of it is kept, unmasked. An item that the journal has is only read for the latter.
"""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.engine.duckdb.session import quote
from sandbox.model import Silent
from sandbox.sampler.draw.parquet_writer import Written
from sandbox.sampler.draw.prefetch import ahead
from sandbox.sampler.draw.sampled_rows import complete, empty
from sandbox.sampler.draw.work_items import RANGE_BYTES, items
from sandbox.sampler.plan.frame import prepared
from sandbox.sampler.plan.pushdown import drawn_by_rule, named_by_keys, narrowed
from sandbox.sources.checks.key_check import whole
from sandbox.sources.checks.schema_check import applies, matching, typed_pairs
from sandbox.sources.files.file_errors import blamed
from sandbox.sources.files.parquet_footer import footer
from sandbox.sources.table import placed, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow as pa

    from sandbox.engine.duckdb.session import Session
    from sandbox.masking import Masking
    from sandbox.model import Progress
    from sandbox.sampler.cluster.writer import Afar
    from sandbox.sampler.draw.journal import Journal
    from sandbox.sampler.draw.sampled_rows import Known
    from sandbox.sampler.draw.work_items import Item
    from sandbox.sampler.plan.frame import Frame
    from sandbox.sampler.plan.plan import Plan, Step
    from sandbox.sources.projection import LeanSource
    from sandbox.sources.table import SourceTable

# Of an item, from which it shows how far it is within: while the engine is asked it works a third slower.
WATCHED_BYTES = 512 * 2**20
ROWS = "rows of an item"
CHOSEN = "chosen rows of an item"
AHEAD = "rows read ahead"
PARENTS = "keys of drawn parents"


@dataclass(kw_only=True)
class Extraction:
    """One draw while it goes on.

    Attributes:
        session: The engine.
        plan: What to draw.
        journal: What is written.
        masking: The masks.
        source: Keys and references as the source has them.
        columns: For each table the columns that are to be known of its drawn rows.
        memory: Bytes that the engine may hold before it spills.
        progress: Shows the steps.
        afar: Where the workers of a cluster write the parts; None where they are written here.
        items: The items of each table.
        frames: The frame of each unit table, once it is drawn.
        written: The parts of each table.
        known: What is known of each table's drawn rows.
    """

    session: Session
    plan: Plan
    journal: Journal
    masking: Masking
    source: LeanSource
    columns: Mapping[str, tuple[str, ...]]
    memory: int
    progress: Progress
    afar: Afar | None = None
    items: dict[str, list[Item]] = field(default_factory=dict)
    frames: dict[str, Frame] = field(default_factory=dict)
    written: dict[str, Written] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=dict)

    def prepare(self) -> None:
        """Find the items, and make ready what drawing them needs.

        Raises:
            ConfigError: A mask does not fit the table that it is for.
            SourceError: A file is not what it was.
        """
        for step in self.plan.steps:
            table = self.plan.tables[step.table]
            self.items[step.table] = items(table, row_groups(table))
            self.known[step.table] = known = self._known(step)
            unit = known.marks.unit if step.unit is not None else None
            masked = (
                f"{self.masking.expression(step.table, column, unit=unit)} as {quote(column)}"
                for column in table.columns
            )
            writing: Callable[..., Written] = Written if self.afar is None else self.afar.table
            self.written[step.table] = writing(
                table=table,
                columns=", ".join(masked),
                journal=self.journal,
                group_rows=table.group_rows(self.memory),
            )
            (self.journal.sample / "tables" / step.table).mkdir(parents=True, exist_ok=True)
        for name, unit_plan in self.plan.units.items():
            self.frames[name] = prepared(self.session, self.plan.tables, unit_plan)

    def _known(self, step: Step) -> Known:
        table, columns = self.plan.tables[step.table], self.columns[step.table]
        if step.keep == "all":
            return complete(self.session, table, columns, self.source.relation(step.table))
        return empty(self.session, table, columns)

    def tables(self) -> None:
        """Write units, children and whole lookups."""
        steps = [step for step in self.plan.steps if step.keep != "referenced"]
        total = sum(item.bytes for step in steps for item in self.items[step.table])
        with self.progress.step("drawing", total=total, unit="bytes") as advance:
            for step in steps:
                rows = self.plan.expected[step.table].rows
                with self.progress.step(f"drawing {step.table}", total=rows, unit="rows") as counted:
                    self._table(step, advance, counted)

    def finish(self) -> None:
        """Leave an empty part, which has the columns, for each table without rows."""
        for name, written in self.written.items():
            marks = self.known[name].marks
            nothing = (
                f"(select *, null::bigint as {quote(marks.unit)} from ({reading(written.table)}) where false)"
            )
            written.finish(self.session, nothing)

    def _table(self, step: Step, advance: Callable[[float], None], counted: Callable[[float], None]) -> None:
        items = self.items[step.table]
        with self._ahead(step, items) as found:
            select = self._selection(step)  # while the first item is read
            with narrowed(self.plan.tables[step.table], self._pushed(step)):
                for item, rows in zip(items, found, strict=False):
                    before = self.written[step.table].rows
                    with self._advancing(item, advance):
                        if step.keep == "all":
                            self._whole(step.table, item)
                        else:
                            self.item(step.table, item, select, f"part-{item.label}", 0, rows)
                    counted(self.written[step.table].rows - before)

    @contextlib.contextmanager
    def _ahead(self, step: Step, items: list[Item]) -> Iterator[Iterator[pa.Table | None]]:
        """Give what is read ahead of each item: a unit table's rows that may be drawn, or None."""
        table, place = self.plan.tables[step.table], self.known[step.table].marks.place
        reader = None
        if step.role == "unit":
            reader = ahead(table, self.plan.units[step.table], place, self.memory)
        if reader is None:
            yield itertools.repeat(None)
            return
        with blamed(table.format, table.files), reader.reading(items) as found:
            yield found

    @contextlib.contextmanager
    def _advancing(self, item: Item, advance: Callable[[float], None]) -> Iterator[None]:
        """Advance by an item's bytes when the block has ended; within a large item also while it goes on."""
        told = 0
        if item.bytes < WATCHED_BYTES or isinstance(self.progress, Silent):
            yield
        else:

            def seen(share: float) -> None:
                nonlocal told
                # An item takes several statements, and only the first of them is long.
                if (reached := int(share * item.bytes)) > told:
                    advance(reached - told)
                    told = reached

            with self.session.watched(seen):
                yield
        advance(item.bytes - told)

    def _pushed(self, step: Step) -> Any:
        """Give what a database or a cluster may leave out of a table before it is selected from (see `_selection`)."""
        table = self.plan.tables[step.table]
        if step.role == "unit":
            return drawn_by_rule(table, self.plan.units[step.table])
        if step.through is None:
            return None
        pairs = typed_pairs(self.plan.tables, step.table, step.through)
        return named_by_keys(self.session, table, pairs, quote(PARENTS))

    def _selection(self, step: Step) -> str:
        """Give the SQL of what is drawn of an item's rows, with stratum and unit."""
        marks = self.known[step.table].marks
        columns = {**self.plan.tables[step.table].columns, marks.place: "BIGINT"}
        if step.role == "unit":
            return self.frames[step.table].selected(ROWS, columns)
        if step.through is None:
            return ""
        parent, keys = self.known[step.through.table], step.through.key
        names = ", ".join(quote(key) for key in keys)
        unit = quote(marks.unit)
        self.session.execute(
            f"create or replace temp table {quote(PARENTS)} as select {names}, min({quote(parent.marks.unit)}) as {unit} "
            f"from {parent.drawn} where {whole(keys)} group by {names}",
            doing=f"drawing {step.table}",
        )
        on = matching(typed_pairs(self.plan.tables, step.table, step.through), "r", "p")
        return (
            f"select r.*, null::integer as {quote(marks.stratum)}, p.{unit} from {quote(ROWS)} r "
            f"join {quote(PARENTS)} p on {on} and {applies(step.through, 'r')}"
        )

    def item(
        self, name: str, item: Item, select: str, label: str, turn: int, ahead: pa.Table | None = None
    ) -> None:
        """Write what a statement gives for an item, in the file's order, and keep what is to be known of it.

        Args:
            name: The table.
            item: The item.
            select: It reads the view ``ROWS`` (the table's columns and the place) and adds stratum and unit.
            label: The part's name.
            turn: The turn of the closure, or 0.
            ahead: Those of the item's rows that were read ahead; None reads the item now.
        """
        written, known = self.written[name], self.known[name]
        doing = f"drawing {name}"
        self._open(name, item, numbered=True, ahead=ahead)
        rows = f"({select})"
        with blamed(written.table.format, written.table.files):
            if not written.finished(label):
                rows = quote(CHOSEN)
                chosen = written.chosen(select, known)
                self.session.execute(f"create or replace temp table {rows} as {chosen}", doing=doing)
                written.write(self.session, label, item.file, rows, known.marks.place)
            known.add(self.session, rows, turn, doing=doing)
            self.session.execute(f"drop table if exists {quote(CHOSEN)}")

    def _whole(self, name: str, item: Item) -> None:
        """Write an item as it is: it streams."""
        written, label = self.written[name], f"part-{item.label}"
        if not written.finished(label):
            thinned = written.table.thinned  # what leaves rows out does not keep their order
            self._open(name, item, numbered=thinned or item.stop is not None)
            marks = self.known[name].marks
            rows = f"(select *, null::bigint as {quote(marks.unit)} from {quote(ROWS)})"
            written.whole(self.session, label, item.file, rows, marks.place if thinned else None)

    def _open(self, name: str, item: Item, *, numbered: bool, ahead: pa.Table | None = None) -> None:
        """Make an item's rows readable, with their place if they are to be numbered."""
        table, place = self.plan.tables[name], self.known[name].marks.place
        rows = reading(table, item.file, number=place if numbered else None)
        if ahead is not None:
            self.session.lend(AHEAD, ahead)
            kinds = {**table.columns, place: "BIGINT"}
            names = ", ".join(f"{quote(column)}::{kind} as {quote(column)}" for column, kind in kinds.items())
            rows = f"select {names} from {quote(AHEAD)}"
        elif item.stop is not None:
            rows = f"select * from ({rows}) where {quote(place)} >= {item.first} and {quote(place)} < {item.stop}"
        with blamed(table.format, table.files):
            self.session.execute(
                f"create or replace temp view {quote(ROWS)} as {rows}", doing=f"drawing {name}"
            )


def row_groups(table: SourceTable) -> dict[int, list[int]]:
    """Give the rows of each row group of those files of a table that are large enough to be cut.

    Raises:
        SourceError: A file is not there any more, or is no Parquet file any more.
    """
    if not placed(table):
        return {}
    found = {}
    for index, file in enumerate(table.files):
        if table.groups:
            found[index] = list(table.groups)
        elif file.bytes > RANGE_BYTES:
            groups = footer(file)
            found[index] = [groups.row_group(group).num_rows for group in range(groups.num_row_groups)]
    return found
