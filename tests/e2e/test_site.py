"""The pages of a project's history and status: a folder to publish, and a server for one user of this machine."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects import Shop


def find_links(page: Path) -> set[str]:
    return set(re.findall(r'href="([^"]+)"', page.read_text("utf-8")))


def test_a_site_has_every_diff_and_leads_to_files_that_exist(shop: Shop, tmp_path: Path) -> None:
    site = tmp_path / "the sïte"
    empty = shop.run("report", "--site", str(site), "--json")
    assert empty.status == 0, empty.stderr
    assert empty.json == {"format_version": 1, "index": str(site / "index.html"), "pages": 5, "reports": 0}

    first = shop.run("diff", "--json").json
    assert shop.run("promote").status == 0
    shop.edit("pipeline.py", "count(order_id)", "count(*)")
    second = shop.run("diff", "--json").json
    assert shop.run("report", "--site", str(site)).status == 0
    for page in site.glob("*.html"):
        for link in find_links(page):
            assert (site / link).is_file(), link
    reports = {f"diffs/{one['id']}/report.html" for one in (first, second)}
    assert reports < find_links(site / "index.html")
    assert (site / f"diffs/{second['id']}/report.html").read_bytes() == shop.root.__class__(
        second["report"]
    ).read_bytes()
    assert "2 diffs of shop" in (site / "index.html").read_text("utf-8")
    assert "working tree" in (site / "production.html").read_text("utf-8")
    assert "in use" in (site / "samples.html").read_text("utf-8")

    # What is gone is gone from the site as well; what cannot be read is named.
    shutil.rmtree(shop.root / ".sandbox" / "diffs" / first["id"])
    (shop.root / ".sandbox" / "diffs" / second["id"] / "diff.json").write_text("{")
    assert shop.run("report", "--site", str(site)).status == 0
    assert [path.parent.name for path in site.glob("diffs/*/report.html")] == [second["id"]]
    assert f"<b>Not read</b>{second['id']}" in (site / "index.html").read_text("utf-8")

    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    refused = shop.run("report", "--site", str(other))
    assert refused.status == 2
    assert "has files that are no site of sandbox" in refused.stderr
    assert [path.name for path in other.iterdir()] == ["mine.txt"]
    shutil.rmtree(site / "diffs")
    (site / "diffs").symlink_to(other)
    assert shop.run("report", "--site", str(site)).status == 2
    assert shop.run("report", "--site", str(site), "--list").status == 2


def test_a_server_shows_the_pages_to_who_has_the_token_and_to_nobody_else(shop: Shop) -> None:
    found = shop.run("diff", "--json").json
    command = [sys.executable, "-m", "sandbox", "report", "--serve", "--json"]
    with subprocess.Popen(
        command, cwd=shop.root, env=shop.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        address = urlsplit(json.loads(server.stdout.readline())["url"])
        assert (address.hostname, bool(address.port)) == ("127.0.0.1", True)

        def ask(path: str, *, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
            connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=PATIENCE_SECONDS)
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()

        assert ask("/")[0] == 401
        assert ask("/?token=wrong")[0] == 401
        status, headers, _ = ask(f"//elsewhere.example/?{address.query}")
        assert (status, headers["Location"]) == (303, "/")
        cookie = headers["Set-Cookie"].partition(";")[0]
        assert "HttpOnly" in headers["Set-Cookie"]
        status, headers, text = ask("/", Cookie=cookie)
        assert (status, "1 diff of shop" in text) == (200, True)
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        for page in (
            "outputs.html",
            "samples.html",
            "production.html",
            "machine.html",
            f"diffs/{found['id']}/report.html",
        ):
            assert ask(f"/{page}", Cookie=cookie)[0] == 200, page
        assert ask("/", method="HEAD", Cookie=cookie)[2] == ""
        for path in ("/diffs/../../sandbox.toml", "/../sandbox.toml", "/site.json", "/%2e%2e/sandbox.toml"):
            assert ask(path, Cookie=cookie)[0] == 404, path
        assert ask("/", Cookie=cookie, Host="elsewhere.example")[0] == 421, "a name that was made to lead here"
        assert ask("/", method="POST", Cookie=cookie)[0] == 501
        assert ask("/", Cookie="x=\x01; =;;")[0] == 401

        taken = shop.run("report", "--serve", "--port", str(address.port))
        assert taken.status == 2
        assert f"port {address.port} cannot be used" in taken.stderr
        listening = {
            other for other in ("127.0.0.2", socket.gethostbyname(socket.gethostname())) if other != "127.0.0.1"
        }
        for host in listening:
            with socket.socket() as probe:
                assert probe.connect_ex((host, address.port or 0)) != 0, host
        server.send_signal(signal.SIGINT)
        assert server.wait(PATIENCE_SECONDS) == 0
