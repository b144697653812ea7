"""Debian's packages of an image, by the real apt in a container: the same again from the lock, or a refusal that names them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from sandbox.containers.docker.client import connect
from sandbox.errors import FrozenError
from sandbox.manifest.canonical_json import file_digest
from sandbox.manifest.lock import Inputs, Lock, Package, PlatformLock
from sandbox.model import Silent
from sandbox.provisioner.images import base as bases
from sandbox.provisioner.images import debian_packages
from sandbox.store import paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sandbox.containers.docker.client import Connection
    from sandbox.provisioner.images.debian_packages import Fetched

pytestmark = pytest.mark.docker
TINY = "tiny"  # an image of the tests' own, of one small package that needs nothing beside the base


@pytest.fixture
def client(engine: str) -> Iterator[Connection]:
    made = connect()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "images" / TINY
    folder.mkdir(parents=True)
    (folder / debian_packages.FILE).write_text("hello\n")
    packaged = paths.packaged
    monkeypatch.setattr(
        paths, "packaged", lambda kind: tmp_path / kind if kind == "images" else packaged(kind)
    )


def fetched(client: Connection, home: Path, wanted: Sequence[Package] | None = None) -> Fetched:
    base = bases.ensure(client, None, home=home, progress=Silent())
    return debian_packages.fetch(client, TINY, base, wanted=wanted, home=home, progress=Silent())


def test_another_home_gets_the_same_files_from_the_lock(client: Connection, tmp_path: Path) -> None:
    first = fetched(client, tmp_path / "one")
    (package,) = first.packages
    second = fetched(client, tmp_path / "two", first.packages)
    assert package.name == "hello"
    assert second.packages == first.packages
    assert debian_packages.digests(second.folder) == debian_packages.digests(first.folder)
    (file,) = second.folder.glob("*.deb")
    assert f"sha256:{file_digest(file)}" == package.hash
    assert not debian_packages.changed(second.folder)


def test_what_was_the_newest_is_not_asked_for_again_and_is_made_again_when_it_is_gone(
    client: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fetched(client, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(debian_packages, "DOWNLOAD", "exit 1")
        assert fetched(client, tmp_path) == first
    shutil.rmtree(first.folder)
    assert fetched(client, tmp_path) == first
    assert first.folder.is_dir()


def test_what_the_archive_has_no_more_is_refused_by_name_with_what_it_has(
    client: Connection, tmp_path: Path
) -> None:
    (now,) = fetched(client, tmp_path / "one").packages
    older = now.model_copy(update={"version": "0.9-1"})
    gone = now.model_copy(update={"name": "a-package-of-the-past"})
    other = now.model_copy(update={"hash": f"sha256:{'0' * 64}"})
    for wanted, said in (
        ([older], f"hello is {now.version}, and was 0.9-1"),
        ([gone, now], f"a-package-of-the-past is there no more, and was {now.version}"),
        ([other], f"hello {now.version} is another file"),
    ):
        with pytest.raises(FrozenError, match="other packages for the image tiny") as caught:
            fetched(client, tmp_path / "two", wanted)
        assert caught.value.status == 18
        assert caught.value.message.splitlines()[1:] == [f"  {said}"]
        assert "sandbox lock --upgrade" in caught.value.hint
    assert [path.name for path in (tmp_path / "two" / "packages").glob("[0-9a-f]*")] == []


def test_a_lock_of_another_platform_is_completed_here_and_never_when_it_is_frozen(
    client: Connection, tmp_path: Path
) -> None:
    """Packages are per platform: whoever made the lock on the other one could not know those of this one."""
    theirs = [Package(name="hello", version="2.10-5", hash=f"sha256:{'1' * 64}")]
    other = PlatformLock(python="3.13", libraries=[], packages={TINY: theirs})
    platforms = {"linux/amd64": PlatformLock(python="3.13", libraries=[]), "linux/s390x": other}
    inputs = Inputs(image="python", python="3.13", requirements=None, libraries=[], pins="p")
    lock = Lock(inputs=inputs, platforms=platforms)
    with pytest.raises(FrozenError, match="no packages for the image tiny on linux/amd64"):
        debian_packages.pinned(lock, TINY, home=tmp_path, progress=Silent(), frozen=True)
    made = debian_packages.pinned(lock, TINY, home=tmp_path, progress=Silent())
    assert [one.name for one in made.platforms["linux/amd64"].packages[TINY]] == ["hello"]
    assert made.platforms["linux/amd64"].base is not None
    assert made.platforms["linux/s390x"] == other
    assert debian_packages.pinned(made, TINY, home=tmp_path, progress=Silent(), frozen=True) is made
