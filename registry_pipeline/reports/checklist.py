"""What a linkage report should say: the working union of GUILD, QAF and Harron/Doidge, and where this one says it.

What belongs here: the 18 items, and what no section can answer. What does not: the answers (`figures`).

GUILD (Gilbert and others 2018): steps of data provision, linkage, analysis and reporting. QAF: NHS England's quality
assurance framework for data linkage. Harron and Doidge: methods of evaluating linkage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from registry_pipeline.config import Configuration
from registry_pipeline.pages.content import ChecklistItem, Section

ITEMS: Mapping[int, str] = {
    1: "Source population and coverage of each provider",
    2: "Extract dates, how extracts were made, and cleaning steps",
    3: "Identifiers used, their completeness and validity by source",
    4: "Values treated as missing (defaults, placeholders)",
    5: "Blocking rules, the pairs each generated, and pairs completeness",
    6: "Model, m and u, term frequencies, version, training data",
    7: "Thresholds, how they were chosen, size of the grey zone",
    8: "Handling of ties and of several best matches",
    9: "Match rate overall, by pair of sources and by step",
    10: "Estimated false and missed links with intervals and method",
    11: "Clerical review: sample, reviewers, agreement, labels",
    12: "Linked against unlinked by age, sex, ethnicity, deprivation, provider and NHS number status",
    13: "Implausible links",
    14: "Sensitivity of headline outputs to the threshold",
    15: "Records excluded and why",
    16: "Changes since the last run (joins, splits, churn of ids)",
    17: "Disclosure control",
    18: "Limitations and contact",
}
"""What each item asks for."""

PARTLY: Mapping[int, str] = {
    1: "Coverage in time is answered (nights delivered of those expected). Coverage of the population is not: it needs"
    " a count of residents or registered patients from outside the registry.",
    2: "Extract dates and digests are answered, and the cleaning's effect value by value; how a provider makes its"
    " extract is known to the provider only.",
}
"""What stays unanswered of items that are answered in part."""

NO_FIGURES = "Not known for this night"
"""How a section begins that has nothing to tell."""

WITHOUT: Mapping[int, str] = {
    5: "Nothing on blocking was handed over by the link stage for this night.",
    6: "Nothing on the model was handed over by the link stage for this night.",
    7: "Neither thresholds nor weights were handed over by the link stage for this night.",
    8: "Nothing on ties was handed over by the link stage for this night.",
    10: "No errors could be estimated for this night: too few verified NHS numbers, or nothing was handed over.",
    14: "No trial with other thresholds was made for this night.",
}
"""Why an item is not answered where its section has nothing to tell."""


def answered(configuration: Configuration, sections: Sequence[Section]) -> list[ChecklistItem]:
    """Every item with the first section that answers it, or with the reason why none does.

    Args:
        configuration: says whether deprivation can be told.
        sections: the report's.
    """
    return [_item(number, asks, configuration, sections) for number, asks in ITEMS.items()]


def _item(number: int, asks: str, configuration: Configuration, sections: Sequence[Section]) -> ChecklistItem:
    answering = [s for s in sections if number in s.answers and not s.lead.startswith(NO_FIGURES)]
    if not answering:
        return ChecklistItem(
            number, asks, None, WITHOUT.get(number, "No section of this report could be made that answers it.")
        )
    return ChecklistItem(number, asks, answering[0].id, _partly(number, configuration, answering[0]))


def _partly(number: int, configuration: Configuration, section: Section) -> str:
    if number == 12 and configuration.deployment.postcodes is None:
        return "Not by deprivation: the deployment names no list of postcodes with their deprivation."
    if number == 11 and not any(table.id == "kappa" for table in section.tables):
        return "The backlog is told. No review by two people has been made, so that no agreement can be told."
    return PARTLY.get(number, "")
