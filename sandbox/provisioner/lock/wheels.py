"""Wheels: downloaded with the host's own pip settings, verified by hash, kept for all projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from sandbox.errors import ContainerEngineError, StoreError
from sandbox.manifest.canonical_json import hash_file
from sandbox.provisioner.lock import pins, sdists, tools
from sandbox.store.folder import make_staging_folder, sync_folder, translate_os_errors
from sandbox.store.leases import acquire_lease

if TYPE_CHECKING:
    from pathlib import Path

    from packaging.tags import Tag

    from sandbox.manifest.lock import LockedLibrary
    from sandbox.model import Progress


def fetch_wheels(
    libraries: list[LockedLibrary], target: pins.InstallTarget, *, home: Path, progress: Progress
) -> list[Path]:
    """Give a verified wheel for each library, downloading only what is not kept already.

    Args:
        libraries: What is needed; each file's SHA-256 must be among its library's hashes.
        target: What the wheels must fit.
        home: They are kept in ``home/wheels/<sha256>/``; one whose bytes changed there is fetched again.
        progress: Shows the download.

    Raises:
        ConfigError: A library has no wheel that fits, or the index offers other bytes than were locked.
        EngineError: The index cannot be reached.
    """
    kept = home / "wheels"
    fitting = target.wheel_tags
    missing = [one for one in libraries if _find_cached_wheel(one, fitting, kept) is None]
    # By whoever needs it, without a lock: no project may wait for another's download.
    sources = {one.name: source for one in missing if (source := sdists.find_sdist(one)) is not None}
    for source in sources.values():
        _build_wheel(source, kept, progress)
    if downloaded := [one for one in missing if one.name not in sources]:
        _download_wheels(downloaded, target, kept, progress)
    found = [_find_cached_wheel(one, fitting, kept) for one in libraries]
    lost = [one.name for one, wheel in zip(libraries, found, strict=True) if wheel is None]
    if lost:
        raise StoreError(f"wheels vanished from {kept}: {', '.join(lost)}", hint="try again")
    return [wheel for wheel in found if wheel is not None]


def _find_cached_wheel(library: LockedLibrary, fitting: frozenset[Tag], kept: Path) -> Path | None:
    """Give the kept wheel of a library that fits; one that is not what its folder's name says is removed."""
    for value in library.hashes:
        digest = value.removeprefix("sha256:")
        for wheel in sorted((kept / digest).glob("*.whl")):
            if not _is_compatible(wheel, library, fitting):
                continue
            if hash_file(wheel) == digest:
                acquire_lease(wheel.parent)
                return wheel
            wheel.unlink()
    return None


def _is_compatible(wheel: Path, library: LockedLibrary, fitting: frozenset[Tag]) -> bool:
    try:
        name, _, _, tags = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename:
        return False
    return name == canonicalize_name(library.name) and not tags.isdisjoint(fitting)


def _download_wheels(missing: list[LockedLibrary], target: pins.InstallTarget, kept: Path, progress: Progress) -> None:
    with (
        translate_os_errors(kept),
        make_staging_folder(kept, label="download") as folder,
        progress.step(f"downloading {_format_count(missing)} for {target.platform}"),
    ):
        wanted = folder / "requirements.txt"
        wanted.write_text(pins.format_pins(missing), "utf-8")
        tools.run_tool(
            [
                *tools.build_pip_command(),
                *_build_pip_arguments(target),
                "--requirement",
                wanted,
                "--dest",
                folder / "wheels",
            ],
            cwd=folder,
            failed=f"libraries cannot be downloaded for {target.platform}",
        )
        hashes = {value.removeprefix("sha256:") for one in missing for value in one.hashes}
        for wheel in sorted((folder / "wheels").iterdir()):
            digest = hash_file(wheel)
            if digest not in hashes:  # pip has checked this: nothing may depend on that alone
                raise ContainerEngineError(f"{wheel.name} arrived with other bytes than were locked (SHA-256 {digest})")
            place = _make_folder(kept / digest)
            wheel.replace(place / wheel.name)
            sync_folder(place)


def _build_wheel(source: sdists.Sdist, kept: Path, progress: Progress) -> None:
    with translate_os_errors(kept), make_staging_folder(kept, label="build") as folder:
        wheel = sdists.build_wheel(source, folder, progress)
        place = _make_folder(kept / source.wheel)
        wheel.replace(place / wheel.name)
        sync_folder(place)


def _build_pip_arguments(target: pins.InstallTarget) -> list[str]:
    """Give pip's arguments; pip matches platform tags exactly, so each is named."""
    platforms = [f"--platform={tag}" for tag in target.list_platform_tags()] if target.in_container else []
    return [
        "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--require-hashes",
        "--only-binary=:all:", "--implementation=cp", f"--python-version={target.python}", *platforms,
    ]  # fmt: skip


def _make_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _format_count(libraries: list[LockedLibrary]) -> str:
    return libraries[0].name if len(libraries) == 1 else f"{len(libraries)} libraries"
