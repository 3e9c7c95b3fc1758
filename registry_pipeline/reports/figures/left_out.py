"""What is not in the registry or its outputs, and why: the sections `left_out`, `agreements` and `outputs`.

What belongs here: rows set aside, records and people left out by reason, agreements, and what each purpose is given.
What does not: deciding any of it (`validate`, `govern`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from registry_pipeline.govern.agreements import ENDING_SOON_DAYS
from registry_pipeline.govern.disclosure import HIDDEN, shown_count
from registry_pipeline.pages.content import Cell, Colour, Column, Section, TableFigure
from registry_pipeline.reports.figures.accuracy import not_known, part
from registry_pipeline.reports.figures.material import Material
from registry_pipeline.reports.figures.words import counted, listed, plural, spaced

LEFT_OUT: Mapping[str, str] = {
    "deleted": "deleted by the provider",
    "test_patient": "a test patient, not a person",
    "no_local_id": "without the provider's own id",
    "no_event_id": "an event without an id",
    "repeated_key": "the same id again in the delivery",
    "withheld_identity": "identity withheld by law or on request",
    "withheld": "identity withheld by law or on request",
    "forgotten": "of a person who was erased",
    "invalid_nhs_number": "a replacement that names no valid NHS number",
    "replaced_by_itself": "a replacement that names one number twice",
}
"""Why a row goes no further, in words; others stand as they are."""

OBJECTIONS: Mapping[str, str] = {
    "national": "national data opt-out",
    "type_1": "type 1 opt-out, at the practice",
    "local": "objection made to this registry",
    "without_nhs_number": "without an NHS number, so that the national opt-out cannot be asked",
}
"""Kinds of objection, in words."""


def sections(material: Material) -> list[Section]:
    """What was left out, the agreements, and what may leave."""
    return [_left_out(material), _agreements(material), _outputs(material)]


def quarantined(material: Material) -> dict[tuple[str, str], int]:
    """Rows set aside by feed and rule, over the extracts in use."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for (_, feed), outcome in material.outcomes.items():
        for rule, rows in outcome.quarantined_by_rule.items():
            found[feed, rule] += rows
    return dict(found)


def left_out_rows(material: Material) -> dict[tuple[str, str], int]:
    """Rows that went no further by feed and reason, over the extracts in use."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for (_, feed), outcome in material.outcomes.items():
        for name, rows in outcome.standardised.items():
            if name.startswith("left out: "):
                found[feed, name.removeprefix("left out: ")] += rows
        for reason, rows in outcome.rows_left_out.items():
            found[feed, reason] += rows
    return dict(found)


def _left_out(material: Material) -> Section:
    rules, rows_out = quarantined(material), left_out_rows(material)
    aside = sum(rules.values())
    tables = [
        _rules(material, rules),
        TableFigure(
            "rows_left_out",
            "Rows that are no record of a living registry",
            [Column("Feed"), Column("Why"), Column("Rows", "people")],
            [
                [spaced(feed), LEFT_OUT.get(why, spaced(why)), shown_count(n)]
                for (feed, why), n in sorted(rows_out.items())
            ],
            note="Counted as people are: small numbers are hidden.",
        ),
        *_events(material),
        *_without(material),
        _protected(material),
        *_objections(material),
    ]
    return Section(
        id="left_out",
        title="What was left out, and why",
        lead=f"{plural(aside, 'row broke', 'rows broke')} a rule and {'was' if aside == 1 else 'were'} set aside; the"
        " provider can mend and send them again. Others are not records of people who belong here: deleted, test"
        " patients, withheld by law, erased, or under an objection. Nothing disappears without a reason that is"
        " counted here. Bad would be: a rule that suddenly sets many rows aside, or people left out whom nobody asked"
        " to leave out.",
        tables=tables,
        notes=[
            "What was set to empty within a record, and why, stands under Completeness and validity of identifiers."
        ],
        answers=[15],
    )


def _rules(material: Material, rules: Mapping[tuple[str, str], int]) -> TableFigure:
    reasons = {
        (feed, check.name): check.reason
        for (_, feed), outcome in material.outcomes.items()
        for check in outcome.checks
    }  # fmt: skip
    where: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (provider, feed), outcome in material.outcomes.items():
        for rule in outcome.quarantined_by_rule:
            where[feed, rule].append(provider)
    rows: list[Sequence[Cell]] = [
        [spaced(feed), spaced(rule), n, listed(sorted(where[feed, rule])), reasons.get((feed, rule), "")]
        for (feed, rule), n in sorted(rules.items(), key=lambda item: (-item[1], item[0]))
    ]
    columns = [Column("Feed"), Column("Rule"), Column("Rows", "count"), Column("Providers"), Column("Why the rule")]
    note = "A row that breaks several rules counts in each. Rows are those of the extracts in use."
    return TableFigure("quarantine_by_rule", "Rows set aside, by rule", columns, rows, note)


def _events(material: Material) -> list[TableFigure]:
    """Events whose record is not in the registry."""
    left = {table: n for table, n in material.manifest.get("events_left_out", {}).items() if n}
    rows: list[Sequence[Cell]] = [[spaced(table.removeprefix("patient_")), n] for table, n in left.items()]
    columns = [Column("Events"), Column("Rows", "count")]
    title = "Events of records that are not in the registry"
    return [TableFigure("events_left_out", title, columns, rows)] if rows else []


def _without(material: Material) -> list[TableFigure]:
    without = material.manifest.get("without_data", ())
    rows: list[Sequence[Cell]] = [
        [material.name(e["provider"]), spaced(e["feed"]), spaced(str(e.get("reason"))), e.get("problem")]
        for e in without
    ]
    columns = [Column("Provider"), Column("Feed"), Column("Reason"), Column("What it says")]
    return [TableFigure("without_data", "Feeds that give nothing to this registry", columns, rows)] if rows else []


def _protected(material: Material) -> TableFigure:
    rows: list[Sequence[Cell]] = [
        [
            "Flagged sensitive: linked, but without address, postcode, practice, phone and e-mail",
            shown_count(material.people["sensitive"]),
        ]
    ]
    forgotten = part(material.governance, "forgotten")
    if "people" in forgotten:
        rows.append(["Erased at their request, and kept out", shown_count(forgotten["people"])])
    return TableFigure("protected_people", "People to protect", [Column("Who"), Column("People", "people")], rows)


def _objections(material: Material) -> list[TableFigure]:
    rows: list[Sequence[Cell]] = []
    for purpose, reasons in part(material.governance, "objections").items():
        shown = {why: n if isinstance(n, str) else shown_count(n) for why, n in reasons.items()}
        rows += [[spaced(purpose), OBJECTIONS.get(why, spaced(why)), people] for why, people in shown.items()]
    columns = [Column("Purpose"), Column("Why"), Column("People", "people")]
    note = "Objections do not touch direct care. A person may object in several ways."
    return [TableFigure("objections", "People left out of a purpose's output", columns, rows, note)] if rows else []


# Agreements ----------------------------------------------------------------------------------------------------------


def _agreements(material: Material) -> Section:
    title = "Data sharing agreements"
    agreements = material.governance.get("agreements")
    if agreements is None:
        return not_known("agreements", title, "the agreements were not handed over for this report.")
    rows: list[Sequence[Cell]] = []
    flags: dict[int, Colour] = {}
    for each in agreements:
        colour = judged_agreement(each)
        if colour in ("amber", "red"):
            flags[len(rows)] = colour
        rows.append(
            [
                material.name(each["provider"]), each.get("reference") or "none", colour, _day(each.get("starts")),
                _day(each.get("ends")),
                listed([spaced(purpose) for purpose in each.get("purposes") or ()]) if each.get("purposes") else "",
                each.get("ends_in_days"),
            ]
        )  # fmt: skip
    return Section(
        id="agreements",
        title=title,
        lead="No extract is taken without an agreement in force that night, and no output holds records of a provider"
        " whose agreement does not cover its purpose. Bad would be: an agreement that has ended, or ends within"
        f" {ENDING_SOON_DAYS} days and is not renewed; that provider's records then leave the registry, or stay as they"
        " were, as the agreement says.",
        tables=[
            TableFigure(
                "agreements_in_force",
                "Agreements",
                [
                    Column("Provider"), Column("Reference"), Column("State", "colour"), Column("From", "date"),
                    Column("To", "date"), Column("Purposes"), Column("Ends in", "count", "days"),
                ],
                rows,
                flags=flags,
            )
        ],
    )  # fmt: skip


def _day(value: Any) -> Cell:
    return None if value is None else str(value)


def judged_agreement(agreement: Mapping[str, Any]) -> Colour:
    """The colour of an agreement: in force, ending soon, or not in force."""
    if not agreement.get("in_force"):
        return "red" if agreement.get("reference") else "grey"
    left = agreement.get("ends_in_days")
    return "amber" if left is not None and left <= ENDING_SOON_DAYS else "green"


# Outputs -------------------------------------------------------------------------------------------------------------


def _outputs(material: Material) -> Section:
    title = "What leaves, and to whom"
    outputs = material.governance.get("outputs")
    if outputs is None:
        return not_known("outputs", title, "the outputs were not handed over for this report.")
    rows: list[Sequence[Cell]] = [_output_row(output) for output in outputs]
    signatures = list(material.governance.get("signatures") or ())
    rejection = material.governance.get("rejection")
    return Section(
        id="outputs",
        title=title,
        lead="Each purpose gets its own pseudonymised copy, which cannot be joined with another purpose's. An output"
        " waits where the deployment asks for signatures. k-anonymity says how many people share the same age band,"
        " sex, area and so on: who is alone in that can be recognised by somebody who knows them. Bad would be: many"
        " people in groups smaller than the purpose asks for.",
        tables=[
            TableFigure(
                "outputs_by_purpose",
                "Outputs by purpose",
                [
                    Column("Purpose"), Column("State"), Column("People", "people"),
                    Column("Providers covered", "count"),
                    Column("Providers not covered", "count"), Column("Left out", "words", "people by reason"),
                ],
                rows,
                note="" if rows else "No pseudonymised output is configured; direct care reads the registry itself.",
            ),
            *_anonymity(outputs),
        ],
        notes=[_signed(signatures, rejection)],
    )  # fmt: skip


def _state(output: Mapping[str, Any]) -> str:
    if output.get("is_current"):
        return "released"
    if not output.get("made", True):
        return "could not be made"
    waits = output.get("waits_for_signatures")
    return f"waits for {plural(waits, 'signature', 'signatures')}" if waits else "made, not released"


def _output_row(output: Mapping[str, Any]) -> list[Cell]:
    providers = part(output, "providers")
    left = part(output, "left_out")
    people = part(output, "k_anonymity").get("people", part(output, "rows").get("patient"))
    told = [f"{OBJECTIONS.get(why, spaced(why))}: {_told(_shown(n))}" for why, n in left.items() if n]
    return [
        spaced(str(output.get("purpose"))), _state(output), _shown(people), len(providers.get("covered") or ()),
        len(providers.get("not_covered") or ()),
        "; ".join(told),
    ]  # fmt: skip


def _told(people: Cell) -> str:
    return "not shown" if people == HIDDEN else counted(people)


def _shown(people: Any) -> Cell:
    """A count of people as it may be shown; what is shown already stays."""
    return shown_count(people) if isinstance(people, int) else people


def _enough(likeness: Mapping[str, Any]) -> str:
    """How the smallest group stands to k; its size itself is a small number of people."""
    below = likeness.get("people_below")
    if below is None:
        return "not known"
    return "as large as asked" if below == 0 else "smaller than asked"


def _anonymity(outputs: Sequence[Mapping[str, Any]]) -> list[TableFigure]:
    rows: list[Sequence[Cell]] = []
    for output in outputs:
        found = part(output, "k_anonymity")
        for each in found.get("sets") or ():
            alike = listed([spaced(str(column)) for column in each.get("columns") or ()], 8)
            rows.append(
                [
                    spaced(str(output.get("purpose"))), alike, found.get("asked"), _enough(each),
                    _shown(each.get("people_below")), each.get("share_below"),
                ]
            )  # fmt: skip
    columns = [
        Column("Purpose"), Column("Alike in"), Column("k asked", "count", "people"), Column("Smallest group"),
        Column("In smaller groups than asked", "people"), Column("Share", "share"),
    ]  # fmt: skip
    return [TableFigure("k_anonymity", "k-anonymity of what could identify somebody", columns, rows)] if rows else []


def _signed(signatures: Sequence[Mapping[str, Any]], rejection: Any) -> str:
    if rejection:
        return "This snapshot was rejected: no purpose that asks for signatures may read it."
    if not signatures:
        return "Nobody has signed this snapshot yet."
    roles = [str(s.get("role") or part(s, "what").get("role") or "no role given") for s in signatures]
    return f"Signed by {plural(len(signatures), 'person', 'people')} ({listed(roles)})."
