"""Find, read and resolve ``sandbox.toml``: flags override environment variables, which override the file."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from sandbox.config import settings_checks
from sandbox.config.config_problems import ConfigProblem, convert_validation_error, unwrap_annotation
from sandbox.config.settings import Project, Settings
from sandbox.config.toml_lines import find_key_lines, find_line
from sandbox.errors import ConfigError
from sandbox.formatting import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SettingPath = tuple[str, ...]

CONFIG_FILE_NAME = "sandbox.toml"
VARIABLE_ALIASES: dict[str, SettingPath] = {"SANDBOX_RUNTIME": ("stack", "runtime")}
ENVIRONMENT_SECTIONS = (
    ("project",),
    ("source",),
    ("sample",),
    ("stack",),
    ("stack", "limits"),
    ("pipeline",),
    ("gate",),
)


def load_project(
    file: Path | None, *, start: Path, environ: Mapping[str, str], flags: Mapping[SettingPath, Any]
) -> Project:
    """Return the project with all its settings resolved.

    Args:
        file: Its ``sandbox.toml``; None searches ``start`` and its parents.
        start: An absolute folder.
        environ: ``SANDBOX_STACK_RUNTIME`` and so on for scalars; other variables are ignored.
        flags: Key paths and their values; they override both.

    Raises:
        ConfigError: There is none, or it is invalid; the message lists every problem.
    """
    path = file.absolute() if file is not None else find_project_file(start)
    if file is None and path.resolve().parent != path.parent.resolve():
        raise ConfigError(
            f"{path} is a link to {path.resolve()}, a file of another folder", hint="name that file with --config FILE"
        )
    given = {**dict(_read_environment(environ)), **flags}
    return Project(file=path.resolve(), settings=read_settings(path, given), given=given)


def read_settings(path: Path, given: Mapping[SettingPath, Any]) -> Settings:
    """Return the settings of a file, overridden by ``given`` values (see `load_project`)."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path} is not there", hint="name another with --config FILE") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return resolve_settings(path, text, given)


def find_project_file(start: Path) -> Path:
    """Return the nearest ``sandbox.toml``, in ``start`` or its parents (see `load_project`)."""
    for folder in (start, *start.parents):
        if (folder / CONFIG_FILE_NAME).is_file():
            return folder / CONFIG_FILE_NAME
    raise ConfigError(
        f"there is no {CONFIG_FILE_NAME} in {start} or above it",
        hint="go to your project, or name the file with --config FILE; to see a complete project: sandbox demo",
    )


def resolve_settings(path: Path, text: str, given: Mapping[SettingPath, Any]) -> Settings:
    """Return the settings of a file with this text, overridden by ``given`` values (see `load_project`)."""
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    for key, value in given.items():
        _set_value(values, key, value)
    problems: list[ConfigProblem] = []
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems = convert_validation_error(error)
    else:
        problems = settings_checks.find_problems(settings)
        if not problems:
            return settings
    raise ConfigError(
        format_problems(path, problems, find_key_lines(text)), hint=f"correct {path.name}, then try again"
    )


def format_problems(path: Path, problems: list[ConfigProblem], lines: dict[tuple[str | int, ...], int]) -> str:
    """Return the message that lists every problem of a file with its line, if known."""
    count = format_count(len(problems), "problem")
    by_line = [(find_line(problem.key, lines), problem) for problem in problems]
    by_line.sort(key=lambda item: item[0] or 0)
    rows = [
        f"  {f'line {line}: ' if line else ''}{_format_key(problem.key)}: {problem.message}"
        for line, problem in by_line
    ]
    return "\n".join([f"{path} has {count}:", *rows])


def _format_key(key: tuple[str | int, ...]) -> str:
    """Return a key path in readable form: ``sample.strata[1]``.

    >>> _format_key(("sample", "strata", 1))
    'sample.strata[1]'
    """
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in key).removeprefix(".")


def _read_environment(environ: Mapping[str, str]) -> Iterator[tuple[SettingPath, Any]]:
    numbers, texts = _list_variables()
    for variable, key in numbers.items():
        if variable in environ:
            yield key, _parse_number(environ[variable])
    for variable, key in {**texts, **VARIABLE_ALIASES}.items():
        if variable in environ:
            yield key, environ[variable]


def _list_variables() -> tuple[dict[str, SettingPath], dict[str, SettingPath]]:
    """Return the keys of supported environment variables, for numbers and for texts: the scalars of fixed sections."""
    numbers: dict[str, SettingPath] = {}
    texts: dict[str, SettingPath] = {}
    for section in ENVIRONMENT_SECTIONS:
        model: type[BaseModel] = Settings
        for step in section:
            annotation = model.model_fields[step].annotation
            assert isinstance(annotation, type)
            assert issubclass(annotation, BaseModel)
            model = annotation
        for name, field in model.model_fields.items():
            if not any(word in str(field.annotation) for word in ("list", "dict", "Section")):
                step = field.alias or name
                kind = numbers if unwrap_annotation(field.annotation) in (int, float) else texts
                kind["_".join(["SANDBOX", *section, step]).upper()] = (*section, step)
    return numbers, texts


def _parse_number(text: str) -> int | float | str:
    """Parse a variable's value as a TOML number; leave other texts to validation."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _set_value(values: dict[str, Any], key: SettingPath, value: Any) -> None:
    for step in key[:-1]:
        inner = values.setdefault(step, {})
        if not isinstance(inner, dict):
            return  # validation reports it
        values = inner
    values[key[-1]] = value
