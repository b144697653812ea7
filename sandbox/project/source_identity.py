"""Check that a project's sample came from the configured source, or accept another address of the same data."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sandbox.error_text import hide_credentials
from sandbox.errors import FrozenMismatchError
from sandbox.samples.source_record import find_other_source, record_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config import Project
    from sandbox.model import Progress


def check_source(project: Project, fingerprint: str) -> None:
    """Check that a sample was drawn from the configured source, as far as that is known.

    Raises:
        FrozenMismatchError: It was drawn from another one.
    """
    record = find_other_source(project, fingerprint)
    if record is not None:
        raise FrozenMismatchError(
            f"the sample {fingerprint[:12]} was drawn from {hide_credentials(record.uri)}, and uri in [source] is "
            f"{hide_credentials(project.settings.source.uri)}",
            hint="the same data at another address: sandbox sample --same-source\nother data: sandbox sample --refresh",
        )


def accept_source(project: Project, fingerprint: str, progress: Progress) -> None:
    """Record the configured source as another address of a sample's source.

    Raises:
        FrozenMismatchError: Its tables have other columns.
        SourceError: It cannot be read.
    """
    record = find_other_source(project, fingerprint)
    if record is None:
        return
    tables = _read_columns(project, progress)
    for name, columns in record.tables.items():
        if difference := _describe_difference(columns, tables.get(name, {})):
            raise FrozenMismatchError(
                f"{hide_credentials(project.settings.source.uri)} is not the source that the sample {fingerprint[:12]} was drawn from: "
                f"{name} {difference}",
                hint="draw from it: sandbox sample --refresh",
            )
    record_source(project, fingerprint, tables)


def _read_columns(project: Project, progress: Progress) -> dict[str, dict[str, str]]:
    """Return the columns and types of the sampled tables at the configured address."""
    from sandbox.engine.duckdb.session import Session  # noqa: PLC0415 - see `sandbox.project.plan`
    from sandbox.sources.discover import list_configured_source  # noqa: PLC0415
    from sandbox.sources.open_table import open_table  # noqa: PLC0415

    settings = project.settings
    columns = {}
    with (
        contextlib.closing(list_configured_source(settings.source, base=project.root)) as listing,
        Session(memory=settings.sample.memory) as session,
        progress.step("inspecting the source", total=len(settings.tables), unit="tables") as advance,
    ):
        for name, section in settings.tables.items():
            table = open_table(session, listing, name, section)
            columns[name] = dict(table.columns)
            advance(1)
    return columns


def _describe_difference(recorded: Mapping[str, str], present: Mapping[str, str]) -> str:
    """Describe the first difference of two tables' columns; empty if there is none."""
    for column, kind in recorded.items():
        if column not in present:
            return f"has no column {column}"
        if present[column] != kind:
            return f"has {column} as {present[column]}, not as {kind}"
    added = [column for column in present if column not in recorded]
    return f"also has the column {added[0]}" if added else ""
