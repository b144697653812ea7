"""A Postgres server of a test run's own, on loopback, with a password; and rows put into it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adbc_driver_postgresql import dbapi

from tests.requirements import skip_or_fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

PASSWORD = "a password of these tests"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server, or one database of it; ``user`` is its superuser."""

    port: int
    folder: Path
    database: str = "postgres"
    user: str = "postgres"

    @property
    def uri(self) -> str:
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{self.database}"

    def create_database(self, name: str) -> Server:
        """Create a database."""
        self.just(f'create database "{name}"')
        return replace(self, database=name)

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Carry out statements, each for itself, and give the rows of the last one."""
        with self.connected() as connection, connection.cursor() as cursor:
            for one in statements:
                cursor.execute(one)
            return list(cursor.fetchall()) if cursor.description else []

    def just(self, *statements: str) -> None:
        """Carry out statements."""
        self.execute(*statements)

    @contextlib.contextmanager
    def connected(self) -> Iterator[dbapi.Connection]:
        with dbapi.connect(self.uri, autocommit=True) as connection:
            yield connection

    def put(self, table: str, rows: pa.Table, types: dict[str, str], *, schema: str = "public") -> None:
        """Make a table of Arrow rows; ``types`` are those that Arrow cannot say."""
        with self.connected() as connection, connection.cursor() as cursor:
            cursor.execute(f'set search_path = "{schema}"')
            cursor.adbc_ingest(table, rows, mode="create")
            for column, kind in types.items():
                cursor.execute(f'alter table "{table}" alter "{column}" type {kind} using "{column}"::{kind}')


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Server]:
    """Start a server; it ends with the block."""
    programs = _programs()
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.getuid() == 0 else []
    folder.mkdir(parents=True)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if user:
        shutil.chown(folder, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    initdb: list[str | Path] = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "scram-sha-256",
        f"--pwfile={secret}",
    ]
    subprocess.run(
        [*user, *initdb, "-E", "UTF8", "--locale=C.UTF-8", "-N"],
        check=True, capture_output=True, cwd="/", env=_environment(),
    )  # fmt: skip
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=40"
    control: list[str | Path] = [*user, programs / "pg_ctl", "-D", data, "-w"]
    subprocess.run(
        [*control, "-o", options, "-l", folder / "log", "start"],
        check=True, capture_output=True, cwd="/", env=_environment(),
    )  # fmt: skip
    try:
        yield Server(port=port, folder=folder)
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, capture_output=True, cwd="/")


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


def _programs() -> Path:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: int(one.parent.name))
    if places:
        return places[-1]
    found = shutil.which("initdb")
    if found is None:
        skip_or_fail("the programs of a Postgres server are not there: tests/integration/sources/server.sh")
    return Path(found).parent
