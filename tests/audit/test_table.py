"""What may be shown: small numbers, rounding, intervals, charts, funnels, and what a moved linkage threshold changes."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.audit import LIMITATIONS, cells, check, funnel, hiding, measure, table
from registry_pipeline.audit.measures import BY_NAME
from registry_pipeline.errors import BadInput
from registry_pipeline.govern import disclosure
from registry_pipeline.tables import CONSUMER_TABLES, LINKAGE_ALTERNATIVE
from tests.audit.hand_made import CONFERENCE, COPD, DIABETES, HBA1C, NIGHT, Registry

law = settings(deadline=None, max_examples=150)
HIDDEN = hiding.SMALLEST_SHOWN


def one_line(counts: list[int], *, is_rounded: bool = False) -> list[bool]:
    """The breakdown of one total, which is the last cell."""
    of = np.array([0] * len(counts) + [hiding.NO_LINE])
    total = np.array([len(counts)] * len(counts) + [hiding.NO_LINE])
    people = np.array([*counts, sum(counts)], dtype=float)
    loose = np.full(len(people), is_rounded)
    return hiding.hidden_cells(people, [hiding.Lines(of, total)], is_rounded=loose).tolist()


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([20, 30, 40], "..."), ([3, 30, 40], "HH."), ([3, 0, 40], "H.H"), ([3, 4, 40], "HHH"), ([7, 6, 40], "HH."),
        ([0, 0, 20], "..."), ([3, 2], "HH"), ([1] * 8, "H" * 8), ([1, 1, 1, 1, 1, 1, 1, 1, 0], "H" * 9),
    ],
    ids=str,
)  # fmt: skip
def test_a_breakdown(counts: list[int], expected: str) -> None:
    *cells_hidden, total = one_line(counts)
    assert "".join("H" if cell else "." for cell in cells_hidden) == expected
    assert total == (0 < sum(counts) < HIDDEN)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([3, 30, 40], "H.."), ([3, 22, 22, 22], "HH.."), ([3, 0, 40], "H.H"), ([2, 10, 10, 10], "H..."),
        ([3, 4, 40], "HH."), ([1, 1, 1, 1, 1, 1, 1, 1, 0], "H" * 9),
    ],
    ids=str,
)  # fmt: skip
def test_a_breakdown_of_which_only_rounded_counts_are_shown(counts: list[int], expected: str) -> None:
    """30 may be 28 to 32, which leaves room enough; 22 is shown as 20, which may be 18 but not 23."""
    *cells_hidden, _ = one_line(counts, is_rounded=True)
    assert "".join("H" if cell else "." for cell in cells_hidden) == expected


@law
@given(st.lists(st.one_of(st.integers(0, 12), st.integers(0, 300)), min_size=1, max_size=8))
def test_the_rule_is_that_of_disclosure(counts: list[int]) -> None:
    """A hidden cell of 1 to 7 may be 1 or 7 for whoever knows the total and what is shown of the others."""
    *hidden, total = one_line(counts, is_rounded=True)
    for cell, people in enumerate(counts):
        if not 0 < people < HIDDEN or total or all(hidden):
            continue
        for wanted in (1, HIDDEN - 1):
            least, most = 0, 0
            for other, n in enumerate(counts):
                if other == cell:
                    continue
                shown = disclosure.shown_count(n)
                if hidden[other]:
                    least, most = least + (n > 0), most + 10_000
                elif n:
                    least, most = least + max(int(shown) - 2, HIDDEN), most + int(shown) + 2
            assert least <= sum(counts) - wanted <= most


def can_be(counts: list[int], hidden: list[bool], cell: int, wanted: int) -> bool:
    """Whether other numbers in the hidden cells, with the same total, make this cell so many (at least one a cell)."""
    others = [i for i, is_hidden in enumerate(hidden) if is_hidden and i != cell]
    left = sum(counts[i] for i in others) + counts[cell] - wanted
    least = sum(1 for i in others if counts[i] > 0)
    return left >= least and (left == least or bool(others)) if others else left == 0


@law
@given(st.lists(st.one_of(st.integers(0, 12), st.integers(0, 300)), min_size=1, max_size=8))
def test_no_hidden_cell_can_be_worked_out_from_its_line(counts: list[int]) -> None:
    *hidden, total = one_line(counts)
    for cell, people in enumerate(counts):
        assert hidden[cell] or not 0 < people < HIDDEN
        if 0 < people < HIDDEN and not total and not all(hidden):
            assert can_be(counts, hidden, cell, 1)
            assert can_be(counts, hidden, cell, HIDDEN - 1)


@law
@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(st.integers(0, 20), min_size=width, max_size=width), min_size=1, max_size=4)
    )
)
def test_no_line_of_a_table_gives_a_cell_or_a_hidden_total_away(rows: list[list[int]]) -> None:
    """Rows are groups and columns months: each group's year, each month of the system, and the system's year are shown."""
    height, width = len(rows), len(rows[0])
    grid = np.array(rows, dtype=float)
    counts = np.concatenate([grid.ravel(), grid.sum(axis=1), grid.sum(axis=0), [grid.sum()]])
    year, month, whole = height * width, height * width + height, height * width + height + width
    of_year, year_total = np.full(len(counts), hiding.NO_LINE), np.full(len(counts), hiding.NO_LINE)
    of_month, month_total = of_year.copy(), of_year.copy()
    for i, j in product(range(height), range(width)):
        of_year[i * width + j], year_total[i * width + j] = i, year + i
        of_month[i * width + j], month_total[i * width + j] = j, month + j
    of_year[month:whole], year_total[month:whole] = height, whole
    of_month[year:month], month_total[year:month] = width, whole
    lines = [hiding.Lines(of_year, year_total), hiding.Lines(of_month, month_total)]
    hidden = hiding.hidden_cells(counts, lines)
    for line in lines:
        for number in set(line.of) - {hiding.NO_LINE}:
            members = np.flatnonzero(line.of == number)
            people, is_hidden = [int(counts[m]) for m in members], [bool(hidden[m]) for m in members]
            total = line.total[members[0]]
            if hidden[total]:
                # By 6 less at least, and by any number more.
                spare = sum(n - 1 for n, h in zip(people, is_hidden, strict=True) if h and n)
                assert all(is_hidden) or (counts[total] >= HIDDEN and spare >= HIDDEN - 2)
                continue
            for cell, n in enumerate(people):
                if 0 < n < HIDDEN and not all(is_hidden):
                    assert can_be(people, is_hidden, cell, 1)
                    assert can_be(people, is_hidden, cell, HIDDEN - 1)


def busy(people: int = 600, *, seed: int = 1) -> Registry:
    """People of three practices with stays all over two years."""
    chance = random.Random(seed)
    registry = Registry().started()
    for n in range(1, people + 1):
        registry.person(
            n, f"{chance.randrange(1925, 1961)}-0{chance.randrange(1, 10)}-10", ethnicity=chance.choice("AACHMZ"),
            gp_practice=chance.choice(["A10001", "A10001", "A10002", "A10003", None]),
        )  # fmt: skip
        for _ in range(chance.randrange(5)):
            start = date(2024, 7, 1).toordinal() + chance.randrange(725)
            end = start + int(chance.expovariate(0.2))
            ends = str(date.fromordinal(end)) if end <= NIGHT.toordinal() else None
            registry.stay(n, str(date.fromordinal(start)), ends, provider=chance.choice("RRS"),
                          diagnoses=[chance.choice(["E110", "J189", "S720"])])  # fmt: skip
        if chance.random() < 0.4:
            registry.condition(n, COPD, "2020-01-01")
    return registry


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Exact counts and the shown table of a busy registry, with linkage alternatives."""
    registry = busy()
    for n in range(1, 40):
        registry.moved(f"R:{n}", 2.0, n, n + 100).moved(f"R:{n}", -2.0, n, 5000 + n)
    folder = tmp_path_factory.mktemp("busy")
    reading = registry.reading(folder, neighbourhoods={"north": ["A10001", "A10002"]})
    exact = cells.count(reading)
    result = measure(reading, folder / "out")
    rows = reading.connection.sql("FROM audit_measure").to_arrow_table().to_pylist()
    return {"exact": exact.totals.to_pylist(), "rows": rows, "result": result, "folder": folder}


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    value = row["value_of_dimension"] if "value_of_dimension" in row else row["value"]
    return row["measure"], row["dimension"], value, row["period_start"], row["period_months"]


def test_the_table_is_as_described(made: dict[str, Any]) -> None:
    assert list(made["rows"][0]) == list(CONSUMER_TABLES["audit_measure"].column_names)
    assert len({key(row) for row in made["rows"]}) == len(made["rows"]) == made["result"].rows["audit_measure"]
    assert {key(row) for row in made["rows"]} == {key(row) for row in made["exact"]}
    for row in made["rows"]:
        said = BY_NAME[row["measure"]]
        assert (row["title"], row["unit"], row["per"], row["better"]) == (said.title, said.unit, said.per, said.better)


FIGURES = (
    "numerator", "denominator", "value", "interval_low", "interval_high", "centre", "limit_low", "limit_high", "signal",
    "signal_is", "funnel", "linkage_low", "linkage_high",
)  # fmt: skip


def test_small_numbers_are_hidden_with_their_whole_row(made: dict[str, Any]) -> None:
    exact = {key(row): row for row in made["exact"]}
    hidden = [row for row in made["rows"] if row["is_suppressed"]]
    assert 0 < len(hidden) < len(made["rows"])
    assert all(row[name] is None for row in hidden for name in FIGURES)
    for row in made["rows"]:
        counted = exact[key(row)]
        if not row["is_suppressed"] and BY_NAME[row["measure"]].counts_people:
            assert not 0 < round(counted["cases"]) < HIDDEN
            assert not 0 < round(counted["at_risk"]) < HIDDEN


def test_what_is_shown_is_made_of_rounded_counts(made: dict[str, Any]) -> None:
    exact = {key(row): row for row in made["exact"]}
    shown = [r for r in made["rows"] if not r["is_suppressed"] and BY_NAME[r["measure"]].kind == "share"]
    assert shown
    for row in shown:
        assert row["numerator"] % 5 == row["denominator"] % 5 == 0
        assert abs(row["numerator"] - exact[key(row)]["n"]) <= 2.5
        assert row["value"] == pytest.approx(row["numerator"] / row["denominator"])
        assert row["interval_low"] <= row["value"] <= row["interval_high"]


@law
@given(st.integers(8, 400), st.integers(0, 400), st.floats(0.02, 0.98))
def test_rounding_puts_nobody_beyond_a_limit_and_no_interval_beside_the_share(
    done: int, missed: int, centre: float
) -> None:
    """27 of 29 are shown as 25 of 30: less than where everybody is at 99%, by rounding alone."""
    share, of = BY_NAME["diabetes_hba1c"], done + missed
    top, bottom = (hiding.rounded(np.array([float(count)])) for count in (done, of))
    (fewest, largest), (most, smallest) = table._might_be(share, top, bottom)
    assert fewest <= done <= most
    assert fewest / largest <= done / of <= most / smallest <= 1
    units, told = np.array([0]), {"numerator": top, "denominator": bottom}
    exact = funnel.sides("share", np.array([done / of]), np.array([centre]), np.array([float(of)]))[0]
    shown = table._place(share, units, told, np.array([centre]))[0]
    assert shown in ("within", exact, exact.replace("99_8", "95"))


def test_standardised_rates_lie_in_their_intervals(made: dict[str, Any]) -> None:
    rows = [r for r in made["rows"] if r["measure"] == "emergency_admissions_65" and r["value"]]
    assert rows
    assert all(row["is_standardised"] for row in rows)
    assert all(row["interval_low"] < row["value"] < row["interval_high"] for row in rows)


def test_standardised_rates_of_few_have_three_figures(made: dict[str, Any]) -> None:
    """Of a group that is all of one age band, the rate is events by person-days: its decimals would tell both."""
    rows = [r for r in made["rows"] if r["is_standardised"] and r["value"]]
    assert rows
    for row in rows:
        for name in ("value", "interval_low", "interval_high"):
            assert row[name] == pytest.approx(float(f"{row[name]:.3g}"), rel=1e-12), row


Key = tuple[Any, ...]


def lines_of(keys: set[Key]) -> dict[tuple[str, Key], list[Key]]:
    """What adds up to each shown row: months of a year, groups of a dimension, practices of a neighbourhood."""
    parts: dict[tuple[str, Key], list[Key]] = defaultdict(list)
    for name, dimension, value, start, months in keys:
        if not BY_NAME[name].counts_people:
            continue
        above = ("system", "all")
        if dimension == "practice":
            above = ("neighbourhood", "north" if value in ("A10001", "A10002") else "none named")
        if dimension != "system":
            parts[dimension, (name, *above, start, months)].append((name, dimension, value, start, months))
        for year in (date(2024, 7, 1), date(2025, 7, 1), date(2025, 6, 1)):
            total = (name, dimension, value, year, 12)
            in_year = year <= start < date(year.year + 1, year.month, 1)
            if months == 1 and in_year and total in keys and not BY_NAME[name].is_state:
                parts["year", total].append((name, dimension, value, start, months))
    return parts


@pytest.mark.parametrize("of", ["cases", "at_risk"])
def test_no_total_gives_a_small_number_away(made: dict[str, Any], of: str) -> None:
    """A hidden 1 to 7 could as well be 1 or 7 for whoever knows the total and what is shown beside it."""
    counts = {key(row): round(row[of]) for row in made["exact"]}
    hidden = {key(row): row["is_suppressed"] for row in made["rows"]}
    seen = 0
    for (_, total), members in lines_of(set(hidden)).items():
        measured = BY_NAME[total[0]]
        slack = 0 if measured.kind == "mean" or measured.name == "emergency_bed_days_65" else 2
        if total not in hidden or hidden[total] or all(hidden[m] for m in members):
            continue
        # Average people at risk of a year are no sum of its months'.
        whole = sum(counts[m] for m in members)
        for cell in members:
            if not hidden[cell] or not 0 < counts[cell] < HIDDEN:
                continue
            seen += 1
            least = most = 0
            for other in set(members) - {cell}:
                n = counts[other]
                middle = (n + 2) // 5 * 5
                if hidden[other]:
                    least, most = least + (n > 0), most + (10_000 if n else 0)
                elif n:
                    least += n if not slack else max(middle - slack, HIDDEN)
                    most += n if not slack else middle + slack
            assert least <= whole - (HIDDEN - 1), (cell, total)
            assert whole - 1 <= most, (cell, total)
    assert seen > 20 or of == "at_risk", "else this says nothing"


def test_months_add_up_to_years_and_groups_to_the_system(made: dict[str, Any]) -> None:
    """Exactly, before anything is hidden."""
    months: dict[tuple[Any, ...], float] = defaultdict(float)
    groups: dict[tuple[Any, ...], float] = defaultdict(float)
    exact = {key(row): row for row in made["exact"]}
    years = [k for k in exact if k[4] == 12 and not BY_NAME[k[0]].is_state]
    for (name, dimension, value, start, length), row in exact.items():
        if dimension != "system" and BY_NAME[name].counts_people:
            groups[name, dimension, start, length] += row["n"]
        for year in {k[3] for k in years if k[0] == name}:
            if length == 1 and year <= start < date(year.year + 1, year.month, 1):
                months[name, dimension, value, year] += row["n"]
    assert len(years) > 50
    for name, dimension, value, start, length in years:
        assert exact[name, dimension, value, start, length]["n"] == pytest.approx(months[name, dimension, value, start])
    for (name, dimension, start, length), total in groups.items():
        assert exact[name, "system", "all", start, length]["n"] == pytest.approx(total), (name, dimension)


def test_a_state_of_a_year_is_that_of_its_last_month(made: dict[str, Any]) -> None:
    rows = {key(row): row for row in made["rows"]}
    for dimension, value in (("system", "all"), ("practice", "A10001")):
        year = rows["enrolment_75", dimension, value, date(2025, 7, 1), 12]
        month = rows["enrolment_75", dimension, value, date(2026, 6, 1), 1]
        assert (year["value"], year["is_suppressed"]) == (month["value"], month["is_suppressed"])
        assert (month["centre"], month["signal"]) == (None, None), "successive months share what they count"


def test_limits_only_for_series_that_are_shown_whole(made: dict[str, Any]) -> None:
    series: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in made["rows"]:
        if row["period_months"] == 1:
            series[key(row)[:3]].append(row)
    with_limits = [rows for rows in series.values() if any(row["centre"] is not None for row in rows)]
    assert with_limits
    for rows in with_limits:
        assert not any(row["is_suppressed"] for row in rows)
        assert rows[0]["centre"] == pytest.approx(sum(row["value"] for row in rows) / len(rows))
        for row in rows:
            outside = not row["limit_low"] <= row["value"] <= row["limit_high"]
            assert (row["signal"] == "outside_limits") == outside
            assert (row["signal"] is None) == (row["signal_is"] is None)


def test_rare_events_have_no_limits_and_no_signal(tmp_path) -> None:
    """Two conferences in 24 months are no 22 months outside the limits."""
    registry = Registry().started().person(1, gp_practice="A81001").person(2, gp_practice="B81001")
    for day in ("2025-02-03", "2025-03-03"):
        registry.observed(1, CONFERENCE, day)
    for month in range(24):
        registry.observed(2, CONFERENCE, f"{2024 + (month + 6) // 12}-{(month + 6) % 12 + 1:02}-05")
    counted = cells.count(registry.reading(tmp_path))
    rows = table.shown(counted, {}, is_linkage_known=False).to_pylist()
    for practice, has_limits in (("A81001", False), ("B81001", True)):
        found = [
            r for r in rows
            if (r["measure"], r["value_of_dimension"]) == ("case_conferences", practice) and r["period_months"] == 1
        ]  # fmt: skip
        assert len(found) == 24
        assert {row["centre"] is not None for row in found} == {has_limits}
        assert {row["signal"] for row in found} == {None}


def test_a_rate_of_nothing_has_an_interval(made: dict[str, Any]) -> None:
    """Byar's of the crude rate: the variance of no events says nothing."""
    rows = [r for r in made["rows"] if r["is_standardised"] and r["numerator"] == 0 and r["denominator"]]
    assert rows
    for row in rows:
        assert row["interval_low"] == 0
        assert row["interval_high"] == pytest.approx(3.69 / row["denominator"] * row["per"], rel=0.01)


def test_funnels_are_of_years_of_practices_and_providers(made: dict[str, Any]) -> None:
    told = [row for row in made["rows"] if row["funnel"]]
    assert told
    assert {row["dimension"] for row in told} == {"practice", "provider"}
    assert {row["period_months"] for row in told} == {12}
    assert "not known" not in {row["value_of_dimension"] for row in told}


def test_a_provider_is_judged_among_its_own_setting(tmp_path) -> None:
    """A hospital for mental health, where people stay for weeks, is no outlier among acute ones."""
    registry = Registry().started()
    for n in range(24 * 30):
        provider, day = "RSM"[n % 3], date(2024 + (n // 30 + 6) // 12, (n // 30 + 6) % 12 + 1, 1 + n % 10)
        nights = {"R": 4 + n % 4, "S": 4 + n % 4, "M": 15}[provider]
        registry.person(n).stay(n, str(day), str(day + timedelta(days=nights)), provider=provider)
    counted = cells.count(registry.reading(tmp_path))
    told = table.shown(counted, {}, is_linkage_known=False).to_pylist()
    funnels = {
        (r["measure"], r["value_of_dimension"]): r["funnel"]
        for r in told
        if r["dimension"] == "provider" and r["period_months"] == 12 and not r["is_suppressed"] and r["denominator"]
    }
    assert {of: funnels["readmission_30_days", of] for of in "RSM"} == {"R": "within", "S": "within", "M": None}
    assert funnels["length_of_stay", "R"] == funnels["length_of_stay", "S"] == "within"
    assert ("length_of_stay", "M") not in funnels
    system = next(r for r in told if r["measure"] == "length_of_stay" and r["dimension"] == "system" and r["value"])
    assert system["value"] < 9


def test_the_range_of_linkage_holds_the_value(made: dict[str, Any]) -> None:
    shown = [row for row in made["rows"] if not row["is_suppressed"] and row["value"] is not None]
    for row in shown:
        if BY_NAME[row["measure"]].is_moved_by_linkage:
            assert row["linkage_low"] <= row["value"] <= row["linkage_high"]
        else:
            assert row["linkage_low"] is row["linkage_high"] is None
    readmissions = [r for r in shown if r["measure"] == "readmission_30_days" and r["dimension"] == "system"]
    assert any(row["linkage_high"] > row["value"] for row in readmissions)


def test_what_the_manifest_says(made: dict[str, Any]) -> None:
    about = made["result"].about
    assert about["linkage"] == {"moves": [-2.0, 2.0]}
    assert about["records_begin"]["spell"] == "2024-07-01"
    assert about["not_counted"] == {"carers_assessed": "the registry holds no unpaid carers"}
    assert about["limitations"] == list(LIMITATIONS)
    assert about["measures"]["readmission_30_days"]["last_period_ends"] == "2026-05-31"
    assert {check.name: check.passed for check in made["result"].checks}["every_measure_is_counted"] is False
    assert all(page.is_file() for page in made["result"].pages)


def test_a_provider_whose_records_begin_later_is_named(tmp_path) -> None:
    registry = Registry().started().person(1)
    for month in range(7, 13):
        registry.stay(1, f"2025-{month:02}-02", f"2025-{month:02}-05", provider="S")
    result = measure(registry.reading(tmp_path), tmp_path / "out")
    assert result.about["providers_begin_later"] == {"spell": {"S": "2025-07-01"}}
    check_of = {check.name: check for check in result.checks}
    assert not check_of["every_provider_has_the_whole_history"].passed
    assert "S" in check_of["every_provider_has_the_whole_history"].reason


def moved(registry: Registry, tmp_path: Any, name: str) -> dict[str, Any]:
    """The system's row of January 2025."""
    found = cells.count(registry.reading(tmp_path)).totals.to_pylist()
    return next(
        row for row in found
        if (row["measure"], row["dimension"], row["period_start"], row["period_months"])
        == (name, "system", date(2025, 1, 1), 1)
    )  # fmt: skip


def test_two_people_who_would_be_one_have_a_readmission_between_them(tmp_path) -> None:
    registry = Registry().started().person(1).person(2)
    registry.stay(1, "2025-01-01", "2025-01-05").stay(2, "2025-01-10", "2025-01-12", provider="S")
    registry.moved("S:2", -2.0, 2, 1).moved("R:1", 4.0, 1, 77)
    row = moved(registry, tmp_path, "readmission_30_days")
    assert (row["n"], row["d"]) == (0, 2)
    assert (row["highest_n_change"], row["highest_d_change"]) == (1, 0)


def test_one_person_who_would_be_two_has_none(tmp_path) -> None:
    registry = Registry().started().person(1, "1950-01-15", gp_practice="A10001", ethnicity="A")
    registry.stay(1, "2025-01-01", "2025-01-05").stay(1, "2025-01-10", "2025-01-12", provider="S")
    registry.moved("S:1", 2.0, 1, 77)
    row = moved(registry, tmp_path, "readmission_30_days")
    assert (row["n"], row["d"], row["lowest_n_change"], row["lowest_d_change"]) == (1, 2, -1, 0)
    rate = moved(registry, tmp_path / "again", "emergency_admissions_65")
    assert (rate["n"], rate["lowest_n_change"]) == (2, 0), "both are as old as the one"
    assert rate["lowest_d_change"] == pytest.approx(31 / 365.25), "and there is one more of them"


def test_nobody_but_whom_a_move_touches_counts_in_it(tmp_path) -> None:
    plain = busy(60)
    touched = busy(60).moved("G:1", 2.0, 1, 777)
    without, with_move = (
        cells.count(r.reading(tmp_path / n)).totals.to_pylist() for r, n in ((plain, "a"), (touched, "b"))
    )
    for before, after in zip(without, with_move, strict=True):
        assert (key(before), before["n"], before["d"]) == (key(after), after["n"], after["d"])
        assert before["ratio"] == pytest.approx(after["ratio"])


def test_without_alternatives_the_range_is_empty_and_said(tmp_path) -> None:
    reading = busy(60).reading(tmp_path, absent={LINKAGE_ALTERNATIVE.name})
    result = measure(reading, tmp_path / "out")
    empty = reading.connection.execute(
        "SELECT count(*) FILTER (linkage_low IS NOT NULL OR linkage_high IS NOT NULL) FROM audit_measure"
    ).fetchall()
    assert empty == [(0,)]
    assert result.about["linkage"].startswith("Not known")


def test_a_registry_of_few_is_mostly_hidden(tmp_path) -> None:
    reading = busy(5).reading(tmp_path)
    rows = measure(reading, tmp_path / "out").rows["audit_measure"]
    shown = reading.connection.execute(
        "SELECT count(*) FROM audit_measure WHERE NOT is_suppressed AND measure <> 'case_conferences'"
        " AND (numerator > 0 OR value > 0)"
    ).fetchall()[0][0]
    assert rows > 50
    assert shown == 0


@pytest.mark.parametrize("people", [0, 1])
def test_hardly_anybody(tmp_path, people: int) -> None:
    registry = Registry()
    for n in range(people):
        registry.person(n + 1)
    reading = registry.reading(tmp_path)
    assert measure(reading, tmp_path / "out").rows == {"audit_measure": 0}
    assert reading.connection.execute("SELECT count(*) FROM audit_measure").fetchall() == [(0,)]


def test_an_unknown_measure_under_rebase_is_refused_with_line_and_nearest(tmp_path) -> None:
    rebase = {"long_stays": ["2025-01-01"], "length_of_stays": ["2025-01-01"]}
    lines = ["name: trial", "audit:", "  rebase:", *(f"    {name}: [{days[0]}]" for name, days in rebase.items())]
    (tmp_path / "registry.yaml").write_text("\n".join(lines) + "\n")
    reading = Registry().reading(tmp_path, audit={"rebase": rebase})
    said = (
        r"registry\.yaml, line 5: audit\.rebase: there is no measure 'length_of_stays'; did you mean 'length_of_stay'\?"
    )
    with pytest.raises(BadInput, match=said):
        check(reading.configuration)
    with pytest.raises(BadInput, match=said):
        measure(reading, tmp_path / "out")
    check(Registry().reading(tmp_path / "other").configuration)


@pytest.mark.parametrize(
    ("measure_name", "day", "why"),
    [
        ("length_of_stay", "2025-06-15", r"length_of_stay: 2025-06-15 is no first day of a month; give 2025-06-01\."),
        ("copd_review", "2025-06-01", r"copd_review has no control limits to count anew, since it is a state"),
    ],
    ids=["within a month", "a state"],
)
def test_a_rebasing_that_would_do_nothing_or_something_else_is_refused(
    measure_name: str, day: str, why: str, tmp_path
) -> None:
    reading = Registry().reading(tmp_path, audit={"rebase": {measure_name: [day]}})
    with pytest.raises(BadInput, match=r"audit\.rebase: " + why):
        check(reading.configuration)


def test_rebasing_changes_the_limits_from_its_month_on(tmp_path) -> None:
    counted = cells.count(busy(900).reading(tmp_path))
    day = date(2025, 7, 1)
    for rebase, centres in (({}, 1), ({"length_of_stay": (day,)}, 2)):
        rows = table.shown(counted, rebase, is_linkage_known=True).to_pylist()
        months = [r for r in rows if key(r)[:3] == ("length_of_stay", "system", "all") and r["period_months"] == 1]
        assert len({r["centre"] for r in months}) == centres
        if rebase:
            before = {r["centre"] for r in months if r["period_start"] < day}
            assert len(before) == 1


def as_moved(registry: Registry, move: float) -> Registry:
    """The registry as it would be at a move: records with all that happened under them go over to the other person."""
    other = {row["record_id"]: row for row in registry.rows[LINKAGE_ALTERNATIVE.name] if row["threshold_move"] == move}
    after = Registry()
    for name, rows in registry.rows.items():
        if name in ("patient", LINKAGE_ALTERNATIVE.name):
            continue
        for row in rows:
            goes = other.get(row["record_id"])
            after.rows.setdefault(name, []).append(
                {**row, "patient_id": goes["alternative_patient_id"]} if goes else row
            )
    people = {row["patient_id"]: row for row in registry.rows["patient"]}
    parted = {row["alternative_patient_id"]: people[row["patient_id"]] for row in other.values()}
    held = {row["patient_id"] for row in after.rows["patient_record"]}
    after.rows["patient"] = [
        {**(people.get(patient_id) or parted[patient_id]), "patient_id": patient_id} for patient_id in sorted(held)
    ]
    return after


def test_a_move_is_counted_as_if_everything_were_counted_anew(tmp_path) -> None:
    """The difference of those whom it touches is the difference of the two registries, for every row that it changes."""
    registry = busy(250, seed=3)
    chance = random.Random(4)
    for n in range(1, 60):
        registry.condition(n, DIABETES, "2020-01-01").observed(n, HBA1C, "2025-03-01", "C")
        registry.add("patient_care_plan", of=n, start_date="2025-02-01", provider="C")
        registry.stay(n, "2025-03-01", "2025-03-03").contact(n, "2025-03-05", "C")
        for provider in chance.sample("RSCG", 2):
            registry.moved(f"{provider}:{n}", 2.0, n, chance.choice([n + 60, n + 120, 9000 + n]))
    found = {key(row): row for row in cells.count(registry.reading(tmp_path / "a")).totals.to_pylist()}
    anew = {key(row): row for row in cells.count(as_moved(registry, 2.0).reading(tmp_path / "b")).totals.to_pylist()}
    changed = 0
    for row_key, row in found.items():
        if row_key[0] == "case_conferences" or row_key not in anew:
            continue
        by_n, by_d = (row[f"lowest_{of}_change"] or 0 for of in ("n", "d"))
        assert row["n"] + by_n == pytest.approx(anew[row_key]["n"]), row_key
        assert row["d"] + by_d == pytest.approx(anew[row_key]["d"]), row_key
        if row["ratio"] is not None and anew[row_key]["ratio"] is not None:
            assert row["ratio"] + (row["lowest_change"] or 0) == pytest.approx(anew[row_key]["ratio"]), row_key
        changed += by_n != 0
    assert changed > 50, "else this says little"
    assert {row_key[0] for row_key, row in found.items() if row["lowest_n_change"]} >= {
        "readmission_30_days", "first_contact_days", "diabetes_hba1c", "care_plan_coverage",
    }  # fmt: skip


def test_the_same_snapshot_gives_the_same_bytes(tmp_path) -> None:
    reading = busy(200).reading(tmp_path)
    for name in ("a", "b"):
        measure(reading, tmp_path / name)
    files = [(tmp_path / name / "audit_measure.parquet").read_bytes() for name in ("a", "b")]
    assert files[0] == files[1]
