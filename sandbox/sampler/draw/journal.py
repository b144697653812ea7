"""The journal of a draw: what is written already, so that a draw that was killed goes on where it was.

A line of JSON each: first the header, a digest of everything that decides what is written; then one line an item that
is done. A line is added when its part is on the disk. Docs: docs/formats.md, "A draw that is not finished".
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.manifest.canonical_json import file_digest
from sandbox.store.folder import reported, sync_file, write

if TYPE_CHECKING:
    from pathlib import Path

JOURNAL = "journal.jsonl"
FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Done:
    """An item that is done: its part (``path`` below the sample's folder), or that it gave no rows.

    Where there are no rows there is no part: 0 bytes and no digest.
    """

    path: str
    rows: int
    bytes: int = 0
    sha256: str = ""


@dataclass(kw_only=True)
class Journal:
    """The journal of one draw.

    Attributes:
        folder: Where it lies.
        sample: The folder that the parts lie in.
        done: What was recorded when it was opened, by path.
        added: How many were recorded since.
    """

    folder: Path
    sample: Path
    done: dict[str, Done] = field(default_factory=dict)
    added: int = 0

    @classmethod
    def opened(cls, folder: Path, header: str) -> Journal:
        """Give the journal of a folder, or a new one where there is none that fits; what it does not name is removed.

        Args:
            folder: The draw's folder.
            header: The digest of everything that decides.

        Raises:
            StoreError: It cannot be written.
        """
        with reported(folder):
            lines = _lines(folder / JOURNAL)
            done = _done(lines[1:]) if lines[:1] == [_header(header)] else {}
            sample = folder / "sample"
            for path in folder.iterdir():
                if path != sample:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            sample.mkdir(exist_ok=True)
            for path in sample.rglob("*"):
                if not path.is_dir() and path.relative_to(sample).as_posix() not in done:
                    path.unlink()
            head = [_header(header), *(dataclasses.asdict(one) for one in done.values())]
            write(folder / JOURNAL, "".join(map(_line, head)), mode=0o600)
        return cls(folder=folder, sample=sample, done=done)

    @property
    def bytes(self) -> int:
        """Bytes of the parts that were there."""
        return sum(one.bytes for one in self.done.values())

    @property
    def parts(self) -> int:
        """How many items are done."""
        return len(self.done) + self.added

    def finished(self, path: str) -> Done | None:
        """Give what was recorded of a part, if it is still what was recorded."""
        done = self.done.get(path)
        if done is None or not done.rows:
            return done
        part = self.sample / path
        with reported(part):
            whole = part.is_file() and part.stat().st_size == done.bytes and file_digest(part) == done.sha256
        return done if whole else None

    def add(self, path: str, rows: int) -> Done:
        """Record that a part is written; it and the record are on the disk when this returns, unless there are no rows.

        Raises:
            StoreError: They cannot be brought there.
        """
        done = Done(path=path, rows=rows)
        with reported(self.sample / path):
            if rows:
                sync_file(self.sample / path)
                done = self.described(path, rows)
            with (self.folder / JOURNAL).open("ab") as file:
                file.write(_line(dataclasses.asdict(done)).encode())
                file.flush()
                if rows:
                    os.fsync(file.fileno())
        self.added += 1
        return done

    def described(self, path: str, rows: int = 0) -> Done:
        """Give what a file that is written is like; nothing is recorded."""
        file = self.sample / path
        return Done(path=path, rows=rows, bytes=file.stat().st_size, sha256=file_digest(file))


def _header(digest: str) -> dict[str, Any]:
    return {"format_version": FORMAT_VERSION, "draw": digest}


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) + "\n"


def _lines(path: Path) -> list[dict[str, Any]]:
    """Read the lines up to the first that is torn; nothing where there is no journal."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    found = []
    for line in content.splitlines(keepends=True):
        try:
            value = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            value = None
        if not isinstance(value, dict):
            break
        found.append(value)
    return found


def _done(lines: list[dict[str, Any]]) -> dict[str, Done]:
    names = {field.name for field in dataclasses.fields(Done)}
    return {line["path"]: Done(**line) for line in lines if line.keys() == names}
