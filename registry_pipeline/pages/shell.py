"""The shell of every page: one HTML file that opens from disk, by day, by night and in print, and asks for nothing.

What belongs here: the frame that pages extend (`templates/base.html`), its colours, its scripts, and the policy that
lets nothing else run. What does not: what a page says (`page` for the linkage report; `audit`, `care` and others for
theirs, in templates of their own package), which marks show a figure (`charts`, `process`), and how it reads (`words`).

Everything that is given to a page is text to it: Jinja2 escapes it, and what charts draw lies in JSON that cannot end
its script. A Content-Security-Policy lets only the page's own scripts and styles run, known by their SHA-256, and no
request leave. So neither a patient's odd name nor a provider's can do more than be read.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from registry_pipeline.govern import disclosure
from registry_pipeline.pages import charts, tables, words

if TYPE_CHECKING:
    from jinja2 import Environment

HOUSE = "registry_pipeline.pages"
"""The package whose templates every page may use."""

COLOUR_WORDS = {
    "green": "As it should be", "amber": "Somebody should look", "red": "Do not rely on it yet", "grey": "Not known",
}  # fmt: skip
"""What a colour says, for who does not see it."""

LIGHT_THEME = {
    "page": "#f0f4f5", "paper": "#ffffff", "raised": "#e8edee", "ink": "#212b32", "quiet": "#4c6272", "line": "#d8dde0",
    "grid": "#cfd6da", "link": "#005eb8", "band": "#005eb8", "on-band": "#ffffff", "focus": "#ffeb3b",
    "on-focus": "#212b32", "flag": "#b3371a",
    "green": "#00663d", "amber": "#8a5300", "red": "#b3111d", "grey": "#4c6272",
    "green-paper": "#e3f3ea", "amber-paper": "#fff3d6", "red-paper": "#fde8e7", "grey-paper": "#e8edee",
    "series-1": "#005eb8", "series-2": "#d8500c", "series-3": "#11a37a", "series-4": "#490848", "series-5": "#43390a",
    "series-6": "#485760",
}  # fmt: skip
"""Colours by day and in print: NHS identity blues and greys; series that differ for every kind of colour vision
(a test holds them to it)."""

DARK_THEME = {
    "page": "#0e151b", "paper": "#172129", "raised": "#22303a", "ink": "#eef2f4", "quiet": "#b4c1ca", "line": "#34444f",
    "grid": "#3b4b56", "link": "#8cc4ff", "band": "#0b2a4a", "on-band": "#ffffff", "focus": "#ffeb3b",
    "on-focus": "#212b32", "flag": "#ff9b85",
    "green": "#6fdc9f", "amber": "#ffc95c", "red": "#ff9d97", "grey": "#b4c1ca",
    "green-paper": "#12301f", "amber-paper": "#3a2b0a", "red-paper": "#431a1a", "grey-paper": "#22303a",
    "series-1": "#6db5ff", "series-2": "#e3964e", "series-3": "#cbf8ec", "series-4": "#d645ad", "series-5": "#f1d547",
    "series-6": "#a2acb1",
}  # fmt: skip


def render(
    package: str,
    template: str,
    *,
    title: str,
    heading: str,
    subtitle: str = "",
    draws: bool = False,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    **context: Any,
) -> str:
    """One page, whole.

    Args:
        package: the package whose `templates/` has the template, such as `registry_pipeline.audit`.
        template: extends `base.html` and fills its block `content` (and `skip`, the words of the link that skips to
            it); it may import the macros of `figures.html` (with context).
        title: of the window.
        heading: of the band at the top.
        subtitle: below it: whose page it is.
        draws: whether it has charts of `content.ChartFigure`, which need 0.9 MB of script.
        styles: style sheets of the package's templates or of the house's (`process.css`), after `page.css`.
        scripts: scripts of the package's templates, after `page.js`.
        **context: what the template shows; text is escaped there. No element may have a `style` attribute: the policy
            does not let it count.
    """
    from markupsafe import Markup

    run = [inline(charts.scripts())] if draws else []
    run += [inline(_text(HOUSE, "page.js")), *(inline(_text(package, name)) for name in scripts)]
    house = environment(HOUSE).get_template("page.css").render(light=LIGHT_THEME, dark=DARK_THEME)
    style = "\n".join([house, *(_text(package, name).replace("\r\n", "\n") for name in styles)])
    return environment(package).get_template(template).render(
        title=title,
        heading=heading,
        subtitle=subtitle,
        policy=_policy(run, style),
        scripts=[Markup(script) for script in run],  # noqa: S704  # our own and Vega's, fixed by their hash above
        style=Markup(style),  # noqa: S704  # our own
        **context,
    )  # fmt: skip


@cache
def environment(package: str) -> Environment:
    """Templates of a package, then those of the house, with the filters that both use."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    sources = list(dict.fromkeys((package, HOUSE)))
    made = Environment(
        loader=ChoiceLoader([PackageLoader(source) for source in sources]), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "plain": words.plain, "specification": charts.as_json, "drawable": charts.can_be_drawn, **tables.FILTERS,
        "told": lambda name: name.replace("_", " "),
    }  # fmt: skip
    made.globals |= {
        "colour_words": COLOUR_WORDS,
        "hidden_sign": disclosure.HIDDEN,
        "smallest_shown": disclosure.SMALLEST_SHOWN,
        "rounded_to": disclosure.ROUNDED_TO,
        "worth_sorting": tables.ROWS_WORTH_SORTING,
        "long_table": tables.LONG_TABLE,
        "most_marks": charts.MOST_MARKS,
        "all_figures_in": "",
    }
    return made


@cache
def _text(package: str, name: str) -> str:
    """A file of the package's templates, or else of the house's."""
    own = resources.files(package).joinpath("templates", name)
    file = own if own.is_file() else resources.files(HOUSE).joinpath("templates", name)
    return file.read_text(encoding="utf-8")


def inline(script: str) -> str:
    """A script as it may stand in HTML: it cannot end its own element, and its line ends are those that are hashed."""
    return script.replace("\r\n", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _policy(scripts: Sequence[str], style: str) -> str:
    """Only these scripts and this style, by their SHA-256, and nothing from anywhere."""
    allowed = " ".join(_sha256(script) for script in scripts)
    own = f"script-src {allowed}; style-src {_sha256(style)}"
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"


def _sha256(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
