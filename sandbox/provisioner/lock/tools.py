"""uv and pip as commands with clean settings and translated errors."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Literal

import uv

from sandbox.error_text import hide_credentials
from sandbox.errors import ConfigError, ContainerEngineError, SandboxError
from sandbox.provisioner.lock import indexes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_ERROR_LINES = 12
_NETWORK_ERROR = re.compile(
    r"failed to fetch|error sending request|dns error|could not connect|connection (refused|reset|error|broken)"
    r"|name resolution|network is unreachable|timed out|certificate|tls|proxy"
    r"|from versions: none"  # from pip with an unreachable index: every library existed at resolution
    r"|network connectivity is disabled|could not fetch url|max retries",
    re.IGNORECASE,
)
_PROBES = {"pip": "pip download --no-deps six", "uv": "echo six | uv pip compile -"}
_NOISE_LINE = re.compile(r"^\s*(\[notice\]|WARNING: (There was an error checking|Location ))|^\s*$")


def find_uv() -> str:
    """Return the path of uv.

    Raises:
        ContainerEngineError: It is not installed with this package.
    """
    try:
        return str(uv.find_uv_bin())
    except FileNotFoundError as error:
        raise ContainerEngineError("uv, which resolves libraries, is not there", hint="pip install uv") from error


def build_uv_variables() -> dict[str, str]:
    """Return the environment for uv: the caller's, without variables that change its results or install location."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"VIRTUAL_ENV", "UV_PYTHON", "UV_CONSTRAINT", "UV_OVERRIDE", "UV_FROZEN", "UV_LOCKED"}
    }
    return kept | {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}


def build_uv_index_variables() -> dict[str, str]:
    """Return the environment for uv where it reads an index: with the settings of pip and uv (see `indexes`)."""
    own = build_uv_variables()
    for name in ("UV_INDEX_URL", "UV_EXTRA_INDEX_URL"):  # the older names, which are read with the others
        own.pop(name, None)
    return own | indexes.read_index_settings(build_pip_command()).build_uv_variables()


def build_pip_index_variables() -> dict[str, str]:
    """Return the environment for pip where it reads an index: with the settings of pip and uv (see `indexes`)."""
    return {**os.environ, **indexes.read_index_settings(build_pip_command()).build_pip_variables()}


def build_pip_command() -> list[str]:
    """Return the start of a pip command line: this interpreter's pip, else uv's."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    return [find_uv(), "tool", "run", "pip"]


def run_tool(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    failed: str,
    variables: dict[str, str] | None = None,
) -> str:
    """Run a tool and return its stdout.

    Args:
        command: A list, never a shell command line.
        cwd: Its working directory: a folder without any project's settings.
        failed: The message's beginning if it fails, as in ``the libraries cannot be resolved``.
        variables: Its environment; None uses the caller's.

    Raises:
        ContainerEngineError: It could not be started, or failed for lack of a network or a hash mismatch.
        ConfigError: It failed because of its input.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise ContainerEngineError(f"{failed}: {command[0]} cannot be started: {error.strerror}") from error
    if done.returncode == 0:
        return done.stdout
    raise explain_failure(failed, done.stderr or done.stdout, tool="pip" if _is_pip(command) else "uv")


def _is_pip(command: Sequence[str | Path]) -> bool:
    start = build_pip_command()
    return list(command[: len(start)]) == start


def explain_failure(failed: str, output: str, *, tool: Literal["pip", "uv"] = "uv") -> SandboxError:
    """Translate a failed tool's output to an error, without credentials in addresses."""
    output = hide_credentials(output)
    lines = [line.rstrip() for line in output.splitlines() if not _NOISE_LINE.match(line)]
    essential = "\n".join(f"  {line}" for line in lines[-MAX_ERROR_LINES:])
    message = f"{failed}:\n{essential}" if essential else failed
    # A resolver without a solution did reach its index, even if a library's name matches the pattern.
    if "No solution found" not in output and _NETWORK_ERROR.search(output):
        return ContainerEngineError(
            message,
            hint=f"{tool} failed; see whether it reaches its index: {_PROBES[tool]}\n"
            "(an index of pip's or uv's settings counts for both: docs/images.md)",
        )
    if "DO NOT MATCH THE HASHES" in output:
        return ContainerEngineError(
            message,
            hint="the index offers other bytes than were locked; if you know why and trust them: sandbox lock --upgrade",
        )
    return ConfigError(message, hint="change the file that stack.requirements names, then: sandbox lock")
