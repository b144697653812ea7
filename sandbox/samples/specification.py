"""What is drawn, as one JSON value: not from where, not how, and not what the source held at the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.manifest.canonical_json import hash_json

if TYPE_CHECKING:
    from sandbox.config.settings import DrawSection, Settings, StratumColumn, TableSection

RULE_VERSION = 1  # the version of the sampling rule


def build_specification(settings: Settings) -> dict[str, Any]:
    """Give the resolved specification of a project's sample; equal for settings that ask for the same sample.

    Names and defaults are those of ``sandbox.toml``; ``uri``, ``engine``, ``store`` and ``memory`` are left out, and so
    is everything that is not there or says nothing (a mask ``none``).
    """
    units = {name: _describe_draw(draw) for name, draw in settings.sample.draws.items()}
    tables = {name: _describe_table(table) for name, table in settings.tables.items()}
    return {"rule": RULE_VERSION, "units": units, "tables": tables}


def compute_request_id(settings: Settings) -> str:
    """Give the name of what is asked for: the SHA-256 (hex) of the specification."""
    return hash_json(build_specification(settings))


def _describe_draw(draw: DrawSection) -> dict[str, Any]:
    fields: dict[str, Any] = draw.model_dump(
        mode="json",
        exclude_none=True,
        include={"salt", "rate", "units", "size", "min_per_stratum", "allocation"},
    )
    return fields | {"strata": [_describe_stratum(one) for one in draw.strata]}


def _describe_stratum(stratum: StratumColumn) -> dict[str, Any]:
    fields: dict[str, Any] = stratum.model_dump(mode="json", exclude_none=True)
    if stratum.bins is not None:
        # 18 and 18.0 are one edge.
        fields["bins"] = [int(edge) if isinstance(edge, float) and edge.is_integer() else edge for edge in stratum.bins]
    return fields


def _describe_table(table: TableSection) -> dict[str, Any]:
    fields: dict[str, Any] = table.model_dump(
        mode="json", exclude_none=True, include={"key", "where", "version", "snapshot", "belongs_to", "keep"}
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
        | ({"when": dict(one.when)} if one.when else {})
        for one in table.all_references
    ]
    more = {"mask": masks, "types": dict(table.types), "references": references}
    return fields | {name: value for name, value in more.items() if value}
