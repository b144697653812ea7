"""Who uses what: a folder that a living process uses is not removed, whatever its age."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from sandbox.scratch import find_leftover_paths
from sandbox.store import leases
from sandbox.store.folder import make_staging_folder

if TYPE_CHECKING:
    from pathlib import Path

USER = """
import sys
from pathlib import Path
from sandbox.store import leases
print(leases.acquire_lease(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "samples" / "one"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    os.utime(folder, (1, 1))
    return folder


def test_a_folder_is_removed_only_when_the_last_process_that_uses_it_has_ended(place: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", USER, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in processes:
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"True\n"
            os.utime(place, (1, 1))
            assert leases.is_in_use(place)
            assert not leases.remove_if_unused(place)
            process.kill()
    assert leases.remove_if_unused(place)
    assert not place.exists()
    assert not list(place.parent.iterdir())


def test_what_is_gone_can_neither_be_used_nor_removed(place: Path) -> None:
    assert leases.remove_if_unused(place)
    assert not leases.acquire_lease(place)
    assert not leases.remove_if_unused(place)
    assert not leases.is_in_use(place)


def test_use_is_remembered_and_protects_for_a_moment(place: Path) -> None:
    assert not leases.is_in_use(place)
    os.utime(place)
    assert leases.is_in_use(place)


def test_whoever_comes_while_it_is_removed_finds_nothing(place: Path) -> None:
    came, found = threading.Event(), []

    def come() -> None:
        came.set()
        found.append(leases.acquire_lease(place))

    with leases.lock_if_unused(place) as nobody_else:
        assert nobody_else
        thread = threading.Thread(target=come)
        thread.start()
        came.wait()
        place.rename(place.with_name("aside"))
    thread.join()
    assert found == [False]


def test_what_a_run_left_closed_is_removed_and_nothing_that_a_link_leads_to(place: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o500)
    closed = place / "output" / "closed"
    closed.mkdir(parents=True)
    (closed / "file").write_text("x")
    (place / "link").symlink_to(outside)
    closed.chmod(0)
    assert leases.remove_if_unused(place)
    assert outside.stat().st_mode & 0o777 == 0o500


def test_what_is_being_filled_is_not_taken_for_left_behind(tmp_path: Path) -> None:
    with make_staging_folder(tmp_path, label="run") as folder:
        os.utime(folder, (1, 1))
        assert find_leftover_paths(tmp_path) == []
    left = tmp_path / ".staged-run-x"
    left.mkdir()
    assert find_leftover_paths(tmp_path) == []  # whoever made it may not hold it yet
    os.utime(left, (1, 1))
    assert find_leftover_paths(tmp_path) == [left]
