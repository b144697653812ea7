"""Assignment of masks to columns: as declared, and along references. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.config.unit_membership import resolve_unit_membership
from sandbox.errors import ConfigError
from sandbox.masking.kinds import MASK_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.config.sections.sample import MaskEntry
    from sandbox.config.settings import Settings

MaskColumn = tuple[str, str]  # table and column


def resolve_masks(
    settings: Settings, columns: Mapping[str, Mapping[str, str]]
) -> Mapping[str, Mapping[str, MaskEntry]]:
    """Return every column's mask, by table and column; columns without a rule are omitted, ``none`` is included.

    Columns linked by any number of references share a mask.

    Args:
        settings: The configuration.
        columns: Each table's columns and their DuckDB types, including all columns named in the configuration.

    Raises:
        ConfigError: Rules contradict each other, a mask does not fit its column, or a key, a reference or strata would
            not survive it. The message lists every problem.
    """
    masks, problems = propagate_masks(settings)
    problems += [
        problem
        for masked_column, mask in masks.items()
        for problem in _find_type_mismatches(masked_column, mask, columns)
    ]
    problems += _find_broken_keys(settings, masks)
    problems += _find_exposed_strata(settings, masks)
    problems += _find_shifts_without_unit(settings, masks)
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)), hint="correct the masks in sandbox.toml")
    resolved: dict[str, dict[str, MaskEntry]] = {}
    for (table, column), mask in masks.items():
        resolved.setdefault(table, {})[column] = mask
    return resolved


def describe_masks(masks: Mapping[str, Mapping[str, MaskEntry]]) -> dict[str, dict[str, str]]:
    """Return the masks in the documents' notation: ``key``, ``bucket(width=5)``; without ``none``.

    >>> from sandbox.config.sections.sample import MaskEntry
    >>> describe_masks({"customers": {"age": MaskEntry(kind="bucket", width=5), "notes": MaskEntry(kind="none")}})
    {'customers': {'age': 'bucket(width=5)'}}
    """
    texts = {
        table: {column: _format_mask(mask) for column, mask in table_masks.items() if mask.kind != "none"}
        for table, table_masks in masks.items()
    }
    return {table: table_masks for table, table_masks in texts.items() if table_masks}


def needs_secret(masks: Mapping[str, Mapping[str, MaskEntry]]) -> bool:
    """Return whether any of the masks depends on the secret."""
    return any(MASK_KINDS[mask.kind].secret for table_masks in masks.values() for mask in table_masks.values())


def _format_mask(mask: MaskEntry) -> str:
    options = ", ".join(f"{name}={getattr(mask, name)}" for name in MASK_KINDS[mask.kind].options)
    return f"{mask.kind}({options})" if options else mask.kind


def propagate_masks(settings: Settings) -> tuple[dict[MaskColumn, MaskEntry], list[str]]:
    """Return each column's mask, its own or that of a column linked by references, and the contradictions."""
    explicit = {(name, column): mask for name, table in settings.tables.items() for column, mask in table.mask.items()}
    masks, problems = dict(explicit), []
    for group in _group_columns(settings):
        declared = [column_path for column_path in group if column_path in explicit]
        if not declared:
            continue
        first = declared[0]
        problems += [
            f"{_format_column(first)} has the mask {_format_mask(explicit[first])} and {_format_column(other)} {_format_mask(explicit[other])}, and references "
            "bind them: rows would no longer find each other; give both the same, or leave one of them out"
            for other in declared[1:]
            if explicit[other] != explicit[first]
        ]
        masks |= dict.fromkeys(group, explicit[first])
    return masks, problems


def _group_columns(settings: Settings) -> list[list[MaskColumn]]:
    """Return groups of columns linked by references, directly or not, in the file's order."""
    groups: dict[MaskColumn, list[MaskColumn]] = {}
    for source, target in _list_reference_pairs(settings):
        first = groups.setdefault(source, [source])
        second = groups.setdefault(target, [target])
        if first is not second:
            first += second
            groups |= dict.fromkeys(second, first)
    return list({id(group): group for group in groups.values()}.values())


def _list_reference_pairs(settings: Settings) -> Iterator[tuple[MaskColumn, MaskColumn]]:
    for name, table in settings.tables.items():
        for reference in table.all_references:
            for column, target in zip(reference.columns, reference.key, strict=True):
                yield (name, column), (reference.table, target)


def _find_type_mismatches(
    masked_column: MaskColumn, mask: MaskEntry, columns: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    table, column = masked_column
    engine_type = columns[table][column]
    kind = MASK_KINDS[mask.kind]
    if not kind.can_mask(engine_type):
        fitting = [name for name, candidate in MASK_KINDS.items() if candidate.can_mask(engine_type)]
        yield (
            f"{_format_column(masked_column)} is {engine_type}, and the mask {mask.kind} takes {kind.type_description}; "
            f"what fits: {', '.join(fitting)}"
        )
    elif mask.kind == "bucket" and "INT" in engine_type and float(mask.width or 0) % 1:
        yield f"{_format_column(masked_column)} is {engine_type}, and buckets of {mask.width} do not end at whole numbers"


def _find_broken_keys(settings: Settings, masks: Mapping[MaskColumn, MaskEntry]) -> Iterator[str]:
    """Yield problems with keys and references that would not survive."""
    keys = {(name, column) for name, table in settings.tables.items() for column in table.key or ()}
    bound = {masked_column for pair in _list_reference_pairs(settings) for masked_column in pair}
    for masked_column, mask in masks.items():
        if masked_column in keys | bound and not MASK_KINDS[mask.kind].one_to_one:
            what = "part of a reference" if masked_column in bound else f"part of the key of {masked_column[0]}"
            yield (
                f"{_format_column(masked_column)} is {what}, and the mask {mask.kind} could make different values equal; "
                'use "key", which keeps them apart, or "none"'
            )


def _find_exposed_strata(settings: Settings, masks: Mapping[MaskColumn, MaskEntry]) -> Iterator[str]:
    """Yield problems with strata values that would be unmasked in the manifest."""
    for unit, draw in settings.sample.draws.items():
        summed = [stratum.sum for stratum in draw.strata if stratum.sum is not None]
        for name in [*(stratum.column for stratum in draw.strata_columns), *summed]:
            table, _, column = name.rpartition(".")
            masked_column = (table, column) if table in settings.tables else (unit, name)
            if masked_column in masks and masks[masked_column].kind != "none":
                yield (
                    f"{_format_column(masked_column)} makes strata, whose values stand in the sample's manifest, and has the mask "
                    f'{_format_mask(masks[masked_column])}; take it out of strata, or look at it and give it "none"'
                )


def _find_shifts_without_unit(settings: Settings, masks: Mapping[MaskColumn, MaskEntry]) -> Iterator[str]:
    """Yield problems with shifts in tables whose rows belong to no unit."""
    units = resolve_unit_membership(settings).units
    for masked_column, mask in masks.items():
        if mask.kind == "date_shift" and masked_column[0] not in units:
            yield (
                f"{_format_column(masked_column)} is to be shifted by days, alike for each unit, and the rows of {masked_column[0]} belong to none; "
                'use "null", or "none"'
            )


def _format_column(masked_column: MaskColumn) -> str:
    return ".".join(masked_column)
