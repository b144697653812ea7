"""What the demo is made of, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.demo import PLANTED_BUG, create_demo, repository
from sandbox.errors import UsageError
from sandbox.model import SilentProgress


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_scale_that_makes_no_shop_is_refused(scale: float) -> None:
    with pytest.raises(UsageError, match="makes no shop") as caught:
        create_demo(Path("/nowhere/shop"), scale=scale, progress=SilentProgress())
    assert "--scale 1" in caught.value.hint


def test_each_file_comes_with_one_commit() -> None:
    paths = [path for commit in repository.COMMITS for path in commit.paths]
    assert len(paths) == len(set(paths))
    assert set(repository.CHANGED_PATHS) < set(paths)


def test_commits_are_in_order_of_time() -> None:
    dates = [commit.date for commit in repository.COMMITS]
    assert dates == sorted(set(dates))


def test_hidden_files_are_stored_under_visible_names() -> None:
    assert repository.resolve_template_path(".gitignore") == "gitignore"
    assert repository.resolve_template_path("models/outputs/daily_revenue.sql") == "models/outputs/daily_revenue.sql"


def test_planted_defect_is_named_with_its_output() -> None:
    assert "customer_value" in PLANTED_BUG
    assert "\n" not in PLANTED_BUG
