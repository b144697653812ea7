"""The in-toto statement of a promotion: what was compared, by which rules, and with what result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sandbox.errors import StoreError
from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.document import DocumentPart

if TYPE_CHECKING:
    from sandbox.config.settings import Settings
    from sandbox.manifest.diff import DiffDocument

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:sandbox:promotion:v1"
_RULE_SECTIONS = ("gate", "outputs", "tests", "tables")


class PromotedSide(DocumentPart):
    """One version: its ref, commit, code tree, and the digests of its lock and rules."""

    ref: str
    commit: str | None
    tree: str
    lock: str | None
    rules: str


class Promotion(DocumentPart):
    """The predicate. ``accepted_rules`` are loosened rules; ``figures`` are estimates by output, as in ``diff.json``."""

    diff: str
    created: str
    by: str
    reason: str | None
    verdict: str
    baseline: PromotedSide
    candidate: PromotedSide
    environment: dict[str, Any]
    sample: dict[str, Any]
    gate: list[dict[str, Any]]
    accepted_rules: list[str]
    figures: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class PromotionRequest:
    """What a promotion records besides the diff: both sides, who, when and why."""

    baseline: PromotedSide
    candidate: PromotedSide
    by: str
    created: str
    reason: str | None


def hash_rules(settings: Settings) -> str:
    """Return a digest of the rules that judge a change: gate, outputs, tests, tables, and the draw of the sample."""
    stated = settings.model_dump(mode="json", by_alias=True, exclude_defaults=True)  # a new key changes no digest
    rules = {name: stated[name] for name in (*_RULE_SECTIONS, "sample") if name in stated}
    rules["sample"].pop("memory", None)  # changes no row
    return hash_json(rules)


def build_statement(document: DiffDocument, request: PromotionRequest) -> dict[str, Any]:
    """Build the statement of a diff of a project."""
    assert document.sample is not None
    assert document.environment is not None
    promotion = Promotion(
        diff=document.id,
        created=request.created,
        by=request.by,
        reason=request.reason,
        verdict=document.verdict,
        baseline=request.baseline,
        candidate=request.candidate,
        environment=document.environment.model_dump(mode="json"),
        sample=document.sample.model_dump(mode="json"),
        gate=[result.model_dump(mode="json") for result in document.gate],
        accepted_rules=[change.key for change in document.rule_changes if change.loosens],
        figures={name: output.estimate.model_dump(mode="json") for name, output in document.outputs.items()},
    )
    digest = {"gitTree": request.candidate.tree}
    if request.candidate.commit is not None:
        digest["gitCommit"] = request.candidate.commit
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": document.project, "digest": digest}],
        "predicateType": PREDICATE_TYPE,
        "predicate": promotion.model_dump(mode="json", by_alias=True),
    }


def parse_statement(statement: Any, *, origin: str) -> Promotion:
    """Return the promotion of a statement.

    Raises:
        StoreError: It is another statement, or damaged.
    """
    if not isinstance(statement, dict) or statement.get("predicateType") != PREDICATE_TYPE:
        raise StoreError(f"{origin} is no promotion record of sandbox")
    try:
        promotion = Promotion.model_validate(statement["predicate"])
        subject = statement["subject"][0]["digest"]["gitTree"]
    except (ValidationError, KeyError, IndexError, TypeError) as error:
        raise StoreError(f"the promotion record {origin} is damaged") from error
    if subject != promotion.candidate.tree:
        raise StoreError(f"the promotion record {origin} is damaged: its subject is another tree")
    return promotion
