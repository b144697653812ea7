"""The server for coding agents, called by a real client over standard input and output."""

from __future__ import annotations

import json
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import duckdb
import psutil
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import TextContent

from sandbox.demo import create_demo
from sandbox.engine.duckdb.session import quote_literal
from sandbox.model import SilentProgress
from sandbox.report.brief import MAX_CHARACTERS
from tests.projects import Shop
from tests.waiting import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@dataclass
class Agent:
    """A scripted client; it keeps every text that it was sent."""

    client: Client
    texts: list[str] = field(default_factory=list)

    async def call(self, tool: str, **arguments: Any) -> Any:
        """Return a tool's answer: JSON, or the text of an error."""
        found = await self.client.call_tool(
            tool, arguments, read_timeout_seconds=PATIENCE_SECONDS, progress_callback=self.note_progress
        )
        [content] = found.content
        assert isinstance(content, TextContent)
        self.texts.append(content.text)
        assert len(content.text) <= 2 * MAX_CHARACTERS
        return content.text if found.is_error else json.loads(content.text)

    async def note_progress(self, progress: float, total: float | None, message: str | None) -> None:
        self.texts.append(message or "")


@asynccontextmanager
async def connect(shop: Shop, *flags: str) -> AsyncIterator[Agent]:
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "sandbox", "mcp", *flags], env=shop.environment, cwd=shop.root
    )
    async with Client(server) as client:
        yield Agent(client)


@pytest.fixture
def demo(tmp_path: Path, sandbox_home: Path) -> Shop:
    folder = tmp_path / "the dëmo"
    create_demo(folder, scale=0.02, progress=SilentProgress())
    return Shop(root=folder, home=sandbox_home)


def test_an_agent_finds_explains_and_corrects_the_mistake_of_the_demo(demo: Shop) -> None:
    """Takes long: the demo is created, and its two versions run, each part of the change alone too."""
    customers = quote_literal(str(demo.root / "warehouse" / "customers*"))
    emails = duckdb.execute(f"select distinct email from read_parquet({customers}) limit 50").fetchall()

    async def work() -> list[str]:
        async with connect(demo, "--runtime", "local") as agent:
            assert "sandbox create" in await agent.call("diff"), "production is not read"
            assert "sandbox mcp --source" in await agent.call("plan")
            assert demo.run("create").status == 0
            found = await agent.call("diff")
            assert found["verdict"] == "outside_gate"
            output = next(iter(found["outputs"]))
            assert output == "customer_value"
            assert "sandbox why customer_value" in found["next"]
            rows = await agent.call("rows", output=output)
            assert rows["rows"]
            parts = await agent.call("why_change", by="file")
            assert "customer_value.sql" in json.dumps(parts["outputs"])
            demo.git("checkout", "-q", "main", "--", "models")
            assert (await agent.call("diff"))["verdict"] == "same"
            await agent.call("status")
            await agent.call("sql", query="select email from customers limit 50")
            refused = [
                await agent.call("sql", query="copy customers to 'stolen.csv'"),
                await agent.call("sql", query=f"select * from '{demo.root}/sandbox.toml'"),
                await agent.call("rows", output='x" union select 1 --'),
                await agent.call("diff", candidate="--accept-masks"),
            ]
            assert all(isinstance(answer, str) for answer in refused), refused
            return agent.texts

    texts = anyio.run(work)
    assert any("running" in text for text in texts), "progress is reported"
    assert not (demo.root / "stolen.csv").exists()
    assert emails
    assert [text for text in texts for (email,) in emails if email in text] == []


def test_a_call_that_is_cancelled_leaves_nothing(shop: Shop) -> None:
    assert shop.run("create").status == 0
    shop.edit("pipeline.py", "import os\n", "import os, pathlib, time\n")
    with (shop.root / "pipeline.py").open("a", encoding="utf-8") as pipeline:
        pipeline.write(f"\npathlib.Path({str(shop.root / 'reached')!r}).touch()\ntime.sleep(3600)\n")

    async def work() -> None:
        async with connect(shop, "--runtime", "local") as agent, anyio.create_task_group() as group:
            group.start_soon(agent.call, "diff")
            await anyio.to_thread.run_sync(wait_until, (shop.root / "reached").exists)
            group.cancel_scope.cancel()

    anyio.run(work)
    wait_until(lambda: not find_processes(shop))
    assert shop.left_behind() == []


def find_processes(shop: Shop) -> list[str]:
    """Return the commands of the processes that work in a project."""
    return [
        str(process.info["cmdline"])
        for process in psutil.process_iter(["cmdline", "cwd"])
        if str(shop.root) in f"{process.info['cwd']} {process.info['cmdline']}"
    ]
