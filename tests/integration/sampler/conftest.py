"""A project whose source is made by a test, and the sampler on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from sandbox.config.project_file import load_project
from sandbox.model import Sample, SilentProgress
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.plan.planner import plan_sample
from sandbox.samples import catalog

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config.settings import Project
    from sandbox.manifest.sample import SampleManifest
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
CUSTOMERS = """
[sample]
salt = "s"
unit = "customers"
rate = 0.5
min_per_stratum = 0
[tables.customers]
key = ["id"]
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder with a source, a project and a home."""

    root: Path

    @property
    def source(self) -> Path:
        """The source's folder."""
        return self.root / "source"

    @property
    def home(self) -> Path:
        """The home that projects share."""
        return self.root / "home"

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file of the source."""
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def copy(self, name: str, select: str, options: str = "") -> Path:
        """Write the rows of a query to a file of the source, in the format that its name says."""
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        target = str(path).replace("'", "''")
        with duckdb.connect() as connection:
            connection.execute(f"copy ({select}) to '{target}' {options}")
        return path

    def project(self, sections: str = CUSTOMERS) -> Project:
        """Write sandbox.toml and load it."""
        file = self.root / "sandbox.toml"
        file.write_text(HEADER + sections, "utf-8")
        return load_project(file, start=self.root, environ={}, flags={})

    def plan(self, sections: str = CUSTOMERS) -> SamplePlan:
        """Plan the sample of the source as it is."""
        return plan_sample(self.project(sections), threads=2, progress=SilentProgress())

    def draw(self, sections: str = CUSTOMERS, *, threads: int = 2) -> tuple[Sample, SampleManifest]:
        """Draw the sample of the source as it is."""
        project = self.project(sections)
        plan = plan_sample(project, threads=threads, progress=SilentProgress())
        sample = draw_sample(project, plan, home=self.home, threads=threads, progress=SilentProgress())
        return catalog.load_sample(self.home, sample.fingerprint)


def rows(sample: Sample, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    """Give the rows of a table of a sample, part after part."""
    found: list[tuple[Any, ...]] = []
    with duckdb.connect() as connection:
        for path in sample.tables[table].paths:
            literal = str(path).replace("'", "''")
            found += connection.execute(f"select {columns} from read_parquet('{literal}')").fetchall()
    return found


Read = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    root = tmp_path / "it's [a] ünï*? place"
    (root / "source").mkdir(parents=True)
    return Place(root=root)


@pytest.fixture
def read() -> Read:
    return rows
