"""A headless Chromium, and pages in it that tell everything they did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Dialog, Page


@dataclass(kw_only=True)
class Opened:
    """A page, and what happened on it: console messages, errors, dialogs, and every request but the file itself."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked_for: list[str] = field(default_factory=list)

    def surprised(self, dialog: Dialog) -> None:
        """Remember a dialog, and close it."""
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def overflow(self) -> int:
        """Give by how many pixels the page is wider than the screen."""
        return int(self.page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth"))

    def cut_tables(self) -> list[str]:
        """List the tables of which a reader sees only a part without scrolling sideways."""
        cut: list[str] = self.page.eval_on_selector_all(
            ".scroll",
            "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.getAttribute('aria-label'))",
        )
        return cut


class Opener:
    """Opens files as a reader would: a screen of some width, light or dark."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    def __call__(self, file: Path, *, width: int = 1200, dark: bool = False) -> Opened:
        """Open a file and wait until nothing more happens."""
        context = self._browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            bypass_csp=True,
        )
        opened = Opened(page=context.new_page())
        opened.page.on("console", lambda message: opened.said.append(f"{message.type}: {message.text}"))
        opened.page.on("pageerror", lambda error: opened.said.append(f"error: {error}"))
        opened.page.on("dialog", opened.surprised)
        address = file.as_uri()
        opened.page.on("request", lambda one: opened.asked_for.append(one.url) if one.url != address else None)
        opened.page.goto(address, wait_until="networkidle")
        return opened


@pytest.fixture
def opener(browser: Browser) -> Iterator[Opener]:
    """Give what opens files; everything is closed afterwards."""
    yield Opener(browser)
    for context in browser.contexts:
        context.close()
