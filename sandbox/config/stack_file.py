"""A file with a ``[stack]`` table of its own, for ``sandbox diff --stack FILE``: the same code on another stack."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from sandbox.config import settings_checks
from sandbox.config.config_problems import Problem, of_validation
from sandbox.config.settings import Section, StackSection
from sandbox.config.single_table_file import read, resolve

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
    settings = resolve(file, "stack", lambda content: _resolved(project.settings, content), example=EXAMPLE)
    return dataclasses.replace(project, settings=settings)


def names_requirements(file: Path) -> bool:
    """Say whether a file that `with_stack` has read names a requirements file of its own."""
    return "requirements" in read(file, "stack", example=EXAMPLE)[1]["stack"]


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
    return [one for one in settings_checks.problems(merged) if one.key[0] == "stack"] or merged


def _laid_over(below: S, above: S) -> S:
    return below.model_copy(update={name: getattr(above, name) for name in above.model_fields_set})
