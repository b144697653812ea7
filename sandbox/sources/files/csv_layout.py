"""Read how CSV files are laid out: encoding, delimiter, header and line ends."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.decoded_files import (
    DECODED_COMPRESSIONS,
    Decoding,
    decode_blocks,
    find_marked_encoding,
    open_decompressed,
)
from sandbox.engine.duckdb.session import quote_literal
from sandbox.engine.duckdb.table_functions import build_compression_option, detect_delimiter, format_file_list
from sandbox.errors import SourceError
from sandbox.formatting import format_count
from sandbox.sources.unreadable_file import build_file_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sandbox.config.sections.csv import CsvSection
    from sandbox.sources.listing import SourceFile

PLAIN_TEXT_SUFFIX = ".txt"
HEAD_BYTES = 4
BLOCK_BYTES = 1 << 22
PROPOSED_ENCODINGS = ("cp1252", "latin-1")  # the first that decodes a file; the last one decodes all


@dataclass(frozen=True, kw_only=True)
class CsvLayout:
    """What DuckDB has to be told to read a CSV file.

    Attributes:
        delimiter: Between fields.
        quote: Around fields; empty for none.
        columns: In the file's order.
        has_header: Whether the first line names them.
        compression: The file's, where DuckDB decompresses it.
    """

    delimiter: str
    columns: tuple[str, ...]
    quote: str = '"'
    has_header: bool = True
    compression: str | None = None


def build_csv_reader(addresses: Iterable[str], layout: CsvLayout, option: str = "") -> str:
    """Build the table function for CSV files of one layout as text, without detection.

    An empty field is NULL, ``""`` is an empty text, and a malformed line is an error.
    """
    columns = ", ".join(f"{quote_literal(name)}: 'VARCHAR'" for name in layout.columns)
    quote = quote_literal(layout.quote)
    return (
        f"read_csv({format_file_list(addresses)}, auto_detect = false, columns = {{{columns}}}, "
        f"header = {str(layout.has_header).lower()}, "
        f"delim = {quote_literal(layout.delimiter)}, quote = {quote}, escape = {quote}, strict_mode = true, "
        f"nullstr = '', allow_quoted_nulls = false, {build_compression_option([layout.compression])}, "
        f"hive_partitioning = false{option})"
    )


def group_by_layout(files: Sequence[SourceFile], layouts: Sequence[CsvLayout]) -> dict[CsvLayout, list[str]]:
    """Group the addresses of files by layout."""
    groups: dict[CsvLayout, list[str]] = {}
    for file, layout in zip(files, layouts, strict=True):
        groups.setdefault(layout, []).append(file.address)
    return groups


def decode_file(file: SourceFile, section: CsvSection) -> SourceFile:
    """Return a file with the decoding that its compression, its byte order mark or the settings ask for.

    Raises:
        SourceError: It cannot be read.
    """
    encoding = section.encoding
    try:
        with file.open_decompressed() as stream:
            encoding = find_marked_encoding(stream.read(HEAD_BYTES)) or encoding
    except (OSError, EOFError) as error:
        raise build_file_error(f"{file.path}: the header", "cannot be read", error) from error
    plain = encoding in {"utf-8", "utf-8-sig", "ascii"}
    compression = file.compression if not plain or file.compression in DECODED_COMPRESSIONS else None
    return replace(file, decoding=Decoding(compression=compression, encoding=None if plain else encoding))


def read_layout(file: SourceFile, heading: str, section: CsvSection) -> CsvLayout:
    """Read the layout of a decoded file.

    Args:
        file: The file.
        heading: The table of ``sandbox.toml`` that the settings are in, for hints.
        section: The settings.

    Raises:
        SourceError: The header is missing, or has duplicate or empty names; the file is no table.
    """
    quote = section.quote or None
    encoding = file.decoding.encoding or "utf-8-sig"
    try:
        with (
            file.open_decompressed() as stream,
            io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="") as lines,
        ):
            first = lines.readline()
            while quote and first.count(quote) % 2 and (more := lines.readline()):
                first += more
        if any("\udc80" <= letter <= "\udcff" for letter in first):  # DuckDB checks the other lines
            raise build_encoding_error(file, heading, 1)
        mark = section.delimiter or detect_delimiter(first)
        names = next(_read_fields(first, mark, quote), [])
    except UnicodeError as error:
        raise build_encoding_error(file, heading, 1) from error
    except (OSError, EOFError, csv.Error) as error:
        raise build_file_error(f"{file.path}: the header", "cannot be read", error) from error
    if not names:
        raise SourceError(f"{file.path} is empty; the first line must name the columns")
    _check_delimited_text(file, heading, section, names)
    return CsvLayout(
        delimiter=mark,
        columns=_name_columns(file, section, names),
        quote=section.quote,
        has_header=section.header is True,
        compression=None if file.decoding.compression or file.decoding.encoding else file.compression,
    )


def _read_fields(line: str, delimiter: str, quote: str | None) -> Iterator[list[str]]:
    if quote is None:
        return csv.reader([line], delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True)
    return csv.reader([line], delimiter=delimiter, quotechar=quote, strict=True)


def _check_delimited_text(file: SourceFile, heading: str, section: CsvSection, names: Sequence[str]) -> None:
    """Check that a file called ``.txt`` is a table: only a delimiter tells it from prose."""
    bare = file.path.lower().removesuffix("." + file.path.rpartition(".")[2].lower() if file.compression else "")
    if len(names) > 1 or section.delimiter is not None or not bare.endswith(PLAIN_TEXT_SUFFIX):
        return
    raise SourceError(
        f"{file.path}: the first line has no delimiter, so this is no table",
        hint=f'if it is one: csv = {{ delimiter = "," }} in {heading}',
    )


def _name_columns(file: SourceFile, section: CsvSection, names: Sequence[str]) -> tuple[str, ...]:
    if section.header is False:
        return tuple(f"column{number}" for number in range(len(names)))
    if section.header is not True:
        if len(section.header) != len(names):
            raise SourceError(
                f"{file.path}: the first line has {format_count(len(names), 'field')}, and header in sandbox.toml names "
                f"{len(section.header)}"
            )
        names = section.header
    lower = [name.lower() for name in names]
    if "" in names or len(set(lower)) < len(names):
        twice = sorted({name for name in names if name and lower.count(name.lower()) > 1})
        what = f"names {', '.join(twice)} more than once" if twice else "has a column without a name"
        raise SourceError(f"{file.path}: the header {what}", hint="give every column a name of its own")
    return tuple(names)


def build_encoding_error(file: SourceFile, heading: str, line: int) -> SourceError:
    """Build the error for a line that is not of the file's encoding, with the setting to write."""
    wanted = file.decoding.encoding or "UTF-8"
    proposed = propose_encoding(file)
    return SourceError(
        f"{file.path}: line {line} is not {wanted}",
        hint=f'write the file again in UTF-8, or name its encoding in {heading}: csv = {{ encoding = "{proposed}" }}',
    )


def propose_encoding(file: SourceFile) -> str:
    """Return the first usual encoding of Western text that decodes a whole file."""
    for encoding in PROPOSED_ENCODINGS[:-1]:
        try:
            for block in _read_blocks(file):
                block.decode(encoding)
        except (UnicodeDecodeError, OSError, EOFError):
            continue
        return encoding
    return PROPOSED_ENCODINGS[-1]


def has_mixed_line_ends(file: SourceFile) -> bool:
    """Check whether some lines of a file end in CR LF and some in LF."""
    both = lone = 0
    held = b""
    try:
        for block in _read_text_blocks(file):
            seen = held + block
            pairs = seen.count(b"\r\n")
            both += pairs
            lone += block.count(b"\n") - pairs
            held = b"\r" if block.endswith(b"\r") else b""
    except (UnicodeDecodeError, OSError, EOFError):
        return False
    return both > 0 and lone > 0


def find_odd_line_end(file: SourceFile) -> tuple[int, str] | None:
    """Return the first line that ends otherwise than the one before it, and what is odd about it; None without one."""
    usual: bytes | None = None
    for number, line in enumerate(_read_text_lines(file), start=1):
        end = b"\r\n" if line.endswith(b"\r\n") else b"\n" if line.endswith(b"\n") else b""
        if b"\r" in line[: len(line) - len(end)]:
            return number, "has a carriage return (CR) that ends no line"
        if usual is not None and end and end != usual:
            names = {b"\r\n": "CRLF", b"\n": "LF"}
            return number, f"ends in {names[end]}, the others in {names[usual]}"
        usual = end or usual
    return None


def _read_text_lines(file: SourceFile) -> Iterator[bytes]:
    """Yield the lines of a file in UTF-8, with their ends."""
    held = b""
    for block in _read_text_blocks(file):
        *lines, held = (held + block).split(b"\n")
        for line in lines:
            yield line + b"\n"
    if held:
        yield held


def _read_text_blocks(file: SourceFile) -> Iterator[bytes]:
    """Yield the text of a file in UTF-8, with its line ends as they are."""
    with file.open_decompressed() as stream:
        marked = find_marked_encoding(stream.read(HEAD_BYTES))
    plain = Decoding(compression=file.compression, encoding=marked or file.decoding.encoding)
    with file.open() as stream:
        yield from decode_blocks(stream, plain)


def _read_blocks(file: SourceFile) -> Iterator[bytes]:
    with file.open() as stream, open_decompressed(stream, file.compression) as inner:
        while block := inner.read(BLOCK_BYTES):
            yield block
