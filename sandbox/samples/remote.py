"""Samples in a store of the team: pushed there, found there, pulled from there; nothing that arrives is trusted.

The layout is that of docs/formats.md: ``samples/<fingerprint>/…`` as on a machine, the manifest last, and
``requests/<hash of the specification>``, which names the fingerprint that was drawn for it.
"""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

from sandbox.errors import StoreError, UsageError
from sandbox.manifest.canonical_json import digest, file_digest
from sandbox.samples.catalog import FINGERPRINT, MANIFEST, files, folder_of, load, size_problem
from sandbox.samples.incoming import differences, received
from sandbox.samples.transfer import Transfer, at_a_stretch, carried_out, read
from sandbox.samples.verify import verify
from sandbox.store.folder import locked, publish, reported, write

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sandbox.manifest.sample import SampleManifest, Stored
    from sandbox.model import Progress, Sample
    from sandbox.samples.transfer import Advance
    from sandbox.store.remote import Remote

MOST_MANIFEST = 2**28  # bytes; ten thousand strata and files take a few MiB
MOST_POINTER = 200
MOST_NAMED = 5
PARTIAL = ".pulled"
ABANDONED_AFTER = 7 * 86_400.0  # seconds


def push(sample_path: Path, store: Remote, progress: Progress) -> Transfer:
    """Bring a sample into a store, and let the store name it for its request.

    The manifest comes last, so a sample with a manifest is complete, and a complete one is left as it is: another version
    of the engine may have written the same rows as other bytes. Files that an interrupted push has brought are not
    sent again; one that is being sent when it is interrupted is sent to its end.

    Raises:
        StoreError: The sample is damaged, or the store cannot be read or written.
    """
    _, manifest = load(sample_path.parents[1], sample_path.name)
    place = f"samples/{manifest.fingerprint}"
    store.require()
    store.sweep(place)
    there = store.sizes(place)
    lacking = _lacking(store, manifest, there)

    def send(file: Stored, advance: Advance, stop: threading.Event) -> None:
        if not stop.is_set():
            _require_sound(sample_path, file)
            store.write(f"{place}/{file.path}", read(sample_path / file.path, advance))

    doing = f"pushing {manifest.fingerprint[:12]} to {store.name}"
    done = carried_out(doing, files(manifest), lacking or [], send, progress)
    if lacking is not None:
        for name in there.keys() - {file.path for file in files(manifest)} - {MANIFEST}:
            store.remove(f"{place}/{name}")  # of a push of other bytes that was interrupted
        at_a_stretch(store, f"{place}/{MANIFEST}", (sample_path / MANIFEST).read_bytes())
    request = f"requests/{digest(manifest.specification)}"
    if store.text(request, most=MOST_POINTER) != f"{manifest.fingerprint}\n":
        at_a_stretch(store, request, f"{manifest.fingerprint}\n".encode())
    return done


def _lacking(store: Remote, manifest: SampleManifest, there: Mapping[str, int | None]) -> list[Stored] | None:
    """Give the files that are to be sent, and note in the store which ones they are; None if the sample is there whole."""
    offered = parsed(store, manifest.fingerprint) if MANIFEST in there else None
    if offered is not None and not list(differences(offered, there)):
        return None
    begun = f"pushes/{manifest.fingerprint}-{_bytes_of(manifest)}"
    resumed = offered is not None and _bytes_of(offered) == _bytes_of(manifest)
    if resumed or store.text(begun, most=MOST_POINTER) is not None:
        return [file for file in files(manifest) if there.get(file.path) != file.bytes]
    at_a_stretch(store, begun, b"\n")
    return files(manifest)


def parsed(store: Remote, fingerprint: str) -> SampleManifest | None:
    """Give the manifest in a store; None where it is damaged, which is what a push is to mend."""
    path = f"samples/{fingerprint}/{MANIFEST}"
    text = store.text(path, most=MOST_MANIFEST)
    try:
        return received(text or "", fingerprint, origin=store.shown(path))
    except StoreError:
        return None


def _bytes_of(manifest: SampleManifest) -> str:
    """Give a hash of exactly these files: equal rows may be other bytes."""
    return digest(sorted([file.path, file.bytes, file.sha256] for file in files(manifest)))


def named(store: Remote, request: str) -> str | None:
    """Give the fingerprint that a store names for a request (the hash of a specification); None where it names none.

    Raises:
        StoreError: The store cannot be read, or what it holds there is no fingerprint.
    """
    pointer = f"requests/{request}"
    text = store.text(pointer, most=MOST_POINTER)
    if text is None:
        store.require()
        return None
    if not FINGERPRINT.fullmatch(text.strip()):
        raise StoreError(
            f"{store.shown(pointer)} does not name a sample: {text[:80]!r}",
            hint="remove it and push the sample again",
        )
    return text.strip()


def meant(store: Remote, beginning: str) -> str:
    """Give the fingerprint of the one sample in a store that begins as given.

    Raises:
        UsageError: It is no beginning of a fingerprint, or that of several.
        StoreError: The store has none that begins so, or cannot be read.
    """
    if FINGERPRINT.fullmatch(beginning):
        return beginning
    if not beginning or not FINGERPRINT.fullmatch(beginning.ljust(64, "0")):
        raise UsageError(f"{beginning!r} is not the beginning of a fingerprint", hint="use 0-9 and a-f")
    there = [name for name in store.folders("samples") if FINGERPRINT.fullmatch(name)]
    found = [name for name in there if name.startswith(beginning)]
    if not found:
        raise _none(store, beginning, there)
    if len(found) > 1:
        raise UsageError(f"{len(found)} samples in {store.name} begin with {beginning}", hint=_few(found))
    return found[0]


def pull(
    home: Path, store: Remote, fingerprint: str, *, request: str | None = None, progress: Progress
) -> tuple[Sample, Transfer]:
    """Bring a sample from a store, unless it is here already.

    Every file is checked as it arrives, and the fingerprint must follow from what has arrived. What fails that is removed.
    What an interrupted pull has brought stays beside the samples, and the next pull goes on.

    Args:
        home: The folder that a user's projects share.
        store: Where it is.
        fingerprint: All of it.
        request: What it must have been drawn for, where that is why it is pulled.
        progress: Shows the step.

    Raises:
        StoreError: It is not there, is not what its name says, was drawn for something else, or does not fit on the disk.
    """
    target = folder_of(home, fingerprint)
    partial = target.parent / PARTIAL / fingerprint
    with locked(target):
        found = _sound(home, fingerprint)
        if found is not None:
            require_request(found[1], request, store)
            return found[0], Transfer(files=0, bytes=0, there=len(files(found[1])))
        manifest, text = complete(store, fingerprint)
        require_request(manifest, request, store)
        done = _fetched(store, manifest, partial, progress)
        write(partial / MANIFEST, text)
        _require_whole(partial, store, progress)
        with reported(target):
            if target.exists():
                shutil.rmtree(target)  # damaged, see above
        publish(partial, target)
    return load(home, fingerprint)[0], done


def complete(store: Remote, fingerprint: str) -> tuple[SampleManifest, str]:
    """Give the manifest in a store, and its text, once the store has just the files that it names."""
    place = f"samples/{fingerprint}"
    text = store.text(f"{place}/{MANIFEST}", most=MOST_MANIFEST)
    if text is None:
        store.require()
        if store.sizes(place):
            raise StoreError(
                f"{store.shown(place)} is not complete: its manifest is not there",
                hint="push it again from where it was drawn, or wait until that has ended",
            )
        raise _none(
            store, fingerprint, [name for name in store.folders("samples") if FINGERPRINT.fullmatch(name)]
        )
    manifest = received(text, fingerprint, origin=store.shown(f"{place}/{MANIFEST}"))
    problems = list(differences(manifest, store.sizes(place)))
    if problems:
        raise _damaged(store, fingerprint, problems)
    return manifest, text


def _fetched(store: Remote, manifest: SampleManifest, partial: Path, progress: Progress) -> Transfer:
    with reported(partial):
        partial.mkdir(parents=True, exist_ok=True)
        os.utime(partial)
    _forget(partial.parent)
    wanted = files(manifest)
    _clear(partial, {file.path for file in wanted})
    lacking = [file for file in wanted if not _arrived(partial, file)]
    _require_space(partial, lacking)

    def fetch(file: Stored, advance: Advance, stop: threading.Event) -> None:
        target = partial / file.path
        with reported(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        chunks = store.chunks(f"samples/{manifest.fingerprint}/{file.path}", most=file.bytes)
        _keep(target, chunks, advance, stop)
        if not stop.is_set() and not _arrived(partial, file):
            with reported(target):
                target.unlink()
            raise _damaged(store, manifest.fingerprint, [f"{file.path} is not what its SHA-256 says"])

    try:
        doing = f"pulling {manifest.fingerprint[:12]} from {store.name}"
        return carried_out(doing, wanted, lacking, fetch, progress)
    except _DamagedError:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _keep(target: Path, chunks: Iterator[bytes], advance: Advance, stop: threading.Event) -> None:
    with reported(target), target.open("wb") as file:
        for chunk in chunks:
            if stop.is_set():
                return
            file.write(chunk)
            advance(len(chunk))


def _require_sound(sample_path: Path, file: Stored) -> None:
    """Make sure that a file is as it was recorded, before it is sent: an upload cannot be given up half-way."""
    problem = size_problem(sample_path, file)
    if problem is None and file_digest(sample_path / file.path) != file.sha256:
        problem = f"{file.path} was changed"
    if problem:
        raise StoreError(
            f"the sample {sample_path.name[:12]} is damaged: {problem}",
            hint="draw it again: sandbox sample --refresh",
        )


def _sound(home: Path, fingerprint: str) -> tuple[Sample, SampleManifest] | None:
    try:
        return load(home, fingerprint)
    except StoreError:
        return None


def _arrived(folder: Path, file: Stored) -> bool:
    return size_problem(folder, file) is None and file_digest(folder / file.path) == file.sha256


def _clear(partial: Path, wanted: set[str]) -> None:
    """Remove what an earlier pull left that the manifest does not name (any more)."""
    for path in partial.rglob("*"):
        if not path.is_dir() and path.relative_to(partial).as_posix() not in wanted:
            with reported(path):
                path.unlink()


def _forget(partials: Path) -> None:
    """Remove what pulls that nobody took up again for a week have brought."""
    for path in partials.iterdir():
        if time.time() - path.stat().st_mtime > ABANDONED_AFTER:
            shutil.rmtree(path, ignore_errors=True)


def _require_space(partial: Path, lacking: Sequence[Stored]) -> None:
    free = shutil.disk_usage(partial).free
    needed = sum(file.bytes for file in lacking)
    needed -= sum(path.stat().st_size for file in lacking if (path := partial / file.path).is_file())
    if needed > free:
        raise StoreError(
            f"what is to be pulled takes {needed / 1e9:,.1f} GB, and {partial.parent} has {free / 1e9:,.1f} GB left",
            hint="free some space, or put the store elsewhere with SANDBOX_HOME",
        )


def require_request(manifest: SampleManifest, request: str | None, store: Remote) -> None:
    """Make sure that a sample was drawn for what is asked for, where that is known."""
    if request is not None and digest(manifest.specification) != request:
        raise StoreError(
            f"{store.name} names the sample {manifest.fingerprint[:12]} for what this project asks for, but that was "
            "drawn for something else",
            hint=f"remove {store.shown(f'requests/{request}')} and push the right sample",
        )


def _require_whole(partial: Path, store: Remote, progress: Progress) -> None:
    problems = verify(partial, progress)
    if problems:
        shutil.rmtree(partial, ignore_errors=True)
        raise _damaged(store, partial.name, problems)


class _DamagedError(StoreError):
    """What is in the store is not the sample that it is called."""


def _damaged(store: Remote, fingerprint: str, problems: Sequence[str]) -> _DamagedError:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    place = store.shown(f"samples/{fingerprint}")
    return _DamagedError(
        f"the sample {fingerprint[:12]} in {store.name} is damaged: {problems[0]}{more}",
        hint=f"remove {place} and push it again from where it was drawn",
    )


def _none(store: Remote, wanted: str, there: Sequence[str]) -> StoreError:
    return StoreError(f"there is no sample {wanted[:12]} in {store.name}", hint=_few(there))


def _few(names: Sequence[str]) -> str:
    if not names:
        return "there is none yet: sandbox sample push"
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"there are: {', '.join(name[:16] for name in names[:MOST_NAMED])}{more}"
