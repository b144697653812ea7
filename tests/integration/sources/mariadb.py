"""A MariaDB server of a test run's own, on loopback, with a password; and rows put into it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pymysql
import pymysql.cursors

from tests.requirements import skip_or_fail
from tests.waiting import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

PASSWORD = "a password of these tests"
TYPES = {
    "int32": "int", "int64": "bigint", "double": "double", "bool": "boolean", "date32[day]": "date", "timestamp[us]": "datetime(6)",
    "string": "varchar(200)", "binary": "longblob",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MariaDB:
    """A server, or one database of it; ``user`` may do everything."""

    port: int
    database: str = "test"
    user: str = "owner"

    @property
    def uri(self) -> str:
        return f"mysql://{self.user}@127.0.0.1:{self.port}/{self.database}"

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Carry out statements, each for itself, and give the rows of the last one."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def connect(self) -> pymysql.Connection[pymysql.cursors.Cursor]:
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user=self.user, password=PASSWORD, database=self.database, charset="utf8mb4",
            autocommit=True,
        )  # fmt: skip

    def put(self, table: str, rows: pa.Table, types: dict[str, str]) -> None:
        """Make a table of Arrow rows; ``types`` are those that Arrow cannot say."""
        columns = ", ".join(
            f"`{field.name}` {types.get(field.name, TYPES.get(str(field.type), 'text'))}" for field in rows.schema
        )
        marks = ", ".join(["%s"] * len(rows.schema))
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"create table `{table}` ({columns}) character set utf8mb4 collate utf8mb4_bin")
            cursor.executemany(
                f"insert into `{table}` values ({marks})", list(zip(*rows.to_pydict().values(), strict=True))
            )


@contextlib.contextmanager
def started(folder: Path) -> Iterator[MariaDB]:
    """Start a server; it ends with the block."""
    program = _find_program()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir(parents=True)
    (folder / "first.sql").write_text(
        f"create or replace database test character set utf8mb4;\ncreate user owner@'127.0.0.1' identified by '{PASSWORD}';\n"
        "grant all on *.* to owner@'127.0.0.1' with grant option;\n"
    )
    user = ["--user=mysql"] if os.getuid() == 0 else []
    if user:
        shutil.chown(folder, "mysql")
    data = folder / "data"
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", *user],
        check=True, capture_output=True, cwd="/",
    )  # fmt: skip
    server = subprocess.Popen(
        [
            program, "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1",
            f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}", "--innodb-flush-log-at-trx-commit=0",
            f"--init-file={folder / 'first.sql'}", f"--log-error={folder / 'log.err'}", "--skip-log-bin", "--skip-name-resolve", *user,
        ],
        cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        found = MariaDB(port=port)

        def answers() -> bool:
            assert server.poll() is None, (folder / "log.err").read_text()
            try:
                found.execute("select 1")
            except pymysql.Error:
                return False
            return True

        wait_until(answers, describe=(folder / "log.err").read_text)
        yield found
    finally:
        server.terminate()
        server.wait(PATIENCE_SECONDS)


def _find_program() -> str:
    found = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
    if found is None:
        skip_or_fail("the programs of a MariaDB server are not there: tests/integration/sources/mariadb.sh")
    return found
