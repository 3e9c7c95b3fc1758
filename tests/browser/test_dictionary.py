"""The data dictionary in a real Chromium, opened from disk as an analyst opens it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from registry_pipeline import dictionary
from registry_pipeline.tables import PUBLISHED

from .opening import GRAVE, LAPTOP, PHONE, Opened, opened

pytestmark = pytest.mark.browser

TABLES = sum(len(tables) for tables in PUBLISHED.values())


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dictionary.write(tmp_path_factory.mktemp("dictionary")).page


@pytest.fixture(scope="module")
def laptop(browser: Browser, file: Path) -> Iterator[Opened]:
    seen = opened(browser, file, LAPTOP, "light")
    yield seen
    seen.page.close()


@pytest.fixture(scope="module")
def phone(browser: Browser, file: Path) -> Iterator[Opened]:
    seen = opened(browser, file, PHONE, "dark")
    yield seen
    seen.page.close()


def find(page: Page, words: str) -> None:
    page.get_by_role("searchbox").fill(words)


def shown(page: Page, what: str) -> list[str]:
    """Ids of the elements that can be seen, or could be by scrolling."""
    visible = (
        "(what) => [...document.querySelectorAll(what)].filter((one) => one.checkVisibility()).map((one) => one.id)"
    )
    ids: list[str] = page.evaluate(visible, what)
    return ids


@pytest.mark.parametrize("where", ["laptop", "phone"])
def test_it_asks_for_nothing_and_complains_of_nothing(where: str, file: Path, request: pytest.FixtureRequest) -> None:
    seen = request.getfixturevalue(where)
    assert seen.asked_for == [file.as_uri()]
    assert seen.said == []


@pytest.mark.parametrize("where", ["laptop", "phone"])
def test_axe_finds_nothing_grave(where: str, request: pytest.FixtureRequest) -> None:
    page = request.getfixturevalue(where).page
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    found = Axe().run(page).response["violations"]
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = false; })")
    assert [
        (each["id"], [node["target"] for node in each["nodes"]][:3]) for each in found if each["impact"] in GRAVE
    ] == []


@pytest.mark.parametrize("where", ["laptop", "phone"])
def test_nothing_is_wider_than_the_screen(where: str, request: pytest.FixtureRequest) -> None:
    page = request.getfixturevalue(where).page
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


@pytest.mark.parametrize(
    ("words", "tables", "rows"),
    [
        # A column, of every table that has it.
        ("electronic_frailty_index", {"consumer-risk_stratification", "output-risk_stratification"}, None),
        # Words in any order and case, over name and description.
        ("Threshold LINKAGE lowest", {"consumer-audit_measure"}, {"consumer-audit_measure-linkage_low"}),
        # A column of a table that is named.
        ("registry_is_nowhere", set(), set()),
        ("care_gap last_done_provider", {"consumer-care_gap"}, {"consumer-care_gap-last_done_provider"}),
        # What a column is coded in.
        ("ethnic category", {"registry-patient", "output-patient"}, {"registry-patient-ethnicity", "output-patient-ethnicity"}),
    ],
)  # fmt: skip
def test_the_search_shows_what_holds_every_word(
    words: str, tables: set[str], rows: set[str] | None, laptop: Opened
) -> None:
    page = laptop.page
    find(page, words)
    assert set(shown(page, "section.entry")) == tables
    kept = shown(page, "section.entry tbody tr")
    if rows is not None:
        assert set(kept) == rows
    told = f"{len(kept)} column{'' if len(kept) == 1 else 's'} of {len(tables)} table{'' if len(tables) == 1 else 's'}"
    expect(page.get_by_role("status")).to_have_text(re.compile(f"^{told}, "))
    for table in tables:
        expect(page.locator(f'nav a[href="#{table}"]')).to_be_visible()
    find(page, "")


def test_a_table_that_is_named_shows_all_its_columns(laptop: Opened) -> None:
    page = laptop.page
    find(page, "patient_care_team")
    table = PUBLISHED["consumer"]["patient_care_team"]
    assert shown(page, "section.entry tbody tr") == [f"consumer-{table.name}-{name}" for name in table.column_names]
    find(page, "")
    assert len(shown(page, "section.entry")) == TABLES
    expect(page.get_by_role("status")).to_have_text("")


def test_the_search_finds_code_lists_by_their_values(laptop: Opened) -> None:
    page = laptop.page
    find(page, "bed bureau")
    assert shown(page, "section.list") == ["list-admission_method"]
    assert shown(page, "section.entry") == []
    find(page, "")


def test_a_link_to_what_the_search_hides_ends_the_search(laptop: Opened) -> None:
    page = laptop.page
    find(page, "ethnic category 2001")
    page.locator("#registry-patient-ethnicity td a").click()
    expect(page.locator("#list-ethnic_category_2001")).to_be_in_viewport()
    page.evaluate("location.hash = '#consumer-care_gap-days_overdue'")
    expect(page.locator("#consumer-care_gap-days_overdue")).to_be_in_viewport()
    expect(page.get_by_role("searchbox")).to_have_value("")


def test_a_phone_shows_all_of_a_column_without_scrolling_sideways(phone: Opened) -> None:
    page = phone.page
    row = page.locator("#consumer-risk_stratification-emergency_admission_probability")
    row.scroll_into_view_if_needed()
    for cell in row.locator("th, td").all():
        box = cell.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE[0]
    expect(row).to_contain_text("probability, 0 to 1")


def test_the_theme_can_be_switched(phone: Opened) -> None:
    page = phone.page
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
