"""What belongs to a sandbox that is gone."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.commands.cleanup.orphans import UNRECORDED_SECONDS, kept, orphans, still
from sandbox.containers import ownership
from sandbox.containers.protocol import Held
from sandbox.store.folder import locked

if TYPE_CHECKING:
    from collections.abc import Mapping

LONG_AGO = time.time() - UNRECORDED_SECONDS - 60


def held(root: Path, sandbox: str = "wide", **more: str) -> Held:
    labels = {"path": str(root), "sandbox": sandbox, **more}
    return Held(id=f"{root}/{sandbox}/{more}", name="sbx", kind="volume", labels=labels)


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
    assert orphans([held(tmp_path, "default"), lost], {tmp_path}) == [lost]
    assert still(lost)
    recorded(tmp_path, "wide")
    assert not still(lost), "somebody made it meanwhile"


def test_of_projects_of_others_nothing_is_an_orphan(tmp_path: Path) -> None:
    assert orphans([held(tmp_path / "theirs")], {tmp_path}) == []


@pytest.mark.parametrize("labels", [{}, {"path": "/"}, {"sandbox": "wide"}, {"path": "", "sandbox": ""}])
def test_what_names_no_sandbox_is_no_orphan(labels: Mapping[str, str]) -> None:
    one = Held(id="1", name="sbx", kind="network", labels=labels)
    assert orphans([one], {Path("/"), Path()}) == []
    assert not still(one)


def test_a_living_process_keeps_what_its_sandbox_has_and_no_other(tmp_path: Path) -> None:
    living, dead = ownership.current(), dataclasses.replace(ownership.current(), started="0")
    service, other = held(tmp_path, "wide"), held(tmp_path, "narrow")
    assert orphans([service, other, held(tmp_path, "wide", **living.labels)], {tmp_path}) == [other]
    killed = held(tmp_path, "wide", **dead.labels)
    assert orphans([service, killed], {tmp_path}) == [service, killed]


def test_what_a_run_brought_up_without_a_record_is_kept_while_it_is_used(tmp_path: Path) -> None:
    folder = brought_up(tmp_path, "wide")
    assert not kept(tmp_path, "wide")
    (folder / "pgpass").touch()
    assert kept(tmp_path, "wide"), "it was used a moment ago"
    age(folder)
    with locked(folder / "postgres"):
        age(folder)
        assert kept(tmp_path, "wide"), "it is being brought up"
    age(folder)
    assert not kept(tmp_path, "wide")
    assert not kept(tmp_path, "wide"), "to ask is no use"


def test_what_cannot_be_looked_at_is_kept(tmp_path: Path) -> None:
    recorded(tmp_path, "default")
    assert kept(tmp_path, "wide" * 100), "no file system has such names"
