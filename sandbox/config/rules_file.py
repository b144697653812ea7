"""Rules files with an ``[output]`` table, for ``sandbox diff TABLE TABLE --rules FILE``.

The table has the keys of ``[outputs.NAME]`` that need no project.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sandbox.config.config_problems import ConfigProblem, convert_validation_error
from sandbox.config.output_checks import check_output
from sandbox.config.sections.base import Section
from sandbox.config.sections.outputs import OutputSection
from sandbox.config.single_table_file import read_single_table

if TYPE_CHECKING:
    from pathlib import Path


RULES_TABLE = "output"
RULES_EXAMPLE = (
    f'[{RULES_TABLE}]\nkey = ["id"]\ntolerance = {{ amount = {{ abs = 0.01 }} }}\ngate = {{ changed_rows = "1%" }}'
)
_PROJECT_ONLY_KEYS = {
    ("path",): "two tables are named on the command line",
    ("unit_key",): "two tables are no sample, so nothing is estimated of them",
    ("gate", "total_change"): "two tables are no sample, so no total is estimated of them",
}


class _OutputsSection(Section):
    """The file's table in the structure of the project's file, so that problems suggest valid names."""

    outputs: dict[str, OutputSection]


def read_rules(file: Path) -> OutputSection:
    """Return the rules for two tables.

    Raises:
        ConfigError: The file cannot be read, or is invalid; the message has the file, and the line of every problem.
    """
    return read_single_table(file, RULES_TABLE, _validate_rules, example=RULES_EXAMPLE)


def _validate_rules(content: dict[str, Any]) -> OutputSection | list[ConfigProblem]:
    try:
        section = _OutputsSection(outputs=content).outputs[RULES_TABLE]
    except ValidationError as error:
        return [
            ConfigProblem(key=problem.key[1:], message=problem.message) for problem in convert_validation_error(error)
        ]
    problems = [
        ConfigProblem(key=(RULES_TABLE, *key), message=f"{why}; leave it out")
        for key, why in _PROJECT_ONLY_KEYS.items()
        if _has_key(section, key)
    ]
    return [*problems, *check_output((RULES_TABLE,), section)] or section


def _has_key(section: Section, key: tuple[str, ...]) -> bool:
    step, *inner_keys = key
    below = getattr(section, step)
    return step in section.model_fields_set and (not inner_keys or _has_key(below, tuple(inner_keys)))
