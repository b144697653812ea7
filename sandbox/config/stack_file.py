"""Stack files with a ``[stack]`` table, for ``sandbox diff --stack FILE``: the same code on another stack."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from sandbox.config import settings_checks
from sandbox.config.config_problems import ConfigProblem, convert_validation_error
from sandbox.config.sections.base import Section
from sandbox.config.sections.stack import StackSection
from sandbox.config.single_table_file import read_single_table, read_toml_file

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config.settings import Project, Settings

S = TypeVar("S", bound=Section)
STACK_EXAMPLE = '[stack]\nrequirements = "requirements-next.txt"'


class StackFile(Section):
    """The whole file."""

    stack: StackSection


def replace_stack(project: Project, file: Path) -> Project:
    """Return the project on the stack of another file, with the project's settings for missing keys.

    Raises:
        ConfigError: The file cannot be read, or is invalid; the message has the file, and the line of every problem.
    """
    settings = read_single_table(
        file, "stack", lambda content: _validate_stack(project.settings, content), example=STACK_EXAMPLE
    )
    return dataclasses.replace(project, settings=settings)


def has_requirements(file: Path) -> bool:
    """Return whether a file read by `replace_stack` names its own requirements file."""
    return "requirements" in read_toml_file(file, "stack", example=STACK_EXAMPLE)[1]["stack"]


def _validate_stack(settings: Settings, content: dict[str, Any]) -> Settings | list[ConfigProblem]:
    try:
        overrides = StackFile.model_validate(content).stack
    except ValidationError as error:
        return convert_validation_error(error)
    if "runtime" in overrides.model_fields_set and overrides.runtime != settings.stack.runtime:
        return [
            ConfigProblem(key=("stack", "runtime"), message="both stacks run on the project's runtime; leave it out")
        ]
    stack = _merge_sections(settings.stack, overrides)
    if "limits" in overrides.model_fields_set:
        stack = stack.model_copy(update={"limits": _merge_sections(settings.stack.limits, overrides.limits)})
    merged = settings.model_copy(update={"stack": stack})
    return [problem for problem in settings_checks.find_problems(merged) if problem.key[0] == "stack"] or merged


def _merge_sections(below: S, above: S) -> S:
    return below.model_copy(update={name: getattr(above, name) for name in above.model_fields_set})
