from __future__ import annotations

import json

import pytest

from sandbox.errors import FrozenMismatchError, StoreError
from sandbox.manifest.lock import LockDocument, LockedImage, LockedLibrary, PlatformLock
from sandbox.model import SilentProgress
from sandbox.provisioner.lock.frozen_check import check_frozen
from sandbox.provisioner.lock.request import StackRequest
from sandbox.provisioner.lock.resolver import compute_inputs, resolve_lock

PLAIN = StackRequest(image="python", python="3.13")
BASE = LockedImage(reference="sandbox/base:trixie", digest="sha256:" + "a" * 64)


def lock_of(request: StackRequest = PLAIN, **changes: object) -> LockDocument:
    entry = PlatformLock(
        python="3.13",
        libraries=[LockedLibrary(name="duckdb", version="2.0.0", hashes=["sha256:" + "0" * 64])],
    ).model_copy(update=changes)
    return LockDocument(inputs=compute_inputs(request), platforms={"linux/amd64": entry}, sample="f" * 64)


def test_a_lock_is_read_back_as_it_was_written() -> None:
    lock = lock_of(base=BASE, environment="b" * 64, layers=[BASE.digest])
    assert LockDocument.parse(lock.to_json_text(), origin="test") == lock


def test_a_lock_is_written_in_a_stable_order() -> None:
    resolved = resolve_lock(PLAIN, previous=None, upgrade=False, progress=SilentProgress())
    again = resolve_lock(PLAIN, previous=None, upgrade=False, progress=SilentProgress())
    assert resolved.to_json_text() == again.to_json_text()
    fields = json.loads(resolved.to_json_text())
    assert list(fields["platforms"]) == ["linux/amd64", "linux/arm64"]
    names = [one["name"] for one in fields["platforms"]["linux/amd64"]["libraries"]]
    assert names == sorted(names)


def test_a_lock_of_an_unknown_format_is_refused() -> None:
    fields = lock_of().to_dict() | {"format_version": 2}
    with pytest.raises(StoreError, match="format version 2"):
        LockDocument.parse(json.dumps(fields), origin="sandbox.lock")


def test_a_lock_of_the_same_inputs_is_kept_as_it_is() -> None:
    first = resolve_lock(PLAIN, previous=None, upgrade=False, progress=SilentProgress())
    assert resolve_lock(PLAIN, previous=first, upgrade=False, progress=SilentProgress()) is first


def test_the_sample_outlives_a_new_resolution() -> None:
    before = lock_of().model_copy(update={"inputs": lock_of().inputs.model_copy(update={"pins": "0"})})
    resolved = resolve_lock(PLAIN, previous=before, upgrade=False, progress=SilentProgress())
    assert resolved.sample == before.sample
    assert resolved.platforms.keys() == {"linux/amd64", "linux/arm64"}


def test_an_unchanged_lock_is_accepted_when_frozen() -> None:
    check_frozen(PLAIN, lock_of())
    check_frozen(lock_of(base=BASE), lock_of(base=BASE))


def test_a_lock_that_was_never_built_accepts_any_base_when_frozen() -> None:
    check_frozen(lock_of(base=BASE, environment="b" * 64), lock_of())


def test_without_a_lock_frozen_is_refused() -> None:
    with pytest.raises(FrozenMismatchError, match=r"there is no sandbox\.lock"):
        check_frozen(PLAIN, None)


@pytest.mark.parametrize(
    ("wanted", "differs"),
    [
        (
            StackRequest(
                image="python",
                python="3.13",
                requirements="requirements.txt",
                libraries=("six",),
            ),
            "requirements.txt asks for six now",
        ),
        (lock_of(libraries=[]), "linux/amd64: duckdb fell out"),
        (
            lock_of(libraries=[LockedLibrary(name="duckdb", version="2.0.1", hashes=["sha256:" + "0" * 64])]),
            "duckdb is 2.0.1, and was 2.0.0",
        ),
        (
            lock_of(libraries=[LockedLibrary(name="duckdb", version="2.0.0", hashes=["sha256:" + "1" * 64])]),
            "duckdb 2.0.0 has other files",
        ),
        (
            lock_of(base=LockedImage(reference="python:3.13@sha256:1", digest="sha256:1")),
            "the base image is python:3.13 (1), and was sandbox/base:trixie (aaaaaaaaaaaaaaaa)",
        ),
        (lock_of(environment="c" * 64), "the environment is cccccccccccccccc, and was bbbbbbbbbbbbbbbb"),
        (
            lock_of().model_copy(update={"sample": "e" * 64}),
            "the sample is eeeeeeeeeeeeeeee, and was ffffffffffffffff",
        ),
    ],
)
def test_what_differs_is_named_when_frozen(wanted: StackRequest | LockDocument, differs: str) -> None:
    committed = lock_of(base=BASE, environment="b" * 64)
    with pytest.raises(FrozenMismatchError) as caught:
        check_frozen(wanted, committed)
    assert differs in caught.value.message
    assert caught.value.status == 18
