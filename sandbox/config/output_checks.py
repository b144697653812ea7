"""What several keys of ``[outputs.NAME]`` and ``[[tests]]`` together can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from sandbox.config.config_problems import Problem
from sandbox.config.settings import MomentName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.config.settings import OutputSection, Settings
    from sandbox.config.toml_lines import Path

_OF_NUMBERS = frozenset({"abs", "rel"})
_OF_TYPES = {
    **dict.fromkeys(get_args(MomentName), frozenset({"time"})),
    "VARCHAR": frozenset({"case", "space"}),
    "LIST": frozenset({"set"}),
}


def outputs(settings: Settings) -> Iterator[Problem]:
    """Check how outputs are compared."""
    for name, section in settings.outputs.items():
        yield from output(("outputs", name), section)


def output(at: Path, section: OutputSection) -> Iterator[Problem]:
    """Check how one output is compared, which the file says at a key path."""
    if len(set(section.rename.values())) < len(section.rename):
        yield Problem(key=(*at, "rename"), message="two columns are renamed to one")
    for column in sorted(set(section.key or ()) & set(section.ignore)):
        yield Problem(key=(*at, "ignore"), message=f"{column} is a key column and cannot be ignored")
    for column in sorted(set(section.key or ()) & section.tolerance.keys()):
        message = f"{column} is a key column, and no tolerance holds in a key"
        yield Problem(key=(*at, "tolerance", column), message=message)
    if section.gate.tests is not None:
        message = "a data test may look at several outputs; say in [gate] what is accepted of tests"
        yield Problem(key=(*at, "gate", "tests"), message=message)
    yield from _type_tolerances(at, section)


def _type_tolerances(at: Path, section: OutputSection) -> Iterator[Problem]:
    for type_, entry in section.type_tolerance.items():
        fitting = _OF_TYPES.get(type_, _OF_NUMBERS)
        for key in sorted(entry.model_fields_set - fitting):
            message = f"{key} means nothing for {type_}; there is {' and '.join(sorted(fitting))}"
            yield Problem(key=(*at, "type_tolerance", type_, key), message=message)


def data_tests(settings: Settings) -> Iterator[Problem]:
    """Check that every data test can be told by its name."""
    names = [test.name for test in settings.tests]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Problem(key=("tests", index, "name"), message=f"two tests are called {name!r}")
