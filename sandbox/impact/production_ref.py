"""Check that the ref of production is not the change's own choice: else a change would be compared with itself."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.config.ci import find_target_branch, is_ci
from sandbox.config.rules.comparison import SettingChange, render_setting
from sandbox.errors import ConfigError
from sandbox.project.committed_settings import read_committed_settings
from sandbox.runner.repository import Repository

if TYPE_CHECKING:
    from sandbox.config import Project

PRODUCTION_KEY = "pipeline.production"
DEFAULT_BRANCHES = (
    "refs/remotes/origin/HEAD",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
    "main",
    "master",
)
"""Where a repository's own production is named, the first one that exists; a change cannot move the remote's branches."""
# What git calls the checked-out commit and the commits of its last commands.
_RELATIVE_NAME = re.compile(r"(?:.*/)?(?:HEAD|[A-Z_]+_HEAD|AUTO_MERGE)|@?", re.IGNORECASE)
_REF_OPERATORS = re.compile(r"[~^:]|@\{")


def check_production_ref(project: Project) -> None:
    """Check that ``production`` of the settings is a name of its own, unless it was given by hand.

    Raises:
        ConfigError: It is relative to the checked-out commit.
    """
    ref = project.settings.pipeline.production
    if PRODUCTION_KEY not in project.given_keys and _is_relative_name(project, ref):
        raise ConfigError(
            f"{project.file}: production = {render_setting(ref)} names what is checked out, "
            "so a change would be compared with itself",
            hint='name the branch that production runs: [pipeline] production = "main"; '
            f"to compare with what is checked out, by hand: --baseline {ref}",
        )


def _is_relative_name(project: Project, ref: str) -> bool:
    name = _REF_OPERATORS.split(ref, maxsplit=1)[0]
    if not _RELATIVE_NAME.fullmatch(name):
        return False
    remote = f"refs/remotes/{name.removeprefix('refs/').removeprefix('remotes/')}"
    return (
        "/" not in name or Repository(project.root).try_git("rev-parse", "--verify", "--quiet", remote).returncode != 0
    )


@dataclass(frozen=True, kw_only=True)
class OtherProduction:
    """The default branch's ref of production, other than that of the settings.

    Attributes:
        branch: The default branch.
        ref: The ref in its file.
    """

    branch: str
    ref: str

    def describe_change(self, project: Project) -> SettingChange:
        """Return the change of the rule: the settings compare with another version."""
        return SettingChange(
            path=tuple(PRODUCTION_KEY.split(".")),
            baseline=render_setting(self.ref),
            working=render_setting(project.settings.pipeline.production),
            loosens=True,
            reason=f"not what {self.branch} says",
        )


def find_other_production(project: Project) -> OtherProduction | None:
    """Return the production of the default branch's file; None if it agrees, or if there is none.

    A flag or the environment names production before any file. Under ``CI=true`` the server names the branch (see
    `sandbox.project.committed_settings.use_trusted_placement`).
    """
    own = project.settings.pipeline.production
    if PRODUCTION_KEY in project.given_keys or (is_ci() and find_target_branch(os.environ) is not None):
        return None
    for branch in DEFAULT_BRANCHES:
        with contextlib.suppress(ConfigError):
            committed = read_committed_settings(project, branch)
            if committed is not None:
                named = committed.settings.pipeline.production
                shown = branch.removeprefix("refs/remotes/")
                return None if named in {own, own.removeprefix("origin/")} else OtherProduction(branch=shown, ref=named)
    return None


def check_remote_production(project: Project, commit: str) -> None:
    """Check that production's commit is also the remote's, for two sides of the same code.

    Args:
        project: The project, whose ``production`` names the commit.
        commit: The commit of both sides.

    Raises:
        ConfigError: The remote's branch of this name is another commit.
    """
    ref = project.settings.pipeline.production
    found = Repository(project.root).try_git(
        "rev-parse", "--verify", "--quiet", f"refs/remotes/origin/{ref}^{{commit}}"
    )
    remote = found.stdout.decode().strip()
    if PRODUCTION_KEY in project.given_keys or found.returncode != 0 or remote == commit:
        return
    raise ConfigError(
        f"both sides are the code of {ref} ({commit[:10]}), so nothing would be compared; "
        f"origin/{ref} is another commit ({remote[:10]})",
        hint=f"to compare with that: --baseline origin/{ref}; to compare {ref} with itself: --baseline {ref}",
    )
