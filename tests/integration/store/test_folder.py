"""Folders and files that are there whole or not at all."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from sandbox.errors import StoreError
from sandbox.scratch import remove_leftover_paths
from sandbox.store.folder import lock_path, stage_folder, write_file

if TYPE_CHECKING:
    from pathlib import Path

STAGE = """
import sys, time
from pathlib import Path
from sandbox.store.folder import stage_folder
with stage_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("made")
    print(folder, flush=True)
    time.sleep(60)
"""


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail(target: Path, error: type[BaseException]) -> None:
    with stage_folder(target) as folder:
        (folder / "a").write_text("x")
        raise error


def age(path: Path) -> None:
    long_ago = time.time() - 3600
    os.utime(path, (long_ago, long_ago))


def test_folder_appears_whole_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    with stage_folder(target) as folder:
        (folder / "a").write_text("x")
        assert not target.exists()
    assert (target / "a").read_text() == "x"
    assert left(target.parent) == ["target"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_folder_never_appears_when_the_block_fails(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        fail(tmp_path / "target", error)
    assert left(tmp_path) == []


def test_who_was_first_stays(tmp_path: Path) -> None:
    with stage_folder(tmp_path / "target") as second:
        with stage_folder(tmp_path / "target") as first:
            (first / "a").write_text("first")
        (second / "a").write_text("second")
    assert (tmp_path / "target" / "a").read_text() == "first"
    assert left(tmp_path) == ["target"]


def test_file_is_replaced_whole(tmp_path: Path) -> None:
    write_file(tmp_path / "a", "first")
    write_file(tmp_path / "a", b"second", mode=0o600)
    assert (tmp_path / "a").read_bytes() == b"second"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert left(tmp_path) == ["a"]


def test_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write_file(tmp_path / "file" / "below", "x")
    with pytest.raises(StoreError, match="cannot be written"), stage_folder(tmp_path / "file" / "below"):
        pass


def test_what_a_killed_process_left_is_swept_and_what_lives_is_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STAGE, str(tmp_path / "target")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        half_made = tmp_path / maker.stdout.readline().strip()
        age(half_made)
        remove_leftover_paths(tmp_path)
        assert half_made.is_dir(), "its maker lives"
        maker.send_signal(signal.SIGKILL)
    remove_leftover_paths(tmp_path)
    assert left(tmp_path) == []


def test_fresh_things_are_not_swept(tmp_path: Path) -> None:
    (tmp_path / ".staged-new").mkdir()
    (tmp_path / ".staged-file").write_text("")
    age(tmp_path / ".staged-file")
    remove_leftover_paths(tmp_path)
    assert left(tmp_path) == [".staged-new"]


def add(path: Path) -> None:
    for _ in range(50):
        with lock_path(path):
            path.write_text(str(int(path.read_text()) + 1))


def test_lock_serialises_processes(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=add, args=(counter,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert counter.read_text() == "150"
