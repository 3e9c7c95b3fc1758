"""The pages of case conferences in a real Chromium, opened from disk as a neighbourhood team opens them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from registry_pipeline.care.conferences import list_conferences
from registry_pipeline.config import CaseConferences
from registry_pipeline.pages import shell
from tests.care.small_registry import NIGHT, event, person, reading
from tests.care.test_conferences import FULL, gap, people, records, risk, stay

from .opening import GRAVE, LAPTOP, PHONE, Opened, opened

pytestmark = pytest.mark.browser

PAPER_PIXELS = 703
"""Width of what is printed on A4 within the page's margins, at 96 pixels an inch."""


LISTED = 8
LONG_RECORD = "GP1:{209C475A-4FAE-4E0F-9D1B-AC62A3D8EA17}-" + "X" * 40


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of a team with a full first card, some with little, and one whose record has no place to break."""
    numbers = range(2, LISTED + 4)
    tables = {
        **FULL,
        "patient": [*FULL["patient"], *people(*numbers)],
        "patient_record": [
            *FULL["patient_record"], *records(*numbers[2:]),
            event(2, "GP1", record_id=LONG_RECORD, local_id=LONG_RECORD[4:], night=NIGHT),
        ],
        "risk_stratification": [
            *FULL["risk_stratification"],
            *(risk(n, 0.4 - n / 100, "high" if n < 6 else "moderate") for n in numbers),
        ],
        "patient_activity": [*FULL["patient_activity"], *(stay(n, 30, 20) for n in numbers)],
        "care_gap": [*FULL["care_gap"], *(gap(2, f"step {n}", n, title=f"Step of care number {n}") for n in range(9))],
        "patient_care_plan": [
            *FULL["patient_care_plan"],
            event(1, "GP1", start_date=NIGHT - timedelta(days=9), coordinator_id="C8"),
        ],
    }  # fmt: skip
    room = CaseConferences(capacity=LISTED // 2, meetings=2)
    with reading(tables, "case_conference", case_conferences=room, neighbourhoods={"North": ("A81001",)}) as given:
        made = list_conferences(given, tmp_path_factory.mktemp("conferences"))
    return {page.stem: page for page in made.pages}


@pytest.fixture(scope="module")
def laptop(browser: Browser, files: dict[str, Path]) -> Iterator[Opened]:
    seen = opened(browser, files["north"])
    yield seen
    seen.page.close()


@pytest.fixture(scope="module")
def phone(browser: Browser, files: dict[str, Path]) -> Iterator[Opened]:
    seen = opened(browser, files["north"], PHONE, "dark")
    yield seen
    seen.page.close()


def test_the_head_says_for_whom_for_what_and_of_which_night(laptop: Opened) -> None:
    first = laptop.page.locator(".first")

    expect(first).to_contain_text("For direct care by the team of North only.")
    for told in ("Purpose: case conference", "1 April 2026", f"{NIGHT}.1", "May be opened by", "A81001"):
        expect(first).to_contain_text(told)
    box = first.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= LAPTOP[1]


def test_one_card_a_person_at_most_as_many_as_the_meetings_have_room_for(laptop: Opened) -> None:
    page = laptop.page

    expect(page.locator("article")).to_have_count(LISTED)
    expect(page.locator("#meeting-1 article")).to_have_count(LISTED // 2)
    expect(page.get_by_text("More with a reason").locator("xpath=..")).to_contain_text("3")


@pytest.mark.parametrize("where", ["laptop", "phone"])
def test_a_person_fits_one_screen(where: str, request: pytest.FixtureRequest) -> None:
    page, height = request.getfixturevalue(where).page, {"laptop": LAPTOP[1], "phone": 1.3 * PHONE[1]}[where]

    heights = page.evaluate("[...document.querySelectorAll('article')].map((e) => e.getBoundingClientRect().height)")
    assert max(heights) <= height
    first = page.locator("article").first
    expect(page.locator("article").nth(1)).to_contain_text(LONG_RECORD)
    for told in ("43%", "from 31%", "82 years, female", "Foot examination", "2 in force, made apart"):
        expect(first).to_contain_text(told)


def test_nothing_is_asked_for_and_nothing_goes_wrong(laptop: Opened, phone: Opened, files: dict[str, Path]) -> None:
    for seen in (laptop, phone):
        assert seen.asked_for == [files["north"].as_uri()]
        assert seen.said == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("where", ["laptop", "phone"])
def test_axe_finds_no_grave_fault(where: str, theme: Any, request: pytest.FixtureRequest) -> None:
    page = request.getfixturevalue(where).page
    usual = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    page.emulate_media(color_scheme=theme)

    found = Axe().run(page)

    page.emulate_media(color_scheme="dark" if usual else "light")
    assert len(found.response["passes"]) > 15
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found.response["violations"] if v["impact"] in GRAVE] == []


def test_a_phone_never_scrolls_sideways(phone: Opened) -> None:
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    too_wide = phone.page.evaluate(
        f"[...document.querySelectorAll('article *')].filter((e) => e.getBoundingClientRect().right > {PHONE[0]}).length"
    )
    assert too_wide == 0


def test_the_keyboard_reaches_the_list_and_its_meetings(browser: Browser, files: dict[str, Path]) -> None:
    page = opened(browser, files["north"]).page

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the list")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Meeting 2")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#meeting-2 h2")).to_be_in_viewport()
    page.close()


def test_the_switch_turns_the_page_dark_and_back(laptop: Opened) -> None:
    page, switch = laptop.page, laptop.page.get_by_role("button", name="Dark")
    colour = "getComputedStyle(document.querySelector('article')).backgroundColor"
    assert page.evaluate(colour) == rgb(shell.LIGHT_THEME["paper"])

    switch.click()

    assert page.evaluate(colour) == rgb(shell.DARK_THEME["paper"])
    switch.click()
    assert page.evaluate(colour) == rgb(shell.LIGHT_THEME["paper"])


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[n : n + 2], 16)) for n in (1, 3, 5))})"


def test_it_prints_light_with_room_to_write_and_no_card_cut(browser: Browser, files: dict[str, Path]) -> None:
    seen = opened(browser, files["north"], (PAPER_PIXELS, 900), "dark")
    page = seen.page
    expect(page.locator(".agreed").first).to_be_hidden()

    page.emulate_media(media="print")

    assert page.evaluate("getComputedStyle(document.querySelector('article')).color") == rgb(shell.LIGHT_THEME["ink"])
    expect(page.locator(".agreed").first).to_be_visible()
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.querySelector('article')).breakInside") == "avoid"
    too_wide = page.evaluate(
        f"[...document.querySelectorAll('article *')].filter((e) => e.getBoundingClientRect().right > {PAPER_PIXELS + 1}).length"
    )
    assert too_wide == 0
    page.emulate_media(media="screen")
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 6
    page.close()


def test_the_index_leads_to_each_team(browser: Browser, files: dict[str, Path]) -> None:
    seen = opened(browser, files["index"])
    page = seen.page

    found = Axe().run(page)
    page.get_by_role("link", name="North").click()

    expect(page.get_by_role("heading", level=1, name="Case conference")).to_be_visible()
    assert [v["id"] for v in found.response["violations"] if v["impact"] in GRAVE] == []
    assert seen.asked_for == [files["index"].as_uri(), files["north"].as_uri()]
    assert seen.said == []
    page.get_by_role("link", name="All teams").click()
    expect(page.get_by_role("heading", level=2, name="Teams")).to_be_visible()
    page.close()


def test_no_page_holds_what_it_is_not_to_hold(files: dict[str, Path]) -> None:
    for page in files.values():
        assert "9990000018" not in page.read_text()
        assert "1943" not in page.read_text()
    assert str(person(1)) in files["north"].read_text()
