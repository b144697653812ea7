"""Judge changes of the rules themselves against the baseline commit's ``sandbox.toml``."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.config.project_file import read_settings
from sandbox.config.rules.comparison import compare_rules
from sandbox.config.sections.outputs import GATE_DEFAULTS
from sandbox.errors import ConfigError
from sandbox.impact.production_ref import PRODUCTION_KEY, check_production_ref, find_other_production
from sandbox.manifest.diff import RuleChange
from sandbox.project.committed_settings import check_masks, read_committed_settings
from sandbox.runner.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sandbox.config import Project
    from sandbox.config.rules.comparison import SettingChange
    from sandbox.impact.options import DiffVersions


@dataclass(frozen=True, kw_only=True)
class RuleJudgement:
    """The changes of the rules from the baseline commit's.

    Attributes:
        changes: The differences; None without a file to compare with.
        limit: The accepted changes: ``same`` or ``any``.
        warnings: Warnings for the reader.
    """

    changes: Sequence[SettingChange] | None = None
    limit: str = str(GATE_DEFAULTS["rules"])
    warnings: list[str] = field(default_factory=list)

    def list_changes(self, baseline_outputs: Collection[str]) -> list[RuleChange] | None:
        """Return the changes for the document.

        A rule for an output not made by the baseline loosens nothing.
        """
        if self.changes is None:
            return None
        return [_convert_change(change, baseline_outputs) for change in self.changes]


def judge_version_rules(project: Project, versions: DiffVersions, *, accept_rules: bool) -> RuleJudgement:
    """Compare the rules with production's; two stacks are judged by one file (see `judge_rules`).

    If the settings name another production than the default branch's file, that one's rules judge, and the change is
    one of the rules.

    Raises:
        ConfigError: See `judge_rules` and `check_production_ref`.
    """
    if versions.stack is not None:
        return RuleJudgement()
    if versions.baseline is None:
        check_production_ref(project)
        other = find_other_production(project)
        if other is not None:
            judged = judge_rules(project, other.ref, accept_rules=accept_rules)
            changes = [change for change in judged.changes or () if change.key != PRODUCTION_KEY]
            return dataclasses.replace(judged, changes=[other.describe_change(project), *changes])
    ref = versions.baseline or project.settings.pipeline.production
    if versions.outputs is not None and not _has_version(project, ref):
        return RuleJudgement(warnings=[f"there is no git ref {ref!r}, so the rules are compared with nothing"])
    return judge_rules(project, ref, accept_rules=accept_rules)


def _has_version(project: Project, ref: str) -> bool:
    try:
        Repository(project.root).resolve_commit(ref)
    except ConfigError:
        return False
    return True


def judge_rules(project: Project, ref: str, *, accept_rules: bool) -> RuleJudgement:
    """Compare the rules of the working tree with a version's file.

    Raises:
        ConfigError: That file is invalid, or a mask is weaker here than there, and no flag accepts it.
    """
    try:
        baseline = read_committed_settings(project, ref)
    except ConfigError as error:
        if accept_rules and project.accept_masks:
            return RuleJudgement(limit="any", warnings=[f"the rules of {ref} cannot be compared: {error.message}"])
        hint = f"correct it there; to judge without it: --accept-rules --accept-masks\n{error.hint}"
        raise ConfigError(error.message, hint=hint.rstrip()) from error
    if baseline is None:
        text = f"{ref} has no {project.file.name}: what judges this change is the change's own"
        return RuleJudgement(warnings=[text])
    check_masks(project, baseline)
    warnings = []
    if project.ignored_keys:
        keys = ", ".join(project.ignored_keys)
        warnings.append(f"under CI=true {ref} says where code runs: {keys} of this change's file have no effect")
    return RuleJudgement(
        changes=compare_rules(baseline.settings, read_settings(project.file, project.given)),
        limit="any" if accept_rules else baseline.settings.gate.rules or str(GATE_DEFAULTS["rules"]),
        warnings=warnings,
    )


def _convert_change(change: SettingChange, baseline_outputs: Collection[str]) -> RuleChange:
    is_new = change.output is not None and change.output not in baseline_outputs
    if is_new:
        change = dataclasses.replace(change, loosens=False, reason=f"the baseline makes no {change.output}")
    return RuleChange(
        key=change.key,
        baseline=change.baseline,
        candidate=change.working,
        loosens=change.loosens,
        reason=change.reason,
    )
