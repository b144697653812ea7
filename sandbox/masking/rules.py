"""Which mask each column has: as declared, and along references. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.config.unit_membership import families
from sandbox.errors import ConfigError
from sandbox.masking.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.config.settings import Mask, Settings

Place = tuple[str, str]  # a table and a column of it


def resolved(
    settings: Settings, columns: Mapping[str, Mapping[str, str]]
) -> Mapping[str, Mapping[str, Mask]]:
    """Give every column's mask, by table and column; columns without a rule are left out, ``none`` is one.

    A column that refers to another has its mask and the other way round, through any number of references.

    Args:
        settings: The file.
        columns: Each table's columns and the engine's names of their types; all that the file names are there.

    Raises:
        ConfigError: Rules contradict each other, a mask does not fit its column, or a key, a reference or strata would
            not survive it. The message lists every problem.
    """
    masks, problems = _spread(settings)
    problems += [problem for place, mask in masks.items() for problem in _unfit(place, mask, columns)]
    problems += _broken(settings, masks)
    problems += _shown(settings, masks)
    problems += _unshiftable(settings, masks)
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)), hint="correct the masks in sandbox.toml")
    found: dict[str, dict[str, Mask]] = {}
    for (table, column), mask in masks.items():
        found.setdefault(table, {})[column] = mask
    return found


def described(masks: Mapping[str, Mapping[str, Mask]]) -> dict[str, dict[str, str]]:
    """Give the masks as documents have them: ``key``, ``bucket(width=5)``; without ``none``.

    >>> from sandbox.config.settings import Mask
    >>> described({"customers": {"age": Mask(kind="bucket", width=5), "notes": Mask(kind="none")}})
    {'customers': {'age': 'bucket(width=5)'}}
    """
    texts = {
        table: {column: _text(mask) for column, mask in ones.items() if mask.kind != "none"}
        for table, ones in masks.items()
    }
    return {table: ones for table, ones in texts.items() if ones}


def needs_secret(masks: Mapping[str, Mapping[str, Mask]]) -> bool:
    """Say whether any of the masks depends on the secret."""
    return any(KINDS[mask.kind].secret for ones in masks.values() for mask in ones.values())


def _text(mask: Mask) -> str:
    options = ", ".join(f"{name}={getattr(mask, name)}" for name in KINDS[mask.kind].options)
    return f"{mask.kind}({options})" if options else mask.kind


def _spread(settings: Settings) -> tuple[dict[Place, Mask], list[str]]:
    """Give each column its own mask, or that of a column it is bound to by references."""
    own = {
        (name, column): mask for name, table in settings.tables.items() for column, mask in table.mask.items()
    }
    masks, problems = dict(own), []
    for group in _groups(settings):
        declared = [place for place in group if place in own]
        if not declared:
            continue
        first = declared[0]
        problems += [
            f"{_name(first)} has the mask {_text(own[first])} and {_name(other)} {_text(own[other])}, and references "
            "bind them: rows would no longer find each other; give both the same, or leave one of them out"
            for other in declared[1:]
            if own[other] != own[first]
        ]
        masks |= dict.fromkeys(group, own[first])
    return masks, problems


def _groups(settings: Settings) -> list[list[Place]]:
    """Give the columns that references bind to each other, directly or not, in the file's order."""
    groups: dict[Place, list[Place]] = {}
    for place, target in _pairs(settings):
        one = groups.setdefault(place, [place])
        other = groups.setdefault(target, [target])
        if one is not other:
            one += other
            groups |= dict.fromkeys(other, one)
    return list({id(group): group for group in groups.values()}.values())


def _pairs(settings: Settings) -> Iterator[tuple[Place, Place]]:
    for name, table in settings.tables.items():
        for reference in table.all_references:
            for column, target in zip(reference.columns, reference.key, strict=True):
                yield (name, column), (reference.table, target)


def _unfit(place: Place, mask: Mask, columns: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    table, column = place
    engine_type = columns[table][column]
    kind = KINDS[mask.kind]
    if not kind.takes(engine_type):
        fitting = [name for name, one in KINDS.items() if one.takes(engine_type)]
        yield (
            f"{_name(place)} is {engine_type}, and the mask {mask.kind} takes {kind.fits}; "
            f"what fits: {', '.join(fitting)}"
        )
    elif mask.kind == "bucket" and "INT" in engine_type and float(mask.width or 0) % 1:
        yield f"{_name(place)} is {engine_type}, and buckets of {mask.width} do not end at whole numbers"


def _broken(settings: Settings, masks: Mapping[Place, Mask]) -> Iterator[str]:
    """Find keys and references that would not survive."""
    keys = {(name, column) for name, table in settings.tables.items() for column in table.key or ()}
    bound = {place for pair in _pairs(settings) for place in pair}
    for place, mask in masks.items():
        if place in keys | bound and not KINDS[mask.kind].one_to_one:
            what = "part of a reference" if place in bound else f"part of the key of {place[0]}"
            yield (
                f"{_name(place)} is {what}, and the mask {mask.kind} could make different values equal; "
                'use "key", which keeps them apart, or "none"'
            )


def _shown(settings: Settings, masks: Mapping[Place, Mask]) -> Iterator[str]:
    """Find strata whose values would stand unmasked in the manifest."""
    for unit, draw in settings.sample.draws.items():
        for stratum in draw.strata:
            table, _, column = stratum.column.rpartition(".")
            place = (table, column) if table in settings.tables else (unit, stratum.column)
            if place in masks and masks[place].kind != "none":
                yield (
                    f"{_name(place)} makes strata, whose values stand in the sample's manifest, and has the mask "
                    f'{_text(masks[place])}; take it out of strata, or look at it and give it "none"'
                )


def _unshiftable(settings: Settings, masks: Mapping[Place, Mask]) -> Iterator[str]:
    """Find shifts in tables whose rows belong to no unit."""
    units = families(settings).units
    for place, mask in masks.items():
        if mask.kind == "date_shift" and place[0] not in units:
            yield (
                f"{_name(place)} is to be shifted by days, alike for each unit, and the rows of {place[0]} belong to none; "
                'use "null", or "none"'
            )


def _name(place: Place) -> str:
    return ".".join(place)
