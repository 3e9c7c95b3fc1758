"""How good the links are: estimated errors, calibration and weights, the model, blocking, ties, and moved thresholds.

What belongs here: the sections `estimates`, `sensitivity`, `model`, `weights`, `blocking` and `ties`, told from what
the link stage gathered. What does not: estimating anything (the link stage does), and groups of people (`groups`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from registry_pipeline.govern.disclosure import shown_count
from registry_pipeline.pages.content import Cell, ChartFigure, Colour, Column, Section, TableFigure
from registry_pipeline.reports.figures.material import Material
from registry_pipeline.reports.figures.words import counted, interval, percent, plural, spaced

FALSE_GREEN, FALSE_RED = 0.001, 0.002
"""Estimated share of matches that join two people. Green up to 0.1%: the precision of 99.9% that was asked of links
made without a person. Red from 0.2%: what the old national hospital linkage (HESID) was measured at (Hagger-Johnson
2015)."""

MISSED_GREEN, MISSED_RED = 0.03, 0.041
"""Estimated share of true pairs that were not found. Green up to 3%: the recall of 97% that was asked. Red from 4.1%:
what the old national hospital linkage was measured at (Hagger-Johnson 2015)."""

SURE = ("same_nhs_number", "local_merge", "must_link")
"""What joins two records without a score: their errors are wrong numbers and wrong words, which nothing here
estimates."""

OTHER_ESTIMATES: Mapping[str, str] = {
    "false_without_two_numbers": "the same, without pairs that are likelier one person with two numbers",
    "missed_by_two_numbers": "Pairs that are one person by all else, whose verified numbers differ",
}
"""Further estimates that the link stage may hand over, in words."""

WEIGHT_SERIES: Mapping[str, str] = {
    "match_by_number": "joined, same NHS number",
    "match_by_weight": "joined by the model",
    "possible_match": "to review",
    "no_match": "kept apart",
}
"""Outcomes of pairs in the weight histogram, in words."""

MOST_TRUE_PAIRS = 0.9
"""Share of true pairs from which a blocking rule is said to find most of them."""

FEWEST_PAIRS = 30
"""Pairs of a calibration bin below which its observed share says little."""

Measured = Mapping[str, float]


def part(handed_over: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A part of what was handed over; empty where it is missing or None."""
    found = handed_over.get(key)
    return dict(found) if isinstance(found, Mapping) else {}


def not_known(section: str, title: str, why: str) -> Section:
    """A section that can only say why it is empty."""
    return Section(id=section, title=title, lead=f"Not known for this night: {why}")


def sections(material: Material) -> list[Section]:
    """Everything told of the linkage itself, in the report's order."""
    linkage = material.linkage
    return [
        _estimates(material),
        _sensitivity(linkage),
        _model(linkage),
        _weights(linkage),
        _blocking(linkage),
        _ties(linkage),
    ]


# Estimated errors ----------------------------------------------------------------------------------------------------


def judged(measured: Measured | None, green: float, red: float) -> Colour:
    """The colour of an estimated error: by its value, and never green while its interval reaches what would be red."""
    if not measured:
        return "grey"
    if measured["value"] >= red:
        return "red"
    return "green" if measured["value"] <= green and measured["high"] < red else "amber"


def without_number(linkage: Mapping[str, Any]) -> float:
    """The share of joined pairs that were joined without an NHS number, a provider's word or a person's.

    Estimates are of such pairs only. All of them where nothing is known.
    """
    joined = {d["decided_by"]: int(d["pairs"]) for d in linkage.get("decisions") or () if d["outcome"] == "match"}
    total = sum(joined.values())
    return 1 - sum(joined.get(how, 0) for how in SURE) / total if total else 1.0


def all_false(linkage: Mapping[str, Any]) -> Measured | None:
    """Estimated false links of all joined pairs: those of pairs without a number, in their proportion.

    A shared NHS number is taken to be right. (The same is not done with missed links: pairs of one person who goes by
    two numbers are missed just because the numbers differ, and would be left out.)
    """
    measured = part(linkage, "estimates").get("false")
    if not measured:
        return None
    share = without_number(linkage)
    return {**{name: measured[name] * share for name in ("value", "low", "high")}, "of": measured.get("of", 0)}


def _estimates(material: Material) -> Section:
    title = "Estimated false and missed links"
    estimates = part(material.linkage, "estimates")
    why = estimates.get("why_none") or "the link stage handed over no estimates."
    if not estimates.get("missed") and not estimates.get("false"):
        return not_known("estimates", title, why)
    false, missed = estimates.get("false"), estimates.get("missed")
    joined = all_false(material.linkage)
    for name, measured in (("estimated_false", joined), ("estimated_missed", missed)):
        material.headline[name] = measured["value"] if measured else None
    measures = [
        ("False links, of all joined pairs", joined, FALSE_GREEN, FALSE_RED),
        ("Missed links, of pairs of one person matched as if they had no number", missed, MISSED_GREEN, MISSED_RED),
    ]
    rows = [_measure_row(words, measured, judged(measured, green, red)) for words, measured, green, red in measures]
    rows.append(_measure_row("False links, of matches made as if nobody had a number", false, None))
    for key, words in OTHER_ESTIMATES.items():
        if estimates.get(key):
            rows.append(_measure_row(words, estimates[key], None))
    rows.append(_measure_row("Pairs of one person that were compared at all", estimates.get("blocking_recall"), None))
    rows += _review_rows(material)
    told = [f"{words}: {interval(m)}" for words, m, _, _ in measures if m]
    return Section(
        id="estimates",
        title=title,
        lead="Nobody knows the truth about every pair, so errors are estimated. "
        + ". ".join(told)
        + ". A false link shows one person another's care: it is a clinical risk, and the thresholds are set to avoid"
        " it. A missed link hides part of a person's care."
        f" Bad would be: false links above {percent(FALSE_RED, 1)} or missed links above {percent(MISSED_RED, 1)}, the"
        " error that the old national hospital linkage was found to have.",
        tables=[
            TableFigure(
                id="estimated_errors",
                title="Estimated errors, with 95% intervals",
                columns=[
                    Column("Error"), Column("State", "colour"), Column("Estimate", "share"), Column("from", "share"),
                    Column("to", "share"), Column("Rests on", "count", "pairs"),
                ],
                rows=rows,
                note=f"{estimates.get('method', '')} Missed links are of people with a verified NHS number, matched as"
                " if they had none. False links of all joined pairs: those of matches without a number, in their"
                f" proportion ({percent(without_number(material.linkage))} of joined pairs); a shared NHS number is"
                " taken to be right.",
            ),
            *_causes(estimates),
        ],
        charts=_error_chart(measures),
        notes=[*map(str, estimates.get("reasons", ()))],
        answers=[10],
    )  # fmt: skip


def _measure_row(words: str, measured: Measured | None, colour: Colour | None) -> list[Cell]:
    if not measured:
        return [words, "grey" if colour else None, None, None, None, None]
    return [words, colour, measured["value"], measured["low"], measured["high"], round(measured.get("of", 0))]


def _review_rows(material: Material) -> list[list[Cell]]:
    review = part(material.linkage, "review")
    said = (
        ("precision", "Reviewers: joined pairs that are one person"),
        ("recall", "Reviewers: kept pairs of one person that were joined"),
    )
    return [_measure_row(words, review[key], None) for key, words in said if review.get(key)]


def _causes(estimates: Mapping[str, Any]) -> list[TableFigure]:
    made = []
    for key, title in (("missed_by_cause", "Why links were missed"), ("false_by_cause", "What made false links")):
        causes = part(estimates, key)
        if causes:
            rows: list[Sequence[Cell]] = [
                [spaced(words), round(n)] for words, n in sorted(causes.items(), key=lambda c: -c[1])
            ]
            columns = [Column("Cause"), Column("Pairs", "count", "of those drawn")]
            made.append(TableFigure(id=key, title=title, columns=columns, rows=rows))
    return made


def _error_chart(measures: Sequence[tuple[str, Measured | None, float, float]]) -> list[ChartFigure]:
    data = [
        {
            "category": words.partition(",")[0], "value": measured["value"], "low": measured["low"],
            "high": measured["high"], "flag": judged(measured, green, red),
        }
        for words, measured, green, red in measures
        if measured
    ]  # fmt: skip
    told = "; ".join(f"{row['category']} {interval(row)}" for row in data)  # type: ignore[arg-type]  # value, low and high are numbers
    return [
        ChartFigure(
            id="estimated_errors_chart",
            kind="intervals",
            title="Estimated errors with their 95% intervals",
            description=f"{told}.",
            data=data,
            options={"value_title": "share of pairs", "format": "share"},
        )
    ]


# Thresholds moved ----------------------------------------------------------------------------------------------------


def _sensitivity(linkage: Mapping[str, Any]) -> Section:
    title = "If the threshold were another"
    found = part(linkage, "sensitivity")
    steps = found.get("steps") or []
    if not steps:
        return not_known(
            "sensitivity", title, linkage.get("why_no_sensitivity") or "the link stage handed over no trial."
        )
    rows: list[Sequence[Cell]] = [
        [
            step["move"], step["threshold"], shown_count(step["people"]), shown_count(step["multi_record_people"]),
            step.get("joined_pairs"), step.get("pairs_gained"), step.get("pairs_lost"), step.get("records_changed"),
        ]
        for step in steps
    ]  # fmt: skip
    data = [{"x": step["threshold"], "value": shown_count(step["people"])} for step in steps]
    numbers = [n for n in (shown_count(step["people"]) for step in steps) if isinstance(n, int)]
    most = max(numbers, default=0)
    spread = (most - min(numbers)) / most if most else None
    return Section(
        id="sensitivity",
        title=title,
        lead="How the headline counts would move if the weight from which two records are joined were lower (more"
        f" links) or higher (fewer). Over the thresholds tried, the number of people differs by {percent(spread, 2)}."
        " It matters because a threshold is a choice. Bad would be: counts that move much with a small step, since"
        " then the choice, not the data, decides what the registry says.",
        tables=[
            TableFigure(
                id="moved_thresholds",
                title="Counts at other thresholds",
                columns=[
                    Column("Moved by", "number", "bits of weight"), Column("Threshold", "number", "weight"),
                    Column("People", "people"), Column("People with several records", "people"),
                    Column("Joined pairs", "count"), Column("Pairs gained", "count"), Column("Pairs lost", "count"),
                    Column("Records whose person changes", "count"),
                ],
                rows=rows,
                note="The threshold in use is the one moved by 0.",
            )
        ],
        charts=[
            ChartFigure(
                id="people_by_threshold",
                kind="lines",
                title="People in the registry, by threshold",
                description=f"{counted(data[0]['value'])} people at the lowest threshold tried,"
                f" {counted(data[-1]['value'])} at the highest.",
                data=data,
                options={
                    "x_title": "match weight from which records are joined",
                    "value_title": "people",
                    "format": "count",
                    "zero": False,
                },
            )
        ],
        notes=[*map(str, found.get("approximation", ()))],
        answers=[14],
    )  # fmt: skip


# The model -----------------------------------------------------------------------------------------------------------


def _model(linkage: Mapping[str, Any]) -> Section:
    title = "The linkage model"
    model = part(linkage, "model")
    if not model:
        return not_known("model", title, "the link stage handed over no model.")
    trained = part(model, "trained_on")
    about: list[Sequence[Cell]] = [
        ["Version", _text(model.get("version"))],
        ["Model card", _text(model.get("card"))],
        ["Trained at", _text(model.get("trained_at"))],
        *([f"Trained on: {spaced(name)}", _text(value)] for name, value in trained.items()),
        ["Splink version of its training", _text(model.get("splink_version"))],
        ["Rules for households", "in use" if model.get("has_households") else "not in use"],
        ["Newer versions waiting to be let in", ", ".join(model.get("newer_waiting") or []) or "none"],
    ]
    thresholds: list[Sequence[Cell]] = [
        [spaced(t["name"]), t["weight"], t.get("probability"), t.get("meaning"), t.get("how_chosen")]
        for t in model.get("thresholds") or []
    ]
    levels = linkage.get("m_and_u") or []
    why_none = [str(model["why_none"])] if model.get("why_none") else []
    return Section(
        id="model",
        title=title,
        lead=f"Version {_text(model.get('version'))} decides, from how records agree, how likely two are one person."
        " Each comparison adds weight for agreement and takes it off for disagreement: m is how often records of one"
        " person agree so, u how often those of strangers do. Models are trained and let in by people, never at night."
        " Bad would be: a model that nobody let in, or a comparison whose agreement hardly weighs anything.",
        tables=[
            TableFigure("model_about", "The model", [Column("What"), Column("Value")], about),
            *(
                [
                    TableFigure(
                        "thresholds",
                        "Thresholds, and how they were chosen",
                        [
                            Column("Threshold"), Column("Weight", "number", "bits"), Column("Probability", "number"),
                            Column("Meaning"), Column("How chosen"),
                        ],
                        thresholds,
                    )
                ]
                if thresholds
                else []
            ),
            *([_levels(levels)] if levels else []),
        ],
        charts=[_m_and_u(levels)] if levels else [],
        notes=why_none,
        answers=[6, 7],
    )  # fmt: skip


def _text(value: Any) -> str:
    return "not known" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _levels(levels: Sequence[Mapping[str, Any]]) -> TableFigure:
    return TableFigure(
        "m_and_u",
        "Comparisons: m, u and weight of every level",
        [
            Column("Comparison"), Column("Level"), Column("m", "number", "of pairs of one person"),
            Column("u", "number", "of pairs of strangers"), Column("Weight", "number", "bits"),
        ],
        [[spaced(e["comparison"]), spaced(e["level"]), e.get("m"), e.get("u"), e.get("weight")] for e in levels],
    )  # fmt: skip


def _m_and_u(levels: Sequence[Mapping[str, Any]]) -> ChartFigure:
    data = [
        {"comparison": spaced(e["comparison"]), "level": spaced(e["level"]), "m": e.get("m"), "u": e.get("u")}
        for e in levels
    ]
    strongest = max(levels, key=lambda e: e.get("weight") or 0.0)
    return ChartFigure(
        id="m_and_u_chart",
        kind="m_and_u",
        title="What each kind of agreement says",
        description="Weight of every level of every comparison. The strongest evidence for one person is"
        f" {spaced(strongest['comparison'])}, {spaced(strongest['level'])}.",
        data=data,
    )


# Calibration and weights ---------------------------------------------------------------------------------------------


def _weights(linkage: Mapping[str, Any]) -> Section:
    title = "Match weights, and whether probabilities mean what they say"
    histogram, calibration = part(linkage, "weight_histogram"), part(linkage, "calibration")
    if not histogram and not calibration:
        return not_known("weights", title, "the link stage handed over neither weights nor a calibration.")
    grey = part(histogram, "grey_zone")
    notes = []
    if grey:
        pairs, waiting = plural(grey["pairs"], "pair", "pairs"), plural(grey["possible_match"], "waits", "wait")
        zone = f"weights {counted(grey['from'])} to {counted(grey['to'])}"
        said = f"Grey zone, {zone}: {pairs}, of which {waiting} as possible matches. {grey.get('meaning', '')}"
        notes.append(said.strip())
    notes += [str(calibration["why_not_tonight"])] if calibration.get("why_not_tonight") else []
    return Section(
        id="weights",
        title=title,
        lead="Pairs by their match weight, with the thresholds: a clear valley between strangers and one person means"
        " that few pairs are in doubt. And the calibration: of pairs that the model says are one person with 90%, nine"
        " in ten should be. Bad would be: a high wall at a threshold, or points far from the diagonal.",
        tables=_calibration_tables(calibration),
        charts=[*_histogram(histogram), *_calibration(calibration)],
        notes=notes,
        answers=[7],
    )


def _histogram(histogram: Mapping[str, Any]) -> list[ChartFigure]:
    series = [name for name in histogram.get("series") or () if name in WEIGHT_SERIES]
    bins = histogram.get("bins") or []
    data = [
        {"from": each["from"], "to": each["to"], "value": each[name], "group": WEIGHT_SERIES[name]}
        for each in bins
        for name in series
        if each.get(name)
    ]
    if not data:
        return []
    marks = part(histogram, "thresholds")
    pairs = sum(int(row["value"]) for row in data)
    return [
        ChartFigure(
            id="weight_histogram",
            kind="histogram",
            title="Pairs by match weight",
            description=f"{counted(pairs)} pairs that were kept, by match weight and by what became of them; the"
            " vertical rules are the thresholds.",
            data=data,
            options={
                "x_title": "match weight (bits)",
                "value_title": "pairs",
                "format": "count",
                "log": True,
                "reference": [{"value": at, "label": spaced(name)} for name, at in marks.items()],
            },
        )
    ]


_CALIBRATIONS = (("tonight", "tonight's pairs"), ("saved", "when the model was trained"))


def _bins(calibration: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "reported": each["reported"], "observed": each["true"], "low": each.get("low"), "high": each.get("high"),
            "count": each.get("pairs"), "group": words,
        }
        for key, words in _CALIBRATIONS
        for each in part(calibration, key).get("bins") or ()
    ]  # fmt: skip


def _calibration(calibration: Mapping[str, Any]) -> list[ChartFigure]:
    data = _bins(calibration)
    if not data:
        return []
    enough = [row for row in data if (row["count"] or 0) >= FEWEST_PAIRS] or data
    furthest = max(enough, key=lambda row: abs(row["reported"] - row["observed"]))
    return [
        ChartFigure(
            id="calibration_chart",
            kind="calibration",
            title="Reported probability against the share that is one person",
            description=f"Furthest from the diagonal: reported {percent(furthest['reported'])}, observed"
            f" {percent(furthest['observed'])} ({furthest['group']}).",
            data=data,
            options={"x_title": "reported probability", "value_title": "share that is one person", "format": "share"},
        )
    ]


def _calibration_tables(calibration: Mapping[str, Any]) -> list[TableFigure]:
    data = _bins(calibration)
    if not data:
        return []
    rows = [[r["group"], r["reported"], r["observed"], r["low"], r["high"], r["count"]] for r in data]
    said = [str(part(calibration, key).get("meaning") or "") for key, _ in _CALIBRATIONS]
    return [
        TableFigure(
            "calibration",
            "Calibration",
            [
                Column("Of"), Column("Reported", "share", "probability"), Column("Observed", "share", "one person"),
                Column("from", "share"), Column("to", "share"), Column("Pairs", "count"),
            ],
            rows,
            note=" ".join(each for each in said if each),
        )
    ]  # fmt: skip


# Blocking ------------------------------------------------------------------------------------------------------------


def _blocking(linkage: Mapping[str, Any]) -> Section:
    title = "Which records were compared"
    blocking = part(linkage, "blocking")
    rules = blocking.get("rules") or []
    if not rules:
        return not_known("blocking", title, "the link stage handed over nothing on blocking.")
    completeness = blocking.get("estimated_completeness")
    rows: list[Sequence[Cell]] = [
        [
            spaced(rule["name"]), rule.get("meaning"), rule.get("kept_pairs_first"), rule.get("compared_pairs_first"),
            rule.get("estimated_share_of_true_pairs"), rule.get("values_left_out"), rule.get("most_records_of_a_value"),
        ]
        for rule in rules
    ]  # fmt: skip
    data = [
        {"category": spaced(rule["name"]), "value": rule["estimated_share_of_true_pairs"]}
        for rule in rules
        if rule.get("estimated_share_of_true_pairs") is not None
    ]
    charts = [
        ChartFigure(
            id="blocking_chart",
            kind="bars",
            title="Share of true pairs that each rule brings together by itself (estimated)",
            description=_rules_told(data),
            data=data,
            options={"value_title": "share of true pairs", "format": "share"},
        )
    ] if data else []  # fmt: skip
    together = (
        f" Together they are estimated to bring together {interval(completeness)} of true pairs."
        if completeness
        else ""
    )
    return Section(
        id="blocking",
        title=title,
        lead="No registry can compare everybody with everybody: records are compared where a rule finds something"
        f" alike. A pair that no rule finds can never be linked.{together} Bad would be: an estimate that falls from"
        " night to night, or values shared by very many records that were left out.",
        tables=[
            TableFigure(
                "blocking_rules",
                "Rules, in the order in which they are asked",
                [
                    Column("Rule"), Column("What is alike"), Column("Pairs kept", "count", "that it found first"),
                    Column("Pairs compared tonight", "count", "that it found first"),
                    Column("True pairs it finds", "share", "estimated"),
                    Column("Values left out", "count", "too common"),
                    Column("Commonest of them", "count", "records"),
                ],
                rows,
                note=str(blocking.get("method", "")),
            )
        ],
        charts=charts,
        answers=[5],
    )  # fmt: skip


def _rules_told(data: Sequence[Mapping[str, Any]]) -> str:
    most = sum(row["value"] >= MOST_TRUE_PAIRS for row in data)
    least = min(data, key=lambda row: row["value"])
    return (
        f"{most} of {len(data)} rules bring {percent(MOST_TRUE_PAIRS, 0)} or more of true pairs together by"
        f" themselves; the least, {least['category']}, {percent(least['value'], 0)}."
    )


# Ties and decisions --------------------------------------------------------------------------------------------------


def _ties(linkage: Mapping[str, Any]) -> Section:
    title = "What decided, and records with several equal partners"
    ambiguity, decisions = part(linkage, "ambiguity"), linkage.get("decisions") or []
    if not ambiguity and not decisions:
        return not_known("ties", title, "the link stage handed over neither decisions nor ties.")
    tables = []
    if decisions:
        tables.append(
            TableFigure(
                "decisions",
                "Pairs by outcome and by what decided",
                [Column("Outcome"), Column("Decided by"), Column("Pairs", "count"), Column("Meaning")],
                [[spaced(d["outcome"]), spaced(d["decided_by"]), d["pairs"], d.get("meaning")] for d in decisions],
            )
        )
    if ambiguity:
        frozen = part(ambiguity, "frozen")
        ties: list[Sequence[Cell]] = [
            ["Records with at least one partner", ambiguity.get("records_with_a_partner")],
            [f"of them with two partners within {counted(ambiguity.get('margin'))} bits", ambiguity.get("records")],
            ["of them with exactly equal partners", ambiguity.get("ties")],
            ["Records in groups held as they were (contradicting overrides)", frozen.get("records")],
        ]
        tables.append(
            TableFigure(
                "ambiguity", "Records with several partners", [Column("What"), Column("Records", "count")], ties
            )
        )
    return Section(
        id="ties",
        title=title,
        lead="Which rule or weight decided each pair, and how many records fit two people about equally well. A tie is"
        " never broken by chance: what cannot be told apart is not joined, and waits for a person. Bad would be: many"
        " ties, or many links by one rule that nobody expected.",
        tables=tables,
        notes=[str(ambiguity[key]) for key in ("meaning", "handling") if ambiguity.get(key)],
        answers=[8],
    )
