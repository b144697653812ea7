"""Closure: rows that drawn rows refer to are fetched, and what these refer to, until nothing is missing that there is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote
from sandbox.sampler.draw.extraction import ROWS
from sandbox.sampler.plan.pushdown import named_by_keys, narrowed
from sandbox.sampler.plan.unit_of_row import belonging, joined, numbered
from sandbox.sources.checks.schema_check import typed_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.sampler.draw.extraction import Extraction
    from sandbox.sampler.plan.plan import Step
    from sandbox.sampler.plan.references import Link

MISSING = "keys that are missing"
FETCHED = "rows that were missing"


@dataclass(kw_only=True)
class Closure:
    """The closure of one draw.

    Attributes:
        extraction: The draw.
        links: Every declared reference.
        gained: For each table the last turn that brought rows of it.
    """

    extraction: Extraction
    links: Sequence[Link]
    gained: dict[str, int] = field(default_factory=dict)

    def follow(self) -> None:
        """Follow every reference to a fixpoint.

        A turn looks at the rows that the turn before it brought, so the work ends when a turn brings none: cycles do.
        """
        plan = self.extraction.plan
        complete = {step.table for step in plan.steps if step.keep == "all"}
        links = [link for link in self.links if link.target not in complete]
        self.gained = {step.table: 0 for step in plan.steps}
        turn = 0
        with self.extraction.progress.step("following references"):
            while pending := [(n, link) for n, link in enumerate(links) if self.gained[link.table] >= turn]:
                turn += 1
                for number, link in pending:
                    self._follow(link, number, turn)

    def _follow(self, link: Link, number: int, turn: int) -> None:
        """Fetch the rows that one reference lacks; what the source lacks too is not asked for again."""
        missing = self._missing(link, number, turn)
        if not missing:
            return
        extraction = self.extraction
        step = next(one for one in extraction.plan.steps if one.table == link.target)
        written = extraction.written[link.target]
        fetched = f"select t.* from {quote(ROWS)} t semi join {quote(MISSING)} r on {link.on}"
        select = self._with_unit(step, fetched)
        before = written.rows
        total = sum(item.bytes for item in extraction.items[link.target])
        doing = f"fetching {missing:,} rows of {link.target} that {link.table} refers to"
        table = extraction.plan.tables[link.target]
        pairs = typed_pairs(extraction.plan.tables, link.table, link.reference)
        asked = named_by_keys(extraction.session, table, [(two, one) for one, two in pairs], quote(MISSING))
        with (
            narrowed(table, asked),
            extraction.progress.step(doing, total=total, unit="bytes") as advance,
        ):
            for item in extraction.items[link.target]:
                extraction.item(
                    link.target, item, select, f"closure-{turn:03d}-{number:03d}-{item.label}", turn
                )
                advance(item.bytes)
        if written.rows > before:
            self.gained[link.target] = turn

    def _missing(self, link: Link, number: int, turn: int) -> int:
        """Find the keys that rows of the turn before name and the sample lacks, and give their number."""
        session, columns = self.extraction.session, link.reference.columns
        rows, target = self.extraction.known[link.table], self.extraction.known[link.target]
        names = ", ".join(f"r.{quote(column)}" for column in columns)
        asked = quote(f"keys asked for {number}")
        same = " and ".join(f"r.{quote(column)} = d.{quote(column)}" for column in columns)
        session.execute(
            f"create temp table if not exists {asked} as select {names} from {rows.relation} r where false"
        )
        session.execute(
            f"create or replace temp table {quote(MISSING)} as select distinct {names} from {rows.relation} r "
            f"anti join {target.relation} t on {link.on} anti join {asked} d on {same} "
            f"where r.{quote(rows.marks.turn)} = {turn - 1} and {link.refers}",
            doing=f"following {link.table} → {link.target}",
        )
        session.execute(f"insert into {asked} select * from {quote(MISSING)}")
        return int(session.rows(f"select count(*) from {quote(MISSING)}")[0][0])

    def _with_unit(self, step: Step, fetched: str) -> str:
        """Add stratum (none: they were not drawn) and unit to the rows that a statement gives.

        The unit is what shifts dates. A unit table's row is one itself; that of a child is found through the source, where
        it is needed at all.
        """
        extraction = self.extraction
        plan, marks = extraction.plan, extraction.known[step.table].marks
        unit, stratum = quote(marks.unit), f"null::integer as {quote(marks.stratum)}"
        shifted = any(mask.kind == "date_shift" for mask in plan.masks.get(step.table, {}).values())
        if step.unit is None or not shifted:
            return f"select f.*, {stratum}, null::bigint as {unit} from ({fetched}) f"
        if step.through is None:
            columns = {**plan.tables[step.table].columns, marks.place: "BIGINT"}
            numbers = numbered(extraction.frames[step.table], FETCHED, columns)
            place = quote(marks.place)
            return (
                f"with {quote(FETCHED)} as ({fetched}) select f.*, {stratum}, n.{unit} from {quote(FETCHED)} f "
                f"left join ({numbers}) n on f.{place} = n.{place}"
            )
        units = belonging(plan, extraction.frames, extraction.source, step, framed=False)
        return (
            f"select f.*, {stratum}, u.unit as {unit} from ({fetched}) f "
            f"left join ({units}) u on {joined(plan, step, 'f', 'u')}"
        )
