"""A file with an ``[output]`` table, for ``sandbox diff TABLE TABLE --rules FILE``: ``[outputs.NAME]`` without a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sandbox.config.config_problems import Problem, of_validation
from sandbox.config.output_checks import output
from sandbox.config.settings import OutputSection, Section
from sandbox.config.single_table_file import resolve

if TYPE_CHECKING:
    from pathlib import Path

TABLE = "output"
EXAMPLE = (
    f'[{TABLE}]\nkey = ["id"]\ntolerance = {{ amount = {{ abs = 0.01 }} }}\ngate = {{ changed_rows = "1%" }}'
)
_OF_PROJECTS = {
    ("path",): "two tables are named on the command line",
    ("unit_key",): "two tables are no sample, so nothing is estimated of them",
    ("gate", "total_change"): "two tables are no sample, so no total is estimated of them",
}


class _Outputs(Section):
    """The file's table where the project's file has such a table, so that complaints know the names that are valid."""

    outputs: dict[str, OutputSection]


def rules_in(file: Path) -> OutputSection:
    """Give what is declared about two tables.

    Raises:
        ConfigError: The file cannot be read, or is wrong; the message names it, and the line of every problem.
    """
    return resolve(file, TABLE, _resolved, example=EXAMPLE)


def _resolved(content: dict[str, Any]) -> OutputSection | list[Problem]:
    try:
        section = _Outputs(outputs=content).outputs[TABLE]
    except ValidationError as error:
        return [Problem(key=one.key[1:], message=one.message) for one in of_validation(error)]
    found = [
        Problem(key=(TABLE, *key), message=f"{why}; leave it out")
        for key, why in _OF_PROJECTS.items()
        if _given(section, key)
    ]
    return [*found, *output((TABLE,), section)] or section


def _given(section: Section, key: tuple[str, ...]) -> bool:
    step, *rest = key
    below = getattr(section, step)
    return step in section.model_fields_set and (not rest or _given(below, tuple(rest)))
