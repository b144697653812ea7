"""Find, read and resolve ``sandbox.toml``: flag, environment, file, in this order of precedence."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from sandbox.config import settings_checks
from sandbox.config.config_problems import Problem, bare, of_validation
from sandbox.config.settings import Project, Settings
from sandbox.config.toml_lines import key_lines, line_of
from sandbox.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Key = tuple[str, ...]

FILE = "sandbox.toml"
SHORT: dict[str, Key] = {"SANDBOX_RUNTIME": ("stack", "runtime")}
SECTIONS = (("project",), ("source",), ("sample",), ("stack",), ("stack", "limits"), ("pipeline",), ("gate",))


def load(file: Path | None, *, start: Path, environ: Mapping[str, str], flags: Mapping[Key, Any]) -> Project:
    """Give the project with all its settings resolved.

    Args:
        file: Its ``sandbox.toml``; None looks in ``start`` and the folders above.
        start: An absolute folder.
        environ: ``SANDBOX_STACK_RUNTIME`` and so on for scalars; other variables are ignored.
        flags: Key paths and their values; they win over both.

    Raises:
        ConfigError: There is none, or it is wrong; the message lists every problem.
    """
    path = file.absolute() if file is not None else find(start)
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path} is not there", hint="name another with --config FILE") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return Project(file=path.resolve(), settings=resolved(path, text, environ, flags))


def find(start: Path) -> Path:
    """Give the nearest ``sandbox.toml``, in ``start`` or above it (see `load`)."""
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return folder / FILE
    raise ConfigError(
        f"there is no {FILE} in {start} or above it",
        hint="go to your project, or name the file with --config FILE; to see a complete project: sandbox demo",
    )


def resolved(path: Path, text: str, environ: Mapping[str, str], flags: Mapping[Key, Any]) -> Settings:
    """Give the settings of a file with this text (see `load`)."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    for key, value in {**dict(_from_environment(environ)), **flags}.items():
        _set(values, key, value)
    problems: list[Problem] = []
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems = of_validation(error)
    else:
        problems = settings_checks.problems(settings)
        if not problems:
            return settings
    raise ConfigError(message(path, problems, key_lines(text)), hint=f"correct {path.name}, then try again")


def message(path: Path, problems: list[Problem], lines: dict[tuple[str | int, ...], int]) -> str:
    """Give the message that lists every problem of a file, each with its line where it has one."""
    count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
    placed = [(line_of(problem.key, lines), problem) for problem in problems]
    placed.sort(key=lambda one: one[0] or 0)
    rows = [
        f"  {f'line {line}: ' if line else ''}{_dotted(problem.key)}: {problem.message}"
        for line, problem in placed
    ]
    return "\n".join([f"{path} has {count}:", *rows])


def _dotted(key: tuple[str | int, ...]) -> str:
    """Write a key path as people do: ``sample.strata[1]``.

    >>> _dotted(("sample", "strata", 1))
    'sample.strata[1]'
    """
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in key).removeprefix(".")


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[Key, Any]]:
    numbers, texts = _variables()
    for variable, key in numbers.items():
        if variable in environ:
            yield key, _number(environ[variable])
    for variable, key in {**texts, **SHORT}.items():
        if variable in environ:
            yield key, environ[variable]


def _variables() -> tuple[dict[str, Key], dict[str, Key]]:
    """Map the environment variables that are read to their keys, numbers and texts: the scalars of fixed sections."""
    numbers: dict[str, Key] = {}
    texts: dict[str, Key] = {}
    for section in SECTIONS:
        model: type[BaseModel] = Settings
        for step in section:
            annotation = model.model_fields[step].annotation
            assert isinstance(annotation, type)
            assert issubclass(annotation, BaseModel)
            model = annotation
        for name, field in model.model_fields.items():
            if not any(word in str(field.annotation) for word in ("list", "dict", "Section")):
                step = field.alias or name
                kind = numbers if bare(field.annotation) in (int, float) else texts
                kind["_".join(["SANDBOX", *section, step]).upper()] = (*section, step)
    return numbers, texts


def _number(text: str) -> int | float | str:
    """Read a variable's value as TOML reads a number; anything else is left for validation to judge."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _set(values: dict[str, Any], key: Key, value: Any) -> None:
    for step in key[:-1]:
        inner = values.setdefault(step, {})
        if not isinstance(inner, dict):
            return  # validation reports that this is no table
        values = inner
    values[key[-1]] = value
