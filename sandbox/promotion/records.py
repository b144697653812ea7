"""Keep promotion records: in the project's state folder, and in its store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.store.folder import write_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.config import Project
    from sandbox.store.remote import RemoteStore

PROMOTIONS_FOLDER = "promotions"
RECORD_SUFFIX = ".dsse.json"
MAX_RECORD_BYTES = 16 * 2**20


def write_record(project: Project, tree: str, name: str, text: str) -> tuple[str, str | None]:
    """Write a record, and push it to the project's store if it has one; return both places."""
    path = project.state_folder / PROMOTIONS_FOLDER / tree / f"{name}{RECORD_SUFFIX}"
    write_file(path, text)
    store = _open_store(project)
    if store is None:
        return str(path), None
    stored = f"{PROMOTIONS_FOLDER}/{tree}/{name}{RECORD_SUFFIX}"
    store.write(stored, [text.encode()])
    return str(path), store.format_address(stored)


def read_records(project: Project) -> Iterator[tuple[str, str]]:
    """Yield the place and text of every record of the project, and of its store.

    Raises:
        StoreError: The store does not answer.
    """
    folder = project.state_folder / PROMOTIONS_FOLDER
    for path in sorted(folder.glob(f"*/*{RECORD_SUFFIX}")):
        yield str(path), path.read_text("utf-8", errors="replace")
    store = _open_store(project)
    if store is None:
        return
    for name in sorted(store.list_sizes(PROMOTIONS_FOLDER)):
        stored = name if name.startswith(f"{PROMOTIONS_FOLDER}/") else f"{PROMOTIONS_FOLDER}/{name}"
        if stored.endswith(RECORD_SUFFIX):
            text = store.read_text(stored, most=MAX_RECORD_BYTES)
            if text is not None:
                yield store.format_address(stored), text


def _open_store(project: Project) -> RemoteStore | None:
    from sandbox.project.sharing import open_project_store  # noqa: PLC0415 - pyarrow is slow to import

    return open_project_store(project)
