"""The variables that tell a run where things are, and the user's own, which may name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.runner.pipeline_database import PipelineDatabase
    from sandbox.runner.run_setup import RunSetup


def build_run_variables(
    seen: Mapping[str, str],
    env: Mapping[str, str],
    *,
    kit: RunSetup | None,
    database: PipelineDatabase | None,
) -> dict[str, str]:
    """Give the variables of a run.

    Args:
        seen: Folders as the run sees them, by variable; ``SANDBOX_SAMPLE`` and ``SANDBOX_OUTPUT`` among them.
        env: The settings' ``env``, with ``{sample}`` and the like still in it.
        kit: What the run is given beside its code.
        database: Its own database.
    """
    inside = {name: f"{seen['SANDBOX_OUTPUT']}/{file}" for name, file in kit.outputs.items()} if kit else {}
    found = {**seen, **inside, **(database.variables if database else {})}
    known = {
        "sample": found["SANDBOX_SAMPLE"],
        "output": found["SANDBOX_OUTPUT"],
        "database": found.get("SANDBOX_DATABASE", ""),
        "database_url": found.get("SANDBOX_DATABASE_URL", ""),
    }
    return {**found, **{name: value.format(**known) for name, value in env.items()}}
