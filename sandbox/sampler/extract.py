"""Writing the rows of a plan: units by the rule, children with their units, lookups, and what references need.

Every table is read in one scan a file; what is needed to follow references is in the parts that are written already.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.engine import rule
from sandbox.engine.duck import quote
from sandbox.sampler.keys import whole
from sandbox.sampler.names import matching, typed_pairs
from sandbox.sampler.part import Written
from sandbox.sampler.table import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sandbox.engine.duck import Session
    from sandbox.model import Progress
    from sandbox.sampler.plan import Plan, Step, UnitPlan
    from sandbox.sampler.references import Link

ROWS = "rows of a file"
PARENTS = "keys of drawn parents"
MISSING = "keys that are missing"
STRATA = "strata of the unit"


@dataclass(kw_only=True)
class Extraction:
    """One draw while it goes on; ``folder`` is where ``tables/`` is to be."""

    session: Session
    plan: Plan
    folder: Path
    progress: Progress
    written: dict[str, Written] = field(default_factory=dict)

    def tables(self, weigh: Callable[[UnitPlan, str], None]) -> None:
        """Write units, children and whole lookups.

        Args:
            weigh: Called once for each unit table, with the SQL of exactly its selected rows.
        """
        for step in self.plan.steps:
            table = self.plan.tables[step.table]
            place = self.folder / "tables" / step.table
            place.mkdir(parents=True)
            self.written[step.table] = Written(table=table, folder=place)
            if step.role == "unit":
                self._unit(self.plan.units[step.table])
                weigh(self.plan.units[step.table], self.written[step.table].relation)
            elif step.role == "child":
                self._child(step)
            elif step.keep == "all":
                self._each(step.table, f"select * from {quote(ROWS)}", "part", ordered=False)

    def closure(self, links: list[Link]) -> None:
        """Add rows that drawn rows refer to, and what these refer to, until nothing is missing that the source has."""
        whole_tables = {step.table for step in self.plan.steps if step.keep == "all"}
        followed = [link for link in links if link.target not in whole_tables]
        seen: dict[int, int] = {}
        turn = 0
        while pending := [
            (index, link)
            for index, link in enumerate(followed)
            if seen.get(index) != self.written[link.table].rows
        ]:
            turn += 1
            for index, link in pending:
                seen[index] = self.written[link.table].rows
                self._follow(link, index, turn)
        for one in self.written.values():
            one.finish(self.session)

    def _unit(self, unit: UnitPlan) -> None:
        draw = unit_draw(self.session, unit, self.plan.tables[unit.table].columns)
        number = rule.fresh("place", draw.columns)
        numbered = rule.Draw(
            columns={**draw.columns, number: "BIGINT"}, key=draw.key, coefficients=draw.coefficients,
            strata=draw.strata, thresholds=draw.thresholds, lowest=draw.lowest, highest=draw.highest,
        )  # fmt: skip
        joined = draw.lowest < draw.highest
        sql = rule.selection(ROWS, numbered if joined else draw)
        self._each(unit.table, sql, "part", ordered=joined)

    def _child(self, step: Step) -> None:
        assert step.through is not None
        parent, columns = self.written[step.through.table], step.through.key
        names = ", ".join(quote(column) for column in columns)
        self.session.execute(
            f"create or replace temp table {quote(PARENTS)} as select distinct {names} from {parent.relation} "
            f"where {whole(columns)}"
        )
        on = matching(typed_pairs(self.plan.tables, step.table, step.through), "r", "t")
        self._each(
            step.table,
            f"select r.* from {quote(ROWS)} r semi join {quote(PARENTS)} t on {on}",
            "part",
            ordered=True,
        )

    def _follow(self, link: Link, index: int, turn: int) -> None:
        """Fetch the rows that one reference lacks; what the source lacks too is remembered and not asked for again."""
        rows, target = self.written[link.table], self.written[link.target]
        columns = link.reference.columns
        names = ", ".join(f"r.{quote(column)}" for column in columns)
        tried = quote(f"keys asked for {index}")
        same = " and ".join(f"r.{quote(column)} = d.{quote(column)}" for column in columns)
        self.session.execute(
            f"create temp table if not exists {tried} as select {names} from {rows.relation} r where false"
        )
        self.session.execute(
            f"create or replace temp table {quote(MISSING)} as select distinct {names} from {rows.relation} r "
            f"anti join {target.relation} t on {link.on} anti join {tried} d on {same} where {whole(columns, 'r')}",
            doing=f"following {link.table} → {link.target}",
        )
        if not self.session.rows(f"select count(*) from {quote(MISSING)}")[0][0]:
            return
        self.session.execute(f"insert into {tried} select * from {quote(MISSING)}")
        sql = f"select t.* from {quote(ROWS)} t semi join {quote(MISSING)} r on {link.on}"
        self._each(link.target, sql, f"closure-{turn:02d}-{index:03d}", ordered=True)

    def _each(self, name: str, sql: str, label: str, *, ordered: bool) -> None:
        """Write what a statement gives for each file of a table, in the file's order; it reads the view ``ROWS``."""
        written = self.written[name]
        table = written.table
        number = rule.fresh("place", table.columns) if ordered else None
        columns = ", ".join(quote(column) for column in table.columns)
        select = f"select {columns} from ({sql}) order by {quote(number)}" if number else sql
        with self.progress.step(f"drawing {name}", total=table.bytes, unit="bytes") as advance:
            for index, file in enumerate(table.files):
                rows = reading(table, index, number=number)
                self.session.execute(f"create or replace temp view {quote(ROWS)} as {rows}")
                written.write(self.session, f"{label}-{index:05d}", select)
                advance(file.bytes)


def unit_draw(session: Session, unit: UnitPlan, columns: Mapping[str, str]) -> rule.Draw:
    """Give the draw of a unit table to the rule, and its strata to the engine as tables."""
    strata: dict[str, str | None] = {}
    for index, column in enumerate(unit.columns):
        common = f"common values {index}" if column.rare_below is not None else None
        if common is not None:
            session.execute(
                f"create or replace temp table {quote(common)} as "
                f"select unnest(?::varchar[])::{column.type} as value",
                [list(column.common)],
            )
        strata[column.name] = common
    _strata_table(session, unit)
    thresholds = [stratum.threshold for stratum in unit.strata]
    return rule.Draw(
        columns=columns,
        key=unit.key,
        coefficients=unit.coefficients,
        strata=strata,
        thresholds=STRATA,
        lowest=min(thresholds),
        highest=max(thresholds),
    )


def _strata_table(session: Session, unit: UnitPlan) -> None:
    labels = list(zip(*(stratum.labels for stratum in unit.strata), strict=True))
    cells: list[list[object]] = [
        list(range(len(unit.strata))),
        [stratum.threshold for stratum in unit.strata],
        [stratum.population for stratum in unit.strata],
    ]
    names = [
        'unnest(?::bigint[]) as "index"',
        "unnest(?::bigint[]) as threshold",
        "unnest(?::bigint[]) as population",
    ]
    for index, (column, ones) in enumerate(zip(unit.columns, labels, strict=True)):
        cells += [[one.text for one in ones], [one.kind == "rare" for one in ones]]
        names += [
            f"unnest(?::varchar[])::{column.type} as value_{index}",
            f"unnest(?::boolean[]) as rare_{index}",
        ]
    session.execute(f"create or replace temp table {quote(STRATA)} as select {', '.join(names)}", cells)
