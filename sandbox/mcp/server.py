"""Serve the commands of one project to a coding agent, over standard input and output.

Each tool runs one command of sandbox in a process of its own, so that it can be cancelled as by Ctrl-C, and answers with the
command's short JSON.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mcp.server import MCPServer
from mcp.server.mcpserver import Context  # noqa: TC002 - the library reads the annotations
from mcp.server.mcpserver.exceptions import ToolError

from sandbox import __version__
from sandbox.config.project_file import load_project
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.errors import SandboxError
from sandbox.mcp.command_process import CommandFailure, run_command
from sandbox.project.sample import has_sample
from sandbox.report.brief import shorten_json

if TYPE_CHECKING:
    from pathlib import Path

MAX_ROWS = 20
INSTRUCTIONS = """\
Judge a change of pipeline code by what it does to the data. Call `diff` after an edit: it runs production's code and the
working tree on a masked sample and compares their outputs. If the verdict is outside_gate and the difference is not
intended, call `why` for the smallest case, `why_change` for the part of the change that did it, and `rows` for differing
rows; then correct the code and call `diff` again. Report intended differences to the person; never loosen the gate, the
rules or the masks in sandbox.toml to pass."""


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """What the person who starts the server allows.

    Attributes:
        root: The folder in which the commands run.
        runtime: Where code runs; None leaves it to the baseline's ``sandbox.toml``.
        reads_source: Whether `plan` may count production's rows, and a missing sample may be drawn.
    """

    root: Path
    runtime: str | None = None
    reads_source: bool = False


def build_server(options: ServerOptions) -> MCPServer:
    """Build the server with its tools."""
    server = MCPServer("sandbox", version=__version__, instructions=INSTRUCTIONS, log_level="WARNING")
    tools = _Tools(options)
    for tool in (tools.status, tools.plan, tools.diff, tools.rows, tools.why, tools.why_change, tools.sql):
        server.add_tool(tool)
    return server


@dataclass(frozen=True)
class _Tools:
    """The tools; the library takes their names, descriptions and parameters from the methods."""

    options: ServerOptions

    async def status(self, context: Context) -> dict[str, Any]:
        """Show the sample, the sandboxes and what they hold."""
        return await self._run_command(context, "ls", "--json")

    async def plan(self, context: Context) -> dict[str, Any]:
        """Show the tables, units, sizes and precision of the sample that would be drawn."""
        if not self.options.reads_source:
            raise ToolError("plan counts production's rows; a person allows it with: sandbox mcp --source")
        return await self._run_command(context, "plan", "--brief")

    async def diff(self, context: Context, baseline: str | None = None, candidate: str | None = None) -> dict[str, Any]:
        """Run two versions of the pipeline on the sample and compare their outputs.

        ``baseline`` is a git ref (default: what production runs), ``candidate`` another one (default: the working tree).
        """
        versions = _name_versions(baseline, candidate)
        return await self._read_sample(context, "diff", "--brief", "--frozen", *versions)

    async def rows(
        self, context: Context, output: str, kind: Literal["added", "removed", "changed"] = "changed"
    ) -> dict[str, Any]:
        """Show the first differing rows of an output of the last diff; a changed row has both values of each column."""
        query = f"select * from diff.{quote_identifier(f'{output}_{kind}')} limit {MAX_ROWS}"
        return await self.sql(context, query)

    async def why(
        self, context: Context, output: str, baseline: str | None = None, candidate: str | None = None
    ) -> dict[str, Any]:
        """Find the fewest rows of the sample on which an output still differs, and write them as a test."""
        versions = _name_versions(baseline, candidate)
        return await self._read_sample(context, "why", "--brief", "--frozen", *versions, "--", output)

    async def why_change(
        self,
        context: Context,
        by: Literal["file", "hunk"] = "file",
        baseline: str | None = None,
        candidate: str | None = None,
    ) -> dict[str, Any]:
        """Attribute the differing rows to the files or hunks of the change."""
        versions = _name_versions(baseline, candidate)
        return await self._read_sample(context, "why", "--brief", "--frozen", "--change", f"--by={by}", *versions)

    async def sql(self, context: Context, query: str) -> dict[str, Any]:
        """Query the masked sample in DuckDB, read-only; the first rows are returned.

        Besides its tables there are weights.UNIT, output.NAME of the last run, and baseline.NAME, candidate.NAME and
        diff.NAME_changed of the last diff. "show tables" lists them.
        """
        return await self._read_sample(context, "sql", "--json", "--", query)

    async def _read_sample(self, context: Context, *arguments: str) -> dict[str, Any]:
        """Run a command that reads the sample, and would draw it from production if there were none."""
        try:
            project = load_project(None, start=self.options.root, environ=os.environ, flags={})
            is_drawn = self.options.reads_source or has_sample(project)
        except SandboxError as error:
            raise ToolError(f"{error.message}\n{error.hint}".rstrip()) from error
        if not is_drawn:
            raise ToolError("there is no sample yet, and to draw it reads production; ask a person for: sandbox create")
        return await self._run_command(context, *arguments)

    async def _run_command(self, context: Context, command: str, *arguments: str) -> dict[str, Any]:
        runtime = [f"--runtime={self.options.runtime}"] if self.options.runtime else []
        try:
            found = await run_command([command, *runtime, *arguments], self.options.root, context.report_progress)
        except CommandFailure as error:
            raise ToolError(str(error)) from error
        return shorten_json(found)


def _name_versions(baseline: str | None, candidate: str | None) -> list[str]:
    """Return the flags of two versions, each in one argument, so that no ref is taken for a flag."""
    named = {"--baseline": baseline, "--candidate": candidate}
    return [f"{flag}={ref}" for flag, ref in named.items() if ref is not None]
