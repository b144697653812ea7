"""Submodules, sparse checkouts, marks and replaced files in the code, from real git repositories."""

from __future__ import annotations

import os
import re
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from sandbox.errors import ConfigError, StoreError
from sandbox.runner.repository import Repository
from tests.projects import create_repository, run_git, write_files
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path


def commit(folder: Path, files: dict[str, str]) -> Path:
    write_files(folder, files)
    run_git(folder, "add", "-A")
    run_git(folder, "commit", "-q", "-m", "change")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a project whose submodule ``lib`` has a submodule ``deep`` itself."""
    deep = create_repository(tmp_path / "deep", {"deep.py": "x = 1\n"})
    lib = create_repository(tmp_path / "lib", {"lib.py": "y = 1\n"})
    run_git(lib, "submodule", "add", "-q", str(deep), "deep")
    run_git(lib, "commit", "-q", "-m", "deep")
    root = create_repository(tmp_path / "project", {"pipeline.py": "import lib\n", ".gitignore": ".sandbox\n"})
    run_git(root, "submodule", "add", "-q", str(lib), "vendor/lib")
    run_git(root, "submodule", "update", "-q", "--init", "--recursive")
    run_git(root, "commit", "-q", "-m", "submodule")
    return root


def read_code(folder: Path, ref: str | None, **options: str) -> dict[str, str]:
    """Give the content of every file of a version, links as what they name."""
    out = folder.parent / "out"
    out.mkdir()
    with Repository(folder, **options).open_code(ref) as code:
        code.export(out)
    files = {
        path.relative_to(out).as_posix(): str(path.readlink()) if path.is_symlink() else path.read_text()
        for path in out.rglob("*")
        if path.is_symlink() or path.is_file()
    }
    subprocess.run(["rm", "-r", out], check=True)
    return files


def find_tree(folder: Path, ref: str | None) -> str:
    with Repository(folder).open_code(ref) as code:
        return code.version.tree


def test_submodules_are_code_as_recorded_and_as_checked_out(project: Path) -> None:
    assert read_code(project, "main") == {
        "pipeline.py": "import lib\n",
        ".gitignore": ".sandbox\n",
        ".gitmodules": (project / ".gitmodules").read_text(),
        "vendor/lib/lib.py": "y = 1\n",
        "vendor/lib/.gitmodules": (project / "vendor/lib/.gitmodules").read_text(),
        "vendor/lib/deep/deep.py": "x = 1\n",
    }
    assert find_tree(project, None) == find_tree(project, "main")
    (project / "vendor/lib/deep/deep.py").write_text("x = 2\n")
    (project / "vendor/lib/new.py").write_text("")
    candidate = read_code(project, None)
    assert candidate["vendor/lib/deep/deep.py"] == "x = 2\n"
    assert "vendor/lib/new.py" in candidate
    assert read_code(project, "main")["vendor/lib/deep/deep.py"] == "x = 1\n"
    with Repository(project).open_code(None) as code:
        assert code.version.dirty


def test_bump_of_a_submodule_is_a_change_of_code(project: Path) -> None:
    commit(project / "vendor/lib", {"lib.py": "y = 2\n"})
    assert read_code(project, None)["vendor/lib/lib.py"] == "y = 2\n"
    run_git(project, "commit", "-qam", "bump")
    assert read_code(project, "main")["vendor/lib/lib.py"] == "y = 2\n"
    assert read_code(project, "main~1")["vendor/lib/lib.py"] == "y = 1\n"


def test_submodule_without_content_is_refused_with_the_command_that_fetches_it(project: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    run_git(tmp_path, "clone", "-q", str(project), "clone")
    fetch = f"git -C {clone} submodule update --init --recursive -- vendor/lib"
    for ref in (None, "main"):
        with pytest.raises(ConfigError, match="the submodule vendor/lib is part of the code") as caught:
            find_tree(clone, ref)
        assert caught.value.hint == fetch
    run_git(clone, *fetch.split()[1:])
    assert find_tree(clone, None) == find_tree(clone, "main") == find_tree(project, "main")


def test_missing_recorded_commit_is_refused_with_the_command_that_fetches_it(project: Path, tmp_path: Path) -> None:
    lib = project / "vendor/lib"
    commit(lib, {"lib.py": "y = 2\n"})
    run_git(project, "commit", "-qam", "bump to a commit that was never pushed")
    run_git(tmp_path, "clone", "-q", str(project), "clone")
    with pytest.raises(subprocess.CalledProcessError):
        run_git(tmp_path / "clone", "submodule", "update", "-q", "--init")
    with pytest.raises(ConfigError, match=r"vendor/lib lacks its recorded commit") as caught:
        find_tree(tmp_path / "clone", "main")
    run_git(lib, "push", "-q", "origin", "HEAD:refs/heads/later")
    run_git(tmp_path / "clone", *caught.value.hint.split()[1:])
    with pytest.raises(ConfigError, match="the submodule vendor/lib/deep is part of the code") as caught:
        find_tree(tmp_path / "clone", "main")
    run_git(tmp_path / "clone", *caught.value.hint.split()[1:])
    assert read_code(tmp_path / "clone", "main")["vendor/lib/lib.py"] == "y = 2\n"


def test_baseline_of_a_removed_submodule_comes_from_what_git_keeps(project: Path) -> None:
    run_git(project, "rm", "-q", "-r", "vendor/lib")
    assert not [path for path in read_code(project, None) if path.startswith("vendor")]
    assert read_code(project, "main")["vendor/lib/lib.py"] == "y = 1\n"
    (project / "vendor").mkdir(exist_ok=True)
    subprocess.run(["rm", "-rf", project / "vendor/lib"], check=True)
    (project / "vendor/lib").write_text("a file now")
    assert read_code(project, None)["vendor/lib"] == "a file now"


@pytest.mark.parametrize("mark", ["--skip-worktree", "--assume-unchanged"])
def test_marks_of_git_hide_no_change(project: Path, mark: str) -> None:
    run_git(project, "update-index", mark, "pipeline.py")
    run_git(project / "vendor/lib", "update-index", mark, "lib.py")
    (project / "pipeline.py").write_text("changed\n")
    (project / "vendor/lib/lib.py").write_text("changed\n")
    before = (project / ".git/index").read_bytes()
    code = read_code(project, None)
    assert (code["pipeline.py"], code["vendor/lib/lib.py"]) == ("changed\n", "changed\n")
    assert (project / ".git/index").read_bytes() == before


def test_change_that_keeps_size_and_time_is_seen_whatever_git_is_told(project: Path) -> None:
    for name, value in (("core.trustctime", "false"), ("core.checkStat", "minimal")):
        run_git(project, "config", name, value)
    file = project / "pipeline.py"
    os.utime(file, (1_700_000_000, 1_700_000_000))
    run_git(project, "update-index", "--refresh")
    before = file.stat().st_ctime
    wait_until(lambda: time.time() >= int(before) + 1)  # git compares whole seconds
    file.write_text(file.read_text().replace("lib", "bil"))
    os.utime(file, (1_700_000_000, 1_700_000_000))
    assert run_git(project, "status", "--short") == ""
    assert read_code(project, None)["pipeline.py"] == "import bil\n"


@pytest.mark.parametrize("sparse_index", ["--sparse-index", "--no-sparse-index"])
def test_sparse_checkout_has_all_of_the_code(project: Path, sparse_index: str) -> None:
    commit(project, {"a/one.py": "1\n", "b/two.py": "2\n"})
    whole = read_code(project, "main")
    run_git(project, "sparse-checkout", "set", "--cone", sparse_index, "a")
    assert not (project / "b").exists()
    assert read_code(project, None) == read_code(project, "main") == whole
    (project / "a/one.py").write_text("changed\n")
    (project / "b").mkdir()
    (project / "b/new.py").write_text("new\n")
    assert read_code(project, None) == whole | {"a/one.py": "changed\n", "b/new.py": "new\n"}


def test_files_folders_and_links_in_each_others_place_are_as_on_disk(project: Path) -> None:
    names = {"file", "folder/a", "link_to_folder/a", "folder_to_link/a", "deep/er/a", "gone"}
    commit(project, dict.fromkeys(names, "before"))
    for name in ("file", "gone"):
        (project / name).unlink()
    (project / "file").mkdir()
    (project / "file" / "inside").write_text("now")
    for name in ("folder", "deep", "folder_to_link", "link_to_folder"):
        subprocess.run(["rm", "-r", project / name], check=True)
    (project / "folder").write_text("now")
    (project / "deep").symlink_to("file")
    (project / "folder_to_link").symlink_to("/etc")
    code = {name: content for name, content in read_code(project, None).items() if not name.startswith(("vendor", "."))}
    assert code == {
        "pipeline.py": "import lib\n",
        "file/inside": "now",
        "folder": "now",
        "deep": "file",
        "folder_to_link": "/etc",
    }


def test_hooks_and_filters_of_hooks_never_run(project: Path, tmp_path: Path) -> None:
    hooks = project / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "post-checkout", "pre-commit", "reference-transaction", "fsmonitor-watchman"):
        (hooks / name).write_text(f"#!/bin/sh\necho {name} >> {tmp_path / 'ran'}\n")
        (hooks / name).chmod(0o755)
    for setting in ("core.hooksPath", "core.fsmonitor"):
        run_git(project, "config", setting, str(hooks) + ("/fsmonitor-watchman" if "fs" in setting else ""))
    run_git(project, "status")
    (tmp_path / "ran").unlink()  # else nothing is shown: git does call them
    (project / "pipeline.py").write_text("changed\n")
    read_code(project, None)
    read_code(project, "main")
    assert not (tmp_path / "ran").exists()


def test_pointers_of_git_lfs_are_resolved_or_refused_by_name(project: Path, tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 12\n"
    commit(project, {".gitattributes": "*.bin filter=lfs\n", "model.bin": pointer})
    for ref in (None, "main"):
        with pytest.raises(ConfigError, match=r"lies in Git LFS, and only pointers are here: model\.bin") as caught:
            read_code(project, ref)
        assert "git lfs fetch" in caught.value.hint
        subprocess.run(["rm", "-r", tmp_path / "out"], check=True)
    # What `git lfs install` configures: a program that puts the content in a pointer's place.
    run_git(project, "config", "filter.lfs.smudge", "echo the content")
    run_git(project, "config", "filter.lfs.clean", f"cat > /dev/null; printf '{pointer}'".replace("\n", "\\n"))
    assert read_code(project, "main")["model.bin"] == "the content\n"
    assert read_code(project, None)["model.bin"] == "the content\n"


def test_code_root_brings_what_lies_beside_the_project(tmp_path: Path) -> None:
    top = create_repository(
        tmp_path / "mono",
        {
            "shared/util.py": "1\n",
            "jobs/a/pipeline.py": "2\n",
            "jobs/a/sandbox.toml": "",
            "jobs/a/warehouse/t.csv": "",
            "data/t.csv": "",
        },
    )
    root = top / "jobs/a"
    made = tmp_path / "made"
    made.mkdir()
    with Repository(root, excluded_paths=["warehouse", top / "data"], code_root="../..").open_code("main") as code:
        assert code.project_path == "jobs/a"
        assert code.read("../../shared/util.py") == b"1\n"
        assert code.read("pipeline.py") == b"2\n"
        assert code.read_committed("sandbox.toml") == b""
        code.export(made)
    assert {p.relative_to(made).as_posix() for p in made.rglob("*") if p.is_file()} == {
        "shared/util.py",
        "jobs/a/pipeline.py",
    }
    with Repository(root).open_code("main") as code, pytest.raises(ConfigError, match="outside the code"):
        code.read("../../shared/util.py")
    with pytest.raises(ConfigError, match="outside the git repository"):
        Repository(root, code_root="../../..")


def test_link_out_of_the_code_is_not_read(project: Path) -> None:
    (project / "requirements.txt").symlink_to("/etc/passwd")
    (project / "inside.txt").symlink_to("pipeline.py")
    commit(project, {})
    for ref in (None, "main"):
        with Repository(project).open_code(ref) as code:
            assert code.read("inside.txt") == b"import lib\n"
            with pytest.raises(ConfigError, match=r"requirements\.txt at .* is a link out of the code"):
                code.read("requirements.txt")


@pytest.mark.parametrize("included", ["warehouse", "warehouse/t.csv", "link/t.csv", ".sandbox", ".git", "sandbox.lock"])
def test_include_brings_back_nothing_that_is_no_code(project: Path, included: str) -> None:
    (project / "warehouse").mkdir()
    (project / "warehouse/t.csv").write_text("secret")
    (project / "sandbox.lock").write_text("")
    (project / ".sandbox").mkdir(exist_ok=True)
    (project / "link").symlink_to("warehouse")
    repository = Repository(project, excluded_paths=["warehouse"])
    with (
        pytest.raises(ConfigError, match=re.escape(f"include: {included} is no code")),
        repository.open_code("main", include=[included]),
    ):
        pass


def test_include_of_a_folder_leaves_out_the_source_in_it(project: Path) -> None:
    for name in ("data/warehouse/t.csv", "data/conf.yml"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("")
    (project / ".gitignore").write_text("data/\n.sandbox\n")
    with Repository(project, excluded_paths=["data/warehouse"]).open_code("main", include=["data"]) as code:
        assert code.read("data/conf.yml") == b""
        with pytest.raises(ConfigError, match="is not in main"):
            code.read("data/warehouse/t.csv")


def test_full_disk_inside_git_is_an_error_of_the_store(project: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=False).returncode:
        pytest.skip("no file system of its own can be mounted here")
    try:
        (project / "big.bin").write_bytes(bytes(range(256)) * 1000)
        subprocess.run(["rm", "-r", project / ".sandbox"], check=False)
        (project / ".sandbox").symlink_to(disk)
        with pytest.raises(StoreError, match=r"git .* failed"), Repository(project).open_code(None) as code:
            code.export(disk)
    finally:
        subprocess.run(["umount", disk], check=True)
