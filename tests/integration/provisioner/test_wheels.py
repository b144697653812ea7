from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.errors import ConfigError, ContainerEngineError
from sandbox.manifest.canonical_json import hash_file
from sandbox.manifest.lock import LockedLibrary
from sandbox.provisioner.lock import pins, wheels

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.lock import LockDocument


AMD64 = pins.InstallTarget(platform="linux/amd64", python="3.13", in_container=True)


@pytest.fixture
def libraries(small: LockDocument) -> list[LockedLibrary]:
    return small.platforms["linux/amd64"].libraries


def test_a_wheel_is_downloaded_once_and_verified(libraries: list[LockedLibrary], tmp_path: Path, progress: Any) -> None:
    [first] = wheels.fetch_wheels(libraries, AMD64, home=tmp_path, progress=progress)
    assert f"sha256:{hash_file(first)}" in libraries[0].hashes
    assert first.parent == tmp_path / "wheels" / hash_file(first)
    [second] = wheels.fetch_wheels(libraries, AMD64, home=tmp_path, progress=progress)
    assert second == first
    assert progress.steps == ["downloading tzdata for linux/amd64"]
    assert not list((tmp_path / "wheels").glob(".download-*"))


def test_a_wheel_whose_bytes_changed_is_fetched_again(
    libraries: list[LockedLibrary], tmp_path: Path, progress: Any
) -> None:
    [wheel] = wheels.fetch_wheels(libraries, AMD64, home=tmp_path, progress=progress)
    good = wheel.read_bytes()
    wheel.write_bytes(good + b"tampered")
    [again] = wheels.fetch_wheels(libraries, AMD64, home=tmp_path, progress=progress)
    assert again.read_bytes() == good
    assert len(progress.steps) == 2


def test_an_index_with_other_bytes_than_were_locked_is_refused(
    libraries: list[LockedLibrary], tmp_path: Path, progress: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    [wheel] = wheels.fetch_wheels(libraries, AMD64, home=tmp_path, progress=progress)
    offered = tmp_path / "index"
    offered.mkdir()
    (offered / wheel.name).write_bytes(wheel.read_bytes() + b"tampered")
    shutil.rmtree(tmp_path / "wheels")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(offered))
    with pytest.raises(ContainerEngineError, match="DO NOT MATCH THE HASHES") as caught:
        wheels.fetch_wheels(libraries, AMD64, home=tmp_path, progress=progress)
    assert "sandbox lock --upgrade" in caught.value.hint
    assert not list((tmp_path / "wheels").rglob("*.whl"))


@pytest.mark.usefixtures("no_index")
def test_without_a_network_what_is_missing_is_an_error_of_the_engine(
    libraries: list[LockedLibrary], tmp_path: Path, progress: Any
) -> None:
    with pytest.raises(ContainerEngineError, match="libraries cannot be downloaded for linux/amd64"):
        wheels.fetch_wheels(libraries, AMD64, home=tmp_path, progress=progress)


def test_a_version_without_a_wheel_is_refused(tmp_path: Path, progress: Any) -> None:
    wanted = [LockedLibrary(name="tzdata", version="0.0.1", hashes=["sha256:" + "0" * 64])]
    with pytest.raises(ConfigError, match="tzdata"):
        wheels.fetch_wheels(wanted, AMD64, home=tmp_path, progress=progress)
