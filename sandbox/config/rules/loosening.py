"""The effect of changes of each key of ``sandbox.toml`` on the verdict. Pure.

Every key is code, placement (where code runs) or a rule. Each rule has a function to determine whether a change loosens
it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

LoosensCheck = Callable[[Any, Any], bool]

CODE_KEYS = frozenset(
    {
        "pipeline.kind", "pipeline.command", "pipeline.inputs", "pipeline.env", "pipeline.scratch", "pipeline.include", "pipeline.root",
        "pipeline.dialect",
        "stack.image", "stack.python", "stack.requirements",
    }
)  # fmt: skip
"""Each side uses its own commit's."""

PLACEMENT_KEYS = frozenset(
    {
        "pipeline.production", "pipeline.build",
        "stack.runtime", "stack.network", "stack.build_network", "stack.services",
        "stack.limits.cpus", "stack.limits.memory", "stack.limits.timeout", "stack.limits.output",
    }
)  # fmt: skip
"""Keys of placement; under ``CI=true`` they come from the baseline's file or a flag."""

CONNECTION_KEYS = frozenset(
    {
        "source.uri",
        "source.engine",
        "source.store",
        "source.spark",
        "source.postgres",
        "source.mysql",
        "production.outputs",
    }
)
"""Rules that name hosts; under ``CI=true`` they come from the baseline's file or a flag too.

Otherwise a change could send the job's credentials to another host before it is judged.
"""


def _is_harmless(_before: Any, _after: Any) -> bool:
    return False


def _is_any_change(_before: Any, _after: Any) -> bool:
    return True


def _is_higher(before: Any, after: Any) -> bool:
    return bool((after or 0) > (before or 0))


def _is_lower_or_removed(before: Any, after: Any) -> bool:
    """Return whether a target of the sample shrinks, or is replaced by another one."""
    return before is None or after is None or bool(after < before)


def _is_age_raised(before: Any, after: Any) -> bool:
    """Return whether a largest age rises; None is any age."""
    return before is not None and (after is None or bool(after > before))


def _is_set_or_changed(_before: Any, after: Any) -> bool:
    return after is not None


def _is_changed_or_removed(before: Any, _after: Any) -> bool:
    return before is not None


def _has_new_entry(before: Any, after: Any) -> bool:
    """Return whether a list or table has a new entry, or a changed value."""
    if isinstance(after, dict):
        return any(before.get(key) != value for key, value in after.items())
    return any(entry not in before for entry in after)


def _lacks_entry(before: Any, after: Any) -> bool:
    """Return whether an entry was changed or removed."""
    return _has_new_entry(after, before)


def _is_lenient(*values: Any) -> LoosensCheck:
    """Return the check of a key with values ordered from the strictest to the most lenient."""

    def is_more_lenient(before: Any, after: Any) -> bool:
        return values.index(after) > values.index(before)

    return is_more_lenient


_DRAW_KEYS: dict[str, LoosensCheck] = {
    "salt": _is_any_change,
    "strata": _is_any_change,
    "totals": _is_harmless,
    "rate": _is_lower_or_removed,
    "units": _is_lower_or_removed,
    "size": _is_lower_or_removed,
    "min_per_stratum": _is_lower_or_removed,
    "allocation": _is_any_change,
}

_TABLE_KEYS: dict[str, LoosensCheck] = {
    "key": _is_changed_or_removed,
    "called": _is_harmless,
    "unique": _has_new_entry,
    "where": _is_set_or_changed,
    "duplicates": _is_lenient("error", "unit"),
    "types": _is_any_change,
    "version": _is_any_change,
    "snapshot": _is_any_change,
    "ranges": _is_harmless,
    "references": _lacks_entry,
    "reference": _lacks_entry,
    "belongs_to": _is_any_change,
    "keep": _is_lenient("all", None, "referenced"),
    "columns": _is_any_change,
    "leave_out": _is_any_change,
}

_CSV_KEYS = ("encoding", "delimiter", "quote", "header", "decimal", "thousands", "null", "date_format")

_TOLERANCE_KEYS: dict[str, LoosensCheck] = {
    "abs": _is_higher,
    "rel": _is_higher,
    "time": _is_higher,
    "case": _is_lenient(True, False),
    "space": _is_lenient(True, False),
    "set": _is_lenient(False, True),
}

_OUTPUT_KEYS: dict[str, LoosensCheck] = {
    "path": _is_any_change,
    "key": _is_changed_or_removed,
    "unit_key": _is_any_change,
    "ignore": _has_new_entry,
    "rename": _has_new_entry,
    "types": _is_any_change,
    "not_null": _lacks_entry,
    "ranges": _lacks_entry,
    "references": _lacks_entry,
    "since": _is_any_change,
    "last": _is_any_change,
}

GATE_CHECKS: dict[str, LoosensCheck] = {
    "changed_rows": _is_higher,
    "schema": _is_lenient("same", "any"),
    "added": _is_lenient("fail", "any"),
    "removed": _is_lenient("fail", "any"),
    "artifacts": _is_lenient("same", "any"),
    "rounding": _is_lenient("count", "accept"),
    "nondeterministic": _is_lenient("distribution", "any"),
    "not_compared": _is_lenient("fail", "any"),
    "unexpected": _is_lenient("fail", "any"),
    "tests": _is_lenient("no-failures", "no-new-failures", "any"),
    "rules": _is_lenient("same", "any"),
}

RULE_CHECKS: dict[str, LoosensCheck] = {
    "version": _is_harmless,
    "project.name": _is_harmless,
    "source.uri": _is_any_change,
    "source.engine": _is_any_change,
    "source.store": _is_any_change,
    "source.row_security": _is_any_change,
    "source.spark.remote": _is_any_change,
    "source.spark.master": _is_any_change,
    "source.spark.python": _is_any_change,
    "source.spark.write": _is_any_change,
    "source.postgres.statement_timeout": _is_harmless,
    "source.postgres.lock_timeout": _is_harmless,
    "source.postgres.rows_per_second": _is_harmless,
    "source.mysql.statement_timeout": _is_harmless,
    "source.mysql.lock_timeout": _is_harmless,
    **{f"sample.{key}": check for key, check in _DRAW_KEYS.items()},
    **{f"sample.also.*.{key}": check for key, check in _DRAW_KEYS.items()},
    "sample.unit": _is_any_change,
    "sample.memory": _is_harmless,
    "sample.max_age": _is_age_raised,
    "sample.max_drift": _is_higher,
    "promotion.max_age": _is_age_raised,
    "production.outputs": _is_any_change,
    "production.timeout": _is_harmless,
    "production.max_bytes": _is_harmless,
    "why.runs": _is_harmless,
    "why.time": _is_harmless,
    "estimate.checks": _is_lenient("full", "half", "none"),
    **{f"tables.*.{key}": check for key, check in _TABLE_KEYS.items()},
    **{f"{table}.*.csv.{key}": _is_any_change for table in ("tables", "outputs") for key in _CSV_KEYS},
    **{f"outputs.*.{key}": check for key, check in _OUTPUT_KEYS.items()},
    **{f"outputs.*.tolerance.*.{key}": check for key, check in _TOLERANCE_KEYS.items()},
    **{f"outputs.*.type_tolerance.*.{key}": check for key, check in _TOLERANCE_KEYS.items()},
    **{f"{table}.{key}": check for table in ("gate", "outputs.*.gate") for key, check in GATE_CHECKS.items()},
}
"""By rule, the function to determine whether a change from the first to the second value loosens it."""

COMPARED_AS_A_WHOLE = frozenset(
    {"tables.*.mask.*", "gate.total_change", "outputs.*.gate.total_change", "tests"},
)
"""Rules with comparison functions of their own in `sandbox.config.rules.comparison`."""
