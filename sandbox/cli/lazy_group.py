"""A click group with lazily imported commands, for a fast ``--help``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping


class LazyGroup(click.Group):
    """A group with names and short help of its commands.

    Args:
        lazy: Command name -> (module of `sandbox.cli` with the command, short help).
    """

    def __init__(self, *args: object, lazy: Mapping[str, tuple[str, str]], **settings: object) -> None:
        super().__init__(*args, **settings)  # type: ignore[arg-type]
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order for newcomers."""
        del ctx
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in self._lazy:
            return None
        module = importlib.import_module(f"sandbox.cli.{self._lazy[cmd_name][0]}")
        commands = [value for value in vars(module).values() if isinstance(value, click.Command)]
        return next(command for command in commands if command.name == cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._lazy.items()])
