"""The command line: parse, run one command, print, exit. Only `main` turns an error into a status."""

from __future__ import annotations

import _thread
import contextlib
import gc
import json
import os
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, NoReturn

import click

from sandbox import __version__
from sandbox.cli.lazy_group import LazyGroup
from sandbox.errors import BisectSkipError, SandboxError
from sandbox.store.secret_environment import remove_secret_variables

if TYPE_CHECKING:
    from types import FrameType

INTERRUPT_STATUS = 130
TERMINATION_STATUS = 143
BROKEN_PIPE_STATUS = 141
REPEAT_SECONDS = 0.02  # long enough for a destructor to end
BISECT_FLAG = "--bisect"
BISECT_ABORT_STATUS = 128  # from here on git aborts, and keeps its results so far

COMMANDS = {
    "init": ("init", "Propose a sandbox.toml from a source, or write the CI job."),
    "demo": ("demo", "Create a complete project and run a diff in it."),
    "plan": ("samples", "Show the strata, rows, bytes and precision of a sample; extract nothing."),
    "sample": ("samples", "Draw the sample."),
    "scan": ("samples", "Report what looks broken in the source."),
    "verify": ("samples", "Check samples and runs against their records."),
    "lock": ("sandboxes", "Resolve the stack's pins into sandbox.lock."),
    "create": ("sandboxes", "Prepare everything: sample, stack, sandbox."),
    "run": ("runs", "Run one version of the code on the sample."),
    "diff": ("runs", "Compare the outputs of production's code and the changed code."),
    "why": ("why", "Find the smallest case in which an output differs, and write a test of it."),
    "promote": ("promotion", "Sign a record of an accepted change, or check that a version has one."),
    "keys": ("promotion", "List, add or remove the keys whose records count."),
    "test": ("production", "Ask the data tests of the outputs that production made."),
    "score": ("production", "Compare what a promotion record predicted with what production then did."),
    "report": ("reports", "Open the last report."),
    "shell": ("sandboxes", "Open a terminal inside the sandbox."),
    "exec": ("sandboxes", "Run one command inside the sandbox."),
    "sql": ("sandboxes", "Query the sample and the outputs of the last run."),
    "logs": ("sandboxes", "Print the log of a run."),
    "ls": ("sandboxes", "List sandboxes and their disk use."),
    "stop": ("sandboxes", "Stop the runs and services of a sandbox."),
    "rm": ("sandboxes", "Remove a sandbox."),
    "gc": ("cleanup", "Delete unused samples, runs, images and leftovers."),
    "export": ("export", "Write compose.yaml or devcontainer.json for the stack."),
    "bundle": ("bundle", "Write sample and stack to one file, for a machine without a network."),
    "unbundle": ("bundle", "Bring a bundle to this machine."),
    "mcp": ("mcp", "Serve the project to a coding agent."),
    "doctor": ("sandboxes", "Check this machine, with one fix per failure."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sandbox")
def sandbox() -> None:
    """Change pipeline code, and see what it does to the data before you merge.

    In a project with a sandbox.toml, `sandbox diff` is all it takes. To see a complete project: `sandbox demo`.
    """


def entry() -> NoReturn:
    """Run the command line, and exit with the status from `main`.

    All files are written and closed by then. `os._exit` skips the interpreter's shutdown, which takes 0.18 s of the 0.96 s
    of processor time of `sandbox diff a.parquet b.parquet` (the least of eight runs each).
    """
    status = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(status)


def main() -> int:
    """Run the command line and return the exit status (docs/exit-status.md)."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # other packages' plugins must not affect our models
    gc.set_threshold(300_000)  # garbage collection took a tenth of the startup time
    status = _run_command()
    return convert_bisect_status(status) if BISECT_FLAG in sys.argv[1:] else status


def convert_bisect_status(status: int) -> int:
    """Return the status for ``git bisect run``, which would treat other failures as a bad version.

    >>> [convert_bisect_status(status) for status in (0, 1, 2, 10, 70, 125, 130)]
    [0, 1, 128, 128, 128, 125, 130]
    """
    return status if status in {0, 1, BisectSkipError.status} or status >= BISECT_ABORT_STATUS else BISECT_ABORT_STATUS


def _run_command() -> int:
    signals = SignalHandler()
    remove_secret_variables()
    try:
        status = sandbox.main(prog_name="sandbox", standalone_mode=False)
        sys.stdout.flush()
    except SandboxError as error:
        return _report_error(error.status, error.kind, error.message, error.hint)
    except click.ClickException as error:
        return _report_usage_error(error)
    except (KeyboardInterrupt, click.Abort):
        return _report_error(signals.status, "interrupted", "interrupted", "")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # avoids an error at interpreter exit
        return BROKEN_PIPE_STATUS
    except Exception as error:  # noqa: BLE001 - the last resort: a bug must not look like a verdict
        return _report_bug(error)
    return status if isinstance(status, int) else 0


def _report_bug(error: Exception) -> int:
    """Show where an error came from that nothing foresaw; its message could hold values of rows."""
    from sandbox.error_text import describe_foreign_error  # noqa: PLC0415 - heavy, and --help does not need it

    causes: list[BaseException] = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    for one in reversed(causes):
        click.echo("Traceback (most recent call last):", err=True)
        click.echo("".join(traceback.format_tb(one.__traceback__)) + type(one).__name__, err=True)
    found = describe_foreign_error(error)
    named = found if found.startswith(type(error).__name__) else f"{type(error).__name__}: {found}"
    hint = "please report it, with the lines above"
    return _report_error(SandboxError.status, SandboxError.kind, f"a bug in sandbox: {named}", hint)


class SignalHandler:
    """Interrupt on the first Ctrl-C or SIGTERM, so that cleanup runs; exit immediately on the second.

    Python drops an exception that is raised within a destructor; such an interrupt is raised once more.
    """

    def __init__(self) -> None:
        self.status = INTERRUPT_STATUS
        self._seen = False
        sys.unraisablehook = self._repeat_interrupt
        signal.signal(signal.SIGINT, self._handle_signal)
        signal.signal(signal.SIGTERM, self._handle_signal)

    def _handle_signal(self, number: int, _: FrameType | None) -> None:
        status = TERMINATION_STATUS if number == signal.SIGTERM else INTERRUPT_STATUS
        if self._seen:
            os._exit(status)
        self._seen = True
        self.status = status
        raise KeyboardInterrupt

    def _repeat_interrupt(self, dropped: sys.UnraisableHookArgs) -> None:
        if dropped.exc_type is not KeyboardInterrupt:
            sys.__unraisablehook__(dropped)
            return
        self._seen = False
        number = signal.SIGTERM if self.status == TERMINATION_STATUS else signal.SIGINT
        threading.Timer(REPEAT_SECONDS, _thread.interrupt_main, [number]).start()


def _report_usage_error(error: click.ClickException) -> int:
    """Print click's usage error, with the command's help as hint."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "sandbox"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return 2
    return _report_error(2, "usage", error.format_message(), f"{command} --help")


def _report_error(status: int, kind: str, message: str, hint: str) -> int:
    from sandbox.error_text import hide_credentials  # noqa: PLC0415 - heavy, and --help does not need them
    from sandbox.formatting import escape_hidden  # noqa: PLC0415

    message, hint = hide_credentials(message), hide_credentials(hint)
    if {"--json", "--brief"} & set(sys.argv[1:]):
        error = {"status": status, "kind": kind, "message": message, "hint": hint}
        click.echo(json.dumps({"format_version": 1, "error": error}, ensure_ascii=False, indent=1))
    # Names and messages of programs may contain terminal control characters.
    shown = "\n".join(escape_hidden(line) for line in message.split("\n"))
    click.echo(f"{click.style('error:', fg='red', bold=True)} {shown}", err=True)
    for line in hint.splitlines():
        click.echo(f"{click.style('hint:', fg='cyan')} {escape_hidden(line)}", err=True)
    return status
