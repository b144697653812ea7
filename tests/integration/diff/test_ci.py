"""The jobs for continuous integration: valid, and what of them can run here does."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ruamel.yaml import YAML

from sandbox.commands.init.ci_files import render_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.commands.init.ci_files import CiProvider
    from tests.projects import Shop

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[3]
PINNED = f"sandbox @ git+https://git.example/sandbox@{'a' * 40}"
SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}
MARKER = "<!-- sandbox diff -->"


@pytest.mark.parametrize("folder", ["", "jobs/it's ours"])
@pytest.mark.parametrize("store", [False, True])
@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_job_keeps_to_the_servers_schema(ci: CiProvider, folder: str, store: bool, tmp_path: Path) -> None:
    text = render_job(ci, PurePosixPath(folder), store=store, requirement=PINNED)
    file = tmp_path / f"{ci}.yml"
    file.write_text(text)
    schema = ["--builtin-schema", SCHEMAS[ci], *(["--data-transform", "gitlab-ci"] if ci == "gitlab" else [])]
    done = subprocess.run([BIN / "check-jsonschema", *schema, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("sandbox sample pull" in text) == store
    for script in shell_scripts(ci, text):
        (tmp_path / "script.sh").write_text(script)
        found = subprocess.run(
            [BIN / "shellcheck", "--shell", "bash", tmp_path / "script.sh"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stdout


def test_gitlabs_job_isolates_and_keeps_its_home_outside_the_checkout() -> None:
    text = render_job("gitlab", PurePosixPath(), store=False, requirement=PINNED)
    variables = job("gitlab", text)["variables"]
    assert variables["SANDBOX_RUNTIME"] == "docker"
    assert variables["SANDBOX_HOME"].startswith("$CI_BUILDS_DIR/")
    assert [service["alias"] for service in job("gitlab", text)["services"]] == ["docker"]
    before, after = text[: text.index("  # Code runs")], text[text.index("  # variables:") :]
    block, script = after[: after.index("  script:")], after[after.index("  script:") :]
    unisolated = job("gitlab", before + block.replace("  # ", "  ", 1).replace("\n  # ", "\n  ") + script)
    assert "services" not in unisolated
    assert unisolated["variables"]["SANDBOX_RUNTIME"] == "local"
    assert unisolated["variables"].keys() == variables.keys() - {"DOCKER_HOST", "DOCKER_TLS_CERTDIR"}


def job(ci: CiProvider, text: str) -> Any:
    loaded = YAML(typ="safe").load(text)
    return loaded["jobs"]["diff"] if ci == "github" else loaded["sandbox-diff"]


def shell_scripts(ci: CiProvider, text: str) -> list[str]:
    if ci == "gitlab":
        return ["\n".join(["set -eo pipefail", *job(ci, text)["script"]])]  # as GitLab's runner does
    return [step["run"] for step in job(ci, text)["steps"] if "run" in step and step.get("shell") != "python"]


class Comments(ThreadingHTTPServer):
    """The part of both servers that keeps comments; ``allowed`` says whether the token may write."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        # More than a page of others' comments, one of which bears the marker.
        self.bodies = {number: f"comment {number}" for number in range(150)}
        self.bodies[3] = f"{MARKER} not by the job"
        self.by_the_job: set[int] = set()
        self.allowed = True
        self.tokens: set[str | None] = set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Comments

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        size, page = int(asked["per_page"][0]), int(asked["page"][0])
        some = list(self.server.bodies.items())[(page - 1) * size : page * size]
        self._answer([self._comment(number, body) for number, body in some])

    def do_POST(self) -> None:
        self._write(max(self.server.bodies) + 1)

    def do_PATCH(self) -> None:
        self._write(int(self.path.rpartition("/")[2]))

    def do_PUT(self) -> None:
        self.do_PATCH()

    def _write(self, number: int) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        own = number not in self.server.bodies or number in self.server.by_the_job
        if not self.server.allowed or not own:
            self._answer({"message": "forbidden"}, status=403)
            return
        self.server.bodies[number] = body
        self.server.by_the_job.add(number)
        self._answer(self._comment(number, body))

    def _comment(self, number: int, body: str) -> dict[str, Any]:
        kind = "Bot" if number in self.server.by_the_job else "User"
        return {"id": number, "body": body, "user": {"type": kind}, "system": False}

    def _answer(self, content: object, *, status: int = 200) -> None:
        self.server.tokens |= {self.headers.get(name) for name in ("Authorization", "PRIVATE-TOKEN", "JOB-TOKEN")}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def comments() -> Iterator[Comments]:
    with Comments() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def environment(ci: CiProvider, server: Comments, report: Path) -> dict[str, str]:
    if ci == "github":
        return {
            "GITHUB_API_URL": server.address,
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_REPOSITORY": "team/shop",
            "GITHUB_RUN_ID": "7",
            "GITHUB_TOKEN": "the-token",
            "PULL_REQUEST": "5",
            "REPORT": str(report),
        }
    return {
        "CI_API_V4_URL": server.address,
        "CI_PROJECT_ID": "9",
        "CI_MERGE_REQUEST_IID": "5",
        "CI_JOB_TOKEN": "the-token",
        "CI_JOB_URL": "https://gitlab.example/jobs/7",
        "REPORT": str(report),
    }


def comment(ci: CiProvider, server: Comments, report: Path, *, status: int) -> str:
    """Run the job's own script that writes the comment, and give what it printed."""
    text = render_job(ci, PurePosixPath(), store=False, requirement=PINNED)
    if ci == "github":
        [script] = [step["run"] for step in job(ci, text)["steps"] if step.get("shell") == "python"]
    else:
        script = job(ci, text)["script"][-1].partition("<<'SCRIPT'\n")[2].partition("\nSCRIPT\n")[0]
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment(ci, server, report), "STATUS": str(status)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_one_comment_is_written_then_updated(ci: CiProvider, tmp_path: Path) -> None:
    report = tmp_path / "sandbox-report"
    report.mkdir()
    with comments() as server:
        (report / "comment.md").write_text("### ✅ same\n" + "x" * 100_000, "utf-8")
        assert comment(ci, server, report, status=0) == ""
        [written] = server.by_the_job
        assert server.bodies[written].startswith(f"{MARKER}\n### ✅ same")
        assert len(server.bodies[written]) < 65_536
        (report / "comment.md").unlink()
        assert comment(ci, server, report, status=15) == ""
        assert server.by_the_job == {written}
        assert "could not be judged" in server.bodies[written]
        assert "status 15" in server.bodies[written]
        assert server.bodies[3] == f"{MARKER} not by the job"
        assert len(server.bodies) == 151
        assert {token for token in server.tokens if token} == {"Bearer the-token" if ci == "github" else "the-token"}


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_token_that_may_not_write_fails_nothing(ci: CiProvider, tmp_path: Path) -> None:
    with comments() as server:
        server.allowed = False
        assert "no comment was written" in comment(ci, server, tmp_path, status=1)
    assert "no comment was written" in comment(ci, server, tmp_path, status=1), "nobody answers"


def test_github_steps_compare_keep_the_report_and_fail_by_the_gate(shop: Shop, tmp_path: Path) -> None:
    shop.git("update-ref", "refs/remotes/origin/main", "main")
    shop.git("checkout", "-q", "-b", "feature")
    shop.edit("pipeline.py", "count(order_id)", "count(*)")
    shop.git("commit", "-am", "feature")
    steps = job("github", render_job("github", PurePosixPath(), store=False, requirement=PINNED))["steps"]
    scripts = {step["name"]: step["run"] for step in steps if "name" in step and "run" in step}
    isolated = "sandbox diff --runtime docker"
    assert isolated in scripts["Compare"]
    scripts["Compare"] = scripts["Compare"].replace(isolated, "sandbox diff --runtime local")
    wrapper = tmp_path / "bin"
    wrapper.mkdir()
    (wrapper / "sandbox").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sandbox "$@"\n')
    (wrapper / "sandbox").chmod(0o755)
    own = {
        "PATH": f"{wrapper}:{os.environ['PATH']}",
        "GITHUB_BASE_REF": "main",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "RUNNER_TEMP": str(tmp_path),
    }

    def step(name: str, **more: str) -> int:
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", scripts[name]],
            cwd=shop.root,
            env={**shop.environment, **own, **more},
            check=False,
            capture_output=True,
        ).returncode

    assert step("Compare") == 0
    assert (tmp_path / "output").read_text() == "status=1\n"
    names = {path.name for path in (tmp_path / "sandbox-report").iterdir()}
    assert names == {"diff.json", "report.html", "comment.md", "junit.xml"}
    assert "outside the gate" in (tmp_path / "summary").read_text("utf-8")
    assert [step("Verdict", STATUS=status) for status in ("0", "1", "15")] == [0, 1, 15]


def test_init_writes_the_job_and_overwrites_nothing_unasked(shop: Shop) -> None:
    unpinned = shop.run("init", "--ci", "github")
    assert unpinned.status == 2
    assert "--install" in unpinned.stderr
    assert not (shop.root / ".github").exists()
    agents = shop.run("init", "--agents")
    assert agents.status == 0, agents.stderr
    assert "sandbox diff --json" in (shop.root / "AGENTS.md").read_text("utf-8")
    assert shop.run("init", "--agents").status == 2
    bare = shop.run("init")
    assert bare.status == 2
    assert "--ci github" in bare.stderr
    written = shop.run("init", "--ci", "github", "--install", PINNED, "--json").json["files"]
    assert written == [str(shop.root / ".github" / "workflows" / "sandbox.yml")]
    again = shop.run("init", "--ci", "github", "--install", PINNED)
    assert again.status == 2
    assert "--yes" in again.stderr
    assert shop.run("init", "--ci", "github", "--install", PINNED, "--yes").status == 0

    assert shop.run("init", "--ci", "gitlab", "--install", PINNED).status == 0
    assert YAML(typ="safe").load((shop.root / ".gitlab-ci.yml").read_text()) == {
        "include": [{"local": "/.gitlab/sandbox.yml"}]
    }
    (shop.root / ".gitlab-ci.yml").write_text("stages: [test]\n")
    (shop.root / ".gitlab" / "sandbox.yml").unlink()
    beside = shop.run("init", "--ci", "gitlab", "--install", PINNED)
    assert beside.status == 0
    assert "add to .gitlab-ci.yml" in beside.stdout
    assert (shop.root / ".gitlab-ci.yml").read_text() == "stages: [test]\n"


def test_action_keeps_to_the_schema_and_does_what_the_job_does(tmp_path: Path) -> None:
    done = subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", "vendor.github-actions", ROOT / "action.yml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    steps = YAML(typ="safe").load((ROOT / "action.yml").read_text("utf-8"))["runs"]["steps"]
    text = render_job("github", PurePosixPath(), store=False, requirement=PINNED)
    scripts, job_scripts = (
        {step["name"]: step["run"] for step in listed if "run" in step}
        for listed in (steps, job("github", text)["steps"])
    )
    assert {name: scripts[name] for name in ("Compare", "Verdict")} == {
        name: job_scripts[name] for name in ("Compare", "Verdict")
    }
    installing = scripts["Install sandbox"].splitlines()[0]
    assert installing.endswith(' install "$GITHUB_ACTION_PATH"'), (
        "its own checkout, at the commit that names the action"
    )
    assert (ROOT / "templates" / "ci" / "github_comment.py").is_file()
    for step in steps:
        assert "uses" not in step or re.fullmatch(r"[a-z-]+/[a-z-]+@[0-9a-f]{40}", step["uses"])
    for number, script in enumerate(scripts.values()):
        assert "${{" not in script, "an expression in a script is run as code"
        (tmp_path / f"{number}.sh").write_text(script)
    files = sorted(tmp_path.glob("*.sh"))
    checked = subprocess.run(
        [BIN / "shellcheck", "--shell", "bash", *files], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_push_outside_the_gate_is_refused_by_the_hook(shop: Shop, tmp_path: Path) -> None:
    """Takes long: a diff in a project that has no sample yet."""
    manifest = ROOT / ".pre-commit-hooks.yaml"
    subprocess.run([BIN / "pre-commit", "validate-manifest", manifest], check=True, capture_output=True)
    (hook,) = YAML(typ="safe").load(manifest.read_text("utf-8"))
    # pre-commit would install this repository from an index; here the command is there already.
    command = f"{shlex.quote(sys.executable)} -m {hook['entry']}"
    hooks = [{**hook, "entry": command, "language": "system"}]
    (shop.root / ".pre-commit-config.yaml").write_text(json.dumps({"repos": [{"repo": "local", "hooks": hooks}]}))
    remote = tmp_path / "remote"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", remote], check=True)
    environment = {**shop.environment, "PRE_COMMIT_HOME": str(tmp_path / "pre-commit")}
    install = [str(BIN / "pre-commit"), "install", "--hook-type", "pre-push"]
    subprocess.run(install, cwd=shop.root, env=environment, check=True, capture_output=True)
    shop.git("remote", "add", "origin", str(remote))
    shop.git("checkout", "-q", "-b", "feature")
    shop.edit("pipeline.py", "count(order_id)", "count(*)")
    shop.git("add", "-A")
    shop.git("commit", "-q", "-m", "feature")
    push = ["git", "push", "origin", "feature"]
    refused = subprocess.run(push, cwd=shop.root, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert "outside the gate" in refused.stdout + refused.stderr
    assert shop.git("ls-remote", "origin") == ""
