"""Find what a job has to install to get this very version of sandbox: a commit, or a file with its hash.

No package index is asked for a name: whoever owns the name there would run code beside the job's credentials.
"""

from __future__ import annotations

import json
import re
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

from sandbox.errors import UsageError

DISTRIBUTION = "sandbox"
INSTALL_HINT = (
    "name a commit or a hash: sandbox init --ci SERVER --install 'sandbox @ git+https://HOST/REPOSITORY@COMMIT', "
    "or 'sandbox @ https://HOST/sandbox-VERSION-py3-none-any.whl#sha256=HASH'"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HASH = re.compile(r"sha256=[0-9a-f]{64}")
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<extras>\[[a-z0-9, _-]*\])? *@ *(?P<url>\S+)")


def find_requirement(given: str | None) -> str:
    """Return the requirement for pip: the given one if it names its content, else that of the running installation.

    Raises:
        UsageError: It names no commit and no hash.
    """
    return check_requirement(given) if given is not None else _describe_installation()


def check_requirement(requirement: str) -> str:
    """Check that a requirement names its content, and return it.

    Raises:
        UsageError: It could be another file tomorrow, or carries a password.
    """
    match = _REQUIREMENT.fullmatch(requirement.strip())
    problem = "it is no requirement of the form NAME @ URL" if match is None else _find_problem(match["url"])
    if problem is not None:
        raise UsageError(f"--install {_hide_password(requirement)!r}: {problem}", hint=INSTALL_HINT)
    return requirement.strip()


def _find_problem(url: str) -> str | None:
    parts = urlsplit(url)
    if parts.password is not None or (parts.username is not None and parts.username != "git"):
        return "it carries credentials, which would be committed"
    if parts.scheme in {"git+https", "git+ssh"}:
        _, _, commit = parts.path.rpartition("@")
        return None if _COMMIT.fullmatch(commit) else "it names no commit: 40 hexadecimal digits after the last @"
    if parts.scheme == "https":
        return None if _HASH.search(parts.fragment) else "it names no hash: #sha256= and 64 hexadecimal digits"
    return f"a job cannot install from {parts.scheme or 'that'}: git+https, git+ssh and https can be checked"


def _describe_installation() -> str:
    """Return the requirement of the running installation, as recorded by its installer (PEP 610).

    Raises:
        UsageError: It came from an index or a folder of this machine.
    """
    try:
        text = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        text = None
    record: dict[str, Any] = json.loads(text) if text else {}
    url, commit = str(record.get("url", "")), record.get("vcs_info", {}).get("commit_id")
    digest = record.get("archive_info", {}).get("hashes", {}).get("sha256")
    if record.get("vcs_info", {}).get("vcs") == "git" and commit:
        requirement = f"{DISTRIBUTION} @ git+{url}@{commit}"
    elif digest and url.startswith("https:"):
        requirement = f"{DISTRIBUTION} @ {url.partition('#')[0]}#sha256={digest}"
    else:
        origin = f"from {url}" if url else "from a package index, by its name alone"
        raise UsageError(
            f"this sandbox was installed {_hide_password(origin)}, so the job would not install the same",
            hint=INSTALL_HINT,
        )
    if problem := _find_problem(requirement.partition(" @ ")[2]):
        raise UsageError(f"this sandbox was installed from {_hide_password(url)}: {problem}", hint=INSTALL_HINT)
    return requirement


def _hide_password(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//…@", text)
