"""Long-term conditions, medicines and reasons for care: codes and how common they are.

What belongs here: small tables of codes that are in public use (ICD-10, SNOMED CT, OPCS-4, national code lists) and
made-up but plausible prevalences. What does not: drawing from them.
"""

from __future__ import annotations

from typing import NamedTuple


class Condition(NamedTuple):
    """A long-term condition: prevalence rises with age to `most` along a logistic curve.

    `middle` is the age (years) of half of `most`, `spread` the years in which it rises.
    """

    term: str
    icd10: str
    snomed: str
    most: float
    middle: float
    spread: float
    medicines: tuple[tuple[str, str], ...]


CONDITIONS: tuple[Condition, ...] = (
    Condition(
        "Essential hypertension",
        "I10X",
        "38341003",
        0.62,
        66,
        11,
        (("386864001", "Amlodipine 5mg tablets"), ("386872004", "Ramipril 5mg capsules")),
    ),
    Condition(
        "Type 2 diabetes mellitus", "E119", "44054006", 0.20, 58, 11, (("109081006", "Metformin 500mg tablets"),)
    ),
    Condition(
        "Coronary heart disease",
        "I251",
        "53741008",
        0.22,
        76,
        9,
        (("373444002", "Atorvastatin 40mg tablets"), ("387458008", "Aspirin 75mg tablets")),
    ),
    Condition(
        "Atrial fibrillation",
        "I48X",
        "49436004",
        0.22,
        80,
        8,
        (("698090000", "Apixaban 5mg tablets"), ("386868003", "Bisoprolol 2.5mg tablets")),
    ),
    Condition("Heart failure", "I500", "84114007", 0.14, 82, 8, (("387475002", "Furosemide 40mg tablets"),)),
    Condition(
        "Chronic obstructive pulmonary disease",
        "J449",
        "13645005",
        0.09,
        67,
        9,
        (("372897005", "Salbutamol 100micrograms/dose inhaler"),),
    ),
    Condition(
        "Asthma",
        "J459",
        "195967001",
        0.11,
        8,
        6,
        (
            ("372897005", "Salbutamol 100micrograms/dose inhaler"),
            ("116574000", "Beclometasone 100micrograms/dose inhaler"),
        ),
    ),
    Condition("Chronic kidney disease", "N183", "709044004", 0.30, 80, 9, (("386872004", "Ramipril 5mg capsules"),)),
    Condition("Stroke", "I639", "230690007", 0.12, 79, 9, (("373444002", "Atorvastatin 40mg tablets"),)),
    Condition("Dementia", "F03X", "52448006", 0.30, 88, 5, (("386855006", "Donepezil 10mg tablets"),)),
    Condition("Depressive disorder", "F329", "35489007", 0.17, 28, 8, (("372594008", "Sertraline 50mg tablets"),)),
    Condition("Schizophrenia", "F209", "58214004", 0.009, 26, 5, (("386849001", "Olanzapine 10mg tablets"),)),
    Condition("Intellectual disability", "F799", "110359009", 0.006, 5, 3, ()),
    Condition("Epilepsy", "G409", "84757009", 0.011, 25, 15, (("387562000", "Lamotrigine 100mg tablets"),)),
    Condition("Malignant neoplastic disease", "C509", "363346000", 0.16, 72, 10, ()),
    Condition("Osteoarthritis", "M199", "396275006", 0.45, 72, 10, (("387517004", "Paracetamol 500mg tablets"),)),
    Condition(
        "Hypothyroidism", "E039", "40930008", 0.08, 58, 14, (("710809001", "Levothyroxine sodium 50microgram tablets"),)
    ),
    Condition(
        "Rheumatoid arthritis", "M069", "69896004", 0.014, 58, 10, (("387381009", "Methotrexate 2.5mg tablets"),)
    ),
    Condition("Osteoporosis", "M819", "64859006", 0.16, 80, 7, (("391730008", "Alendronic acid 70mg tablets"),)),
    Condition("Frailty", "R54X", "248279007", 0.45, 88, 6, ()),
)
"""Codes: ICD-10 and SNOMED CT as published; medicines by their SNOMED CT substance. Prevalences: made up, of the size
of the registers of the Quality and Outcomes Framework."""

NUMBER = {condition.term: i for i, condition in enumerate(CONDITIONS)}
"""Place of a condition in `CONDITIONS`, which is its bit in a person's conditions."""

ACUTE_MEDICINES = (
    ("372687004", "Amoxicillin 500mg capsules"), ("387137007", "Omeprazole 20mg gastro-resistant capsules"),
    ("387517004", "Paracetamol 500mg tablets"), ("387207008", "Ibuprofen 400mg tablets"),
    ("372840008", "Loratadine 10mg tablets"),
)  # fmt: skip

EMERGENCY_REASONS = {
    "child": ("J219", "B349", "R509", "J069", "S525", "K590", "A099"),
    "adult": ("R104", "R074", "K358", "S099", "N390", "L031", "J189", "R55X", "T509", "F102"),
    "older": ("J189", "N390", "S720", "I500", "A419", "R296", "J449", "N179", "I639", "R55X", "F059", "W190"),
}
"""Main ICD-10 diagnoses of emergency admissions and attendances by age group: under 17, under 70, and older."""

MENTAL_REASONS = ("F209", "F209", "F209", "F319", "F329", "F332", "F603", "F03X")
"""Main ICD-10 diagnoses of stays on mental health wards."""

ELECTIVE = (("H259", "C751"), ("M171", "W401"), ("K409", "T202"), ("K635", "H231"), ("N40X", "M653"), ("C509", "B283"))
"""Main ICD-10 diagnosis and OPCS-4 procedure of planned admissions."""

COMPLAINTS = ("29857009", "21522001", "267036007", "386661006", "271594007", "125605004", "22253000", "49727002")
"""SNOMED CT chief complaints: chest pain, abdominal pain, breathlessness, fever, syncope, fracture, pain, cough."""

SPECIALTIES = ("100", "110", "120", "130", "300", "301", "320", "330", "340", "430", "502")
"""TREATMENT FUNCTION CODEs."""


class Observed(NamedTuple):
    """What a care process leaves in a record: its code, and the value that was measured, where one is.

    Values of people are spread normally about `centre` by `spread`, between `low` and `high`, with `decimals`.
    """

    code: str
    term: str
    unit: str | None = None
    centre: float = 0.0
    spread: float = 0.0
    low: float = 0.0
    high: float = 0.0
    decimals: int = 0


BREATHLESSNESS = (
    ("391120009", "Medical Research Council Breathlessness Scale: grade 1"),
    ("391123006", "Medical Research Council Breathlessness Scale: grade 2"),
    ("391124000", "Medical Research Council Breathlessness Scale: grade 3"),
    ("391125004", "Medical Research Council Breathlessness Scale: grade 4"),
    ("391126003", "Medical Research Council Breathlessness Scale: grade 5"),
)
"""Codes of the grades, which say what a value would."""

OBSERVED: dict[str, Observed] = {
    "hba1c": Observed("999791000000106", "Haemoglobin A1c level - IFCC standardised", "mmol/mol", 39, 4, 25, 140),
    "blood_pressure": Observed("75367002", "Blood pressure", "mmHg", 130, 13, 85, 220),
    "cholesterol": Observed("1005671000000105", "Serum cholesterol level", "mmol/L", 5.0, 1.0, 2, 11, 1),
    "creatinine": Observed("1000731000000107", "Serum creatinine level", "umol/L", 80, 17, 35, 600),
    "urine_acr": Observed("1023491000000104", "Urine albumin:creatinine ratio", "mg/mmol", 2.2, 1.6, 0.3, 80, 1),
    "foot_examination": Observed("401191002", "Diabetic foot examination"),
    "bmi": Observed("60621009", "Body mass index", "kg/m2", 27.5, 4.8, 14, 60, 1),
    "smoking_status": Observed("365981007", "Tobacco smoking behaviour"),
    "retinal_screening": Observed("134395001", "Diabetic retinopathy screening"),
    "copd_review": Observed("394703002", "Chronic obstructive pulmonary disease annual review"),
    "mrc_breathlessness": Observed(*BREATHLESSNESS[0]),
    "spirometry": Observed("127783003", "Spirometry", "L", 1.7, 0.5, 0.4, 4.5, 2),
    "inhaler_check": Observed("170614009", "Inhaler technique observed"),
    "heart_failure_review": Observed("390885007", "Heart failure annual review"),
    "frailty_review": Observed(
        "763264000", "Canadian Study of Health and Aging Clinical Frailty Scale score", "score", 5.4, 0.9, 1, 9
    ),
    "medication_review": Observed("182836005", "Review of medication"),
    "smi_health_check": Observed("268565007", "Adult health examination"),
    "carers_assessment": Observed("710824005", "Assessment of health and social care needs"),
    "emergency_contact": Observed("1187334000", "Emergency contact"),
    "case_conference": Observed("384682003", "Multidisciplinary care conference"),
    "electronic_frailty_index": Observed("713636003", "Frailty index score", "ratio", 0, 0, 0, 0.7, 3),
    "severe_frailty": Observed("925861000000102", "Severe frailty"),
    "palliative_care": Observed("103735009", "Palliative care"),
}
"""Care processes by the code list that they are on: the list's first SNOMED CT code (a test holds both together), and
values of the size that adults in general have."""
