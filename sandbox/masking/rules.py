"""Which mask each column has: as declared, and along references. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.config.unit_membership import resolve_unit_membership
from sandbox.errors import ConfigError
from sandbox.masking.kinds import MASK_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.config.settings import MaskEntry, Settings

MaskColumn = tuple[str, str]  # a table and a column of it


def resolve_masks(
    settings: Settings, columns: Mapping[str, Mapping[str, str]]
) -> Mapping[str, Mapping[str, MaskEntry]]:
    """Give every column's mask, by table and column; columns without a rule are left out, ``none`` is one.

    A column that refers to another has its mask and the other way round, through any number of references.

    Args:
        settings: The file.
        columns: Each table's columns and the engine's names of their types; all that the file names are there.

    Raises:
        ConfigError: Rules contradict each other, a mask does not fit its column, or a key, a reference or strata would
            not survive it. The message lists every problem.
    """
    masks, problems = _propagate_masks(settings)
    problems += [problem for place, mask in masks.items() for problem in _find_type_mismatches(place, mask, columns)]
    problems += _find_broken_keys(settings, masks)
    problems += _find_exposed_strata(settings, masks)
    problems += _find_shifts_without_unit(settings, masks)
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)), hint="correct the masks in sandbox.toml")
    found: dict[str, dict[str, MaskEntry]] = {}
    for (table, column), mask in masks.items():
        found.setdefault(table, {})[column] = mask
    return found


def describe_masks(masks: Mapping[str, Mapping[str, MaskEntry]]) -> dict[str, dict[str, str]]:
    """Give the masks as documents have them: ``key``, ``bucket(width=5)``; without ``none``.

    >>> from sandbox.config.settings import MaskEntry
    >>> describe_masks({"customers": {"age": MaskEntry(kind="bucket", width=5), "notes": MaskEntry(kind="none")}})
    {'customers': {'age': 'bucket(width=5)'}}
    """
    texts = {
        table: {column: _format_mask(mask) for column, mask in ones.items() if mask.kind != "none"}
        for table, ones in masks.items()
    }
    return {table: ones for table, ones in texts.items() if ones}


def needs_secret(masks: Mapping[str, Mapping[str, MaskEntry]]) -> bool:
    """Say whether any of the masks depends on the secret."""
    return any(MASK_KINDS[mask.kind].secret for ones in masks.values() for mask in ones.values())


def _format_mask(mask: MaskEntry) -> str:
    options = ", ".join(f"{name}={getattr(mask, name)}" for name in MASK_KINDS[mask.kind].options)
    return f"{mask.kind}({options})" if options else mask.kind


def _propagate_masks(settings: Settings) -> tuple[dict[MaskColumn, MaskEntry], list[str]]:
    """Give each column its own mask, or that of a column it is bound to by references."""
    own = {(name, column): mask for name, table in settings.tables.items() for column, mask in table.mask.items()}
    masks, problems = dict(own), []
    for group in _group_columns(settings):
        declared = [place for place in group if place in own]
        if not declared:
            continue
        first = declared[0]
        problems += [
            f"{_format_column(first)} has the mask {_format_mask(own[first])} and {_format_column(other)} {_format_mask(own[other])}, and references "
            "bind them: rows would no longer find each other; give both the same, or leave one of them out"
            for other in declared[1:]
            if own[other] != own[first]
        ]
        masks |= dict.fromkeys(group, own[first])
    return masks, problems


def _group_columns(settings: Settings) -> list[list[MaskColumn]]:
    """Give the columns that references bind to each other, directly or not, in the file's order."""
    groups: dict[MaskColumn, list[MaskColumn]] = {}
    for place, target in _list_reference_pairs(settings):
        one = groups.setdefault(place, [place])
        other = groups.setdefault(target, [target])
        if one is not other:
            one += other
            groups |= dict.fromkeys(other, one)
    return list({id(group): group for group in groups.values()}.values())


def _list_reference_pairs(settings: Settings) -> Iterator[tuple[MaskColumn, MaskColumn]]:
    for name, table in settings.tables.items():
        for reference in table.all_references:
            for column, target in zip(reference.columns, reference.key, strict=True):
                yield (name, column), (reference.table, target)


def _find_type_mismatches(
    place: MaskColumn, mask: MaskEntry, columns: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    table, column = place
    engine_type = columns[table][column]
    kind = MASK_KINDS[mask.kind]
    if not kind.can_mask(engine_type):
        fitting = [name for name, one in MASK_KINDS.items() if one.can_mask(engine_type)]
        yield (
            f"{_format_column(place)} is {engine_type}, and the mask {mask.kind} takes {kind.type_description}; "
            f"what fits: {', '.join(fitting)}"
        )
    elif mask.kind == "bucket" and "INT" in engine_type and float(mask.width or 0) % 1:
        yield f"{_format_column(place)} is {engine_type}, and buckets of {mask.width} do not end at whole numbers"


def _find_broken_keys(settings: Settings, masks: Mapping[MaskColumn, MaskEntry]) -> Iterator[str]:
    """Find keys and references that would not survive."""
    keys = {(name, column) for name, table in settings.tables.items() for column in table.key or ()}
    bound = {place for pair in _list_reference_pairs(settings) for place in pair}
    for place, mask in masks.items():
        if place in keys | bound and not MASK_KINDS[mask.kind].one_to_one:
            what = "part of a reference" if place in bound else f"part of the key of {place[0]}"
            yield (
                f"{_format_column(place)} is {what}, and the mask {mask.kind} could make different values equal; "
                'use "key", which keeps them apart, or "none"'
            )


def _find_exposed_strata(settings: Settings, masks: Mapping[MaskColumn, MaskEntry]) -> Iterator[str]:
    """Find strata whose values would stand unmasked in the manifest."""
    for unit, draw in settings.sample.draws.items():
        for stratum in draw.strata:
            table, _, column = stratum.column.rpartition(".")
            place = (table, column) if table in settings.tables else (unit, stratum.column)
            if place in masks and masks[place].kind != "none":
                yield (
                    f"{_format_column(place)} makes strata, whose values stand in the sample's manifest, and has the mask "
                    f'{_format_mask(masks[place])}; take it out of strata, or look at it and give it "none"'
                )


def _find_shifts_without_unit(settings: Settings, masks: Mapping[MaskColumn, MaskEntry]) -> Iterator[str]:
    """Find shifts in tables whose rows belong to no unit."""
    units = resolve_unit_membership(settings).units
    for place, mask in masks.items():
        if mask.kind == "date_shift" and place[0] not in units:
            yield (
                f"{_format_column(place)} is to be shifted by days, alike for each unit, and the rows of {place[0]} belong to none; "
                'use "null", or "none"'
            )


def _format_column(place: MaskColumn) -> str:
    return ".".join(place)
