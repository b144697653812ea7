"""``sandbox sample push`` and ``pull``: share samples through a folder or a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.errors import StoreError, UsageError
from sandbox.manifest.canonical_json import hash_json
from sandbox.masking import find_secret
from sandbox.samples.catalog import find_sample, load_sample, record_sample
from sandbox.samples.remote import pull_sample as pull_from
from sandbox.samples.remote import push_sample as push_to
from sandbox.samples.remote import resolve_fingerprint
from sandbox.samples.source_record import forget_source
from sandbox.samples.specification import compute_request_id
from sandbox.samples.stored_requests import fetch_requested_fingerprint
from sandbox.store.paths import find_home_folder
from sandbox.store.remote import open_store

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.model import Progress, Sample
    from sandbox.samples.transfer import Transfer
    from sandbox.store.remote import RemoteStore


@dataclass(frozen=True, kw_only=True)
class SharedSample:
    """A sample in a store and on this machine; ``used`` is whether it is the project's."""

    sample: Sample
    store: str
    transfer: Transfer
    used: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox sample push --json`` and ``pull --json``."""
        return {
            "format_version": 1,
            "fingerprint": self.sample.fingerprint,
            "path": str(self.sample.path),
            "store": self.store,
            "files": self.transfer.files,
            "bytes": self.transfer.bytes,
            "files_there": self.transfer.files_present,
            "used": self.used,
        }


def push(project: Project, *, uri: str | None, progress: Progress) -> SharedSample:
    """Push the project's sample to a uri or to the project's store.

    Raises:
        UsageError: Neither a uri nor a store in the settings is given.
        StoreError: There is no sample yet, or it cannot be pushed.
    """
    store = _open_store(project, uri, "sandbox sample push URI")
    sample = find_sample(project, find_home_folder())
    if sample is None:
        raise StoreError("this project's sample is not drawn yet", hint="draw it: sandbox sample")
    transfer = push_to(sample.path, store, progress)
    return SharedSample(sample=sample, store=store.name, transfer=transfer, used=True)


def pull(project: Project, *, fingerprint: str | None, uri: str | None, progress: Progress) -> SharedSample:
    """Pull a sample from a uri or from the project's store; without a fingerprint the requested one.

    It becomes the project's sample if it matches the project's request.

    Raises:
        UsageError: No uri or store is given, or the fingerprint matches no single sample.
        StoreError: It is missing or damaged.
    """
    store = _open_store(project, uri, "sandbox sample pull FINGERPRINT --store URI")
    if fingerprint is None:
        shared = pull_requested_sample(project, store, progress)
        if shared is None:
            raise StoreError(
                f"{store.name} has no sample of what this project asks for",
                hint="draw it and push it: sandbox sample, then sandbox sample push",
            )
        return shared
    sample, transfer = pull_from(find_home_folder(), store, resolve_fingerprint(store, fingerprint), progress=progress)
    _, manifest = load_sample(find_home_folder(), sample.fingerprint)
    used = hash_json(manifest.specification) == compute_request_id(project.settings)
    if used:
        record_sample(project, sample.fingerprint)
        forget_source(project)
    return SharedSample(sample=sample, store=store.name, transfer=transfer, used=used)


def pull_requested_sample(project: Project, store: RemoteStore, progress: Progress) -> SharedSample | None:
    """Pull the sample recorded in a store for a project's request and record it; None if there is none."""
    request = compute_request_id(project.settings)
    secret = find_secret(find_home_folder(), root=project.root)
    fingerprint = fetch_requested_fingerprint(
        store, request, secret_id=secret.id if secret else None, progress=progress
    )
    if fingerprint is None:
        return None
    sample, transfer = pull_from(find_home_folder(), store, fingerprint, request=request, progress=progress)
    record_sample(project, sample.fingerprint)
    forget_source(project)
    return SharedSample(sample=sample, store=store.name, transfer=transfer, used=True)


def open_project_store(project: Project) -> RemoteStore | None:
    """Open the store in a project's settings; None if there is none."""
    uri = project.settings.source.store
    return open_store(uri, base=project.root) if uri else None


def _open_store(project: Project, uri: str | None, usage: str) -> RemoteStore:
    if uri is not None:
        return open_store(uri, base=Path.cwd())
    store = open_project_store(project)
    if store is None:
        hint = f'{usage}, or in sandbox.toml: [source] store = "s3://team/samples"'
        raise UsageError("it is not said which store", hint=hint)
    return store
