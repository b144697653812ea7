"""A project whose source is made by a test, its plan, and the rows that the plan selects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from sandbox.config.project_file import load_project
from sandbox.engine.duckdb.session import Session, quote_identifier
from sandbox.model import SilentProgress
from sandbox.sampler.plan.frame import prepare_frame
from sandbox.sampler.plan.planner import plan_sample
from sandbox.sources.registry import build_select

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.sampler.plan.plan import SamplePlan

HEADER = """\
version = 1
[project]
name = "shop"
[source]
uri = "source"
[pipeline]
command = "true"
"""

Row = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder with a source and a project."""

    root: Path

    @property
    def source(self) -> Path:
        """The source's folder."""
        return self.root / "source"

    def write(self, name: str, content: str) -> Path:
        """Write a file of the source."""
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
        return path

    def copy(self, name: str, select: str, options: str = "") -> Path:
        """Write the rows of a query to a file of the source, in the format that its name says."""
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        target = str(path).replace("'", "''")
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(f"copy ({select}) to '{target}' {options}")
        return path

    def plan(self, sections: str, *, threads: int = 2) -> SamplePlan:
        """Say what a sample would take."""
        file = self.root / "sandbox.toml"
        file.write_text(HEADER + sections, "utf-8")
        project = load_project(file, start=self.root, environ={}, flags={})
        return plan_sample(project, threads=threads, progress=SilentProgress())

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
def place(tmp_path: Path) -> Place:
    root = tmp_path / "it's [a] ünï*? place"
    (root / "source").mkdir(parents=True)
    return Place(root=root)


def labels(plan: SamplePlan, unit: str) -> list[dict[str, Any]]:
    """Give the values of each stratum, as documents have them."""
    return [plan.units[unit].describe_stratum(stratum) for stratum in plan.units[unit].strata]


def populations(plan: SamplePlan, unit: str) -> list[int]:
    """Give N_h of each stratum."""
    return [stratum.population for stratum in plan.units[unit].strata]
