"""A file with a ``[stack]`` table of its own, for ``sandbox diff --stack FILE``: the same code on another stack."""

from __future__ import annotations

import dataclasses
import tomllib
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from sandbox.config import check
from sandbox.config.lines import key_lines
from sandbox.config.load import message
from sandbox.config.problems import Problem, of_validation
from sandbox.config.settings import Section, StackSection
from sandbox.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config.settings import Project, Settings

S = TypeVar("S", bound=Section)
EXAMPLE = '[stack]\nrequirements = "requirements-next.txt"'


class StackFile(Section):
    """The whole file."""

    stack: StackSection


def with_stack(project: Project, file: Path) -> Project:
    """Give the project on the stack of another file; what that file does not say is as the project has it.

    Raises:
        ConfigError: The file cannot be read, or is wrong; the message names it, and the line of every problem.
    """
    text, content = _read(file)
    problems = [
        Problem(key=(name,), message="unknown key; only [stack] belongs here")
        for name in content
        if name != "stack"
    ]
    settings = project.settings
    if "stack" not in content:
        problems.append(Problem(key=("stack",), message="is missing; this file is for a [stack] table"))
    else:
        found = _resolved(project.settings, {"stack": content["stack"]})
        problems += found if isinstance(found, list) else []
        settings = settings if isinstance(found, list) else found
    if problems:
        raise ConfigError(
            message(file, problems, key_lines(text)), hint=f"correct {file.name}; for example:\n{EXAMPLE}"
        )
    return dataclasses.replace(project, settings=settings)


def names_requirements(file: Path) -> bool:
    """Say whether a file that `with_stack` has read names a requirements file of its own."""
    return "requirements" in _read(file)[1]["stack"]


def _read(file: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = file.read_text("utf-8")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(
            f"{file} is not there", hint=f"write a file with a [stack] table:\n{EXAMPLE}"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error


def _resolved(settings: Settings, content: dict[str, Any]) -> Settings | list[Problem]:
    try:
        given = StackFile.model_validate(content).stack
    except ValidationError as error:
        return of_validation(error)
    if "runtime" in given.model_fields_set and given.runtime != settings.stack.runtime:
        return [
            Problem(
                key=("stack", "runtime"), message="both stacks run on the project's runtime; leave it out"
            )
        ]
    stack = _laid_over(settings.stack, given)
    if "limits" in given.model_fields_set:
        stack = stack.model_copy(update={"limits": _laid_over(settings.stack.limits, given.limits)})
    merged = settings.model_copy(update={"stack": stack})
    return [one for one in check.problems(merged) if one.key[0] == "stack"] or merged


def _laid_over(below: S, above: S) -> S:
    return below.model_copy(update={name: getattr(above, name) for name in above.model_fields_set})
