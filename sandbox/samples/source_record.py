"""Record the source that a project's sample was drawn from, and compare it with the configured one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sandbox.manifest.document import Document
from sandbox.samples.specification import compute_request_id
from sandbox.store.folder import write_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.config.settings import Project


class SourceRecord(Document):
    """``sources/<request>.json``: the source of a drawn sample, with the columns and DuckDB types of each table."""

    NAME: ClassVar[str] = "the record of the sample's source"

    fingerprint: str
    uri: str
    tables: dict[str, dict[str, str]]


def record_source(project: Project, fingerprint: str, tables: Mapping[str, Mapping[str, str]]) -> None:
    """Record the configured source as the one of a sample; ``tables`` are its columns and types by table."""
    record = SourceRecord(
        fingerprint=fingerprint,
        uri=project.settings.source.uri,
        tables={name: dict(columns) for name, columns in tables.items()},
    )
    write_file(_resolve_path(project), record.to_json_text())


def forget_source(project: Project) -> None:
    """Remove the record: a sample that came from a store may have been drawn anywhere."""
    _resolve_path(project).unlink(missing_ok=True)


def find_other_source(project: Project, fingerprint: str) -> SourceRecord | None:
    """Return the record of a sample's source if it is another one than the configured; None if it is not known.

    Raises:
        StoreError: The record is damaged.
    """
    path = _resolve_path(project)
    if not path.is_file():
        return None
    record = SourceRecord.read(path)
    if record.fingerprint != fingerprint:
        return None
    addresses = {_normalize_address(project, uri) for uri in (record.uri, project.settings.source.uri)}
    return record if len(addresses) > 1 else None


def _normalize_address(project: Project, uri: str) -> str:
    """Return an address without what does not matter: a path's spelling, a trailing slash."""
    if "://" in uri:
        return uri.rstrip("/")
    return str((project.root / uri).resolve())


def _resolve_path(project: Project) -> Path:
    return project.state_folder / "sources" / f"{compute_request_id(project.settings)}.json"
