"""Read a project's own profile: the databases of production and of other targets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def describe_profile() -> dict[str, Any]:
    """Read the profile in the working directory.

    Returns:
        ``adapters``, all that it names; ``adapter``, that of production's target, and None where that cannot be told;
        ``database``, the DuckDB file that it names, if there is one; ``targets``, the names of its targets.
    """
    outputs, target = _read_outputs()
    kinds = {name: str(output.get("type", "unknown")) for name, output in outputs.items()}
    files = [
        str(output["path"])
        for output in outputs.values()
        if output.get("type") == "duckdb"
        and ":" not in str(output.get("path", ":memory:"))
        and "{" not in str(output["path"])
    ]
    wanted = [kinds[name] for name in (os.environ.get("DBT_TARGET", "prod"), target) if name in kinds]
    one = next(iter(kinds.values())) if len(set(kinds.values())) == 1 else None
    return {
        "adapters": sorted(set(kinds.values())),
        "adapter": wanted[0] if wanted else one,
        "database": files[0] if files else None,
        "targets": sorted(outputs),
    }


def _read_outputs() -> tuple[dict[str, dict[str, Any]], str]:
    """Return the outputs of the project's profile, and which is its target."""
    profiles = _read_yaml("profiles.yml")
    named = profiles.get(str(_read_yaml("dbt_project.yml").get("profile")))
    found = [named] if isinstance(named, dict) else [one for one in profiles.values() if isinstance(one, dict)]
    outputs = {
        name: output
        for profile in found
        for name, output in _convert_to_mapping(profile.get("outputs")).items()
        if isinstance(output, dict)
    }
    return outputs, str(_convert_to_mapping(named).get("target"))


def _convert_to_mapping(found: Any) -> dict[Any, Any]:
    return found if isinstance(found, dict) else {}


def _read_yaml(file: str) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(Path(file).read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return _convert_to_mapping(found)
