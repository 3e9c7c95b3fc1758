"""The Dagster UI as `make dev` opens it, driven in a real Chromium: a night is launched and seen to succeed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from . import chromium

pytestmark = pytest.mark.browser

REPOSITORY = Path(__file__).resolve().parents[2]
NIGHT = "2026-04-01"
PROVIDERS = ("GP2", "RX2", "RY1")
"""A zipped CSV, a PostgreSQL and Parquet: enough to see, and quick."""

START_SECONDS = 90
RUN_MILLISECONDS = 180_000
PAGE_MILLISECONDS = 30_000


@pytest.fixture(scope="module")
def browser_path() -> str:
    return chromium.find()


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small made-up system of three providers."""
    folder = tmp_path_factory.mktemp("ui") / "made_up"
    registry("synthesise", "--people", "300", "--nights", "1", "--seed", "8", str(folder))
    for file in (folder / "providers").iterdir():
        if file.stem not in PROVIDERS:
            file.unlink()
    return folder


def registry(*arguments: str) -> None:
    program = Path(sys.executable).with_name("registry")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@dataclass
class Ui:
    """A running UI: its address, and what it has logged."""

    address: str
    log: Path


@pytest.fixture(scope="module")
def ui(made_up: Path, browser_path: str) -> Iterator[Ui]:  # without a browser, nothing is started
    home = made_up.parent
    (home / "dagster").mkdir()
    shutil.copy(REPOSITORY / "dagster_home" / "dagster.yaml", home / "dagster")
    with closing(socket.socket()) as asked:
        asked.bind(("127.0.0.1", 0))
        port = asked.getsockname()[1]
    environment = {
        **{k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"},
        "DAGSTER_HOME": str(home / "dagster"),
        "REGISTRY_CONFIG": str(made_up),
        "REGISTRY_HOME": str(home / "registry_home"),
    }
    running = Ui(f"http://127.0.0.1:{port}", home / "ui.log")
    with serving(["dev", "--port", str(port)], environment, running):
        yield running


@contextmanager
def serving(arguments: list[str], environment: dict[str, str], running: Ui) -> Iterator[None]:
    program = Path(sys.executable).with_name("registry")
    with running.log.open("w") as log:
        process = subprocess.Popen(
            [program, *arguments], env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            # A test runner in the background ignores SIGINT, and Dagster would inherit that and never stop.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # one call, no lock
        )  # fmt: skip
    try:
        wait_for(process, running)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(process: subprocess.Popen[bytes], running: Ui) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{running.address}/server_info", timeout=2):
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
    pytest.fail(f"The UI did not come up:\n{running.log.read_text()[-3000:]}")


@dataclass
class Seen:
    """What the browser asked for and complained about."""

    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture
def page_and_seen(ui: Ui, browser_path: str) -> Iterator[tuple[Page, Seen]]:
    ours = (ui.address, ui.address.replace("http", "ws"), "data:", "blob:")
    seen = Seen()

    def asked_for(url: str) -> None:
        if not url.startswith(ours):
            seen.outside.append(url)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(chromium.QUIET))
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(PAGE_MILLISECONDS)
        page.on("request", lambda request: asked_for(request.url))
        page.on("websocket", lambda socket: asked_for(socket.url))
        page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        yield page, seen
        browser.close()


def launch(page: Page, ui: Ui, job: str) -> None:
    """Materialise a job for the night, as a person does, and see it succeed."""
    page.goto(f"{ui.address}/locations/registry_pipeline/jobs/{job}")
    page.get_by_role("button", name="Materialize all").first.click()
    page.get_by_placeholder(re.compile("^ex: ")).fill(NIGHT)
    page.get_by_placeholder(re.compile("^ex: ")).press("Enter")
    page.get_by_role("button", name="Launch 1 run").click()
    expect(page.get_by_role("button", name=re.compile("^Launch"))).to_have_count(0, timeout=PAGE_MILLISECONDS)
    page.goto(f"{ui.address}/locations/registry_pipeline/jobs/{job}/runs")
    ended = page.get_by_text(re.compile("^(Success|Failure)$")).first
    expect(ended).to_be_visible(timeout=RUN_MILLISECONDS)
    assert ended.inner_text() == "Success", ui.log.read_text()[-5000:]


def test_a_night_is_launched_in_the_ui_and_succeeds(ui: Ui, made_up: Path, page_and_seen: tuple[Page, Seen]) -> None:
    page, seen = page_and_seen

    page.goto(f"{ui.address}/asset-groups")
    for group in (*PROVIDERS, "linkage", "registry"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible()

    launch(page, ui, "provider_night")
    launch(page, ui, "registry_night")
    current = made_up.parent / "registry_home" / "registry" / "current"
    assert (current / "patient.parquet").is_file()

    page.goto(f"{ui.address}/assets/RX2/raw_patient?view=checks")
    expect(page.get_by_text("delivered", exact=True).first).to_be_visible()
    expect(page.get_by_text("expectations", exact=True).first).to_be_visible()
    expect(page.get_by_text("Passed", exact=True).first).to_be_visible()
    expect(page.get_by_text(re.compile(r"rows delivered")).first).to_be_visible()

    assert seen.outside == []
    assert seen.errors == []
    said = [line for line in ui.log.read_text().splitlines() if " - DEBUG - " not in line]
    noise = [line for line in said if re.search(r"warn|error|traceback|leaked", line, re.IGNORECASE)]
    assert noise == []


def test_in_ci_a_missing_browser_fails_and_elsewhere_it_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="install chromium in CI"):
        chromium.find(ways=(lambda: None,))
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="no Chromium is installed"):
        chromium.find(ways=(lambda: None,))


def test_a_browser_is_looked_for_in_order() -> None:
    assert chromium.find(ways=(lambda: None, lambda: "/second", lambda: "/third")) == "/second"
