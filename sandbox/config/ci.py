"""Detection of continuous integration, and of a change's target branch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TARGET_BRANCH_VARIABLES = (
    "GITHUB_BASE_REF",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
    "BITBUCKET_PR_DESTINATION_BRANCH",
    "SYSTEM_PULLREQUEST_TARGETBRANCHNAME",
    "BUILDKITE_PULL_REQUEST_BASE_BRANCH",
    "CHANGE_TARGET",
    "CI_DEFAULT_BRANCH",
)
"""Set by GitHub, GitLab, Bitbucket, Azure, Buildkite, Jenkins; GitLab also sets the last one without a merge request."""


def is_ci() -> bool:
    """Return whether ``CI=true`` is set, as in every common CI service."""
    return os.environ.get("CI") == "true"


def find_target_branch(environ: Mapping[str, str]) -> str | None:
    """Return the target branch of a change, as set by the CI service; None if it sets none."""
    return next((environ[name] for name in TARGET_BRANCH_VARIABLES if environ.get(name)), None)
