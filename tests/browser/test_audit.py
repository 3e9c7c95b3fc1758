"""The audit's pages in a real Chromium, opened from disk as a practice manager opens them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from registry_pipeline.audit.measures import BY_NAME
from registry_pipeline.audit.pages import write_pages
from registry_pipeline.pages import shell
from tests.audit import made_up_measures as made_up

from .opening import CLOSE_DETAILS, GRAVE, LAPTOP, OPEN_DETAILS, PHONE, Opened, opened
from .test_report import PAPER_PIXELS, rgb

pytestmark = pytest.mark.browser

MEASURES = [
    BY_NAME[name] for name in (
        "emergency_admissions_65", "long_stays", "readmission_30_days", "care_plan_coverage", "coordinator_coverage",
        "carers_assessed",
    )
]  # fmt: skip
"""Every kind of measure, and every case of the made-up table."""

PRACTICE, SYSTEM, INDEX = "practice_A81001.html", "system.html", "index.html"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("audit")
    with made_up.opened(made_up.told_in_full(), folder) as reading:
        why = {"carers_assessed": "No provider delivers carers."}
        written = write_pages(reading.connection, reading, folder, MEASURES, not_made=why)
    return {file.name: file for file in written}


@pytest.fixture(scope="module")
def laptop(browser: Browser, files: Mapping[str, Path]) -> Iterator[Opened]:
    seen = opened(browser, files[PRACTICE])
    yield seen
    seen.page.close()


@pytest.fixture(scope="module")
def phone(browser: Browser, files: Mapping[str, Path]) -> Iterator[Opened]:
    seen = opened(browser, files[PRACTICE], PHONE, "dark")
    yield seen
    seen.page.close()


def test_the_first_screen_of_a_laptop_shows_what_to_look_at(laptop: Opened) -> None:
    page = laptop.page

    for heading in ("What to look at", "What is better", "All measures"):
        box = page.get_by_role("heading", name=heading).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= LAPTOP[1], heading
    expect(page.locator(".card")).to_have_count(4)


@pytest.mark.parametrize("name", [PRACTICE, SYSTEM])
def test_every_chart_is_drawn_and_of_a_size_to_read(name: str, browser: Browser, files: Mapping[str, Path]) -> None:
    for size, smallest in ((LAPTOP, 11.0), (PHONE, 8.0)):
        page = opened(browser, files[name], size).page
        charts = page.locator(".still > svg").all()
        assert len(charts) > 12
        for chart in charts:
            box = chart.bounding_box()
            assert box is not None
            assert box["width"] > 250
            assert box["height"] > 50
            assert smallest <= 12.5 * box["width"] / 480 <= 16
            assert chart.locator("circle, .between, .concern, .improvement, .others").count() > 0
        page.close()


def test_nothing_is_asked_for_and_nothing_goes_wrong(laptop: Opened, phone: Opened, files: Mapping[str, Path]) -> None:
    for seen in (laptop, phone):
        assert seen.asked_for == [files[PRACTICE].as_uri()]
        assert seen.said == []


def test_signals_have_their_colour_and_their_form(laptop: Opened) -> None:
    page = laptop.page
    chart = page.locator("#chart-emergency_admissions_65-months svg")

    expect(chart.locator("path.concern")).to_have_count(7)
    fill = chart.locator("path.concern").first.evaluate("(each) => getComputedStyle(each).fill")
    assert fill == rgb(shell.LIGHT_THEME["series-2"])
    usual = chart.locator("circle.common").first.evaluate("(each) => getComputedStyle(each).fill")
    assert usual == rgb(shell.LIGHT_THEME["series-6"])
    expect(chart.locator(".anew")).to_have_count(1)
    told = page.locator("#chart-emergency_admissions_65-months [role=img]")
    expect(told).to_have_accessible_description(re.compile("Concern, high: seven or more in a row"))
    expect(told).to_have_accessible_name("Month by month")


def test_the_page_marks_its_own_organisation_in_the_funnel(laptop: Opened) -> None:
    funnel = laptop.page.locator("#chart-care_plan_coverage-practice svg")

    expect(funnel.locator(".own")).to_have_count(1)
    expect(funnel.locator("text.name")).to_have_text("A81001")
    expect(funnel.locator(".limit")).to_have_count(4)


def test_one_page_leads_to_the_others(browser: Browser, files: Mapping[str, Path]) -> None:
    page = opened(browser, files[INDEX]).page

    page.get_by_role("link", name="Practice A81001").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Clinical audit: Practice A81001")
    page.get_by_role("link", name="Neighbourhood North Made-Up").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Clinical audit: Neighbourhood North Made-Up")
    page.get_by_role("link", name="Whole system").first.click()
    page.get_by_role("link", name="Practice A81001").first.click()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the figures")).to_be_focused()
    page.close()


def test_the_index_is_sorted_by_its_columns(browser: Browser, files: Mapping[str, Path]) -> None:
    page = opened(browser, files[INDEX]).page
    table = page.locator("#practice table")

    table.get_by_role("button", name="Concern").click()
    table.get_by_role("button", name="Concern").click()

    expect(table.locator("tbody th").first).to_have_text("Practice A81001")
    page.close()


@pytest.mark.parametrize(
    ("name", "size", "theme"),
    [
        (PRACTICE, LAPTOP, "dark"),
        (PRACTICE, PHONE, "light"),
        (SYSTEM, LAPTOP, "light"),
        (INDEX, LAPTOP, "light"),
        (INDEX, PHONE, "dark"),
    ],
    ids=["practice_laptop_dark", "practice_phone_light", "system_laptop_light", "index_light", "index_dark"],
)
def test_axe_finds_no_grave_fault(
    name: str, size: tuple[int, int], theme: Any, browser: Browser, files: Mapping[str, Path]
) -> None:
    page = opened(browser, files[name], size, theme).page
    page.evaluate(
        "document.querySelectorAll('#summary ~ .part:nth-of-type(-n+4) details').forEach((d) => { d.open = true; })"
    )

    found = Axe().run(page)

    page.close()
    assert len(found.response["passes"]) > 15
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found.response["violations"] if v["impact"] in GRAVE] == []


def test_a_phone_never_scrolls_sideways_but_wide_tables_do_in_their_own_box(phone: Opened) -> None:
    page = phone.page
    page.evaluate(OPEN_DETAILS)

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    box = page.locator("#summary .scroll")
    expect(box).to_have_attribute("tabindex", "0")
    assert box.evaluate("(each) => each.scrollWidth > each.clientWidth")
    box.scroll_into_view_if_needed()
    expect(box.get_by_text("Concern, high")).to_be_in_viewport(ratio=0.9)  # beside the name, without scrolling
    page.evaluate(CLOSE_DETAILS)


def test_the_switch_turns_the_charts_dark_and_back(laptop: Opened) -> None:
    page, switch = laptop.page, laptop.page.get_by_role("button", name="Dark")
    mark = page.locator("#chart-emergency_admissions_65-months path.concern").first

    switch.click()

    assert mark.evaluate("(each) => getComputedStyle(each).fill") == rgb(shell.DARK_THEME["series-2"])
    switch.click()
    assert mark.evaluate("(each) => getComputedStyle(each).fill") == rgb(shell.LIGHT_THEME["series-2"])


@pytest.mark.parametrize("name", [PRACTICE, SYSTEM])
def test_it_prints_light_with_all_charts_and_no_table_cut(
    name: str, browser: Browser, files: Mapping[str, Path]
) -> None:
    seen = opened(browser, files[name], (PAPER_PIXELS, 900), "dark")
    page = seen.page

    page.emulate_media(media="print")

    mark = page.locator(".still .common").first
    assert mark.evaluate("(each) => getComputedStyle(each).fill") == rgb(shell.LIGHT_THEME["series-6"])
    assert all(svg.is_visible() for svg in page.locator(".still > svg").all())
    too_wide = page.evaluate(
        f"[...document.querySelectorAll('table, svg, figure')].filter((e) => e.getBoundingClientRect().right > {PAPER_PIXELS + 1}).map((e) => e.outerHTML.slice(0, 90))"
    )
    assert too_wide == []
    assert not page.get_by_role("button", name="Print").is_visible()
    page.emulate_media(media="screen")
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 24
    assert seen.said == []
    page.close()
