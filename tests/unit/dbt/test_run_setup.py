"""What of a run's setup is of one sample alone."""

from __future__ import annotations

from pathlib import Path

from sandbox.runner.run_setup import RunSetup


def test_a_part_of_the_sample_takes_over_nothing_of_the_whole() -> None:
    plain = RunSetup(files={"plan.json": b"{}"}, kept_folders=("_dbt",))
    deferred = RunSetup(files={"plan.json": b"{}"}, kept_folders=("_dbt",), state=Path("run"), state_run_id="r1")
    assert deferred.identity != plain.identity
    assert deferred.drop_state() == plain
    assert plain.drop_state() is not deferred
