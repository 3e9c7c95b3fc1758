"""The linkage quality report in a real Chromium, opened from disk as an information governance lead opens it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from registry_pipeline.pages import page as report_page
from registry_pipeline.pages import shell
from registry_pipeline.pages.content import Report
from tests.reports import made_up_report
from tests.reports.test_page import HOSTILE, with_text_everywhere

from .opening import CLOSE_DETAILS, GRAVE, OPEN_DETAILS, PHONE, Opened, opened

pytestmark = pytest.mark.browser

PAPER_PIXELS = 703
"""Width of what is printed on A4 within the report's margins, at 96 pixels an inch."""


@pytest.fixture(scope="module")
def report() -> Report:
    return made_up_report.report()


@pytest.fixture(scope="module")
def file(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_page.write_report(report, tmp_path_factory.mktemp("report"))[0]


@pytest.fixture(scope="module")
def laptop(browser: Browser, file: Path) -> Iterator[Opened]:
    seen = opened(browser, file)
    yield seen
    seen.page.close()


@pytest.fixture(scope="module")
def phone(browser: Browser, file: Path) -> Iterator[Opened]:
    seen = opened(browser, file, PHONE, "dark")
    yield seen
    seen.page.close()


def seen_without_scrolling(what: Locator) -> bool:
    box, size = what.bounding_box(), what.page.viewport_size
    assert size is not None
    return (
        box is not None
        and box["y"] >= 0
        and box["y"] + box["height"] <= size["height"]
        and box["x"] + box["width"] <= size["width"]
    )


def test_the_first_screen_of_a_laptop_shows_every_light_and_what_changed(laptop: Opened, report: Report) -> None:
    page = laptop.page

    lights = page.locator(".light")
    expect(lights).to_have_count(5)
    assert all(seen_without_scrolling(light) for light in lights.all())
    assert seen_without_scrolling(page.locator(".changes"))
    for told in (report.deployment, report.snapshot_id, "2 April 2026", "not signed yet", "Do not rely on it yet"):
        assert seen_without_scrolling(page.get_by_text(told, exact=True).first), told


def test_the_first_screen_of_a_phone_shows_the_first_lights(phone: Opened) -> None:
    lights = phone.page.locator(".light").all()

    assert all(seen_without_scrolling(light) for light in lights[:4])


@pytest.mark.parametrize("where", ["laptop", "phone"])
def test_every_chart_is_drawn(where: str, report: Report, request: pytest.FixtureRequest) -> None:
    page = request.getfixturevalue(where).page
    charts = [chart for section in report.sections for chart in section.charts if chart.data]

    drawn = page.locator(".drawing > svg")
    expect(drawn).to_have_count(len(charts))
    for chart in charts:
        svg = page.locator(f"#chart-{chart.id} .drawing > svg")
        marks = svg.locator(".role-mark path, .role-mark line, .role-mark rect").count()
        assert marks >= len({str(row.get("category")) for row in chart.data}), chart.id
        box, place = svg.bounding_box(), page.locator(f"#chart-{chart.id}").bounding_box()
        assert box is not None
        assert place is not None
        assert box["height"] > 40
        assert 0.6 * place["width"] < box["width"] <= place["width"] + 1, chart.id


def test_nothing_is_asked_for_and_nothing_goes_wrong(laptop: Opened, phone: Opened, file: Path) -> None:
    for seen in (laptop, phone):
        assert seen.asked_for == [file.as_uri()]
        assert seen.said == []


@pytest.mark.parametrize("text", HOSTILE[1:3])
def test_text_that_would_be_a_script_does_nothing(browser: Browser, report: Report, tmp_path: Path, text: str) -> None:
    html, _ = report_page.write_report(with_text_everywhere(report, text), tmp_path)
    seen = opened(browser, html)
    seen.page.on("dialog", lambda dialog: seen.said.append(dialog.message))

    expect(seen.page.get_by_role("heading", level=2, name=text).first).to_be_visible()
    seen.page.locator("#chart-linked .mark-rect path").first.hover()
    expect(seen.page.locator("#vg-tooltip-element.visible")).to_contain_text(text)
    assert seen.page.locator("img").count() == 0
    assert seen.asked_for == [html.as_uri()]
    assert seen.said == []
    seen.page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("where", ["laptop", "phone"])
def test_axe_finds_no_grave_fault(where: str, theme: Any, request: pytest.FixtureRequest) -> None:
    page = request.getfixturevalue(where).page
    usual = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    page.emulate_media(color_scheme=theme)
    page.evaluate(OPEN_DETAILS)

    found = Axe().run(page)

    page.evaluate(CLOSE_DETAILS)
    page.emulate_media(color_scheme="dark" if usual else "light")
    assert len(found.response["passes"]) > 20
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found.response["violations"] if v["impact"] in GRAVE] == []


def test_the_page_never_scrolls_sideways_but_wide_tables_do_in_their_own_box(phone: Opened) -> None:
    page = phone.page
    page.evaluate(OPEN_DETAILS)

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    box = page.locator("#table-inputs .scroll")
    expect(box).to_have_attribute("tabindex", "0")
    box.focus()
    page.keyboard.press("End")
    box.evaluate("(each) => { each.scrollLeft = 300; }")
    first, at = box.locator("tbody th").first.bounding_box(), box.bounding_box()
    assert first is not None
    assert at is not None
    assert abs(first["x"] - at["x"]) < 1  # the first column stays
    page.evaluate(CLOSE_DETAILS)


def test_the_keyboard_reaches_the_report_and_its_lights(browser: Browser, file: Path) -> None:
    page = opened(browser, file).page

    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the report")
    expect(skip).to_be_focused()
    assert seen_without_scrolling(skip)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator(".light a").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#inputs")).to_be_in_viewport()
    page.close()


def test_the_switch_turns_page_and_charts_dark_and_back(laptop: Opened) -> None:
    page, switch = laptop.page, laptop.page.get_by_role("button", name="Dark")
    bar = page.locator("#chart-linked .mark-rect path").first
    by_day = colours(page, bar)
    expect(switch).to_have_attribute("aria-pressed", "false")

    switch.click()

    by_night = colours(page, bar)
    expect(switch).to_have_attribute("aria-pressed", "true")
    assert by_night == [rgb(shell.DARK_THEME[name]) for name in ("page", "series-1")]
    switch.click()
    assert colours(page, bar) == by_day == [rgb(shell.LIGHT_THEME[name]) for name in ("page", "series-1")]


def colours(page: Page, bar: Locator) -> list[str]:
    return [
        page.evaluate("getComputedStyle(document.body).backgroundColor"),
        bar.evaluate("(each) => getComputedStyle(each).fill"),
    ]


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[n : n + 2], 16)) for n in (1, 3, 5))})"


def test_a_table_is_sorted_by_a_column(laptop: Opened) -> None:
    table = laptop.page.locator("#table-groups table")
    heading = table.get_by_role("button", name="people")

    heading.click()

    expect(table.get_by_role("columnheader", name="people")).to_have_attribute("aria-sort", "ascending")
    assert shown(table) == ["0", "*", "640", "1,205", "81,240"]
    heading.click()
    assert shown(table) == ["81,240", "1,205", "640", "*", "0"]


def shown(table: Locator) -> list[str]:
    return [
        re.sub(r"hidden.*", "", cell.strip(), flags=re.DOTALL).strip()
        for cell in table.locator("tbody tr td:nth-child(2)").all_inner_texts()
    ]


def test_it_prints_light_with_all_charts_and_no_table_cut(browser: Browser, file: Path, report: Report) -> None:
    seen = opened(browser, file, (PAPER_PIXELS, 900), "dark")
    page = seen.page

    page.emulate_media(media="print")

    assert colours(page, page.locator("#chart-linked .mark-rect path").first)[1] == rgb(shell.LIGHT_THEME["series-1"])
    charts = [chart for section in report.sections for chart in section.charts if chart.data]
    assert len([svg for svg in page.locator(".drawing > svg").all() if svg.is_visible()]) == len(charts)
    too_wide = page.evaluate(
        f"[...document.querySelectorAll('table, svg, figure')].filter((e) => e.getBoundingClientRect().right > {PAPER_PIXELS + 1}).length"
    )
    assert too_wide == 0
    assert not page.get_by_role("button", name="Print").is_visible()
    page.emulate_media(media="screen")
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 20
    assert seen.said == []
    page.close()
