"""The stack's notebook, through the command and over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Error

from tests.waiting import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.projects import Shop

pytestmark = [pytest.mark.slow, pytest.mark.docker]
DOCKER = {"SANDBOX_RUNTIME": "docker"}


@pytest.fixture
def noted(shop: Shop, engine: str) -> Iterator[Shop]:
    """Give a project with a notebook; nothing of it is left in the engine afterwards."""
    shop.edit("sandbox.toml", "[stack.limits]", '[stack]\nservices = ["notebook"]\n[stack.limits]')
    yield shop
    shop.run("rm", "--yes", env=DOCKER)
    assert containers(shop) == []


def containers(shop: Shop) -> list[str]:
    command = ["docker", "ps", "--all", "--quiet", "--filter", f"label=dev.sandbox.path={shop.root}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def inside(container: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", "exec", container, *command], check=False, capture_output=True, text=True)


def status(url: str, path: str, headers: dict[str, str] | None = None) -> int:
    place = urlsplit(url)
    assert place.hostname == "127.0.0.1"
    with contextlib.closing(
        http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE_SECONDS)
    ) as connection:
        connection.request("GET", path, headers=headers or {})
        with connection.getresponse() as answer:
            return answer.status


def shows(browser: Browser, url: str, selectors: tuple[str, ...]) -> bool:
    """Tell whether a page has elements; Chromium gives up what it loads when a container starts or ends beside it."""
    page = browser.new_page()
    try:
        page.goto(url)
        for selector in selectors:
            page.locator(selector).first.wait_for(state="attached")
    except Error:
        return False
    finally:
        page.close()
    return True


def test_the_notebook_shows_the_sample_to_who_has_its_token_and_changes_nothing(noted: Shop, browser: Browser) -> None:
    """Takes long: the notebook's image, and a page of it in a browser."""
    shop = noted
    created = shop.run("create", "--json", env=DOCKER)
    assert created.status == 0, created.stderr
    [service] = created.json["services"]
    url, token = service["url"], parse_qs(urlsplit(service["url"]).query)["access_token"][0]
    assert service["service"] == "notebook"
    assert status(url, "/") in {303, 401}
    assert status(url, "/api/status") == 401
    assert status(url, "/api/status", {"Authorization": f"Bearer {token}"}) == 200

    [container] = containers(shop)
    described = json.loads(subprocess.run(["docker", "inspect", container], check=True, capture_output=True).stdout)[0]
    assert token not in json.dumps(described)
    host = described["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
    assert {one["HostIp"] for ports in host["PortBindings"].values() for one in ports} == {"127.0.0.1"}

    # Opened in a browser it shows tables and a chart, without a cell that somebody has to run.
    wait_until(lambda: shows(browser, url, ("marimo-table", ".vega-embed")))

    # As a program it carries out every cell, and fails where one does.
    ran = inside(container, "python", "/sandbox/notebooks/sample.py")
    assert ran.returncode == 0, ran.stderr
    assert inside(container, "touch", "/sandbox/sample/x").returncode != 0
    assert inside(container, "touch", "/usr/x").returncode != 0
    assert inside(container, "id", "-u").stdout.strip() != "0"

    own = shop.root / ".sandbox" / "notebooks" / "mine.py"
    assert inside(container, "sh", "-c", "echo kept > /sandbox/notebooks/mine.py").returncode == 0
    assert own.read_text() == "kept\n"
    shown = shop.run("logs", "--service", "notebook", env=DOCKER)
    assert "marimo" in shown.stdout.lower() or "notebook" in shown.stdout.lower()
    assert shop.run("ls", "--json", env=DOCKER).json["sandboxes"][0]["services"] == [service]
    assert shop.run("create", "--json", env=DOCKER).json["services"] == [service]
    assert containers(shop) == [container]
    exported = shop.run("export", "compose", "--json", env=DOCKER)
    assert exported.status == 0, exported.stderr
    assert exported.json["notes"] == []
    assert "\n  notebook:\n" in (shop.root / "compose.yaml").read_text("utf-8")


def test_another_sample_is_another_notebook_service_and_notebooks_outlive_the_sandbox(noted: Shop) -> None:
    shop = noted
    assert shop.run("create", env=DOCKER).status == 0
    [first] = containers(shop)
    folder = shop.root / ".sandbox" / "notebooks"
    (folder / "sample.py").write_text("print('mine')\n")
    (folder / "__marimo__").mkdir()
    (folder / "__marimo__" / "rows.json").write_text("{}")
    shop.edit("sandbox.toml", 'salt = "test"', 'salt = "other"')
    assert shop.run("create", env=DOCKER).status == 0
    [second] = containers(shop)
    assert second != first
    assert inside(second, "cat", "/sandbox/notebooks/sample.py").stdout == "print('mine')\n"
    if os.getuid() == 0:
        assert inside(second, "sh", "-c", "echo > /sandbox/notebooks/sample.py").returncode == 0
        (folder / "sample.py").write_text("print('mine')\n")
    removed = shop.run("rm", "--yes", "--samples", env=DOCKER)
    assert removed.status == 0, removed.stderr
    assert str(folder) in removed.stderr
    assert (folder / "sample.py").read_text() == "print('mine')\n"
    assert not (folder / "__marimo__").exists()
    assert shop.git("status", "--porcelain", "--", ".sandbox") == ""
