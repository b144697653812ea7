"""Plan the draw of a project's sample, or write it as SQL for another database."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.project.code_files import build_file_reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.config import Project
    from sandbox.model import Progress, SqlDialect
    from sandbox.sampler.plan.plan import SamplePlan
    from sandbox.sampler.plan.warehouse_sql import WarehouseStatement


def plan(project: Project, *, progress: Progress) -> SamplePlan:
    """Plan a sample without extracting rows, after checking its stack.

    Raises:
        ConfigError: The stack's settings or a file named there are wrong.
    """
    from sandbox.provisioner.lock.request import check_stack  # noqa: PLC0415 - often not needed
    from sandbox.sampler.plan.planner import plan_sample  # noqa: PLC0415 - Ibis is slow to import, and often not needed

    check_stack(project.settings.stack, build_file_reader(project, project.root), origin=str(project.file))
    return plan_sample(project, progress=progress)


@dataclass(frozen=True, kw_only=True)
class PlanSql:
    """A plan as SQL for a database: its statements, and all of them as one text."""

    dialect: str
    run: bool
    statements: Sequence[WarehouseStatement]
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox plan --sql DIALECT --json``; ``run`` is whether tests run such SQL."""
        return {
            "format_version": 1,
            "dialect": self.dialect,
            "run": self.run,
            "statements": [statement.to_dict() for statement in self.statements],
        }


def plan_sql(project: Project, dialect: SqlDialect, *, progress: Progress) -> PlanSql:
    """Compile the draw of the sample into SQL for another database, from the present source; runs nothing."""
    from sandbox.engine.sql.dialects import TESTED_DIALECTS  # noqa: PLC0415 - see `plan`
    from sandbox.sampler.plan import warehouse_sql  # noqa: PLC0415

    planned = plan(project, progress=progress)
    with contextlib.closing(planned.listing):
        statements = warehouse_sql.compile_plan(planned, dialect)
        return PlanSql(
            dialect=dialect,
            run=dialect in TESTED_DIALECTS,
            statements=statements,
            text=warehouse_sql.format_script(statements, planned, dialect),
        )


def plan_draw(project: Project, progress: Progress) -> SamplePlan:
    """Plan a sample that is drawn next: check its columns for masks, and print the warnings."""
    from sandbox.sources.checks import personal_columns  # noqa: PLC0415 - see `plan`

    planned = plan(project, progress=progress)
    # Before the warnings, which repeat its findings.
    personal_columns.check_personal_columns(planned.personal_columns, project.settings)
    for warning in planned.warnings:
        progress.print_message(f"warning: {warning}")
    return planned
