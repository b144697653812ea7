"""A job installs a commit or a hash, and nothing anywhere installs this tool by a bare name."""

from __future__ import annotations

import json
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from sandbox.commands.init.installation import check_requirement, find_requirement
from sandbox.errors import UsageError

ROOT = Path(__file__).parents[3]
COMMIT, HASH = "a" * 40, "b" * 64


@pytest.mark.parametrize(
    "requirement",
    [
        f"sandbox @ git+https://git.example/data/sandbox@{COMMIT}",
        f"sandbox[delta, spark] @ git+ssh://git@git.example/data/sandbox.git@{COMMIT}",
        f"sandbox@https://files.example/sandbox-1-py3-none-any.whl#sha256={HASH}",
    ],
)
def test_a_commit_or_a_hash_is_accepted(requirement: str) -> None:
    assert check_requirement(requirement) == requirement


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        ("sandbox", "no requirement of the form"),
        ("sandbox==0.1.0", "no requirement of the form"),
        ("sandbox @ git+https://git.example/sandbox", "names no commit"),
        ("sandbox @ git+https://git.example/sandbox@main", "names no commit"),
        (f"sandbox @ git+https://git.example/sandbox@{COMMIT[:12]}", "names no commit"),
        ("sandbox @ https://files.example/sandbox.whl", "names no hash"),
        (f"sandbox @ http://files.example/sandbox.whl#sha256={HASH}", "cannot install from http"),
        ("sandbox @ file:///home/me/sandbox", "cannot install from file"),
        (f"sandbox @ git+https://me:secret@git.example/sandbox@{COMMIT}", "credentials"),
        (f"sandbox @ git+https://git.example/sandbox@{COMMIT} --extra-index-url https://evil.example", "form NAME"),
    ],
)
def test_anything_else_is_refused_without_its_password(requirement: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as refused:
        check_requirement(requirement)
    assert "secret" not in refused.value.message
    assert "--install" in refused.value.hint


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            {"url": "https://git.example/sandbox", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            f"sandbox @ git+https://git.example/sandbox@{COMMIT}",
        ),
        (
            {"url": "https://files.example/sandbox.whl", "archive_info": {"hashes": {"sha256": HASH}}},
            f"sandbox @ https://files.example/sandbox.whl#sha256={HASH}",
        ),
        ({"url": "file:///home/me/sandbox", "dir_info": {"editable": True}}, None),
        ({"url": "file:///tmp/sandbox.whl", "archive_info": {"hashes": {"sha256": HASH}}}, None),
        (None, None),
    ],
)
def test_the_running_installation_is_described_by_its_record(
    record: dict[str, Any] | None, expected: str | None
) -> None:
    with mock.patch.object(metadata, "distribution") as distribution:
        distribution.return_value.read_text.return_value = json.dumps(record) if record else None
        if expected is None:
            with pytest.raises(UsageError, match="would not install the same"):
                find_requirement(None)
        else:
            assert find_requirement(None) == expected


def test_nothing_installs_this_tool_by_a_bare_name() -> None:
    bare = re.compile(
        r"\b(?:pip3?|uv|pipx)\b[\w ]* (?:install|add|run)[^\n|]*?['\" ]sandbox(?:\[|==|['\"`]|\s|$)(?! *@)"
    )
    assert bare.search("pip install 'sandbox[spark]'")
    assert bare.search('python -m pip install "sandbox==1.0"')
    assert not bare.search("python -m pip install 'sandbox @ git+https://git.example/sandbox@1'")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = []
    for name in tracked.split("\0")[:-1]:
        path = ROOT / name
        if path == Path(__file__) or not path.is_file() or path.suffix in {".png", ".parquet", ".whl", ".svg"}:
            continue
        lines = path.read_text("utf-8", errors="replace").splitlines()
        found += [f"{name}: {line.strip()[:120]}" for line in lines if bare.search(line)]
    assert found == []
