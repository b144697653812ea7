"""What belongs to a sandbox that is gone."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.commands.cleanup.orphans import UNRECORDED_SECONDS, find_orphans, has_sandbox, is_orphan
from sandbox.containers import ownership
from sandbox.containers.protocol import RuntimeObject
from sandbox.store.folder import lock_path

if TYPE_CHECKING:
    from collections.abc import Mapping

LONG_AGO = time.time() - UNRECORDED_SECONDS - 60


def held(root: Path, sandbox: str = "wide", **more: str) -> RuntimeObject:
    labels = {"path": str(root), "sandbox": sandbox, **more}
    return RuntimeObject(id=f"{root}/{sandbox}/{more}", name="sbx", kind="volume", labels=labels)


def recorded(root: Path, name: str) -> None:
    place = root / ".sandbox" / "sandboxes" / f"{name}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("{}")


def brought_up(root: Path, name: str) -> Path:
    """What a run without a `create` leaves of its service, used long ago."""
    folder = root / ".sandbox" / "services" / name
    folder.mkdir(parents=True)
    (folder / "pgpass").touch()
    age(folder)
    return folder


def age(folder: Path) -> None:
    for path in (*folder.iterdir(), folder):
        os.utime(path, (LONG_AGO, LONG_AGO))


def test_only_what_has_no_record_is_an_orphan(tmp_path: Path) -> None:
    recorded(tmp_path, "default")
    lost = held(tmp_path, "wide")
    assert find_orphans([held(tmp_path, "default"), lost], {tmp_path}) == [lost]
    assert is_orphan(lost)
    recorded(tmp_path, "wide")
    assert not is_orphan(lost), "somebody made it meanwhile"


def test_of_projects_of_others_nothing_is_an_orphan(tmp_path: Path) -> None:
    assert find_orphans([held(tmp_path / "theirs")], {tmp_path}) == []


@pytest.mark.parametrize("labels", [{}, {"path": "/"}, {"sandbox": "wide"}, {"path": "", "sandbox": ""}])
def test_what_names_no_sandbox_is_no_orphan(labels: Mapping[str, str]) -> None:
    one = RuntimeObject(id="1", name="sbx", kind="network", labels=labels)
    assert find_orphans([one], {Path("/"), Path()}) == []
    assert not is_orphan(one)


def test_a_living_process_keeps_what_its_sandbox_has_and_no_other(tmp_path: Path) -> None:
    living, dead = ownership.identify_owner(), dataclasses.replace(ownership.identify_owner(), start_time="0")
    service, other = held(tmp_path, "wide"), held(tmp_path, "narrow")
    assert find_orphans([service, other, held(tmp_path, "wide", **living.labels)], {tmp_path}) == [other]
    killed = held(tmp_path, "wide", **dead.labels)
    assert find_orphans([service, killed], {tmp_path}) == [service, killed]


def test_what_a_run_brought_up_without_a_record_is_kept_while_it_is_used(tmp_path: Path) -> None:
    folder = brought_up(tmp_path, "wide")
    assert not has_sandbox(tmp_path, "wide")
    (folder / "pgpass").touch()
    assert has_sandbox(tmp_path, "wide"), "it was used a moment ago"
    age(folder)
    with lock_path(folder / "postgres"):
        age(folder)
        assert has_sandbox(tmp_path, "wide"), "it is being brought up"
    age(folder)
    assert not has_sandbox(tmp_path, "wide")
    assert not has_sandbox(tmp_path, "wide"), "to ask is no use"


def test_what_cannot_be_looked_at_is_kept(tmp_path: Path) -> None:
    recorded(tmp_path, "default")
    assert has_sandbox(tmp_path, "wide" * 100), "no file system has such names"
