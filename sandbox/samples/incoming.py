"""What a store says a sample is, checked before a byte of it is fetched: the store may be damaged, or hostile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.manifest.sample import SampleManifest
from sandbox.samples.catalog import MANIFEST_FILE, PROFILE_FILE, list_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SAMPLE_FOLDERS = ("tables", "weights")
MAX_PATH_LENGTH = 1024


def parse_untrusted_manifest(text: str, fingerprint: str, *, origin: str) -> SampleManifest:
    """Give a manifest that came from a store, once nothing in it could lead a file out of the sample's folder.

    Raises:
        StoreError: It is damaged, of an unknown format, that of another sample, or names a file that it may not.
    """
    manifest = SampleManifest.parse(text, origin=origin)
    if manifest.fingerprint != fingerprint:
        raise StoreError(f"{origin} is the manifest of {manifest.fingerprint[:80]!r}, not of {fingerprint[:12]}")
    seen: set[str] = set()
    for file in list_files(manifest):
        if not _is_safe_path(file.path):
            raise StoreError(f"{origin} names a file that cannot be part of a sample: {file.path[:MAX_PATH_LENGTH]!r}")
        if file.path.casefold() in seen:
            raise StoreError(f"{origin} names {file.path!r} twice")
        if file.bytes < 0:
            raise StoreError(f"{origin} says that {file.path!r} has {file.bytes} bytes")
        seen.add(file.path.casefold())
    return manifest


def list_differences(manifest: SampleManifest, found: Mapping[str, int | None]) -> Iterator[str]:
    """Give what a store's listing has other than a manifest says, one sentence each.

    Args:
        manifest: What the sample consists of.
        found: Every file in the sample's folder of the store with its bytes; None for what is no plain file.
    """
    wanted = {file.path: file.bytes for file in list_files(manifest)}
    for name, size in sorted(wanted.items()):
        there = found.get(name)
        if name not in found:
            yield f"{name} is missing"
        elif there is None:
            yield f"{name} is no plain file"
        elif there != size:
            yield f"{name} has {there:,} bytes, not {size:,}"
    yield from (f"{name} does not belong there" for name in sorted(found.keys() - wanted.keys() - {MANIFEST_FILE}))


def _is_safe_path(path: str) -> bool:
    """Say whether a path of a manifest stays within the sample on every file system."""
    steps = path.split("/")
    return path == PROFILE_FILE or (
        len(path) <= MAX_PATH_LENGTH
        and len(steps) > 1
        and steps[0] in SAMPLE_FOLDERS
        and all(step not in {"", ".", ".."} for step in steps)
        and not any(letter == "\\" or letter < " " or letter == "\x7f" for letter in path)
    )
