"""Read and write the signed sums of random groups in a project's state folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.manifest.separability import GroupsRecord
from sandbox.store.folder import write_file
from sandbox.store.seal_key import load_seal_key

if TYPE_CHECKING:
    from pathlib import Path

RECORDS_FOLDER = "groups"


def read_record(state_folder: Path, identity: str) -> GroupsRecord | None:
    """Read the record of a side's groups; None if it is missing, damaged or forged."""
    path = _build_path(state_folder, identity)
    if not path.is_file():
        return None
    try:
        record = GroupsRecord.read(path, key=load_seal_key())
    except StoreError:
        return None
    return record if record.identity == identity else None


def write_record(state_folder: Path, record: GroupsRecord) -> None:
    """Write the record of a side's groups, replacing an earlier one.

    Raises:
        StoreError: It cannot be written.
    """
    path = _build_path(state_folder, record.identity)
    write_file(path, record.to_json_text(key=load_seal_key()), mode=0o600)


def _build_path(state_folder: Path, identity: str) -> Path:
    return state_folder / RECORDS_FOLDER / f"{identity}.json"
