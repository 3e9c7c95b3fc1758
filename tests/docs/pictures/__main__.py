"""Takes the README's pictures of the pages that a night leaves: `python -m tests.docs.pictures [REGISTRY_HOME]`.

Of the last linkage quality report and the last clinical audit of a home that `registry demo` made; without one it makes
a home of its own, and forgets it.
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

REPORT = "reports/*/linkage_quality.html"
CONFERENCE = "consumers/case_conference_list/current/pages/[!i]*.html"
SYSTEM = "consumers/audit_measure/current/pages/system.html"
"""Where pages lie under a home; the newest is taken, of the same age the first."""


@dataclass(frozen=True)
class Picture:
    """A part of a page as somebody sees it; `part` is a section's id, None the first screen."""

    name: str
    size: tuple[int, int]
    theme: Any
    part: str | None = None
    page: str = REPORT


PICTURES = (
    Picture("report_first_screen", (1366, 768), "light"),
    Picture("report_groups_dark", (1366, 900), "dark", "groups"),
    Picture("case_conference", (1366, 900), "light", page=CONFERENCE),
    Picture("audit_system", (1366, 900), "light", "emergency_bed_days_65", SYSTEM),
)


def main(home: Path) -> None:
    """Take every picture of the last pages under a home."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=list(chromium.QUIET))
        for picture in PICTURES:
            page = newest(home, picture.page)
            taken = take(browser, page, picture)
            print(f"{taken.name}: {taken.stat().st_size:,} bytes")
            if taken.stat().st_size > LARGEST:
                sys.exit(f"{taken.name} is larger than {LARGEST:,} bytes: take less of the page.")
        browser.close()


def newest(home: Path, pattern: str) -> Path:
    """The newest of the pages that a pattern finds: of the newest folder, the first by name."""
    found = sorted(home.glob(pattern))
    if not found:
        sys.exit(f"There is no page {pattern} under {home}: run registry demo there first.")
    return max(found, key=lambda each: each.parent.stat().st_mtime)


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
    """A made-up care system with a report and an audit of its last night."""
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
