"""Identify the translation of a model, and list the models in need of a certificate."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sandbox.dbt.programs.node_reuse import find_nodes_to_build
from sandbox.dbt.tests import read_build_record, read_node_facts
from sandbox.manifest.canonical_json import hash_json
from sandbox.store.paths import find_packaged_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sandbox.dbt.programs.node_facts import NodeFacts
    from sandbox.runner.run import Run

TRANSLATOR_FILES = ("translation*.py", "warehouse_*.py")


def compute_identities(run: Run, dialect: str) -> dict[str, str]:
    """Return the identity of each output's certificate: a digest of its model's compiled code and of what translates it.

    Versions of dbt and of every library count, so another one asks for new certificates.
    """
    record = read_build_record(run)
    if record is None:
        return {}
    facts, translator = read_node_facts(run), _compute_translator_digest()
    return {
        output: hash_json([dialect, translator, facts[key].parts["code"], facts[key].parts.get("project")])
        for key, output in record.outputs.items()
        if key in facts and "code" in facts[key].parts
    }


def list_affected_outputs(baseline: Run, candidate: Run, differing: Collection[str]) -> list[str]:
    """Return the baseline's outputs affected by the change: changed models, their readers, and differing outputs."""
    record = read_build_record(baseline)
    if record is None:
        return []
    before, after = read_node_facts(baseline), read_node_facts(candidate)
    changed = {key for key, reason in find_nodes_to_build(before, after).items() if reason.kind == "changed"}
    changed |= before.keys() - after.keys()
    affected = _add_readers(changed, before, after)
    return sorted(name for key, name in record.outputs.items() if key in affected or name in differing)


def _add_readers(changed: set[str], *sides: Mapping[str, NodeFacts]) -> set[str]:
    readers: dict[str, set[str]] = {}
    for facts in sides:
        for key, node in facts.items():
            for read in (*node.reads, *node.linked):
                readers.setdefault(read, set()).add(key)
    found, queue = set(changed), list(changed)
    while queue:
        new = readers.get(queue.pop(), set()) - found
        found |= new
        queue += new
    return found


def _compute_translator_digest() -> str:
    folder = find_packaged_folder("images") / "dbt"
    digest = hashlib.sha256()
    for path in sorted(path for pattern in TRANSLATOR_FILES for path in folder.glob(pattern)):
        digest.update(path.read_bytes())
    return digest.hexdigest()
