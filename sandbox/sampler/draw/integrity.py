"""Check a finished draw: keys of large tables, and references in source and sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.sampler.draw.unique_columns import find_unique_columns
from sandbox.sampler.plan.plan import list_path_to_unit
from sandbox.sampler.plan.references import count_dangling_rows
from sandbox.sampler.plan.unit_of_row import build_unit_join, build_unit_query
from sandbox.sources.checks.key_check import check_unique_keys
from sandbox.sources.checks.personal_columns import list_hidden_columns
from sandbox.sources.projection import MAX_EXACT_ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.settings import Settings
    from sandbox.manifest.sample import ReferenceSummary
    from sandbox.sampler.draw.extraction import Extraction
    from sandbox.sampler.plan.plan import TableStep
    from sandbox.sampler.plan.references import ReferenceLink


@dataclass(frozen=True, kw_only=True)
class IntegrityFindings:
    """References and unique columns by table, and rows outside every unit by child table."""

    references: Mapping[str, list[ReferenceSummary]]
    outside_frame: Mapping[str, int | None]
    unique: Mapping[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class IntegrityChecks:
    """The checks of one draw.

    Attributes:
        extraction: The finished draw.
        links: Every declared reference.
    """

    extraction: Extraction
    links: Sequence[ReferenceLink]

    def check_keys(self, settings: Settings) -> None:
        """Check the drawn keys of tables too large to be checked whole; rows of one key are always drawn together.

        Raises:
            DataRuleError: A key repeats.
        """
        plan, known = self.extraction.plan, self.extraction.sampled_rows
        hidden = list_hidden_columns(plan.masks, plan.personal_columns)
        shared = {name for name, unit in plan.units.items() if unit.shared}
        for name, table in settings.tables.items():
            if table.key and name not in shared and plan.tables[name].rows > MAX_EXACT_ROWS:
                check_unique_keys(
                    self.extraction.session, name, known[name].relation, table.key, hidden=hidden.get(name, ())
                )

    def collect_findings(self) -> IntegrityFindings:
        """Run all checks that only count."""
        return IntegrityFindings(
            references=self.describe_references(),
            outside_frame=self.count_outside_frame(),
            unique=find_unique_columns(self.extraction),
        )

    def describe_references(self) -> dict[str, list[ReferenceSummary]]:
        """Describe every reference, over the whole source if it is small enough, else over the drawn rows."""
        extraction = self.extraction
        tables, source = extraction.plan.tables, extraction.source.relations
        sample = {name: known.relation for name, known in extraction.sampled_rows.items()}
        summaries: dict[str, list[ReferenceSummary]] = {name: [] for name in tables}
        for link in self.links:
            exact = all(tables[name].rows <= MAX_EXACT_ROWS for name in (link.table, link.target))
            summaries[link.table].append(
                count_dangling_rows(
                    extraction.session,
                    link,
                    source if exact else sample,
                    self._mask_columns(link),
                    checked="source" if exact else "sample",
                    holds=self._has_all_targets(link),
                )
            )
        return summaries

    def count_outside_frame(self) -> dict[str, int | None]:
        """Count the source rows outside every unit for each unit table and child; None if that takes too long."""
        children = [step for step in self.extraction.plan.steps if step.through is not None]
        units: dict[str, int | None] = {name: unit.outside for name, unit in self.extraction.plan.units.items()}
        return units | {step.table: self._count_child_rows_outside_frame(step) for step in children}

    def _count_child_rows_outside_frame(self, step: TableStep) -> int | None:
        extraction = self.extraction
        plan, source = extraction.plan, extraction.source
        if any(plan.tables[other.table].rows > MAX_EXACT_ROWS for other in list_path_to_unit(step, plan.steps)):
            return None
        units = build_unit_query(plan, extraction.frames, source, step, framed=True)
        inside = extraction.session.fetch_rows(
            f"select count(*) from {source.quote_relation(step.table)} r semi join ({units}) u "
            f"on {build_unit_join(plan, step, 'r', 'u')}",
            doing=f"counting {step.table} outside the frame",
        )
        return plan.tables[step.table].rows - int(inside[0][0])

    def _has_all_targets(self, link: ReferenceLink) -> bool:
        """Check that the sample has every target that exists in the source."""
        known, session = self.extraction.sampled_rows, self.extraction.session
        names = ", ".join(f"r.{quote_identifier(column)}" for column in link.reference.columns)
        lacking = (
            f"select distinct {names} from {known[link.table].relation} r "
            f"anti join {known[link.target].relation} t on {link.join_condition} where {link.row_condition}"
        )
        if not session.fetch_rows(f"select count(*) from ({lacking})")[0][0]:
            return True
        target = self.extraction.source.quote_relation(link.target)
        there = f"select count(*) from ({lacking}) r semi join {target} t on {link.join_condition}"
        return bool(session.fetch_rows(there)[0][0] == 0)

    def _mask_columns(self, link: ReferenceLink) -> list[str]:
        """Build the SQL of a reference's masked columns; NULL for shifted dates, as no unit is known here."""
        masks = self.extraction.plan.masks.get(link.table, {})
        return [
            "null"
            if column in masks and masks[column].kind == "date_shift"
            else self.extraction.masking.build_expression(link.table, column)
            for column in link.reference.columns
        ]
