"""Find a Chromium for the browser test, or get one.

What belongs here: where to look, in order, and what happens where there is none. What does not: what is done in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_SECONDS = 240
"""For a download or an installation, each; where there is no network it fails long before."""

QUIET = (
    "--no-sandbox",  # tests often run as root in a container, where the sandbox cannot start
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing that it tries can leave this machine
)
"""Arguments under which Chromium calls nobody by itself."""


def installed() -> str | None:
    """A browser that is on the path."""
    return next((found for name in INSTALLED if (found := shutil.which(name))), None)


def downloaded() -> str | None:
    """Playwright's own Chromium, downloaded where that is possible."""
    where = _playwrights_own()
    if where is None and _done([sys.executable, "-m", "playwright", "install", "chromium"]):
        where = _playwrights_own()
    return where


def from_the_system() -> str | None:
    """The system's package, where we may install it."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    if _done(["apt-get", "update", "-qq"]) and _done(["apt-get", "install", "-y", "-qq", "chromium"]):
        return installed()
    return None


def find(ways: tuple[Callable[[], str | None], ...] = (installed, downloaded, from_the_system)) -> str:
    """The path of a Chromium.

    Without one the test is skipped, but in CI it fails: there nobody would read that it was skipped.
    """
    found = next(_tried(ways), None)
    if found is not None:
        return found
    reason = "no Chromium is installed, and neither Playwright's nor the system's could be had"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}: install chromium in CI")
    pytest.skip(reason)


def _tried(ways: tuple[Callable[[], str | None], ...]) -> Iterator[str]:
    for way in ways:
        found = way()
        if found is not None:
            yield found


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        where = playwright.chromium.executable_path
    return where if Path(where).is_file() else None


def _done(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=PATIENCE_SECONDS, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False
