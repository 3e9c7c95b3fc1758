"""What came in: deliveries by provider and feed, identifiers' completeness and validity, and the DQMI.

What belongs here: the sections `inputs`, `identifiers` and `data_quality_index`. What does not: what was left out and
why (`left_out`), and judging rows (`validate`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from registry_pipeline import outcomes
from registry_pipeline.govern.disclosure import shown_count, shown_share
from registry_pipeline.pages.content import Cell, ChartFigure, Colour, Column, Section, TableFigure
from registry_pipeline.reports.figures import dqmi
from registry_pipeline.reports.figures.material import Material
from registry_pipeline.reports.figures.words import counted, listed, percent, plural, spaced

IDENTIFIERS: Mapping[str, str] = {
    "nhs_number": "NHS number",
    "given_name": "Given name",
    "family_name": "Family name",
    "birth_date": "Date of birth",
    "sex": "Sex",
    "ethnicity": "Ethnicity",
    "address": "Address",
    "postcode": "Postcode",
    "phone": "Phone",
    "email": "E-mail",
    "gp_practice": "GP practice",
}
"""Identifiers whose quality is told, by column of `person_record`."""

DEFAULT_REASONS = frozenset(
    {
        "not_known", "not_registered", "not_applicable", "default_code", "no_fixed_abode", "pseudo_postcode",
        "placeholder_name", "placeholder_date", "placeholder_address", "placeholder_postcode", "placeholder_phone",
        "placeholder_email", "repeated_digits",
    }
)  # fmt: skip
"""Reasons for setting a value to null that say: this stands for "not known". All others say: this is wrong."""

VALID_DEFAULTS = frozenset(
    {"not_known", "not_registered", "not_applicable", "default_code", "no_fixed_abode", "pseudo_postcode"}
)
"""Of them, those that are codes of a national list: the DQMI counts them as valid, and what is beyond the threshold
off."""

DQMI_ITEMS: Mapping[str, float] = {
    "nhs_number": 0.0,
    "given_name": 0.0,
    "family_name": 0.0,
    "birth_date": 0.0,
    "sex": 0.02,
    "ethnicity": 0.02,
    "postcode": 0.02,
    "gp_practice": 0.035,
}
"""Items of the index, and the share of records that may hold a default. The methodology sets thresholds item by item
and does not list them; its example has 0%, 2%, 3.5% and 100%. Here: none where a default says that the identifier was
lost, 2% where it may be the truth (of no fixed abode, not stated), 3.5% for people registered nowhere."""

CONSISTENT: Mapping[str, str] = {
    "nhs_number": "two_nhs_numbers",
    "birth_date": "two_birth_dates",
    "sex": "two_sexes",
    "death_date": "two_deaths",
}
"""Identifiers that should be the same in all of a person's records, and what counts people of whom they are not."""

LOW_SHARE = 0.9
"""Share of records with a usable value below which an identifier is marked: the linkage then rests on the others."""

QUARANTINED_MARKED = 0.01
"""Share of rows set aside above which a delivery is marked; a good extract has far fewer (a few in a thousand)."""


def sections(material: Material) -> list[Section]:
    """Inputs, identifiers and the index."""
    counts = identifier_counts(material)
    return [_deliveries(material), _identifiers(material, counts), _index(material, counts)]


# Deliveries ----------------------------------------------------------------------------------------------------------


def delivery_states(material: Material) -> list[dict[str, Any]]:
    """One entry a provider's feed: what was delivered, how old what is used is, its colour, and why."""
    states = [_used(material, entry) for entry in material.manifest.get("inputs", ())]
    for entry in material.manifest.get("without_data", ()):
        colour: Colour = "grey" if entry.get("reason") == "agreement" else "red"
        states.append(
            {**_NOTHING, "provider": entry["provider"], "feed": entry["feed"], "colour": colour, "why": _why(entry)}
        )
    return sorted(states, key=lambda s: (s["provider"], s["feed"] != "patient", s["feed"]))


_NOTHING: Mapping[str, Any] = {
    "delivered": None, "accepted": None, "quarantined": None, "night": None, "days_old": None, "forward": False,
}  # fmt: skip


def _used(material: Material, entry: Mapping[str, Any]) -> dict[str, Any]:
    forward = entry.get("carried_forward_because")
    last: Mapping[str, Any] = (entry.get("deliveries") or [{}])[-1]
    colour: Colour = "red" if entry["is_stale"] else "amber" if forward else "green"
    # A night's own delivery that stands although a further one of the night could not be used.
    outcome = material.outcomes.get((entry["provider"], entry["feed"]))
    why = _why(forward) if forward else (outcome.problem or "" if outcome else "")
    return {
        "provider": entry["provider"],
        "feed": entry["feed"],
        "delivered": last.get("rows_delivered"),
        "accepted": last.get("rows_accepted"),
        "quarantined": last.get("rows_quarantined"),
        "night": entry["night"],
        "days_old": entry["days_old"],
        "forward": bool(forward),
        "colour": colour,
        "why": why,
    }


def _why(entry: Mapping[str, Any]) -> str:
    return str(entry.get("problem") or spaced(str(entry.get("reason", "not said"))))


def _deliveries(material: Material) -> Section:
    states = delivery_states(material)
    rows: list[Sequence[Cell]] = []
    flags: dict[int, Colour] = {}
    for number, state in enumerate(states):
        delivered, aside = state["delivered"], state["quarantined"]
        share = aside / delivered if delivered else None
        colour: Colour = state["colour"]
        if colour == "green" and share is not None and share > QUARANTINED_MARKED:
            colour = "amber"
        if colour in ("red", "amber"):
            flags[number] = colour
        rows.append(
            [
                material.name(state["provider"]), spaced(state["feed"]), colour, delivered, state["accepted"], aside,
                share, state["night"], state["days_old"], state["why"],
            ]
        )  # fmt: skip
    late = sorted({s["provider"] for s in states if s["forward"]})
    without = sorted({s["provider"] for s in states if s["night"] is None})
    summary = [f"{plural(len(states), 'extract was', 'extracts were')} expected from {_providers(states)}."]
    if late:
        summary.append(f"Earlier extracts are carried forward for {listed(late)}.")
    if without:
        summary.append(f"Some feeds of {listed(without)} give nothing to this registry.")
    return Section(
        id="inputs",
        title="What came in",
        lead="Each provider's extracts: how many rows came, how many were taken and how many set aside, and whether"
        " tonight's extract was used or an earlier one carried forward. A late extract leaves yesterday's truth"
        " standing; it becomes a danger when it is older than the provider's own limit (red), because deaths, moves"
        " and flags are then missed. Bad would be: a red row, or many rows set aside.",
        tables=[
            TableFigure(
                id="deliveries",
                title="Extracts by provider and feed",
                columns=[
                    Column("Provider"), Column("Feed"), Column("State", "colour"), Column("Delivered", "count", "rows"),
                    Column("Accepted", "count", "rows"), Column("Set aside", "count", "rows"),
                    Column("Set aside", "share", "of delivered"), Column("Extract of", "date"),
                    Column("Age", "count", "nights"), Column("Why not tonight's"),
                ],
                rows=rows,
                note="Rows are those of the extract that is used. Age counts from the night of the registry.",
                flags=flags,
            )
        ],
        charts=[_ages(material, states)] if any(s["days_old"] for s in states) else [],
        notes=summary,
        answers=[2],
    )  # fmt: skip


def _providers(states: Sequence[Mapping[str, Any]]) -> str:
    return plural(len({s["provider"] for s in states}), "provider", "providers")


def _ages(material: Material, states: Sequence[Mapping[str, Any]]) -> ChartFigure:
    oldest: dict[str, Mapping[str, Any]] = {}
    for state in states:
        age = state["days_old"] or 0
        if state["provider"] not in oldest or age > (oldest[state["provider"]]["days_old"] or 0):
            oldest[state["provider"]] = state
    data = [
        {"category": material.name(code), "value": state["days_old"] or 0, "flag": state["colour"]}
        for code, state in oldest.items()
    ]
    worst = max(data, key=lambda row: int(row["value"] or 0))
    return ChartFigure(
        id="age_of_extracts",
        kind="bars",
        title="Age of the oldest extract in use, by provider",
        description=f"Nights since the extract was made. The oldest is {worst['value']} nights old, of"
        f" {worst['category']}.",
        data=data,
        options={"value_title": "nights", "format": "count"},
    )


# Identifiers ---------------------------------------------------------------------------------------------------------


def identifier_counts(material: Material) -> dict[str, dict[str, Any]]:
    """By provider: records, usable values of each identifier, and values set to null by identifier and reason."""
    counts: dict[str, dict[str, Any]] = {}
    for row in material.records("report_identifiers"):
        counts[row["provider"]] = {**row, "reasons": defaultdict(dict)}
    for provider, column, reason, values in material.rows("report_null_reasons"):
        counts[provider]["reasons"][column][reason] = values
    for provider, of_provider in counts.items():
        of_provider["repeated_numbers"] = 0
        of_provider["is_delivered"] = {column: _is_delivered(material, provider, column) for column in IDENTIFIERS}
    for provider, records in material.rows("report_repeated_numbers"):
        if provider in counts:
            counts[provider]["repeated_numbers"] = records
    return counts


def _is_delivered(material: Material, provider: str, column: str) -> bool:
    """Whether a provider's description names the column at all; without a map its own names are the canonical ones."""
    described = material.configuration.providers.get(provider)
    feed = described.feeds.get("patient") if described else None
    return feed is None or not feed.columns or column in feed.columns


def defaults_of(counts: Mapping[str, Any], column: str, among: frozenset[str] = DEFAULT_REASONS) -> int:
    """Records whose value of an identifier stands for "not known"."""
    reasons: Mapping[str, int] = counts["reasons"].get(column, {})
    coded = counts["ethnicity_defaults"] if column == "ethnicity" else 0
    return int(coded + sum(n for reason, n in reasons.items() if reason in among))


def _identifiers(material: Material, counts: Mapping[str, dict[str, Any]]) -> Section:
    if not counts:
        return Section(
            id="identifiers",
            title="Completeness and validity of identifiers",
            lead="The person records of this night are no longer there, so that their identifiers cannot be counted"
            " again.",
        )
    note = "Empty: the provider does not deliver it."
    return Section(
        id="identifiers",
        title="Completeness and validity of identifiers",
        lead="People are recognised by what their records say of them. For each provider and identifier: how often"
        ' something was delivered, how often that was usable, and how often it stood for "not known". Every value that'
        " was not usable was set to empty before linkage, so that nobody is joined on a placeholder. Bad would be: an"
        " identifier that a provider used to deliver and no longer does, or usable values below"
        f" {percent(LOW_SHARE, 0)} of records; missed links follow.",
        tables=[
            _matrix(material, counts, "completeness", "Something was delivered, share of records", _delivered, note),
            _matrix(material, counts, "validity", "Usable, share of what was delivered", _valid, note),
            _matrix(material, counts, "placeholders", 'Stood for "not known", share of records', _default, note),
            _usable(material, counts),
            _consistency(material),
            _set_to_null(counts),
        ],
        notes=_not_read(material),
        answers=[3, 4],
    )


def _not_read(material: Material) -> list[str]:
    gone = material.records_not_read
    return [f"The person records of {listed(gone)} are no longer there and not counted here."] if gone else []


def _values(counts: Mapping[str, Any], column: str) -> tuple[int, int]:
    """Usable values, and values delivered."""
    usable = int(counts[column])
    coded = counts["ethnicity_defaults"] if column == "ethnicity" else 0
    return usable, usable + coded + sum(counts["reasons"].get(column, {}).values())


# Of no fixed abode, not registered: some of what a value says is said of people. So these are counted as people are.


def _delivered(counts: Mapping[str, Any], column: str) -> Cell:
    return shown_share(_values(counts, column)[1], counts["records"])


def _valid(counts: Mapping[str, Any], column: str) -> Cell:
    return shown_share(*_values(counts, column))


def _default(counts: Mapping[str, Any], column: str) -> Cell:
    return shown_share(defaults_of(counts, column), counts["records"])


def _matrix(
    material: Material, counts: Mapping[str, dict[str, Any]], table: str, title: str, of: Any, note: str
) -> TableFigure:
    rows: list[Sequence[Cell]] = []
    for provider, each in counts.items():
        cells = [of(each, column) if each["is_delivered"][column] else None for column in IDENTIFIERS]
        rows.append([material.name(provider), each["records"], *cells])
    columns = [
        Column("Provider"),
        Column("Records", "count"),
        *(Column(name, "share") for name in IDENTIFIERS.values()),
    ]
    return TableFigure(id=table, title=title, columns=columns, rows=rows, note=note)


def _usable(material: Material, counts: Mapping[str, dict[str, Any]]) -> TableFigure:
    """What linkage has to work with: one line an identifier over all providers, and of the NHS number's own."""
    rows: list[Sequence[Cell]] = []
    flags: dict[int, Colour] = {}
    for column, name in IDENTIFIERS.items():
        owed = [c for c in counts.values() if c["is_delivered"][column]]
        records, usable = sum(c["records"] for c in owed), sum(c[column] for c in owed)
        share = usable / records if records else None
        lowest = min(owed, key=lambda c: c[column] / c["records"] if c["records"] else 1.0, default=None)
        least = lowest[column] / lowest["records"] if lowest and lowest["records"] else None
        if least is not None and least < LOW_SHARE:
            flags[len(rows)] = "amber"
        rows.append([name, records, usable, share, material.name(lowest["provider"]) if lowest else None, least])
    records = sum(c["records"] for c in counts.values())
    verified, repeated = (sum(c[k] for c in counts.values()) for k in ("nhs_number_verified", "repeated_numbers"))
    rows.append(["NHS number, verified", records, verified, verified / records if records else None, None, None])
    rows.append(
        [
            "NHS number on another record of the provider too",
            records,
            repeated,
            repeated / records if records else None,
            None,
            None,
        ]
    )
    return TableFigure(
        id="usable_identifiers",
        title="Usable values over all providers that deliver the identifier",
        columns=[
            Column("Identifier"), Column("Records", "count"), Column("With it", "count", "records"),
            Column("Share", "share"),
            Column("Lowest at"), Column("Share there", "share"),
        ],
        rows=rows,
        note="Verified: checked against the national demographics service (status 01). The last line is uniqueness:"
        " the same number twice at one provider is a duplicate record, or somebody else's number (ISB 0149,"
        " requirement 12).",
        flags=flags,
    )  # fmt: skip


def _consistency(material: Material) -> TableFigure:
    """Whether a person's records say the same of what does not change."""
    found = material.people_with_records
    rows: list[Sequence[Cell]] = [
        [
            IDENTIFIERS.get(column, "Date of death"),
            shown_count(found[differs]),
            shown_share(found[differs], found["people_linked"]),
        ]
        for column, differs in CONSISTENT.items()
    ]
    return TableFigure(
        id="consistency",
        title="Consistency: people whose own records differ",
        columns=[
            Column("Identifier"),
            Column("People", "people"),
            Column("Share", "share", "of those with several records"),
        ],
        rows=rows,
        note="Records without a value differ from none. What it may mean stands under Links that cannot be right.",
    )


def _set_to_null(counts: Mapping[str, dict[str, Any]]) -> TableFigure:
    total: dict[tuple[str, str], int] = defaultdict(int)
    for each in counts.values():
        for column, reasons in each["reasons"].items():
            for reason, values in reasons.items():
                total[column, reason] += values
    rows: list[Sequence[Cell]] = [
        [
            IDENTIFIERS.get(column, spaced(column)),
            spaced(reason),
            "placeholder or default" if reason in DEFAULT_REASONS else "not valid",
            shown_count(values),
        ]
        for (column, reason), values in sorted(total.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    ]
    return TableFigure(
        id="set_to_null",
        title="Values treated as missing, and why",
        columns=[
            Column("Identifier"),
            Column("Reason"),
            Column("Kind"),
            Column("Values", "people", "over all providers"),
        ],
        rows=rows,
        note="Ethnicity not stated (Z) and not known (99) are kept, and counted as defaults above.",
    )


# The index -----------------------------------------------------------------------------------------------------------


def coverage(material: Material, provider: str) -> tuple[int, int]:
    """Nights of the last 30 on which a provider's patients came in and were accepted, and nights on which they should.

    Expected are the nights that were run, from the provider's first on.
    """
    found = {night: outcomes.find(material.home, provider, "patient", night) for night in material.nights_run}
    first = min((night for night, outcome in found.items() if outcome is not None), default=None)
    used = [e for e in material.manifest.get("inputs", ()) if e["provider"] == provider and e["feed"] == "patient"]
    if used and (first is None or date.fromisoformat(used[0]["night"]) < first):
        first = date.min
    expected = [outcome for night, outcome in found.items() if first is not None and night >= first]
    return sum(outcome is not None and outcome.accepted for outcome in expected), len(expected)


def provider_index(material: Material, counts: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By provider: the items' scores, coverage, nights submitted and expected, and the index."""
    found: dict[str, dict[str, Any]] = {}
    for provider, each in counts.items():
        items = {
            column: dqmi.ItemCount(
                each["records"],
                each[column] + defaults_of(each, column, VALID_DEFAULTS),
                defaults_of(each, column, VALID_DEFAULTS),
                threshold,
            ).score
            for column, threshold in DQMI_ITEMS.items()
            if each["is_delivered"][column]
        }
        submitted, expected = coverage(material, provider)
        share = submitted / expected if expected else None
        scores = [score for score in items.values() if score is not None]
        value = dqmi.index(scores, [share] * len(scores)) if share is not None else None
        found[provider] = {
            "items": items, "coverage": share, "submitted": submitted, "expected": expected, "dqmi": value,
        }  # fmt: skip
    return found


def overall_index(found: Mapping[str, Mapping[str, Any]]) -> float | None:
    """The index over all items of all providers, as the methodology takes it over items of several data sets."""
    pairs = [
        (score, each["coverage"])
        for each in found.values()
        for score in each["items"].values()
        if score is not None and each["coverage"] is not None
    ]
    return dqmi.index([score for score, _ in pairs], [share for _, share in pairs])


def _index(material: Material, counts: Mapping[str, dict[str, Any]]) -> Section:
    found = provider_index(material, counts)
    overall = overall_index(found)
    material.headline["dqmi"] = round(overall, 2) if overall is not None else None
    rows: list[Sequence[Cell]] = [
        [
            material.name(provider), each["dqmi"], each["coverage"], f"{each['submitted']} of {each['expected']}",
            *(each["items"].get(column) for column in DQMI_ITEMS),
        ]
        for provider, each in found.items()
    ]  # fmt: skip
    data = [{"category": material.name(p), "value": e["dqmi"]} for p, e in found.items() if e["dqmi"] is not None]
    lowest = min(data, key=lambda row: float(row["value"] or 0), default=None)
    charts = [
        ChartFigure(
            id="dqmi_by_provider",
            kind="bars",
            title="Data Quality Maturity Index by provider",
            description=f"0 to 100. The lowest is {lowest['category']} with {counted(lowest['value'])}.",
            data=data,
            options={
                "value_title": "DQMI",
                "format": "number",
                **({"reference": [{"value": overall, "label": "all providers"}]} if overall is not None else {}),
            },
        )
    ] if lowest else []  # fmt: skip
    columns = [
        Column("Provider"), Column("DQMI", "number", "0 to 100"), Column("Coverage", "share"),
        Column("Nights accepted"),
        *(Column(IDENTIFIERS[column], "share") for column in DQMI_ITEMS),
    ]  # fmt: skip
    return Section(
        id="data_quality_index",
        title="Data Quality Maturity Index (DQMI)",
        lead="One figure for how good the identifiers are, made as NHS England's DQMI is: each item's score (valid"
        " values, less defaults beyond a threshold, over all records), averaged, times how many of the last 30 nights'"
        f" extracts came. Over all providers it is {counted(round(overall, 1) if overall is not None else None)} of"
        " 100. It lets one compare providers and months; it says nothing about whether a valid value is the right"
        " person's. Bad would be: a fall of several points at one provider.",
        tables=[
            TableFigure(
                id="dqmi",
                title="DQMI and the scores of its items",
                columns=columns,
                rows=rows,
                note="Defaults are allowed for "
                + listed([f"{IDENTIFIERS[c]} up to {percent(t)}" for c, t in DQMI_ITEMS.items() if t], 8)
                + " of records, for the others not at all; the published methodology leaves thresholds to each data"
                " set. Expected nights are those on which this registry ran, from the provider's first.",
            )
        ],
        charts=charts,
        answers=[1],
    )
