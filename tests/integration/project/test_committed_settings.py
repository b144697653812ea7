"""Whose ``sandbox.toml`` says what: the working tree's, each version's own, or production's."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.config import load_project
from sandbox.errors import ConfigError
from sandbox.impact.rule_judgement import judge_rules
from sandbox.project.committed_settings import (
    build_version_project,
    check_masks_in_ci,
    read_committed_settings,
    use_trusted_placement,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from tests.projects import Shop

OWN = """\
[stack]
image = "dbt"
python = "3.12"
requirements = "requirements.txt"
runtime = "local"
services = ["notebook"]
"""


def load(shop: Shop, **flags: str) -> Project:
    given: dict[tuple[str, ...], Any] = {tuple(key.split("__")): value for key, value in flags.items()}
    return load_project(None, start=shop.root, environ={}, flags=given)


@pytest.fixture
def hostile(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Give a change that says where its code runs; outside of continuous integration."""
    shop.git("checkout", "-q", "-b", "feature")
    shop.edit("sandbox.toml", "[stack.limits]\ncpus = 1", OWN + "[stack.limits]\ncpus = 64")
    shop.edit("sandbox.toml", 'production = "main"', 'production = "feature"\nbuild = "all"\nenv = { A = "1" }')
    shop.edit("sandbox.toml", 'uri = "warehouse/"', 'uri = "postgresql://elsewhere.example/shop"')
    shop.git("commit", "-qam", "hostile")
    return shop


def test_production_says_where_code_runs_in_ci_and_a_flag_says_more(
    hostile: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert use_trusted_placement(load(hostile), None) == load(hostile)
    monkeypatch.setenv("CI", "true")
    for variable, value, baseline in [("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main", None), ("OTHER", "", "main")]:
        monkeypatch.setenv(variable, value)
        project = use_trusted_placement(load(hostile), baseline)
        settings = project.settings
        assert (settings.stack.runtime, settings.stack.services, settings.stack.limits.cpus) == ("auto", [], 1)
        assert (settings.pipeline.production, settings.pipeline.build) == ("main", "changed")
        assert settings.source.uri == "warehouse/"  # no credentials for another host
        assert (settings.stack.image, settings.stack.python, settings.pipeline.env) == ("dbt", "3.12", {"A": "1"})
        assert set(project.ignored_keys) == {
            "pipeline.production", "pipeline.build", "stack.runtime", "stack.services", "stack.limits.cpus", "source.uri"
        }  # fmt: skip
        given = use_trusted_placement(load(hostile, stack__runtime="docker", pipeline__production="HEAD"), baseline)
        assert (given.settings.stack.runtime, given.settings.pipeline.production) == ("docker", "HEAD")
        monkeypatch.delenv(variable)


def test_a_branch_of_the_remote_is_meant_before_a_local_one(hostile: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile.git("update-ref", "refs/remotes/origin/main", "main")
    hostile.git("branch", "-f", "main", "feature")
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    settings = use_trusted_placement(load(hostile), None).settings
    assert (settings.stack.runtime, settings.pipeline.production) == ("auto", "origin/main")


def test_each_version_has_its_own_code_settings_and_what_judges_stays(hostile: Shop) -> None:
    project = build_version_project(load(hostile), "main")
    assert project.settings.pipeline.env == {}
    assert (project.settings.stack.image, project.settings.stack.requirements) == ("python", None)
    assert (project.settings.stack.runtime, project.settings.stack.limits.cpus) == ("local", 64)
    assert build_version_project(load(hostile), None) == load(hostile)
    given = load(hostile, pipeline__command="python other.py")
    assert build_version_project(given, "main").settings.pipeline.command == "python other.py"
    hostile.git("rm", "-q", "--cached", "sandbox.toml")
    hostile.git("commit", "-qm", "no file")
    assert build_version_project(load(hostile), "HEAD") == load(hostile)


def test_a_file_of_another_version_that_is_wrong_is_named(hostile: Shop) -> None:
    text = (hostile.root / "sandbox.toml").read_text("utf-8")
    (hostile.root / "sandbox.toml").write_text(text.replace("rate = 0.5", "rat = 0.5"), "utf-8")
    hostile.git("commit", "-qam", "wrong")
    (hostile.root / "sandbox.toml").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"sandbox.toml at HEAD has .*\n.*sample.rat"):
        read_committed_settings(load(hostile), "HEAD")
    with pytest.raises(ConfigError) as refused:
        judge_rules(load(hostile), "HEAD", accept_rules=True)
    assert "--accept-rules --accept-masks" in refused.value.hint
    project = dataclasses.replace(load(hostile), accept_masks=True)
    accepted = judge_rules(project, "HEAD", accept_rules=True)
    assert (accepted.changes, accepted.limit, len(accepted.warnings)) == (None, "any", 1)


def test_a_version_without_a_file_is_said_and_two_moved_files_are_refused(hostile: Shop) -> None:
    hostile.git("rm", "-q", "--cached", "sandbox.toml")
    hostile.git("commit", "-qm", "no file")
    found = judge_rules(load(hostile), "HEAD", accept_rules=False)
    assert found.changes is None
    assert "HEAD has no sandbox.toml" in found.warnings[0]
    for folder in ("a", "b"):
        (hostile.root / folder).mkdir()
        (hostile.root / folder / "sandbox.toml").write_text("version = 1\n")
    hostile.git("add", "a", "b")
    hostile.git("commit", "-qm", "two")
    for folder in ("a", "b"):
        (hostile.root / folder / "sandbox.toml").unlink()
    with pytest.raises(ConfigError, match=r"others that are gone: a/sandbox\.toml, b/sandbox\.toml"):
        read_committed_settings(load(hostile), "HEAD")


@pytest.mark.parametrize("linked", ["file", "folder"])
def test_a_file_behind_a_link_is_compared_with_what_lay_there(hostile: Shop, linked: str) -> None:
    jobs, elsewhere = hostile.root / "jobs", hostile.root / "elsewhere"
    jobs.mkdir()
    hostile.git("mv", "sandbox.toml", "jobs/sandbox.toml")
    hostile.git("commit", "-qm", "in a folder")
    if linked == "file":
        (jobs / "sandbox.toml").rename(jobs / "other.toml")
        (jobs / "sandbox.toml").symlink_to("other.toml")
    else:
        jobs.rename(elsewhere)
        jobs.symlink_to("elsewhere")
    project = load_project(None, start=jobs, environ={}, flags={})
    assert project.file == (jobs / "other.toml" if linked == "file" else elsewhere / "sandbox.toml")
    found = read_committed_settings(project, "HEAD")
    assert found is not None
    assert found.settings == project.settings


def test_a_project_in_a_submodule_is_refused_in_ci(
    hostile: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = dataclasses.replace(hostile, root=tmp_path / "outer")
    outer.root.mkdir()
    outer.git("init", "-q")
    outer.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(hostile.root), "jobs")
    project = load_project(None, start=outer.root / "jobs", environ={}, flags={})
    assert use_trusted_placement(project, "HEAD") == project
    monkeypatch.setenv("CI", "true")
    with pytest.raises(ConfigError, match="lies in a submodule"):
        use_trusted_placement(project, "HEAD")


def test_masks_are_compared_in_ci_only_and_by_hand_accepted(hostile: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile.git("checkout", "-q", "main")
    hostile.edit("sandbox.toml", 'email = "none"', 'email = "hash"')
    hostile.git("commit", "-qam", "masked")
    hostile.edit("sandbox.toml", 'email = "hash"', 'email = { kind = "none" }')
    check_masks_in_ci(load(hostile))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(ConfigError, match=r"customers\.email: none instead of hash"):
        check_masks_in_ci(load(hostile))
    check_masks_in_ci(dataclasses.replace(load(hostile), accept_masks=True))
