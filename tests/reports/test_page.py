"""The report's page: everything is on it, nothing on it does harm, and it asks nobody for anything."""

import base64
import dataclasses
import errno
import hashlib
import itertools
import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry_pipeline.errors import RunFailed
from registry_pipeline.pages import charts, page, shell, tables
from registry_pipeline.pages.content import ChartFigure, Column, Report, Section, TableFigure
from tests.reports import made_up_report
from tests.reports.reading import Reader

MB = 1 << 20
HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</script><script>alert(1)</script>", "=cmd()",
           "</title></style><!--", "{{ 7 * 7 }}", "' onmouseover='alert(1)", "javascript:alert(1)")  # fmt: skip


@pytest.fixture(scope="module")
def report() -> Report:
    return made_up_report.report()


@pytest.fixture(scope="module")
def html(report) -> str:
    return page.render(report)


@pytest.fixture(scope="module")
def read(html) -> Reader:
    return Reader(html)


def test_the_first_screen_says_which_night_and_whether_it_is_signed(read):
    facts = {e.text for e in read.all("dd")}

    assert {"2 April 2026", "2026-04-02.1", "not signed yet"} <= facts
    assert [e.text for e in read.all("h1")] == ["Linkage quality report"]
    assert "Made-up Integrated Care System" in read.all("header")[0].text


def test_each_light_is_told_in_colour_shape_and_words_and_leads_to_its_section(report, read):
    for light, card in zip(report.lights, read.all("li", class_="light"), strict=True):
        assert light.colour in card.attributes["class"].split()
        assert shell.COLOUR_WORDS[light.colour] in card.text
        assert light.name in card.text
        assert light.value in card.text
        assert light.meaning in card.text
    targets = [e.attributes.get("href") for e in read.all("a")]
    assert [f"#{light.section}" for light in report.lights] == targets[1:6]  # the first skips to the report
    shapes = [e.attributes["href"] for e in read.all("use")][1:6]  # the first is the signature's
    assert shapes == [f"#mark-{light.colour}" for light in report.lights]


def test_what_changed_comes_before_the_contents_and_these_before_the_sections(report, html):
    places = [html.index(text) for text in ("What changed since last night", "1,204 people are new", ">Contents<")]
    places += [html.index(f'<section class="part" id="{section.id}"') for section in report.sections]
    places.append(html.index('id="checklist"'))

    assert places == sorted(places)


def test_every_link_leads_to_an_element_of_the_page(read):
    ids = [e.attributes["id"] for e in read.elements if "id" in e.attributes]
    links = [e.attributes["href"] for e in read.elements if "href" in e.attributes]

    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in links} <= set(ids)
    for e in read.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert set(e.attributes.get(name, "").split()) <= set(ids)


def test_each_item_of_the_checklist_is_linked_to_its_answer_or_has_a_reason(report, read):
    cells = read.all("table", class_="checklist")[0].text

    assert "No sample has been reviewed yet." in cells
    told = re.sub(r"\s+", " ", read.all("section", id="checklist")[0].text)
    assert "3 of 4 items are answered in this report, 1 of them in part." in told
    assert "In part. Deprivation is not known." in told
    for item in report.checklist:
        assert item.asks in cells


def test_headings_go_down_one_step_at_a_time(read):
    levels = [int(e.tag[1]) for e in read.elements if re.fullmatch("h[1-6]", e.tag)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_tables_have_a_caption_and_their_heads_a_scope(read):
    tables = read.all("table")

    assert len(read.all("caption")) == len(tables)
    assert all(e.attributes.get("scope") in {"col", "row"} for e in read.all("th"))


def test_each_chart_is_an_image_with_words_and_a_table(report, read):
    drawn = [chart for section in report.sections for chart in section.charts if chart.data]
    drawings = read.all("div", class_="drawing")

    assert len(drawings) == len(drawn) == len(read.all("details"))
    assert {chart.kind for chart in drawn} == set(charts._DRAWN_BY)  # every kind is tried here
    for chart, drawing in zip(drawn, drawings, strict=True):
        assert drawing.attributes["role"] == "img"
        assert drawing.attributes["aria-describedby"] == f"chart-{chart.id}-words"
        assert chart.description in read.all("p", id=f"chart-{chart.id}-words")[0].text


def test_figures_are_formatted_and_what_is_not_known_or_hidden_is_told(read):
    table = read.all("figure", id="table-groups")[0].text

    for told in ("81,240", "99.91%", "1.000", "100%", "3.0 × 10⁻⁵", "14 February 2026", "Do not rely on it yet: "):
        assert told in table
    assert "–not known" in table
    assert "*hidden, a small number" in table
    footer = re.sub(r"\s+", " ", read.all("footer")[0].text)
    assert "A count of 1 to 7 people is shown as *" in footer


def test_a_section_without_anything_says_so(read):
    assert "None." in read.all("figure", id="table-none")[0].text
    assert "There is nothing to draw on this night." in read.all("figure", id="chart-empty")[0].text


def test_an_empty_report_is_a_page_too():
    empty = Report("s", "2026-04-01", "d", "2026-04-01", [], [], [], [])

    read = Reader(page.render(empty))

    assert "Nothing that this report watches." in read.all("main")[0].text
    assert len(read.all("script")) == 1  # nothing to draw: the 0.9 MB that draw stay out


def test_a_chart_of_hidden_or_too_many_values_is_not_drawn_and_says_why():
    hidden = ChartFigure("h", "bars", "t", "d", [{"category": "a", "value": "*"}])
    many = ChartFigure("m", "bars", "t", "d", [{"category": str(n), "value": n} for n in range(charts.MOST_MARKS + 1)])
    told = page.render(Report("s", "n", "d", "m", [], [], [Section("one", "t", "l", charts=[hidden, many])], []))

    read = Reader(told)

    assert "no value is known or may be shown" in read.all("figure", id="chart-h")[0].text
    assert "too many values; linkage_quality.json has them" in read.all("figure", id="chart-m")[0].text
    assert not read.all("div", class_="drawing")


def test_only_the_pages_own_scripts_and_style_may_run_and_nothing_may_be_asked_for(html, read):
    policy = next(e.attributes["content"] for e in read.all("meta", **{"http-equiv": "Content-Security-Policy"}))
    run = [e.text for e in read.all("script") if "type" not in e.attributes]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))

    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["script-src"].split() == [sha256(script) for script in run]
    assert rules["style-src"].split() == [sha256(e.text) for e in read.all("style")]
    assert "unsafe" not in policy
    assert not [e for e in read.elements if {"src", "srcset", "action", "data", "style"} & e.attributes.keys()]
    assert not [e for e in read.elements if any(name.startswith("on") for name in e.attributes)]
    without_scripts = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert "://" not in without_scripts
    assert "url(" not in read.all("style")[0].text
    assert "@import" not in read.all("style")[0].text


def sha256(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def with_text_everywhere(content, text: str):
    """The same report, but each free text of it says this, with a number where it must be told apart."""
    if isinstance(content, str):
        return text
    if isinstance(content, list | tuple):
        return [with_text_everywhere(each, text) for each in content]
    if dataclasses.is_dataclass(content):
        fixed = {"id", "kind", "colour", "section", "night", "number", "flags"}
        changed = {
            f.name: with_text_everywhere(getattr(content, f.name), text)
            for f in dataclasses.fields(content)
            if f.name not in fixed
        }
        return dataclasses.replace(content, **changed)
    if isinstance(content, dict):
        fixed = {"format", "flag", "x"}
        return {k: v if k in fixed else with_text_everywhere(v, text) for k, v in content.items()}
    return content


def shape(read: Reader) -> list[tuple[str, list[str]]]:
    return [(e.tag, sorted(e.attributes)) for e in read.elements]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_report_becomes_anything_but_text(report, text):
    quiet, loud = (Reader(page.render(with_text_everywhere(report, t))) for t in ("harmless", text))

    assert shape(loud) == shape(quiet)
    assert text in loud.all("main")[0].text
    specifications = [json.loads(e.text) for e in loud.all("script", type="application/json")]
    assert any(text in json.dumps(s, ensure_ascii=False).replace('\\"', '"') for s in specifications)
    assert all("<" not in e.text for e in loud.all("script", type="application/json"))


def test_no_text_of_a_report_becomes_an_expression_of_a_chart(report):
    quiet, loud = (
        [
            s
            for section in with_text_everywhere(report, t).sections
            for c in section.charts
            if c.data
            for s in expressions(charts.specification(c))
        ]
        for t in ("harmless", "datum.value ? 1 : 2")
    )

    assert loud == quiet


def expressions(part, inside="") -> list[str]:
    """Whatever Vega would evaluate."""
    if isinstance(part, dict):
        return [e for name, value in part.items() if name != "datasets" for e in expressions(value, name)]
    if isinstance(part, list):
        return [e for value in part for e in expressions(value, inside)]
    evaluated = {"expr", "test", "labelExpr", "filter", "calculate", "signal"}
    return [part] if inside in evaluated else []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1, max_size=40))
def test_any_name_stays_text(text):
    def made(name: str) -> Report:
        table = TableFigure("t", name, [Column(name, unit=name), Column("n", "count")], [[name, 1], [name, None]], name)
        chart = ChartFigure("c", "bars", name, name, [{"category": name, "value": 1}], {"value_title": name})
        return Report(
            name, name, name, name, [], [name], [Section("s", name, name, [table], [chart], [name])], [], {name: name}
        )

    assert shape(Reader(page.render(made(text)))) == shape(Reader(page.render(made("harmless"))))


def test_categories_may_be_numbers():
    figure = ChartFigure("c", "bars", "t", "d", [{"category": n, "value": n / 10} for n in (1, 2, 10)])

    drawn = charts.specification(figure)

    values = next(iter(drawn["datasets"].values()))
    assert [row["category"] for row in values] == ["1", "2", "10"]
    assert drawn["layer"][0]["encoding"]["y"]["scale"]["domain"] == ["1", "2", "10"]


def test_in_a_long_table_what_needs_attention_comes_first_and_elsewhere_the_order_stays():
    def order(rows: int) -> list[str]:
        table = TableFigure("t", "t", [Column("row")], [[f"row {n}"] for n in range(rows)], "", {1: "amber", 3: "red"})
        read = Reader(page.render(Report("s", "n", "d", "m", [], [], [Section("s", "t", "l", [table])], [])))
        return [e.text.split(": ")[-1] for e in read.all("th", scope="row")]

    assert order(5) == ["row 0", "row 1", "row 2", "row 3", "row 4"]
    assert order(tables.LONG_TABLE + 1)[:4] == ["row 3", "row 1", "row 0", "row 2"]


def test_page_and_figures_are_written_with_the_same_content(report, tmp_path):
    html, figures = page.write_report(report, tmp_path / "2026-04-02.1")

    assert html.read_text(encoding="utf-8") == page.render(report)
    told = json.loads(figures.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert told["sections"][1]["charts"][0]["data"][0] == {
        "category": "GP1 Riverside Practice",
        "value": 0.99,
        "low": 0.985,
        "high": 0.995,
    }
    assert told["lights"][3]["colour"] == "red"
    assert sorted(p.name for p in html.parent.iterdir()) == ["linkage_quality.html", "linkage_quality.json"]
    assert html.stat().st_size < 2 * MB


def test_what_is_no_number_is_told_as_not_known(tmp_path):
    table = TableFigure("t", "t", [Column("a"), Column("b", "number")], [["x", math.nan], ["y", math.inf]])
    chart = ChartFigure(
        "c", "lines", "t", "d", [{"x": 1, "value": math.nan}, {"x": 2, "value": 3.0}, {"x": 3, "value": math.inf}]
    )
    odd = Report("s", "n", "d", "m", [], [], [Section("s", "t", "l", [table], [chart])], [])

    html, figures = page.write_report(odd, tmp_path)

    assert json.loads(figures.read_text(), parse_constant=pytest.fail)["sections"][0]["tables"][0]["rows"] == [
        ["x", None],
        ["y", None],
    ]
    assert "NaN" not in re.sub(r"<script>.*?</script>", "", html.read_text(), flags=re.DOTALL)


def test_a_full_disk_leaves_the_earlier_report_as_it_was(report, tmp_path, monkeypatch):
    html, figures = page.write_report(report, tmp_path)
    before = html.read_bytes(), figures.read_bytes()
    write = Path.write_text

    def full_at_the_second(path: Path, text: str, **how: str) -> int:
        if "json" in path.name:
            write(path, text[:100], **how)
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, text, **how)

    monkeypatch.setattr(Path, "write_text", full_at_the_second)
    with pytest.raises(RunFailed, match="is full: free space and run again"):
        page.write_report(dataclasses.replace(report, deployment="another"), tmp_path)

    assert (html.read_bytes(), figures.read_bytes()) == before
    assert sorted(tmp_path.iterdir()) == [html, figures]


def test_a_report_of_many_providers_and_figures_stays_below_its_largest_size(report):
    wide = [made_up_report.table(3000), *(dataclasses.replace(made_up_report.table(40), id=f"t{n}") for n in range(12))]
    drawn = [dataclasses.replace(made_up_report.lines(30), id=f"l{n}") for n in range(20)]
    big = dataclasses.replace(report, sections=[Section("inputs", "t", "l", wide, drawn)], lights=[], checklist=[])

    html = page.render(big)

    assert len(html.encode()) < 5 * MB
    assert "The first 500 of 3,000 rows; linkage_quality.json has all." in html


@pytest.mark.parametrize("theme", [shell.LIGHT_THEME, shell.DARK_THEME], ids=["light", "dark"])
def test_text_and_marks_stand_out_from_their_ground(theme):
    for ground in ("page", "paper", "raised"):
        for text in ("ink", "quiet", "link"):
            assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
    for colour in shell.COLOUR_WORDS:
        assert contrast(theme[colour], theme[f"{colour}-paper"]) >= 4.5
        assert contrast(theme["ink"], theme[f"{colour}-paper"]) >= 4.5
    for mark in ("flag", *(f"series-{n}" for n in range(1, 7))):
        assert contrast(theme[mark], theme["paper"]) >= 3, mark
    assert contrast(theme["on-band"], theme["band"]) >= 4.5


@pytest.mark.parametrize("theme", [shell.LIGHT_THEME, shell.DARK_THEME], ids=["light", "dark"])
@pytest.mark.parametrize("sight", ["usual", "protan", "deutan", "tritan"])
def test_groups_are_told_apart_by_any_sight(theme, sight):
    seen = [as_seen(theme[f"series-{n}"], sight) for n in range(1, 7)]

    apart = [math.dist(lab(one), lab(other)) for n, one in enumerate(seen) for other in seen[:n]]

    assert min(apart) > 12  # a difference (CIE76) of 2.3 is just seen


CVD = {  # Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}


def linear(colour: str) -> list[float]:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]


def luminance(colour: str) -> float:
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True))


def contrast(one: str, other: str) -> float:
    """Contrast after WCAG 2.2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def as_seen(colour: str, sight: str) -> list[float]:
    rgb = linear(colour)
    return [min(1.0, max(0.0, sum(w * c for w, c in zip(row, rgb, strict=True)))) for row in CVD[sight]]


def lab(rgb: list[float]) -> tuple[float, float, float]:
    """CIE L*a*b* under D65."""
    xyz = [sum(w * c for w, c in zip(row, rgb, strict=True)) for row in (
        (0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))]  # fmt: skip
    x, y, z = (c / white for c, white in zip(xyz, (0.9505, 1.0, 1.089), strict=True))
    f = [c ** (1 / 3) if c > 0.008856 else 7.787 * c + 16 / 116 for c in (x, y, z)]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


@pytest.mark.parametrize(
    ("values", "options", "form"),
    [
        ((0.7789, 0.77905), {"format": "share"}, ".3~%"),  # ticks lie 0.002 points apart
        ((0.1, 0.9), {"format": "share"}, ".0~%"),
        ((0.5, 0.5), {"format": "share"}, ".2~%"),
        ((146, 147), {}, ",d"),  # nobody wants half of an entry
        ((1.5, 2.0), {}, ",f"),
        ((12, 3000), {"format": "people"}, ",d"),
    ],
)
def test_an_axis_has_the_decimals_that_tell_its_ticks_apart(values, options, form):
    data = [{"x": f"2026-04-0{n + 1}", "value": value} for n, value in enumerate(values)]

    drawn = charts.specification(ChartFigure("c", "lines", "t", "d", data, options))

    assert drawn["layer"][0]["encoding"]["y"]["axis"]["format"] == form
