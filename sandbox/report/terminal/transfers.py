"""Render pushes and pulls of samples for a terminal."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from sandbox.formatting import escape_hidden, format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from sandbox.model import Sample
    from sandbox.samples.transfer import Transfer
    from sandbox.store.bundle_document import BundleDocument


def render_push(sample: Sample, store: str, transfer: Transfer) -> RenderableType:
    """Render a pushed sample's store, and the command to pull it."""
    name, store = sample.fingerprint[:16], escape_hidden(store)
    return Group(
        Text(f"sample {name} is in {store}: {_format_amount(transfer)}", style="bold"),
        Text(f"to get it elsewhere: sandbox sample pull {name} --store {shlex.quote(store)}", style="dim"),
    )


def render_pull(sample: Sample, transfer: Transfer, *, used: bool) -> RenderableType:
    """Render a pulled sample, and whether the project uses it."""
    head = f"sample {sample.fingerprint[:16]} is here: {_format_amount(transfer)}"
    remark = (
        Text("it is the sample that this project asks for; next: sandbox create", style="dim")
        if used
        else Text("it is not what sandbox.toml asks for, so this project does not use it", style="yellow")
    )
    return Group(Text(head, style="bold"), remark, Text(escape_hidden(str(sample.path)), style="dim"))


def render_bundle(file: Path, digest: str, size: int, document: BundleDocument) -> RenderableType:
    """Render a written bundle: what it holds, and the command to read it."""
    count = f"{format_count(len(document.files), 'file')}, {format_count(len(document.images), 'image')}"
    return Group(
        Text(f"{escape_hidden(str(file))}: {format_size(size)}, {count}, for {document.platform}", style="bold"),
        Text(
            f"in a clone of this commit on the other machine: sandbox unbundle {shlex.quote(file.name)} --digest {digest}"
        ),
        Text(f"it holds the rows of the sample {document.sample[:16]}: who has it can read them", style="yellow"),
    )


def render_unbundled(sample: str, files: int, images: Sequence[str]) -> RenderableType:
    """Render what came out of a bundle."""
    count = f"{format_count(files, 'file')}, {format_count(len(images), 'image')}"
    return Group(
        Text(f"sample {sample[:16]} is here, and of its stack what was missing: {count}", style="bold"),
        Text("next: sandbox create, or sandbox diff", style="dim"),
    )


def _format_amount(transfer: Transfer) -> str:
    if not transfer.files:
        return "everything was there already"
    there = f", {format_count(transfer.files_present, 'file')} there already" if transfer.files_present else ""
    return f"{format_count(transfer.files, 'file')}, {format_size(transfer.bytes)}{there}"
