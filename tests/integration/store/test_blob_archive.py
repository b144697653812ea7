"""Archives of content-addressed files: resumed after a kill, and refused when they hold anything else."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from sandbox.errors import StoreError
from sandbox.store.blob_archive import open_archive, open_blob_writer

if TYPE_CHECKING:
    from pathlib import Path

PLAN = "a" * 64
PADDING = 448  # behind the last of these
CONTENTS = [b"", b"first", b"x" * 512, b"y" * 1_000_000]


class KilledError(Exception):
    """Stands for the end of the process."""


def compute_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_archive(path: Path, contents: list[bytes], *, killed_after: int | None = None) -> list[bytes]:
    """Write an archive; return the contents that the writer had to add."""
    added = []
    with open_blob_writer(path, PLAN) as writer:
        for number, content in enumerate(contents):
            if number == killed_after:
                raise KilledError
            if compute_digest(content) not in writer:
                added.append(content)
            writer.add_blob(compute_digest(content), len(content), [content])
        writer.write_document("{}")
    return added


def find_partial(path: Path) -> Path:
    (partial,) = path.parent.glob(".*.part")
    return partial


@pytest.mark.parametrize("torn", [0, 1, 511, 513, 900_000], ids=lambda torn: f"{torn} bytes lost")
def test_writer_goes_on_behind_the_last_complete_blob(tmp_path: Path, torn: int) -> None:
    whole = tmp_path / "whole"
    write_archive(whole, CONTENTS)
    path = tmp_path / "bundle"
    with pytest.raises(KilledError):
        write_archive(path, [*CONTENTS, b"last"], killed_after=4)
    partial = find_partial(path)
    partial.write_bytes(partial.read_bytes()[: partial.stat().st_size - torn])
    assert write_archive(path, CONTENTS) == ([] if torn <= PADDING else CONTENTS[3:])
    assert path.read_bytes() == whole.read_bytes()
    assert list(tmp_path.glob(".*.part")) == []


def test_changed_blob_of_an_unfinished_archive_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    with pytest.raises(KilledError):
        write_archive(path, [*CONTENTS, b"last"], killed_after=4)
    partial = find_partial(path)
    partial.write_bytes(partial.read_bytes().replace(b"first", b"worst"))
    assert write_archive(path, CONTENTS) == CONTENTS[1:]


def test_blobs_are_read_by_their_digests(tmp_path: Path) -> None:
    write_archive(tmp_path / "bundle", CONTENTS)
    archive = open_archive(tmp_path / "bundle")
    assert [b"".join(archive.read_blob(compute_digest(content))) for content in CONTENTS] == CONTENTS
    assert archive.digest == compute_digest(b"{}")


def test_what_is_written_must_be_what_its_digest_says(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is damaged"), open_blob_writer(tmp_path / "bundle", PLAN) as writer:
        writer.add_blob(compute_digest(b"a"), 1, [b"b"])


def test_two_writers_of_one_archive_exclude_each_other(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match="another command writes"),
        open_blob_writer(tmp_path / "bundle", PLAN),
        open_blob_writer(tmp_path / "bundle", PLAN),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../../etc/passwd", tarfile.REGTYPE),
        ("/etc/passwd", tarfile.REGTYPE),
        ("blobs/sha256/" + "0" * 64, tarfile.SYMTYPE),
        ("blobs/sha256/" + "0" * 64, tarfile.LNKTYPE),
        ("bundle.json", tarfile.FIFOTYPE),
    ],
)
def test_archive_with_anything_else_in_it_is_refused(tmp_path: Path, name: str, kind: bytes) -> None:
    with tarfile.open(tmp_path / "bundle", "w") as tar:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname, entry.size = kind, "/etc/passwd", 2 if kind == tarfile.REGTYPE else 0
        tar.addfile(entry, io.BytesIO(b"{}"))
    with pytest.raises(StoreError, match="is no bundle"):
        open_archive(tmp_path / "bundle")


@pytest.mark.parametrize("lost", [1600, 3000, 1_000_000])
def test_truncated_or_damaged_archive_is_refused(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "bundle"
    write_archive(path, CONTENTS)
    content = path.read_bytes()
    path.write_bytes(content[:-lost])
    with pytest.raises(StoreError, match=r"is not complete|no bundle"):
        open_archive(path)
    path.write_bytes(content.replace(b"first", b"worst"))
    with pytest.raises(StoreError, match="is damaged"):
        list(open_archive(path).read_blob(compute_digest(b"first")))
    path.write_bytes(b"")
    with pytest.raises(StoreError, match="is no bundle"):
        open_archive(path)
