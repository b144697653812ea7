"""Which commits are compared, in clones of all kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.errors import ConfigError
from sandbox.runner.repository import Repository
from tests.projects import run_git

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    run_git(folder, "init", "-b", "main")
    for number in range(3):
        (folder / "sandbox.toml").write_text(f"# {number}\n")
        (folder / "code.py").write_text(f"{number}\n")
        run_git(folder, "add", "-A")
        run_git(folder, "commit", "-m", f"commit {number}")
    run_git(folder, "checkout", "-b", "feature")
    run_git(folder, "commit", "--allow-empty", "-m", "feature")
    return folder


def test_ref_that_is_only_on_the_remote_is_found_there(origin: Path, tmp_path: Path) -> None:
    run_git(tmp_path, "clone", "-q", str(origin), "clone")
    clone = Repository(tmp_path / "clone")
    assert clone.resolve_commit("main") == run_git(origin, "rev-parse", "main")
    assert not clone.is_shallow


def test_shallow_clone_without_the_ref_says_how_to_fetch_it(origin: Path, tmp_path: Path) -> None:
    run_git(tmp_path, "clone", "-q", "--depth", "1", origin.as_uri(), "clone")
    clone = Repository(tmp_path / "clone")
    assert clone.is_shallow
    with pytest.raises(ConfigError, match="there is no git ref 'main'") as caught:
        clone.resolve_commit("main")
    assert "git fetch origin main:refs/remotes/origin/main" in caught.value.hint
    run_git(tmp_path / "clone", "fetch", "-q", "--depth", "1", "origin", "main:refs/remotes/origin/main")
    assert clone.resolve_commit("main") == run_git(origin, "rev-parse", "main")


def test_settings_that_differ_in_commit_index_and_folder_are_no_code_anywhere(origin: Path) -> None:
    (origin / "sandbox.toml").write_text("# staged\n")
    run_git(origin, "add", "sandbox.toml")
    (origin / "sandbox.toml").write_text("# not staged\n")
    code = Repository(origin)
    with code.open_code("main~1") as earlier, code.open_code("main") as now, code.open_code(None) as here:
        assert now.version.tree == here.version.tree != earlier.version.tree
    assert run_git(origin, "status", "--porcelain") == "MM sandbox.toml", "the user's own index is as it was"
