"""Keep the findings of ``sandbox why`` beside the report of a diff, and rewrite the report with them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sandbox.errors import StoreError
from sandbox.manifest.diff import DiffDocument
from sandbox.report.files import DOCUMENT_FILE, DiffResult, render_files, write_document
from sandbox.store.folder import choose_modes, lock_path, write_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.why.cause import OutputCause


def write_or_find_document(project: Project, document: DiffDocument, *, values: bool) -> DiffResult:
    """Return the newest report of the same runs and differences, else write a new one."""
    for folder in sorted((project.state_folder / "diffs").glob(f"*-{document.id.split('-')[1]}-*"), reverse=True):
        with contextlib.suppress(StoreError):
            stored = DiffDocument.read(folder / DOCUMENT_FILE)
            if stored.id == folder.name and stored.values == values and _has_differences_of(stored, document):
                return DiffResult(document=stored, folder=folder)
    return write_document(project, document, values=values)


def add_known_causes(project: Project, document: DiffDocument) -> DiffDocument:
    """Return a new document with the causes stored beside earlier reports of the same runs and differences."""
    for folder in sorted((project.state_folder / "diffs").glob(f"*-{document.id.split('-')[1]}-*"), reverse=True):
        with contextlib.suppress(StoreError):
            stored = DiffDocument.read(folder / DOCUMENT_FILE)
            if stored.causes and _has_differences_of(stored, document):
                return document.model_copy(update={"causes": stored.causes})
    return document


def _has_differences_of(stored: DiffDocument, document: DiffDocument) -> bool:
    """Return whether two documents are of the same runs and count the same rows."""
    runs = [(one.baseline.run, one.candidate.run) for one in (stored, document)]
    rows = [{name: output.rows for name, output in one.outputs.items()} for one in (stored, document)]
    return runs[0] == runs[1] and rows[0] == rows[1]


def add_causes(project: Project, folder: Path, causes: Mapping[str, OutputCause]) -> None:
    """Add causes to a stored diff, and write its reports again; two processes take turns.

    Raises:
        StoreError: The diff is damaged, or cannot be written.
    """
    with lock_path(folder.parent):
        document = DiffDocument.read(folder / DOCUMENT_FILE)
        merged = {name: _merge_cause(document.causes.get(name), cause) for name, cause in causes.items()}
        document = document.model_copy(update={"causes": {**document.causes, **merged}})
        for name, text in render_files(project, document).items():
            write_file(folder / name, text, mode=choose_modes()[1])


def _merge_cause(known: OutputCause | None, found: OutputCause) -> OutputCause:
    """Return a cause with the newest smallest case and explanations."""
    if known is None:
        return found
    update: dict[str, object] = {}
    if found.explanations:
        update |= {"rows": found.rows, "explanations": found.explanations}
    if found.smallest:
        update |= {"smallest": found.smallest, "is_minimal": found.is_minimal}
    return known.model_copy(update=update)
