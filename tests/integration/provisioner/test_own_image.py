"""Images of the user's own, built and tried on a real engine."""

from __future__ import annotations

import io
import secrets
import tarfile
from typing import TYPE_CHECKING

import pytest

from sandbox.config.sections.stack import StackSection
from sandbox.containers.docker import images
from sandbox.errors import ConfigError, ContainerEngineError, FrozenMismatchError
from sandbox.model import SilentProgress
from sandbox.provisioner.environments import ensure_environment, record_environment
from sandbox.provisioner.images import custom_environment
from sandbox.provisioner.lock.frozen_check import check_frozen
from sandbox.provisioner.lock.request import build_request
from sandbox.provisioner.lock.resolver import resolve_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sandbox.manifest.lock import LockDocument
    from sandbox.model import Environment
    from sandbox.provisioner.lock.request import StackRequest

pytestmark = pytest.mark.docker

GOOD = b"ARG BASE\nFROM ${BASE}\nCOPY conf/greeting.txt /etc/greeting\n"


def asked(files: Mapping[str, bytes], image: str = "./docker", **options: str) -> StackRequest:
    def read(path: str) -> bytes:
        if path not in files:
            raise ConfigError(f"{path} is not there")
        return files[path]

    return build_request(StackSection.model_validate({"image": image, **options}), read)


def locked(wanted: StackRequest) -> LockDocument:
    return resolve_lock(wanted, previous=None, upgrade=False, progress=SilentProgress())


@pytest.fixture
def make(engine: images.Client, home: Path) -> Iterator[Callable[..., Environment]]:
    made = []

    def one(wanted: StackRequest, *, lock: LockDocument | None = None, python: bool = False) -> Environment:
        lock = lock or locked(wanted)
        found = ensure_environment(wanted, lock, "docker", home=home, progress=SilentProgress(), python=python)
        made.append(found)
        return found

    yield one
    for found in made:
        image = images.find_image(engine, found.reference)
        if image and image.labels:
            images.remove_image(engine, image)


@pytest.fixture
def files() -> dict[str, bytes]:
    """A Dockerfile that no other test's equals, and what it copies."""
    greeting = secrets.token_hex(8).encode()
    return {"docker/Dockerfile": GOOD, "docker/conf/greeting.txt": greeting}


def imported(engine: images.Client, tag: str, *changes: str) -> str:
    """Make an image without a shell."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("empty"))
    repository, _, version = tag.partition(":")
    engine.api.import_image_from_data(content.getvalue(), repository=repository, tag=version, changes=list(changes))
    return tag


def test_a_dockerfile_is_built_once_and_known_by_what_it_copies(
    printed: Callable[..., bytes], files: dict[str, bytes], make: Callable[..., Environment]
) -> None:
    first = make(asked(files))
    assert make(asked(files)) == first
    said = printed(first.reference, ["cat", "/etc/greeting"])
    assert said == files["docker/conf/greeting.txt"]
    files["docker/conf/greeting.txt"] += b"!"
    assert make(asked(files)).id != first.id


def test_the_lock_names_what_was_built_and_refuses_another(
    files: dict[str, bytes], make: Callable[..., Environment]
) -> None:
    wanted = asked(files)
    made = make(wanted)
    lock = record_environment(locked(wanted), made)
    entry = lock.platforms[made.platform]
    assert entry.environment == made.id
    assert entry.base is not None
    assert entry.layers
    check_frozen(wanted, lock)
    with pytest.raises(FrozenMismatchError, match=r"stack\.image is made of other files"):
        check_frozen(asked({**files, "docker/Dockerfile": GOOD + b"ENV A=b\n"}), lock)


def test_an_image_by_name_is_used_as_it_is_and_never_pulled_or_removed(
    engine: images.Client, files: dict[str, bytes], make: Callable[..., Environment]
) -> None:
    tag = f"sandbox-test-own:{secrets.token_hex(4)}"
    engine.images.get(make(asked(files)).reference).tag(*tag.split(":"))
    try:
        assert make(asked({}, image=tag)).reference == tag
    finally:
        engine.images.remove(tag)
    with pytest.raises(ContainerEngineError, match="nothing is pulled implicitly") as caught:
        make(asked({}, image=tag))
    assert caught.value.hint.startswith(f"docker pull {tag}")


def test_what_a_dockerfile_builds_on_has_to_be_there(make: Callable[..., Environment]) -> None:
    with pytest.raises(ContainerEngineError, match=r"builds on nobody/has:this") as caught:
        make(asked({"docker/Dockerfile": b"FROM nobody/has:this\n"}))
    assert caught.value.hint == "docker pull nobody/has:this"


def test_steps_have_no_network_unless_the_settings_say_so(make: Callable[..., Environment]) -> None:
    alone = b"RUN test ! -e /sys/class/net/eth0\n# " + secrets.token_hex(8).encode()
    make(asked({"docker/Dockerfile": b"ARG BASE\nFROM ${BASE}\n" + alone}))
    wired = {"docker/Dockerfile": b"ARG BASE\nFROM ${BASE}\nRUN test -e /sys/class/net/eth0\n# " + alone[-16:]}
    with pytest.raises(ContainerEngineError, match="returned a non-zero code") as caught:
        make(asked(wired))
    assert 'build_network = "default"' in caught.value.hint
    make(asked(wired, build_network="default"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"VOLUME /data", "declares volumes, which a run could write to"),
        (b"RUN rm -f /bin/sh", "the command of a run cannot be started"),
        (b"RUN rm -f /usr/bin/python3*", "there is no python of 3.11 or later"),
    ],
)
def test_an_image_that_runs_cannot_use_says_what_is_missing(
    line: bytes, said: str, make: Callable[..., Environment]
) -> None:
    content = b"ARG BASE\nFROM ${BASE}\nLABEL one=" + secrets.token_hex(8).encode() + b"\n" + line + b"\n"
    with pytest.raises(ContainerEngineError, match=said):
        make(asked({"docker/Dockerfile": content}), python=True)


def test_an_image_without_a_shell_is_no_image_to_run_in(engine: images.Client, home: Path) -> None:
    tag = imported(engine, f"sandbox-test-empty:{secrets.token_hex(4)}", "CMD /none")
    try:
        wanted = asked({}, image=tag)
        with pytest.raises(ContainerEngineError, match="the command of a run cannot be started"):
            ensure_environment(wanted, locked(wanted), "docker", home=home, progress=SilentProgress())
        assert wanted.custom_image is not None
        checks = custom_environment.run_custom_image_checks(wanted.custom_image, None, python=False, home=home)
        assert [check.ok for check in checks] == [True, True, False]
    finally:
        engine.images.remove(tag)


def test_the_local_runtime_has_no_images(files: dict[str, bytes], home: Path) -> None:
    wanted = asked(files)
    with pytest.raises(ContainerEngineError, match="needs a container engine"):
        ensure_environment(wanted, locked(wanted), "local", home=home, progress=SilentProgress())
