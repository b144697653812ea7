"""Publish parts staged by executors as a sample of the store, with the manifest last."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.formatting import format_count
from sandbox.manifest.profile import SampleProfile
from sandbox.samples.catalog import MANIFEST_FILE, list_files
from sandbox.samples.incoming import list_differences
from sandbox.samples.remote import (
    check_request,
    fetch_complete_manifest,
)
from sandbox.samples.stored_requests import fetch_manifest, fetch_requested_fingerprint, record_request
from sandbox.samples.transfer import read_chunks, transfer_files, write_uninterrupted

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.manifest.sample import SampleManifest, StoredFile
    from sandbox.model import Progress
    from sandbox.samples.transfer import AdvanceCallback
    from sandbox.store.remote import RemoteStore

DRAWS_FOLDER = "drawing"
ABANDONED_AFTER_SECONDS = 7 * 86_400  # age of the newest file of an abandoned draw


def remove_abandoned_draws(store: RemoteStore) -> None:
    """Remove staged files of killed draws: those without a new file for a week."""
    store.check_exists()
    newest: dict[str, int] = {}
    for path, size, written in store.list_entries(DRAWS_FOLDER):
        if size is not None:
            draw = path.split("/")[0]
            newest[draw] = max(newest.get(draw, 0), written)
    for draw, written in newest.items():
        if time.time() - written / 1e9 > ABANDONED_AFTER_SECONDS:
            store.remove_folder(f"{DRAWS_FOLDER}/{draw}")


def publish_sample(
    store: RemoteStore, manifest: SampleManifest, folder: Path, staged: Mapping[str, str], progress: Progress
) -> None:
    """Move or copy a sample's files to their paths in a store, and point its request to it.

    A complete sample is kept, because equal rows may be stored as other bytes.

    Args:
        store: The store.
        manifest: The sample's manifest.
        folder: Local folder of the files not yet in the store.
        staged: Path in the sample -> staged path in the store.
        progress: Shows the step.

    Raises:
        StoreError: A staged file is missing or cannot be moved.
    """
    folder_path = f"samples/{manifest.fingerprint}"
    there = store.list_sizes(folder_path)
    offered = fetch_manifest(store, manifest.fingerprint) if MANIFEST_FILE in there else None
    if offered is None or list(list_differences(offered, there)):
        _check_staged_parts(store, manifest, staged)
        listed = {file.path for file in list_files(manifest)}
        for name in sorted(there, key=lambda entry: entry != MANIFEST_FILE):  # without one it is no sample
            if name == MANIFEST_FILE or name not in listed:
                store.remove(f"{folder_path}/{name}")

        def publish_file(file: StoredFile, advance: AdvanceCallback, stop: threading.Event) -> None:
            if stop.is_set():
                return
            if file.path in staged:
                store.move(staged[file.path], f"{folder_path}/{file.path}")
                advance(file.bytes)
            else:
                store.write(f"{folder_path}/{file.path}", read_chunks(folder / file.path, advance))

        doing = f"publishing {manifest.fingerprint[:12]} in {store.name}"
        transfer_files(doing, list_files(manifest), list_files(manifest), publish_file, progress)
        write_uninterrupted(store, f"{folder_path}/{MANIFEST_FILE}", manifest.to_json_text().encode())
    record_request(store, manifest, progress)


def find_manifest(store: RemoteStore, request: str, *, secret_id: str | None = None) -> SampleManifest | None:
    """Return the manifest of a request's sample in a store; None if there is none.

    ``secret_id`` is that of this machine's secret, whose sample is preferred.

    Raises:
        StoreError: The sample is damaged, or was drawn for another request.
    """
    fingerprint = fetch_requested_fingerprint(store, request, secret_id=secret_id)
    if fingerprint is None:
        return None
    manifest, _ = fetch_complete_manifest(store, fingerprint)
    check_request(manifest, request, store)
    return manifest


def read_profile(store: RemoteStore, manifest: SampleManifest) -> SampleProfile | None:
    """Read the profile of a sample in a store; None if it has none.

    Raises:
        StoreError: It is damaged.
    """
    if manifest.profile is None:
        return None
    path = f"samples/{manifest.fingerprint}/{manifest.profile.path}"
    text = store.read_text(path, most=manifest.profile.bytes)
    if text is None or hashlib.sha256(text.encode()).hexdigest() != manifest.profile.sha256:
        raise StoreError(f"{store.format_address(path)} is not what the manifest says")
    return SampleProfile.parse(text, origin=store.format_address(path))


def _check_staged_parts(store: RemoteStore, manifest: SampleManifest, staged: Mapping[str, str]) -> None:
    """Check that this machine sees the parts reported by executors."""
    expected = {staged[file.path]: file.bytes for file in list_files(manifest) if file.path in staged}
    sizes = {f"{DRAWS_FOLDER}/{path}": size for path, size, _ in store.list_entries(DRAWS_FOLDER)}
    lacking = [path for path, size in expected.items() if sizes.get(path) != size]
    if lacking:
        raise StoreError(
            f"workers wrote {format_count(len(expected), 'part')} to {store.name}; not there: {len(lacking):,}",
            hint="the store has to be one folder or bucket, under one name, for all workers and for this machine",
        )
