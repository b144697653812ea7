"""What several keys of ``[outputs.NAME]`` and ``[[tests]]`` together can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from sandbox.config.problems import Problem
from sandbox.config.settings import MomentName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.config.settings import OutputSection, Settings

_OF_NUMBERS = frozenset({"abs", "rel"})
_OF_TYPES = {
    **dict.fromkeys(get_args(MomentName), frozenset({"time"})),
    "VARCHAR": frozenset({"case", "space"}),
    "LIST": frozenset({"set"}),
}


def outputs(settings: Settings) -> Iterator[Problem]:
    """Check how outputs are compared."""
    for name, output in settings.outputs.items():
        if len(set(output.rename.values())) < len(output.rename):
            yield Problem(key=("outputs", name, "rename"), message="two columns are renamed to one")
        for column in sorted(set(output.key or ()) & set(output.ignore)):
            yield Problem(
                key=("outputs", name, "ignore"), message=f"{column} is a key column and cannot be ignored"
            )
        if output.gate.tests is not None:
            message = "a data test may look at several outputs; say in [gate] what is accepted of tests"
            yield Problem(key=("outputs", name, "gate", "tests"), message=message)
        yield from _type_tolerances(name, output)


def _type_tolerances(name: str, output: OutputSection) -> Iterator[Problem]:
    for type_, entry in output.type_tolerance.items():
        fitting = _OF_TYPES.get(type_, _OF_NUMBERS)
        for key in sorted(entry.model_fields_set - fitting):
            message = f"{key} means nothing for {type_}; there is {' and '.join(sorted(fitting))}"
            yield Problem(key=("outputs", name, "type_tolerance", type_, key), message=message)


def data_tests(settings: Settings) -> Iterator[Problem]:
    """Check that every data test can be told by its name."""
    names = [test.name for test in settings.tests]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Problem(key=("tests", index, "name"), message=f"two tests are called {name!r}")
