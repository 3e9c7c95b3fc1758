"""The shell: whatever it is given is text, only its own scripts and styles run, and it has a day, a night and a print."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from collections.abc import Iterator

import pytest

from registry_pipeline.pages import shell
from tests.reports.reading import Reader

PACKAGE = "made_up_pages"
TEMPLATE = """{% extends "base.html" %}
{% from "figures.html" import mark with context %}
{% block skip %}Skip to {{ where }}{% endblock %}
{% block content %}<h2>{{ told }}</h2><p title="{{ told }}">{{ mark("green") }}{{ 0.25 | plain("share") }}</p>{% endblock %}
"""
HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</title></style><!--", "{{ 7 * 7 }}")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("packages") / PACKAGE
    (folder / "templates").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "templates" / "one.html").write_text(TEMPLATE)
    (folder / "templates" / "own.css").write_text("h2 { color: var(--link); }\r\n")
    (folder / "templates" / "own.js").write_text('window.own = "</script><!-- ";\n')
    sys.path.insert(0, str(folder.parent))
    yield PACKAGE
    sys.path.remove(str(folder.parent))
    sys.modules.pop(PACKAGE, None)


def rendered(package: str, text: str = "harmless", **more: object) -> str:
    given = {"title": text, "heading": text, "subtitle": text, "told": text, "where": text}
    return shell.render(package, "one.html", **given, **more)  # type: ignore[arg-type]  # as a caller may


def policy(html: str) -> dict[str, list[str]]:
    content = next(e.attributes["content"] for e in Reader(html).all("meta") if "http-equiv" in e.attributes)
    return {name: values for name, *values in (each.split() for each in content.split(";"))}


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def between(html: str, tag: str) -> list[str]:
    return re.findall(rf"<{tag}>(.*?)</{tag}>", html, flags=re.DOTALL)


def test_a_page_has_the_frame_and_what_its_own_template_says(package):
    read = Reader(rendered(package, "A made-up page"))

    assert [e.text for e in read.all("h1")] == ["A made-up page"]
    assert [e.text for e in read.all("title")] == ["A made-up page"]
    assert [e.text for e in read.all("a", class_="skip")] == ["Skip to A made-up page"]
    assert "25.0%" in read.all("main")[0].text
    assert {e.attributes["id"] for e in read.all("button")} == {"theme", "print"}


@pytest.mark.parametrize("text", HOSTILE)
def test_text_stays_text(package, text):
    quiet, loud = (Reader(rendered(package, each)) for each in ("harmless", text))

    assert [e.tag for e in loud.elements] == [e.tag for e in quiet.elements]
    assert [sorted(e.attributes) for e in loud.elements] == [sorted(e.attributes) for e in quiet.elements]
    assert [e.text for e in loud.all("h1")] == [text]
    assert loud.all("p", title=text)


@pytest.mark.parametrize("draws", [False, True], ids=["without_charts", "with_charts"])
def test_only_its_own_scripts_and_styles_may_run(package, draws):
    html = rendered(package, draws=draws, styles=("process.css", "own.css"), scripts=("own.js",))

    allowed = policy(html)
    scripts, styles = between(html, "script"), between(html, "style")
    assert allowed["default-src"] == ["'none'"]
    assert allowed["script-src"] == [digest(script) for script in scripts]
    assert allowed["style-src"] == [digest(style) for style in styles]
    assert len(scripts) == 2 + draws
    assert not [e for e in Reader(html).elements if "style" in e.attributes or "src" in e.attributes]
    assert "color: var(--link)" in styles[0]  # its own
    assert ".drawn" in styles[0]  # the house's, by name


def test_a_script_cannot_end_its_own_element(package):
    scripts = between(rendered(package, scripts=("own.js",)), "script")

    assert scripts[-1] == 'window.own = "<\\/script><\\!-- ";\n'


def test_it_has_a_day_a_night_and_a_print(package):
    style = between(rendered(package), "style")[0]

    for name, colour in shell.LIGHT_THEME.items():
        assert f"--{name}: {colour}" in style
    for name, colour in shell.DARK_THEME.items():
        assert f"--{name}: {colour}" in style
    assert "@media print" in style
    assert set(shell.LIGHT_THEME) == set(shell.DARK_THEME)


def test_a_template_that_is_nowhere_or_lacks_what_it_shows_stops(package):
    from jinja2 import TemplateNotFound, UndefinedError

    with pytest.raises(TemplateNotFound, match=r"two\.html"):
        shell.render(package, "two.html", title="t", heading="h")
    with pytest.raises(UndefinedError, match="where"):
        shell.render(package, "one.html", title="t", heading="h", told="t")
