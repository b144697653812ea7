"""What a CSV file says arrives as it was written, whatever the types that are found for its columns."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.engine.duckdb.session import Session
from sandbox.sources.discover import list_source
from sandbox.sources.open_table import open_table
from sandbox.sources.registry import build_select

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8),
    st.sampled_from(
        ["007", "1_000", "+5", "1e5", " 1", "NULL", "nan", "-0", "0x1F", "1.", "TRUE", "yes", "12:30", "01/02/2024",
         "2024-02-30", "2024-1-5", "9223372036854775808", "18446744073709551616", "2024-01-01T00:00:00.1234567",
         "#", "∞", "1,5", '"', "a\nb", "٣", "١٢", "2024-01-01 24:00:00", "infinity-", ".", "-", "-.", "e5", "."]
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session(threads=2) as one:
        yield one


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("csv")


def quoted(value: object) -> str:
    """Give a field as RFC 4180 has it; Python's own writer leaves a carriage return bare before version 3.13."""
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if set(text) & set('",\r\n') else text


def read_back(
    session: Session, folder: Path, columns: list[list[Any]], files: int, line_end: str = "\n"
) -> tuple[list[str], list[Any]]:
    place = folder / "t"
    place.mkdir(exist_ok=True)
    for path in place.iterdir():
        path.unlink()
    rows = list(zip(*columns, strict=True))
    for index in range(files):
        with (place / f"{index}.csv").open("w", newline="", encoding="utf-8") as file:
            header = ",".join(f"c{number}" for number in range(len(columns)))
            lines = [header, *(",".join(map(quoted, row)) for row in rows[index::files])]
            file.write("".join(line + line_end for line in lines))
    table = open_table(session, list_source(".", base=folder), "t")
    cells = ", ".join(f"c{number}::varchar" for number in range(len(columns)))
    return list(table.columns.values()), session.fetch_rows(f"select {cells} from ({build_select(table)})")


@given(
    rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=12),
    files=st.integers(1, 3),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=60, deadline=None)
def test_every_text_column_arrives_letter_by_letter(
    session: Session, folder: Path, rows: list[tuple[str, str]], files: int, line_end: str
) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)]
    types, found = read_back(session, folder, columns, files, line_end)
    for number, kind in enumerate(types):
        if kind in ("VARCHAR", "BIGINT", "UBIGINT"):
            assert sorted(row[number] for row in found) == sorted(columns[number])


@pytest.mark.parametrize(
    ("kind", "strategy"),
    [
        ("BIGINT", st.integers(-(2**63), 2**63 - 1)),
        ("DOUBLE", st.floats(allow_nan=False, allow_infinity=False)),
        ("DATE", st.dates()),
        ("TIMESTAMP", st.datetimes()),
        ("BOOLEAN", st.booleans()),
    ],
)
@given(drawn=st.data(), files=st.integers(1, 3))
@settings(max_examples=10, deadline=None)
def test_typed_columns_get_their_type_however_the_rows_are_split(
    session: Session,
    folder: Path,
    kind: str,
    strategy: st.SearchStrategy[Any],
    drawn: st.DataObject,
    files: int,
) -> None:
    values = drawn.draw(st.lists(strategy, min_size=1, max_size=10))
    if kind == "DOUBLE":
        values.append(0.5)
    if kind == "TIMESTAMP":
        values.append(dt.datetime.fromisoformat("2024-01-01T12:00:00"))
    types, found = read_back(session, folder, [values, list(range(len(values)))], files)
    assert types == [kind, "BIGINT"]
    assert len(found) == len(values)
