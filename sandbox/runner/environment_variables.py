"""Build a run's variables: sandbox's paths, and the user's own variables, which may refer to them."""

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
    """Build the variables of a run.

    Args:
        seen: Folders as seen by the run, by variable; they include ``SANDBOX_SAMPLE`` and ``SANDBOX_OUTPUT``.
        env: The settings' ``env`` with placeholders such as ``{sample}``.
        kit: The setup of the run besides its code.
        database: The run's own database.
    """
    inside = {name: f"{seen['SANDBOX_OUTPUT']}/{file}" for name, file in kit.outputs.items()} if kit else {}
    paths = {**seen, **inside, **(database.variables if database else {})}
    known = {
        "sample": paths["SANDBOX_SAMPLE"],
        "output": paths["SANDBOX_OUTPUT"],
        "database": paths.get("SANDBOX_DATABASE", ""),
        "database_url": paths.get("SANDBOX_DATABASE_URL", ""),
    }
    return {**paths, **{name: value.format(**known) for name, value in env.items()}}
