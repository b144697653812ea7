"""Libraries that an index has as source alone: built to wheels here, of pinned sources by pinned tools, to the same bytes everywhere.

Building carries out what is in the source, so it is done for what an image of sandbox pins by hash and for nothing else.
"""

from __future__ import annotations

import json
import os
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
    """A source that an image pins.

    Attributes:
        image: The folder of ``images/`` that does.
        name, version: Of the library.
        source, wheel: SHA-256 of the archive in the index, and of what is built of it, in hex.
    """

    image: str
    name: str
    version: str
    source: str
    wheel: str


def list_sdists(image: str | None = None) -> list[Sdist]:
    """Give the sources that images pin, or one image does."""
    return [
        Sdist(image=file.parent.name, **one)
        for file in sorted(paths.find_packaged_folder("images").glob(f"{image or '*'}/{SDISTS_FILE}"))
        for one in json.loads(file.read_text("utf-8"))
    ]


def find_sdist(library: LockedLibrary) -> Sdist | None:
    """Give the source that a library is built of; None where it has wheels."""
    return next((one for one in list_sdists() if f"sha256:{one.wheel}" in library.hashes), None)


def replace_sdist_hashes(libraries: Iterable[LockedLibrary]) -> list[LockedLibrary]:
    """Give libraries with the hash of the wheel in place of the hash of a source that it is built of."""
    built = {f"sha256:{one.source}": one for one in list_sdists()}
    found = []
    for library in libraries:
        one = next((built[value] for value in library.hashes if value in built), None)
        hashes = [f"sha256:{one.wheel}"] if one else library.hashes
        found.append(library.model_copy(update={"hashes": hashes}))
    return found


def build_wheel(one: Sdist, folder: Path, progress: Progress) -> Path:
    """Download a source and build its wheel.

    Args:
        one: The source.
        folder: An existing folder for the wheel and for what it takes meanwhile.
        progress: Shows both.

    Raises:
        EngineError: The index cannot be reached or offers other bytes, or what was built is not what is pinned.
    """
    failed = f"{one.name} {one.version} cannot be built"
    pins = paths.find_packaged_folder("images") / one.image / BUILD_TOOLS_FILE
    wanted = folder / "source.txt"
    wanted.write_text(f"{one.name}=={one.version} --hash=sha256:{one.source}\n", "utf-8")
    tool = folder / "tools"
    uv: list[str | Path] = [tools.find_uv(), "--quiet", "--no-config"]
    with progress.step(f"building {one.name} {one.version}, which has no wheel"):
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
            tools.run_tool(command, cwd=folder, variables=tools.build_uv_variables(), failed=failed)
        tools.run_tool(
            [
                *tools.build_pip_command(), "--python", tool / "bin" / "python", "wheel", "--quiet", "--no-input", "--no-cache-dir",
                "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-binary=:all:",
                "--require-hashes", "--requirement", wanted, "--wheel-dir", folder / "built",
            ],
            cwd=folder,
            variables={**os.environ, "TMPDIR": str(folder)},  # it may be larger than what /tmp holds
            failed=failed,
        )  # fmt: skip
        [made] = (folder / "built").glob("*.whl")
        wheel = folder / made.name
        _normalize_wheel(made, wheel)
    if (digest := hash_file(wheel)) != one.wheel:
        raise ContainerEngineError(
            f"{one.name} {one.version} became another wheel on this machine than the one that sandbox pins "
            f"(SHA-256 {digest}, not {one.wheel})",
            hint=f"it is made with {sys.executable}: try another Python, and please tell us",
        )
    return wheel


def _normalize_wheel(made: Path, target: Path) -> None:
    """Write a wheel anew so that its bytes follow from its files: in order, undated, not compressed."""
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as plain:
        for entry in sorted(source.infolist(), key=lambda one: one.filename):
            written = zipfile.ZipInfo(entry.filename, ZIP_EPOCH)
            written.create_system = 3
            written.external_attr = (0o100755 if entry.external_attr >> 16 & 0o100 else 0o100644) << 16
            written.file_size = entry.file_size
            with source.open(entry) as content, plain.open(written, "w") as file:
                shutil.copyfileobj(content, file)
