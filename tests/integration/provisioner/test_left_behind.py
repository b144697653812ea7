"""What sandboxes that are gone and killed builds left in the engine: doctor names it, gc removes it, and nothing else."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.containers import ownership
from sandbox.containers.docker import engine_api as plan
from sandbox.containers.docker import images
from sandbox.provisioner.images import image_usage
from sandbox.store import leases

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.projects import Shop

pytestmark = pytest.mark.docker
BASE = "sandbox/base:trixie"
PREFIX = "dev.sandbox."
MONTH = 31 * 86_400
HOLD = """
import sys
from pathlib import Path
from sandbox.provisioner.images.image_usage import lease_image
lease_image(Path(sys.argv[1]), sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


class Held:
    """What a test makes in the engine; all of it goes afterwards."""

    def __init__(self, engine: images.Client) -> None:
        self.engine = engine
        self._made: list[tuple[str, str]] = []

    def container(self, name: str, labels: Mapping[str, str], *, image: str = BASE, volume: str = "") -> str:
        mounts = [{"Type": "volume", "Source": volume, "Target": "/data"}] if volume else []
        body = {
            "Image": image,
            "Cmd": ["sleep", "60"],
            "Labels": dict(labels),
            "HostConfig": {"Mounts": mounts},
        }
        made = str(self.engine.api.create_container_from_config(body, name)["Id"])
        self._made.append(("container", made))
        return made

    def network(self, name: str, labels: Mapping[str, str]) -> str:
        made = str(self.engine.api.create_network(name, driver="bridge", internal=True, labels=dict(labels))["Id"])
        self._made.append(("network", made))
        return made

    def volume(self, name: str, labels: Mapping[str, str]) -> str:
        self.engine.api.create_volume(name, labels=dict(labels))
        self._made.append(("volume", name))
        return name

    def image(self, labels: Mapping[str, str], tag: str = "") -> str:
        """Commit an image that is like no other; without a tag it is as a stage of a build."""
        container = self.engine.api.create_container(BASE, ["true", secrets.token_hex(8)])["Id"]
        changes = [f'LABEL "{name}"="{value}"' for name, value in labels.items()]
        name, _, version = tag.partition(":")
        try:
            made = str(
                self.engine.api.commit(container, repository=name or None, tag=version or None, changes=changes)["Id"]
            )
        finally:
            self.engine.api.remove_container(container)
        self._made.append(("image", made))
        return made

    def there(self, *made: str) -> list[bool]:
        """Say which of them there still are."""
        api = self.engine.api
        ids = {one["Id"] for one in api.containers(all=True)} | {one["Id"] for one in api.networks()}
        ids |= {one["Name"] for one in api.volumes()["Volumes"] or ()} | {one["Id"] for one in api.images(all=True)}
        return [one in ids for one in made]

    def close(self) -> None:
        api = self.engine.api
        for kind, one in sorted(
            self._made, key=lambda made: ["container", "network", "volume", "image"].index(made[0])
        ):
            with contextlib.suppress(Exception):
                if kind == "container":
                    api.remove_container(one, force=True)
                elif kind == "network":
                    api.remove_network(one)
                elif kind == "volume":
                    api.remove_volume(one)
                else:
                    api.remove_image(one, force=True)


@pytest.fixture
def held(engine: images.Client) -> Iterator[Held]:
    one = Held(engine)
    yield one
    one.close()


@pytest.fixture
def own(shop: Shop, tmp_path: Path) -> Shop:
    """A project with a home of its own, and a sandbox named default that has no containers."""
    own = dataclasses.replace(shop, home=tmp_path / "home")
    assert own.run("sample").status == 0
    record = own.root / ".sandbox" / "sandboxes" / "default.json"
    record.parent.mkdir()
    record.write_text("{}")
    return own


def labelled(root: Path, sandbox: str, **more: str) -> dict[str, str]:
    """The labels of a service of a sandbox."""
    return plan.build_container_labels(
        {"project": "shop", "path": str(root), "sandbox": sandbox, "role": "postgres", **more}
    )


def whole(held: Held, labels: Mapping[str, str]) -> tuple[str, str, str]:
    """A service with all that belongs to one."""
    name = f"sbx-test-{secrets.token_hex(6)}"
    volume = held.volume(f"{name}-data", labels)
    return held.container(name, labels, volume=volume), held.network(f"{name}-services", labels), volume


def names(found: Any) -> set[str]:
    return {one["name"] for one in found["removed"]}


def test_what_belongs_to_a_sandbox_that_is_gone_goes_and_nothing_else(own: Shop, held: Held, tmp_path: Path) -> None:
    gone = whole(held, labelled(own.root, "gone"))
    stays = [
        *whole(held, labelled(own.root, "default")),
        *whole(held, labelled(tmp_path / "somebody else's", "gone")),  # never seen from this home
        *whole(
            held,
            {
                name: value
                for name, value in labelled(own.root, "gone").items()
                if not name.endswith(("managed", "kind"))
            },
        ),
        *whole(held, {}),
    ]
    checks = {one["name"]: one for one in own.run("doctor", "--json").json["checks"]}
    left = checks["leftovers"]
    assert (left["ok"], left["fix"]) == (False, "sandbox gc")
    planned = own.run("gc", "--dry-run", "--json").json
    mine = {one["name"] for one in planned["removed"] if "sandbox is gone" in one["reason"]}
    assert len(mine) == 3
    assert mine <= set(left["items"])
    assert {one["kind"] for one in planned["removed"] if one["name"] in mine} == {
        "container whose sandbox is gone",
        "network whose sandbox is gone",
        "volume whose sandbox is gone",
    }
    shown = own.run("doctor")
    assert shown.status == 14
    assert "sandbox gc" in shown.stdout
    assert all(held.there(*gone, *stays)), "to look removes nothing"
    done = own.run("gc", "--yes", "--json")
    assert done.status == 0, done.stderr
    assert mine <= names(done.json)
    assert not any(held.there(*gone))
    assert all(held.there(*stays))
    assert not any("sandbox is gone" in one["reason"] for one in own.run("gc", "--dry-run", "--json").json["removed"])


def test_what_a_project_had_goes_when_its_folder_is_gone_and_then_it_is_forgotten(own: Shop, held: Held) -> None:
    had = whole(held, labelled(own.root, "default"))
    shutil.rmtree(own.root)
    elsewhere = dataclasses.replace(own, root=own.home)
    assert elsewhere.run("gc", "--yes").status == 0
    assert not any(held.there(*had))
    assert list((own.home / "projects").iterdir())
    assert elsewhere.run("gc", "--yes").status == 0
    assert not list((own.home / "projects").iterdir())


def test_a_volume_that_somebody_elses_container_uses_is_left_alone(own: Shop, held: Held) -> None:
    labels = labelled(own.root, "gone")
    volume = held.volume(f"sbx-test-{secrets.token_hex(6)}", labels)
    theirs = held.container(f"theirs-{secrets.token_hex(6)}", {}, volume=volume)
    done = own.run("gc", "--yes", "--json")
    assert done.status == 0, done.stderr
    assert volume not in names(done.json)
    assert [one["name"] for one in done.json["in_use"]] == [volume]
    assert held.there(volume, theirs) == [True, True]


def test_rm_says_what_somebody_elses_container_still_uses(own: Shop, held: Held) -> None:
    labels = labelled(own.root, "default")
    service, network, mine = whole(held, labels)
    volume = held.volume(f"sbx-test-{secrets.token_hex(6)}", labels)
    theirs = held.container(f"theirs-{secrets.token_hex(6)}", {}, volume=volume)
    done = own.run("rm", "--yes")
    assert done.status == 0, done.stderr
    assert f"something else uses {volume}: left alone" in done.stderr
    assert f"removed {volume}" not in done.stdout
    assert f"removed {mine}" in done.stdout
    assert held.there(service, network, mine, volume, theirs) == [False, False, False, True, True]


def test_a_run_that_goes_on_keeps_what_its_sandbox_has(own: Shop, held: Held) -> None:
    service = whole(held, labelled(own.root, "gone"))
    run = held.container(
        f"sbx-test-{secrets.token_hex(6)}",
        labelled(own.root, "gone", role="run", **ownership.identify_owner().labels),
    )
    assert own.run("gc", "--yes").status == 0
    assert all(held.there(*service, run))
    held.engine.api.remove_container(run)
    assert own.run("gc", "--yes").status == 0
    assert not any(held.there(*service))


def test_objects_of_a_process_that_was_killed_go_whatever_they_are(own: Shop, held: Held) -> None:
    # What is labelled with another start than the process of this number has is a process that has ended.
    gone = plan.build_container_labels(
        {"role": "doctor", **dataclasses.replace(ownership.identify_owner(), start_time="0").labels}
    )
    mine = plan.build_container_labels({"role": "doctor", **ownership.identify_owner().labels})
    image, living = f"sandbox/doctor:{secrets.token_hex(6)}", f"sandbox/doctor:{secrets.token_hex(6)}"
    left = [*whole(held, gone), held.image(gone, image)]
    stays = [*whole(held, mine), held.image(mine, living)]
    assert own.run("gc", "--yes").status == 0
    assert not any(held.there(*left))
    assert all(held.there(*stays))


def final(name: str, identifier: str) -> dict[str, str]:
    """The labels of an image of ours, which an image that somebody builds on it inherits."""
    labels = {"managed": "true", "role": "image", "image": name, "environment": identifier, "schema": "1"}
    return {f"{PREFIX}{key}": value for key, value in {**labels, "stage": identifier}.items()}


def staged(held: Held, identifier: str) -> str:
    return held.image({f"{PREFIX}managed": "true", f"{PREFIX}stage": identifier})


def used(home: Path, identifier: str, *, seconds_ago: float) -> Path:
    """Let an image have been used from a home."""
    place = home / "images" / identifier
    place.parent.mkdir(exist_ok=True)
    place.touch()
    os.utime(place, (time.time() - seconds_ago,) * 2)
    return place


def test_stages_of_a_build_that_was_broken_off_go_when_nobody_builds_any_more(own: Shop, held: Held) -> None:
    mine, others = secrets.token_hex(32), secrets.token_hex(32)
    left, theirs, derived = staged(held, mine), staged(held, others), held.image(final("postgres", mine))
    used(own.home, mine, seconds_ago=120)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, own.home, mine], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as building:
        assert building.stdout is not None
        assert building.stdout.readline() == b"held\n"
        used(own.home, mine, seconds_ago=120)
        assert own.run("gc", "--yes").status == 0
        assert all(held.there(left)), "it is at work still"
        building.kill()
    found = own.run("gc", "--yes", "--json").json
    reasons = {one["name"]: one["reason"] for one in found["removed"]}
    assert reasons.get(left.removeprefix("sha256:")[:12]) == "stage of a build that was broken off"
    assert held.there(left, theirs, derived) == [False, True, True]


def test_an_image_of_a_service_goes_when_it_is_idle_and_no_container_uses_it(own: Shop, held: Held) -> None:
    identifier = secrets.token_hex(32)
    reference = f"sandbox/postgres:{identifier[:16]}"
    image = held.image(final("postgres", identifier), reference)
    derived = held.image(final("postgres", identifier), f"theirs-{identifier[:8]}:own")
    place = used(own.home, identifier, seconds_ago=MONTH)
    service = held.container(f"sbx-test-{secrets.token_hex(6)}", labelled(own.root, "default"), image=reference)
    kept = own.run("gc", "--yes", "--json").json
    assert all(held.there(image, service)), "a sandbox has a container of it"
    assert identifier not in names(kept)
    assert identifier in {one["name"] for one in kept["in_use"]}
    held.engine.api.remove_container(service)
    (removed,) = [one for one in own.run("gc", "--yes", "--json").json["removed"] if one["name"] == identifier]
    assert removed["kind"] == "image"
    assert removed["bytes"] > 10**6
    assert held.there(image, derived) == [False, True]
    assert not place.exists()


def test_an_image_says_when_it_was_used_and_by_whom(tmp_path: Path) -> None:
    place = used(tmp_path, "0" * 64, seconds_ago=MONTH)
    image_usage.lease_image(tmp_path, "0" * 64)
    assert time.time() - place.stat().st_mtime < MONTH
    os.utime(place, (1, 1))
    assert leases.is_in_use(place), "this process uses it"
