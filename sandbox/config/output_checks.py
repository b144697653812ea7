"""Checks across keys of ``[outputs.NAME]`` and ``[[tests]]``."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, get_args

from sandbox.config.config_problems import ConfigProblem
from sandbox.config.sections.outputs import TemporalTypeName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.config.sections.csv import CsvSection
    from sandbox.config.sections.outputs import OutputSection
    from sandbox.config.settings import Settings
    from sandbox.config.toml_lines import KeyPath

_NUMBER_TOLERANCES = frozenset({"abs", "rel"})
_TYPE_TOLERANCES = {
    **dict.fromkeys(get_args(TemporalTypeName), frozenset({"time"})),
    "VARCHAR": frozenset({"case", "space"}),
    "LIST": frozenset({"set"}),
}
_PROJECT_RULES = {
    "tests": "a data test may look at several outputs",
    "artifacts": "an artifact is no output",
    "rules": "the rules of all outputs are judged together",
    "unexpected": "what a change reaches is a matter of the whole project",
}


def check_outputs(settings: Settings) -> Iterator[ConfigProblem]:
    for name, section in settings.outputs.items():
        yield from check_output(("outputs", name), section)


def check_output(at: KeyPath, section: OutputSection) -> Iterator[ConfigProblem]:
    """Check the comparison settings of one output, at a key path."""
    if section.path is not None and not _is_path_inside(section.path):
        message = f"{section.path!r} must be a file or folder below $SANDBOX_OUTPUT"
        yield ConfigProblem(key=(*at, "path"), message=message)
    if len(set(section.rename.values())) < len(section.rename):
        yield ConfigProblem(key=(*at, "rename"), message="two columns are renamed to one")
    for column in sorted(set(section.key or ()) & set(section.ignore)):
        yield ConfigProblem(key=(*at, "ignore"), message=f"{column} is a key column and cannot be ignored")
    for column in sorted(set(section.key or ()) & section.tolerance.keys()):
        message = f"{column} is a key column, and no tolerance holds in a key"
        yield ConfigProblem(key=(*at, "tolerance", column), message=message)
    if section.last is not None and section.since is None:
        yield ConfigProblem(key=(*at, "last"), message='needs a column to go back in; for example: since = "day"')
    for rule, reason in _PROJECT_RULES.items():
        if getattr(section.gate, rule) is not None:
            message = f"{reason}; say in [gate] what is accepted of {rule}"
            yield ConfigProblem(key=(*at, "gate", rule), message=message)
    if section.csv is not None:
        yield from check_csv((*at, "csv"), section.csv)
    yield from _check_type_tolerances(at, section)


def check_csv(at: KeyPath, section: CsvSection) -> Iterator[ConfigProblem]:
    """Check that the characters of CSV files differ; ``at`` is the key path of the settings."""
    marks = {
        "delimiter": section.delimiter,
        "quote": section.quote or None,
        "decimal": section.decimal,
        "thousands": section.thousands,
    }
    for first, other in (("delimiter", "quote"), ("decimal", "thousands")):
        if marks[first] is not None and marks[first] == marks[other]:
            yield ConfigProblem(key=(*at, other), message=f"is {marks[other]!r}, and so is {first}")


def _is_path_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not PurePosixPath(path).is_absolute() and ".." not in parts and path.isprintable()


def _check_type_tolerances(at: KeyPath, section: OutputSection) -> Iterator[ConfigProblem]:
    for type_, entry in section.type_tolerance.items():
        fitting = _TYPE_TOLERANCES.get(type_, _NUMBER_TOLERANCES)
        for key in sorted(entry.model_fields_set - fitting):
            message = f"{key} means nothing for {type_}; there is {' and '.join(sorted(fitting))}"
            yield ConfigProblem(key=(*at, "type_tolerance", type_, key), message=message)


def check_data_tests(settings: Settings) -> Iterator[ConfigProblem]:
    """Check that the names of data tests are unique."""
    names = [test.name for test in settings.tests]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ConfigProblem(key=("tests", index, "name"), message=f"two tests are called {name!r}")
