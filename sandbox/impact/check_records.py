"""Read and write the signed results of checks in a project's state folder: ``FOLDER/<identity>.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sandbox.errors import StoreError
from sandbox.manifest.comparison import CertificateRecord
from sandbox.manifest.separability import GroupsRecord, SeparabilityRecord
from sandbox.manifest.why.expected_columns import ExpectedColumnsRecord
from sandbox.store.folder import write_file
from sandbox.store.seal_key import load_seal_key

if TYPE_CHECKING:
    from pathlib import Path

CheckRecord = SeparabilityRecord | GroupsRecord | CertificateRecord | ExpectedColumnsRecord
FOLDERS: dict[type[CheckRecord], str] = {
    SeparabilityRecord: "separability",
    GroupsRecord: "groups",
    CertificateRecord: "certificates",
    ExpectedColumnsRecord: "expected-columns",
}

Record = TypeVar("Record", SeparabilityRecord, GroupsRecord, CertificateRecord, ExpectedColumnsRecord)


def read_record(kind: type[Record], state_folder: Path, identity: str) -> Record | None:
    """Read the record of a check; None if it is missing, damaged or forged."""
    path = _build_path(kind, state_folder, identity)
    if not path.is_file():
        return None
    try:
        record = kind.read(path, key=load_seal_key())
    except StoreError:
        return None
    return record if record.identity == identity else None


def write_record(state_folder: Path, record: CheckRecord) -> None:
    """Write the record of a check, replacing an earlier one.

    Raises:
        StoreError: It cannot be written.
    """
    path = _build_path(type(record), state_folder, record.identity)
    write_file(path, record.to_json_text(key=load_seal_key()), mode=0o600)


def _build_path(kind: type[CheckRecord], state_folder: Path, identity: str) -> Path:
    return state_folder / FOLDERS[kind] / f"{identity}.json"
