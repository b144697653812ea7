"""``sandbox promote``: sign a record of an accepted change, or check that a version is covered by one."""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.commands.report import report
from sandbox.errors import ConfigError, StoreError, UsageError
from sandbox.manifest.run import RunRecord
from sandbox.model import WORKING_TREE
from sandbox.promotion.coverage import SignedPromotion, find_coverage
from sandbox.promotion.envelope import open_envelope, sign_statement
from sandbox.promotion.records import read_records, write_record
from sandbox.promotion.signing import (
    TRUSTED_KEYS_FILE,
    describe_own_key,
    load_signing_key,
    parse_trusted_keys,
)
from sandbox.promotion.statement import PromotionRequest, build_statement, hash_rules, parse_statement
from sandbox.promotion.versions import describe_version, is_earlier_state, read_version_file, read_version_settings
from sandbox.runner.repository import Repository
from sandbox.store.seal_key import load_seal_key

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.manifest.diff import DiffDocument
    from sandbox.promotion.coverage import Coverage
    from sandbox.promotion.signing import PublicKey
    from sandbox.promotion.statement import PromotedSide


@dataclass(frozen=True, kw_only=True)
class PromotionResult:
    """A written record."""

    diff: str
    verdict: str
    tree: str
    key_id: str
    path: str
    store: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox promote --json``."""
        return {"format_version": 1, **vars(self)}


@dataclass(frozen=True, kw_only=True)
class CoverageResult:
    """Whether a version is covered by a record."""

    ref: str
    coverage: Coverage

    @property
    def is_covered(self) -> bool:
        """Whether a record covers it."""
        return self.coverage.record is not None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox promote --check --json``."""
        record = self.coverage.record
        return {
            "format_version": 1,
            "ref": self.ref,
            "covered": self.is_covered,
            "kind": self.coverage.kind,
            "reason": self.coverage.reason,
            "record": record.origin if record else None,
            "signer": record.signer if record else None,
            "diff": record.promotion.diff if record else None,
        }


def promote(project: Project, *, which: str | None, reason: str | None) -> PromotionResult:
    """Sign a record of a diff, the last one by default.

    Raises:
        UsageError: The diff is outside the gate and there is no reason, or one of its versions has changed since.
        StoreError: There is no diff, or its runs are gone.
    """
    document = report(project, which=which).document
    if document.verdict == "outside_gate" and not reason:
        raise UsageError(
            f"the diff {document.id} is outside the gate",
            hint="correct the change, or say why it is accepted: sandbox promote --reason TEXT",
        )
    baseline, candidate = _describe_sides(project, document)
    key = load_signing_key()
    created = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    request = PromotionRequest(
        baseline=baseline, candidate=candidate, by=_find_user(project), created=created, reason=reason
    )
    own = describe_own_key(key, request.by)
    text = sign_statement(build_statement(document, request), key, own.key_id)
    path, store = write_record(project, candidate.tree, document.id, text)
    return PromotionResult(
        diff=document.id, verdict=document.verdict, tree=candidate.tree, key_id=own.key_id, path=path, store=store
    )


def check_promotion(project: Project, ref: str, *, keys: Path | None) -> CoverageResult:
    """Check whether a record covers a version: its code tree, lock and rules.

    Trusted keys and ``[promotion]`` are those of the recorded baseline commit, which must be an earlier state of the
    checked branch; with ``keys``, a file names the trusted keys.

    Raises:
        ConfigError: The ref or its ``sandbox.toml`` is missing or invalid.
        StoreError: The store does not answer.
    """
    version = describe_version(project, ref)
    given = parse_trusted_keys(keys.read_text("utf-8"), origin=str(keys)) if keys is not None else None
    records = [
        record
        for origin, text in read_records(project)
        if (record := _read_signed(project, ref, origin, text, given)) is not None
    ]
    return CoverageResult(ref=ref, coverage=find_coverage(version, records, now=dt.datetime.now(dt.UTC)))


def _read_signed(
    project: Project, ref: str, origin: str, text: str, given: list[PublicKey] | None
) -> SignedPromotion | None:
    """Return a record with its signer; None for a file that is no record."""
    try:
        statement, _ = open_envelope(text, [], origin=origin)
        promotion = parse_statement(statement, origin=origin)
    except StoreError:
        return None
    commit = promotion.baseline.commit
    trusted: list[PublicKey] = given or []
    rules = max_age = None
    if is_earlier_state(project, commit, ref):
        with contextlib.suppress(ConfigError):
            settings = read_version_settings(project, commit)
            rules, max_age = hash_rules(settings), settings.promotion.max_age
        if given is None:
            content = read_version_file(project, commit, TRUSTED_KEYS_FILE)
            trusted = parse_trusted_keys((content or b"").decode(), origin=f"{TRUSTED_KEYS_FILE} at {str(commit)[:12]}")
    _, signer = open_envelope(text, trusted, origin=origin)
    return SignedPromotion(
        promotion=promotion,
        origin=origin,
        signer=signer.name if signer else None,
        baseline_rules=rules,
        max_age=max_age,
    )


def _describe_sides(project: Project, document: DiffDocument) -> tuple[PromotedSide, PromotedSide]:
    """Describe both versions of a diff, and check that they are still those of its runs."""
    sides = []
    for role, side in (("baseline", document.baseline), ("candidate", document.candidate)):
        if side.run is None:
            raise UsageError(
                f"the {role} of the diff {document.id} is no version of the code", hint="compare two: sandbox diff"
            )
        record = RunRecord.read(project.state_folder / "runs" / side.run / "run.json", key=load_seal_key())
        version = describe_version(project, None if side.ref == WORKING_TREE else side.commit)
        if not version.tree == side.tree == record.code.tree:
            raise UsageError(
                f"the {role} has changed since the diff {document.id}", hint="compare again, then promote: sandbox diff"
            )
        sides.append(version)
    return sides[0], sides[1]


def _find_user(project: Project) -> str:
    found = Repository(project.root).try_git("config", "user.email").stdout.decode().strip()
    return found or getpass.getuser()
