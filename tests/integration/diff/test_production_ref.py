"""A change cannot be compared with itself by naming itself production."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from sandbox.config import load_project
from sandbox.config.ci import TARGET_BRANCH_VARIABLES
from sandbox.errors import ConfigError
from sandbox.impact.options import DiffVersions
from sandbox.impact.production_ref import check_production_ref, check_remote_production
from sandbox.impact.rule_judgement import judge_version_rules
from tests.projects import run_git

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from tests.projects import Shop


def load(shop: Shop, production: str) -> Project:
    shop.git("checkout", "-q", "sandbox.toml")
    shop.edit("sandbox.toml", 'production = "main"', f'production = "{production}"')
    return load_project(None, start=shop.root, environ={}, flags={})


def clone(shop: Shop, folder: Path) -> Shop:
    run_git(folder.parent, "clone", "-q", str(shop.root), str(folder))
    return dataclasses.replace(shop, root=folder)


def test_names_of_what_is_checked_out_are_refused(shop: Shop, tmp_path: Path) -> None:
    mine = clone(shop, tmp_path / "clone")
    for name in (
        "HEAD", "head", "HEAD~1", "HEAD^{commit}", "@", "@~1", "@{-1}", "@{u}", ":/x", "FETCH_HEAD", "ORIG_HEAD",
        "main-worktree/HEAD", "refs/../HEAD",
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="names what is checked out") as caught:
            check_production_ref(load(mine, name))
        assert f"--baseline {name}" in caught.value.hint
    for name in ("main", "main~0", "origin/HEAD", "refs/remotes/origin/HEAD", "heads/main", "HEADLINES"):
        check_production_ref(load(mine, name))
    mine.git("checkout", "-q", "sandbox.toml")
    check_production_ref(load_project(None, start=mine.root, environ={}, flags={("pipeline", "production"): "HEAD"}))


@pytest.mark.parametrize("has_remote", [False, True])
def test_another_production_than_the_default_branchs_is_a_looser_rule(
    shop: Shop, tmp_path: Path, has_remote: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default branch is the remote's, else main; its production's rules judge, masks too."""
    shop.edit("sandbox.toml", 'email = "none"', 'email = "hash"')
    shop.git("commit", "-qam", "masked")
    mine = clone(shop, tmp_path / "clone") if has_remote else shop
    for variable in ("CI", *TARGET_BRANCH_VARIABLES):
        monkeypatch.delenv(variable, raising=False)
    mine.git("checkout", "-q", "-b", "feature")
    if has_remote:
        mine.git("branch", "-q", "-D", "main")
    mine.edit("sandbox.toml", 'production = "main"', 'production = "feature"')
    mine.edit("sandbox.toml", "[outputs.value]", '[gate]\nrules = "any"\n\n[outputs.value]')
    mine.git("commit", "-qam", "hostile")
    project = load_project(None, start=mine.root, environ={}, flags={})
    judged = judge_version_rules(project, DiffVersions(), accept_rules=False)
    assert judged.limit == "same"
    assert [(change.key, change.loosens) for change in judged.changes or ()] == [
        ("pipeline.production", True),
        ("gate.rules", True),
    ]
    monkeypatch.setenv("CI", "true")
    assert len(judge_version_rules(project, DiffVersions(), accept_rules=False).changes or ()) == 2
    by_hand = judge_version_rules(project, DiffVersions(baseline="feature"), accept_rules=False)
    assert by_hand.changes == []
    mine.edit("sandbox.toml", 'email = "hash"', 'email = "none"')
    mine.git("commit", "-qam", "and the mask")
    project = load_project(None, start=mine.root, environ={}, flags={})
    with pytest.raises(ConfigError, match=r"customers\.email: none instead of hash"):
        judge_version_rules(project, DiffVersions(), accept_rules=True)


def test_production_that_is_ahead_of_the_remotes_is_not_compared_with_itself(shop: Shop, tmp_path: Path) -> None:
    mine = clone(shop, tmp_path / "clone")
    project = load_project(None, start=mine.root, environ={}, flags={})
    check_remote_production(project, mine.git("rev-parse", "HEAD").strip())
    mine.edit("pipeline.py", "count(order_id)", "count(*)")
    mine.git("commit", "-qam", "on main itself")
    with pytest.raises(ConfigError, match="nothing would be compared") as caught:
        check_remote_production(project, mine.git("rev-parse", "HEAD").strip())
    assert "--baseline origin/main" in caught.value.hint
