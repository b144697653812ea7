"""Render sandboxes, locks and checks of a machine for a terminal."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sandbox.formatting import escape_hidden, format_age, format_count, format_number, format_size
from sandbox.report.production.drift import describe_age

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from sandbox.manifest.lock import LockDocument
    from sandbox.manifest.production.drift import DriftCheck
    from sandbox.manifest.sample import SampleManifest
    from sandbox.manifest.sandbox_record import SandboxRecord
    from sandbox.model import Environment
    from sandbox.provisioner.lock.lock_diff import LockChange


def render_sandbox(
    record: SandboxRecord,
    manifest: SampleManifest,
    *,
    drawn: bool,
    check: DriftCheck | None = None,
    services: Sequence[Mapping[str, str]] = (),
) -> RenderableType:
    """Render a ready sandbox, in three lines and one for each service."""
    units = ", ".join(
        f"{format_number(sum(stratum.sampled for stratum in draw.strata))} of {format_number(sum(stratum.population for stratum in draw.strata))} {unit}"
        for unit, draw in manifest.units.items()
    )
    last = (check.checked, check.verdict) if check is not None else (None, None)
    when = (
        "drawn just now" if drawn else f"{describe_age(manifest.drawn, *last)}; to draw again: sandbox sample --refresh"
    )
    stack = record.environment
    return Group(
        Text(f"sandbox {record.name} is ready", style="bold"),
        Text(f"sample  {record.sample[:16]}  {units}, {when}"),
        Text(f"stack   {stack.id[:16]}  {stack.runtime}, {_describe_stack(stack)}"),
        *map(render_service, services),
        Text("next: sandbox diff", style="dim"),
    )


def _describe_stack(stack: Environment) -> str:
    return f"Python {stack.python} on {stack.base}" if stack.python else f"an image of your own, {stack.base}"


def render_service(service: Mapping[str, str]) -> RenderableType:
    """Render the address of a service for the user's own client."""
    client = f"PGPASSFILE={shlex.quote(service['passwords'])} psql " if "passwords" in service else ""
    return Text(f"{service['service']}  {client}{service['url']}", overflow="fold")


def render_lock(lock: LockDocument, path: Path, *, changed: bool, moved: Sequence[LockChange]) -> RenderableType:
    """Render a lock, and its changes from the previous one."""
    head = Text(f"{path}: {'written' if changed else 'up to date'}", style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("platform", "Python", "libraries", "base"):
        table.add_column(column)
    for platform, entry in lock.platforms.items():
        base = entry.base.reference if entry.base else "made when it is needed"
        table.add_row(platform, entry.python, str(len(entry.libraries)), base)
    return Group(head, table, *([_render_lock_changes(moved)] if moved else []))


def _render_lock_changes(moved: Sequence[LockChange]) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("moved", "from", "to", "platforms"):
        table.add_column(column)
    for change in moved:
        files = " (other files)" if change.before == change.after else ""
        table.add_row(
            escape_hidden(change.name),
            change.before or "–",
            f"{change.after or '–'}{files}",
            ", ".join(change.platforms),
        )
    return table


def render_sandboxes(records: Sequence[SandboxRecord], fields: Mapping[str, Any]) -> RenderableType:
    """Render the sandboxes of a project with their current resources."""
    if not records:
        return Text("no sandbox yet; to make one: sandbox create")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("name", "created", "runtime", "running"):
        table.add_column(column)
    for column in ("cpu", "memory", "sample", "stack"):
        table.add_column(column, justify="right")
    for record, item in zip(records, fields["sandboxes"], strict=True):
        cpu, memory = item["cpu_percent"], item["memory_bytes"]
        table.add_row(
            record.name,
            format_age(record.created),
            record.environment.runtime,
            str(len(item["running"])),
            f"{cpu:.0f} %" if cpu is not None else "–",
            format_size(memory) if memory is not None else "–",
            *(
                format_size(item[part]) if item[part] is not None else "gone"
                for part in ("sample_bytes", "environment_bytes")
            ),
        )
    held = f"{format_count(fields['runs'], 'run')}, {format_size(fields['runs_bytes'])}; all that this project keeps: {format_size(fields['state_bytes'])}"
    running = [item for sandbox in fields["sandboxes"] for item in sandbox["services"]]
    return Group(table, *map(render_service, running), Text(held, style="dim"))


class CheckRow(Protocol):
    """One check of the machine; ``ok`` is None if it was impossible."""

    @property
    def name(self) -> str: ...
    @property
    def ok(self) -> bool | None: ...
    @property
    def detail(self) -> str: ...
    @property
    def fix(self) -> str | None: ...


CHECK_MARKS = {True: ("ok", "green"), False: ("failed", "bold red"), None: ("not checked", "yellow")}


def render_checks(checks: Sequence[CheckRow]) -> RenderableType:
    """Render every check, with one fix for each failure."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    table.add_column(overflow="fold")
    for check in checks:
        mark, style = CHECK_MARKS[check.ok]
        table.add_row(check.name, Text(mark, style=style), Text(check.detail))
        if check.ok is False and check.fix:
            table.add_row("", "", Text(check.fix, style="cyan"))
    return table
