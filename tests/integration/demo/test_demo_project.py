"""The demo's project: made whole or not at all, under version control, valid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from sandbox.config.project_file import load_project
from sandbox.demo import create_demo, repository
from sandbox.errors import SandboxError, StoreError, UsageError
from sandbox.model import SilentProgress
from sandbox.store.paths import find_packaged_folder
from tests.projects import run_git
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

SCALE = 0.002


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "my demo größe"
    create_demo(folder, scale=SCALE, progress=SilentProgress())
    return folder


def test_main_is_production_and_one_model_is_changed(demo: Path) -> None:
    assert run_git(demo, "branch", "--show-current") == "main"
    assert run_git(demo, "log", "--reverse", "--format=%s").splitlines() == [one.message for one in repository.COMMITS]
    assert run_git(demo, "status", "--porcelain") == " M models/outputs/customer_value.sql"


def test_every_commit_holds_only_what_it_says(demo: Path) -> None:
    commits = run_git(demo, "rev-list", "--reverse", "main").splitlines()
    found = [
        set(run_git(demo, "diff-tree", "--root", "--no-commit-id", "--name-only", "-r", one).splitlines())
        for one in commits
    ]
    assert found == [set(one.paths) for one in repository.COMMITS]


def test_warehouse_and_state_are_not_tracked(demo: Path) -> None:
    ignored = run_git(demo, "check-ignore", "warehouse/customers.parquet", ".sandbox/runs")
    assert ignored.splitlines() == ["warehouse/customers.parquet", ".sandbox/runs"]


def test_every_template_reaches_the_project(demo: Path) -> None:
    templates = find_packaged_folder("templates") / "demo"
    stored = {str(path.relative_to(templates / "project")) for path in _files(templates / "project")}
    assert stored == {repository.resolve_template_path(path) for one in repository.COMMITS for path in one.paths}
    changed = {str(path.relative_to(templates / "change")) for path in _files(templates / "change")}
    assert changed == set(repository.CHANGED_PATHS)


def test_settings_are_valid_and_name_every_table(demo: Path) -> None:
    project = load_project(None, start=demo, environ={}, flags={})
    tables = {path.stem for path in (demo / "warehouse").iterdir()}
    assert set(project.settings.tables) == tables
    models = {path.stem for path in (demo / "models" / "outputs").iterdir()}
    assert set(project.settings.outputs) < models


def test_user_configuration_hooks_and_surroundings_play_no_part(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = tmp_path / "template" / "hooks" / "pre-commit"
    hook.parent.mkdir(parents=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(
        f'[commit]\ngpgsign = true\n[gpg]\nprogram = false\n[core]\nautocrlf = true\nhooksPath = "{hook.parent}"\n'
        f'[init]\ndefaultBranch = trunk\ntemplateDir = "{hook.parent.parent}"\n[user]\nname = Somebody\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere.git"))
    create_demo(tmp_path / "demo", scale=SCALE, progress=SilentProgress())
    monkeypatch.undo()
    assert run_git(tmp_path / "demo", "rev-parse", "main") == run_git(demo, "rev-parse", "main")
    assert not (tmp_path / "elsewhere.git").exists()


def test_folder_with_something_in_it_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not an empty folder") as caught:
        create_demo(tmp_path, scale=SCALE, progress=SilentProgress())
    assert "sandbox demo" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_file_of_that_name_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("mine")
    with pytest.raises(UsageError, match="not an empty folder"):
        create_demo(tmp_path / "demo", scale=SCALE, progress=SilentProgress())
    assert (tmp_path / "demo").read_text() == "mine"


def test_empty_folder_one_stands_in_is_filled_in_place(tmp_path: Path) -> None:
    before = tmp_path.stat().st_ino
    create_demo(tmp_path, scale=SCALE, progress=SilentProgress())
    assert tmp_path.stat().st_ino == before
    assert run_git(tmp_path, "status", "--porcelain") == " M models/outputs/customer_value.sql"
    assert not list(tmp_path.glob(".making*"))


@pytest.mark.parametrize("empty_folder_is_there", [False, True])
def test_failing_git_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_folder_is_there: bool
) -> None:
    broken = tmp_path / "bin" / "git"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'no space left' >&2\nexit 128\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
    around = tmp_path / "around"
    around.mkdir()
    if empty_folder_is_there:
        (around / "demo").mkdir()
    with pytest.raises(StoreError, match=r"git init failed .*128.*no space left"):
        create_demo(around / "demo", scale=SCALE, progress=SilentProgress())
    assert list(around.rglob("*")) == ([around / "demo"] if empty_folder_is_there else [])


def test_missing_git_is_said_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git is not installed"):
        create_demo(tmp_path / "demo", scale=SCALE, progress=SilentProgress())
    assert list(tmp_path.iterdir()) == []


def test_parent_that_cannot_hold_a_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SandboxError, match="file"):
        create_demo(tmp_path / "file" / "demo", scale=SCALE, progress=SilentProgress())


def test_interrupt_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sandbox.demo import create_demo; from sandbox.model import SilentProgress\n"
        "create_demo(Path(sys.argv[1]), scale=4, progress=SilentProgress())"
    )
    around = tmp_path / "around"
    with subprocess.Popen([sys.executable, "-c", code, str(around / "demo")], stderr=subprocess.PIPE) as process:
        wait_until(lambda: list(around.rglob("customers.parquet")))
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    assert process.returncode != 0
    assert b"KeyboardInterrupt" in stderr
    assert list(around.iterdir()) == []


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
