"""The command line: parse, call one command, print, exit status. Only `main` turns an error into a status."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

import click

from sandbox import __version__
from sandbox.cli.lazy_group import LazyGroup
from sandbox.errors import SandboxError, UnjudgedError
from sandbox.store.secret_environment import withhold

if TYPE_CHECKING:
    from types import FrameType

INTERRUPTED = 130
TERMINATED = 143
BROKEN_PIPE = 141
BISECT = "--bisect"
STOP_BISECT = 128  # from here on git gives up, and leaves what it found so far

COMMANDS = {
    "init": ("initial", "Look at a source and propose a sandbox.toml; or write the CI job."),
    "demo": ("demo", "Make a small but complete project and run the main job on it."),
    "plan": ("sampling", "Say what a sample would take; extract nothing."),
    "sample": ("sampling", "Draw the sample."),
    "scan": ("scanning", "Say what looks broken in the source."),
    "verify": ("sampling", "Check samples and runs against what was recorded of them."),
    "lock": ("stacks", "Resolve the stack's pins into sandbox.lock."),
    "create": ("stacks", "Make everything ready: sample, stack, sandbox."),
    "run": ("running", "Run one version of the code on the sample."),
    "diff": ("running", "Compare what production's code and the changed code make."),
    "report": ("reports", "Open the last report."),
    "shell": ("stacks", "Open a terminal inside the sandbox."),
    "exec": ("stacks", "Carry out one command inside the sandbox."),
    "sql": ("stacks", "Query the sample, and what the last run left."),
    "logs": ("stacks", "Print what a run printed."),
    "ls": ("stacks", "List sandboxes, with what they use."),
    "stop": ("stacks", "End what runs for a sandbox."),
    "rm": ("stacks", "Remove a sandbox."),
    "gc": ("cleaning", "Remove what nobody needs any more."),
    "export": ("exporting", "Write compose.yaml or devcontainer.json for the stack."),
    "doctor": ("stacks", "Check this machine, with one fix for each failure."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sandbox")
def sandbox() -> None:
    """Change pipeline code, and see what it does to the data before you merge.

    In a project with a sandbox.toml, `sandbox diff` is all it takes. To see a complete project: `sandbox demo`.
    """


def entry() -> NoReturn:
    """Run the command line, and end the process (`main` gives what it ends with).

    All is written, closed and removed by then; that Python takes itself apart would take a twentieth of a second more.
    """
    status = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(status)


def main() -> int:
    """Run the command line and give the exit status (docs/exit-status.md)."""
    os.environ.setdefault(
        "PYDANTIC_DISABLE_PLUGINS", "__all__"
    )  # what other packages bring has no say in our files
    gc.set_threshold(300_000)  # a tenth of the start went into looking for garbage among what was imported
    status = _called()
    return for_bisect(status) if BISECT in sys.argv[1:] else status


def for_bisect(status: int) -> int:
    """Give the status that ``git bisect run`` understands: it would take any other failure for a bad version.

    >>> [for_bisect(status) for status in (0, 1, 2, 10, 70, 125, 130)]
    [0, 1, 128, 128, 128, 125, 130]
    """
    return status if status in {0, 1, UnjudgedError.status} or status >= STOP_BISECT else STOP_BISECT


def _called() -> int:
    signals = Signals()
    withhold()
    try:
        status = sandbox.main(prog_name="sandbox", standalone_mode=False)
        sys.stdout.flush()
    except SandboxError as error:
        return _failed(error.status, error.kind, error.message, error.hint)
    except click.ClickException as error:
        return _misused(error)
    except (KeyboardInterrupt, click.Abort):
        return _failed(signals.status, "interrupted", "interrupted", "")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains while it exits
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the last resort: a bug must not look like a verdict
        traceback.print_exc()
        hint = "please report it, with the lines above"
        return _failed(SandboxError.status, SandboxError.kind, f"a bug in sandbox: {error!r}", hint)
    return status if isinstance(status, int) else 0


class Signals:
    """Ctrl-C and SIGTERM: the first one interrupts, so that everything is cleaned up; a second one kills."""

    def __init__(self) -> None:
        self.status = INTERRUPTED
        self._seen = False
        signal.signal(signal.SIGINT, self._received)
        signal.signal(signal.SIGTERM, self._received)

    def _received(self, number: int, _: FrameType | None) -> None:
        status = TERMINATED if number == signal.SIGTERM else INTERRUPTED
        if self._seen:
            os._exit(status)
        self._seen = True
        self.status = status
        raise KeyboardInterrupt


def _misused(error: click.ClickException) -> int:
    """Show click's own complaint, with the usage line that it knows."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "sandbox"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return 2
    return _failed(2, "usage", error.format_message(), f"{command} --help")


def _failed(status: int, kind: str, message: str, hint: str) -> int:
    from sandbox.formatting import visible  # noqa: PLC0415 - heavy, and --help does not need it

    if "--json" in sys.argv[1:]:
        error = {"status": status, "kind": kind, "message": message, "hint": hint}
        click.echo(json.dumps({"format_version": 1, "error": error}, ensure_ascii=False, indent=1))
    # A name or a message of a program could hold what a terminal obeys.
    shown = "\n".join(visible(line) for line in message.split("\n"))
    click.echo(f"{click.style('error:', fg='red', bold=True)} {shown}", err=True)
    for line in hint.splitlines():
        click.echo(f"{click.style('hint:', fg='cyan')} {visible(line)}", err=True)
    return status
