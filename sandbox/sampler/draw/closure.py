"""Fetch rows referenced by drawn rows, transitively, until no existing target of a followed reference is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.formatting import format_count
from sandbox.sampler.draw.extraction import ITEM_ROWS_VIEW
from sandbox.sampler.plan.unit_of_row import build_numbering_query, build_unit_join, build_unit_query
from sandbox.sources.checks.schema_check import pair_reference_columns
from sandbox.sources.registry import get_adapter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.sampler.draw.extraction import Extraction
    from sandbox.sampler.plan.plan import TableStep
    from sandbox.sampler.plan.references import ReferenceLink

MISSING_KEYS_TABLE = "keys that are missing"
FETCHED_ROWS_CTE = "rows that were missing"


@dataclass(kw_only=True)
class Closure:
    """The closure of one draw.

    Attributes:
        extraction: The draw.
        links: Every declared reference.
        last_turn_with_rows: Table -> the last turn that added rows to it.
    """

    extraction: Extraction
    links: Sequence[ReferenceLink]
    last_turn_with_rows: dict[str, int] = field(default_factory=dict)

    def follow(self) -> None:
        """Follow every reference to a fixpoint, or for its number of levels.

        A turn examines only rows added by the previous turn, so it ends when a turn adds none, also with cycles.
        """
        plan = self.extraction.plan
        complete = {step.table for step in plan.steps if step.keep == "all"}
        links = [link for link in self.links if link.target not in complete]
        self.last_turn_with_rows = {step.table: 0 for step in plan.steps}
        turn = 0
        with self.extraction.progress.step("following references"):
            while pending := [
                (n, link) for n, link in enumerate(links) if self.last_turn_with_rows[link.table] >= turn
            ]:
                turn += 1
                for number, link in pending:
                    if link.reference.levels is not None and turn > link.reference.levels:
                        continue
                    self._fetch_referenced_rows(link, number, turn)

    def _fetch_referenced_rows(self, link: ReferenceLink, number: int, turn: int) -> None:
        """Fetch the missing targets of one reference; keys missing in the source are queried once."""
        missing = self._find_missing_keys(link, number, turn)
        if not missing:
            return
        extraction = self.extraction
        step = next(step for step in extraction.plan.steps if step.table == link.target)
        written = extraction.writers[link.target]
        fetched = f"select t.* from {quote_identifier(ITEM_ROWS_VIEW)} t semi join {quote_identifier(MISSING_KEYS_TABLE)} r on {link.join_condition}"
        select = self._add_unit_columns(step, fetched)
        before = written.rows
        total = sum(item.bytes for item in extraction.items[link.target])
        doing = f"fetching {format_count(missing, 'row')} of {link.target} that {link.table} refers to"
        table = extraction.plan.tables[link.target]
        adapter = get_adapter(table)
        pairs = pair_reference_columns(extraction.plan.tables, link.table, link.reference)
        swapped = [(target, source) for source, target in pairs]
        condition = adapter.build_key_filter(extraction.session, table, swapped, quote_identifier(MISSING_KEYS_TABLE))
        with (
            adapter.filter_rows(table, condition),
            extraction.progress.step(doing, total=total, unit="bytes") as advance,
        ):
            for item in extraction.items[link.target]:
                extraction.write_item(link.target, item, select, f"closure-{turn:03d}-{number:03d}-{item.label}", turn)
                advance(item.bytes)
        if written.rows > before:
            self.last_turn_with_rows[link.target] = turn

    def _find_missing_keys(self, link: ReferenceLink, number: int, turn: int) -> int:
        """Store the keys named by the previous turn's rows and missing in the sample; return their number."""
        session, columns = self.extraction.session, link.reference.columns
        rows, target = self.extraction.sampled_rows[link.table], self.extraction.sampled_rows[link.target]
        names = ", ".join(f"r.{quote_identifier(column)}" for column in columns)
        queried = quote_identifier(f"keys asked for {number}")
        same = " and ".join(f"r.{quote_identifier(column)} = d.{quote_identifier(column)}" for column in columns)
        session.execute(
            f"create temp table if not exists {queried} as select {names} from {rows.relation} r where false"
        )
        session.execute(
            f"create or replace temp table {quote_identifier(MISSING_KEYS_TABLE)} as select distinct {names} from {rows.relation} r "
            f"anti join {target.relation} t on {link.join_condition} anti join {queried} d on {same} "
            f"where r.{quote_identifier(rows.marks.turn)} = {turn - 1} and {link.row_condition}",
            doing=f"following {link.table} → {link.target}",
        )
        session.execute(f"insert into {queried} select * from {quote_identifier(MISSING_KEYS_TABLE)}")
        return int(session.fetch_rows(f"select count(*) from {quote_identifier(MISSING_KEYS_TABLE)}")[0][0])

    def _add_unit_columns(self, step: TableStep, fetched: str) -> str:
        """Add stratum (NULL, as the rows were not drawn) and unit to the rows of a SELECT.

        Units are needed to shift dates. A unit table's row is its own unit; a child's is looked up in the source if
        needed.
        """
        extraction = self.extraction
        plan, marks = extraction.plan, extraction.sampled_rows[step.table].marks
        unit, stratum = quote_identifier(marks.unit), f"null::integer as {quote_identifier(marks.stratum)}"
        shifted = any(mask.kind == "date_shift" for mask in plan.masks.get(step.table, {}).values())
        if step.unit is None or not shifted:
            return f"select f.*, {stratum}, null::bigint as {unit} from ({fetched}) f"
        if step.through is None:
            columns = {**plan.tables[step.table].columns, marks.row_number: "BIGINT"}
            numbers = build_numbering_query(extraction.frames[step.table], FETCHED_ROWS_CTE, columns)
            row_number = quote_identifier(marks.row_number)
            return (
                f"with {quote_identifier(FETCHED_ROWS_CTE)} as ({fetched}) select f.*, {stratum}, n.{unit} from {quote_identifier(FETCHED_ROWS_CTE)} f "
                f"left join ({numbers}) n on f.{row_number} = n.{row_number}"
            )
        units = build_unit_query(plan, extraction.frames, extraction.source, step, framed=False)
        return (
            f"select f.*, {stratum}, u.unit as {unit} from ({fetched}) f "
            f"left join ({units}) u on {build_unit_join(plan, step, 'f', 'u')}"
        )
