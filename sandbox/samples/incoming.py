"""Check a manifest from a damaged or hostile store before any file is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.formatting import format_count
from sandbox.manifest.sample import SampleManifest
from sandbox.samples.catalog import MANIFEST_FILE, PROFILE_FILE, list_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SAMPLE_FOLDERS = ("tables", "weights")
MAX_PATH_LENGTH = 1024


def parse_untrusted_manifest(text: str, fingerprint: str, *, origin: str) -> SampleManifest:
    """Parse a manifest from a store and check that its paths stay in the sample's folder.

    Raises:
        StoreError: It is damaged, of an unknown format, of another sample, or names a forbidden path.
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
            raise StoreError(f"{origin} says that {file.path!r} has {format_count(file.bytes, 'byte')}")
        seen.add(file.path.casefold())
    return manifest


def list_differences(manifest: SampleManifest, listing: Mapping[str, int | None]) -> Iterator[str]:
    """Yield the differences between a store's listing and a manifest, one sentence each.

    Args:
        manifest: The sample's manifest.
        listing: File in the sample's folder of the store -> its bytes; None if it is no plain file.
    """
    expected = {file.path: file.bytes for file in list_files(manifest)}
    for name, size in sorted(expected.items()):
        actual = listing.get(name)
        if name not in listing:
            yield f"{name} is missing"
        elif actual is None:
            yield f"{name} is no plain file"
        elif actual != size:
            yield f"{name} has {format_count(actual, 'byte')}, not {size:,}"
    yield from (f"{name} does not belong there" for name in sorted(listing.keys() - expected.keys() - {MANIFEST_FILE}))


def _is_safe_path(path: str) -> bool:
    """Check that a path of a manifest stays within the sample on every file system."""
    steps = path.split("/")
    return path == PROFILE_FILE or (
        len(path) <= MAX_PATH_LENGTH
        and len(steps) > 1
        and steps[0] in SAMPLE_FOLDERS
        and all(step not in {"", ".", ".."} for step in steps)
        and not any(letter == "\\" or letter < " " or letter == "\x7f" for letter in path)
    )
