"""An emulator of Snowflake for a test run: fakesnow as a server process with libraries of its own; and rows put into it.

It pins other versions of sqlglot and of Snowflake's driver than sandbox uses, so uv keeps it in an environment of its own.
`to_number(text, 'XXX…')`, which Snowflake has and it lacks, is added by `EMULATOR`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import snowflake.connector
import uv

from tests.waiting import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa
    import pytest

REQUIREMENTS = ("fakesnow[server]==0.12.1", "snowflake-connector-python==4.8.1")
EMULATOR = """
import sys
from sqlglot import exp, parse_one
import fakesnow.cli
from fakesnow.transforms import transforms
import fakesnow.cursor

before = transforms.to_decimal

def convert_hex(node):
    if isinstance(node, exp.ToNumber) and node.args.get("format") and node.args["format"].name.strip("X") == "":
        return parse_one("('0x' || x)::bigint", read="duckdb").transform(
            lambda part: node.this.copy() if isinstance(part, exp.Column) else part)
    return before(node)

transforms.to_decimal = convert_hex
for module in list(sys.modules.values()):
    if getattr(module, "to_decimal", None) is before:
        module.to_decimal = convert_hex
sys.exit(fakesnow.cli.main(["-s", "-p", sys.argv[1]]))
"""
TYPES = {
    "int32": "number(10,0)", "int64": "number(38,0)", "double": "float", "bool": "boolean", "date32[day]": "date",
    "timestamp[us]": "timestamp_ntz(9)", "string": "text", "binary": "binary",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Emulator:
    """A server; ``uri`` names a connection of the driver's configuration in `folder`."""

    port: int
    folder: Path
    tables: set[str] = field(default_factory=set)

    uri = "snowflake://emulator/SHOP/PUBLIC"

    def execute(self, *statements: str) -> list[Any]:
        """Carry out statements, and give the rows of the last one."""
        with (
            snowflake.connector.connect(
                connection_name="emulator",
                connections_file_path=self.folder / "connections.toml",  # SNOWFLAKE_HOME is read on import
                database="SHOP",
                schema="PUBLIC",
            ) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def put(self, table: str, rows: pa.Table, types: dict[str, str]) -> None:
        """Make a table of Arrow rows, unless it is there; ``types`` are those that Arrow cannot say."""
        if table in self.tables:
            return
        self.tables.add(table)
        kinds = [types.get(field.name, TYPES.get(str(field.type), "text")) for field in rows.schema]
        columns = ", ".join(f'"{field.name}" {kind}' for field, kind in zip(rows.schema, kinds, strict=True))
        pq.write_table(rows, self.folder / f"{table}.parquet")
        # A function of the emulator's DuckDB: its parser takes minutes for that many literals.
        values = f"select * from read_parquet('{self.folder}/{table}.parquet')"
        self.execute(f'create table "{table}" ({columns})', f'insert into "{table}" {values}')


@contextlib.contextmanager
def started(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Start the emulator, with the driver's configuration for it; it ends with the block."""
    folder.mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = folder / "connections.toml"
    settings.write_text(
        f'[emulator]\naccount = "emulator"\nuser = "reader"\npassword = "none"\nhost = "127.0.0.1"\nport = {port}\nprotocol = "http"\n'
    )
    settings.chmod(0o600)
    patch.setenv("SNOWFLAKE_HOME", str(folder))
    (folder / "emulator.py").write_text(EMULATOR)
    packages = [part for name in REQUIREMENTS for part in ("--with", name)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [uv.find_uv_bin(), "run", "--no-project", "--isolated", "--python", "3.11", *packages, "python", folder / "emulator.py", str(port)],
            cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:

        def answers() -> bool:
            assert server.poll() is None, (folder / "log").read_text()
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            return False

        wait_until(answers, describe=(folder / "log").read_text)
        emulator = Emulator(port=port, folder=folder)
        emulator.execute("select 1")
        yield emulator
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, 15)
        server.wait(PATIENCE_SECONDS)
