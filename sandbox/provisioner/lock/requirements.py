"""Requirements of a project from a ``requirements.txt``, a ``pyproject.toml`` or a ``uv.lock``."""

from __future__ import annotations

import posixpath
import re
import tomllib
from dataclasses import dataclass
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

# Files of other tools, and the command that writes what is understood.
EXPORT_COMMANDS = {
    "poetry.lock": "poetry export --output requirements.txt  # of the plugin poetry-plugin-export",
    "Pipfile": "pipenv requirements --hash > requirements.txt",
    "Pipfile.lock": "pipenv requirements --hash > requirements.txt",
    "pdm.lock": "pdm export --output requirements.txt",
    "pylock.toml": "uv pip compile pylock.toml --output-file requirements.txt",
    "setup.py": "uv pip compile setup.py --output-file requirements.txt",
    "setup.cfg": "uv pip compile setup.cfg --output-file requirements.txt",
}
CONDA_FILES = frozenset({"environment.yml", "environment.yaml", "conda-lock.yml"})
_HASH = re.compile(r"[a-z0-9]+:[0-9a-fA-F]+")
_FILE_OPTION = re.compile(r"(?P<kind>-r|--requirement|-c|--constraint)[ =]?\s*(?P<file>[^\s-]\S*)")
PLAIN_LIBRARY = "a library by name, as in `requests>=2.32`"


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """The requirements of a file.

    Attributes:
        libraries: In PEP 508 form, normalised and sorted.
        pinned_libraries: Those with an exact version and hashes.
        constraints: Limits on versions of whatever is installed, likewise.
    """

    libraries: tuple[str, ...] = ()
    pinned_libraries: tuple[LockedLibrary, ...] = ()
    constraints: tuple[str, ...] = ()


def read_requirements(name: str, read: Callable[[str], bytes], *, python: str) -> Requirements:
    """Return the requirements of a file and of those that it names with ``-r`` and ``-c``.

    Args:
        name: The file's path.
        read: Returns a file by its path; a ``uv.lock`` needs the ``pyproject.toml`` beside it.
        python: The stack's Python, major and minor.

    Raises:
        ConfigError: It is of an unknown kind, damaged, or requires a path or URL.
    """
    kind = PurePosixPath(name).name
    if kind in EXPORT_COMMANDS:
        raise ConfigError(
            f"stack.requirements names {name}, which is of another tool",
            hint=f"{EXPORT_COMMANDS[kind]}\nthen name that file",
        )
    if kind in CONDA_FILES:
        raise ConfigError(
            f"stack.requirements names {name}, and packages of conda are not those of an index",
            hint='bring an image that has them: image = "./Dockerfile"; or list the libraries in a requirements.txt',
        )
    text = _read_text(name, read)
    constraints: set[str] = set()
    if kind == "uv.lock":
        project = str(PurePosixPath(name).with_name("pyproject.toml"))
        beside = _read_text(project, read)
        list(_parse_pyproject(project, beside, python=python, elsewhere=True))
        requirements = _parse_text(name, uv_lock.export_requirements(name, text, beside), read, constraints)
    elif kind.endswith(".toml"):
        requirements = _parse_pyproject(name, text, python=python)
    elif kind.endswith((".txt", ".in")):
        requirements = _parse_text(name, text, read, constraints)
    else:
        raise ConfigError(
            f"stack.requirements names {name}, which is of an unknown kind",
            hint="a requirements.txt, a pyproject.toml or a uv.lock is understood",
        )
    entries = ((str(requirement), hashes) for requirement, hashes in requirements)
    normalized = dict(sorted(entries, key=lambda entry: entry[0].lower()))
    return Requirements(
        libraries=tuple(normalized),
        pinned_libraries=tuple(_find_pinned_libraries(normalized)),
        constraints=tuple(sorted(constraints, key=str.lower)),
    )


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


def _parse_text(
    name: str, text: str, read: Callable[[str], bytes], constraints: set[str], including: tuple[str, ...] = ()
) -> Iterator[tuple[Requirement, tuple[str, ...]]]:
    """Yield the requirements of a text and of the files that it includes, and add constraints to a set."""
    for number, line in _split_entries(text):
        where = f"{name}, line {number}"
        option = _FILE_OPTION.fullmatch(line)
        if option is None:
            entry, *hashes = (part.strip() for part in line.split(" --hash="))
            if not all(_HASH.fullmatch(value) for value in hashes):
                raise ConfigError(
                    f"{where} has a --hash that is none", hint="write --hash=sha256: and 64 hexadecimal digits"
                )
            yield _parse_requirement(where, entry), tuple(hashes)
            continue
        file = posixpath.normpath(PurePosixPath(name).parent / option["file"])
        if file in (name, *including):
            raise ConfigError(f"{where} includes the file that it is included by", hint="remove the line")
        inner = _parse_text(file, _read_text(file, read), read, constraints, (name, *including))
        if option["kind"].startswith(("-r", "--r")):
            yield from inner
        else:
            constraints |= {str(requirement) for requirement, _ in inner}


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
