"""The lock of a version without one of its own is kept, and counts only with the signature of this installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.containers.local.runtime import LocalRuntime
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.lock import StoredLock
from sandbox.model import SilentProgress
from sandbox.project.stack import Stack
from sandbox.store.seal_key import load_seal_key
from tests.projects import SourceProject

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from sandbox.manifest.lock import LockDocument
    from sandbox.provisioner.lock.request import StackRequest


def test_only_a_lock_that_this_installation_signed_is_used(
    tmp_path: Path,
    plain: StackRequest,
    small: LockDocument,
    no_index: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SANDBOX_HOME", str(tmp_path / "home"))
    project = SourceProject(root=tmp_path).project()
    stack = Stack(project=project, runtime=LocalRuntime(), warning=None, frozen=False)
    stored = project.state_folder / "locks" / f"{hash_json(small.inputs.model_dump())}.json"
    stored.parent.mkdir(parents=True)
    stored.write_text(StoredLock(lock=small).to_json_text(key=load_seal_key()), "utf-8")
    assert stack.find_or_resolve_lock(plain, None, SilentProgress()) == small
    for text in (
        StoredLock(lock=small).to_json_text(),
        StoredLock(lock=small).to_json_text(key=b"the key of somebody else"),
        small.to_json_text(),
        "",
    ):
        stored.write_text(text, "utf-8")
        resolved = stack.find_or_resolve_lock(plain, None, SilentProgress())
        assert resolved != small
        assert StoredLock.read(stored, key=load_seal_key()).lock == resolved
