"""Versions of the code, from real git repositories."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.errors import ConfigError
from sandbox.runner.repository import Repository
from sandbox.scratch import STAGED_PREFIX
from tests.projects import run_git

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "a projéct"
    folder.mkdir()
    run_git(folder, "init", "-b", "main")
    (folder / "pipeline.py").write_text("print(1)\n")
    (folder / "models").mkdir()
    (folder / "models" / "a.sql").write_text("select 1\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / ".gitignore").write_text("ignored/\n*.log\n")
    (folder / ".gitattributes").write_text("models/* export-ignore\n")
    (folder / "sandbox.toml").write_text("version = 1\n")
    run_git(folder, "add", "-A")
    run_git(folder, "commit", "-m", "first")
    return folder


def tree(folder: Path, ref: str | None, include: Sequence[str] = (), left_out: Sequence[str] = ()) -> str:
    with Repository(folder, excluded_paths=left_out).open_code(ref, include=include) as code:
        return code.version.tree


def exported(folder: Path, ref: str | None, place: Path, include: Sequence[str] = ()) -> set[str]:
    place.mkdir()
    with Repository(folder).open_code(ref, include=include) as code:
        code.export(place)
    return {str(path.relative_to(place)) for path in place.rglob("*") if not path.is_dir()}


def test_export_holds_the_files_of_the_ref_and_none_of_ours(project: Path, tmp_path: Path) -> None:
    (project / "pipeline.py").write_text("print(2)\n")
    files = exported(project, "main", tmp_path / "out")
    assert files == {"pipeline.py", "models/a.sql", "run.sh", ".gitignore", ".gitattributes"}
    assert (tmp_path / "out" / "pipeline.py").read_text() == "print(1)\n"
    assert (tmp_path / "out" / "run.sh").stat().st_mode & 0o777 == 0o755


def test_working_tree_has_changed_new_and_no_deleted_or_ignored_files(project: Path, tmp_path: Path) -> None:
    (project / "pipeline.py").write_text("print(2)\n")
    (project / "new ü.py").write_text("")
    (project / "run.sh").unlink()
    (project / "ignored").mkdir()
    (project / "ignored" / "x").write_text("")
    (project / "debug.log").write_text("")
    files = exported(project, None, tmp_path / "out")
    assert files == {"pipeline.py", "models/a.sql", "new ü.py", ".gitignore", ".gitattributes"}
    assert (tmp_path / "out" / "pipeline.py").read_text() == "print(2)\n"


def test_equal_code_has_an_equal_tree_wherever_it_comes_from(project: Path) -> None:
    assert tree(project, None) == tree(project, "main")
    (project / "sandbox.toml").write_text("version = 1 # changed\n")
    (project / "sandbox.lock").write_text("{}")
    (project / ".sandbox").mkdir(exist_ok=True)
    (project / ".sandbox" / "x").write_text("")
    assert tree(project, None) == tree(project, "main")
    (project / "pipeline.py").write_text("print(3)\n")
    assert tree(project, None) != tree(project, "main")
    run_git(project, "commit", "-am", "second")
    assert tree(project, None) == tree(project, "main")


def test_version_says_whether_the_working_tree_differs_from_its_commit(project: Path) -> None:
    with Repository(project).open_code(None) as code:
        assert not code.version.dirty
        assert code.version.commit == run_git(project, "rev-parse", "HEAD")
    (project / "b.py").write_text("")
    with Repository(project).open_code(None) as code:
        assert code.version.dirty


def test_nothing_of_the_repository_changes(project: Path) -> None:
    (project / "b.py").write_text("unique content of b")
    (project / "pipeline.py").write_text("print(9)\n")
    run_git(project, "add", "pipeline.py")
    before = (
        run_git(project, "status", "--porcelain"),
        run_git(project, "count-objects"),
        (project / ".git/index").read_bytes(),
    )
    tree(project, None)
    tree(project, "main")
    after = (
        run_git(project, "status", "--porcelain"),
        run_git(project, "count-objects"),
        (project / ".git/index").read_bytes(),
    )
    assert after == before


def test_project_in_a_subfolder_sees_its_own_part_only(project: Path, tmp_path: Path) -> None:
    run_git(project, "mv", "pipeline.py", "models/pipeline.py")
    run_git(project, "commit", "-m", "moved")
    assert exported(project / "models", "main", tmp_path / "out") == {"a.sql", "pipeline.py"}
    first = tree(project / "models", None)
    (project / "elsewhere.txt").write_text("")
    assert tree(project / "models", None) == first


def test_included_paths_come_although_git_ignores_them(project: Path, tmp_path: Path) -> None:
    (project / "ignored").mkdir()
    (project / "ignored" / "dep.py").write_text("")
    assert "ignored/dep.py" in exported(project, None, tmp_path / "work", ["ignored"])
    assert "ignored/dep.py" in exported(project, "main", tmp_path / "main", ["ignored"])
    with pytest.raises(ConfigError, match="include: nowhere is not there"):
        tree(project, None, ["nowhere"])


def test_source_folder_is_not_code(project: Path) -> None:
    (project / "warehouse").mkdir()
    (project / "warehouse" / "a.csv").write_text("a\n1\n")
    assert tree(project, None, left_out=["warehouse"]) == tree(project, "main", left_out=["warehouse"])
    assert tree(project, None) != tree(project, "main")
    (project / ".gitignore").write_text("ignored/\n*.log\nwarehouse/\n.sandbox\nsandbox.lock\n")
    (project / "sandbox.lock").write_text("{}")
    run_git(project, "commit", "-qam", "ignore what is not code")
    assert tree(project, None, left_out=["warehouse"]) == tree(project, "main", left_out=["warehouse"])


def test_repository_inside_the_repository_is_not_code(project: Path) -> None:
    inner = project / "inner"
    inner.mkdir()
    run_git(inner, "init", "-q")
    (inner / "a").write_text("")
    assert tree(project, None) == tree(project, "main")


def test_unresolved_merge_is_run_as_it_lies_there(project: Path, tmp_path: Path) -> None:
    run_git(project, "checkout", "-qb", "other")
    (project / "pipeline.py").write_text("print('other')\n")
    run_git(project, "commit", "-qam", "other")
    run_git(project, "checkout", "-q", "main")
    (project / "pipeline.py").write_text("print('main')\n")
    run_git(project, "commit", "-qam", "main")
    with pytest.raises(subprocess.CalledProcessError):
        run_git(project, "merge", "other")
    exported(project, None, tmp_path / "out")
    assert "<<<<<<<" in (tmp_path / "out" / "pipeline.py").read_text()


def test_missing_ref_names_what_there_is(project: Path) -> None:
    with pytest.raises(ConfigError, match="no git ref 'mian'") as caught:
        Repository(project).resolve_commit("mian")
    assert "main" in caught.value.hint


@pytest.mark.parametrize("ref", ["--help", "-x", "main..main", "", "main:pipeline.py"])
def test_what_is_no_ref_is_refused_and_never_taken_for_a_flag(project: Path, ref: str) -> None:
    with pytest.raises(ConfigError, match="no git ref"):
        Repository(project).resolve_commit(ref)


def test_missing_local_ref_falls_back_to_origin(project: Path, tmp_path: Path) -> None:
    run_git(project, "branch", "production")
    run_git(tmp_path, "clone", "--branch", "main", str(project), "clone")
    clone = tmp_path / "clone"
    assert Repository(clone).resolve_commit("production") == run_git(project, "rev-parse", "production")


def test_shallow_clone_says_how_to_fetch(project: Path, tmp_path: Path) -> None:
    run_git(project, "commit", "--allow-empty", "-m", "second")
    run_git(tmp_path, "clone", "--depth", "1", "--branch", "main", f"file://{project}", "clone")
    with pytest.raises(ConfigError) as caught:
        Repository(tmp_path / "clone").resolve_commit("v1")
    assert "git fetch origin v1" in caught.value.hint


def test_no_repository_and_no_commit_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not in a git repository") as caught:
        Repository(tmp_path)
    assert "git init" in caught.value.hint
    run_git(tmp_path, "init", "-b", "main")
    (tmp_path / "a.py").write_text("")
    with Repository(tmp_path).open_code(None) as code:
        assert code.version.commit is None
    with pytest.raises(ConfigError, match="no git ref 'main'"):
        Repository(tmp_path).resolve_commit("main")


def test_call_from_a_git_hook_keeps_to_the_project(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = tree(project, None)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert tree(project, None) == expected


def test_file_of_a_version_is_read_without_an_export(project: Path) -> None:
    (project / "pipeline.py").write_text("print(2)\n")
    repository = Repository(project)
    with repository.open_code("main") as production, repository.open_code(None) as candidate:
        assert production.read("pipeline.py") == b"print(1)\n"
        assert candidate.read("pipeline.py") == b"print(2)\n"
        with pytest.raises(ConfigError, match=r"requirements\.txt is not in main"):
            production.read("requirements.txt")


KILLED = """
import os, signal, sys
from pathlib import Path
from sandbox.runner.repository import Repository
with Repository(Path(sys.argv[1])).open_code(None):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_command_left_of_a_version_goes_with_the_next(project: Path) -> None:
    before = set(Path(tempfile.gettempdir()).glob("sandbox-*"))
    done = subprocess.run([sys.executable, "-c", KILLED, project], check=False)
    assert done.returncode == -signal.SIGKILL
    assert set(Path(tempfile.gettempdir()).glob("sandbox-code*")) <= before
    (left,) = (project / ".sandbox").glob(f"{STAGED_PREFIX}*")
    os.utime(left, (1, 1))
    tree(project, None)
    assert not list((project / ".sandbox").glob(f"{STAGED_PREFIX}*"))
