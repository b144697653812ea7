"""Which commits are compared, in clones of all kinds."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from sandbox.errors import ConfigError
from sandbox.runner.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "-b", "main")
    for number in range(3):
        (folder / "sandbox.toml").write_text(f"# {number}\n")
        (folder / "code.py").write_text(f"{number}\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-m", f"commit {number}")
    git(folder, "checkout", "-b", "feature")
    git(folder, "commit", "--allow-empty", "-m", "feature")
    return folder


def test_ref_that_is_only_on_the_remote_is_found_there(origin: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(origin), "clone")
    clone = Repository(tmp_path / "clone")
    assert clone.resolve_commit("main") == git(origin, "rev-parse", "main")
    assert not clone.is_shallow


def test_shallow_clone_without_the_ref_says_how_to_fetch_it(origin: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth", "1", origin.as_uri(), "clone")
    clone = Repository(tmp_path / "clone")
    assert clone.is_shallow
    with pytest.raises(ConfigError, match="there is no git ref 'main'") as caught:
        clone.resolve_commit("main")
    assert "git fetch origin main:refs/remotes/origin/main" in caught.value.hint
    git(tmp_path / "clone", "fetch", "-q", "--depth", "1", "origin", "main:refs/remotes/origin/main")
    assert clone.resolve_commit("main") == git(origin, "rev-parse", "main")


def test_settings_that_differ_in_commit_index_and_folder_are_no_code_anywhere(origin: Path) -> None:
    (origin / "sandbox.toml").write_text("# staged\n")
    git(origin, "add", "sandbox.toml")
    (origin / "sandbox.toml").write_text("# not staged\n")
    code = Repository(origin)
    with code.open_code("main~1") as earlier, code.open_code("main") as now, code.open_code(None) as here:
        assert now.version.tree == here.version.tree != earlier.version.tree
    assert git(origin, "status", "--porcelain") == "MM sandbox.toml", "the user's own index is as it was"
