"""Describe a sample's request as one JSON value, without the source's address and contents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.manifest.canonical_json import hash_json

if TYPE_CHECKING:
    from sandbox.config.sections.sample import DrawSection, StratumColumn, TableSection
    from sandbox.config.settings import Settings

RULE_VERSION = 1


def build_specification(settings: Settings) -> dict[str, Any]:
    """Build the resolved specification of a project's sample; equal for settings with the same sample.

    Names and defaults are those of ``sandbox.toml``. ``uri``, ``engine``, ``store``, ``memory`` and everything without
    effect (a mask ``none``) are left out.
    """
    units = {name: _describe_draw(draw) for name, draw in settings.sample.draws.items()}
    tables = {name: _describe_table(table) for name, table in settings.tables.items()}
    return {"rule": RULE_VERSION, "units": units, "tables": tables}


def compute_request_id(settings: Settings) -> str:
    """Compute the request's name: the SHA-256 (hex) of the specification."""
    return hash_json(build_specification(settings))


def _describe_draw(draw: DrawSection) -> dict[str, Any]:
    fields: dict[str, Any] = draw.model_dump(
        mode="json",
        exclude_none=True,
        include={"salt", "rate", "units", "size", "min_per_stratum", "allocation"},
    )
    return fields | {"strata": [_describe_stratum(stratum) for stratum in draw.strata]}


def _describe_reading(table: TableSection) -> dict[str, Any]:
    """Describe how a table is read and which of its columns are taken, where that is not the default."""
    csv = table.csv.model_dump(mode="json", exclude_defaults=True) if table.csv is not None else {}
    chosen = {"columns": sorted(table.columns or []), "leave_out": sorted(table.leave_out or []), "csv": csv}
    return {name: value for name, value in chosen.items() if value}


def _describe_stratum(stratum: StratumColumn) -> dict[str, Any]:
    if stratum.is_size:
        subject = {"sum": stratum.sum} if stratum.sum is not None else {"count": stratum.count}
        return subject | {"groups": stratum.size_groups, "always": stratum.certain_units}
    fields: dict[str, Any] = stratum.model_dump(mode="json", exclude_none=True)
    if stratum.bins is not None:
        # 18 and 18.0 are the same edge.
        fields["bins"] = [int(edge) if isinstance(edge, float) and edge.is_integer() else edge for edge in stratum.bins]
    return fields


def _describe_table(table: TableSection) -> dict[str, Any]:
    fields: dict[str, Any] = table.model_dump(
        mode="json", exclude_none=True, include={"key", "where", "version", "snapshot", "belongs_to", "keep"}
    )
    if table.duplicates != "error":
        fields["duplicates"] = table.duplicates
    fields |= _describe_reading(table)
    masks = {
        column: mask.model_dump(mode="json", exclude_none=True)
        for column, mask in table.mask.items()
        if mask.kind != "none"
    }
    references = [
        {"columns": list(reference.columns), "table": reference.table, "key": list(reference.key)}
        | ({"when": dict(reference.when)} if reference.when else {})
        | ({"levels": reference.levels} if reference.levels is not None else {})
        for reference in table.all_references
    ]
    more = {"mask": masks, "types": dict(table.types), "references": references}
    return fields | {name: value for name, value in more.items() if value}
