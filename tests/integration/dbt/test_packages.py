"""Each version of a dbt project has its own packages, although git ignores their folder."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from sandbox.config import Project, load_project
from sandbox.dbt.packages import VersionPackages, find_version_packages
from sandbox.errors import ConfigError
from sandbox.project.pipeline_run import open_code
from sandbox.runner.run_setup import RunSetup, write_setup

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """\
version = 1
[project]
name = "shop"
[source]
uri = "data/"
[sample]
unit = "orders"
rate = 0.5
[tables.orders]
key = ["id"]
[stack]
image = "dbt"
[pipeline]
kind = "dbt"
include = ["dbt_packages"]
"""
LOCK = "packages:\n  - package: dbt-labs/dbt_utils\n    version: {}\nsha1_hash: {}\n"


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=folder, check=True, capture_output=True
    )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Give a project with one package of a registry, and one that is a folder of the repository."""
    files = {
        "sandbox.toml": SETTINGS,
        "data/orders.csv": "id\n1\n",
        "dbt_project.yml": "name: shop\n",
        ".gitignore": "dbt_packages/\ndata/\n.sandbox/\n",
        "packages.yml": "packages:\n  - package: dbt-labs/dbt_utils\n    version: 1.0.0\n  - local: kit\n",
        "package-lock.yml": LOCK.format("1.0.0", "aa"),
        "kit/macros/m.sql": "one",
        "dbt_packages/dbt_utils/macros/m.sql": "1.0.0",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "dbt_packages" / "kit").symlink_to(tmp_path / "kit")  # as dbt deps links it
    git(tmp_path, "init", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-m", "one")
    return load_project(None, start=tmp_path, environ={}, flags={})


def find(project: Project, ref: str | None) -> VersionPackages:
    with open_code(project, ref) as code:
        return find_version_packages(project, code)


def upgrade(project: Project) -> None:
    (project.root / "package-lock.yml").write_text(LOCK.format("2.0.0", "bb"))
    (project.root / "packages.yml").write_text(
        "packages:\n  - package: dbt-labs/dbt_utils\n    version: 2.0.0\n  - local: kit\n"
    )
    (project.root / "dbt_packages" / "dbt_utils" / "macros" / "m.sql").write_text("2.0.0")


def test_equal_locks_share_the_working_trees_packages_whatever_their_comments(project: Project) -> None:
    (project.root / "packages.yml").write_text("# ours\n" + (project.root / "packages.yml").read_text())
    assert find(project, "main") == find(project, None) == VersionPackages(links={"dbt_packages/kit": "kit"})


def test_packages_of_another_lock_are_those_that_were_there_then(project: Project) -> None:
    find(project, None)
    upgrade(project)
    packages = find(project, "main")
    assert packages.is_replaced
    assert packages.files == {"dbt_packages/dbt_utils/macros/m.sql": b"1.0.0"}
    assert packages.links == {"dbt_packages/kit": "kit"}
    assert not find(project, None).is_replaced


def test_packages_that_were_never_here_are_refused_with_the_command_that_brings_them(project: Project) -> None:
    upgrade(project)
    with pytest.raises(ConfigError, match=r"main has another package-lock\.yml") as caught:
        find(project, "main")
    assert caught.value.hint is not None
    *_, stored = caught.value.hint.split()
    shutil.copytree(project.root / "dbt_packages", project.root / stored, symlinks=True)  # what its last command does
    assert find(project, "main").files == {"dbt_packages/dbt_utils/macros/m.sql": b"2.0.0"}


def test_packages_that_are_older_than_what_is_asked_for_are_refused(project: Project) -> None:
    with (project.root / "packages.yml").open("a") as file:
        file.write("  - package: calogica/dbt_date\n    version: 0.1.0\n")
    with pytest.raises(ConfigError, match="is the same") as caught:
        find(project, "main")
    assert caught.value.hint == "dbt deps"


def test_a_version_without_packages_has_none(project: Project) -> None:
    git(project.root, "rm", "-q", "packages.yml", "package-lock.yml")
    git(project.root, "commit", "-m", "none")
    upgrade(project)
    assert find(project, "main") == VersionPackages(is_replaced=True)


def test_a_link_out_of_the_repository_is_named(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (project.root / "dbt_packages" / "kit").unlink()
    (project.root / "dbt_packages" / "kit").symlink_to(outside)
    with pytest.raises(ConfigError, match=f"dbt_packages/kit is a link to {outside}"):
        find(project, None)


def test_a_setup_replaces_a_folder_and_links_within_the_code(tmp_path: Path) -> None:
    code, kit = tmp_path / "code", tmp_path / "kit"
    (code / "dbt_packages" / "old").mkdir(parents=True)
    (code / "own" / "macros").mkdir(parents=True)
    kit.mkdir()
    setup = RunSetup(
        stubs={"dbt_packages/new/m.sql": b"new"}, cleared=("dbt_packages",), links={"dbt_packages/own": "own"}
    )
    write_setup(setup, kit, code)
    assert sorted(path.name for path in (code / "dbt_packages").iterdir()) == ["new", "own"]
    assert (code / "dbt_packages" / "own").readlink().as_posix() == "../own"
    (tmp_path / "away").mkdir()
    shutil.rmtree(code / "dbt_packages")
    (code / "dbt_packages").symlink_to(tmp_path / "away")
    with pytest.raises(ConfigError, match="is a link"):
        write_setup(setup, kit, code)
