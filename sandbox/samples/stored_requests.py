"""Record in a team's store which sample was drawn for a request: one for each secret of the masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.formatting import format_count
from sandbox.manifest.canonical_json import hash_json
from sandbox.samples.catalog import FINGERPRINT_PATTERN, MANIFEST_FILE
from sandbox.samples.incoming import parse_untrusted_manifest
from sandbox.samples.transfer import write_uninterrupted

if TYPE_CHECKING:
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Progress
    from sandbox.store.remote import RemoteStore

MAX_MANIFEST_BYTES = 2**28  # ten thousand strata and files take a few MiB
MAX_POINTER_BYTES = 200
REQUESTS_FOLDER = "requests"


def record_request(store: RemoteStore, manifest: SampleManifest, progress: Progress) -> None:
    """Point the request of a sample to it, for its secret; for all secrets only if it has the first one's.

    Raises:
        StoreError: The store cannot be read or written.
    """
    request = f"{REQUESTS_FOLDER}/{hash_json(manifest.specification)}"
    if manifest.masking_key is not None:
        _write_pointer(store, f"{request}.{manifest.masking_key}", manifest.fingerprint)
    named = store.read_text(request, most=MAX_POINTER_BYTES)
    first = fetch_manifest(store, named.strip()) if named and FINGERPRINT_PATTERN.fullmatch(named.strip()) else None
    if first is not None and first.masking_key != manifest.masking_key:
        progress.print_message(
            f"{store.name} has the sample {first.fingerprint[:12]} for the same request, masked with another secret (its id: "
            f"{first.masking_key}). Both stay: {manifest.fingerprint[:12]} is found with the secret {manifest.masking_key}, or by its name"
        )
        return
    _write_pointer(store, request, manifest.fingerprint)


def fetch_requested_fingerprint(
    store: RemoteStore, request: str, *, secret_id: str | None = None, progress: Progress | None = None
) -> str | None:
    """Return the fingerprint recorded in a store for a request (the hash of a specification), or None.

    Args:
        store: The store.
        request: The request.
        secret_id: The id of this machine's secret, whose sample is preferred; None if it has none.
        progress: Shows which one is taken if there are several.

    Raises:
        StoreError: The store cannot be read, or its record is no fingerprint.
    """
    pointer = f"{REQUESTS_FOLDER}/{request}"
    if secret_id is not None:
        masked = store.read_text(f"{pointer}.{secret_id}", most=MAX_POINTER_BYTES)
        if masked is not None:
            return _parse_pointer(store, f"{pointer}.{secret_id}", masked)
    text = store.read_text(pointer, most=MAX_POINTER_BYTES)
    if text is None:
        store.check_exists()
        return None
    fingerprint = _parse_pointer(store, pointer, text)
    ids = sorted(name.partition(".")[2] for name in store.list_sizes(REQUESTS_FOLDER) if name.startswith(f"{request}."))
    if len(ids) > 1 and progress is not None:
        progress.print_message(
            f"{store.name} has samples of this request masked with {format_count(len(ids), 'secret')} (ids: {', '.join(ids)}); this is the first, "
            f"{fingerprint[:12]}. Another one: sandbox sample pull FINGERPRINT"
        )
    return fingerprint


def fetch_manifest(store: RemoteStore, fingerprint: str) -> SampleManifest | None:
    """Return the manifest in a store; None if it is missing or damaged, to be replaced by a push."""
    path = f"samples/{fingerprint}/{MANIFEST_FILE}"
    text = store.read_text(path, most=MAX_MANIFEST_BYTES)
    try:
        return parse_untrusted_manifest(text or "", fingerprint, origin=store.format_address(path))
    except StoreError:
        return None


def _write_pointer(store: RemoteStore, path: str, fingerprint: str) -> None:
    text = f"{fingerprint}\n"
    if store.read_text(path, most=MAX_POINTER_BYTES) != text:
        write_uninterrupted(store, path, text.encode())


def _parse_pointer(store: RemoteStore, path: str, text: str) -> str:
    if not FINGERPRINT_PATTERN.fullmatch(text.strip()):
        raise StoreError(
            f"{store.format_address(path)} does not name a sample: {text[:80]!r}",
            hint="remove it and push the sample again",
        )
    return text.strip()
