"""Writing half of a stored sample: half of its units, what belongs to them, and what that refers to."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import Session, literal, quote
from sandbox.engine.duckdb.table_functions import file_list
from sandbox.errors import StoreError
from sandbox.sampler.half_sample.selection import at, chosen
from sandbox.sampler.plan.table_order import steps
from sandbox.sources.checks.key_check import whole
from sandbox.sources.checks.schema_check import applies, matching
from sandbox.store.folder import reported

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config.settings import Reference, Settings
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Sample
    from sandbox.sampler.plan.plan import Step

KEPT = "in_half"
PLACE = "place_in_file"
PART = "number_of_file"
CHOSEN = "units of the half"


def halved(sample: Sample, manifest: SampleManifest, settings: Settings, target: Path) -> Sample:
    """Write half of a sample as ``target/tables/<table>/*.parquet``, files and rows in the sample's order.

    Args:
        sample: The sample.
        manifest: Its manifest.
        settings: What it was drawn for.
        target: An empty folder.

    Raises:
        StoreError: A file cannot be read or written.
    """
    rows = {name: table.source_rows for name, table in manifest.tables.items()}
    with Session(memory=settings.sample.memory, failure=StoreError) as session:
        half = _Half(
            session=session, sample=sample, manifest=manifest, steps=steps(settings, rows), target=target
        )
        half.read()
        half.core()
        half.closure()
        half.write()
    return at(target, manifest)


@dataclass(frozen=True, kw_only=True)
class _Half:
    """A half while it is made. Each table but whole lookups is a temp table of its keys and references."""

    session: Session
    sample: Sample
    manifest: SampleManifest
    steps: tuple[Step, ...]
    target: Path

    def read(self) -> None:
        """Read the columns that decide, with each row's file and place."""
        for step in self.steps:
            if step.keep == "all":
                continue
            names = "".join(f", {quote(name)}" for name in self._needed(step))
            parts = [
                f"select {number} as {PART}, file_row_number as {PLACE}{names} from {_reading(path)}"
                for number, path in enumerate(self._files(step))
            ]
            self.session.execute(
                f"create temp table {quote(step.table)} as select *, false as {KEPT} "
                f"from ({' union all '.join(parts)})",
                doing=f"reading {step.table} of the sample",
            )

    def core(self) -> None:
        """Keep half of the units and, table by table, the rows that come with them."""
        for step in self.steps:
            if step.role == "unit":
                units = chosen(self.manifest, self.sample.path, step.table)
                self.session.execute(f"create or replace temp table {quote(CHOSEN)} as {units}")
                same = " and ".join(
                    f"r.{quote(name)} = t.{quote(name)}" for name in self.manifest.units[step.table].key
                )
                self._keep(step.table, f"select 1 from {quote(CHOSEN)} t where {same}")
            elif step.through is not None:
                on = self._on(step.table, step.through)
                self._keep(
                    step.table,
                    f"select 1 from {quote(step.through.table)} t where t.{KEPT} and {on} "
                    f"and {applies(step.through, 'r')}",
                )

    def closure(self) -> None:
        """Keep what kept rows refer to, until nothing is added."""
        loose = {step.table for step in self.steps if step.keep != "all"}
        links = [
            (step.table, reference)
            for step in self.steps
            if step.table in loose
            for reference in step.references
            if reference.table in loose
        ]
        while sum(self._followed(table, reference) for table, reference in links):
            pass

    def write(self) -> None:
        """Write the kept rows of each file; whole lookups as they are."""
        for step in self.steps:
            for number, path in enumerate(self._files(step)):
                place = self.target / path.relative_to(self.sample.path)
                with reported(place):
                    place.parent.mkdir(parents=True, exist_ok=True)
                if step.keep == "all":
                    with reported(place):
                        shutil.copyfile(path, place)
                    continue
                kept = f"select {PLACE} from {quote(step.table)} where {KEPT} and {PART} = {number}"
                self.session.execute(
                    f"copy (select * exclude (file_row_number) from {_reading(path)} "
                    f"where file_row_number in ({kept}) order by file_row_number) to {literal(str(place))} (format parquet, compression zstd)",
                    doing=f"writing half of {step.table}",
                )

    def _followed(self, table: str, reference: Reference) -> int:
        """Keep the rows that one reference names; give how many are new.

        Targets are rows ``r`` here, and what names them ``t``.
        """
        on = self._on(table, reference, row="t", target="r")
        return self._keep(
            reference.table,
            f"select 1 from {quote(table)} t where t.{KEPT} and {on} and {applies(reference, 't')}",
        )

    def _keep(self, table: str, matching_rows: str) -> int:
        [(count,)] = self.session.rows(
            f"update {quote(table)} r set {KEPT} = true where not {KEPT} and exists ({matching_rows})",
            doing=f"halving {table}",
        )
        return int(count)

    def _on(self, table: str, reference: Reference, *, row: str = "r", target: str = "t") -> str:
        types = {
            name: {column.name: column.type for column in self.manifest.tables[name].columns}
            for name in (table, reference.table)
        }
        pairs = [
            ((column, types[table][column]), (name, types[reference.table][name]))
            for column, name in zip(reference.columns, reference.key, strict=True)
        ]
        return f"{matching(pairs, row, target)} and {whole(reference.columns, row)}"

    def _needed(self, step: Step) -> list[str]:
        named = {name for reference in step.references for name in reference.columns}
        named |= {name for reference in step.references for name, _ in reference.when}
        named |= {
            name
            for other in self.steps
            for reference in other.references
            if reference.table == step.table
            for name in reference.key
        }
        if step.role == "unit":
            named |= set(self.manifest.units[step.table].key)
        return sorted(named)

    def _files(self, step: Step) -> list[Path]:
        return [self.sample.path / file.path for file in self.manifest.tables[step.table].files]


def _reading(path: Path) -> str:
    return f"read_parquet({file_list([path])}, hive_partitioning = false, file_row_number = true)"
