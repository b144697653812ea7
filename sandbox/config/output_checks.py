"""Checks across keys of ``[outputs.NAME]`` and ``[[tests]]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from sandbox.config.config_problems import ConfigProblem
from sandbox.config.settings import TemporalTypeName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.config.settings import OutputSection, Settings
    from sandbox.config.toml_lines import KeyPath

_NUMBER_TOLERANCES = frozenset({"abs", "rel"})
_TYPE_TOLERANCES = {
    **dict.fromkeys(get_args(TemporalTypeName), frozenset({"time"})),
    "VARCHAR": frozenset({"case", "space"}),
    "LIST": frozenset({"set"}),
}


def check_outputs(settings: Settings) -> Iterator[ConfigProblem]:
    """Check the comparison settings of all outputs."""
    for name, section in settings.outputs.items():
        yield from check_output(("outputs", name), section)


def check_output(at: KeyPath, section: OutputSection) -> Iterator[ConfigProblem]:
    """Check the comparison settings of one output, at a key path."""
    if len(set(section.rename.values())) < len(section.rename):
        yield ConfigProblem(key=(*at, "rename"), message="two columns are renamed to one")
    for column in sorted(set(section.key or ()) & set(section.ignore)):
        yield ConfigProblem(key=(*at, "ignore"), message=f"{column} is a key column and cannot be ignored")
    for column in sorted(set(section.key or ()) & section.tolerance.keys()):
        message = f"{column} is a key column, and no tolerance holds in a key"
        yield ConfigProblem(key=(*at, "tolerance", column), message=message)
    if section.gate.tests is not None:
        message = "a data test may look at several outputs; say in [gate] what is accepted of tests"
        yield ConfigProblem(key=(*at, "gate", "tests"), message=message)
    yield from _check_type_tolerances(at, section)


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
