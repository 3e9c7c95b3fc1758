"""From exact counts to what may be shown: hiding, rounding, intervals, charts, funnels, and the range of linkage.

What belongs here: the columns of `audit_measure`. What does not: counting (`cells`), and the arithmetic of each figure
(`intervals`, `hiding`, `funnel`, `xmr`).

What is shown of shares and rates is made of counts to the nearest 5, their intervals too, so that nothing gives the
exact count away. Their intervals reach over every count that would be rounded to the same, and a funnel judges each
unit by the one of them that speaks most for it: rounding puts nobody beyond a limit. Means are shown as they are where
8 or more stand behind them, as the rule of small numbers has it for averages, and standardised rates to three figures.
Charts and funnels are made of shown values only; a series with a hidden month has no limits: those that are hidden are
its low ones, and limits of the rest would lie too high.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, NoReturn

from registry_pipeline import xmr
from registry_pipeline.audit import funnel, hiding, intervals
from registry_pipeline.audit.cells import Counted
from registry_pipeline.audit.measures import BY_NAME, MEASURES, Measure
from registry_pipeline.config import Configuration, line_of
from registry_pipeline.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

FEWEST_MONTHS = 12
"""Months below which there are no limits: "Making Data Count" asks for twelve points or more."""

FEWEST_A_MONTH = 1.0
"""Average count a month below which there are no limits: mostly zeros, a series of rare events is no matter for an XmR
chart (Wheeler 2011, Working with rare events, Quality Digest; one a month is this registry's choice)."""

FIGURES, MANY = 3, 1000
"""Figures that a standardised rate is told to, where fewer than so many events (stays, of nights) stand behind it.

With all its decimals, the rate of a group that is all of one age would give its exact count away.
"""

FUNNEL_OF = ("practice", "provider")


def refuse_unusable_rebase(configuration: Configuration) -> None:
    """Stop where the deployment counts limits anew of a measure that there is none of, or from within a month.

    A day before or after the months that audit looks at is no error: the months move on.

    Raises:
        BadInput: with file and line.
    """
    for name, days in configuration.deployment.audit.rebase.items():
        if name not in BY_NAME:
            near = difflib.get_close_matches(name, list(BY_NAME), n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"valid: {', '.join(BY_NAME)}."
            _refuse(configuration, name, f"there is no measure {name!r}; {hint}")
        if BY_NAME[name].is_state:
            _refuse(configuration, name, f"{name} has no control limits to count anew, since it is a state; remove it.")
        for day in days:
            if day.day != 1:
                _refuse(configuration, name, f"{name}: {day} is no first day of a month; give {day.replace(day=1)}.")


def _refuse(configuration: Configuration, name: str, why: str) -> NoReturn:
    file = configuration.directory / "registry.yaml"
    where = f"{file}, line {line_of(file, ['audit', 'rebase', name])}" if file.is_file() else str(file)
    raise BadInput(f"{where}: audit.rebase: {why}")


class _Rows:
    """The counted rows as columns; texts as numbers of their place in a list."""

    def __init__(self, totals: pa.Table) -> None:
        import numpy as np

        def floats(name: str) -> Floats:
            return np.asarray(totals[name].to_numpy(zero_copy_only=False), dtype=float)

        self.size = totals.num_rows
        self.measure, self.measures = _coded(totals["measure"])
        self.dimension, self.dimensions = _coded(totals["dimension"])
        self.value, self.values = _coded(totals["value"])
        self.start = totals["period_start"].to_numpy(zero_copy_only=False).astype("datetime64[D]").astype(np.int64)
        self.end = totals["period_end"].to_numpy(zero_copy_only=False).astype("datetime64[D]").astype(np.int64)
        self.months = floats("period_months").astype(np.int64)
        self.n, self.d, self.cases, self.at_risk = floats("n"), floats("d"), floats("cases"), floats("at_risk")
        self.n2, self.d2, self.nd = floats("n2"), floats("d2"), floats("nd")
        self.ratio, self.variance = floats("ratio"), floats("standard_variance")
        self.changes = {
            end: tuple(floats(f"{end}_{of}") for of in ("change", "n_change", "d_change"))
            for end in ("lowest", "highest")
        }

    def of(self, measure: Measure) -> Flags:
        """Which rows are a measure's."""
        import numpy as np

        place = self.measures.index(measure.name) if measure.name in self.measures else -1
        return np.asarray(self.measure == place)

    def is_told_by(self, *dimensions: str) -> Flags:
        """Which rows are of one of these dimensions."""
        import numpy as np

        return np.isin(self.dimension, [self.dimensions.index(d) for d in dimensions if d in self.dimensions])


def _coded(column: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    import numpy as np

    encoded = column.combine_chunks().dictionary_encode()
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64), encoded.dictionary.to_pylist()


def shown(counted: Counted, rebase: Mapping[str, Sequence[date]], *, is_linkage_known: bool) -> pa.Table:
    """The rows of `audit_measure`.

    Args:
        counted: exact counts.
        rebase: by measure, days from which on limits are counted anew.
        is_linkage_known: whether it is known whose records would be whose at a moved linkage threshold.
    """
    import numpy as np
    import pyarrow as pa

    rows = _Rows(counted.totals)
    hidden = _hidden(rows, counted)
    columns: dict[str, Floats] = {
        name: np.full(rows.size, np.nan)
        for name in ("numerator", "denominator", "value", "interval_low", "interval_high", "linkage_low",
                     "linkage_high", "centre", "limit_low", "limit_high")
    }  # fmt: skip
    words: dict[str, NDArray[np.object_]] = {
        name: np.full(rows.size, None, dtype=object) for name in ("signal", "signal_is", "funnel")
    }
    for measure in MEASURES:
        told = np.flatnonzero(rows.of(measure) & ~hidden)
        if not len(told):
            continue
        _tell(measure, rows, told, columns)
        _compare(measure, rows, told, counted.setting_of, columns, words)
        if is_linkage_known and measure.is_moved_by_linkage:
            _give_range(measure, rows, told, columns)
        if measure.is_standardised:
            _coarsen(told[rows.cases[told] < MANY], columns)
        if not measure.is_state:
            _chart(measure, rows, hidden, rebase.get(measure.name, ()), columns, words)
    of_row = [BY_NAME[name] for name in rows.measures]

    def named(pick: object) -> list[object]:
        per_measure = [getattr(measure, str(pick)) for measure in of_row]
        return [per_measure[code] for code in rows.measure]

    return pa.table({
        "measure": pa.array(rows.measures, pa.string()).take(pa.array(rows.measure)),
        "title": pa.array(named("title"), pa.string()),
        "dimension": pa.array(rows.dimensions, pa.string()).take(pa.array(rows.dimension)),
        "value_of_dimension": pa.array(rows.values, pa.string()).take(pa.array(rows.value)),
        "period_start": pa.array(rows.start.astype("datetime64[D]")),
        "period_end": pa.array(rows.end.astype("datetime64[D]")),
        "period_months": pa.array(rows.months, pa.int32()),
        "per": pa.array(named("per"), pa.int32()),
        "unit": pa.array(named("unit"), pa.string()),
        "is_suppressed": pa.array(hidden),
        "is_standardised": pa.array(named("is_standardised"), pa.bool_()),
        "better": pa.array(named("better"), pa.string()),
        **{name: pa.array(values, pa.float64(), from_pandas=True) for name, values in columns.items()},
        **{name: pa.array(list(values), pa.string()) for name, values in words.items()},
    })  # fmt: skip


def _hidden(rows: _Rows, counted: Counted) -> Flags:
    """Which rows are hidden: by their cases, or by the people at risk."""
    import numpy as np

    kept = np.isin(rows.measure, [i for i, name in enumerate(rows.measures) if not BY_NAME[name].counts_people])
    cases, at_risk = np.where(kept, 0.0, rows.cases), np.where(kept, 0.0, rows.at_risk)
    lines = [_months_of_years(rows), _groups_of_periods(rows, counted)]
    is_rounded = np.isin(rows.measure, [i for i, name in enumerate(rows.measures) if _is_rounded(BY_NAME[name])])
    hidden: Flags = np.zeros(rows.size, dtype=bool)
    while True:
        before = int(hidden.sum())
        hidden = hiding.hidden_cells(cases, lines, also=hidden, is_rounded=is_rounded)
        hidden = hiding.hidden_cells(at_risk, lines, also=hidden, is_rounded=is_rounded)
        if int(hidden.sum()) == before:
            return hidden & ~kept


def _is_rounded(measure: Measure) -> bool:
    """Whether no more is shown than counts to the nearest 5: a mean gives its counts away, and nights are no stays."""
    return measure.kind != "mean" and measure.sql != "audit_bed_day"


def _numbered(*keys: Ints) -> Ints:
    """One number for each different combination."""
    import numpy as np

    number = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:
        _, code = np.unique(key, return_inverse=True)
        number = number * (int(code.max(initial=0)) + 1) + code
    return np.asarray(np.unique(number, return_inverse=True)[1], dtype=np.int64)


def _months_of_years(rows: _Rows) -> hiding.Lines:
    """The months of each year, whose total is the year's row; states are no sums of months."""
    import numpy as np

    of, total = np.full(rows.size, hiding.NO_LINE), np.full(rows.size, hiding.NO_LINE)
    is_sum = np.isin(rows.measure, [i for i, name in enumerate(rows.measures) if not BY_NAME[name].is_state])
    group = _numbered(rows.measure, rows.dimension, rows.value)
    year_rows, month_rows = np.flatnonzero(is_sum & (rows.months > 1)), np.flatnonzero(is_sum & (rows.months == 1))
    if not len(year_rows):
        return hiding.Lines(of, total)
    # The last year of the group that begins no later than the month; then whether the month lies in it.
    year_rows = year_rows[np.lexsort((rows.start[year_rows], group[year_rows]))]
    width = int(rows.start.max()) + 1
    keys = group[year_rows] * width + rows.start[year_rows]
    place = np.searchsorted(keys, group[month_rows] * width + rows.start[month_rows], side="right") - 1
    year = year_rows[np.maximum(place, 0)]
    inside = (place >= 0) & (group[year] == group[month_rows]) & (rows.end[month_rows] <= rows.end[year])
    of[month_rows[inside]], total[month_rows[inside]] = place[inside], year[inside]
    return hiding.Lines(of, total)


def _groups_of_periods(rows: _Rows, counted: Counted) -> hiding.Lines:
    """The groups of each dimension in a period under the system; practices under their neighbourhood, where told."""
    import numpy as np

    system = rows.dimensions.index("system") if "system" in rows.dimensions else -1
    everybody = rows.values.index("all") if "all" in rows.values else -1
    upper, upper_value = np.full(rows.size, system), np.full(rows.size, everybody)
    if "neighbourhood" in rows.dimensions and "practice" in rows.dimensions:
        place = {value: i for i, value in enumerate(rows.values)}
        above = np.array([
            place.get(counted.neighbourhood_of.get(value, "none named"), everybody) for value in rows.values
        ])  # fmt: skip
        practices = rows.is_told_by("practice")
        upper[practices] = rows.dimensions.index("neighbourhood")
        upper_value[practices] = above[rows.value[practices]]
    # What each row is called in terms of (measure, period, dimension, value), and what its total is.
    own = _numbered(
        np.concatenate([rows.measure, rows.measure]), np.concatenate([rows.months, rows.months]),
        np.concatenate([rows.start, rows.start]), np.concatenate([rows.dimension, upper]),
        np.concatenate([rows.value, upper_value]),
    )  # fmt: skip
    names, totals = own[: rows.size], own[rows.size :]
    row_of = np.full(int(own.max(initial=0)) + 1, hiding.NO_LINE)
    row_of[names] = np.arange(rows.size)
    below = rows.dimension != system
    line = _numbered(totals, rows.dimension)
    return hiding.Lines(np.where(below, line, hiding.NO_LINE), np.where(below, row_of[totals], hiding.NO_LINE))


def _tell(measure: Measure, rows: _Rows, told: Ints, columns: Mapping[str, Floats]) -> None:
    """Numerator, denominator, value and interval."""
    import numpy as np

    if not measure.counts_people:
        top, bottom = rows.n[told], rows.d[told]
    elif measure.kind == "standardised" or measure.name == "people_discussed":
        # Person-years are rounded as the people who lived them.
        years = (rows.end[told] - rows.start[told] + 1) / 365.25
        top, bottom = hiding.rounded(rows.n[told]), hiding.rounded(rows.at_risk[told]) * years
    else:
        top, bottom = hiding.rounded(rows.n[told]), hiding.rounded(rows.d[told])
    low, high = _interval(measure, rows, told, top, bottom, intervals.Z_95)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = top / bottom if measure.kind in ("share", "rate") else rows.ratio[told]
    columns["numerator"][told], columns["denominator"][told] = top, bottom
    columns["value"][told] = np.where(bottom > 0, value, np.nan) * measure.per
    columns["interval_low"][told], columns["interval_high"][told] = low * measure.per, high * measure.per


def _interval(
    measure: Measure, rows: _Rows, told: Ints, top: Floats, bottom: Floats, z: float
) -> tuple[Floats, Floats]:
    import numpy as np

    if measure.kind == "share":
        least, most = _might_be(measure, top, bottom)
        return intervals.wilson(*least, z)[0], intervals.wilson(*most, z)[1]
    if measure.kind == "rate":
        least, most = _might_be(measure, top, bottom)
        with np.errstate(divide="ignore", invalid="ignore"):
            return intervals.byar(least[0], z)[0] / least[1], intervals.byar(most[0], z)[1] / most[1]
    if measure.kind == "standardised":
        # Byar's limits of the rounded count: their two distances from the rate would give the exact one away.
        low, high = intervals.dobson(rows.ratio[told], rows.variance[told], top, z)
        # Of no events the variance says nothing: Byar's limits of the crude rate.
        crude = intervals.byar(top, z)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(top > 0, low, crude[0] / bottom), np.where(top > 0, high, crude[1] / bottom)
    return intervals.ratio(
        rows.n[told], rows.d[told], rows.n2[told], rows.d2[told], rows.nd[told], rows.at_risk[told], z
    )


def _might_be(measure: Measure, top: Floats, bottom: Floats) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """The counts of the lowest and of the highest share or rate that is shown as this one: numerator, denominator."""
    import numpy as np

    if not measure.counts_people:
        return (top, bottom), (top, bottom)
    fewest, most = hiding.could_be(top)
    if measure.kind == "rate":  # of person-years, in which a few people more or less are lost
        return (fewest, bottom), (most, bottom)
    smallest, largest = hiding.could_be(bottom)
    most = np.minimum(most, largest)
    return (fewest, largest), (most, np.maximum(smallest, most))


def _give_range(measure: Measure, rows: _Rows, told: Ints, columns: Mapping[str, Floats]) -> None:
    """The lowest and highest value as the linkage threshold moves.

    What a move adds to or takes from numerator and denominator is put to the rounded counts of shares and rates: with
    the exact ones the range would give them away. Standardised rates and means are shown exactly and move exactly.
    """
    import numpy as np

    value = columns["value"][told]
    found = []
    for end in ("lowest", "highest"):
        by, n_by, d_by = (np.nan_to_num(each[told]) for each in rows.changes[end])
        if measure.kind in ("share", "rate"):
            with np.errstate(divide="ignore", invalid="ignore"):
                moved = (columns["numerator"][told] + n_by) / (columns["denominator"][told] + d_by) * measure.per
        else:
            moved = value + by * measure.per
        found.append(np.clip(moved, 0, 1.0 if measure.kind == "share" else None))
    columns["linkage_low"][told] = np.fmin(value, np.fmin(*found))
    columns["linkage_high"][told] = np.fmax(value, np.fmax(*found))


def _coarsen(few: Ints, columns: Mapping[str, Floats]) -> None:
    """Standardised rates, their intervals and ranges to three figures."""
    import numpy as np

    for name in ("value", "interval_low", "interval_high", "linkage_low", "linkage_high"):
        values = columns[name][few]
        with np.errstate(divide="ignore", invalid="ignore"):
            unit = 10.0 ** (np.floor(np.log10(values)) - (FIGURES - 1))
            columns[name][few] = np.where(values > 0, np.round(values / unit) * unit, values)


def _compare(
    measure: Measure, rows: _Rows, told: Ints, setting_of: Mapping[str, str],
    columns: Mapping[str, Floats], words: Mapping[str, NDArray[np.object_]],
) -> None:  # fmt: skip
    """Where a practice's year lies in the funnel round the system's, and a provider's round that of its setting."""
    import numpy as np

    if not measure.counts_people:
        return
    years = told[rows.months[told] > 1]
    centre_of = {int(rows.start[i]): columns["value"][i] for i in years[rows.is_told_by("system")[years]]}
    unknown = [i for i, value in enumerate(rows.values) if value == "not known"]
    units = years[rows.is_told_by(*FUNNEL_OF)[years] & ~np.isin(rows.value[years], unknown)]
    system = np.array([centre_of.get(int(rows.start[i]), np.nan) for i in units]) / measure.per
    centre = np.where(
        rows.is_told_by("provider")[units], _of_setting(measure, rows, units, setting_of, columns), system
    )
    units, centre = units[~np.isnan(centre)], centre[~np.isnan(centre)]
    if not len(units):
        return
    top, bottom = columns["numerator"][units], columns["denominator"][units]
    if measure.kind in ("share", "rate"):
        words["funnel"][units] = _place(measure, units, columns, centre)
        return
    inner, outer = (_interval(measure, rows, units, top, bottom, z) for z in (intervals.Z_95, intervals.Z_99_8))
    known = ~np.isnan(inner[0])
    words["funnel"][units[known]] = funnel.sides_by_interval(centre, inner, outer)[known]


def _of_setting(
    measure: Measure, rows: _Rows, units: Ints, setting_of: Mapping[str, str], columns: Mapping[str, Floats]
) -> Floats:
    """The value of all providers shown of each one's setting in its year; not a number of one that is alone in it."""
    import numpy as np

    is_mean = measure.kind == "mean"  # made of exact counts, as shares and rates are of those shown
    top = rows.n[units] if is_mean else columns["numerator"][units]
    bottom = rows.d[units] if is_mean else columns["denominator"][units]
    settings = np.array([setting_of.get(rows.values[value], "") for value in rows.value[units]])
    is_provider = rows.is_told_by("provider")[units]
    found: Floats = np.full(len(units), np.nan)
    for setting in set(settings[is_provider].tolist()):
        for start in np.unique(rows.start[units]):
            peers = is_provider & (settings == setting) & (rows.start[units] == start)
            if peers.sum() > 1 and bottom[peers].sum() > 0:
                found[peers] = top[peers].sum() / bottom[peers].sum()
    return found


def _place(measure: Measure, units: Ints, columns: Mapping[str, Floats], centre: Floats) -> NDArray[np.object_]:
    """Where shares or rates lie in their funnel, whatever the counts are that were rounded to those shown."""
    import numpy as np

    (fewest, largest), (most, smallest) = _might_be(measure, columns["numerator"][units], columns["denominator"][units])
    high = funnel.sides(measure.kind, fewest / largest, centre, largest)
    low = funnel.sides(measure.kind, most / smallest, centre, smallest)
    is_high, is_low = np.isin(high, funnel.ABOVE), np.isin(low, funnel.BELOW)
    return np.where(is_high, high, np.where(is_low, low, "within"))


def _chart(
    measure: Measure, rows: _Rows, hidden: Flags, rebase: Sequence[date],
    columns: Mapping[str, Floats], words: Mapping[str, NDArray[np.object_]],
) -> None:  # fmt: skip
    """Limits and signals of each series of months that is shown whole."""
    import numpy as np

    months = np.flatnonzero(rows.of(measure) & (rows.months == 1))
    group = _numbered(rows.dimension[months], rows.value[months])
    order = np.lexsort((rows.start[months], group))
    months, group = months[order], group[order]
    days = [np.datetime64(day, "D").astype(np.int64) for day in rebase]
    for series in np.split(months, np.flatnonzero(np.diff(group)) + 1):
        values = columns["value"][series]
        gaps = (np.diff(rows.start[series]) > 31).any()
        if len(series) < FEWEST_MONTHS or gaps or hidden[series].any() or np.isnan(values).any():
            continue
        if rows.cases[series].mean() < FEWEST_A_MONTH:
            continue
        places = [int(np.searchsorted(rows.start[series], day)) for day in days]
        points = xmr.chart(values.tolist(), measure.better, rebase=places, fewest=FEWEST_MONTHS)
        for row, point in zip(series, points, strict=True):
            if point.limits is not None:
                columns["centre"][row] = point.limits.mean
                columns["limit_low"][row], columns["limit_high"][row] = point.limits.low, point.limits.high
            words["signal"][row], words["signal_is"][row] = point.signal, point.meaning
