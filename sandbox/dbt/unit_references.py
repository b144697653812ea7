"""Find the units of models through dbt's own tests of relationships, as the baseline has them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.compare.rules import OutputRules
from sandbox.compare.units.unit_links import LinkedTable, UnitLink, UnitReference
from sandbox.dbt.lineage import LINEAGE_FILE, read_graph
from sandbox.dbt.tests import has_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sandbox.compare.units.sampled_units import UnitTableDraw
    from sandbox.dbt.lineage import LineageNode
    from sandbox.runner.run import Run

MAX_STEPS = 8


def add_references(
    baseline: Run, rules: Mapping[str, OutputRules], draws: Mapping[str, UnitTableDraw]
) -> dict[str, OutputRules]:
    """Return the rules with the references of each model: columns that its tests of relationships lead to a unit from.

    The tests and the rows on the way are the baseline's, so a change cannot decide to which units its own rows belong.
    """
    result = dict(rules)
    if not has_document(baseline, LINEAGE_FILE):
        return result
    search = _Search(graph=read_graph(baseline), baseline=baseline, rules=rules, draws=draws)
    for node in search.graph.values():
        if node.output is not None and node.references:
            known = rules.get(node.output, OutputRules())
            references = tuple(search.list_references(node))
            result[node.output] = dataclasses.replace(known, references=references) if references else known
    return result


@dataclass(frozen=True, kw_only=True)
class _Search:
    graph: Mapping[str, LineageNode]
    baseline: Run
    rules: Mapping[str, OutputRules]
    draws: Mapping[str, UnitTableDraw]

    def list_references(self, node: LineageNode, depth: int = 0) -> Iterator[UnitReference]:
        for column, (target, field) in sorted(node.references.items()):
            if target in self.graph and depth < MAX_STEPS:
                found = self._find_link(self.graph[target], field, depth + 1)
                if found is not None:
                    yield UnitReference(column=column, unit=found[0], link=found[1])

    def _find_link(self, node: LineageNode, key: str, depth: int) -> tuple[str, UnitLink] | None:
        """Return the unit table of a node's rows, and the way from a column of it to the unit."""
        if node.table is not None:
            return self._find_table_link(node.table, key)
        output = self.baseline.record.outputs.get(node.output or "")
        if output is None or output.member is not None or key not in output.columns:
            return None
        files = [self.baseline.output_folder / file.path for file in output.files]
        assert node.output is not None
        rules = self.rules.get(node.output, OutputRules())
        first = _Step(table=node.name, key=key, files=files, types=output.columns)
        for unit, draw in self.draws.items():
            names = rules.unit_key if rules.unit_key and len(rules.unit_key) == len(draw.key) else draw.key
            if all(name in output.columns for name in names):
                return unit, first.lead_to_unit(names, draw)
        links = [(unit, link) for unit, draw in self.draws.items() for link in draw.links]
        for unit, link in links:
            if named := next((name for name in link.column_names if name in output.columns), None):
                return unit, first.lead_to_link(named, link)
        for reference in self.list_references(node, depth):
            if reference.column in output.columns:
                return reference.unit, first.lead_to_link(reference.column, reference.link)
        return None

    def _find_table_link(self, table: str, key: str) -> tuple[str, UnitLink] | None:
        for unit, draw in self.draws.items():
            if unit == table and draw.key == (key,):
                step = LinkedTable(files=draw.files, columns=draw.key, next_key=draw.key)
                return unit, UnitLink(table=table, key=key, type=draw.types[0], steps=(step,), types=draw.types)
            for link in draw.links:
                if (link.table, link.key) == (table, key):
                    return unit, link
        return None


@dataclass(frozen=True, kw_only=True)
class _Step:
    """The rows of a model on the way to a unit."""

    table: str
    key: str
    files: list[Path]
    types: Mapping[str, str]

    def lead_to_unit(self, names: tuple[str, ...], draw: UnitTableDraw) -> UnitLink:
        step = LinkedTable(files=self.files, columns=names, next_key=draw.key)
        types = tuple(self.types[name] for name in names)
        return UnitLink(table=self.table, key=self.key, type=self.types[self.key], steps=(step,), types=types)

    def lead_to_link(self, name: str, link: UnitLink) -> UnitLink:
        step = LinkedTable(files=self.files, columns=(name,), next_key=(link.key,))
        return UnitLink(
            table=self.table, key=self.key, type=self.types[self.key], steps=(step, *link.steps), types=link.types
        )
