"""A project whose source is made by a test, its plan, and the rows that the plan selects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox.engine.duckdb.session import Session, quote_identifier
from sandbox.sampler.plan.frame import prepare_frame
from sandbox.sources.registry import build_select
from tests.projects import SourceProject, create_source_project

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.sampler.plan.plan import SamplePlan

Row = tuple[Any, ...]


class PlannedProject(SourceProject):
    """A project, and the rows that its plans select."""

    def selected(self, plan: SamplePlan, unit: str, columns: str) -> list[Row]:
        """Give columns of the selected rows, then each row's stratum and unit, in order."""
        return self._framed(plan, unit, columns, inside=False)

    def inside(self, plan: SamplePlan, unit: str, columns: str) -> list[Row]:
        """Give columns of the rows of the frame, then each row's stratum and unit, in order."""
        return self._framed(plan, unit, columns, inside=True)

    def _framed(self, plan: SamplePlan, unit: str, columns: str, *, inside: bool) -> list[Row]:
        table = plan.tables[unit]
        with Session(threads=2) as session:
            frame = prepare_frame(session, plan.tables, plan.units[unit])
            session.execute(f"create temp view of_source as {build_select(table)}")
            sql = (frame.build_frame_query if inside else frame.build_sample_query)("of_source", table.columns)
            names = f"{columns}, {quote_identifier(frame.stratum)}, {quote_identifier(frame.unit)}"
            return session.fetch_rows(f"select {names} from ({sql}) order by all")


@pytest.fixture
def place(tmp_path: Path) -> PlannedProject:
    made = create_source_project(tmp_path)
    return PlannedProject(root=made.root)


def labels(plan: SamplePlan, unit: str) -> list[dict[str, Any]]:
    """Give the values of each stratum, as documents have them."""
    return [plan.units[unit].describe_stratum(stratum) for stratum in plan.units[unit].strata]


def populations(plan: SamplePlan, unit: str) -> list[int]:
    """Give N_h of each stratum."""
    return [stratum.population for stratum in plan.units[unit].strata]
