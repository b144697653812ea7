"""Files with one table of settings, for ``--stack FILE`` and ``--rules FILE``."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, TypeVar

from sandbox.config.config_problems import ConfigProblem
from sandbox.config.project_file import format_problems
from sandbox.config.toml_lines import find_key_lines
from sandbox.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")


def read_single_table(
    file: Path, table: str, validate: Callable[[dict[str, Any]], T | list[ConfigProblem]], *, example: str
) -> T:
    """Return the settings in a file's table.

    Args:
        file: The file.
        table: The name of its only table.
        validate: Returns the result, or problems, for the file's content without other keys.
        example: An example of such a file.

    Raises:
        ConfigError: The file cannot be read, or is invalid; the message has the file, and the line of every problem.
    """
    text, content = read_toml_file(file, table, example=example)
    problems = [
        ConfigProblem(key=(name,), message=f"unknown key; only [{table}] belongs here")
        for name in content
        if name != table
    ]
    if table not in content:
        problems.append(ConfigProblem(key=(table,), message=f"is missing; this file is for a [{table}] table"))
    else:
        result = validate({table: content[table]})
        if not isinstance(result, list) and not problems:
            return result
        problems += result if isinstance(result, list) else []
    raise ConfigError(
        format_problems(file, problems, find_key_lines(text)),
        hint=f"correct {file.name}; for example:\n{example}",
    )


def read_toml_file(file: Path, table: str, *, example: str) -> tuple[str, dict[str, Any]]:
    """Return the text and the content of a file (see `read_single_table`)."""
    try:
        text = file.read_text("utf-8")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(f"{file} is not there", hint=f"write a file with a [{table}] table:\n{example}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
