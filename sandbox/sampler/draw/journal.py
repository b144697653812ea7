"""Record written parts of a draw, so that a killed draw can be resumed.

Each line is JSON: first a header with a digest of everything that determines the output, then one line per finished
item. A line is added once its part is on the disk. Format: docs/formats.md, "A draw that is not finished".
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
    """A finished item and its part (``path`` below the sample's folder).

    An item without rows has no part: 0 bytes and no digest.
    """

    path: str
    rows: int
    bytes: int = 0
    sha256: str = ""


@dataclass(kw_only=True)
class Journal:
    """The journal of one draw.

    Attributes:
        folder: The draw's folder.
        sample: The folder of the parts.
        records: Records read when it was opened, by path.
        added_count: Number of records added since.
    """

    folder: Path
    sample: Path
    records: dict[str, PartRecord] = field(default_factory=dict)
    added_count: int = 0

    @classmethod
    def open(cls, folder: Path, header: str) -> Journal:
        """Open the journal of a folder, or create one if its header does not match; remove unrecorded files.

        ``header`` is the digest of everything that determines the output.

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
            head = [_build_header(header), *(dataclasses.asdict(record) for record in done.values())]
            write_file(folder / JOURNAL_NAME, "".join(map(_format_line, head)), mode=0o600)
        return cls(folder=folder, sample=sample, records=done)

    @property
    def bytes(self) -> int:
        """Bytes of the parts recorded when it was opened."""
        return sum(record.bytes for record in self.records.values())

    @property
    def part_count(self) -> int:
        """Number of finished items."""
        return len(self.records) + self.added_count

    def find_part(self, path: str) -> PartRecord | None:
        """Return the record of a part if its file still matches it."""
        done = self.records.get(path)
        if done is None or not done.rows:
            return done
        part = self.sample / path
        with translate_os_errors(part):
            whole = part.is_file() and part.stat().st_size == done.bytes and hash_file(part) == done.sha256
        return done if whole else None

    def add(self, path: str, rows: int) -> PartRecord:
        """Record a written part; both are synced to disk on return, unless there are no rows.

        Raises:
            StoreError: They cannot be synced.
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
        """Build the record of a written file without adding it."""
        file = self.sample / path
        return PartRecord(path=path, rows=rows, bytes=file.stat().st_size, sha256=hash_file(file))


def _build_header(digest: str) -> dict[str, Any]:
    return {"format_version": FORMAT_VERSION, "draw": digest}


def _format_line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) + "\n"


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """Read the lines up to the first incomplete one; empty without a journal."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    values = []
    for line in content.splitlines(keepends=True):
        try:
            value = json.loads(line) if line.endswith(b"\n") else None
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            break
        values.append(value)
    return values


def _parse_records(lines: list[dict[str, Any]]) -> dict[str, PartRecord]:
    names = {field.name for field in dataclasses.fields(PartRecord)}
    return {line["path"]: PartRecord(**line) for line in lines if line.keys() == names}
