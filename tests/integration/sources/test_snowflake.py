"""Snowflake as a source, on an emulator: what is pushed down, and what is refused. `docs/sources.md` lists what that does not show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from sandbox.engine.snowflake.client import SnowflakeClient, read_assigned_bytes
from sandbox.errors import ConfigError, SandboxError, SourceError
from sandbox.model import SilentProgress
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.plan.planner import plan_sample
from tests.prn_vectors import check_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.sources.snowflake import Emulator
    from tests.projects import SourceProject

PEOPLE_AND_VISITS = """
[sample]
unit = "clients"
strata = ["class"]
rate = 0.1
[tables.clients]
key = ["name"]
mask = { name = "none" }
[tables.calls]
key = ["id"]
references = { client = "clients.name" }
mask = { client = "none" }
"""
ONE = """
[sample]
unit = "odd"
rate = 1.0
min_per_stratum = 0
[tables.odd]
key = ["id"]
"""


def test_only_rows_that_may_be_drawn_leave_the_warehouse_and_it_counts_the_strata(
    lake: SourceProject, snowflake_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys are texts with quotes and backslashes; a table that changes between counting and drawing ends the draw."""
    names = [f"ü'\\{number}" for number in range(2000)]
    clients = pa.table({"name": names, "class": [number % 3 for number in range(2000)]})
    calls = pa.table({"id": range(6000), "client": [names[number % 2000] for number in range(6000)]})
    snowflake_emulator.put("clients", clients, {})
    snowflake_emulator.put("calls", calls, {})
    fetch, fetched = SnowflakeClient.fetch_batches, []

    def count_rows(self: SnowflakeClient, sql: str) -> Iterator[Any]:
        for batch in fetch(self, sql):
            fetched.append((sql, batch.num_rows))
            yield batch

    monkeypatch.setattr(SnowflakeClient, "fetch_batches", count_rows)
    _, manifest = lake.draw(PEOPLE_AND_VISITS, uri=snowflake_emulator.uri)
    for table in ("clients", "calls"):
        drawn = [rows for sql, rows in fetched if f'."{table}" as "r" where' in sql]
        assert drawn
        assert sum(drawn) == manifest.tables[table].rows
    assert [rows for sql, rows in fetched if "group by" in sql] == [3]
    project = lake.project(PEOPLE_AND_VISITS, uri=snowflake_emulator.uri)
    plan = plan_sample(project, threads=1, progress=SilentProgress())
    assert plan.scanned_bytes == {}  # the emulator does not explain
    snowflake_emulator.execute("insert into \"calls\" select 6000, 'x'")
    with pytest.raises(SourceError, match=r"changed while it was read: PUBLIC\.calls"):
        draw_sample(project, plan, home=lake.root / "home 2", threads=1, progress=SilentProgress())


@pytest.mark.parametrize(
    ("answer", "scanned"), [('{"GlobalStats": {"bytesAssigned": 4096}}', {"odd": 4096}), ("SCAN", {})]
)
def test_the_plan_says_what_one_reading_scans(
    lake: SourceProject,
    snowflake_emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    scanned: dict[str, int],
) -> None:
    """The answer has the documented format of EXPLAIN USING JSON, which the emulator lacks."""
    snowflake_emulator.put("odd", pa.table({"id": range(20)}), {})
    explained = []

    def answer_explain(self: SnowflakeClient, sql: str) -> int | None:
        explained.append(sql)
        return read_assigned_bytes(answer)

    monkeypatch.setattr(SnowflakeClient, "estimate_scanned_bytes", answer_explain)
    plan = plan_sample(lake.project(ONE, uri=snowflake_emulator.uri), threads=1, progress=SilentProgress())
    assert plan.scanned_bytes == scanned
    assert plan.to_dict()["tables"]["odd"]["scanned_bytes"] == scanned.get("odd")
    assert len(snowflake_emulator.execute(explained[0])) == 20


def test_the_published_vectors_hold_in_its_sql(snowflake_emulator: Emulator) -> None:
    check_vectors(snowflake_emulator.execute, "snowflake")


def test_types_come_without_loss_or_are_refused(lake: SourceProject, snowflake_emulator: Emulator) -> None:
    emulator = snowflake_emulator
    emulator.execute(
        'create or replace table "odd" ("id" number(38, 0), "wide" number(30, 0), "exact" number(30, 12), "note" text, "t" time)',
        """insert into "odd" select 1, 10000000000000000000000001, 123456789012345678.123456789012, '', '01:02:03'""",
        """insert into "odd" select -9223372036854775808, null, null, null, null""",
    )
    _, manifest = lake.draw(ONE, uri=emulator.uri)
    kinds = {column.name: column.type for column in manifest.tables["odd"].columns}
    assert kinds == {
        "id": "BIGINT",
        "wide": "DECIMAL(30,0)",
        "exact": "DECIMAL(30,12)",
        "note": "VARCHAR",
        "t": "VARCHAR",
    }
    emulator.execute(
        'create or replace table "odd" ("id" number(10, 0), "seen" timestamp_ntz(9))',
        """insert into "odd" select 1, '2020-01-01 07:00:00.123456'::timestamp_ntz""",
        """insert into "odd" select 2, null""",
    )
    lake.draw(ONE, uri=emulator.uri)


@pytest.mark.parametrize(
    ("uri", "error", "words"),
    [
        ("snowflake://emulator/SHOP/NOWHERE", SandboxError, "odd"),
        ("snowflake://nobody/SHOP", SourceError, "cannot be reached by the connection nobody"),
        ("snowflake://emulator", ConfigError, "is no address of Snowflake"),
        ("snowflake://me:secret@emulator/SHOP", ConfigError, "holds a password"),
    ],
)
def test_addresses_that_cannot_be_read(
    lake: SourceProject, snowflake_emulator: Emulator, uri: str, error: type[SandboxError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        lake.draw(ONE, uri=uri)
    assert "secret" not in str(caught.value)
