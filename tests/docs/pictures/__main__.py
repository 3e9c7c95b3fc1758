"""Takes the README's pictures of a linkage quality report: `python -m tests.docs.pictures [REGISTRY_HOME]`.

Of the last report of a home that `registry demo` made; without one it makes a home of its own, and forgets it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests.browser import chromium

HERE = Path(__file__).parent
PEOPLE, NIGHTS = 20_000, 3
LARGEST = 300_000
"""Bytes of a picture: the README should open at once."""


@dataclass(frozen=True)
class Picture:
    """A part of the report as somebody sees it; `part` is a section's id, None the first screen."""

    name: str
    size: tuple[int, int]
    theme: Any
    part: str | None = None


PICTURES = (
    Picture("report_first_screen", (1366, 768), "light"),
    Picture("report_groups_dark", (1366, 900), "dark", "groups"),
)


def main(home: Path) -> None:
    """Take every picture of the last report under a home."""
    page = sorted((home / "reports").glob("*/linkage_quality.html"), key=lambda each: each.stat().st_mtime)[-1]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=list(chromium.QUIET))
        for picture in PICTURES:
            taken = take(browser, page, picture)
            print(f"{taken.name}: {taken.stat().st_size:,} bytes")
            if taken.stat().st_size > LARGEST:
                sys.exit(f"{taken.name} is larger than {LARGEST:,} bytes: take less of the page.")
        browser.close()


def take(browser: Browser, page: Path, picture: Picture) -> Path:
    width, height = picture.size
    opened = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=picture.theme, reduced_motion="reduce"
    )
    opened.goto(page.as_uri())
    opened.wait_for_selector("html[data-charts='drawn']")
    if picture.part:
        opened.evaluate("(id) => document.getElementById(id).scrollIntoView()", picture.part)
        opened.wait_for_selector(f"nav a[href='#{picture.part}'][aria-current]")
    taken = HERE / f"{picture.name}.png"
    opened.screenshot(path=taken)
    opened.close()
    return taken


def make_home(home: Path) -> None:
    """A made-up care system with a report of its last night."""
    registry = Path(sys.executable).with_name("registry")
    environment = {**os.environ, "REGISTRY_HOME": str(home)}
    for arguments in (
        ["demo", "--people", str(PEOPLE), "--nights", str(NIGHTS)],
        ["report", "--config", str(home / "made_up")],
    ):
        subprocess.run([registry, *arguments], env=environment, check=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            make_home(Path(folder) / "home")
            main(Path(folder) / "home")
