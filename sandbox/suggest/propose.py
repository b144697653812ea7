"""Reading a source and proposing what ``sandbox.toml`` could say about it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import Session, quote
from sandbox.errors import SandboxError, SourceError
from sandbox.sources.checks import personal_columns
from sandbox.sources.discover import listed
from sandbox.sources.open_table import opened
from sandbox.sources.projection import lean
from sandbox.sources.table import Declared
from sandbox.suggest import strata, unit
from sandbox.suggest.declared_keys import catalogued
from sandbox.suggest.keys import KEYABLE, found_key
from sandbox.suggest.references import counted, found_references
from sandbox.suggest.resolve import Proposal, settings, settled
from sandbox.suggest.tables import Found, FoundKey, FoundReference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sandbox.model import Progress
    from sandbox.sources.listing import Listing

MEMORY = 2**30


def proposed(
    uri: str,
    *,
    base: Path,
    only: Iterable[str] | None = None,
    declared: Mapping[str, Declared] | None = None,
    progress: Progress,
) -> Proposal:
    """Read a source and propose what a sample of it needs to know.

    Keys and references of tables of up to two million rows are checked over all rows, of larger ones over every row of
    some values; what is shown of them says which. Memory is bounded.

    Args:
        uri: The source, as ``sandbox.toml`` is to say it.
        base: The folder of that file.
        only: The tables to take; None takes all.
        declared: What is said of keys and references by somebody who knows, beside a database's own catalogue; taken as said.
        progress: Shows the steps.

    Raises:
        SourceError: The source cannot be read, has no table, or none with a key.
    """
    listing = listed(uri, base=base)
    with Session(memory=MEMORY) as session:
        tables, left_out = _looked_at(session, listing, only, progress)
        tables = _bound(session, tables, {**catalogued(listing), **(declared or {})}, progress)
        chosen = unit.chosen(tables)
        if chosen is None:
            raise SourceError(
                f"no table of {listing.shown} has a key: no columns that look like one are unique and filled",
                hint="write sandbox.toml by hand, and name in it the table to sample and its key; "
                "to see a complete one: sandbox demo",
            )
        with progress.step(f"looking for strata of {chosen.table}"):
            groups = strata.chosen(session, tables[chosen.table], chosen)
        proposal = Proposal(uri=uri, tables=tables, unit=chosen, strata=groups, left_out=left_out)
        proposal = settled(proposal)
        with progress.step("looking for personal columns"):
            suspects = personal_columns.suspected(
                session, settings(proposal), {name: one.table for name, one in tables.items()}, {}
            )
    masks = {name: tuple(one for one in suspects if one.table == name) for name in tables}
    return dataclasses.replace(proposal, masks={name: found for name, found in masks.items() if found})


def _looked_at(
    session: Session, listing: Listing, only: Iterable[str] | None, progress: Progress
) -> tuple[dict[str, Found], dict[str, str]]:
    """Open every table and count the values of the columns that may be keys."""
    wanted = sorted([*listing.files, *listing.problems] if only is None else only)
    if not wanted:
        raise SourceError(
            f"{listing.shown} holds no table",
            hint="name a folder of Parquet, CSV or JSON Lines: sandbox init FOLDER",
        )
    tables, left_out = {}, {}
    with progress.step("looking at the tables", total=len(wanted), unit="tables") as advance:
        for name in wanted:
            try:
                tables[name] = _counted(session, listing, name)
            except SandboxError as error:
                left_out[name] = error.message.splitlines()[0]
            advance(1)
    if not tables:
        reasons = "\n".join(f"  {name}: {reason}" for name, reason in left_out.items())
        raise SourceError(
            f"no table of {listing.shown} can be read:\n{reasons}",
            hint="sandbox init FOLDER reads another source",
        )
    return tables, left_out


def _counted(session: Session, listing: Listing, name: str) -> Found:
    if "/" in name or "\0" in name or name.startswith("."):
        raise SourceError("a table's name has no / in it and does not start with a dot")
    table = opened(session, listing, name, {})
    columns = [column for column, kind in table.columns.items() if KEYABLE.fullmatch(kind)]
    relation = quote(lean(session, table, columns))
    counts = [f"count({quote(one)}), approx_count_distinct({quote(one)})" for one in columns]
    (row,) = session.rows(
        f"select {', '.join(counts) or 'count(*)'} from {relation}", doing=f"counting values of {name}"
    )
    return Found(
        table=table,
        relation=relation,
        filled=dict(zip(columns, row[::2], strict=False)),
        distinct=dict(zip(columns, row[1::2], strict=False)),
    )


def _bound(
    session: Session, tables: Mapping[str, Found], declared: Mapping[str, Declared], progress: Progress
) -> dict[str, Found]:
    """Find the keys, then the references to them."""
    keyed = {}
    with progress.step("looking for keys", total=len(tables), unit="tables") as advance:
        for name, found in tables.items():
            said = declared.get(name, Declared())
            usable = said.key is not None and all(column in found.filled for column in said.key)
            key = (
                FoundKey(columns=said.key, how=said.how) if usable and said.key else found_key(session, found)
            )
            keyed[name] = dataclasses.replace(found, key=key)
            advance(1)
    bound = {}
    with progress.step("looking for references", total=len(tables), unit="tables") as advance:
        for name, found in keyed.items():
            bound[name] = _referring(session, found, keyed, declared.get(name, Declared()))
            advance(1)
    return bound


def _referring(session: Session, found: Found, tables: Mapping[str, Found], said: Declared) -> Found:
    known: list[FoundReference] = []
    for columns, (target, key) in said.references.items():
        if target not in tables or any(column not in found.filled for column in columns):
            continue
        other = dataclasses.replace(tables[target], key=FoundKey(columns=key, how=said.how))
        if all(column in other.filled for column in key):
            one = counted(session, found, columns, other, how=said.how)
            known += [one] if one is not None else []
    believed, doubtful = found_references(session, found, tables)
    taken = {one.columns for one in known}
    more = tuple(one for one in believed if one.columns not in taken)
    left = tuple(one for one in doubtful if one.columns not in taken)
    return dataclasses.replace(found, references=(*known, *more), doubtful=left)
