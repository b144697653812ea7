"""Find what a change affects in a dbt project's graph: models, exposures and metrics downstream, contracts, deleted models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, TypeAdapter, ValidationError

from sandbox.dbt.tests import DbtRecord, build_damage_error, has_document, read_build_record, read_document
from sandbox.manifest.diff import ContractChange, DbtNode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sandbox.dbt.tests import BuildRecord
    from sandbox.manifest.diff import DbtBuild, DbtNodeState, OutputDiff
    from sandbox.runner.run import Run

LINEAGE_FILE = "lineage.json"
USER_KINDS = frozenset({"exposure", "metric", "saved_query"})


class ContractColumn(DbtRecord):
    """A column of an enforced contract."""

    type: str | None
    constraints: list[str]


class LineageNode(DbtRecord):
    """A node of the graph, in ``lineage.json``; ``parents`` are ids.

    ``references`` are its tests of relationships: for a column, the id of the other node and the column there. ``table`` is
    the sample's table that is shown as the node.
    """

    name: str
    kind: str
    parents: list[str]
    owner: str | None
    output: str | None
    contract: dict[str, ContractColumn] | None = Field(default=None)
    references: dict[str, list[str]] = Field(default_factory=dict)
    table: str | None = None


_GRAPH = TypeAdapter(dict[str, LineageNode])


def add_lineage(
    build: DbtBuild | None, baseline: Run | None, candidate: Run, outputs: Mapping[str, OutputDiff]
) -> DbtBuild | None:
    """Return the build with the affected part of the graph, the contracts that changed, and what is deleted."""
    record = read_build_record(candidate)
    if build is None or record is None or not has_document(candidate, LINEAGE_FILE):
        return build
    after = read_graph(candidate)
    before = read_graph(baseline) if baseline is not None and has_document(baseline, LINEAGE_FILE) else {}
    removed = {key: node for key, node in before.items() if key not in after and node.kind != "source"}
    roots = _find_roots(record, before, after, outputs)
    return build.model_copy(
        update={
            "lineage": _build_affected_graph(roots, removed, before, after, record),
            "contracts": list_contract_changes(before, after),
            "removed": {
                node.name: sorted({before[key].name for key in _find_readers({removed_key}, before) - {removed_key}})
                for removed_key, node in sorted(removed.items(), key=lambda item: item[1].name)
            },
        }
    )


def _find_roots(
    record: BuildRecord,
    before: Mapping[str, LineageNode],
    after: Mapping[str, LineageNode],
    outputs: Mapping[str, OutputDiff],
) -> dict[str, DbtNodeState]:
    """Return the nodes where the change begins; where everything was built, those whose output differs."""
    roots: dict[str, DbtNodeState] = {}
    for key, node in after.items():
        if node.kind in USER_KINDS or node.kind == "source":
            continue
        if before and key not in before:
            roots[key] = "added"
        elif _is_changed(node, record, outputs):
            roots[key] = "changed"
    return roots


def _is_changed(node: LineageNode, record: BuildRecord, outputs: Mapping[str, OutputDiff]) -> bool:
    if record.changed is not None:
        return node.name in record.changed
    output = outputs.get(node.output) if node.output is not None else None
    return output is not None and not output.is_same


def _build_affected_graph(
    roots: Mapping[str, DbtNodeState],
    removed: Mapping[str, LineageNode],
    before: Mapping[str, LineageNode],
    after: Mapping[str, LineageNode],
    record: BuildRecord,
) -> dict[str, DbtNode]:
    affected = _find_readers(roots, after) | {
        key for key in _find_readers(removed, before) if key in after and key not in removed
    }
    failed = record.failed.keys()
    shown: dict[str, DbtNode] = {}
    for key in sorted(affected | failed & after.keys()):
        state: DbtNodeState = "failed" if key in failed else roots.get(key, "downstream")
        shown[key] = _build_node(after[key], state)
    for key, node in sorted(removed.items()):
        shown[key] = _build_node(node, "removed")
    inputs = {parent for key in roots for parent in after[key].parents if parent in after and parent not in shown}
    for key in sorted(inputs):
        shown[key] = _build_node(after[key], "input")
    for key, shown_node in shown.items():
        old = before[key].parents if key in before else []
        parents = [
            parent for parent in {*shown_node.parents, *(one for one in old if one in removed)} if parent in shown
        ]
        shown[key] = shown_node.model_copy(update={"parents": sorted(parents)})
    return shown


def _build_node(node: LineageNode, state: DbtNodeState) -> DbtNode:
    return DbtNode(
        name=node.name, kind=node.kind, state=state, parents=list(node.parents), output=node.output, owner=node.owner
    )


def _find_readers(keys: Collection[str], graph: Mapping[str, LineageNode]) -> set[str]:
    """Return nodes and everything that depends on them."""
    readers: dict[str, list[str]] = {}
    for key, node in graph.items():
        for parent in node.parents:
            readers.setdefault(parent, []).append(key)
    found, queue = set(keys), list(keys)
    while queue:
        for reader in readers.get(queue.pop(), ()):
            if reader not in found:
                found.add(reader)
                queue.append(reader)
    return found


def list_contract_changes(before: Mapping[str, LineageNode], after: Mapping[str, LineageNode]) -> list[ContractChange]:
    """Return the changes of enforced contracts, the breaking ones first.

    A promise that is withdrawn breaks readers: a contract, a column, a type, a constraint. A new one does not.
    """
    changes = []
    for key, old in before.items():
        if old.contract is None:
            continue
        new = after.get(key)
        if new is None or new.contract is None:
            text = "the model is deleted" if new is None else "its contract is not enforced any more"
            changes.append(ContractChange(model=old.name, column=None, change=text, is_breaking=True))
            continue
        changes += _compare_contracts(new.name, old.contract, new.contract)
    return sorted(changes, key=lambda change: (not change.is_breaking, change.model, change.column or ""))


def _compare_contracts(
    model: str, old: Mapping[str, ContractColumn], new: Mapping[str, ContractColumn]
) -> list[ContractChange]:
    changes = []
    for name in [*old, *(name for name in new if name not in old)]:
        before, after = old.get(name), new.get(name)
        texts: list[tuple[str, bool]] = []
        if before is None:
            texts.append(("added", False))
        elif after is None:
            texts.append(("removed", True))
        else:
            if (before.type or "").lower() != (after.type or "").lower():
                texts.append((f"{after.type} instead of {before.type}", True))
            lost = sorted(set(before.constraints) - set(after.constraints))
            more = sorted(set(after.constraints) - set(before.constraints))
            texts += [(f"without {', '.join(lost)}", True)] if lost else []
            texts += [(f"with {', '.join(more)}", False)] if more else []
        changes += [
            ContractChange(model=model, column=name, change=text, is_breaking=breaking) for text, breaking in texts
        ]
    return changes


def read_graph(run: Run) -> dict[str, LineageNode]:
    """Read ``lineage.json``.

    Raises:
        StoreError: It is missing, or no graph.
    """
    document = read_document(run, LINEAGE_FILE)
    try:
        return _GRAPH.validate_python(document)
    except ValidationError as error:
        raise build_damage_error(run, LINEAGE_FILE, error) from error
