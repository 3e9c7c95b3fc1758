"""The night's Data Docs: what every suite found, as pages that open without a network.

What belongs here: rendering kept results with Great Expectations' own renderers, and making the pages self-contained.
What does not: results themselves; they hold figures and rules only, so the pages can hold nothing else.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from registry_pipeline.storage import whole_folder
from registry_pipeline.validate.duckdb_engine import ephemeral_context

_OUTSIDE = re.compile(
    r"<script\b[^>]*\bsrc=[^>]*>\s*</script>"  # a library from elsewhere
    r"|<script\b[^>]*>.*?</script>"  # what needs those libraries: charts, tables, a tour of the page
    r"|<footer\b.*?</footer>"  # a newsletter
    r"|<link\b[^>]*\bhref=[\"']?(?:https?:)?//[^>]*>"
    r"|<img\b[^>]*\bsrc=[\"']?(?:https?:)?//[^>]*>",
    re.IGNORECASE | re.DOTALL,
)
"""What a page of GX asks a browser to load: a dozen addresses, none of which a hospital's network need reach."""

_PICTURE = re.compile(r"url\((['\"]?)(?:https?:)?//[^)]*\)", re.IGNORECASE)

_LINK_OUT = re.compile(r"\bhref=([\"'])(?:https?:)?//[^\"']*\1", re.IGNORECASE)

_STYLE = """<style>
body{font:15px/1.5 system-ui,sans-serif;color:#1d2733;margin:2rem auto;max-width:75rem;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}th,td{border:1px solid #cfd8e0;padding:.35rem .6rem;
text-align:left;vertical-align:top}th{background:#eef3f7}h1,h2,h3,h4{line-height:1.2}ul{padding-left:1.2rem}
a{color:#005eb8}.badge{background:#eef3f7;border-radius:.3rem;padding:0 .3rem}.fail{color:#b4231f;font-weight:600}
.text-danger{color:#b4231f}.text-success{color:#1c7a3d}.d-none,.modal,.navbar-toggler{display:none}
</style>"""


def build(folder: Path, night: date, results: Mapping[tuple[str, str], Mapping[str, Any]]) -> Path:
    """Write one page per provider and feed, and an index.

    Args:
        folder: where; what is there is replaced.
        night: the night.
        results: by provider and feed, what `validate_feed` kept.

    Returns:
        The index page.
    """
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    with whole_folder(folder) as unfinished:
        for (provider, feed), kept in results.items():
            page = unfinished / provider / f"{feed}.html"
            page.parent.mkdir(exist_ok=True)
            page.write_text(_page(provider, feed, night, kept), encoding="utf-8")
        (unfinished / "index.html").write_text(_index(night, results), encoding="utf-8")
    return folder / "index.html"


def _page(provider: str, feed: str, night: date, kept: Mapping[str, Any]) -> str:
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    ephemeral_context()
    found = [
        ExpectationValidationResult(
            success=each["success"],
            expectation_config=ExpectationConfiguration(
                type=each["type"],
                kwargs=each["kwargs"],
                meta=each["meta"],
                description=f"{each['meta']['rule']}: {each['meta']['reason']}",
            ),
            result=dict(each["result"]),
            meta={},
            exception_info={"raised_exception": False, "exception_message": None, "exception_traceback": None},
        )
        for each in kept["results"]
    ]
    passed = sum(bool(each["success"]) for each in kept["results"])
    suite = ExpectationSuiteValidationResult(
        success=passed == len(found),
        results=found,
        suite_name=kept["suite"],
        statistics={
            "evaluated_expectations": len(found),
            "successful_expectations": passed,
            "unsuccessful_expectations": len(found) - passed,
            "success_percent": 100 * passed / len(found) if found else None,
        },
        meta={
            "run_id": {"run_name": f"{provider} {feed} {night}", "run_time": night.isoformat()},
            "active_batch_definition": {"data_asset_name": f"{provider} {feed}"},
            "batch_kwargs": {},
        },
    )
    rendered = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(suite))  # type: ignore[no-untyped-call]  # GX's own
    return self_contained(str(rendered))


def self_contained(page: str) -> str:
    """A page that loads nothing and links nowhere outside, with a style of its own."""
    page = _PICTURE.sub("none", _LINK_OUT.sub('href="#"', _OUTSIDE.sub("", page)))
    return page.replace("</head>", f"{_STYLE}</head>", 1)


def _index(night: date, results: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    lines = []
    for (provider, feed), kept in results.items():
        failed = [each["meta"]["rule"] for each in kept["results"] if not each["success"]]
        told = f'<span class="fail">{html.escape(", ".join(failed))}</span>' if failed else "all hold"
        lines.append(
            f'<tr><td>{html.escape(provider)}</td><td><a href="{html.escape(provider)}/{html.escape(feed)}.html">'
            f"{html.escape(feed)}</a></td><td>{len(kept['results'])}</td><td>{told}</td></tr>"
        )
    head = "<tr><th>Provider</th><th>Feed</th><th>Rules</th><th>Broken</th></tr>"
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Data Docs {night}</title>{_STYLE}</head>'
        f"<body><h1>Data Docs of {night}</h1><table>{head}{''.join(lines)}</table></body></html>\n"
    )
