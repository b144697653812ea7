"""dbt's complaints, with what to do where that is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

DIALECTS = {
    "duckdb": re.compile(
        r"Parser Error|Catalog Error: .*(Function|Type|Macro)|Binder Error: No function|Not implemented Error"
    ),
    "postgres": re.compile(
        r"syntax error at or near|(?:function|operator|procedure) .*does not exist|type \S+ does not exist"
    ),
}
FIXES = (
    (
        r"Env var required but not provided: '([^']*)'",
        'the project reads the variable {0}: give it in sandbox.toml: [pipeline] env = {{ {0} = "…" }}',
    ),
    (
        r"package\(s\) specified in \S+, but only|'(dbt_utils|dbt_date|\w+)' is undefined",
        'packages are missing; runs have no network, so bring them: dbt deps, and include = ["dbt_packages"] in [pipeline]',
    ),
    (
        r"[Rr]equired? (?:dbt )?version|version of dbt is incorrect|require-dbt-version",
        "the image has another dbt than the project asks for: pin one in [stack] requirements",
    ),
    (
        r"Required var '([^']*)' not found",
        'the project wants the variable {0}: in sandbox.toml: [pipeline] env = {{ DBT_VARS = "{{{{{0}: …}}}}" }}',
    ),
    (
        r"Read-only file system: '?([^'\n]*)",
        "a run writes only into its outputs: name a folder of the code that it needs in [pipeline] scratch ({0})",
    ),
    (
        r"No module named '(?:dbt\.adapters\.)?(\w+)|Could not find adapter type (\w+)",
        'the stack lacks it: image = "dbt" in [stack] brings dbt-duckdb and dbt-postgres; other requirements have to name them',
    ),
    (
        r'role "([^"]*)" does not exist',
        "production's roles are not there, and grants of models are left out: let the hook that names {0} ask for target.name",
    ),
    (
        r'relation "([^"]*)" does not exist|schema "([^"]*)" does not exist',
        "there are only the project's sources, and what it builds: name tables by source() and ref(), so that dbt knows of them",
    ),
)
PORTABLY = (
    "write it portably (dbt's cross-database macros, target.type, adapter.dispatch), or leave the model out with "
    '[pipeline] env = {{ DBT_EXCLUDE = "{model}" }}'
)
NOT_THIS = {
    "duckdb": f"this SQL is not DuckDB's, which runs the models here: {PORTABLY}",
    "postgres": f"this SQL is not Postgres's, which runs the models here: {PORTABLY}",
}
ON_POSTGRES = (
    "this SQL is not DuckDB's, which runs the models here, and the project's profile names Postgres: run them there with "
    'inputs = ["postgres"] in [pipeline]'
)


class StoppedError(Exception):
    """The project cannot run; the message says why and what to do."""


def describe_failures(done: Any, adapter: str, adapters: Collection[str]) -> str:
    """Return which models failed, with the database's words and what to do.

    Args:
        done: What dbt gave.
        adapter: That of the database here.
        adapters: Those that the project's own profile names.
    """
    lines = []
    for one in getattr(done.result, "results", []):
        if str(one.status) in {"error", "fail"} and one.message:
            node = one.node
            said = explain_error(one.message, model=node.name, adapter=adapter, adapters=adapters)
            lines.append(f"{node.name} ({node.original_file_path}): {said}")
    return "\n".join(lines) or "dbt failed"


def explain_error(text: str, *, model: str = "", adapter: str = "duckdb", adapters: Collection[str] = ()) -> str:
    """Return dbt's message, and after it what to do where that is known; the rest as in `describe_failures`."""
    said = _without_empty_lines(text)
    advice = find_advice(text, model=model, adapter=adapter, adapters=adapters)
    return said if advice is None else f"{said}\n{advice}"


def find_advice(text: str, *, model: str = "", adapter: str = "duckdb", adapters: Collection[str] = ()) -> str | None:
    """Return what to do about a message of dbt, where that is known; the rest as in `describe_failures`."""
    said = _without_empty_lines(text)
    for pattern, fix in FIXES:
        if found := re.search(pattern, said):
            return fix.format(*(found.groups() or ("",)))
    if DIALECTS[adapter].search(said):
        elsewhere = adapter == "duckdb" and "postgres" in adapters
        return ON_POSTGRES if elsewhere else NOT_THIS[adapter].format(model=model)
    return None


def _without_empty_lines(text: str) -> str:
    return "\n".join(line for line in text.strip().splitlines() if line.strip())
