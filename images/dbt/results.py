"""The results of dbt's builds and tests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explain import find_advice

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from node_facts import NodeFacts

BUILT_STATUSES = frozenset({"success", "no-op"})
TEST_KINDS = ("test", "unit_test")
RESOURCE_ERROR = re.compile(
    r"Out of Memory Error|out of memory|No space left|could not extend file|disk (is )?full", re.IGNORECASE
)
"""A failure for want of memory or disk: another run of the same code may succeed."""
MESSAGE_TITLE = re.compile(r"(\w+ Error|Error|Failure) in \w+ .*\(.*\)|\w+ Error")
MAX_CAUSE_LENGTH = 300


@dataclass(frozen=True, kw_only=True)
class NodeFailure:
    """A node without an output.

    Attributes:
        cause: The first line of the database's message; empty if its parent failed.
        advice: What to do about it, where that is known.
        parent: The name of the failed node because of which it was not built; empty if it failed itself.
    """

    cause: str = ""
    advice: str = ""
    parent: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return its JSON."""
        return {"cause": self.cause, "advice": self.advice, "parent": self.parent}


def describe_failure(message: str, *, model: str, adapter: str, adapters: Collection[str]) -> NodeFailure:
    """Return the failure with a message of dbt or the database; the rest as in `explain.failures`."""
    lines = [line.strip() for line in message.strip().splitlines() if line.strip()]
    while len(lines) > 1 and MESSAGE_TITLE.fullmatch(lines[0]):
        lines.pop(0)
    cause = lines[0] if lines else "dbt gives no reason"
    shown = cause if len(cause) <= MAX_CAUSE_LENGTH else f"{cause[:MAX_CAUSE_LENGTH]}…"
    advice = find_advice(message, model=model, adapter=adapter, adapters=adapters)
    return NodeFailure(cause=shown, advice=advice or "")


def find_unbuilt_nodes(
    failed: Iterable[str], chosen: Collection[str], nodes: Mapping[str, Any], facts: Mapping[str, NodeFacts]
) -> dict[str, str]:
    """Return the chosen nodes that depend on failed ones, with the name of the failed one.

    A node whose hooks may write into the relation of another, or read it, fails with it.
    """
    failed = list(failed)
    dependents: dict[str, set[str]] = {}
    for key, node in nodes.items():
        linked = facts[key].linked if key in facts else ()
        reads = facts[key].reads if key in facts else ()
        for other in {*getattr(node.depends_on, "nodes", ()), *reads, *linked}:
            dependents.setdefault(other, set()).add(key)
        for other in linked:
            dependents.setdefault(key, set()).add(other)
    found: dict[str, str] = {}
    queue = [(key, nodes[key].name) for key in sorted(failed)]
    seen = set(failed)
    for key, name in queue:
        for reader in sorted(dependents.get(key, ())):
            if reader not in seen:
                seen.add(reader)
                queue.append((reader, name))
                if reader in chosen:
                    found[reader] = name
    return found


def describe_result(result: Any) -> dict[str, Any]:
    """Return the record of a test's result: ``status`` and ``failures`` are dbt's own."""
    status = str(result.status)
    counted = status in {"pass", "fail", "warn"}
    return {
        "name": result.node.name,
        "kind": str(result.node.resource_type),
        "status": status,
        "failures": result.failures if counted else None,
        "problem": None if status == "pass" else " ".join(str(result.message or status).split()),
    }


def describe_results(done: Any) -> dict[str, dict[str, Any]]:
    """Return the records of the tests of a command, by id; hooks are no tests."""
    results = done.result.results if done.result else []
    return {
        result.node.unique_id: describe_result(result)
        for result in results
        if str(result.node.resource_type) in TEST_KINDS
    }


def describe_skipped_test(test: Any, parent: str) -> dict[str, Any]:
    """Return the record of a test that was not run, because a node that it reads failed."""
    return {
        "name": test.name,
        "kind": str(test.resource_type),
        "status": "skipped",
        "failures": None,
        "problem": f"not run, because {parent} failed",
    }
