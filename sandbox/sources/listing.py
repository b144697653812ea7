"""A source: its tables, and the files that they lie in."""

from __future__ import annotations

import contextlib
import difflib
import gzip
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol, cast

from sandbox.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sandbox.engine.lakes.iceberg import IcebergCatalog
    from sandbox.store.remote import RemoteStore

MAX_CONCURRENT_REQUESTS = 16  # files of a bucket that are asked about at once
SourceFormat = Literal["parquet", "csv", "jsonl", "delta", "iceberg", "duckdb", "sqlite", "postgres", "spark"]


class Closeable(Protocol):
    """What holds something open."""

    def close(self) -> None:
        """Let go of it."""
        ...


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file of the source.

    Attributes:
        path: Absolute; in a bucket its address.
        name: Relative to the source's folder, with forward slashes.
        bytes: Its size.
        modified: Nanoseconds since 1970 UTC.
        table_path: Where in a database the table is: its schema and its name there; of a server also which moment of it.
        handle: What reads a SQLite file, or a table of Postgres.
        system: pyarrow's file system, for a file in a bucket.
        etag: What the bucket calls this content of the file; empty where that is not known.
        blocks: Of a table of Postgres the first block and the one behind the last; None for all.
        constants: Columns that its rows have in common and that stand in the names of its folders, with the value's text;
            None for NULL.
    """

    path: str
    name: str
    bytes: int
    modified: int
    table_path: tuple[str, ...] = ()
    handle: Any = field(default=None, compare=False, repr=False)
    system: Any = field(default=None, compare=False, repr=False)
    etag: str = ""
    blocks: tuple[int, int] | None = None
    constants: tuple[tuple[str, str | None], ...] = field(default=(), compare=False)  # its name tells them

    @property
    def is_gzipped(self) -> bool:
        """Whether it is compressed with gzip."""
        return self.path.lower().endswith(".gz")

    def open(self) -> BinaryIO:
        """Open it for reading."""
        if self.system is not None:
            return cast("BinaryIO", self.system.open_input_file(self.key))
        return Path(self.path).open("rb")

    @property
    def key(self) -> str:
        """What the bucket's file system calls it."""
        return self.path.partition("://")[2]

    def read_size(self) -> int | None:
        """Give its bytes as it is now; None where it is not there."""
        if self.system is not None:
            return cast("int | None", self.system.get_file_info(self.key).size)
        try:
            return Path(self.path).stat().st_size
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def open_decompressed(self) -> Iterator[BinaryIO]:
        """Open it for reading, decompressed."""
        with self.open() as stream:
            if not self.is_gzipped:
                yield stream
                return
            with gzip.open(stream) as inner:
                yield cast("BinaryIO", inner)


@dataclass(frozen=True, kw_only=True)
class SourceListing:
    """What a source has.

    Attributes:
        uri: Where it is, as ``sandbox.toml`` says.
        base: The folder that the uri is relative to.
        display_name: Where it is, for messages.
        files: For each table its format and files, sorted by name.
        problems: For each table that is there but cannot be read as one, what is wrong with it.
        remote: The bucket, if it is one.
        catalogue: The catalogue of Iceberg tables, if it is one.
        connection: The moment of a database that is held until `close`.
    """

    uri: str
    base: Path
    display_name: str
    files: Mapping[str, tuple[SourceFormat, tuple[SourceFile, ...]]] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    remote: RemoteStore | None = None
    catalogue: IcebergCatalog | None = None
    connection: Closeable | None = field(default=None, compare=False, repr=False)

    @property
    def is_folder(self) -> bool:
        """Whether tables are its files and folders."""
        if self.catalogue is not None or self.connection is not None:
            return False
        return not any(form in {"duckdb", "sqlite"} for form, _ in self.files.values())

    def close(self) -> None:
        """Let go of what is held open for reading."""
        if self.connection is not None:
            self.connection.close()

    def find_table(self, table: str) -> tuple[SourceFormat, tuple[SourceFile, ...]]:
        """Give a table's format and files.

        Raises:
            SourceError: It is there but cannot be read as a table.
            ConfigError: It is not there.
        """
        if table in self.problems:
            raise SourceError(self.problems[table])
        if table in self.files:
            return self.files[table]
        where = f": there is no {table}.parquet, .csv or .jsonl in {self.display_name}, and no folder of that name"
        raise ConfigError(
            f"the source has no table {table}{where if self.is_folder else f' ({self.display_name})'}",
            hint=suggest_name(table, [*self.files, *self.problems], "tables there"),
        )


def fetch_etags(files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    """Give files with their etags, where they lie in a bucket: sizes and whole seconds do not tell all changes.

    Raises:
        OSError: One is not there, or cannot be reached.
    """
    if not any(file.system is not None for file in files):
        return tuple(files)
    with ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS) as pool:
        return tuple(pool.map(_fetch_etag, files))


def _fetch_etag(file: SourceFile) -> SourceFile:
    with file.system.open_input_file(file.key) as stream:
        about = stream.metadata() or {}
    return replace(file, etag=about.get(b"ETag", about.get("ETag", b"")).decode())


def suggest_name(name: str, valid: Iterable[str], what: str) -> str:
    """Give a hint: the closest valid name, or else all of them.

    >>> suggest_name("custmers", ["customers", "orders"], "tables there")
    'did you mean "customers"?'
    """
    names = sorted(valid)
    close = difflib.get_close_matches(name.lower(), [one.lower() for one in names], n=1, cutoff=0.6)
    if close:
        return f'did you mean "{next(one for one in names if one.lower() == close[0])}"?'
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"{what}: {shown or 'none'}"
