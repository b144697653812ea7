from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.errors import ConfigError, EngineError
from sandbox.manifest.canonical_json import file_digest
from sandbox.manifest.lock import Library
from sandbox.provisioner.lock import pins, wheels

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.lock import Lock


AMD64 = pins.Target(platform="linux/amd64", python="3.13", container=True)


@pytest.fixture
def libraries(small: Lock) -> list[Library]:
    return small.platforms["linux/amd64"].libraries


def test_a_wheel_is_downloaded_once_and_verified(
    libraries: list[Library], tmp_path: Path, progress: Any
) -> None:
    [first] = wheels.fetch(libraries, AMD64, home=tmp_path, progress=progress)
    assert f"sha256:{file_digest(first)}" in libraries[0].hashes
    assert first.parent == tmp_path / "wheels" / file_digest(first)
    [second] = wheels.fetch(libraries, AMD64, home=tmp_path, progress=progress)
    assert second == first
    assert progress.steps == ["downloading tzdata for linux/amd64"]
    assert not list((tmp_path / "wheels").glob(".download-*"))


def test_a_wheel_whose_bytes_changed_is_fetched_again(
    libraries: list[Library], tmp_path: Path, progress: Any
) -> None:
    [wheel] = wheels.fetch(libraries, AMD64, home=tmp_path, progress=progress)
    good = wheel.read_bytes()
    wheel.write_bytes(good + b"tampered")
    [again] = wheels.fetch(libraries, AMD64, home=tmp_path, progress=progress)
    assert again.read_bytes() == good
    assert len(progress.steps) == 2


def test_an_index_with_other_bytes_than_were_locked_is_refused(
    libraries: list[Library], tmp_path: Path, progress: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    [wheel] = wheels.fetch(libraries, AMD64, home=tmp_path, progress=progress)
    offered = tmp_path / "index"
    offered.mkdir()
    (offered / wheel.name).write_bytes(wheel.read_bytes() + b"tampered")
    shutil.rmtree(tmp_path / "wheels")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(offered))
    with pytest.raises(EngineError, match="DO NOT MATCH THE HASHES") as caught:
        wheels.fetch(libraries, AMD64, home=tmp_path, progress=progress)
    assert "sandbox lock --upgrade" in caught.value.hint
    assert not list((tmp_path / "wheels").rglob("*.whl"))


@pytest.mark.usefixtures("no_index")
def test_without_a_network_what_is_missing_is_an_error_of_the_engine(
    libraries: list[Library], tmp_path: Path, progress: Any
) -> None:
    with pytest.raises(EngineError, match="libraries cannot be downloaded for linux/amd64"):
        wheels.fetch(libraries, AMD64, home=tmp_path, progress=progress)


def test_a_version_without_a_wheel_is_refused(tmp_path: Path, progress: Any) -> None:
    wanted = [Library(name="tzdata", version="0.0.1", hashes=["sha256:" + "0" * 64])]
    with pytest.raises(ConfigError, match="tzdata"):
        wheels.fetch(wanted, AMD64, home=tmp_path, progress=progress)
