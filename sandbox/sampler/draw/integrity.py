"""What is checked after a draw: keys of large tables, references in the source, and references in the sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote
from sandbox.sampler.plan.references import described
from sandbox.sampler.plan.unit_of_row import belonging, joined
from sandbox.sources.checks.key_check import check_unique
from sandbox.sources.projection import EXACT_UP_TO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.settings import Settings
    from sandbox.manifest.sample import Dangling
    from sandbox.sampler.draw.extraction import Extraction
    from sandbox.sampler.plan.plan import Step
    from sandbox.sampler.plan.references import Link


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the checks found, by table: its references, and for children how many rows belong to no unit."""

    references: Mapping[str, list[Dangling]]
    outside: Mapping[str, int | None]


@dataclass(frozen=True, kw_only=True)
class Checks:
    """The checks of one draw.

    Attributes:
        extraction: The draw, when all is written.
        links: Every declared reference.
    """

    extraction: Extraction
    links: Sequence[Link]

    def keys(self, settings: Settings) -> None:
        """Check the keys of tables that were too large to be checked whole: a repeated key is drawn whole.

        Raises:
            RuleError: A key repeats.
        """
        plan, known = self.extraction.plan, self.extraction.known
        shared = {name for name, unit in plan.units.items() if unit.shared}
        for name, table in settings.tables.items():
            if table.key and name not in shared and plan.tables[name].rows > EXACT_UP_TO:
                check_unique(self.extraction.session, name, known[name].relation, table.key)

    def findings(self) -> Findings:
        """Carry out all checks that only count."""
        return Findings(references=self.references(), outside=self.outside())

    def references(self) -> dict[str, list[Dangling]]:
        """Describe every reference, over the whole source where that is small enough, else over the drawn rows."""
        extraction = self.extraction
        tables, source = extraction.plan.tables, extraction.source.relations
        sample = {name: known.relation for name, known in extraction.known.items()}
        found: dict[str, list[Dangling]] = {name: [] for name in tables}
        for link in self.links:
            exact = all(tables[name].rows <= EXACT_UP_TO for name in (link.table, link.target))
            found[link.table].append(
                described(
                    extraction.session,
                    link,
                    source if exact else sample,
                    self._masked(link),
                    checked="source" if exact else "sample",
                    holds=self._holds(link),
                )
            )
        return found

    def outside(self) -> dict[str, int | None]:
        """Count for each unit table and child the rows of the source that belong to no unit; None where that takes too long."""
        children = [step for step in self.extraction.plan.steps if step.through is not None]
        units: dict[str, int | None] = {
            name: unit.outside for name, unit in self.extraction.plan.units.items()
        }
        return units | {step.table: self._outside(step) for step in children}

    def _outside(self, step: Step) -> int | None:
        extraction = self.extraction
        plan, source = extraction.plan, extraction.source
        if any(plan.tables[name].rows > EXACT_UP_TO for name in _chain(step, plan.steps)):
            return None
        units = belonging(plan, extraction.frames, source, step, framed=True)
        inside = extraction.session.rows(
            f"select count(*) from {source.relation(step.table)} r semi join ({units}) u "
            f"on {joined(plan, step, 'r', 'u')}",
            doing=f"counting {step.table} outside the frame",
        )
        return plan.tables[step.table].rows - int(inside[0][0])

    def _holds(self, link: Link) -> bool:
        """Say whether no drawn row names a row that the source has and the sample lacks."""
        known, session = self.extraction.known, self.extraction.session
        names = ", ".join(f"r.{quote(column)}" for column in link.reference.columns)
        lacking = (
            f"select distinct {names} from {known[link.table].relation} r "
            f"anti join {known[link.target].relation} t on {link.on} where {link.refers}"
        )
        if not session.rows(f"select count(*) from ({lacking})")[0][0]:
            return True
        target = self.extraction.source.relation(link.target)
        there = f"select count(*) from ({lacking}) r semi join {target} t on {link.on}"
        return bool(session.rows(there)[0][0] == 0)

    def _masked(self, link: Link) -> list[str]:
        """Give the SQL of a reference's columns as the sample has them; a shift needs a unit, and nothing has one here."""
        masks = self.extraction.plan.masks.get(link.table, {})
        return [
            "null"
            if column in masks and masks[column].kind == "date_shift"
            else self.extraction.masking.expression(link.table, column)
            for column in link.reference.columns
        ]


def _chain(step: Step, steps: Sequence[Step]) -> list[str]:
    """Give a child, its parent and so on up to the unit."""
    by_name = {one.table: one for one in steps}
    chain = [step.table]
    while (through := by_name[chain[-1]].through) is not None:
        chain.append(through.table)
    return chain
