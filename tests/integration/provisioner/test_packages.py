"""Debian's packages of an image, by the real apt in a container: the same again from the lock, or a refusal that names them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from sandbox.containers.docker.client import open_client
from sandbox.errors import FrozenMismatchError
from sandbox.manifest.canonical_json import hash_file
from sandbox.manifest.lock import LockDocument, LockedPackage, LockInputs, PlatformLock
from sandbox.model import SilentProgress
from sandbox.provisioner.images import base as bases
from sandbox.provisioner.images import debian_packages
from sandbox.store import paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sandbox.containers.docker.client import EngineClient
    from sandbox.provisioner.images.debian_packages import PackageFolder

pytestmark = pytest.mark.docker
TINY = "tiny"  # an image of the tests' own, of one small package that needs nothing beside the base


@pytest.fixture
def client(engine: str) -> Iterator[EngineClient]:
    made = open_client()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "images" / TINY
    folder.mkdir(parents=True)
    (folder / debian_packages.PACKAGES_FILE).write_text("hello\n")
    packaged = paths.find_packaged_folder
    monkeypatch.setattr(
        paths, "find_packaged_folder", lambda kind: tmp_path / kind if kind == "images" else packaged(kind)
    )


def fetched(client: EngineClient, home: Path, wanted: Sequence[LockedPackage] | None = None) -> PackageFolder:
    base = bases.ensure_base(client, None, home=home, progress=SilentProgress())
    return debian_packages.fetch_packages(client, TINY, base, locked=wanted, home=home, progress=SilentProgress())


def test_another_home_gets_the_same_files_from_the_lock(client: EngineClient, tmp_path: Path) -> None:
    first = fetched(client, tmp_path / "one")
    (package,) = first.packages
    second = fetched(client, tmp_path / "two", first.packages)
    assert package.name == "hello"
    assert second.packages == first.packages
    assert debian_packages.read_digests(second.path) == debian_packages.read_digests(first.path)
    (file,) = second.path.glob("*.deb")
    assert f"sha256:{hash_file(file)}" == package.hash
    assert not debian_packages.find_changed_packages(second.path)


def test_what_was_the_newest_is_not_asked_for_again_and_is_made_again_when_it_is_gone(
    client: EngineClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fetched(client, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(debian_packages, "DOWNLOAD_COMMAND", "exit 1")
        assert fetched(client, tmp_path) == first
    shutil.rmtree(first.path)
    assert fetched(client, tmp_path) == first
    assert first.path.is_dir()


def test_what_the_archive_has_no_more_is_refused_by_name_with_what_it_has(client: EngineClient, tmp_path: Path) -> None:
    (now,) = fetched(client, tmp_path / "one").packages
    older = now.model_copy(update={"version": "0.9-1"})
    gone = now.model_copy(update={"name": "a-package-of-the-past"})
    other = now.model_copy(update={"hash": f"sha256:{'0' * 64}"})
    for wanted, said in (
        ([older], f"hello is {now.version}, and was 0.9-1"),
        ([gone, now], f"a-package-of-the-past is there no more, and was {now.version}"),
        ([other], f"hello {now.version} is another file"),
    ):
        with pytest.raises(FrozenMismatchError, match="other packages for the image tiny") as caught:
            fetched(client, tmp_path / "two", wanted)
        assert caught.value.status == 18
        assert caught.value.message.splitlines()[1:] == [f"  {said}"]
        assert "sandbox lock --upgrade" in caught.value.hint
    assert [path.name for path in (tmp_path / "two" / "packages").glob("[0-9a-f]*")] == []


def test_a_lock_of_another_platform_is_completed_here_and_never_when_it_is_frozen(
    client: EngineClient, tmp_path: Path
) -> None:
    """Packages are per platform: whoever made the lock on the other one could not know those of this one."""
    theirs = [LockedPackage(name="hello", version="2.10-5", hash=f"sha256:{'1' * 64}")]
    other = PlatformLock(python="3.13", libraries=[], packages={TINY: theirs})
    platforms = {"linux/amd64": PlatformLock(python="3.13", libraries=[]), "linux/s390x": other}
    inputs = LockInputs(image="python", python="3.13", requirements=None, libraries=[], pins="p")
    lock = LockDocument(inputs=inputs, platforms=platforms)
    with pytest.raises(FrozenMismatchError, match="no packages for the image tiny on linux/amd64"):
        debian_packages.pin_packages(lock, TINY, home=tmp_path, progress=SilentProgress(), frozen=True)
    made = debian_packages.pin_packages(lock, TINY, home=tmp_path, progress=SilentProgress())
    assert [one.name for one in made.platforms["linux/amd64"].packages[TINY]] == ["hello"]
    assert made.platforms["linux/amd64"].base is not None
    assert made.platforms["linux/s390x"] == other
    assert debian_packages.pin_packages(made, TINY, home=tmp_path, progress=SilentProgress(), frozen=True) is made
