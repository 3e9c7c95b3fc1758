"""Charts of a page as Vega-Lite specifications, made with Altair.

What belongs here: which marks, axes and scales show each kind of `content.ChartFigure`, and the scripts that draw them.
What does not: figures (`figures`) and the page around a chart (`page`).

Colours are CSS variables of the page (`var(--series-1)`), so that a chart follows the theme, and prints light, without
being drawn again. Nobody must tell colours apart: groups differ in shape or dash too, and every chart has its table.
Text of a report enters a specification as data or as a title only, never as an expression.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from registry_pipeline.govern.disclosure import HIDDEN
from registry_pipeline.pages import words
from registry_pipeline.pages.content import ChartFigure

if TYPE_CHECKING:
    from markupsafe import Markup

Drawing = Any
Channel = Any
"""Altair types its charts and channels too loosely to check; what they make is checked against Vega-Lite's schema."""

SERIES = tuple(f"var(--series-{n})" for n in range(1, 7))
"""Colours of groups, in order."""

DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 6])
SHAPES = ("circle", "diamond", "square", "triangle-up", "cross", "triangle-down")

INK, QUIET, GRID, PAPER = "var(--ink)", "var(--quiet)", "var(--grid)", "var(--paper)"
FLAGGED = "var(--flag)"
FONT = "Frutiger, Arial, Helvetica, sans-serif"

ROW = 24
"""Pixels of a bar's row."""

GROUP_ROW = 15
"""Pixels of a bar within a group of bars."""

HEIGHT = 280
"""Pixels of a chart whose height does not come from its rows."""

LOW_HEIGHT = 170
"""Pixels of a chart with a single line: there are often many of them."""

MOST_DAYS_NAMED = 8

MOST_MARKS = 5000
"""Data of a chart that is still drawn; more than this nobody can read, and the page would be slow."""

LABEL_LIMIT = {"expr": "min(230, 0.42 * containerSize()[0])"}
"""Pixels that a category's label may take: less on a phone."""

PIXELS_OF_A_LETTER = 6.4
"""Of a legend's type: enough to see how many of its names stand side by side."""

REFERENCE_ROW, REFERENCE_ROWS = 14, 2
"""Names of upright reference rules stand above the chart, in turn on two rows, so that neighbours do not overlap."""

LABELLED_ABOVE = ("bars", "grouped_bars", "stacked_bars", "histogram", "intervals")

FORMATS = {"count": ",d", "people": ",d", "number": ",f"}
"""d3 formats of the value axis; that of shares depends on how far they lie apart."""

TICKS = 5
SHARE_DECIMALS, MOST_DECIMALS = 2, 6

LEVEL_TITLE = {"titleAnchor": "end", "titleAlign": "right"}
"""A level axis is named at its right end: a long name then runs towards the labels, not out of a phone's screen."""

FALLBACK_FORMAT = "number"
M_AND_U = {"m": "m: of pairs of one person", "u": "u: of pairs of two people"}
PROBABILITY_TICKS = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1]
SEPARATOR = " \N{MIDDLE DOT} "
LEVEL_ROW = 19
"""Pixels of a level's row."""

LEAST_PROBABILITY = 1e-7
"""An m or u below this is drawn here: a logarithmic axis has no zero."""


@cache
def scripts() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that needs nothing else (about 0.9 MB)."""
    import vl_convert

    return vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its types forget that `snippet` has a default


def can_be_drawn(figure: ChartFigure) -> bool:
    """Whether anything would be seen: there are values, and not more than can be read."""
    return 0 < len(figure.data) <= MOST_MARKS and bool(_drawn(figure))


def specification(figure: ChartFigure) -> dict[str, Any]:
    """The Vega-Lite specification of a chart; its width is that of its place in the page.

    Raises:
        KeyError: no chart of this kind is known.
    """
    import altair as alt

    with alt.theme.enable("none"):
        chart = _DRAWN_BY[figure.kind](figure)
        chart = chart.properties(width="container", autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
        made: dict[str, Any] = chart.properties(background="transparent", padding=2).to_dict()
    made.pop("$schema", None)  # an address in the page that nothing asks for, but that looks like a request
    _share_data(made)
    made["config"] = _config()
    return made


def as_json(figure: ChartFigure) -> Markup:
    """A chart's specification as JSON that may stand in a script element: no `<` in it, so it cannot end there."""
    from markupsafe import Markup

    text = json.dumps(specification(figure), separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704  # escaped above, as JSON asks for it


def _share_data(made: dict[str, Any]) -> None:
    """Rows that several layers draw stand in the specification once."""
    shared: dict[str, Any] = {}

    def share(part: dict[str, Any]) -> None:
        if "values" in part.get("data", {}):
            values = part["data"]["values"]
            name = next((known for known, rows in shared.items() if rows == values), f"rows-{len(shared) + 1}")
            shared[name] = values
            part["data"] = {"name": name}
        for layer in part.get("layer", ()):
            share(layer)

    share(made)
    made["datasets"] = shared


def _config() -> dict[str, Any]:
    axis = {
        "labelColor": INK, "titleColor": QUIET, "gridColor": GRID, "domainColor": GRID, "tickColor": GRID,
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelPadding": 5, "titlePadding": 8,
    }  # fmt: skip
    return {
        "font": FONT,
        "aria": False,  # the page describes the chart once, in words; its marks one by one would only be noise
        "view": {"stroke": None},
        "axis": axis,
        "axisY": {"ticks": False, "domain": False},
        "legend": {
            "orient": "top", "direction": "horizontal", "labelColor": INK, "titleColor": QUIET, "labelFontSize": 12,
            "titleFontSize": 12, "titleFontWeight": "normal", "offset": 8, "symbolSize": 90, "labelLimit": 260,
            "columnPadding": 16,
        },
        "title": {"anchor": "start", "color": QUIET, "fontSize": 12, "fontWeight": "normal", "offset": 8},
        "text": {"fill": INK, "font": FONT, "fontSize": 12},
        "range": {"category": list(SERIES), "symbol": list(SHAPES)},
    }  # fmt: skip


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None


def _drawn(figure: ChartFigure) -> list[dict[str, Any]]:
    """Rows with their tooltip's words; those whose value is not known or not shown are left out, but break a line."""
    measured = MEASURED[figure.kind]
    form = figure.options.get("format", FALLBACK_FORMAT)
    rows = []
    for row in figure.data:
        numbers = {name: _number(row[name]) for name in NUMBERS if name in row}
        if figure.kind != "lines" and any(numbers.get(name) is None for name in measured):
            continue
        told = {f"{name}_told": words.plain(row[name], SHARES_BY_NATURE.get(name, form)) for name in numbers}
        rows.append({**_texts(row), **numbers, **told})
    return rows if any(row.get(measured[-1]) is not None for row in rows) else []


def _texts(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: str(row[name]) for name in ("category", "group", "flag", "comparison", "level") if row.get(name)}
    return {**kept, "x": row["x"]} if "x" in row else kept


NUMBERS = ("value", "low", "high", "from", "to", "reported", "observed", "count", "m", "u")
MEASURED = {
    "bars": ("value",), "grouped_bars": ("value",), "stacked_bars": ("value",), "lines": ("value",),
    "histogram": ("from", "to", "value"), "calibration": ("reported", "observed"), "intervals": ("value",),
    "m_and_u": ("m", "u"),
}  # fmt: skip
"""What a row must have to be drawn."""

SHARES_BY_NATURE = {
    "reported": "share", "observed": "share", "count": "count", "m": "number", "u": "number", "from": "number",
    "to": "number",
}  # fmt: skip


def _data(rows: Sequence[Mapping[str, Any]]) -> Channel:
    import altair as alt

    made: Channel = alt.Data(values=list(rows))  # type: ignore[no-untyped-call]  # Altair's own
    return made


def _at(field: str, channel: Channel) -> Channel:
    """The same axis, at another field's value."""
    made = channel.copy()
    made.field = field
    return made


def _names(rows: Sequence[Mapping[str, Any]], field: str) -> list[str]:
    return list(dict.fromkeys(str(row[field]) for row in rows if row.get(field)))


def _title(figure: ChartFigure, name: str) -> str | None:
    return str(figure.options[name]) if figure.options.get(name) else None


def _format(figure: ChartFigure, *, zero: bool) -> str:
    """d3's format of the value axis, with as many decimals as tell its ticks apart."""
    given = figure.options.get("format", FALLBACK_FORMAT)
    if given != "share":
        return FORMATS["count" if _is_whole(figure) else given]
    values = _values(figure)
    span = (max(values) if zero else max(values) - min(values)) if values else 0
    decimals = math.ceil(-math.log10(100 * span / TICKS)) if span > 0 else SHARE_DECIMALS
    return f".{min(max(decimals, 0), MOST_DECIMALS)}~%"


def _values(figure: ChartFigure) -> list[float]:
    known = (_number(row.get(name)) for row in figure.data for name in ("value", "low", "high"))
    return [value for value in known if value is not None]


def _is_whole(figure: ChartFigure) -> bool:
    """Whether a half on the axis would make no sense."""
    given = figure.options.get("format", FALLBACK_FORMAT)
    return given in {"count", "people"} or (given == "number" and all(value.is_integer() for value in _values(figure)))


def _value_scale(figure: ChartFigure, *, zero: bool) -> Channel:
    import altair as alt

    if figure.options.get("log"):
        # Bars start at nothing, which a logarithm does not have; a symlog axis does.
        return alt.Scale(type="symlog") if zero else alt.Scale(type="log", nice=False)
    return alt.Scale(zero=zero and figure.options.get("zero") is not False, nice=True)


def _value_axis(figure: ChartFigure, *, zero: bool, **more: Any) -> Channel:
    import altair as alt

    whole = _is_whole(figure)
    ticks = {"expr": "containerSize()[0] < 480 ? 4 : 7"}
    settings = {
        "format": _format(figure, zero=zero),
        "tickCount": ticks,
        **({"tickMinStep": 1} if whole else {}),
        **more,
    }
    if figure.options.get("log") and not whole:
        settings["format"] = ",~g"
    elif figure.options.get("log"):
        settings["values"] = [0, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000]
        settings.pop("tickMinStep")
    elif whole and not zero and (values := _values(figure)) and max(values) - min(values) < TICKS:
        settings["values"] = list(range(int(min(values)), int(max(values)) + 1))
    return alt.Axis(**settings)


def _tooltip(figure: ChartFigure, rows: Sequence[Mapping[str, Any]], *names: tuple[str, str]) -> list[Channel]:
    """Words already formatted: an interval's ends show only where there are any."""
    import altair as alt

    value_title = _title(figure, "value_title") or "value"
    ends = (
        [("low_told", "interval from"), ("high_told", "to")] if any(row.get("low") is not None for row in rows) else []
    )
    fields = [*names, *([("value_told", value_title)] if "value" in MEASURED[figure.kind] else []), *ends]
    return [alt.Tooltip(field=field, type="nominal", title=title) for field, title in fields]


def _category(figure: ChartFigure, **more: Any) -> Channel:
    import altair as alt

    names = _names(figure.data, "category")  # one whose value is hidden keeps its row
    axis = alt.Axis(title=None, labelLimit=LABEL_LIMIT, grid=False, **more)
    return alt.Y(field="category", type="nominal", axis=axis, scale=alt.Scale(domain=names, paddingInner=0.3))


def _value(figure: ChartFigure, *, zero: bool) -> Channel:
    import altair as alt

    title = _title(figure, "value_title")
    return alt.X(
        field="value",
        type="quantitative",
        title=title,
        axis=_value_axis(figure, zero=zero, **LEVEL_TITLE),
        scale=_value_scale(figure, zero=zero),
    )


def _colour(figure: ChartFigure) -> Any:
    """The colour of a group; the only one there is, where there are no groups."""
    import altair as alt

    names = _groups(figure)
    if not names:
        return alt.value(SERIES[0])
    return alt.Color(field="group", type="nominal", scale=_over(names, SERIES), legend=_legend(figure, names))


def _shape(figure: ChartFigure) -> dict[str, Any]:
    """Groups differ in shape as well as in colour."""
    import altair as alt

    names = _groups(figure)
    if len(names) < 2:
        return {}
    return {
        "shape": alt.Shape(field="group", type="nominal", scale=_over(names, SHAPES), legend=_legend(figure, names))
    }


def _dash(figure: ChartFigure) -> dict[str, Any]:
    import altair as alt

    names = _groups(figure)
    if len(names) < 2:
        return {}
    legend = _legend(figure, names)
    return {"strokeDash": alt.StrokeDash(field="group", type="nominal", scale=_over(names, DASHES), legend=legend)}


def _over(names: Sequence[str], marks: Sequence[Any]) -> Channel:
    import altair as alt

    return alt.Scale(domain=list(names), range=[marks[n % len(marks)] for n in range(len(names))])


def _legend(figure: ChartFigure, names: Sequence[str]) -> Channel:
    """The same for every channel of a group, so that Vega makes one of them, in as many columns as there is room."""
    import altair as alt

    if len(names) < 2:
        return None
    width = PIXELS_OF_A_LETTER * max(len(name) for name in names) + 32
    columns = {"expr": f"max(1, min({len(names)}, floor(width / {width:.0f})))"}
    offset = 8 + (REFERENCE_ROWS * REFERENCE_ROW if _reference_lines(figure) and figure.kind in LABELLED_ABOVE else 0)
    return alt.Legend(title=_title(figure, "group_title"), columns=columns, offset=offset, symbolOpacity=1)


def _groups(figure: ChartFigure) -> list[str]:
    return _names(figure.data, "group")


def _flag_colour(rows: Sequence[Mapping[str, Any]]) -> Any:
    import altair as alt

    if not any(row.get("flag") in {"amber", "red"} for row in rows):
        return alt.value(SERIES[0])
    flagged = alt.FieldOneOfPredicate(field="flag", oneOf=["amber", "red"])
    return alt.condition(flagged, alt.value(FLAGGED), alt.value(SERIES[0]))


def _interval(rows: Sequence[Mapping[str, Any]], x: Channel, y: Channel, **more: Any) -> Drawing:
    import altair as alt

    measured = [row for row in rows if row.get("low") is not None and row.get("high") is not None]
    if not measured:
        return None
    rule = alt.Chart(_data(measured)).mark_rule(strokeWidth=2, color=INK)
    return rule.encode(x=_at("low", x), x2=alt.X2(field="high"), y=y, **more)


def _flags(rows: Sequence[Mapping[str, Any]], x: Channel, y: Channel) -> Drawing:
    """A mark beside each row that needs attention, for who does not see the colour."""
    import altair as alt

    flagged = [{**row, "end": _end(row)} for row in rows if row.get("flag") in {"amber", "red"}]
    if not flagged:
        return None
    return alt.Chart(_data(flagged)).mark_text(align="left", dx=7, text="▲", fill=FLAGGED).encode(x=_at("end", x), y=y)


def _hidden(figure: ChartFigure, y: Channel, **more: Any) -> Drawing:
    """The sign of a hidden number where its bar would be: not to be taken for none."""
    import altair as alt

    hidden = [{**_texts(row), "told": HIDDEN} for row in figure.data if row.get("value") == HIDDEN]
    if not hidden:
        return None
    sign = alt.Chart(_data(hidden)).mark_text(align="left", fill=QUIET)
    return sign.encode(x=alt.value(4), y=y, text=alt.Text(field="told", type="nominal"), **more)


def _end(row: Mapping[str, Any]) -> Any:
    return row["high"] if row.get("high") is not None else row["value"]


def _references(figure: ChartFigure, axis: str) -> list[Drawing]:
    """Dashed rules across the value axis (or the histogram's own), each with its name at the top."""
    import altair as alt

    lines = _reference_lines(figure)
    if not lines:
        return []
    rule = alt.Chart(_data(lines)).mark_rule(strokeDash=[5, 4], strokeWidth=1.5, color=INK)
    label = alt.Text(field="label", type="nominal")
    if axis == "x":
        place = alt.X(field="value", type="quantitative")
        above = [-3 - REFERENCE_ROW * (n % REFERENCE_ROWS) for n in range(len(lines))]
        names = [
            alt.Chart(_data([line]))
            .mark_text(baseline="bottom", dy=dy, fill=INK)
            .encode(x=place, y=alt.value(0), text=label)
            for line, dy in zip(lines, above, strict=True)
        ]
        return [rule.encode(x=place), *names]
    across = alt.Y(field="value", type="quantitative")
    name = alt.Chart(_data(lines)).mark_text(align="left", baseline="bottom", dy=-3, fill=INK)
    return [rule.encode(y=across), name.encode(y=across, x=alt.value(4), text=label)]


def _reference_lines(figure: ChartFigure) -> list[dict[str, Any]]:
    """In the order of their values, so that neighbours' names take turns."""
    lines = [
        {"value": value, "label": str(line.get("label", ""))}
        for line in figure.options.get("reference", ())
        if (value := _number(line.get("value"))) is not None
    ]
    return sorted(lines, key=lambda line: float(line["value"]))


def _layers(*layers: Drawing) -> Drawing:
    import altair as alt

    return alt.layer(*(layer for layer in layers if layer is not None))


def _height(figure: ChartFigure) -> int:
    rows = len(_names(figure.data, "category"))
    return rows * max(ROW, GROUP_ROW * len(_groups(figure)) + 8 if figure.kind != "stacked_bars" else 0)


def _bars(figure: ChartFigure) -> Drawing:
    import altair as alt

    rows = _drawn(figure)
    x, y = _value(figure, zero=True), _category(figure)
    tooltip = _tooltip(figure, rows, ("category", _title(figure, "category_title") or "row"))
    bars = alt.Chart(_data(rows)).mark_bar().encode(x=x, y=y, color=_flag_colour(rows), tooltip=tooltip)
    flags = _flags(rows, x, y)
    drawn = _layers(bars, _interval(rows, x, y), flags, _hidden(figure, y), *_references(figure, "x"))
    return _titled(drawn.properties(height=_height(figure)), _title(figure, "category_title"))


def _grouped_bars(figure: ChartFigure) -> Drawing:
    import altair as alt

    rows = _drawn(figure)
    x, y = _value(figure, zero=True), _category(figure)
    beside = alt.YOffset(field="group", type="nominal", sort=_groups(figure))
    bars = alt.Chart(_data(rows)).mark_bar()
    shown = bars.encode(x=x, y=y, yOffset=beside, color=_colour(figure), tooltip=_group_tooltip(figure, rows))
    ends = _interval(rows, x, y, yOffset=beside)
    drawn = _layers(shown, ends, _hidden(figure, y, yOffset=beside), *_references(figure, "x"))
    return _titled(drawn.properties(height=_height(figure)), _title(figure, "category_title"))


def _stacked_bars(figure: ChartFigure) -> Drawing:
    import altair as alt

    place = {name: n for n, name in enumerate(_groups(figure))}
    rows = [{**row, "place": place.get(row.get("group", ""), 0)} for row in _drawn(figure)]
    bars = alt.Chart(_data(rows)).mark_bar(stroke=PAPER, strokeWidth=1).encode(
        x=_value(figure, zero=True), y=_category(figure), color=_colour(figure), tooltip=_group_tooltip(figure, rows),
        order=alt.Order(field="place", type="quantitative"),
    )  # fmt: skip
    drawn = _layers(bars, *_references(figure, "x")).properties(height=_height(figure))
    return _titled(drawn, _title(figure, "category_title"))


def _group_tooltip(figure: ChartFigure, rows: Sequence[Mapping[str, Any]]) -> list[Channel]:
    category = ("category", _title(figure, "category_title") or "row")
    return _tooltip(figure, rows, category, ("group", _title(figure, "group_title") or "group"))


def _lines(figure: ChartFigure) -> Drawing:
    import altair as alt

    rows = _drawn(figure)
    dates = all(isinstance(row["x"], str) for row in rows)
    rows = [{**row, "x_told": words.plain(row["x"], "date" if dates else "number")} for row in rows]
    x_title = _title(figure, "x_title")
    ticks = {"expr": "containerSize()[0] / 90"}
    at: dict[str, Any] = {"values": _days(rows)} if dates and len(_days(rows)) <= MOST_DAYS_NAMED else {}
    form = "%-d %b" if dates else ",f"
    axis = alt.Axis(title=x_title, grid=False, labelOverlap=True, tickCount=ticks, format=form, **at)
    scale = alt.Scale(type="utc", padding=8) if dates else alt.Scale(zero=False, nice=False, padding=8)
    x = alt.X(field="x", type="temporal" if dates else "quantitative", axis=axis, scale=scale)
    y = alt.Y(
        field="value", type="quantitative", title=None, axis=_value_axis(figure, zero=False, tickCount=TICKS),
        scale=_value_scale(figure, zero=figure.options.get("zero") is True),
    )  # fmt: skip
    group = [("group", _title(figure, "group_title") or "group")] if _groups(figure) else []
    tooltip = _tooltip(figure, rows, ("x_told", x_title or ("night" if dates else "at")), *group)
    base, colour = alt.Chart(_data(rows)), _colour(figure)
    line = base.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour, detail=_detail(figure), **_dash(figure))
    # Points are drawn where a value stands alone too: one night has no line yet.
    points = base.mark_point(size=34, filled=True, opacity=1)
    seen = points.encode(x=x, y=y, color=colour, tooltip=tooltip, **_shape(figure))
    drawn = _layers(_band(rows, x, y, colour), line, seen, *_references(figure, "y"))
    return _titled(
        drawn.properties(height=HEIGHT if len(_groups(figure)) > 1 else LOW_HEIGHT), _title(figure, "value_title")
    )


def _days(rows: Sequence[Mapping[str, Any]]) -> list[Channel]:
    """Nights as Vega-Lite takes them: of few nights each is named, and no hour between them."""
    import altair as alt

    days = sorted({datetime.fromisoformat(row["x"]) for row in rows})
    return [alt.DateTime(year=day.year, month=day.month, date=day.day, utc=True) for day in days]


def _detail(figure: ChartFigure) -> Any:
    import altair as alt

    return alt.Detail(field="group", type="nominal") if _groups(figure) else alt.Undefined


def _band(rows: Sequence[Mapping[str, Any]], x: Channel, y: Channel, colour: Any) -> Drawing:
    import altair as alt

    measured = [row for row in rows if row.get("low") is not None and row.get("high") is not None]
    if not measured:
        return None
    area = alt.Chart(_data(measured)).mark_area(opacity=0.18)
    return area.encode(x=x, y=_at("low", y), y2=alt.Y2(field="high"), color=colour)


def _titled(chart: Drawing, title: str | None) -> Drawing:
    """The title of the upright axis, level and above it: read without turning one's head."""
    return chart.properties(title=title) if title else chart


def _histogram(figure: ChartFigure) -> Drawing:
    import altair as alt

    rows = [{**row, "bin_told": f"{row['from_told']} to {row['to_told']}"} for row in _drawn(figure)]
    x_title = _title(figure, "x_title")
    x = alt.X(
        field="from", type="quantitative", bin="binned", title=x_title, axis=alt.Axis(grid=False, format=",f"),
        scale=alt.Scale(zero=False, nice=False),
    )  # fmt: skip
    y = alt.Y(
        field="value", type="quantitative", title=None, axis=_value_axis(figure, zero=True, tickCount=TICKS),
        scale=_value_scale(figure, zero=True),
    )  # fmt: skip
    group = [("group", _title(figure, "group_title") or "group")] if _groups(figure) else []
    # Stacked on a logarithmic axis, an upper part would look like nothing: groups then stand one before the other,
    # the lowest in front.
    over = bool(group and figure.options.get("log"))
    rows = sorted(rows, key=lambda row: -row["value"]) if over else rows
    bars = alt.Chart(_data(rows)).mark_bar(stroke=PAPER, strokeWidth=0.5)
    shown = bars.encode(
        x=x, x2=alt.X2(field="to"), y=y.stack(None) if over else y, color=_colour(figure),
        tooltip=_tooltip(figure, rows, ("bin_told", x_title or "from"), *group),
    )  # fmt: skip
    drawn = _layers(shown, *_references(figure, "x")).properties(height=HEIGHT)
    title = _title(figure, "value_title")
    return _titled(drawn, f"{title}; bars of one place stand one before the other" if over and title else title)


def _calibration(figure: ChartFigure) -> Drawing:
    import altair as alt

    rows = _drawn(figure)
    least = min(min(row["reported"], row["observed"], row.get("low") or 1.0) for row in rows)
    start = math.floor(least * 10) / 10
    scale = alt.Scale(domain=[start, 1], nice=False, clamp=True)
    ticks = alt.Axis(format=".2~%", tickCount={"expr": "containerSize()[0] < 480 ? 4 : 7"})
    x_title = _title(figure, "x_title") or "probability that the model reported"
    x = alt.X(field="reported", type="quantitative", title=x_title, scale=scale, axis=ticks)
    upright = alt.Axis(format=".2~%", tickCount=6)
    y = alt.Y(field="observed", type="quantitative", title=None, scale=scale, axis=upright)
    told = [("reported_told", "reported"), ("observed_told", "found true")]
    told += [("count_told", "pairs")] if any("count_told" in row for row in rows) else []
    told += [("group", _title(figure, "group_title") or "group")] if _groups(figure) else []
    colour = _colour(figure)
    points = alt.Chart(_data(rows)).mark_point(size=80, filled=True, opacity=1).encode(
        x=x, y=y, color=colour, tooltip=_tooltip(figure, rows, *told), **_shape(figure)
    )  # fmt: skip
    drawn = _layers(_ideal(start, x, y), _whiskers(rows, x, y, colour), points).properties(height=HEIGHT + 40)
    return _titled(drawn, _title(figure, "value_title") or "share found to be true")


def _ideal(start: float, x: Channel, y: Channel) -> Drawing:
    """Where the points would lie if every reported probability were true."""
    import altair as alt

    ends: list[dict[str, float]] = [{"reported": start, "observed": start}, {"reported": 1, "observed": 1}]
    told = [{"reported": (start + 1) / 2, "observed": (start + 1) / 2, "told": "as reported"}]
    line = alt.Chart(_data(ends)).mark_line(strokeDash=[5, 4], strokeWidth=1.5, color=QUIET).encode(x=x, y=y)
    name = alt.Chart(_data(told)).mark_text(align="left", dx=12, dy=14, fill=QUIET)
    return alt.layer(line, name.encode(x=x, y=y, text=alt.Text(field="told", type="nominal")))


def _whiskers(rows: Sequence[Mapping[str, Any]], x: Channel, y: Channel, colour: Any) -> Drawing:
    import altair as alt

    measured = [row for row in rows if row.get("low") is not None and row.get("high") is not None]
    if not measured:
        return None
    rule = alt.Chart(_data(measured)).mark_rule(strokeWidth=1.5)
    return rule.encode(x=x, y=_at("low", y), y2=alt.Y2(field="high"), color=colour)


def _intervals(figure: ChartFigure) -> Drawing:
    import altair as alt

    rows, groups = _drawn(figure), _groups(figure)
    x, y = _value(figure, zero=False), _category(figure, labelPadding=10)  # a dot at the least value needs room
    beside = {"yOffset": alt.YOffset(field="group", type="nominal", sort=groups)} if len(groups) > 1 else {}
    colour = _colour(figure) if len(groups) > 1 else _flag_colour(rows)
    told = [("category", _title(figure, "category_title") or "row")]
    told += [("group", _title(figure, "group_title") or "group")] if groups else []
    dots = alt.Chart(_data(rows)).mark_point(size=70, filled=True, opacity=1).encode(
        x=x, y=y, color=colour, tooltip=_tooltip(figure, rows, *told), **_shape(figure), **beside
    )  # fmt: skip
    flags = _flags(rows, x, y) if len(groups) < 2 else None
    drawn = _layers(
        _interval(rows, x, y, **beside, color=colour),
        dots,
        flags,
        _hidden(figure, y, **beside),
        *_references(figure, "x"),
    )
    return _titled(drawn.properties(height=_height(figure)), _title(figure, "category_title"))


def _m_and_u(figure: ChartFigure) -> Drawing:
    """Each level as a line from u to m on a logarithmic axis: its length is the evidence that the level gives."""
    import altair as alt

    rows, order = _levels(figure)
    # A comparison's own name heads its levels; a level's label is what stands behind the separator.
    heads = f"indexof(datum.value, '{SEPARATOR}') < 0"
    axis = alt.Axis(
        title=None,
        grid=False,
        labelLimit=LABEL_LIMIT,
        labelExpr=f"{heads} ? datum.label : split(datum.label, '{SEPARATOR}')[1]",
        labelFontWeight={"condition": {"test": heads, "value": "bold"}, "value": "normal"},
    )
    y = alt.Y(field="name", type="nominal", axis=axis, scale=alt.Scale(domain=order))
    ticks = alt.Axis(format=".4~%", values=PROBABILITY_TICKS, labelOverlap=True, titleAnchor="end", titleAlign="right")
    scale = alt.Scale(type="log", nice=False, padding=10)
    title = _title(figure, "value_title") or "share of pairs at this level"
    x = alt.X(field="p", type="quantitative", title=title, scale=scale, axis=ticks)
    told = (("comparison",) * 2, ("level",) * 2, ("m_told", "m"), ("u_told", "u"), ("weight", "match weight"))
    tooltip = [alt.Tooltip(field=field, type="nominal", title=name) for field, name in told]
    for_match = alt.FieldEqualPredicate(field="leans", equal="match")
    lean = alt.condition(for_match, alt.value(SERIES[0]), alt.value(SERIES[1]))
    line = alt.Chart(_data(rows)).mark_rule(strokeWidth=3)
    lines = line.encode(x=_at("u", x), x2=alt.X2(field="m"), y=y, color=lean, tooltip=tooltip)
    dots = [{**row, "p": row[p], "kind": kind} for row in rows for p, kind in M_AND_U.items()]
    kinds = list(M_AND_U.values())
    legend = alt.Legend(title=None, columns={"expr": "width < 360 ? 1 : 2"})
    marks = alt.Chart(_data(dots)).mark_point(size=70, filled=True, opacity=1)
    points = marks.encode(
        x=x,
        y=y,
        tooltip=tooltip,
        shape=alt.Shape(field="kind", type="nominal", scale=_over(kinds, SHAPES), legend=legend),
        color=alt.Color(field="kind", type="nominal", scale=_over(kinds, SERIES), legend=legend),
    )
    return _layers(lines, points).properties(height=LEVEL_ROW * len(order))


def _levels(figure: ChartFigure) -> tuple[list[dict[str, Any]], list[str]]:
    """Levels with what they weigh, and all names from top to bottom: each comparison before its levels."""
    rows, order = [], []
    drawn = _drawn(figure)
    for comparison in _names(drawn, "comparison"):
        order.append(comparison)
        for row in drawn:
            if row["comparison"] != comparison:
                continue
            m, u = (max(row[p], LEAST_PROBABILITY) for p in M_AND_U)
            name = f"{comparison}{SEPARATOR}{row.get('level', '')}"
            leans = "match" if m >= u else "no match"
            rows.append(
                {**row, "name": name, "m": m, "u": u, "weight": words.plain(math.log2(m / u), "number"), "leans": leans}
            )
            order.append(name)
    return rows, order


_DRAWN_BY: dict[str, Callable[[ChartFigure], Any]] = {
    "bars": _bars,
    "grouped_bars": _grouped_bars,
    "stacked_bars": _stacked_bars,
    "lines": _lines,
    "histogram": _histogram,
    "calibration": _calibration,
    "intervals": _intervals,
    "m_and_u": _m_and_u,
}
