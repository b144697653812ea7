"""Requirements of a project from a ``requirements.txt``, a ``pyproject.toml`` or a ``uv.lock``."""

from __future__ import annotations

import tomllib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from sandbox.errors import ConfigError
from sandbox.manifest.lock import LockedLibrary
from sandbox.provisioner.lock import uv_lock
from sandbox.provisioner.lock.uv_lock import build_toml_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PLAIN_LIBRARY = "a library by name, as in `requests>=2.32`"


def read_requirements(
    name: str, read: Callable[[str], bytes], *, python: str
) -> tuple[tuple[str, ...], tuple[LockedLibrary, ...]]:
    """Return the requirements of a file, normalised and sorted, and the ones pinned with hashes.

    Args:
        name: The file's path.
        read: Returns a file by its path; a ``uv.lock`` needs the ``pyproject.toml`` beside it.
        python: The stack's Python, major and minor.

    Raises:
        ConfigError: It is of an unknown kind, damaged, or requires a path or URL.
    """
    text = _read_text(name, read)
    kind = PurePosixPath(name).name
    if kind == "uv.lock":
        project = str(PurePosixPath(name).with_name("pyproject.toml"))
        beside = _read_text(project, read)
        list(_parse_pyproject(project, beside, python=python, elsewhere=True))
        requirements = _parse_text(name, uv_lock.export_requirements(name, text, beside))
    elif kind.endswith(".toml"):
        requirements = _parse_pyproject(name, text, python=python)
    elif kind.endswith((".txt", ".in")):
        requirements = _parse_text(name, text)
    else:
        raise ConfigError(
            f"stack.requirements names {name}, which is of an unknown kind",
            hint="a requirements.txt, a pyproject.toml or a uv.lock is understood",
        )
    entries = ((str(requirement), hashes) for requirement, hashes in requirements)
    normalized = dict(sorted(entries, key=lambda entry: entry[0].lower()))
    return tuple(normalized), tuple(_find_pinned_libraries(normalized))


def _read_text(name: str, read: Callable[[str], bytes]) -> str:
    try:
        return read(name).decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"the requirements file {name} cannot be read: {error.strerror or error}",
            hint="name a file of the repository in stack.requirements, and commit it",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name} is not UTF-8 text: {error}", hint="save it as UTF-8") from error


def _find_pinned_libraries(entries: Mapping[str, tuple[str, ...]]) -> Iterator[LockedLibrary]:
    for entry, hashes in entries.items():
        parsed = Requirement(entry)
        [*specifiers] = parsed.specifier
        if hashes and len(specifiers) == 1 and specifiers[0].operator == "==":
            yield LockedLibrary(
                name=canonicalize_name(parsed.name), version=specifiers[0].version, hashes=sorted(hashes)
            )


def _parse_text(name: str, text: str) -> Iterator[tuple[Requirement, tuple[str, ...]]]:
    for number, line in _split_entries(text):
        entry, *hashes = (part.strip() for part in line.split(" --hash="))
        yield _parse_requirement(f"{name}, line {number}", entry), tuple(hashes)


def _split_entries(text: str) -> Iterator[tuple[int, str]]:
    """Yield a requirements file's entries with the number of their first line, without comments."""
    gathered, first = "", 1
    for number, raw in enumerate(text.splitlines(), start=1):
        first = first if gathered else number
        continued = raw.rstrip().endswith("\\")
        gathered += " " + (raw.rstrip().removesuffix("\\") if continued else raw)
        if not continued:
            entry = " ".join(gathered.split())
            gathered = ""
            entry = entry.partition(" #")[0].strip()
            if entry and not entry.startswith("#"):
                yield first, entry
    if gathered.strip():
        yield first, gathered.strip()


def _parse_pyproject(
    name: str, text: str, *, python: str, elsewhere: bool = False
) -> Iterator[tuple[Requirement, tuple[str, ...]]]:
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise build_toml_error(name, error) from None
    project: dict[str, Any] = content.get("project", {})
    if "dependencies" in project.get("dynamic", ()) or ("dependencies" not in project and "tool" in content):
        raise ConfigError(
            f"{name} does not list its libraries under [project] dependencies",
            hint="list them there, or name a requirements.txt in stack.requirements",
        )
    _check_python(name, str(project.get("requires-python", "")), python)
    sources = {} if elsewhere else content.get("tool", {}).get("uv", {}).get("sources", {})
    for number, entry in enumerate(project.get("dependencies", ()), start=1):
        requirement = _parse_requirement(f"{name}, dependency {number}", str(entry))
        if requirement.name in sources:
            raise ConfigError(
                f"{name} takes {requirement.name} from a place of its own (tool.uv.sources), which it does not lock",
                hint='name its uv.lock in [stack]: requirements = "uv.lock"',
            )
        yield requirement, ()


def _check_python(name: str, specifier: str, python: str) -> None:
    try:
        fits = SpecifierSet(specifier).contains(f"{python}.99", prereleases=True)
    except InvalidSpecifier as error:
        raise ConfigError(
            f"{name}: requires-python is not a version specifier", hint='for example: ">=3.11"'
        ) from error
    if not fits:
        raise ConfigError(
            f"{name} requires Python {specifier}, and the stack has {python}",
            hint="widen requires-python, or change python in [stack]",
        )


def _parse_requirement(where: str, entry: str) -> Requirement:
    """Parse one entry. Errors name its line and never quote it: the file may be none of requirements."""
    refused = f"{where} is not supported yet"
    if entry.startswith("-"):
        raise ConfigError(
            f"{refused}: it is an option of pip",
            hint=f"{PLAIN_LIBRARY} is; which index they come from is a setting of pip (pip config set global.index-url ...)",
        )
    try:
        requirement = Requirement(entry)
    except InvalidRequirement:
        if "://" in entry or entry.startswith((".", "/", "git+")) or entry.endswith((".whl", ".tar.gz")):
            raise ConfigError(f"{refused}: it is a path or an address", hint=f"{PLAIN_LIBRARY} is") from None
        raise ConfigError(f"{where} is not a requirement", hint=f"write {PLAIN_LIBRARY}") from None
    if requirement.url is not None:
        raise ConfigError(f"{refused}: it names an address", hint=f"{PLAIN_LIBRARY} is")
    return requirement
