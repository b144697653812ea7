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

from sandbox.manifest.canonical_json import hash_file
from sandbox.store.folder import sync_file, translate_os_errors, write_file

if TYPE_CHECKING:
    from pathlib import Path

JOURNAL_NAME = "journal.jsonl"
FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class PartRecord:
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
        records: What was recorded when it was opened, by path.
        added_count: How many were recorded since.
    """

    folder: Path
    sample: Path
    records: dict[str, PartRecord] = field(default_factory=dict)
    added_count: int = 0

    @classmethod
    def open(cls, folder: Path, header: str) -> Journal:
        """Give the journal of a folder, or a new one where there is none that fits; what it does not name is removed.

        Args:
            folder: The draw's folder.
            header: The digest of everything that decides.

        Raises:
            StoreError: It cannot be written.
        """
        with translate_os_errors(folder):
            lines = _read_lines(folder / JOURNAL_NAME)
            done = _parse_records(lines[1:]) if lines[:1] == [_build_header(header)] else {}
            sample = folder / "sample"
            for path in folder.iterdir():
                if path != sample:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            sample.mkdir(exist_ok=True)
            for path in sample.rglob("*"):
                if not path.is_dir() and path.relative_to(sample).as_posix() not in done:
                    path.unlink()
            head = [_build_header(header), *(dataclasses.asdict(one) for one in done.values())]
            write_file(folder / JOURNAL_NAME, "".join(map(_format_line, head)), mode=0o600)
        return cls(folder=folder, sample=sample, records=done)

    @property
    def bytes(self) -> int:
        """Bytes of the parts that were there."""
        return sum(one.bytes for one in self.records.values())

    @property
    def part_count(self) -> int:
        """How many items are done."""
        return len(self.records) + self.added_count

    def find_part(self, path: str) -> PartRecord | None:
        """Give what was recorded of a part, if it is still what was recorded."""
        done = self.records.get(path)
        if done is None or not done.rows:
            return done
        part = self.sample / path
        with translate_os_errors(part):
            whole = part.is_file() and part.stat().st_size == done.bytes and hash_file(part) == done.sha256
        return done if whole else None

    def add(self, path: str, rows: int) -> PartRecord:
        """Record that a part is written; it and the record are on the disk when this returns, unless there are no rows.

        Raises:
            StoreError: They cannot be brought there.
        """
        done = PartRecord(path=path, rows=rows)
        with translate_os_errors(self.sample / path):
            if rows:
                sync_file(self.sample / path)
                done = self.describe_part(path, rows)
            with (self.folder / JOURNAL_NAME).open("ab") as file:
                file.write(_format_line(dataclasses.asdict(done)).encode())
                file.flush()
                if rows:
                    os.fsync(file.fileno())
        self.added_count += 1
        return done

    def describe_part(self, path: str, rows: int = 0) -> PartRecord:
        """Give what a file that is written is like; nothing is recorded."""
        file = self.sample / path
        return PartRecord(path=path, rows=rows, bytes=file.stat().st_size, sha256=hash_file(file))


def _build_header(digest: str) -> dict[str, Any]:
    return {"format_version": FORMAT_VERSION, "draw": digest}


def _format_line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) + "\n"


def _read_lines(path: Path) -> list[dict[str, Any]]:
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


def _parse_records(lines: list[dict[str, Any]]) -> dict[str, PartRecord]:
    names = {field.name for field in dataclasses.fields(PartRecord)}
    return {line["path"]: PartRecord(**line) for line in lines if line.keys() == names}
