"""What workers have written becomes a sample of the store: parts get their place, the manifest comes last."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.manifest.canonical_json import digest
from sandbox.manifest.profile import Profile
from sandbox.samples.catalog import MANIFEST, files
from sandbox.samples.incoming import differences
from sandbox.samples.remote import MOST_POINTER, complete, named, parsed, require_request
from sandbox.samples.transfer import at_a_stretch, carried_out, read

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.manifest.sample import SampleManifest, Stored
    from sandbox.model import Progress
    from sandbox.samples.transfer import Advance
    from sandbox.store.remote import Remote

DRAWING = "drawing"
ABANDONED_AFTER = 7 * 86_400  # seconds in which a draw that goes on has written something


def sweep(store: Remote) -> None:
    """Remove what draws that were killed have left in a store; a week without a file means that one was."""
    store.require()
    newest: dict[str, int] = {}
    for path, size, written in store.entries(DRAWING):
        if size is not None:
            draw = path.split("/")[0]
            newest[draw] = max(newest.get(draw, 0), written)
    for draw, written in newest.items():
        if time.time() - written / 1e9 > ABANDONED_AFTER:
            store.clear(f"{DRAWING}/{draw}")


def published(
    store: Remote, manifest: SampleManifest, folder: Path, staged: Mapping[str, str], progress: Progress
) -> None:
    """Give the files of a sample their place in a store, and let the store name it for its request.

    A sample that is there whole stays as it is: equal rows may be other bytes.

    Args:
        store: The store.
        manifest: What the sample consists of.
        folder: Where the files lie that are not in the store yet.
        staged: Where those lie that are, by path in the sample.
        progress: Shows the step.

    Raises:
        StoreError: What was written is not there, or cannot be moved.
    """
    place = f"samples/{manifest.fingerprint}"
    there = store.sizes(place)
    offered = parsed(store, manifest.fingerprint) if MANIFEST in there else None
    if offered is None or list(differences(offered, there)):
        _require_written(store, manifest, staged)
        wanted = {file.path for file in files(manifest)}
        for name in sorted(there, key=lambda one: one != MANIFEST):  # without one it is no sample
            if name == MANIFEST or name not in wanted:
                store.remove(f"{place}/{name}")

        def put(file: Stored, advance: Advance, stop: threading.Event) -> None:
            if stop.is_set():
                return
            if file.path in staged:
                store.move(staged[file.path], f"{place}/{file.path}")
                advance(file.bytes)
            else:
                store.write(f"{place}/{file.path}", read(folder / file.path, advance))

        doing = f"publishing {manifest.fingerprint[:12]} in {store.name}"
        carried_out(doing, files(manifest), files(manifest), put, progress)
        at_a_stretch(store, f"{place}/{MANIFEST}", manifest.text().encode())
    request = f"requests/{digest(manifest.specification)}"
    if store.text(request, most=MOST_POINTER) != f"{manifest.fingerprint}\n":
        at_a_stretch(store, request, f"{manifest.fingerprint}\n".encode())


def there(store: Remote, request: str) -> SampleManifest | None:
    """Give the manifest of the sample that a store names for a request; None where it names none.

    Raises:
        StoreError: The sample is damaged, or was drawn for something else.
    """
    fingerprint = named(store, request)
    if fingerprint is None:
        return None
    manifest, _ = complete(store, fingerprint)
    require_request(manifest, request, store)
    return manifest


def profile(store: Remote, manifest: SampleManifest) -> Profile | None:
    """Give the profile of a sample in a store; None where it has none.

    Raises:
        StoreError: It is damaged.
    """
    if manifest.profile is None:
        return None
    path = f"samples/{manifest.fingerprint}/{manifest.profile.path}"
    text = store.text(path, most=manifest.profile.bytes)
    if text is None or hashlib.sha256(text.encode()).hexdigest() != manifest.profile.sha256:
        raise StoreError(f"{store.shown(path)} is not what the manifest says")
    return Profile.parse(text, origin=store.shown(path))


def _require_written(store: Remote, manifest: SampleManifest, staged: Mapping[str, str]) -> None:
    """Make sure that what workers say they wrote is where this machine sees it."""
    wanted = {staged[file.path]: file.bytes for file in files(manifest) if file.path in staged}
    found = {f"{DRAWING}/{path}": size for path, size, _ in store.entries(DRAWING)}
    lacking = [path for path, size in wanted.items() if found.get(path) != size]
    if lacking:
        raise StoreError(
            f"workers wrote {len(wanted):,} parts to {store.name}, and {len(lacking):,} of them are not there",
            hint="the store has to be one folder or bucket, under one name, for all workers and for this machine",
        )
