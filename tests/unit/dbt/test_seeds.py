"""What is said of an edited seed that is part of the source."""

from __future__ import annotations

import pytest

from sandbox.dbt.seeds import describe_seed_change

BEFORE = b"id,name\n1,a\n"
REFRESH = "sandbox sample --refresh"


@pytest.mark.parametrize(
    ("after", "start", "end"),
    [
        (b"id,name\n1,b\n", "it has other rows than at main: ", f"to run both sides on its new contents: {REFRESH}"),
        (b'\xef\xbb\xbfid,name,"a, b"\r\n1,a,2\r\n', "it has the new column a, b: ", f"to run both sides with it: {REFRESH}"),
        (b"id,x,y\n", "it has the new columns x, y and has no column name any more: ", f"with them: {REFRESH}"),
        (b"id\n1\n", "it has no column name any more: ", f"on its new contents: {REFRESH}"),
        (None, "it is gone, ", "as it was drawn at main"),
        (b"", "it has no columns id, name any more: ", f"on its new contents: {REFRESH}"),
    ],
)  # fmt: skip
def test_an_edited_seed_is_named_with_what_to_do(after: bytes | None, start: str, end: str) -> None:
    text = describe_seed_change(BEFORE, after, ref="main", is_drawn=False)
    assert text.startswith(start)
    assert text.endswith(end)


def test_a_seed_that_was_drawn_anew_is_not_to_be_drawn_again() -> None:
    text = describe_seed_change(BEFORE, b"id,name\n1,b\n", ref="main", is_drawn=True)
    assert REFRESH not in text
    assert "the sample of its new contents" in text
