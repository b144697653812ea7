"""Private libraries from a company's index: a real server that asks for a password, set for pip or for uv."""

from __future__ import annotations

import base64
import hashlib
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from sandbox.errors import SandboxError
from sandbox.model import SilentProgress
from sandbox.provisioner.lock import pins, tools, wheels
from sandbox.provisioner.lock.indexes import IndexSettings, read_index_settings
from sandbox.provisioner.lock.request import StackRequest
from sandbox.provisioner.lock.uv_resolver import resolve_libraries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AMD64 = pins.InstallTarget(platform="linux/amd64", python="3.13", in_container=True)
LIBRARY, FILE = "sandbox-private-test", "sandbox_private_test-1.0-py3-none-any.whl"
LOGIN = "me:s3cret"


@pytest.fixture(autouse=True)
def empty_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take this machine's own settings away, except where the public index is."""
    for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Write a wheel that no public index has."""
    path = tmp_path / "offered" / FILE
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        info = "sandbox_private_test-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {LIBRARY}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def index(wheel: Path) -> Iterator[str]:
    """Serve one library to those who know the password; give the address without it."""
    content = wheel.read_bytes()
    page = f'<a href="/files/{FILE}#sha256={hashlib.sha256(content).hexdigest()}">{FILE}</a>'.encode()
    answers = {f"/simple/{LIBRARY}/": (page, "text/html"), f"/files/{FILE}": (content, "application/octet-stream")}

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = self.headers.get("Authorization") == f"Basic {base64.b64encode(LOGIN.encode()).decode()}"
            body, kind = answers.get(self.path, (b"", ""))
            self.send_response(401 if not allowed else 200 if body else 404)
            if not allowed:
                self.send_header("WWW-Authenticate", "Basic realm=index")
            self.send_header("Content-Type", kind or "text/plain")
            self.send_header("Content-Length", str(len(body) if allowed else 0))
            self.end_headers()
            if allowed and self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}/simple"
        server.shutdown()
        thread.join()


def set_pip_file(patch: pytest.MonkeyPatch, folder: Path, index: str, wheel: Path) -> None:
    (folder / "pip.conf").write_text(f"[global]\nextra-index-url = http://{LOGIN}@{index}\n")
    patch.setenv("PIP_CONFIG_FILE", str(folder / "pip.conf"))


def set_uv_file(patch: pytest.MonkeyPatch, folder: Path, index: str, wheel: Path) -> None:
    (folder / "uv.toml").write_text(f'[[index]]\nname = "ours"\nurl = "http://{index}"\n')
    patch.setenv("UV_CONFIG_FILE", str(folder / "uv.toml"))
    patch.setenv("UV_INDEX_OURS_USERNAME", "me")
    patch.setenv("UV_INDEX_OURS_PASSWORD", "s3cret")


def set_uv_find_links(patch: pytest.MonkeyPatch, folder: Path, index: str, wheel: Path) -> None:
    patch.setenv("UV_FIND_LINKS", str(wheel.parent))


@pytest.mark.parametrize("set_source", [set_pip_file, set_uv_file, set_uv_find_links])
def test_resolver_and_downloader_know_an_index_that_is_set_for_one(
    set_source: Callable[[pytest.MonkeyPatch, Path, str, Path], None],
    index: str, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    set_source(monkeypatch, tmp_path, index, wheel)
    request = StackRequest(image="python", python="3.13", requirements="requirements.txt", libraries=(LIBRARY,))
    resolved = resolve_libraries(request, [AMD64], {}, SilentProgress())[AMD64]
    (locked,) = [library for library in resolved if library.name == LIBRARY]
    (fetched,) = wheels.fetch_wheels([locked], AMD64, home=tmp_path / "home", progress=SilentProgress())
    assert fetched.read_bytes() == wheel.read_bytes()


def test_wrong_password_is_in_no_message(index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://me:wr0ng@{index}")
    request = StackRequest(image="python", python="3.13", requirements="requirements.txt", libraries=(LIBRARY,))
    with pytest.raises(SandboxError) as caught:
        resolve_libraries(request, [AMD64], {}, SilentProgress())
    assert "wr0ng" not in caught.value.message + caught.value.hint


def test_settings_of_both_tools_are_merged(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://pip.example/simple\nextra-index-url =\n    https://a.example\n    https://b.example\n"
        "trusted-host = a.example\n[download]\nno-index = true\n"
    )
    (tmp_path / "uv.toml").write_text(
        f'find-links = ["{tmp_path}", "{tmp_path}/missing"]\n[[index]]\nurl = "https://uv.example"\ndefault = true\n'
        '[[index]]\nname = "b"\nurl = "https://b.example"\n'
    )
    environ = {
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "UV_CONFIG_FILE": str(tmp_path / "uv.toml"), "HOME": str(tmp_path),
        "UV_INDEX": "ours=https://c.example/x https://d.example", "UV_INDEX_OURS_USERNAME": "me", "UV_INDEX_OURS_PASSWORD": "p@ss",
    }  # fmt: skip
    settings = read_index_settings(tools.build_pip_command(), environ)
    machine = read_index_settings(tools.build_pip_command(), {"HOME": str(tmp_path)})  # of all its users
    extra = ("https://me:p%40ss@c.example/x", "https://d.example", "https://b.example", "https://a.example")
    assert settings.extra[:4] == extra
    assert (settings.default, settings.no_index, settings.trusted_hosts) == ("https://uv.example", True, ("a.example",))
    assert (settings.is_best_match, machine.is_best_match) == (False, bool(machine.extra))
    assert settings.find_links == (str(tmp_path), *machine.find_links)
    assert settings.build_pip_variables()["PIP_NO_INDEX"] == settings.build_uv_variables()["UV_NO_INDEX"] == "1"
    assert (
        read_index_settings(tools.build_pip_command(), {"HOME": "/", "PIP_CONFIG_FILE": "/dev/null"}) == IndexSettings()
    )
