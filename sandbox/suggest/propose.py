"""Read a source and propose its ``sandbox.toml``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import Session, quote_identifier
from sandbox.errors import SandboxError, SourceError
from sandbox.formatting import describe_left_out_files, group_left_out_files
from sandbox.sources.checks import personal_columns
from sandbox.sources.discover import list_source
from sandbox.sources.projection import project_table
from sandbox.sources.table import DeclaredConstraints
from sandbox.suggest import strata, unit
from sandbox.suggest.declared_keys import read_declared_constraints
from sandbox.suggest.keys import KEY_TYPE_PATTERN, find_key
from sandbox.suggest.reading import open_suggested_table
from sandbox.suggest.references import find_references, measure_reference
from sandbox.suggest.resolve import Proposal, build_settings, resolve_proposal
from sandbox.suggest.tables import SuggestedKey, SuggestedReference, SuggestedTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sandbox.model import Progress
    from sandbox.sources.listing import SourceListing

MEMORY_BYTES = 2**30


def build_proposal(
    uri: str,
    *,
    base: Path,
    only: Iterable[str] | None = None,
    declared: Mapping[str, DeclaredConstraints] | None = None,
    progress: Progress,
) -> Proposal:
    """Read a source and propose settings for a sample.

    Keys and references are checked over all rows of tables up to two million rows, and over a hash slice of larger
    ones; the evidence names the checked rows. Memory is bounded.

    Args:
        uri: The source, as written in ``sandbox.toml``.
        base: The folder of that file.
        only: Tables to include; None for all.
        declared: Declared keys and references by table, taken on trust; they override the database's catalogue.
        progress: Shows the steps.

    Raises:
        SourceError: The source cannot be read, has no table, or none with a key.
    """
    listing = list_source(uri, base=base)
    with Session(memory=MEMORY_BYTES) as session:
        tables, left_out = _inspect_tables(session, listing, only, progress)
        tables = _find_keys_and_references(
            session, tables, {**read_declared_constraints(listing), **(declared or {})}, progress
        )
        chosen = unit.choose_unit(tables)
        if chosen is None:
            raise SourceError(
                f"no table of {listing.display_name} has a key: no columns that look like one are unique and filled",
                hint="write sandbox.toml by hand, and name in it the table to sample and its key; "
                "to see a complete one: sandbox demo",
            )
        with progress.step(f"choosing strata of {chosen.table}"):
            groups = strata.choose_strata(session, tables[chosen.table], chosen)
        proposal = Proposal(
            uri=uri,
            tables=tables,
            unit=chosen,
            strata=groups,
            skipped_tables={**group_left_out_files(listing.left_out), **left_out},
        )
        proposal = resolve_proposal(proposal)
        with progress.step("detecting personal columns"):
            suspects = personal_columns.find_personal_columns(
                session, build_settings(proposal), {name: table.table for name, table in tables.items()}, {}
            )
    masks = {name: tuple(suspect for suspect in suspects if suspect.table == name) for name in tables}
    return dataclasses.replace(proposal, masks={name: columns for name, columns in masks.items() if columns})


def _inspect_tables(
    session: Session, listing: SourceListing, only: Iterable[str] | None, progress: Progress
) -> tuple[dict[str, SuggestedTable], dict[str, str]]:
    """Open every table and count the values of its possible key columns."""
    names = sorted([*listing.files, *listing.problems] if only is None else only)
    if not names:
        others = f"; it holds {describe_left_out_files(listing.left_out)}" if listing.left_out else ""
        raise SourceError(
            f"{listing.display_name} holds no table{others}",
            hint="name a folder of Parquet, CSV, JSON, Arrow, ORC or Excel files: sandbox init FOLDER",
        )
    tables, left_out = {}, {}
    with progress.step("inspecting the tables", total=len(names), unit="tables") as advance:
        for name in names:
            if only is None and name in listing.views:
                left_out[name] = "a view: to sample it with the tables, add a section for it"
                advance(1)
                continue
            try:
                tables[name] = _inspect_table(session, listing, name)
            except SandboxError as error:
                left_out[name] = error.message.splitlines()[0]
            advance(1)
    if not tables:
        reasons = "\n".join(f"  {name}: {reason}" for name, reason in left_out.items())
        raise SourceError(
            f"no table of {listing.display_name} can be read:\n{reasons}",
            hint="sandbox init FOLDER reads another source",
        )
    return tables, left_out


def _inspect_table(session: Session, listing: SourceListing, name: str) -> SuggestedTable:
    if "/" in name or "\0" in name or name.startswith("."):
        raise SourceError("a table's name has no / in it and does not start with a dot")
    reading = open_suggested_table(session, listing, name)
    table = reading.table
    columns = [column for column, kind in table.columns.items() if KEY_TYPE_PATTERN.fullmatch(kind)]
    relation = quote_identifier(project_table(session, table, columns))
    counts = [f"count({name}), approx_count_distinct({name})" for name in map(quote_identifier, columns)]
    (row,) = session.fetch_rows(
        f"select {', '.join(counts) or 'count(*)'} from {relation}", doing=f"counting values of {name}"
    )
    return SuggestedTable(
        table=table,
        relation=relation,
        filled_counts=dict(zip(columns, row[::2], strict=False)),
        distinct_counts=dict(zip(columns, row[1::2], strict=False)),
        reading=reading,
    )


def _find_keys_and_references(
    session: Session,
    tables: Mapping[str, SuggestedTable],
    declared: Mapping[str, DeclaredConstraints],
    progress: Progress,
) -> dict[str, SuggestedTable]:
    """Find the keys, then the references to them."""
    keyed = {}
    with progress.step("finding keys", total=len(tables), unit="tables") as advance:
        for name, table in tables.items():
            constraints = declared.get(name, DeclaredConstraints())
            usable = constraints.key is not None and all(column in table.filled_counts for column in constraints.key)
            key = (
                SuggestedKey(columns=constraints.key, evidence=constraints.evidence)
                if usable and constraints.key
                else find_key(session, table)
            )
            keyed[name] = dataclasses.replace(table, key=key)
            advance(1)
    bound = {}
    with progress.step("finding references", total=len(tables), unit="tables") as advance:
        for name, table in keyed.items():
            bound[name] = _add_references(session, table, keyed, declared.get(name, DeclaredConstraints()))
            advance(1)
    return bound


def _add_references(
    session: Session, table: SuggestedTable, tables: Mapping[str, SuggestedTable], constraints: DeclaredConstraints
) -> SuggestedTable:
    known: list[SuggestedReference] = []
    for columns, (target, key) in constraints.references.items():
        if target not in tables or any(column not in table.filled_counts for column in columns):
            continue
        other = dataclasses.replace(tables[target], key=SuggestedKey(columns=key, evidence=constraints.evidence))
        if all(column in other.filled_counts for column in key):
            measured = measure_reference(session, table, columns, other, how=constraints.evidence)
            known.append(measured or _trust_reference(columns, target, key, constraints.evidence))
    believed, doubtful = find_references(session, table, tables)
    taken = {reference.columns for reference in known}
    more = tuple(reference for reference in believed if reference.columns not in taken)
    left = tuple(reference for reference in doubtful if reference.columns not in taken)
    return dataclasses.replace(table, references=(*known, *more), weak_references=left)


def _trust_reference(columns: tuple[str, ...], target: str, key: tuple[str, ...], evidence: str) -> SuggestedReference:
    """Return a declared reference without a row to measure it on."""
    return SuggestedReference(
        columns=columns, table=target, key=key, share=1.0, evidence=f"{evidence}; no row has a value yet"
    )
