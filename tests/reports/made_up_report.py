"""A made-up report with every kind of figure: what the page must be able to show, whatever a night brings."""

from __future__ import annotations

import math
from typing import Any

from registry_pipeline.pages.content import (
    ChartFigure,
    ChecklistItem,
    Column,
    Light,
    Report,
    Section,
    TableFigure,
)

PROVIDERS = ("GP1 Riverside Practice", "GP2 Hill Street", "RX1 St Made-Up's Hospital", "RX2 North Community",
             "RY1 Mental Health Trust", "C1 Borough Council")  # fmt: skip
BANDS = ("0 to 4", "5 to 15", "16 to 24", "25 to 44", "45 to 64", "65 to 84", "85 and over")
MEASURES = ("delivered", "accepted", "quarantined", "carried forward", "days stale", "family name", "given name",
            "birth date", "sex", "postcode", "NHS number", "NHS number valid")  # fmt: skip


def bars() -> ChartFigure:
    data = [{"category": p, "value": 0.99 - 0.031 * n, "low": 0.985 - 0.031 * n, "high": 0.995 - 0.031 * n,
             **({"flag": "amber"} if n > 4 else {})} for n, p in enumerate(PROVIDERS)]  # fmt: skip
    options = {"value_title": "share of records linked to another setting", "format": "share",
               "reference": [{"value": 0.95, "label": "all providers"}]}  # fmt: skip
    return ChartFigure("linked", "bars", "Records linked, by provider", "Five of six lie above 86%; the council is last.",
                       data, options)  # fmt: skip


def grouped_bars() -> ChartFigure:
    data: list[dict[str, Any]] = [
        {"category": band, "group": sex, "value": 1200 + 310 * n + 55 * (sex == "female")}
        for n, band in enumerate(BANDS) for sex in ("female", "male")
    ]  # fmt: skip
    data[0]["value"] = "*"
    options = {"value_title": "people", "category_title": "age band", "group_title": "sex", "format": "people"}
    return ChartFigure(
        "people", "grouped_bars", "People by age band and sex", "More in each older band.", data, options
    )


def stacked_bars() -> ChartFigure:
    data = [
        {"category": p, "group": what, "value": share}
        for p in PROVIDERS for what, share in (("valid", 0.91), ("not valid", 0.03), ("missing", 0.06))
    ]  # fmt: skip
    options = {"value_title": "share of records", "group_title": "NHS number", "format": "share"}
    return ChartFigure("nhs-number", "stacked_bars", "NHS number by provider", "Nine in ten are valid.", data, options)


def lines(nights: int = 30) -> ChartFigure:
    data: list[dict[str, Any]] = [
        {"x": f"2026-03-{n + 1:02}", "group": what, "value": level + 0.004 * math.sin(n + level), "low": level - 0.006, "high": level + 0.006}
        for what, level in (("GP with acute", 0.972), ("acute with community", 0.951), ("GP with council", 0.924))
        for n in range(nights)
    ]  # fmt: skip
    if nights > 12:
        data[11]["value"] = None
    options = {"value_title": "share of records linked", "group_title": "settings", "format": "share",
               "reference": [{"value": 0.93, "label": "lowest that is accepted"}]}  # fmt: skip
    return ChartFigure(
        "drift", "lines", "Linkage rate over the last 30 nights", "Steady; no night is out of line.", data, options
    )


def histogram() -> ChartFigure:
    data = [
        {"from": w, "to": w + 1, "group": what, "value": round(90_000 * math.exp(-((w - middle) ** 2) / 40)) + 3}
        for what, middle in (("not joined", -8), ("joined", 21)) for w in range(-25, 35)
    ]  # fmt: skip
    options = {"value_title": "pairs (each step ten times more)", "x_title": "match weight", "format": "count", "log": True,
               "reference": [{"value": 2, "label": "review"}, {"value": 9, "label": "join"}]}  # fmt: skip
    return ChartFigure(
        "weights",
        "histogram",
        "Match weights of scored pairs",
        "Two hills, with few pairs between the thresholds.",
        data,
        options,
    )


def calibration() -> ChartFigure:
    data = [{"reported": p, "observed": min(1.0, p + d), "low": max(0.0, p + d - 0.05), "high": min(1.0, p + d + 0.05), "count": 900 + 40 * n}
            for n, (p, d) in enumerate(((0.05, 0.02), (0.2, -0.03), (0.4, 0.05), (0.6, 0.02), (0.8, 0.04), (0.95, 0.01), (0.99, 0.005)))]  # fmt: skip
    return ChartFigure(
        "calibration", "calibration", "Are reported probabilities true?", "Points lie near the line.", data
    )


def intervals() -> ChartFigure:
    data = [{"category": band, "value": 1 - 0.004 * n, "low": 1 - 0.004 * n - 0.006, "high": 1 - 0.004 * n + 0.005,
             **({"flag": "red"} if n == 6 else {})} for n, band in enumerate(BANDS)]  # fmt: skip
    options = {"value_title": "found links, compared with everybody", "category_title": "age band",
               "reference": [{"value": 1.0, "label": "everybody"}]}  # fmt: skip
    return ChartFigure("ratio", "intervals", "Disparity by age band", "The oldest fall behind.", data, options)


def m_and_u() -> ChartFigure:
    levels = {
        "Name": (
            ("both exact", 0.86, 1e-5),
            ("similar", 0.09, 2e-4),
            ("one exact", 0.04, 0.012),
            ("all other", 0.01, 0.98),
        ),
        "Birth date": (("exact", 0.97, 4e-5), ("day and month swapped", 0.004, 1e-5), ("all other", 0.02, 0.9)),
        "Postcode": (("exact", 0.71, 3e-4), ("outward", 0.12, 0.02), ("all other", 0.17, 0.97)),
        "Sex": (("exact", 0.995, 0.5), ("all other", 0.005, 0.5)),
    }
    data = [{"comparison": c, "level": name, "m": m, "u": u} for c, found in levels.items() for name, m, u in found]
    return ChartFigure("m-and-u", "m_and_u", "What each agreement says", "Names and birth dates say most.", data)


def table(rows: int = 6) -> TableFigure:
    columns = [Column("provider"), *(Column(m, "count" if n < 5 else "share") for n, m in enumerate(MEASURES))]
    made = [
        [PROVIDERS[n % len(PROVIDERS)], 120_000 - 7_000 * n, 118_204 - 7_000 * n, 1796, 0, n, *(0.9999 - 0.011 * k * n for k in range(6)), None]
        for n in range(rows)
    ]  # fmt: skip
    return TableFigure(
        "inputs", "What each provider delivered", columns, made, "Shares are of accepted rows.", {rows - 1: "amber"}
    )


def people_table() -> TableFigure:
    columns = [Column("group"), Column("people", "people"), Column("share linked", "share"), Column("ratio", "number"),
               Column("since", "date"), Column("state", "colour")]  # fmt: skip
    rows = [
        ["White British", 81_240, 0.9991, 1.0, "2026-01-01", "green"],
        ["Gypsy or Irish Traveller", "*", "*", None, None, "grey"],
        ["Not stated", 640, 0.871, 0.872, "2026-03-01", "red"],
        ["Any other", 0, None, 0.00003, "2026-03-01", "amber"],
        ["Bangladeshi", 1205, 1.0, 1.0012, "2026-02-14", "green"],
    ]
    return TableFigure("groups", "Who is linked less often", columns, rows, flags={2: "red"})


def digests() -> TableFigure:
    """Words that no line can hold."""
    columns = [Column("file"), Column("SHA-256"), Column("made by"), Column("rows", "count")]
    return TableFigure(
        "files",
        "Files",
        columns,
        [
            [f"{name}.parquet", "0123456789abcdef" * 4, "the night of 2 April, after all providers were in", 1204]
            for name in ("patient", "patient_care_service")
        ],
    )


def report() -> Report:
    """A report of a usual night, with every kind of figure."""
    sections = [
        Section("inputs", "What came in", "All six providers delivered; one is a night late.", [table()], [stacked_bars()], ["A file that comes after 22:00 counts for the next night."], [1, 2, 3]),
        Section("rate", "Linkage rate", "Of all records, 96.4% belong to a person who is known from another record.", [], [bars(), lines()], [], [9]),
        Section("quality", "False and missed links", "Between 12 and 31 of 100,000 links are false.", [], [calibration(), histogram(), m_and_u()], ["Intervals are 95%, by bootstrap over people."], [5, 10]),
        Section("groups", "For whom it works worse", "People of 85 and over are found less often.", [people_table()], [intervals(), grouped_bars()], [], [12]),
        Section("left-out", "Records left out", "None.", [TableFigure("none", "Left out, by reason", [Column("reason"), Column("records", "count")], []), digests()], [ChartFigure("empty", "bars", "Nothing", "There is nothing.", [])]),
    ]  # fmt: skip
    lights = [
        Light("Inputs on time", "amber", "5 of 6", "The council's file is a night late.", "inputs"),
        Light("Records linked", "green", "96.4%", "Within what the last 30 nights were.", "rate"),
        Light("False links", "green", "0.02%", "At most 31 in 100,000 links.", "quality"),
        Light("Fairness", "red", "0.976", "People of 85 and over: the lowest ratio of found links.", "groups"),
        Light("Reviewed sample", "grey", "not known", "No sample has been reviewed by people yet.", "quality"),
    ]
    changes = [
        "1,204 people are new, 37 were joined, 5 were split, 2 ids were retired.",
        "RX1 St Made-Up's Hospital delivered 12.0% fewer spells than on the night before.",
        "The linkage rate rose by 0.1 percentage points to 96.4%.",
        "The agreement with C1 Borough Council ends in 21 days.",
    ]
    checklist = [
        ChecklistItem(1, "Source population and coverage of each provider", "inputs"),
        ChecklistItem(5, "Blocking rules, pairs of each, and estimated completeness", "quality"),
        ChecklistItem(11, "Clerical review: sample, reviewers, agreement", None, "No sample has been reviewed yet."),
        ChecklistItem(12, "Linked and unlinked people compared", "groups", "Deprivation is not known."),
    ]
    about = {"signature": "not signed yet", "signed": False, "model": "ics-2026-02", "code": "b148dc9"}
    return Report(
        "2026-04-02.1",
        "2026-04-02",
        "Made-up Integrated Care System",
        "2026-04-02T04:12:00+00:00",
        lights,
        changes,
        sections,
        checklist,
        about,
    )
