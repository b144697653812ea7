"""Broken CSV in a comparison: the message says line and cause, as for sources."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from sandbox.compare.reading.table_reader import TableReader
from sandbox.engine.duckdb.session import Session
from sandbox.errors import PipelineError, SandboxError
from sandbox.model import TableFiles

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"id,v\n1,a\n2,b,c\n", "line 3 has 3 fields where the header has 2"),
        (b"id;v\n1;a\n2\n", "line 3 has 1 fields where the header has 2"),
        (b"id,v\n1,caf\xe9\n", "line 2 is not UTF-8"),
        (b"", "is empty; the first line must name the columns"),
        (b"id,v\r\n1,a\n2,b\r\n", "line 2 ends in LF, the others in CRLF"),
        (b'id,v\n1,"a\n2,b\n', "line 2 has a quote that does not end"),
    ],
)
def test_a_broken_line_is_named_with_its_cause(tmp_path: Path, content: bytes, words: str, packed: bool) -> None:
    path = tmp_path / ("t.csv.gz" if packed else "t.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    with Session(failure=PipelineError) as session, pytest.raises(SandboxError) as raised:
        TableReader(session, PipelineError).open("baseline", TableFiles(name="t", format="csv", paths=(path,)))
    assert raised.value.message.startswith(f"the baseline's t ({path.name}) cannot be read: ")
    assert words in raised.value.message
