"""Run the commands of docs/tutorial.md in order, and write their outputs into the page: ``make tutorial``.

A block of Python under "`NAME`:" is a file. In a console block, lines with "$ " are commands. tests/e2e/test_tutorial.py
compares the outputs with the page.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).parents[1] / "tutorial.md"
CHANGING = {
    r"\b\d{8}T\d{6}-[0-9a-f-]+": "ID",
    r"\b[0-9a-f]{8,}\b": "DIGEST",
    r"\b[\d.,]+ (?:ms|s|min)\b": "TIME",
    r"\b[\d.,]+ (?:B|kB|MB)\b": "SIZE",
    r"[\s─]+": "",
}


def run_page(text: str, folder: Path, environment: dict[str, str]) -> str:
    """Run the page in an empty folder and return it with the outputs of this run.

    Args:
        text: The page.
        folder: The folder that the page calls ``~``.
        environment: The environment of the commands, with ``SANDBOX_HOME``.
    """
    programs = folder / ".programs"
    programs.mkdir()
    for name, arguments in {"sandbox": " -m sandbox", "python": ""}.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n', "utf-8")
        program.chmod(0o755)
    environment = environment | {
        "PATH": f"{programs}{os.pathsep}{environment['PATH']}",
        **{f"GIT_{role}_{key}": "you@example.org" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")},
    }
    project = folder / "bakery"
    project.mkdir()

    def replace_block(match: re.Match[str]) -> str:
        if match["file"]:
            (project / match["file"]).write_text(match["code"], "utf-8")
            return match[0]
        commands = re.findall(r"^\$ (.*(?:\n> .*)*)", match["console"], re.MULTILINE)
        outputs = [_run_command(command.replace("\n> ", "\n"), project, environment) for command in commands]
        shown = "".join(f"$ {command}\n{output}" for command, output in zip(commands, outputs, strict=True))
        return f"```console\n{_hide_paths(shown, folder, environment)}```"

    blocks = r"`(?P<file>[\w.]+)`:\n\n```python\n(?P<code>.*?)```|```console\n(?P<console>.*?)```"
    return re.sub(blocks, replace_block, text, flags=re.DOTALL)


def _run_command(command: str, project: Path, environment: dict[str, str]) -> str:
    """Return what a command writes to standard output, without trailing blanks.

    Raises:
        RuntimeError: The command ended without a verdict.
    """
    done = subprocess.run(
        ["bash", "-c", command], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"{command}: status {done.returncode}\n{done.stderr}")
    return re.sub(r"[ \t]+$", "", done.stdout, flags=re.MULTILINE)


def _hide_paths(text: str, folder: Path, environment: dict[str, str]) -> str:
    return text.replace(environment["SANDBOX_HOME"], "~/.local/share/sandbox").replace(str(folder), "~")


def normalize(text: str) -> str:
    """Return a page without times, sizes, digests and white space."""
    for pattern, replacement in CHANGING.items():
        text = re.sub(pattern, replacement, text)
    return text


def main() -> None:
    """Write the page with the outputs of a run."""
    with tempfile.TemporaryDirectory(prefix="tutorial-") as name:
        home = {"SANDBOX_HOME": str(Path(name) / "home"), "SANDBOX_RUNTIME": "local"}
        environment = {key: value for key, value in os.environ.items() if key != "CI"} | home
        PAGE.write_text(run_page(PAGE.read_text("utf-8"), Path(name).resolve(), environment | home), "utf-8")


if __name__ == "__main__":
    main()
