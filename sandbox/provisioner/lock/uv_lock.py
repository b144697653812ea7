"""``uv.lock`` as a project's requirements: what uv says that the project needs of it, with the hashes that it has."""

from __future__ import annotations

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
    """Give the lines of a requirements file, each an exact version with its hashes; nothing is resolved, without a network.

    What belongs to the project itself is in it: no dependency groups, no extras, and not the project.

    Args:
        name: What the file is called, for errors.
        text: Its text.
        pyproject: The text of the ``pyproject.toml`` beside it, which is valid and has a ``[project]``.

    Raises:
        ConfigError: It is damaged, is older than what the project asks for, or holds something that no index has.
    """
    try:
        packages: list[dict[str, Any]] = tomllib.loads(text).get("package", [])
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} is not TOML: {error}", hint="make it again: uv lock") from error
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


def _check_current(name: str, packages: list[dict[str, Any]], pyproject: str) -> None:
    """Names are enough to see that somebody forgot to lock: what versions fit is for uv to say."""
    project: dict[str, Any] = tomllib.loads(pyproject).get("project", {})
    own = canonicalize_name(str(project.get("name", "")))
    entry = next((one for one in packages if canonicalize_name(str(one.get("name"))) == own), None)
    if entry is None:
        raise ConfigError(
            f"{name} is not the lock of the pyproject.toml beside it: it has no package {own!r}",
            hint="make it again, and commit it: uv lock",
        )
    known = {canonicalize_name(str(one["name"])) for one in entry.get("dependencies", ())}
    asked = {canonicalize_name(Requirement(one).name) for one in project.get("dependencies", ())}
    if asked != known:
        differing = ", ".join(sorted(asked ^ known))
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
    found = dict(_find_source(line, packages) for line in foreign)
    listed = "".join(f"\n  {library} from {place}" for library, place in sorted(found.items()))
    without = " ".join(f"--no-emit-package {library}" for library in sorted(found))
    return ConfigError(
        f"{name} takes what no index has, and so cannot be installed by its hash:{listed}",
        hint="put it on an index; or, where it can be imported from the repository, do without installing it:\n"
        f"uv export --no-emit-project --no-default-groups {without} -o requirements.txt,\n"
        'requirements = "requirements.txt" in [stack], and in [pipeline] env = { PYTHONPATH = "its folder" }',
    )


def _find_source(line: str, packages: list[dict[str, Any]]) -> tuple[str, str]:
    """Give a library's name and where it comes from, of a line that uv wrote for it."""
    for one in packages:
        library, source = str(one.get("name")), one.get("source", {})
        place = str(next(iter(source.values()), ""))
        if "registry" not in source and (line.startswith(f"{library} @ ") or line.endswith(f"/{place}")):
            return library, place
    return line, "a place of its own"
