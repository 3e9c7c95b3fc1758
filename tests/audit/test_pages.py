"""The audit's pages: each organisation has one, and it says what the table says, hidden numbers and nothing at all too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from registry_pipeline.audit.measures import BY_NAME, MEASURES
from registry_pipeline.audit.pages import write_pages
from registry_pipeline.audit.shown import in_order
from tests.audit import made_up_measures as made_up
from tests.reports.reading import Element, Reader

HOSTILE = "<script>alert(1)</script>"
FEW = [BY_NAME[name] for name in ("emergency_admissions_65", "readmission_30_days", "care_plan_coverage")]


def written(rows, folder: Path, measures=MEASURES, *, teams=None, **more) -> Mapping[str, str]:
    """Every page by its file's name."""
    with made_up.opened(rows, folder, neighbourhoods=teams) as reading:
        files = write_pages(reading.connection, reading, folder, measures, **more)
    assert {file.parent for file in files} == {folder / "pages"}
    return {file.name: file.read_text(encoding="utf-8") for file in files}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    folder = tmp_path_factory.mktemp("audit")
    return written(made_up.told_in_full(), folder, not_made={"carers_assessed": "No provider delivers carers."})


@pytest.fixture(scope="module")
def reads(pages) -> Mapping[str, Reader]:
    return {name: Reader(html) for name, html in pages.items()}


@pytest.fixture(scope="module")
def practice(reads) -> Reader:
    return reads["practice_A81001.html"]


@pytest.fixture(scope="module")
def system(reads) -> Reader:
    return reads["system.html"]


def plain(element: Element) -> str:
    return re.sub(r"\s+", " ", element.text).strip()


def section(read: Reader, measure: str) -> str:
    return plain(read.all("section", id=measure)[0])


def row(read: Reader, measure: str) -> str:
    """A measure's row of the summary."""
    title = BY_NAME[measure].title
    return next(plain(e) for e in read.all("tr") if plain(e).startswith(title))


def test_every_organisation_has_a_page_and_the_index_links_to_it(pages, reads):
    expected = {"index.html", "system.html", "neighbourhood_North-Made-Up.html", "neighbourhood_South-Made-Up.html",
                "provider_RX1.html", "provider_RY1.html", *(f"practice_{code}.html" for code in made_up.PRACTICES)}  # fmt: skip
    assert set(pages) == expected

    links = {e.attributes["href"] for e in reads["index.html"].all("a") if "#" not in e.attributes["href"]}
    assert links == expected - {"index.html"}


def test_the_index_counts_what_to_look_at(reads):
    row = next(plain(e) for e in reads["index.html"].all("tr") if plain(e).startswith("Practice A81001"))

    shown = sum("practice" in measure.dimensions for measure in MEASURES) - 1  # one could not be counted
    assert row == f"Practice A81001{shown}1111"


def test_every_link_leads_somewhere(reads):
    for read in reads.values():
        ids = {e.attributes["id"] for e in read.elements if "id" in e.attributes}
        assert len(ids) == sum("id" in e.attributes for e in read.elements)  # no id twice
        for link in read.all("a"):
            to = link.attributes["href"]
            assert to[1:] in ids if to.startswith("#") else to in reads


def test_pages_are_named_as_people_name_them(reads):
    headings = {name: plain(read.all("h1")[0]) for name, read in reads.items()}

    assert headings["practice_A81001.html"] == "Clinical audit: Practice A81001"
    assert headings["provider_RX1.html"] == "Clinical audit: St Made-Up's Hospital (RX1)"
    assert headings["provider_RY1.html"] == "Clinical audit: Provider RY1"
    assert headings["neighbourhood_North-Made-Up.html"] == "Clinical audit: Neighbourhood North Made-Up"
    assert headings["system.html"] == "Clinical audit: Whole system"


def test_a_page_says_of_what_and_when(practice):
    facts = {e.text for e in practice.all("dd")}

    assert {"April 2024 to March 2026", "2 April 2026", "2026-04-02.1"} <= facts


def test_a_practice_links_to_its_neighbourhood_and_a_neighbourhood_to_its_practices(reads, practice):
    assert practice.all("a", href="neighbourhood_North-Made-Up.html")
    assert not practice.all("a", href="neighbourhood_South-Made-Up.html")
    of_team = reads["neighbourhood_South-Made-Up.html"]
    for code in made_up.PRACTICES:
        assert bool(of_team.all("a", href=f"practice_{code}.html")) == (code in made_up.NEIGHBOURHOODS["South Made-Up"])


def test_the_first_screen_tells_what_to_look_at_and_what_is_better(practice):
    concern, improvement = (plain(e) for e in practice.all("section", class_="changes"))

    assert "Emergency admissions, aged 65 and over: 251 in March 2026, seven or more in a row" in concern
    assert "Named care coordinator, target cohort" in concern
    assert "below the 99.8% limit" in concern
    assert "Emergency readmission within 30 days of discharge" in improvement
    assert "Care plan in force, target cohort" in improvement
    assert "coordinator" not in improvement
    cards = [plain(e) for e in practice.all("li", class_="card")]
    assert cards[0].startswith("1Concern")
    assert cards[1].startswith("1Improvement")


def test_the_summary_has_value_interval_signal_place_and_linkage(practice):
    assert "251March 2026 HConcern, high" in row(practice, "emergency_admissions_65")
    told = row(practice, "coordinator_coverage")
    for each in ("21.0%", "18.0% to 24.0%", "62.0%", "below the 99.8% limit", "15.0% to 29.0%", "Not judged"):
        assert each in told
    assert "Improvement, low" in row(practice, "readmission_30_days")
    assert "–not known" in row(practice, "length_of_stay")  # linkage cannot move it


def test_each_measure_says_what_it_is_how_it_is_counted_and_what_linkage_does(practice):
    for measure in MEASURES:
        if "practice" not in measure.dimensions:
            continue
        told = section(practice, measure.name)
        for words in (measure.definition, measure.numerator, measure.denominator, measure.source):
            assert words in told
        assert ("the range shows by how much" in told) == measure.is_moved_by_linkage


def test_a_measure_of_concern_says_why_and_its_limits(practice):
    told = section(practice, "emergency_admissions_65")

    assert "Concern, high: seven or more in a row above the mean." in told
    assert "limits counted anew" in told
    assert "Lower is better" in told


def test_where_linkage_leaves_more_open_than_chance_the_page_says_so(practice):
    assert "linkage leaves it less sure than chance does" in section(practice, "coordinator_coverage")
    assert "less sure" not in section(practice, "care_plan_coverage")
    assert any(plain(e).startswith("1Unsure by linkage") for e in practice.all("li", class_="card"))


def test_hidden_numbers_are_stars_and_explained(practice, system):
    told = section(practice, "long_stays")
    assert "*hidden, a small number" in row(practice, "long_stays")
    assert "No month may be shown: all are small numbers." in told
    assert "A81001 is not shown" in told
    assert "No limits" not in told
    assert "hidden, a small number" in section(practice, "readmission_30_days")  # one month
    assert "1 not shown (small numbers)." in section(system, "diabetes_hba1c")
    assert "*hidden, a small number" in section(system, "diabetes_hba1c")
    for read in (practice, system):
        assert "Counts of 1 to 7 people or stays are hidden" in plain(read.all("footer")[0])


def test_no_figure_of_a_hidden_row_is_on_the_page(tmp_path):
    rows = made_up.rows(FEW)
    secret = {"value": 0.12345, "numerator": 987654.0, "denominator": 876543.0}
    where = {"measure": "readmission_30_days", "dimension": "practice", "value_of_dimension": "A81002"}
    shown = written(made_up.changed(rows, secret, **where), tmp_path / "shown", FEW)
    hidden = written(made_up.hiding(made_up.changed(rows, secret, **where), **where), tmp_path / "hidden", FEW)

    for told in ("12.3%", "987,654", "876,543"):
        assert told in shown["practice_A81002.html"]
        assert not any(told in html for html in hidden.values())


def test_a_measure_that_could_not_be_counted_says_why(practice, system):
    for read in (practice, system):
        assert "No provider delivers carers." in section(read, "carers_assessed")
        assert "No provider delivers carers." in row(read, "carers_assessed")


def test_the_systems_page_compares_practices_providers_and_groups(system):
    told = section(system, "readmission_30_days")

    for each in ("Practices", "Providers", "Neighbourhoods", "By ethnic group", "By deprivation group",
                 "1, most deprived", "Not known", "6 practices"):  # fmt: skip
        assert each in told
    assert "E01000001" not in told  # small areas have the table alone
    assert "By ethnic group" not in section(system, "case_conferences")  # which has no such groups


def test_the_systems_page_names_who_is_worse_than_chance_explains(system):
    panel = next(plain(e) for e in system.all("section", class_="far"))

    assert "Practice A81001" in panel
    assert "2 practices" in row(system, "coordinator_coverage")
    assert "A81001" in section(system, "coordinator_coverage")


def test_names_come_as_people_order_them_and_what_is_nameless_last():
    names = ["not known", "Team 10", "none named", "Team 9", "b2", "B10", "Ärzte"]

    assert sorted(names, key=in_order) == ["b2", "B10", "Team 9", "Team 10", "Ärzte", "none named", "not known"]


def test_people_of_no_known_practice_are_no_practice_among_others(tmp_path):
    rows = made_up.rows(FEW, practices=(*made_up.PRACTICES, "not known"))
    rows = made_up.changed(
        rows, {"funnel": "below_99_8"}, measure="care_plan_coverage", value_of_dimension="not known",
        dimension="practice", period_months=12,
    )  # fmt: skip

    pages = written(rows, tmp_path, FEW)

    assert plain(Reader(pages["practice_not-known.html"]).all("h1")[0]) == "Clinical audit: No practice known"
    system = Reader(pages["system.html"])
    assert "No practice known" not in next(plain(e) for e in system.all("section", class_="far"))
    told = section(system, "care_plan_coverage")
    assert "6 practices" in told
    assert "7 practices" not in told


def test_how_many_meetings_an_organisation_held_is_not_compared_with_the_whole_system(practice, system):
    assert "Whole system" not in section(practice, "case_conferences")
    assert "whole system" not in section(system, "case_conferences")
    assert "Whole system" in section(practice, "people_discussed")


def test_a_provider_has_only_what_is_told_by_provider(reads):
    told = {e.attributes["id"] for e in reads["provider_RX1.html"].all("section", class_="part")}

    assert told == {m.name for m in MEASURES if "provider" in m.dimensions} | {"summary", "reading"}


def test_charts_have_words_and_figures(practice):
    charts = practice.all("figure", class_="chart")
    drawings = practice.all("div", class_="still")

    assert len(charts) > 60
    words = {e.attributes["id"]: plain(e) for e in practice.all("p", class_="note") if "id" in e.attributes}
    for drawing in drawings:
        assert drawing.attributes["role"] == "img"
        assert words[drawing.attributes["aria-describedby"]]
    assert all(e.attributes.get("scope") in {"col", "row"} for e in practice.all("th"))
    assert len(practice.all("caption")) == len(practice.all("table"))


def test_nothing_on_a_page_asks_for_anything(pages, reads):
    assert not any("https:" in html for html in pages.values())
    for read in reads.values():
        assert not read.all("link")
        assert not [e for e in read.elements if "src" in e.attributes or "style" in e.attributes]
        assert len(read.all("script")) == 1  # the house's own: charts need none


def test_without_the_range_of_linkage_the_page_does_not_promise_one(tmp_path):
    rows = [{**row, "linkage_low": None, "linkage_high": None} for row in made_up.rows(FEW)]

    told = section(Reader(written(rows, tmp_path, FEW)["practice_A81002.html"]), "readmission_30_days")

    assert "by how much is not shown here" in told
    assert "As linkage moves" not in told.split("Figures")[0]


@pytest.mark.parametrize("rows", [[], "system_only"], ids=["empty", "system_only"])
def test_with_hardly_anything_there_are_still_pages(rows, tmp_path):
    if rows == "system_only":
        rows = [row for row in made_up.rows(FEW) if row["dimension"] == "system"]
    pages = written(rows, tmp_path, FEW, teams={})

    assert set(pages) == {"index.html", "system.html"}
    told = section(Reader(pages["system.html"]), "readmission_30_days")
    assert ("No figure of it here in these months." in told) == (not rows)
    assert "None has a figure." in pages["index.html"]


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), 0.0], ids=["no_number", "no_end", "nothing"])
def test_odd_figures_break_no_page(odd, tmp_path):
    rows = made_up.rows(FEW)
    for name in ("value", "interval_low", "interval_high", "limit_low", "centre", "denominator", "linkage_high"):
        rows = made_up.changed(rows, {name: odd}, measure="readmission_30_days")

    pages = written(rows, tmp_path, FEW)

    assert not any(re.search(r"\b(nan|inf)\b", html) for html in pages.values())


def test_a_month_or_a_single_year_is_enough(tmp_path):
    rows = [row for row in made_up.rows(FEW) if row["period_start"] == made_up.MONTHS[-1]]

    told = section(Reader(written(rows, tmp_path, FEW)["practice_A81001.html"]), "readmission_30_days")

    assert "March 2026" in told
    assert "Month by month" not in told
    assert "The year" not in told


def test_where_nothing_can_be_judged_no_zero_says_that_all_is_well(tmp_path):
    only = [row for row in made_up.told_in_full() if row["dimension"] == "practice" and row["period_months"] == 1]
    pages = written([made_up.hidden(row) for row in only], tmp_path)
    page = pages["practice_A81001.html"]
    assert "Nothing could be judged: numbers are too small to show, or months too few." in page
    assert "No measure shows a signal of concern." not in page
    assert '<span class="value">–</span><span class="name">Concern</span>' in page
    assert "not judged" in pages["index.html"]


def test_a_step_that_is_no_change_of_care_is_said_on_every_page(tmp_path):
    step = "Hospital stays from RX1 end with August 2025: a step there is no change of care."
    pages = written(made_up.told_in_full(), tmp_path, steps=[step])
    assert all(step in text for name, text in pages.items() if name != "index.html")


def test_text_of_the_data_stays_text(tmp_path):
    names = ('A"><img src=x onerror=alert(1)>', HOSTILE, "A/../../b", "a/../../B")
    rows = made_up.rows(FEW, practices=names, neighbourhoods=[HOSTILE])
    for name in names:  # beyond the limits: named in charts and sentences
        rows = made_up.changed(rows, {"funnel": "above_99_8"}, value_of_dimension=name, period_months=12)

    pages = written(rows, tmp_path / "odd", FEW, teams={HOSTILE: [names[0]]})

    assert len({name.lower() for name in pages}) == len(pages) == 2 + len(names) + 2 + 1
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+\.html", name) for name in pages)
    for html in pages.values():
        read = Reader(html)
        assert len(read.all("script")) == 1
        assert not read.all("img")
    assert any(HOSTILE in e.text for e in Reader(pages["system.html"]).all("text"))


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    from registry_pipeline.audit import pages as module

    before = written(made_up.rows(FEW), tmp_path, FEW)
    monkeypatch.setattr(module, "_index", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        written(made_up.rows(FEW[:1]), tmp_path, FEW[:1])

    assert {file.name: file.read_text(encoding="utf-8") for file in (tmp_path / "pages").iterdir()} == before
