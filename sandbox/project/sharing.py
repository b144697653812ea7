"""``sandbox sample push`` and ``pull``: share samples through a folder or a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.errors import StoreError, UsageError
from sandbox.manifest.canonical_json import hash_json
from sandbox.samples.catalog import find_sample, load_sample, record_sample
from sandbox.samples.remote import fetch_requested_fingerprint, resolve_fingerprint
from sandbox.samples.remote import pull_sample as pull_from
from sandbox.samples.remote import push_sample as push_to
from sandbox.samples.specification import compute_request_id
from sandbox.store.paths import find_home_folder
from sandbox.store.remote import open_store

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.model import Progress, Sample
    from sandbox.samples.transfer import Transfer
    from sandbox.store.remote import RemoteStore


@dataclass(frozen=True, kw_only=True)
class SharedSample:
    """A sample that is in a store and here; ``used`` says whether it is the project's."""

    sample: Sample
    store: str
    transfer: Transfer
    used: bool

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox sample push --json`` and ``pull --json``."""
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


def push(project: Project, *, place: str | None, progress: Progress) -> SharedSample:
    """Bring the project's sample to a place, or to the project's store.

    Raises:
        UsageError: No place is given, and the project names no store.
        StoreError: There is no sample yet, or it cannot be brought there.
    """
    store = _open_store(project, place, "sandbox sample push URI")
    sample = find_sample(project, find_home_folder())
    if sample is None:
        raise StoreError("this project's sample is not drawn yet", hint="draw it: sandbox sample")
    transfer = push_to(sample.path, store, progress)
    return SharedSample(sample=sample, store=store.name, transfer=transfer, used=True)


def pull(project: Project, *, fingerprint: str | None, place: str | None, progress: Progress) -> SharedSample:
    """Bring a sample from a place, or from the project's store; without a fingerprint the one that the project asks for.

    It becomes the project's if it is what the project asks for.

    Raises:
        UsageError: No place is given and the project names no store, or the fingerprint is not that of one sample.
        StoreError: It is not there, or not what its name says.
    """
    store = _open_store(project, place, "sandbox sample pull FINGERPRINT --store URI")
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
    return SharedSample(sample=sample, store=store.name, transfer=transfer, used=used)


def pull_requested_sample(project: Project, store: RemoteStore, progress: Progress) -> SharedSample | None:
    """Bring the sample that a store names for what a project asks for, and make it the project's; None if it names none."""
    request = compute_request_id(project.settings)
    fingerprint = fetch_requested_fingerprint(store, request)
    if fingerprint is None:
        return None
    sample, transfer = pull_from(find_home_folder(), store, fingerprint, request=request, progress=progress)
    record_sample(project, sample.fingerprint)
    return SharedSample(sample=sample, store=store.name, transfer=transfer, used=True)


def open_project_store(project: Project) -> RemoteStore | None:
    """Open the store that a project names; None if it names none."""
    place = project.settings.source.store
    return open_store(place, base=project.root) if place else None


def _open_store(project: Project, place: str | None, usage: str) -> RemoteStore:
    if place is not None:
        return open_store(place, base=Path.cwd())
    store = open_project_store(project)
    if store is None:
        hint = f'{usage}, or in sandbox.toml: [source] store = "s3://team/samples"'
        raise UsageError("it is not said which store", hint=hint)
    return store
