"""Push samples to and pull them from a team's store, without trusting its contents.

The layout is described in docs/formats.md: ``samples/<fingerprint>/…`` as on a machine, with the manifest written last,
and ``requests/<hash of the specification>`` with the fingerprint drawn for it.
"""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

from sandbox.errors import StoreError, UsageError
from sandbox.formatting import format_count
from sandbox.manifest.canonical_json import hash_file, hash_json
from sandbox.samples.catalog import (
    FINGERPRINT_PATTERN,
    MANIFEST_FILE,
    find_size_problem,
    list_files,
    load_sample,
    resolve_sample_path,
)
from sandbox.samples.incoming import list_differences, parse_untrusted_manifest
from sandbox.samples.integrity import record_sample_files
from sandbox.samples.stored_requests import MAX_MANIFEST_BYTES, MAX_POINTER_BYTES, fetch_manifest, record_request
from sandbox.samples.transfer import Transfer, read_chunks, transfer_files, write_uninterrupted
from sandbox.samples.verify import verify_sample
from sandbox.store.folder import lock_path, publish_folder, restrict_access, translate_os_errors, write_file

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sandbox.manifest.sample import SampleManifest, StoredFile
    from sandbox.model import Progress, Sample
    from sandbox.samples.transfer import AdvanceCallback
    from sandbox.store.remote import ReadableStore, RemoteStore

MAX_LISTED_SAMPLES = 5
PARTIAL_FOLDER = ".pulled"
ABANDONED_AFTER_SECONDS = 7 * 86_400.0


def push_sample(sample_path: Path, store: RemoteStore, progress: Progress) -> Transfer:
    """Push a sample into a store and point its request to it.

    The manifest is written last, so a sample with a manifest is complete. A complete sample is never replaced: another
    version of DuckDB may have written the same rows as other bytes. An interrupted push is resumed, and a file in
    transfer is sent to its end.

    Raises:
        StoreError: The sample is damaged, or the store cannot be read or written.
    """
    _, manifest = load_sample(sample_path.parents[1], sample_path.name)
    folder = f"samples/{manifest.fingerprint}"
    store.check_exists()
    store.remove_leftovers(folder)
    there = store.list_sizes(folder)
    lacking = _find_missing_files(store, manifest, there)

    def send_file(file: StoredFile, advance: AdvanceCallback, stop: threading.Event) -> None:
        if not stop.is_set():
            _check_file(sample_path, file)
            store.write(f"{folder}/{file.path}", read_chunks(sample_path / file.path, advance))

    doing = f"pushing {manifest.fingerprint[:12]} to {store.name}"
    done = transfer_files(doing, list_files(manifest), lacking or [], send_file, progress)
    if lacking is not None:
        for name in there.keys() - {file.path for file in list_files(manifest)} - {MANIFEST_FILE}:
            store.remove(f"{folder}/{name}")  # from an interrupted push of other bytes
        write_uninterrupted(store, f"{folder}/{MANIFEST_FILE}", (sample_path / MANIFEST_FILE).read_bytes())
    record_request(store, manifest, progress)
    return done


def _find_missing_files(
    store: RemoteStore, manifest: SampleManifest, there: Mapping[str, int | None]
) -> list[StoredFile] | None:
    """Return the files to send and record them in the store; None if the sample is complete there."""
    offered = fetch_manifest(store, manifest.fingerprint) if MANIFEST_FILE in there else None
    if offered is not None and not list(list_differences(offered, there)):
        return None
    begun = f"pushes/{manifest.fingerprint}-{_compute_files_digest(manifest)}"
    resumed = offered is not None and _compute_files_digest(offered) == _compute_files_digest(manifest)
    if resumed or store.read_text(begun, most=MAX_POINTER_BYTES) is not None:
        return [file for file in list_files(manifest) if there.get(file.path) != file.bytes]
    write_uninterrupted(store, begun, b"\n")
    return list_files(manifest)


def _compute_files_digest(manifest: SampleManifest) -> str:
    """Compute a hash of exactly these files; equal rows can be stored as other bytes."""
    return hash_json(sorted([file.path, file.bytes, file.sha256] for file in list_files(manifest)))


def resolve_fingerprint(store: RemoteStore, prefix: str) -> str:
    """Return the fingerprint of the only sample in a store with a given prefix.

    Raises:
        UsageError: It is no prefix of a fingerprint, or that of several.
        StoreError: The store has no such sample, or cannot be read.
    """
    if FINGERPRINT_PATTERN.fullmatch(prefix):
        return prefix
    if not prefix or not FINGERPRINT_PATTERN.fullmatch(prefix.ljust(64, "0")):
        raise UsageError(f"{prefix!r} is not the beginning of a fingerprint", hint="use 0-9 and a-f")
    there = [name for name in store.list_folders("samples") if FINGERPRINT_PATTERN.fullmatch(name)]
    matches = [name for name in there if name.startswith(prefix)]
    if not matches:
        raise _build_missing_error(store, prefix, there)
    if len(matches) > 1:
        raise UsageError(
            f"{format_count(len(matches), 'sample')} in {store.name} begin with {prefix}",
            hint=_format_known_samples(matches),
        )
    return matches[0]


def pull_sample(
    home: Path, store: ReadableStore, fingerprint: str, *, request: str | None = None, progress: Progress
) -> tuple[Sample, Transfer]:
    """Pull a sample from a store unless it is stored here.

    Every file is checked on arrival, and the fingerprint is recomputed from the contents; anything else is removed.
    Files of an interrupted pull are kept beside the samples and reused.

    Args:
        home: The folder shared by a user's projects.
        store: The store.
        fingerprint: The full fingerprint.
        request: The request it must have been drawn for, if known.
        progress: Shows the step.

    Raises:
        StoreError: The sample is missing, damaged, drawn for another request, or too large for the disk.
    """
    target = resolve_sample_path(home, fingerprint)
    partial = target.parent / PARTIAL_FOLDER / fingerprint
    with lock_path(target):
        stored = _load_sample_if_sound(home, fingerprint)
        if stored is not None:
            check_request(stored[1], request, store)
            return stored[0], Transfer(files=0, bytes=0, files_present=len(list_files(stored[1])))
        manifest, text = fetch_complete_manifest(store, fingerprint)
        check_request(manifest, request, store)
        done = _fetch_files(store, manifest, partial, progress)
        write_file(partial / MANIFEST_FILE, text)
        _check_pulled_sample(partial, store, progress)
        with translate_os_errors(target):
            if target.exists():
                shutil.rmtree(target)
        restrict_access(partial)
        publish_folder(partial, target)
        record_sample_files(target, manifest)
    return load_sample(home, fingerprint)[0], done


def fetch_complete_manifest(store: ReadableStore, fingerprint: str) -> tuple[SampleManifest, str]:
    """Return the manifest in a store and its text, after checking that exactly its files are there."""
    folder = f"samples/{fingerprint}"
    text = store.read_text(f"{folder}/{MANIFEST_FILE}", most=MAX_MANIFEST_BYTES)
    if text is None:
        store.check_exists()
        if store.list_sizes(folder):
            raise StoreError(
                f"{store.format_address(folder)} is not complete: its manifest is not there",
                hint="push it again from where it was drawn, or wait until that has ended",
            )
        raise _build_missing_error(
            store,
            fingerprint,
            [name for name in store.list_folders("samples") if FINGERPRINT_PATTERN.fullmatch(name)],
        )
    manifest = parse_untrusted_manifest(text, fingerprint, origin=store.format_address(f"{folder}/{MANIFEST_FILE}"))
    problems = list(list_differences(manifest, store.list_sizes(folder)))
    if problems:
        raise _build_damaged_error(store, fingerprint, problems)
    return manifest, text


def _fetch_files(store: ReadableStore, manifest: SampleManifest, partial: Path, progress: Progress) -> Transfer:
    with translate_os_errors(partial):
        partial.mkdir(parents=True, exist_ok=True)
        os.utime(partial)
    _remove_abandoned_pulls(partial.parent)
    files = list_files(manifest)
    _remove_unlisted_files(partial, {file.path for file in files})
    lacking = [file for file in files if not _has_arrived(partial, file)]
    _check_free_space(partial, lacking)

    def fetch_file(file: StoredFile, advance: AdvanceCallback, stop: threading.Event) -> None:
        target = partial / file.path
        with translate_os_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        chunks = store.read_chunks(f"samples/{manifest.fingerprint}/{file.path}", most=file.bytes)
        _write_chunks(target, chunks, advance, stop)
        if not stop.is_set() and not _has_arrived(partial, file):
            with translate_os_errors(target):
                target.unlink()
            raise _build_damaged_error(store, manifest.fingerprint, [f"{file.path} is not what its SHA-256 says"])

    try:
        doing = f"pulling {manifest.fingerprint[:12]} from {store.name}"
        return transfer_files(doing, files, lacking, fetch_file, progress)
    except _DamagedSampleError:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _write_chunks(target: Path, chunks: Iterator[bytes], advance: AdvanceCallback, stop: threading.Event) -> None:
    with translate_os_errors(target), target.open("wb") as file:
        for chunk in chunks:
            if stop.is_set():
                return
            file.write(chunk)
            advance(len(chunk))


def _check_file(sample_path: Path, file: StoredFile) -> None:
    """Check a file against its record before it is sent, as uploads cannot be cancelled."""
    problem = find_size_problem(sample_path, file)
    if problem is None and hash_file(sample_path / file.path) != file.sha256:
        problem = f"{file.path} was changed"
    if problem:
        raise StoreError(
            f"the sample {sample_path.name[:12]} is damaged: {problem}",
            hint="draw it again: sandbox sample --refresh",
        )


def _load_sample_if_sound(home: Path, fingerprint: str) -> tuple[Sample, SampleManifest] | None:
    try:
        return load_sample(home, fingerprint)
    except StoreError:
        return None


def _has_arrived(folder: Path, file: StoredFile) -> bool:
    return find_size_problem(folder, file) is None and hash_file(folder / file.path) == file.sha256


def _remove_unlisted_files(partial: Path, listed: set[str]) -> None:
    """Remove files of an earlier pull that the manifest does not name, and empty folders."""
    for path in sorted(partial.rglob("*"), reverse=True):  # contents before their folder
        with translate_os_errors(path):
            if path.is_symlink() or not path.is_dir():
                if path.relative_to(partial).as_posix() not in listed:
                    path.unlink()
            elif not any(path.iterdir()):
                path.rmdir()


def _remove_abandoned_pulls(partials: Path) -> None:
    """Remove pulls not resumed within a week."""
    for path in partials.iterdir():
        if time.time() - path.stat().st_mtime > ABANDONED_AFTER_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _check_free_space(partial: Path, lacking: Sequence[StoredFile]) -> None:
    free = shutil.disk_usage(partial).free
    needed = sum(file.bytes for file in lacking)
    needed -= sum(path.stat().st_size for file in lacking if (path := partial / file.path).is_file())
    if needed > free:
        raise StoreError(
            f"what is to be pulled takes {needed / 1e9:,.1f} GB, and {partial.parent} has {free / 1e9:,.1f} GB left",
            hint="free some space, or put the store elsewhere with SANDBOX_HOME",
        )


def check_request(manifest: SampleManifest, request: str | None, store: ReadableStore) -> None:
    """Check that a sample was drawn for a request, if it is known."""
    if request is not None and hash_json(manifest.specification) != request:
        raise StoreError(
            f"{store.name} names the sample {manifest.fingerprint[:12]} for what this project asks for, but that was "
            "drawn for something else",
            hint=f"remove {store.format_address(f'requests/{request}')} and push the right sample",
        )


def _check_pulled_sample(partial: Path, store: ReadableStore, progress: Progress) -> None:
    problems = verify_sample(partial, progress)
    if problems:
        shutil.rmtree(partial, ignore_errors=True)
        raise _build_damaged_error(store, partial.name, problems)


class _DamagedSampleError(StoreError):
    """The sample in the store does not match its fingerprint."""


def _build_damaged_error(store: ReadableStore, fingerprint: str, problems: Sequence[str]) -> _DamagedSampleError:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    address = store.format_address(f"samples/{fingerprint}")
    return _DamagedSampleError(
        f"the sample {fingerprint[:12]} in {store.name} is damaged: {problems[0]}{more}",
        hint=f"remove {address} and push it again from where it was drawn",
    )


def _build_missing_error(store: ReadableStore, fingerprint: str, there: Sequence[str]) -> StoreError:
    return StoreError(f"there is no sample {fingerprint[:12]} in {store.name}", hint=_format_known_samples(there))


def _format_known_samples(names: Sequence[str]) -> str:
    if not names:
        return "there is none yet: sandbox sample push"
    more = f" and {len(names) - MAX_LISTED_SAMPLES} more" if len(names) > MAX_LISTED_SAMPLES else ""
    return f"there are: {', '.join(name[:16] for name in names[:MAX_LISTED_SAMPLES])}{more}"
