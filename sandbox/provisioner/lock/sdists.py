"""Wheels built here from pinned sources with pinned tools, byte for byte reproducible, for libraries without wheels.

A build executes the source's code, so only sources pinned by hash in an image of sandbox are built.
"""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import ContainerEngineError
from sandbox.manifest.canonical_json import hash_file
from sandbox.provisioner.lock import tools
from sandbox.store import paths

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sandbox.manifest.lock import LockedLibrary
    from sandbox.model import Progress

SDISTS_FILE = "sdists.json"
BUILD_TOOLS_FILE = "build.lock"
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Sdist:
    """A source distribution pinned by an image.

    Attributes:
        image: The image's folder of ``images/``.
        name, version: Of the library.
        source, wheel: SHA-256 (hex) of the archive in the index, and of the built wheel.
    """

    image: str
    name: str
    version: str
    source: str
    wheel: str


def list_sdists(image: str | None = None) -> list[Sdist]:
    """Return the source distributions pinned by all images, or by one."""
    return [
        Sdist(image=file.parent.name, **entry)
        for file in sorted(paths.find_packaged_folder("images").glob(f"{image or '*'}/{SDISTS_FILE}"))
        for entry in json.loads(file.read_text("utf-8"))
    ]


def find_sdist(library: LockedLibrary) -> Sdist | None:
    """Return the source distribution of a library; None if it has wheels."""
    return next((sdist for sdist in list_sdists() if f"sha256:{sdist.wheel}" in library.hashes), None)


def replace_sdist_hashes(libraries: Iterable[LockedLibrary]) -> list[LockedLibrary]:
    """Return libraries with hashes of source distributions replaced by those of the built wheels."""
    built = {f"sha256:{sdist.source}": sdist for sdist in list_sdists()}
    replaced = []
    for library in libraries:
        sdist = next((built[value] for value in library.hashes if value in built), None)
        hashes = [f"sha256:{sdist.wheel}"] if sdist else library.hashes
        replaced.append(library.model_copy(update={"hashes": hashes}))
    return replaced


def build_wheel(sdist: Sdist, folder: Path, progress: Progress) -> Path:
    """Download a source distribution and build its wheel in an existing folder.

    Raises:
        ContainerEngineError: The index cannot be reached or offers other bytes, or the built wheel differs from the
            pinned one.
    """
    failed = f"{sdist.name} {sdist.version} cannot be built"
    pins = paths.find_packaged_folder("images") / sdist.image / BUILD_TOOLS_FILE
    requirements = folder / "source.txt"
    requirements.write_text(f"{sdist.name}=={sdist.version} --hash=sha256:{sdist.source}\n", "utf-8")
    tool = folder / "tools"
    uv: list[str | Path] = [tools.find_uv(), "--quiet", "--no-config"]
    with progress.step(f"building {sdist.name} {sdist.version}, which has no wheel"):
        for command in (
            [*uv, "venv", "--no-project", "--python", sys.executable, tool],
            [
                *uv,
                "pip",
                "install",
                "--python",
                tool,
                "--require-hashes",
                "--only-binary=:all:",
                "--requirement",
                pins,
            ],
        ):
            tools.run_tool(command, cwd=folder, variables=tools.build_uv_index_variables(), failed=failed)
        tools.run_tool(
            [
                *tools.build_pip_command(), "--python", tool / "bin" / "python", "wheel", "--quiet", "--no-input", "--no-cache-dir",
                "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-binary=:all:",
                "--require-hashes", "--requirement", requirements, "--wheel-dir", folder / "built",
            ],
            cwd=folder,
            variables={**tools.build_pip_index_variables(), "TMPDIR": str(folder)},  # /tmp may be too small
            failed=failed,
        )  # fmt: skip
        [built] = (folder / "built").glob("*.whl")
        wheel = folder / built.name
        _normalize_wheel(built, wheel)
    if (digest := hash_file(wheel)) != sdist.wheel:
        raise ContainerEngineError(
            f"{sdist.name} {sdist.version} became another wheel on this machine than the one that sandbox pins "
            f"(SHA-256 {digest}, not {sdist.wheel})",
            hint=f"it is made with {sys.executable}: try another Python, and please tell us",
        )
    return wheel


def _normalize_wheel(built: Path, target: Path) -> None:
    """Rewrite a wheel with reproducible bytes: sorted, undated, uncompressed."""
    with zipfile.ZipFile(built) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as plain:
        for entry in sorted(source.infolist(), key=lambda entry: entry.filename):
            written = zipfile.ZipInfo(entry.filename, ZIP_EPOCH)
            written.create_system = 3
            written.external_attr = (0o100755 if entry.external_attr >> 16 & 0o100 else 0o100644) << 16
            written.file_size = entry.file_size
            with source.open(entry) as content, plain.open(written, "w") as file:
                shutil.copyfileobj(content, file)
