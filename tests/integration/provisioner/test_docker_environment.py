from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import subprocess
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import docker
import pytest

from sandbox.containers.docker import images
from sandbox.errors import ContainerEngineError, FrozenMismatchError
from sandbox.manifest.lock import LockedImage
from sandbox.model import SilentProgress
from sandbox.provisioner.environments import ensure_environment, record_environment
from sandbox.provisioner.images import base as bases
from sandbox.provisioner.images.environment import add_base_image
from sandbox.provisioner.lock.frozen_check import check_frozen
from sandbox.provisioner.lock.lock_diff import compare_locks
from sandbox.provisioner.lock.request import StackRequest
from sandbox.store import paths
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox.manifest.lock import LockDocument
    from sandbox.model import Environment

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def built(
    engine: images.Client, home: Path, watched: Any, small_lock: Callable[[StackRequest], LockDocument]
) -> Iterator[tuple[StackRequest, LockDocument, Environment]]:
    """One image for all tests here, asked for by three at once."""
    request = StackRequest(image="python", python="3.13")
    lock = small_lock(request)
    seen = [watched() for _ in range(3)]
    with ThreadPoolExecutor(max_workers=3) as pool:
        made = list(pool.map(lambda one: ensure_environment(request, lock, "docker", home=home, progress=one), seen))
    assert len(set(made)) == 1
    assert sum("building" in step for one in seen for step in one.steps) == 1, "built more than once"
    yield request, lock, made[0]
    image = images.find_image(engine, made[0].reference)
    assert image is not None
    images.remove_image(engine, image)


@pytest.fixture
def in_image(
    printed: Callable[..., bytes], built: tuple[StackRequest, LockDocument, Environment]
) -> Callable[..., str]:
    """What a script prints in the image."""

    def one(script: str, *, user: str = "4242:4242") -> str:
        said = printed(built[2].reference, ["python", "-c", script], user=user, read_only=True)
        return said.decode()

    return one


def test_the_image_has_exactly_the_locked_libraries_and_no_pip(in_image: Callable[..., str]) -> None:
    script = "import sys, importlib.metadata as m; print(sys.version_info[:2], sys.prefix, [d.name for d in m.distributions()])"
    assert in_image(script) == "(3, 13) /opt/sandbox ['tzdata']\n"
    compiled = "import tzdata, os; print(tzdata.__cached__, os.path.exists(tzdata.__cached__))"
    assert in_image(compiled).endswith("True\n")


def test_the_image_has_a_user_with_a_name_and_a_home(in_image: Callable[..., str]) -> None:
    script = "import pwd, os; u = pwd.getpwuid(1000); print(u.pw_name, u.pw_dir, os.stat(u.pw_dir).st_uid, os.getuid())"
    assert in_image(script, user="") == "sandbox /home/sandbox 1000 1000\n"


def contents(client: images.Client, reference: str) -> dict[str, tuple[object, ...]]:
    """Give what is in an image: type, mode, owner, link and content of each path, and when it was changed."""
    container = client.api.create_container(reference, ["true"])["Id"]
    found: dict[str, tuple[object, ...]] = {}
    try:
        with (
            tempfile.TemporaryFile() as file,
            contextlib.closing(client.api.export(container)) as chunks,
        ):
            file.writelines(chunks)
            file.seek(0)
            with tarfile.open(fileobj=file) as archive:
                for one in archive:
                    content = archive.extractfile(one) if one.isfile() else None
                    digest = hashlib.sha256(content.read()).hexdigest() if content else None
                    found[one.name] = (one.type, one.mode, one.uid, one.gid, one.linkname, digest, one.mtime)
    finally:
        client.api.remove_container(container, force=True)
    return found


def test_two_builds_of_one_lock_hold_the_same_files(
    engine: images.Client,
    home: Path,
    plain: StackRequest,
    small: LockDocument,
    progress: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All but times, and with those the layers' ids: nothing in a file comes from the day, or from chance."""
    client = docker.APIClient
    monkeypatch.setattr(client, "build", functools.partialmethod(client.build, nocache=True))
    held = []
    made = ensure_environment(plain, small, "docker", home=home, progress=progress)
    for attempt in range(2):
        time.sleep(1.1 * attempt)  # the times of files have a second's precision
        assert ensure_environment(plain, small, "docker", home=home, progress=progress) == made
        held.append(contents(engine, made.reference))
        image = images.find_image(engine, made.reference)
        assert image is not None
        images.remove_image(engine, image)
    one, other = held
    assert progress.steps.count(f"building {made.reference}") == 2
    assert one.keys() == other.keys()
    assert {name: what[:-1] for name, what in one.items()} == {name: what[:-1] for name, what in other.items()}
    tzdata = next(name for name in one if name.endswith("site-packages/tzdata/__init__.py"))
    assert one[tzdata][-1] != other[tzdata][-1], "the engine did not build it twice"


def test_no_day_stands_in_the_image(in_image: Callable[..., str]) -> None:
    said = in_image("print([line for line in open('/etc/shadow') if line.startswith('sandbox:')])", user="0:0")
    assert said == "['sandbox:!::0:99999:7:::\\n']\n"


def test_the_image_carries_our_labels_and_nothing_else_is_left(
    engine: images.Client, built: tuple[StackRequest, LockDocument, Environment]
) -> None:
    made = built[2]
    [image] = images.list_images(engine, {"environment": made.id})
    assert image.tags == (made.reference,)
    assert image.labels["managed"] == "true"
    assert image.labels["base"] == made.base
    assert images.list_untagged_images(engine, made.id) == []


def test_a_second_call_builds_nothing_and_needs_no_network(
    built: tuple[StackRequest, LockDocument, Environment], home: Path, no_index: None, progress: Any
) -> None:
    request, lock, made = built
    assert ensure_environment(request, lock, "docker", home=home, progress=progress) == made
    assert progress.steps == []


def test_what_was_built_is_written_into_the_lock_once(
    engine: images.Client, built: tuple[StackRequest, LockDocument, Environment], home: Path, progress: Any
) -> None:
    request, lock, made = built
    written = record_environment(lock, made)
    entry = written.platforms[made.platform]
    image = images.find_image(engine, made.reference)
    assert image is not None
    assert (entry.environment, entry.layers) == (made.id, list(image.layers))
    assert entry.base is not None
    assert made.base.endswith(entry.base.digest)
    assert record_environment(written, made) is written
    check_frozen(written, lock)
    assert ensure_environment(request, written, "docker", home=home, progress=progress, frozen=True) == made


def test_another_base_than_the_lock_names_is_refused_when_frozen_and_said_otherwise(
    built: tuple[StackRequest, LockDocument, Environment], home: Path, progress: Any
) -> None:
    request, lock, made = built
    foreign = LockedImage(reference=bases.LOCAL_BASE, digest="sha256:" + "0" * 64)
    entry = lock.platforms[made.platform].model_copy(update={"base": foreign})
    elsewhere = lock.model_copy(update={"platforms": lock.platforms | {made.platform: entry}})
    with pytest.raises(FrozenMismatchError, match="the base image is"):
        ensure_environment(request, elsewhere, "docker", home=home, progress=progress, frozen=True)
    assert ensure_environment(request, elsewhere, "docker", home=home, progress=progress) == made
    assert any("sandbox.lock says" in line for line in progress.said)


def test_an_upgrade_names_the_base_that_comes_next_and_says_where_that_is_another(
    built: tuple[StackRequest, LockDocument, Environment], home: Path, progress: Any
) -> None:
    _, lock, made = built
    written = record_environment(lock, made)
    assert add_base_image(lock, written, home=home, progress=progress) == written
    entry = written.platforms[made.platform]
    foreign = entry.model_copy(
        update={
            "base": LockedImage(reference=bases.LOCAL_BASE, digest="sha256:" + "0" * 64),
            "environment": "0" * 64,
        }
    )
    before = written.model_copy(update={"platforms": written.platforms | {made.platform: foreign}})
    now = add_base_image(lock, before, home=home, progress=progress)
    assert now.platforms[made.platform] == entry.model_copy(update={"layers": None})
    (one,) = compare_locks(before, now)
    assert (one.kind, one.platforms) == ("base", (made.platform,))
    assert one.before == f"{bases.LOCAL_BASE} ({'0' * 16})"
    assert one.after != one.before


def test_a_step_that_fails_shows_its_last_lines(engine: images.Client, tmp_path: Path) -> None:
    base = bases.ensure_base(engine, None, home=tmp_path, progress=SilentProgress())
    dockerfile = 'ARG BASE\nFROM ${BASE}\nRUN seq 100 && echo "no space for this" && exit 3\n'
    (tmp_path / "Dockerfile").write_text(dockerfile)
    steps: list[str] = []
    with pytest.raises(ContainerEngineError) as caught:
        images.build_image(
            engine,
            tmp_path,
            tag="sandbox/broken:test",
            arguments={"BASE": base.reference},
            labels={"managed": "true"},
            step=steps.append,
        )
    assert "no space for this" in caught.value.message
    assert "returned a non-zero code: 3" in caught.value.message
    assert "\n  79\n" not in caught.value.message
    assert len(steps) >= 3
    assert images.find_image(engine, "sandbox/broken:test") is None


def test_a_build_has_no_network(engine: images.Client, tmp_path: Path) -> None:
    base = bases.ensure_base(engine, None, home=tmp_path, progress=SilentProgress())
    connect = "import socket; socket.create_connection(('1.1.1.1', 53), 3)"
    (tmp_path / "Dockerfile").write_text(f'ARG BASE\nFROM ${{BASE}}\nRUN python3 -c "{connect}"\n')
    with pytest.raises(ContainerEngineError, match="Network is unreachable"):
        images.build_image(
            engine,
            tmp_path,
            tag="sandbox/networked:test",
            arguments={"BASE": base.reference},
            labels={"managed": "true"},
            step=lambda _: None,
        )


@pytest.mark.parametrize("script", ["engine.sh", "base/make.sh"])
def test_the_scripts_end_at_once_where_everything_is_there(
    engine: images.Client, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SANDBOX_RUNTIME", raising=False)
    done = subprocess.run(
        ["bash", paths.find_packaged_folder("images") / script],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    assert "answers" in done.stdout or "is in the engine" in done.stdout


def test_an_engine_that_is_not_there_is_an_error_of_the_engine(
    plain: StackRequest, small: LockDocument, home: Path, progress: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(ContainerEngineError, match="no Docker Engine is running"):
        ensure_environment(plain, small, "docker", home=home, progress=progress)


@pytest.mark.parametrize(("arguments", "status"), [([], 1), (["--optional"], 0)])
def test_the_script_says_when_no_engine_can_be_had(arguments: list[str], status: int) -> None:
    variables = os.environ | {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    done = subprocess.run(
        ["bash", paths.find_packaged_folder("images") / "engine.sh", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=variables,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == status
    assert "nothing answers at DOCKER_HOST=unix:///nowhere/docker.sock" in done.stdout + done.stderr
