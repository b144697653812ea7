"""The demo pipeline as a git repository: production's commits, and an uncommitted change."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import StoreError, UsageError
from sandbox.store.folder import translate_os_errors
from sandbox.store.paths import find_packaged_folder

if TYPE_CHECKING:
    from pathlib import Path

COMMIT_AUTHOR = ("Robin", "robin@example.com")


@dataclass(frozen=True, kw_only=True)
class DemoCommit:
    """A commit of production: message, date and added files."""

    message: str
    date: str
    paths: tuple[str, ...]


COMMITS = (
    DemoCommit(
        message="Build customer value, daily revenue and product sales",
        date="2026-03-02T09:12:00Z",
        paths=(
            ".gitignore",
            "pipeline.py",
            "models/staging/order_values.sql",
            "models/outputs/customer_value.sql",
            "models/outputs/daily_revenue.sql",
            "models/outputs/product_sales.sql",
        ),
    ),
    DemoCommit(
        message="List the payments that somebody should look at",
        date="2026-05-18T14:40:00Z",
        paths=("models/outputs/payment_issues.sql",),
    ),
    DemoCommit(
        message="Score customers for marketing",
        date="2026-07-06T08:05:00Z",
        paths=("models/outputs/customer_segments.py",),
    ),
    DemoCommit(
        message="Try changes on a sample before they reach production",
        date="2026-10-05T16:21:00Z",
        paths=("README.md", "sandbox.toml"),
    ),
)
CHANGED_PATHS = ("models/outputs/customer_value.sql",)


def check_git() -> None:
    """Check that git is installed.

    Raises:
        UsageError: It is not.
    """
    if shutil.which("git") is None:
        raise UsageError(
            "the demo keeps its pipeline in git, and git is not installed",
            hint="install it (on Debian and Ubuntu: apt-get install git), then try again",
        )


def create_repository(folder: Path) -> None:
    """Create a repository in ``folder`` with production as ``main``, then change its working tree.

    Commit ids are reproducible; the user's git configuration, hooks and templates are ignored.

    Raises:
        StoreError: A file cannot be written, or git fails.
    """
    _run_git(folder, "init", "--quiet", "--template=")
    _run_git(folder, "symbolic-ref", "HEAD", "refs/heads/main")
    for commit in COMMITS:
        _copy_files(commit.paths, source=find_packaged_folder("templates") / "demo" / "project", target=folder)
        _run_git(folder, "add", "--", *commit.paths)
        _run_git(folder, "commit", "--quiet", f"--message={commit.message}", date=commit.date)
    _copy_files(CHANGED_PATHS, source=find_packaged_folder("templates") / "demo" / "change", target=folder)


def resolve_template_path(path: str) -> str:
    """Return a file's name among the templates, without the dot of hidden files."""
    return path.removeprefix(".")


def _copy_files(paths: tuple[str, ...], *, source: Path, target: Path) -> None:
    for path in paths:
        with translate_os_errors(target / path):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / resolve_template_path(path), target / path)


def _run_git(folder: Path, *arguments: str, date: str = COMMITS[0].date) -> None:
    name, email = COMMIT_AUTHOR
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")} | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
        "GIT_COMMITTER_DATE": date,
    }
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StoreError(
            f"git {arguments[0]} failed in the demo's folder (status {done.returncode}): {done.stderr.strip()}",
            hint="see whether `git --version` answers and the disk has room, then try again",
        )
