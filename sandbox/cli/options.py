"""Shared by all commands: common flags, loading the project, and printing results."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import click

from sandbox.cli import shell_completion
from sandbox.model import SilentProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import OverflowMethod, RenderableType

    from sandbox.config import Project
    from sandbox.model import Progress


class CommandResult(Protocol):
    """The result of a command, with a JSON form."""

    def to_dict(self) -> dict[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class Call:
    """The common flags of a command, resolved."""

    config: Path | None
    as_json: bool
    runtime: str | None
    allow_outside: bool

    def load_project(self) -> Project:
        """Load the project; flags override the environment, which overrides the file.

        Raises:
            ConfigError: The file is invalid, or what sandbox keeps of the project was not made here.
        """
        from sandbox.config import load_project  # noqa: PLC0415 - pydantic is slow to import and --help does not need it
        from sandbox.project.state_check import check_state_folders  # noqa: PLC0415

        flags: dict[tuple[str, ...], str] = {("stack", "runtime"): self.runtime} if self.runtime else {}
        project = load_project(self.config, start=Path.cwd(), environ=os.environ, flags=flags)
        check_state_folders(project.root)
        return dataclasses.replace(project, allow_outside=self.allow_outside)

    def load_run_project(self, *, baseline: str | None = None, accept_masks: bool = False) -> Project:
        """Load the project for a command that draws a sample or runs code.

        Under ``CI=true`` the baseline's file sets where code runs (see `use_trusted_placement`).
        """
        from sandbox.project.committed_settings import use_trusted_placement  # noqa: PLC0415 - see `load_project`

        project = dataclasses.replace(self.load_project(), accept_masks=accept_masks)
        return use_trusted_placement(project, baseline)

    @functools.cached_property
    def progress(self) -> Progress:
        if self.as_json and not sys.stderr.isatty():
            return SilentProgress()
        from sandbox.report.terminal.console import create_console  # noqa: PLC0415
        from sandbox.report.terminal.progress import RichProgress  # noqa: PLC0415 - see `load_project`

        return RichProgress(create_console(stderr=True))

    def print(
        self,
        result: CommandResult,
        shown: Callable[[], RenderableType],
        *,
        brief: Callable[[], dict[str, Any]] | None = None,
    ) -> None:
        """Print a result on stdout: as JSON with ``--json`` or (``brief``) with ``--brief``, else as rendered by ``shown``."""
        if brief is not None:
            click.echo(json.dumps(brief(), ensure_ascii=False))
            return
        if self.as_json:
            click.echo(json.dumps(result.to_dict(), ensure_ascii=False, indent=1))
            return
        from sandbox.report.terminal.console import create_console  # noqa: PLC0415 - see `load_project`

        console = create_console(stderr=False)
        # Off a terminal lines stay whole, so that paths and commands can be read by programs.
        overflow: OverflowMethod = "fold" if console.is_terminal else "ignore"
        console.print(shown(), soft_wrap=False, overflow=overflow, crop=False)


def add_common_options(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Add the common flags to a command; the function receives them as a `Call` in its first argument."""

    @click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="The sandbox.toml to use.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    @click.option("-v", "--verbose", is_flag=True, help="Show each step and query.")
    @click.option("--runtime", type=click.Choice(["auto", "docker", "local"]), help="Where code runs.")
    @click.option("--allow-outside", is_flag=True, help="Let sandbox.toml name files outside the git repository.")
    @functools.wraps(function)
    def call_with_options(
        *, config: Path | None, as_json: bool, verbose: bool, runtime: str | None, allow_outside: bool, **options: Any
    ) -> int | None:
        if verbose:
            logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
            logging.getLogger("sandbox").setLevel(logging.DEBUG)
        call = Call(config=config, as_json=as_json, runtime=runtime, allow_outside=allow_outside)
        return function(call, **options)

    return call_with_options


class QuantityType(click.ParamType[Any]):
    """A size or duration, written as in ``sandbox.toml``."""

    def __init__(self, kind: Literal["size", "duration"]) -> None:
        self.name = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return bytes or seconds; 0 is a valid duration here."""
        from sandbox.config.quantities import parse_duration, parse_size  # noqa: PLC0415 - see `Call.load_project`

        try:
            if self.name == "size":
                return parse_size(value)
            return 0.0 if str(value).rstrip("smhd") == "0" else parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


DEFAULT_NAME = "default"
name_option = click.option(
    "--name",
    default=DEFAULT_NAME,
    show_default=True,
    callback=lambda _context, _parameter, value: _check_name(value),
    shell_complete=shell_completion.complete_sandboxes,
    help="Which of the project's sandboxes.",
)
accept_masks_option = click.option(
    "--accept-masks",
    is_flag=True,
    help="Accept masks that are weaker than production's: its columns are then read as they are.",
)
brief_option = click.option(
    "--brief",
    is_flag=True,
    help="Print a short JSON document, of about 1,000 tokens at most: the result, its cause, and what to do next.",
)
frozen_option = click.option("--frozen", is_flag=True, help="Refuse to change sandbox.lock or the sample.")


def _check_name(name: str) -> str:

    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
        raise click.BadParameter("use up to 40 of a-z, 0-9, _ and -, beginning with a letter or digit")
    return name
