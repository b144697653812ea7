"""Split a change into its commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import UsageError
from sandbox.formatting import format_count, truncate_text
from sandbox.model import WORKING_TREE
from sandbox.project.pipeline_run import open_code
from sandbox.runner.code.code_parts import CommitPart
from sandbox.runner.repository import Repository

if TYPE_CHECKING:
    import contextlib

    from sandbox.impact.sides import RunnableSide
    from sandbox.runner.code.code_parts import CodeChange

MAX_COMMITS = 100
"""Maximum number of commits, those without changed code included."""
_MAX_SUBJECT_LENGTH = 60


def list_commit_parts(
    change: CodeChange, baseline: RunnableSide, candidate: RunnableSide, opened: contextlib.ExitStack
) -> list[CommitPart]:
    """Return the commits of the candidate beyond the baseline, and its uncommitted changes, oldest first.

    Merged branches count as one commit each. Commits without changed code are left out.

    Args:
        change: The change.
        baseline: The side before.
        candidate: The side after.
        opened: Keeps the versions of the commits open.

    Raises:
        UsageError: The candidate does not contain the baseline's commit, or has too many commits.
    """
    project = candidate.context.project
    repository = Repository(project.root)
    first, last = baseline.request.code.version, candidate.request.code.version
    if first.commit is None or last.commit is None or not repository.is_ancestor(first.commit, last.commit):
        raise UsageError(
            f"the candidate does not contain {first.ref}, so the change is not a list of commits",
            hint=f"git rebase {first.ref}, or split it otherwise: --by file",
        )
    listed = repository.git.run("rev-list", "--first-parent", "--reverse", f"{first.commit}..{last.commit}")
    commits = listed.decode().split()
    if len(commits) > MAX_COMMITS:
        raise UsageError(
            f"the change has {format_count(len(commits), 'commit')}", hint="--by file, or a later --baseline"
        )
    parts, tree = [], first.tree
    for commit in commits:
        after = change.add_tree(opened.enter_context(open_code(project, commit)))
        if after != tree:
            subject = repository.git.run("show", "-s", "--format=%s", commit).decode(errors="replace").strip()
            label = f"{commit[:10]} {truncate_text(subject, _MAX_SUBJECT_LENGTH)}".strip()
            parts.append(CommitPart(label=label, trees=(tree, after)))
            tree = after
    if last.tree != tree:
        parts.append(CommitPart(label=WORKING_TREE, trees=(tree, last.tree)))
    return parts
