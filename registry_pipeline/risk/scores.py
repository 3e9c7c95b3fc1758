"""Published scores of each person, as their papers define them.

What belongs here: the Hospital Frailty Risk Score, the Charlson index, the electronic frailty index and the Cambridge
Multimorbidity Score: their weights, windows and groups, each with its source. What does not: their codes
(`codes/lists`), the locally fitted model, levels and segments.

Where an input is missing, a score is null, with the reason in words; it is zero only where somebody who would know of a
condition knows of none. Whoever has died has no scores. Nothing dated after the night is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from registry_pipeline.codes import MATCHES_AS, CodeList, load, name_meanings
from registry_pipeline.config import Configuration
from registry_pipeline.consumer import Reading
from registry_pipeline.errors import BadInput
from registry_pipeline.storage import load_sql

if TYPE_CHECKING:
    import duckdb

HOSPITAL_FRAILTY_YEARS = 2
"""Years before the index admission whose emergency admissions count (Gilbert 2018), and years before the night within
which the index admission, the person's last emergency admission, must lie. That the paper counts emergency admissions,
and no planned ones, is as later work describes it (an implementation for MIMIC-IV; a study of a modified score); the
paper's own text was not at hand.

The age that counts is that on the night, not that at the index admission: the table says of whom the score may be used
today, and points do not depend on age."""

CHARLSON_YEARS = 5
"""Years of hospital stays that are looked back on. Charlson (1987) and Quan look at one admission; on linked data one
to five years are usual: five, so that somebody's conditions do not vanish between two admissions. A condition with an
ICD-10 code counts as long as it lasts and so long after."""

FRAILTY_VALUE_DAYS = 365
"""How old a value of the practice's system may be: GP contracts have frailty looked at yearly."""

FRAILTY_MEDICINE_DAYS = 365
"""Days within which a repeat medicine must have been issued to count for polypharmacy."""

FRAILTY_MEDICINES = 5
"""Different repeat medicines that are polypharmacy (Clegg 2016)."""


@dataclass(frozen=True)
class CharlsonGroup:
    """One of the 17 groups.

    Attributes:
        item: as in the code list `charlson_quan`.
        original: weight of 1987.
        updated: weight of 2011.
        superseded_by: the severe form, beside which this one does not count.
    """

    item: str
    original: int
    updated: int
    superseded_by: str | None = None


CHARLSON_GROUPS: tuple[CharlsonGroup, ...] = (
    CharlsonGroup("myocardial_infarction", 1, 0),
    CharlsonGroup("congestive_heart_failure", 1, 2),
    CharlsonGroup("peripheral_vascular_disease", 1, 0),
    CharlsonGroup("cerebrovascular_disease", 1, 0),
    CharlsonGroup("dementia", 1, 2),
    CharlsonGroup("chronic_pulmonary_disease", 1, 1),
    CharlsonGroup("rheumatic_disease", 1, 1),
    CharlsonGroup("peptic_ulcer_disease", 1, 0),
    CharlsonGroup("mild_liver_disease", 1, 2, "severe_liver_disease"),
    CharlsonGroup("diabetes_without_complication", 1, 0, "diabetes_with_complication"),
    CharlsonGroup("diabetes_with_complication", 2, 1),
    CharlsonGroup("hemiplegia_or_paraplegia", 2, 2),
    CharlsonGroup("renal_disease", 2, 1),
    CharlsonGroup("cancer", 2, 2, "metastatic_cancer"),
    CharlsonGroup("severe_liver_disease", 3, 4),
    CharlsonGroup("metastatic_cancer", 6, 6),
    CharlsonGroup("aids_hiv", 6, 4),
)
"""Weights: Charlson ME et al., J Chronic Dis 1987; 40: 373-83, and Quan H et al., Am J Epidemiol 2011; 173: 676-82."""


@dataclass(frozen=True)
class CambridgeRule:
    """When a condition of the Cambridge score counts that does not count for ever once recorded.

    Attributes:
        item: as in the code list `cambridge_multimorbidity`.
        within_days: it counts if recorded within so many days of the night; None: ever.
        is_first: its first record must lie there; else any.
        prescriptions: so many prescriptions of its medicines count as well.
        prescription_days: within so many days of the night; None: ever.
    """

    item: str
    within_days: int | None = None
    is_first: bool = False
    prescriptions: int | None = None
    prescription_days: int | None = None


CAMBRIDGE_RULES: tuple[CambridgeRule, ...] = (
    CambridgeRule("anxiety_depression", within_days=365, prescriptions=4, prescription_days=365),
    CambridgeRule("cancer", within_days=1826, is_first=True),
    CambridgeRule("chronic_pain", within_days=365, prescriptions=4, prescription_days=365),
    CambridgeRule("constipation", within_days=365, prescriptions=4, prescription_days=365),
    CambridgeRule("irritable_bowel_syndrome", prescriptions=4, prescription_days=365),
    CambridgeRule("migraine", within_days=365, prescriptions=4, prescription_days=365),
    CambridgeRule("psychosis_bipolar", prescriptions=1),
)
"""Payne RA et al., CMAJ 2020; 192: E107-14, appendix: how each condition is defined in general practice, as the Health
Foundation's public code for the score states it (github HFAnalyticsLab/CMD_multimorbidity)."""

CAMBRIDGE_FILTRATION = 60.0
"""Estimated glomerular filtration rate (mL/min/1.73 m2): chronic kidney disease where the better of the last two is
below (the same source)."""

CAMBRIDGE_CONDITIONS: tuple[str, ...] = (
    "hypertension", "anxiety_depression", "chronic_pain", "hearing_loss", "irritable_bowel_syndrome", "asthma",
    "diabetes", "prostate_disorders", "thyroid_disorders", "coronary_heart_disease", "chronic_kidney_disease",
    "diverticular_disease", "chronic_sinusitis", "atrial_fibrillation", "constipation", "stroke_tia", "copd",
    "connective_tissue_disorders", "cancer", "peptic_ulcer", "alcohol_problems", "substance_misuse",
    "eczema_psoriasis", "visual_impairment", "heart_failure", "dementia", "psychosis_bipolar", "epilepsy",
    "inflammatory_bowel_disease", "peripheral_vascular_disease", "anorexia_bulimia", "chronic_liver_disease",
    "migraine", "learning_disability", "bronchiectasis", "multiple_sclerosis", "parkinsons_disease",
)  # fmt: skip
"""The 37 conditions."""

FRAILTY_DEFICITS: tuple[str, ...] = (
    "activity_limitation", "anaemia", "arthritis", "atrial_fibrillation", "cerebrovascular_disease",
    "chronic_kidney_disease", "diabetes", "dizziness", "dyspnoea", "falls", "foot_problems", "fragility_fracture",
    "hearing_impairment", "heart_failure", "heart_valve_disease", "housebound", "hypertension", "hypotension_syncope",
    "ischaemic_heart_disease", "memory_cognitive_problems", "mobility_transfer_problems", "osteoporosis",
    "parkinsonism_tremor", "peptic_ulcer", "peripheral_vascular_disease", "requirement_for_care",
    "respiratory_disease", "skin_ulcer", "sleep_disturbance", "social_vulnerability", "thyroid_disease",
    "urinary_incontinence", "urinary_system_disease", "visual_impairment", "weight_loss_anorexia",
)  # fmt: skip
"""The 35 coded deficits of the electronic frailty index; the 36th, polypharmacy, is counted from medicines."""

LISTS_OF_CONDITIONS = ("cambridge_multimorbidity", "efi_deficits")
LISTS = (
    "hospital_frailty",
    "charlson_quan",
    "cambridge_multimorbidity",
    "efi_deficits",
    "electronic_frailty_index",
    "egfr",
)


def name_scores(reading: Reading) -> Mapping[str, Any]:
    """Make the TEMP TABLE `risk_score`: one row per patient, with the scores' columns of `risk_stratification`.

    Returns:
        By score, what its manifest says: version, source, inputs, code list, and what was not used and why; and how
        many conditions are in a coding system that no list holds.

    Raises:
        BadInput: a code list cannot be used for its score; the sentence names file and line.
    """
    connection, night = reading.connection, reading.night
    lists = name_meanings(connection, reading.configuration, LISTS)
    _check_lists(lists)
    connection.execute(load_sql("risk_score_macros"))
    connection.execute(load_sql("risk_score_person"), {"night": night})
    connection.execute(load_sql("risk_score_input"), {"coding_systems": _coding_systems(lists)})
    connection.execute(load_sql("risk_score_known"))
    several = ["charlson_quan", "cambridge_multimorbidity", "efi_deficits"]
    connection.execute(load_sql("risk_score_coded"), {"night": night, "lists": several})
    connection.execute(load_sql("risk_score_hospital_frailty"), {"night": night, "years": HOSPITAL_FRAILTY_YEARS})
    _score_charlson(connection, night)
    _score_cambridge(connection, night, lists["cambridge_multimorbidity"])
    windows = {"value_days": FRAILTY_VALUE_DAYS, "medicine_days": FRAILTY_MEDICINE_DAYS}
    connection.execute(
        load_sql("risk_score_electronic_frailty"), {"night": night, "medicines": FRAILTY_MEDICINES, **windows}
    )
    connection.execute(load_sql("risk_score"))
    about = {**_about(connection, lists), "conditions_in_other_coding_systems": _not_listed(connection, lists)}
    for name in (
        "person",
        "input",
        "known",
        "coded",
        "hospital_frailty",
        "charlson",
        "cambridge",
        "electronic_frailty",
    ):
        connection.execute(f"DROP TABLE risk_score_{name}")
    return about


def _coding_systems(lists: Mapping[str, CodeList]) -> list[str]:
    """Coding systems in which conditions of the Cambridge score and deficits can be told at all."""
    several = [{MATCHES_AS[code.coding_system] for code in lists[name].codes} for name in LISTS_OF_CONDITIONS]
    return sorted(set.intersection(*several))


def _score_charlson(connection: duckdb.DuckDBPyConnection, night: date) -> None:
    connection.execute(
        load_sql("risk_score_charlson"),
        {
            "night": night,
            "years": CHARLSON_YEARS,
            "item": [group.item for group in CHARLSON_GROUPS],
            "original": [group.original for group in CHARLSON_GROUPS],
            "updated": [group.updated for group in CHARLSON_GROUPS],
            "superseded_by": [group.superseded_by for group in CHARLSON_GROUPS],
        },
    )


def _score_cambridge(connection: duckdb.DuckDBPyConnection, night: date, code_list: CodeList) -> None:
    weights = {code.item: code.weight for code in code_list.codes}
    connection.execute(
        load_sql("risk_score_cambridge"),
        {
            "night": night,
            "condition": list(weights),
            "weight": list(weights.values()),
            "item": [rule.item for rule in CAMBRIDGE_RULES],
            "within_days": [rule.within_days for rule in CAMBRIDGE_RULES],
            "is_first": [rule.is_first for rule in CAMBRIDGE_RULES],
            "prescriptions": [rule.prescriptions for rule in CAMBRIDGE_RULES],
            "prescription_days": [rule.prescription_days for rule in CAMBRIDGE_RULES],
            "filtration": CAMBRIDGE_FILTRATION,
        },
    )


def check(configuration: Configuration) -> None:
    """Load the lists of the scores, and see that each has its score's shape.

    Raises:
        BadInput: one cannot be used; the sentence names file and line.
    """
    _check_lists({name: load(configuration, name) for name in LISTS})


def _check_lists(lists: Mapping[str, CodeList]) -> None:
    """Stop where a deployment's own list is not of the score's shape."""
    _check_items(lists["charlson_quan"], [group.item for group in CHARLSON_GROUPS])
    _check_items(lists["cambridge_multimorbidity"], CAMBRIDGE_CONDITIONS)
    _check_items(lists["efi_deficits"], FRAILTY_DEFICITS)
    for name in ("hospital_frailty", "cambridge_multimorbidity"):
        _check_weights(lists[name])


def _check_items(code_list: CodeList, items: Iterable[str]) -> None:
    known = set(items)
    for code in code_list.codes:
        if code.item not in known:
            where = f"{code_list.file}, line {code.line}: the item {code.item!r} of {code.code}"
            raise BadInput(f"{where} is no group of the score: use one of {', '.join(sorted(known))}.")


def _check_weights(code_list: CodeList) -> None:
    """Points are an item's, whichever of its codes is found."""
    weights: dict[str | None, float] = {}
    for code in code_list.codes:
        where = f"{code_list.file}, line {code.line}"
        if code.weight is None or code.item is None:
            raise BadInput(f"{where}: {code.code} has no item and weight, which the score needs: add both columns.")
        if weights.setdefault(code.item, code.weight) != code.weight:
            raise BadInput(f"{where}: the weight of {code.item} is another one above: give an item one weight.")


def _about(connection: duckdb.DuckDBPyConnection, lists: Mapping[str, CodeList]) -> dict[str, Any]:
    not_used = connection.sql("SELECT coalesce(sum(values_not_used), 0)::BIGINT FROM risk_score_electronic_frailty")
    cambridge, deficits = lists["cambridge_multimorbidity"], lists["efi_deficits"]
    return {
        "hospital_frailty_score": {
            "version": "Gilbert 2018",
            "source": "Lancet 2018; 391: 1775-82",
            "code_list": lists["hospital_frailty"].about,
            "inputs": "ICD-10 diagnoses of emergency admissions: the last one within 2 years of the night, and those of"
            " the 2 years before it; people of 75 and over",
            "differs": "the age is that on the night, the paper's that at the admission: who was admitted at 73 or 74"
            " and is 75 by now has a score",
        },
        "charlson": {
            "version": "groups of Quan 2005; weights of Charlson 1987 (original) and Quan 2011 (updated)",
            "source": "Med Care 2005; 43: 1130-9; J Chronic Dis 1987; 40: 373-83; Am J Epidemiol 2011; 173: 676-82",
            "code_list": lists["charlson_quan"].about,
            "inputs": f"ICD-10 diagnoses of hospital stays of {CHARLSON_YEARS} years, and conditions with ICD-10 codes"
            f" that last or ended within {CHARLSON_YEARS} years",
            "groups_without_codes": _without_codes(lists["charlson_quan"], [g.item for g in CHARLSON_GROUPS]),
        },
        "electronic_frailty_index": {
            "version": "Clegg 2016, 36 deficits",
            "source": "Age Ageing 2016; 45: 353-60",
            "code_list": deficits.about,
            "inputs": f"the newest value of the practice's system within {FRAILTY_VALUE_DAYS} days; else deficits coded"
            " in conditions, observations and hospital stays, and polypharmacy"
            f" ({FRAILTY_MEDICINES} repeat medicines within {FRAILTY_MEDICINE_DAYS} days); people of 65 and over",
            "differs": "the paper counts codes of the practice's record alone",
            "values_not_used": not_used.fetchall()[0][0],
            "values_not_used_because": "no number, or neither an index from 0 to 1 nor a count of deficits from 0 to 36"
            " with a unit that says so",
            "deficits_without_codes": _without_codes(deficits, FRAILTY_DEFICITS),
        },
        "cambridge_multimorbidity_score": {
            "version": "Payne 2020, 37 conditions, general outcome",
            "source": "CMAJ 2020; 192: E107-14",
            "code_list": cambridge.about,
            "inputs": "conditions, hospital stays, prescriptions and estimated glomerular filtration rates",
            "differs": "records of all settings count, the paper's are of the practice alone; asthma, epilepsy, and"
            " eczema or psoriasis count without a prescription, chronic kidney disease also by its code, and chronic"
            " pain, constipation and migraine also by a code within 12 months, since no list of medicines is complete",
            "conditions_without_codes": _without_codes(cambridge, CAMBRIDGE_CONDITIONS),
        },
    }


def _not_listed(connection: duckdb.DuckDBPyConnection, lists: Mapping[str, CodeList]) -> int:
    """Conditions whose coding system is not known or in no list, which no score can read."""
    query = "SELECT count(*) FROM patient_condition WHERE NOT coalesce(coding_system IN (SELECT unnest($known)), false)"
    return int(connection.execute(query, {"known": _coding_systems(lists)}).fetchall()[0][0])


def _without_codes(code_list: CodeList, items: Iterable[str]) -> list[str]:
    return [item for item in items if item not in set(code_list.items)]
