"""What is drawn, as one JSON value: not from where, not how, and not what the source held at the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.manifest.canonical import digest

if TYPE_CHECKING:
    from sandbox.config.settings import DrawSection, Settings, TableSection

RULE = 1  # the version of the sampling rule


def specification(settings: Settings) -> dict[str, Any]:
    """Give the resolved specification of a project's sample; equal for settings that ask for the same sample.

    Names and defaults are those of ``sandbox.toml``; ``uri``, ``engine``, ``store`` and ``memory`` are left out, and so
    is everything that is not there or says nothing (a mask ``none``).
    """
    sample = settings.sample
    units = {sample.unit: _draw(sample), **{name: _draw(draw) for name, draw in sample.also.items()}}
    tables = {name: _table(table) for name, table in settings.tables.items()}
    return {"rule": RULE, "units": units, "tables": tables}


def request_id(settings: Settings) -> str:
    """Give the name of what is asked for: the SHA-256 (hex) of the specification."""
    return digest(specification(settings))


def _draw(draw: DrawSection) -> dict[str, Any]:
    return draw.model_dump(
        mode="json",
        exclude_none=True,
        include={"salt", "strata", "rate", "units", "size", "min_per_stratum", "allocation"},
    )


def _table(table: TableSection) -> dict[str, Any]:
    fields: dict[str, Any] = table.model_dump(
        mode="json", exclude_none=True, include={"key", "where", "belongs_to", "keep"}
    )
    if table.duplicates != "error":
        fields["duplicates"] = table.duplicates
    masks = {
        column: mask.model_dump(mode="json", exclude_none=True)
        for column, mask in table.mask.items()
        if mask.kind != "none"
    }
    references = [
        {"columns": list(one.columns), "table": one.table, "key": list(one.key)}
        for one in table.all_references
    ]
    more = {"mask": masks, "types": dict(table.types), "references": references}
    return fields | {name: value for name, value in more.items() if value}
