"""``sandbox test --production``."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.production.data_tests import run_production_tests
from sandbox.project.registry import make_state_folder
from sandbox.report.production.data_tests import write_production_tests

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.production.data_tests import ProductionTests
    from sandbox.model import Progress


@dataclass(frozen=True, kw_only=True)
class ProductionTestResult:
    """The results and the folder with their files."""

    document: ProductionTests
    folder: Path

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox test --json``: the same as ``tests.json``."""
        return self.document.to_dict()


def test_production(
    project: Project, place: str | None, *, dbt_results: Path | None, progress: Progress
) -> ProductionTestResult:
    """Ask the tests of production's outputs, and write their files.

    Raises:
        SandboxError: They could not be asked.
    """
    make_state_folder(project.state_folder)
    now = dt.datetime.now(dt.UTC)
    document = run_production_tests(project, place, dbt_results=dbt_results, now=now, progress=progress)
    return ProductionTestResult(document=document, folder=write_production_tests(project, document))
