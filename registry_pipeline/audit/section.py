"""What a page says of one measure of one organisation: its words, charts and tables.

What belongs here: sentences, and which charts show a measure. What does not: figures (`shown`), marks (`pages.process`,
`pages.comparison`), and how sections become a page (`pages`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from typing import TYPE_CHECKING

from registry_pipeline.audit.funnel import limits
from registry_pipeline.audit.measures import Measure
from registry_pipeline.audit.shown import GROUPS, NAMELESS, PEERS, SYSTEM, Counted, Series, Shown, Unit
from registry_pipeline.govern.disclosure import HIDDEN
from registry_pipeline.pages import comparison, process, words
from registry_pipeline.pages.comparison import Bar, Dot, Funnel
from registry_pipeline.pages.content import CellKind
from registry_pipeline.pages.process import SIGNAL_WORDS, Variation

if TYPE_CHECKING:
    from markupsafe import Markup

FUNNEL_WORDS: Mapping[str, str] = {
    "within": "within chance",
    "above_95": "above the 95% limit",
    "below_95": "below the 95% limit",
    "above_99_8": "above the 99.8% limit",
    "below_99_8": "below the 99.8% limit",
}
FAR = ("above_99_8", "below_99_8")
"""Beyond what chance explains: one in twenty lies beyond the 95% limits by chance alone."""

MOST_BARS = 30
"""Organisations that are told as rows with their intervals, where no funnel has limits; of more, all are dots."""

TALL = 9
"""Rows of a chart above which it takes the room of two."""

LONGEST_AXIS = 48
"""Letters of an axis's name."""

MOST_TOLD = 8
"""Organisations named in a sentence."""

NAMES_OF: Mapping[str, tuple[str, str]] = {
    "practice": ("practice", "practices"),
    "provider": ("provider", "providers"),
    "neighbourhood": ("neighbourhood", "neighbourhoods"),
    "ethnicity": ("ethnic group", "ethnic groups"),
    "deprivation": ("deprivation group", "deprivation groups"),
    "system": ("system", "systems"),
}
"""One and several of a dimension."""

BETTER_WORDS = {"up": "higher is better", "down": "lower is better", "neither": "neither direction is better"}

DEPRIVATION = {"1": "1, most deprived", "5": "5, least deprived"}
"""Fifths by national deciles: the outer ones named."""


@dataclass(frozen=True)
class Table:
    """A table of words: the first column heads its row."""

    id: str
    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Chart:
    """A chart that is drawn already: `drawn` is None where nothing is known, and `description` says so."""

    id: str
    title: str
    description: str
    drawn: Markup | None
    table: Table | None = None
    is_tall: bool = False


@dataclass(frozen=True)
class Told:
    """A measure of one organisation, as the page tells it.

    Attributes:
        measure: which.
        variation: what its newest month says.
        month, month_value: the newest month and its figure.
        year, year_value, year_interval: the last whole year.
        system_value: the system's of the same year; empty on the system's page.
        place: where it lies among its peers, or empty.
        place_mark: what that place says: improvement, concern, change or common.
        peers_of_concern: on the system's page, how many organisations lie beyond the limits to the worse side.
        linkage: what it moves between as the linkage threshold moves; empty where it does not.
        is_linkage_wider: whether that range is wider than the interval.
        small: its run, for a row of a table.
        charts: of its section.
        not_made: why there are no figures of it; empty where there are.
    """

    measure: Measure
    variation: Variation
    month: str
    month_value: str
    year: str
    year_value: str
    year_interval: str
    system_value: str
    place: str
    place_mark: str
    peers_of_concern: str
    linkage: str
    is_linkage_wider: bool
    small: Markup | None
    charts: tuple[Chart, ...]
    not_made: str = ""

    @property
    def is_shown(self) -> bool:
        """Whether its newest month or its last year is told, and not hidden."""
        return bool({self.month_value, self.year_value} - {HIDDEN, words.NOT_KNOWN})


@dataclass(frozen=True)
class Teller:
    """What all pages need to tell one measure.

    Attributes:
        measure: which.
        shown: all figures.
        decimals: of its values, so that they compare; None where they are shares, which have their own.
        told: peers' funnels by dimension, drawn once, with the names of dots: for the system's page.
        untold: the same without names, for those of organisations: much smaller.
    """

    measure: Measure
    shown: Shown
    decimals: int | None
    told: Mapping[str, Funnel | None]
    untold: Mapping[str, Funnel | None]

    @property
    def is_comparable(self) -> bool:
        """Whether values of organisations of different size may stand beside each other: not how many meetings."""
        return self.measure.counts_people

    @property
    def kind(self) -> CellKind:
        """How its values read."""
        return "share" if self.measure.kind == "share" else "number"

    def value(self, value: float | None, *, is_hidden: bool = False) -> str:
        """A value as words."""
        return HIDDEN if is_hidden and value is None else words.plain(value, self.kind, self.decimals)

    def counted(self, year: Counted | None) -> str:
        """The value of a period as words."""
        return words.NOT_KNOWN if year is None else self.value(year.value, is_hidden=year.is_hidden)

    def interval(self, year: Counted | None) -> str:
        """Its interval as words; empty where there is none."""
        return "" if year is None or year.value is None else self.span(year.low, year.high)

    def span(self, low: float | None, high: float | None) -> str:
        """`12.1 to 13.4`, or `12.1` where both read the same; empty where an end is not known."""
        if low is None or high is None:
            return ""
        ends = list(dict.fromkeys((self.value(low), self.value(high))))
        return " to ".join(ends)

    def system_year(self) -> Counted | None:
        """The system's last year."""
        return self.shown.of(SYSTEM, self.measure.name).year


def month_name(day: date) -> str:
    """`March 2026`."""
    return f"{day:%B %Y}"


def year_name(year: Counted) -> str:
    """`April 2025 to March 2026`."""
    return f"{month_name(year.start)} to {month_name(year.end)}"


def group_name(value: str, dimension: str = "") -> str:
    """A group or organisation as people read it."""
    told = DEPRIVATION.get(value, value) if dimension == "deprivation" else value
    return told[:1].upper() + told[1:] if dimension in GROUPS else told


def judged(funnel: str | None, better: str) -> str:
    """What a place beyond the outer limits says: improvement, concern, change, or common where it is not beyond."""
    if funnel not in FAR:
        return "common"
    if better == "neither":
        return "change"
    return "improvement" if (funnel == "above_99_8") == (better == "up") else "concern"


def teller(measure: Measure, shown: Shown) -> Teller:
    """Make ready to tell a measure: draw the funnels of its peers."""
    told: dict[str, Funnel | None] = {}
    untold: dict[str, Funnel | None] = {}
    values = [series.year.value for _, series in shown.among("practice", measure.name) if series.year]
    system = shown.of(SYSTEM, measure.name).year
    known = [value for value in [*values, system.value if system else None] if value is not None]
    decimals = words.decimals_of([max(known, default=1.0) + 1e-6], "number") if measure.kind != "share" else None
    if not measure.counts_people:  # whole meetings by the month, and their mean over a year
        decimals = None
    made = Teller(measure, shown, decimals, told, untold)
    if system is None or system.value is None or not made.is_comparable:
        return made
    by_size = cache(partial(limits, measure, system.value))
    for dimension in PEERS:
        peers = shown.among(dimension, measure.name)
        bound = by_size if any(series.year and series.year.funnel for _, series in peers) else _no_limits
        has_limits = dimension == "practice" and measure.kind in ("share", "rate")
        if len(peers) <= MOST_BARS and not has_limits:
            continue
        named = [(name, series.year) for name, series in peers if name not in NAMELESS]
        dots = [dot for name, year in named if (dot := _dot(name, year, measure))]
        for found, tells in ((told, True), (untold, False)):
            found[dimension] = comparison.funnel(
                dots, system.value, bound, reads=made.value, share=made.kind == "share", across=_across(measure),
                tells=tells,
            )  # fmt: skip
    return made


def _across(measure: Measure) -> str:
    """What a funnel's level axis counts, short enough to stand below it."""
    if len(measure.denominator) <= LONGEST_AXIS:
        return measure.denominator
    return measure.unit.removeprefix("share of ").capitalize()


def _no_limits(_: float) -> None:
    """Of organisations that nobody judged."""


def concerns_by_unit(tellers: Sequence[Teller]) -> dict[Unit, int]:
    """In how many measures each organisation lies beyond the 99.8% limits, to the side that is worse; only who does."""
    found: Counter[Unit] = Counter()
    for by in tellers:
        found.update((dimension, name) for dimension in PEERS for name in _of_concern(by, dimension))
    return dict(found)


def _of_concern(by: Teller, dimension: str) -> list[str]:
    return [
        name
        for name, series in by.shown.among(dimension, by.measure.name)
        if name not in NAMELESS and series.year and judged(series.year.funnel, by.measure.better) == "concern"
    ]


def _concern_words(by: Teller) -> str:
    """`5 practices, 1 provider`."""
    counts = [(each, len(_of_concern(by, each))) for each in PEERS]
    return ", ".join(f"{count} {NAMES_OF[each][count > 1]}" for each, count in counts if count)


def _dot(name: str, year: Counted | None, measure: Measure) -> Dot | None:
    if year is None or year.value is None or year.denominator is None:
        return None
    return Dot(group_name(name), year.denominator, year.value, judged(year.funnel, measure.better))


def tell(by: Teller, unit: Unit, not_made: str = "") -> Told:
    """What a page says of a measure of an organisation.

    Args:
        by: of the measure.
        unit: the organisation, or the system.
        not_made: why the measure could not be counted at all; empty where it was.
    """
    measure, shown = by.measure, by.shown
    series = shown.of(unit, measure.name)
    system = shown.of(SYSTEM, measure.name)
    year, latest = series.year, series.latest
    found = process.variation(series.months)
    of_peers = unit[0] in PEERS and year is not None and year.funnel is not None
    moves = year is not None and year.has_linkage_range
    return Told(
        measure=measure,
        variation=found,
        month=month_name(latest[0].start) if latest else "",
        month_value=by.value(latest[0].value, is_hidden=latest[0].is_hidden) if latest else words.NOT_KNOWN,
        year=year_name(year) if year else "",
        year_value=by.counted(year),
        year_interval=by.interval(year),
        system_value="" if unit == SYSTEM else by.counted(system.year if by.is_comparable else None),
        place=FUNNEL_WORDS.get(year.funnel or "", "") if of_peers and year else "",
        peers_of_concern=_concern_words(by) if unit == SYSTEM else "",
        place_mark=judged(year.funnel if year else None, measure.better),
        linkage=by.span(year.linkage_low, year.linkage_high) if moves and year else "",
        is_linkage_wider=bool(year and year.is_linkage_wider),
        small=process.small(series.months),
        charts=tuple(_charts(by, unit)),
        not_made=not_made or ("" if series.months or series.years else "No figure of it here in these months."),
    )


def _charts(by: Teller, unit: Unit) -> list[Chart]:
    series = by.shown.of(unit, by.measure.name)
    found = [_by_month(by, series), _by_year(by, unit)]
    if unit == SYSTEM:
        found += [_peers(by, each) for each in ("practice", "provider")]
        found += [_groups(by, each) for each in GROUPS]
        found.append(_peers(by, "neighbourhood"))
    else:
        found.append(_peers(by, unit[0], own=unit[1]))
    return [chart for chart in found if chart is not None]


def _by_month(by: Teller, series: Series) -> Chart | None:
    if len(series.months) < 2:
        return None
    title = "Month by month" if not by.measure.is_state else "How things stood at each month's end"
    return Chart(
        f"{by.measure.name}-months", title, _month_words(by, series),
        process.chart(series.months, reads=by.value, share=by.kind == "share"), _month_table(by, series),
    )  # fmt: skip


def _month_words(by: Teller, series: Series) -> str:
    known = [month for month in series.months if month.value is not None]
    if not known:
        return "No month may be shown: all are small numbers." if _hides(series) else "Nothing is known of any month."
    last = known[-1]
    said = f"{month_name(last.start)}: {by.value(last.value)}."
    if by.measure.is_state:
        return f"{said} Successive months share most of what they count, so no limits are drawn."
    if last.centre is None:
        few = "there are too few months, or fewer than one event a month"
        return f"{said} No limits are drawn: {'a month is hidden' if _hides(series) else few}."
    found = process.variation(series.months)
    said += f" {found.words}: {found.why}." if found.why else " No signal: nothing but the usual ups and downs."
    return f"{said} Mean {by.value(last.centre)}, limits {by.span(last.low, last.high)}."


def _hides(series: Series) -> bool:
    return any(month.is_hidden for month in series.months)


def _month_table(by: Teller, series: Series) -> Table:
    rows = [
        (
            f"{month.start:%b %Y}", by.value(month.value, is_hidden=month.is_hidden), by.interval(of),
            *_counts(of), _limit_words(by, month.low, month.high), _signal_words(month.signal, month.signal_is),
        )
        for month, of in zip(series.months, series.counted, strict=True)
    ]  # fmt: skip
    columns = ("Month", "Value", "95% interval", "Counted", "Of", "Limits", "Signal")
    return Table(f"{by.measure.name}-months", f"{by.measure.title}: months", columns, rows)


def _limit_words(by: Teller, low: float | None, high: float | None) -> str:
    return by.span(low, high) or words.NOT_KNOWN


def _signal_words(signal: str | None, says: str | None) -> str:
    return f"{says}: {SIGNAL_WORDS.get(signal, signal)}" if signal and says else ""


def _counts(of: Counted | None) -> tuple[str, str]:
    """Numerator and denominator as words."""
    if of is None:
        return words.NOT_KNOWN, words.NOT_KNOWN
    hidden = [HIDDEN if of.is_hidden and each is None else None for each in (of.numerator, of.denominator)]
    told = [words.plain(each, "count") for each in (_whole(of.numerator), _whole(of.denominator))]
    return hidden[0] or told[0], hidden[1] or told[1]


def _whole(value: float | None) -> float | None:
    """Large counts need no tenths: person-years have them."""
    return round(value) if value is not None and value >= 100 else value


def _by_year(by: Teller, unit: Unit) -> Chart | None:
    """The last year beside the one before, the system's, and what linkage leaves open."""
    series, system = by.shown.of(unit, by.measure.name), by.shown.of(SYSTEM, by.measure.name)
    year, before = series.year, series.year_before
    if year is None:
        return None
    bars = [_bar(f"Year to {year.end:%b %Y}", year)]
    bars += [_bar(f"Year to {before.end:%b %Y}", before)] if before else []
    bars += [_bar("Whole system", system.year)] if unit != SYSTEM and system.year and by.is_comparable else []
    if year.has_linkage_range:
        bars.append(Bar("As linkage moves", year.value, year.linkage_low, year.linkage_high, mark="range"))
    drawn = comparison.intervals(bars, None, reads=by.value, share=by.kind == "share")
    return Chart(f"{by.measure.name}-year", "The year, and how sure it is", _year_words(by, year), drawn,
                 _year_table(by, series, system if unit != SYSTEM and by.is_comparable else None))  # fmt: skip


def _bar(name: str, year: Counted, mark: str = "common", *, is_own: bool = False) -> Bar:
    return Bar(name, year.value, year.low, year.high, year.is_hidden, mark, is_own)


def _year_words(by: Teller, year: Counted) -> str:
    if year.value is None:
        return "Hidden: a small number." if year.is_hidden else "Nobody and nothing was counted in this year."
    said = f"{year_name(year)}: {by.value(year.value)} ({by.measure.unit}), 95% interval {by.interval(year)}."
    if not year.has_linkage_range:
        return said
    between = by.span(year.linkage_low, year.linkage_high)
    said += f" As the linkage threshold moves it {'goes from' if ' to ' in between else 'stays at'} {between}"
    return said + (": linkage leaves it less sure than chance does." if year.is_linkage_wider else ".")


def _year_table(by: Teller, series: Series, system: Series | None) -> Table:
    rows = [(year_name(year), *_year_cells(by, year)) for year in reversed(series.years)]
    if system and system.year:
        rows.append((f"Whole system, {year_name(system.year)}", *_year_cells(by, system.year)))
    columns = ("Year", "Value", "95% interval", "Counted", "Of", "As linkage moves")
    return Table(f"{by.measure.name}-year", f"{by.measure.title}: years", columns, rows)


def _year_cells(by: Teller, year: Counted | None) -> tuple[str, ...]:
    linkage = by.span(year.linkage_low, year.linkage_high) if year else ""
    known = by.interval(year) or words.NOT_KNOWN
    return by.counted(year), known, *_counts(year), linkage or words.NOT_KNOWN


def _peers(by: Teller, dimension: str, own: str = "") -> Chart | None:
    """An organisation among those of its kind; on the system's page, all of them."""
    peers = by.shown.among(dimension, by.measure.name)
    years = [(name, series.year) for name, series in peers if series.year]
    if len(years) < 2 or (len(years) > MOST_BARS and dimension not in by.told):
        return None
    funnel = (by.untold if own else by.told).get(dimension)
    if funnel is not None:
        of_own = next((_dot(name, year, by.measure) for name, year in years if name == own), None)
        drawn: Markup | None = funnel.drawn(of_own)
    else:
        bars = [
            _bar(group_name(name), year, judged(year.funnel, by.measure.better), is_own=name == own)
            for name, year in years
        ]
        centre = by.system_year() if by.is_comparable else None
        drawn = comparison.intervals(
            bars, centre.value if centre else None, reads=by.value, share=by.kind == "share", of="whole system"
        )
    one, several = NAMES_OF[dimension]
    title = f"Among {several}" if own else several.capitalize()
    table = None if own else _peer_table(by, dimension, years)
    said = _peer_words(by, dimension, years, own)
    if drawn is None:
        said = f"No {one} may be shown: all are small numbers." if any(y.is_hidden for _, y in years) else said
    is_tall = funnel is None and len(years) > TALL
    return Chart(f"{by.measure.name}-{dimension}", title, said, drawn, table, is_tall)


def _peer_words(by: Teller, dimension: str, years: Sequence[tuple[str, Counted]], own: str) -> str:
    _, several = NAMES_OF[dimension]
    years = [(name, year) for name, year in years if name not in NAMELESS or name == own]
    known = [(name, year) for name, year in years if year.value is not None]
    said = []
    of_own = next((year for name, year in known if name == own), None)
    if of_own is not None and of_own.funnel:
        said.append(f"{group_name(own)} lies {FUNNEL_WORDS[of_own.funnel]}.")
    elif own and of_own is None:
        said.append(f"{group_name(own)} is not shown: its number is small, or nothing was counted.")
    judged_ones = [(name, year) for name, year in known if year.funnel]
    if judged_ones:
        above, below = ([name for name, year in judged_ones if year.funnel == far] for far in FAR)
        many = f"{len(judged_ones)} {several}"
        if above or below:
            said.append(f"Of {many}, {_listed(above)} above the 99.8% limits, {_listed(below)} below.")
        else:
            said.append(f"All {many} lie within the 99.8% limits: chance can explain how they differ.")
        alone = [name for name, year in known if not year.funnel]
        said += (
            [f"Not judged, the only one of its setting: {_first(alone)}."] if alone and dimension == "provider" else []
        )
    elif known:
        said.append(_range_words(by, dimension, known))
    left = len(years) - len(known)
    return " ".join([*said, f"{left} not shown (small numbers)."] if left else said)


def _listed(names: Sequence[str]) -> str:
    """`2 (A81001, A81002) lie`, as far as names can be read."""
    if not names:
        return "none lies"
    return f"{len(names)} ({_first([group_name(name) for name in names])}) {'lie' if len(names) > 1 else 'lies'}"


def _first(names: Sequence[str]) -> str:
    """As many names as can be read, and how many more there are."""
    more = f" and {len(names) - MOST_TOLD} more" if len(names) > MOST_TOLD else ""
    return ", ".join(names[:MOST_TOLD]) + more


def _range_words(by: Teller, dimension: str, known: Sequence[tuple[str, Counted]]) -> str:
    highest = max(known, key=lambda each: each[1].value or 0)
    lowest = min(known, key=lambda each: each[1].value or 0)
    return (
        f"Highest, {group_name(highest[0], dimension)}: {by.value(highest[1].value)};"
        f" lowest, {group_name(lowest[0], dimension)}: {by.value(lowest[1].value)}."
    )


def _peer_table(by: Teller, dimension: str, years: Sequence[tuple[str, Counted]]) -> Table:
    one, several = NAMES_OF[dimension]
    columns: tuple[str, ...] = (one.capitalize(), "Value", "95% interval", "Counted", "Of", "As linkage moves")
    judges = any(year.funnel for _, year in years)
    rows = [
        (
            group_name(name, dimension),
            *_year_cells(by, year),
            *([FUNNEL_WORDS.get(year.funnel or "", "")] if judges else []),
        )
        for name, year in years
    ]
    columns = (*columns, "In the funnel") if judges else columns
    return Table(f"{by.measure.name}-{dimension}", f"{by.measure.title}: {several}", columns, rows)


def _groups(by: Teller, dimension: str) -> Chart | None:
    """Groups of people beside each other and the system."""
    years = [(name, series.year) for name, series in by.shown.among(dimension, by.measure.name) if series.year]
    if not years:
        return None
    system = by.system_year()
    bars = [_bar(group_name(name, dimension), year) for name, year in years]
    centre = system.value if system else None
    drawn = comparison.intervals(bars, centre, reads=by.value, share=by.kind == "share", of="whole system")
    known = [(name, year) for name, year in years if year.value is not None]
    hidden = len(years) - len(known)
    said = [_range_words(by, dimension, known)] if known else []
    said += [f"{hidden} not shown (small numbers)."] if hidden else []
    title = f"By {NAMES_OF[dimension][0]}"
    return Chart(f"{by.measure.name}-{dimension}", title, " ".join(said), drawn, _peer_table(by, dimension, years))
