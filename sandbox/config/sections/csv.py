"""``csv`` of ``[tables.NAME]``: how text files of a table are written."""

from __future__ import annotations

import codecs
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from sandbox.config.sections.base import ColumnNames, NonEmptyText, Section

OneCharacter = Annotated[str, StringConstraints(min_length=1, max_length=1, pattern=r"^[^\r\n\x00]$")]


def _check_encoding(name: str) -> str:
    """Return the usual name of an encoding of text.

    Raises:
        ValueError: Python has no such encoding.
    """
    try:
        found = codecs.lookup(name)
        "a".encode(name)
    except (LookupError, TypeError, UnicodeError):
        raise ValueError(f'{name!r} is not an encoding of text; for example "cp1252" or "latin-1"') from None
    return found.name


def _expand_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {column: [texts] if isinstance(texts, str) else texts for column, texts in value.items()}
    return [value] if isinstance(value, str) else value


class CsvSection(Section):
    """``csv``: how the CSV files of a table are written.

    A byte order mark decides before ``encoding``. An empty field without quotes is NULL in any case.
    """

    encoding: Annotated[str, AfterValidator(_check_encoding)] = Field(
        default="utf-8", description="Encoding of the files. A byte order mark goes first.", examples=["cp1252"]
    )
    delimiter: OneCharacter | None = Field(
        default=None,
        description="Character between fields. Default: the most frequent of `,`, tab, `;` and `|` in the first line.",
        examples=[";"],
    )
    quote: Annotated[str, StringConstraints(max_length=1, pattern=r"^[^\r\n\x00]?$")] = Field(
        default='"', description="Character around fields, doubled within them; empty for none.", examples=["'"]
    )
    header: bool | ColumnNames = Field(
        default=True,
        description="Whether the first line names the columns (else `column0`, `column1`, …), or the names themselves.",
        examples=[["id", "amount"]],
    )
    decimal: Literal[".", ","] = Field(default=".", description="Decimal separator of numbers.", examples=[","])
    thousands: Annotated[str, StringConstraints(pattern="^[.,' _\u00a0\u202f]$")] | None = Field(
        default=None, description="Separator of thousands in numbers.", examples=["."]
    )
    null: Annotated[list[str] | dict[str, list[str]], BeforeValidator(_expand_texts)] = Field(
        default_factory=list,
        description="Texts that are NULL: for every column, or a table of columns.",
        examples=[{"amount": ["NA", "-"]}],
    )
    date_format: NonEmptyText | dict[str, NonEmptyText] | None = Field(
        default=None,
        description=(
            "Format of dates and times, as in DuckDB's `strptime`: for columns that are text otherwise, or a table of "
            "columns."
        ),
        examples=["%d.%m.%Y"],
    )

    def list_null_texts(self, column: str) -> list[str]:
        """Return the texts that are NULL in a column."""
        return self.null.get(column, []) if isinstance(self.null, dict) else self.null

    def get_date_format(self, column: str) -> str | None:
        """Return the format of dates in a column."""
        return self.date_format.get(column) if isinstance(self.date_format, dict) else self.date_format

    @property
    def has_number_format(self) -> bool:
        """Whether numbers are written in another way than ``1234.5``."""
        return self.decimal != "." or self.thousands is not None

    @property
    def named_columns(self) -> list[str]:
        """The columns named by ``null`` and ``date_format``."""
        tables = [table for table in (self.null, self.date_format) if isinstance(table, dict)]
        return list(dict.fromkeys(column for table in tables for column in table))


PLAIN_CSV = CsvSection()
