"""A page of ours opened in a real Chromium, with all that it asked for and complained about.

What belongs here: opening, and what all pages are held to. What does not: finding the browser (`chromium`), and what a
page shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

LAPTOP, PHONE = (1366, 768), (390, 844)
PATIENCE_MILLISECONDS = 60_000
"""A test machine may be busy."""
GRAVE = {"serious", "critical"}
"""Impacts of accessibility faults that no page may have."""
OPEN_DETAILS = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
CLOSE_DETAILS = OPEN_DETAILS.replace("true", "false")


@dataclass
class Opened:
    """A page in a browser, what it asked for and what it complained about."""

    page: Page
    asked_for: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def opened(browser: Browser, file: Path, size: tuple[int, int] = LAPTOP, theme: Any = "light") -> Opened:
    """The page, drawn."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=theme, reduced_motion="reduce")
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    seen = Opened(page)
    page.on("request", lambda request: seen.asked_for.append(request.url))
    page.on("websocket", lambda socket: seen.asked_for.append(socket.url))
    page.on("console", lambda message: seen.said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: seen.said.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-charts='drawn']")
    return seen
