"""Files of a bucket keep their etags without a request if their times rule a change out."""

from __future__ import annotations

from dataclasses import replace

from sandbox.sources.listing import MAX_CLOCK_DIFFERENCE, SourceFile, keep_etags

LISTED = 1_700_000_000.0


def file(age: float, *, etag: str = "", size: int = 9) -> SourceFile:
    modified = int((LISTED - age) * 1e9)
    return SourceFile(path="s3://b/x", name="x", bytes=size, modified=modified, etag=etag)


def test_only_files_older_than_the_clocks_may_differ_keep_their_etag() -> None:
    for age, kept in ((MAX_CLOCK_DIFFERENCE + 60, "e"), (MAX_CLOCK_DIFFERENCE - 60, ""), (-5, "")):
        assert [one.etag for one in keep_etags([file(age, etag="e")], LISTED, [file(age)])] == [kept]


def test_a_file_of_another_time_size_or_name_has_no_etag() -> None:
    before = file(2 * MAX_CLOCK_DIFFERENCE, etag="e")
    after = file(2 * MAX_CLOCK_DIFFERENCE)
    others = [replace(after, modified=after.modified + 10**9), replace(after, bytes=8), replace(after, path="s3://b/y")]
    assert [one.etag for one in keep_etags([before], LISTED, [after, *others])] == ["e", "", "", ""]
