"""dbt's complaints, with what to do where that is known."""

from __future__ import annotations

import re
from typing import Any

DIALECT = re.compile(
    r"Parser Error|Catalog Error: .*(Function|Type|Macro)|Binder Error: No function|Not implemented Error"
)
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
)
NOT_DUCKDB = (
    "this SQL is not DuckDB's, which runs the models here: write it portably (dbt's cross-database macros, "
    'target.type, adapter.dispatch), or leave the model out with [pipeline] env = {{ DBT_EXCLUDE = "{model}" }}'
)


def failures(done: Any) -> str:
    """Say which models failed, with the database's words and what to do."""
    lines = []
    for one in getattr(done.result, "results", []):
        if str(one.status) in {"error", "fail"} and one.message:
            node = one.node
            lines.append(
                f"{node.name} ({node.original_file_path}): {explained(one.message, model=node.name)}"
            )
    return "\n".join(lines) or "dbt failed"


def explained(text: str, *, model: str = "") -> str:
    """Give dbt's words, and after them what to do where that is known."""
    said = "\n".join(line for line in text.strip().splitlines() if line.strip())
    for pattern, fix in FIXES:
        if found := re.search(pattern, said):
            return f"{said}\n{fix.format(*(found.groups() or ('',)))}"
    if DIALECT.search(said):
        return f"{said}\n{NOT_DUCKDB.format(model=model)}"
    return said
