"""What is checked after a draw: keys of large tables, references in the source, and references in the sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duck import quote
from sandbox.sampler.keys import check_unique, whole
from sandbox.sampler.lean import EXACT_UP_TO, lean
from sandbox.sampler.references import described, needed_columns, outside_frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.settings import Settings
    from sandbox.engine.duck import Session
    from sandbox.manifest.sample import Dangling
    from sandbox.sampler.part import Written
    from sandbox.sampler.plan import Plan
    from sandbox.sampler.references import Link


def lean_source(session: Session, plan: Plan) -> dict[str, str]:
    """Give for each table SQL that can stand after ``from``: its keys and references as the source has them."""
    columns = needed_columns(plan.steps)
    for name, unit in plan.units.items():
        columns[name] += unit.key
    return {name: quote(lean(session, table, columns[name])) for name, table in plan.tables.items()}


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the checks found, by table: its references, and for children how many rows belong to no unit."""

    references: Mapping[str, list[Dangling]]
    outside: Mapping[str, int | None]


@dataclass(frozen=True, kw_only=True)
class Checks:
    """The checks of one draw.

    Attributes:
        session: The engine.
        plan: What was drawn.
        source: See `lean_source`.
        written: What the draw wrote.
        links: Every declared reference.
    """

    session: Session
    plan: Plan
    source: Mapping[str, str]
    written: Mapping[str, Written]
    links: Sequence[Link]

    def keys(self, settings: Settings) -> None:
        """Check the keys of tables that were too large to be checked whole: a repeated key is drawn whole.

        Raises:
            RuleError: A key repeats.
        """
        for name, table in settings.tables.items():
            if table.key and self.plan.tables[name].rows > EXACT_UP_TO:
                check_unique(self.session, name, self.written[name].relation, table.key)

    def findings(self) -> Findings:
        """Carry out all checks that only count."""
        return Findings(references=self.references(), outside=self.outside())

    def references(self) -> dict[str, list[Dangling]]:
        """Describe every reference, over the whole source where that is small enough, else over the drawn rows."""
        sample = {name: one.relation for name, one in self.written.items()}
        found: dict[str, list[Dangling]] = {name: [] for name in self.plan.tables}
        for link in self.links:
            exact = all(self.plan.tables[name].rows <= EXACT_UP_TO for name in (link.table, link.target))
            found[link.table].append(
                described(
                    self.session,
                    link,
                    self.source if exact else sample,
                    checked="source" if exact else "sample",
                    holds=self._holds(link, sample),
                )
            )
        return found

    def outside(self) -> dict[str, int | None]:
        """Count for each child the rows of the source that belong to no unit."""
        steps = {step.table: step for step in self.plan.steps}
        key = next(iter(self.plan.units.values())).key
        return {
            name: outside_frame(self.session, step, steps, self.plan.tables, self.source, key)
            for name, step in steps.items()
            if step.role == "child"
        }

    def _holds(self, link: Link, sample: Mapping[str, str]) -> bool:
        """Say whether no drawn row names a row that the source has and the sample lacks."""
        columns = link.reference.columns
        names = ", ".join(f"r.{quote(column)}" for column in columns)
        lacking = (
            f"select distinct {names} from {sample[link.table]} r anti join {sample[link.target]} t on {link.on} "
            f"where {whole(columns, 'r')}"
        )
        if not self.session.rows(f"select count(*) from ({lacking})")[0][0]:
            return True
        there = f"select count(*) from ({lacking}) r semi join {self.source[link.target]} t on {link.on}"
        return bool(self.session.rows(there)[0][0] == 0)
