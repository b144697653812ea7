"""Wheels downloaded with the host's pip settings, verified by hash, and shared by all projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from sandbox.errors import ContainerEngineError, StoreError
from sandbox.formatting import format_count
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
    """Return a verified wheel for each library, downloaded if not cached.

    Args:
        libraries: The libraries; each wheel's SHA-256 must be among its library's hashes.
        target: The target to install on.
        home: Wheels are cached in ``home/wheels/<sha256>/``; a changed one is fetched again.
        progress: Shows the download.

    Raises:
        ConfigError: A library has no wheel that fits, or the index offers other bytes than locked.
        ContainerEngineError: The index cannot be reached.
    """
    kept = home / "wheels"
    fitting = target.wheel_tags
    missing = [library for library in libraries if _find_cached_wheel(library, fitting, kept) is None]
    # Without a lock: no project may wait for another's download.
    sources = {library.name: source for library in missing if (source := sdists.find_sdist(library)) is not None}
    for source in sources.values():
        _build_wheel(source, kept, progress)
    if downloaded := [library for library in missing if library.name not in sources]:
        _download_wheels(downloaded, target, kept, progress)
    cached = [_find_cached_wheel(library, fitting, kept) for library in libraries]
    lost = [library.name for library, wheel in zip(libraries, cached, strict=True) if wheel is None]
    if lost:
        raise StoreError(f"wheels vanished from {kept}: {', '.join(lost)}", hint="try again")
    return [wheel for wheel in cached if wheel is not None]


def _find_cached_wheel(library: LockedLibrary, fitting: frozenset[Tag], kept: Path) -> Path | None:
    """Return a library's cached wheel that fits; remove one that does not match its folder's digest."""
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
        requirements = folder / "requirements.txt"
        requirements.write_text(pins.format_pins(missing), "utf-8")
        tools.run_tool(
            [
                *tools.build_pip_command(),
                *_build_pip_arguments(target),
                "--requirement",
                requirements,
                "--dest",
                folder / "wheels",
            ],
            cwd=folder,
            variables=tools.build_pip_index_variables(),
            failed=f"libraries cannot be downloaded for {target.platform}",
        )
        hashes = {value.removeprefix("sha256:") for library in missing for value in library.hashes}
        for wheel in sorted((folder / "wheels").iterdir()):
            digest = hash_file(wheel)
            if digest not in hashes:  # pip has checked this as well
                raise ContainerEngineError(f"{wheel.name} arrived with other bytes than were locked (SHA-256 {digest})")
            target_folder = _make_folder(kept / digest)
            wheel.replace(target_folder / wheel.name)
            sync_folder(target_folder)


def _build_wheel(source: sdists.Sdist, kept: Path, progress: Progress) -> None:
    with translate_os_errors(kept), make_staging_folder(kept, label="build") as folder:
        wheel = sdists.build_wheel(source, folder, progress)
        target_folder = _make_folder(kept / source.wheel)
        wheel.replace(target_folder / wheel.name)
        sync_folder(target_folder)


def _build_pip_arguments(target: pins.InstallTarget) -> list[str]:
    """Return pip's arguments; pip matches platform tags exactly, so each is listed."""
    platforms = [f"--platform={tag}" for tag in target.list_platform_tags()] if target.in_container else []
    return [
        "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--require-hashes",
        "--only-binary=:all:", "--implementation=cp", f"--python-version={target.python}", *platforms,
    ]  # fmt: skip


def _make_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _format_count(libraries: list[LockedLibrary]) -> str:
    return libraries[0].name if len(libraries) == 1 else format_count(len(libraries), "library", "libraries")
