"""Requirements from a ``uv.lock``, exported by uv with their hashes."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from sandbox.errors import ConfigError
from sandbox.provisioner.lock import tools
from sandbox.scratch import make_scratch_folder

EXPORT_ARGUMENTS = (
    "export", "--frozen", "--offline", "--no-config", "--no-cache", "--quiet", "--no-emit-project", "--no-default-groups",
    "--no-header", "--no-annotate",
)  # fmt: skip


def export_requirements(name: str, text: str, pyproject: str) -> str:
    """Return the lines of a requirements file with exact versions and hashes, without resolving and without a network.

    It includes the project's own dependencies, without dependency groups, extras and the project itself. ``pyproject``
    is the text of the valid ``pyproject.toml`` beside it, with a ``[project]``.

    Raises:
        ConfigError: It is damaged, outdated, or contains a library that no index has.
    """
    try:
        packages: list[dict[str, Any]] = tomllib.loads(text).get("package", [])
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise build_toml_error(name, error, hint="make it again: uv lock") from None
    _check_current(name, packages, pyproject)
    with make_scratch_folder("uv") as folder:
        (folder / "uv.lock").write_text(text, "utf-8")
        (folder / "pyproject.toml").write_text(pyproject, "utf-8")
        lines = tools.run_tool(
            [tools.find_uv(), *EXPORT_ARGUMENTS],
            cwd=folder,
            variables=tools.build_uv_variables(),
            failed=f"uv cannot read {name}",
        )
    foreign = [line.rstrip(" \\") for line in lines.splitlines() if not line.startswith(" ")]
    foreign = [line for line in foreign if not _is_from_index(line)]
    if foreign:
        raise _explain_foreign_libraries(name, foreign, packages)
    return lines


def build_toml_error(name: str, error: Exception, *, hint: str = "") -> ConfigError:
    """Build the error for a file that is not TOML: where it is wrong, without what stands there."""
    at = re.search(r"\(at [^)]*\)$", str(error))
    return ConfigError(f"{name} is not TOML {at[0] if at else ''}".rstrip(), hint=hint)


def _check_current(name: str, packages: list[dict[str, Any]], pyproject: str) -> None:
    """Check that the lock has the project's dependencies, by name only: uv checks the versions."""
    project: dict[str, Any] = tomllib.loads(pyproject).get("project", {})
    project_name = canonicalize_name(str(project.get("name", "")))
    entry = next((package for package in packages if canonicalize_name(str(package.get("name"))) == project_name), None)
    if entry is None:
        raise ConfigError(
            f"{name} is not the lock of the pyproject.toml beside it: it has no package {project_name!r}",
            hint="make it again, and commit it: uv lock",
        )
    known = {canonicalize_name(str(dependency["name"])) for dependency in entry.get("dependencies", ())}
    required = {canonicalize_name(Requirement(entry).name) for entry in project.get("dependencies", ())}
    if required != known:
        differing = ", ".join(sorted(required ^ known))
        raise ConfigError(
            f"{name} is not up to date with the pyproject.toml beside it: they differ in {differing}",
            hint="make it again, and commit it: uv lock",
        )


def _is_from_index(line: str) -> bool:
    try:
        return Requirement(line.partition(" --hash")[0]).url is None
    except InvalidRequirement:
        return False


def _explain_foreign_libraries(name: str, foreign: list[str], packages: list[dict[str, Any]]) -> ConfigError:
    sources = dict(_find_source(line, packages) for line in foreign)
    listed = "".join(f"\n  {library} from {source}" for library, source in sorted(sources.items()))
    without = " ".join(f"--no-emit-package {library}" for library in sorted(sources))
    return ConfigError(
        f"{name} takes what no index has, and so cannot be installed by its hash:{listed}",
        hint="put it on an index; or, where it can be imported from the repository, do without installing it:\n"
        f"uv export --no-emit-project --no-default-groups {without} -o requirements.txt,\n"
        'requirements = "requirements.txt" in [stack], and in [pipeline] env = { PYTHONPATH = "its folder" }',
    )


def _find_source(line: str, packages: list[dict[str, Any]]) -> tuple[str, str]:
    """Return a library's name and source, for a line written by uv."""
    for package in packages:
        library, source = str(package.get("name")), package.get("source", {})
        location = str(next(iter(source.values()), ""))
        if "registry" not in source and (line.startswith(f"{library} @ ") or line.endswith(f"/{location}")):
            return library, location
    return line, "a place of its own"
