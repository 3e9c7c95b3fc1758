"""Published scores: against a reference implementation on made-up people, against values worked by hand, at every
boundary, and null with a reason wherever an input is missing."""

from __future__ import annotations

import random
import warnings
from datetime import date, timedelta
from pathlib import Path

import pytest

from registry_pipeline import codes
from registry_pipeline.errors import BadInput
from registry_pipeline.risk.scores import (
    CAMBRIDGE_CONDITIONS,
    CHARLSON_GROUPS,
    FRAILTY_DEFICITS,
    check,
    name_scores,
)
from registry_pipeline.tables import CONSUMER_TABLES
from tests.codes.small_reading import (
    NIGHT,
    attendance,
    condition,
    configuration,
    known,
    medicine,
    observation,
    patient,
    person,
    reading_of,
    spell,
)

OWN_COLUMNS = [
    column
    for column in CONSUMER_TABLES["risk_stratification"].column_names
    if column.startswith(("hospital_", "charlson_", "electronic_", "cambridge_", "long_term", "inputs_used"))
]
OTHERS = [patient("other", age=40), known("other", "G", "R"), spell("other", "Z000", emergency=False)]
"""Somebody by whom practice G delivers conditions and medicines, and hospital R stays."""
DELIVERED = [*OTHERS, condition("other", "22298006"), medicine("other", "1", repeat=False)]


def scores_of(folder: Path, *rows, night: date = NIGHT) -> dict[str, dict]:
    """Scores by name of the person."""
    flat = [row for given in rows for row in (given if isinstance(given, list) else [given])]
    with reading_of(configuration(folder), *flat, night=night) as reading:
        name_scores(reading)
        found = reading.connection.sql(f"SELECT patient_id, {', '.join(OWN_COLUMNS)} FROM risk_score")
        by_id = {row[0]: dict(zip(OWN_COLUMNS, row[1:], strict=True)) for row in found.fetchall()}
    return Scores(by_id)


class Scores(dict):
    """Scores by id, found by a person's name."""

    def __getitem__(self, name):
        return super().__getitem__(person(name))


# --- The table -------------------------------------------------------------------------------------------------------


def test_one_row_a_patient_with_the_dictionarys_columns_and_types(tmp_path):
    wanted = {c.name: c.type for c in CONSUMER_TABLES["risk_stratification"].columns}
    conditions = [
        condition("a", code, system=system) for code, system in (("C10F.", "read2"), ("1", None), ("I10", "icd10"))
    ]
    rows = [patient("a"), patient("b", age=None), known("a", "G", "R"), *conditions]
    with reading_of(configuration(tmp_path), *rows) as reading:
        about = name_scores(reading)
        described = reading.connection.sql("DESCRIBE risk_score").fetchall()
        assert reading.connection.sql("SELECT count(*) FROM risk_score").fetchall() == [(2,)]
    assert {name: kind for name, kind, *_ in described} == {n: wanted[n] for n in ("patient_id", *OWN_COLUMNS)}
    assert about.pop("conditions_in_other_coding_systems") == 2
    assert set(about) == {
        "hospital_frailty_score", "charlson", "electronic_frailty_index", "cambridge_multimorbidity_score",
    }  # fmt: skip
    assert all(told["version"] and told["source"] and told["inputs"] and told["code_list"] for told in about.values())


def test_an_empty_registry_has_no_scores(tmp_path):
    assert scores_of(tmp_path) == {}


def test_scores_may_be_made_twice(tmp_path):
    with reading_of(configuration(tmp_path), patient("a")) as reading:
        assert name_scores(reading) == name_scores(reading)


# --- Hospital Frailty Risk Score -------------------------------------------------------------------------------------

DAY = date(2026, 1, 10)
TWO_YEARS = date(2024, 1, 10)

# A name; age; stays with diagnoses, day and whether an emergency; score; category; why missing.
FRAILTY_CASES = [
    # A later fall and earlier dementia: the Strategy Unit's worked example, 7.1 + 3.2 = 10.3.
    ("worked_example", 80, [("F001", date(2025, 6, 1), True), ("W190", DAY, True)], 10.3, "intermediate", None),
    ("each_code_once", 80, [("F001 F009", DAY, True), ("F000", date(2025, 1, 1), True)], 7.1, "intermediate", None),
    ("no_code_of_the_score", 80, [("Z000 I10", DAY, True)], 0.0, "low", None),
    ("no_diagnosis_in_this_stay", 80, [("", DAY, True)], 0.0, "low", None),
    ("just_below_5", 80, [("G81 M15 R50", DAY, True)], 4.9, "low", None),
    ("exactly_5", 80, [("G30 J69", DAY, True)], 5.0, "intermediate", None),
    # 7.1 + 4.4 + 3.0 + 0.5 is 15 and not a little more, though no sum of binary fractions says so.
    ("exactly_15", 80, [("F00 G81 R31 S51", DAY, True)], 15.0, "intermediate", None),
    ("above_15", 80, [("F00 G81 G30", DAY, True)], 15.5, "high", None),
    ("planned_stays_before_do_not_count", 80, [("R54", DAY, True), ("F00", date(2025, 9, 1), False)], 2.2, "low", None),
    ("day_two_years_before_counts", 80, [("R54", DAY, True), ("F03", TWO_YEARS, True)], 4.3, "low", None),
    ("a_day_earlier_does_not", 80, [("R54", DAY, True), ("F03", TWO_YEARS - timedelta(1), True)], 2.2, "low", None),
    ("stays_after_the_night_do_not", 80, [("R54", DAY, True), ("F00", date(2026, 4, 2), True)], 2.2, "low", None),
    ("on_the_night", 80, [("R54", NIGHT, True)], 2.2, "low", None),
    ("index_a_day_within_2_years", 80, [("R54", date(2024, 4, 2), True)], 2.2, "low", None),
    ("index_2_years_ago", 80, [("R54", date(2024, 4, 1), True)], None, None, "no emergency admission within 2 years"),
    ("only_planned", 80, [("R54", DAY, False)], None, None, "no emergency admission within 2 years"),
    ("known_and_never_admitted", 80, [], None, None, "no emergency admission within 2 years"),
    ("75_today", 75, [("R54", DAY, True)], 2.2, "low", None),
    ("74", 74, [("R54", DAY, True)], None, None, "under 75"),
    ("age_not_known", None, [("R54", DAY, True)], None, None, "age not known"),
]  # fmt: skip


@pytest.fixture(scope="module")
def hospital_frailty(tmp_path_factory):
    rows = []
    for name, age, stays, *_ in FRAILTY_CASES:
        rows += [patient(name, age=age), known(name, "R")]
        rows += [spell(name, diagnoses, day, emergency=emergency) for diagnoses, day, emergency in stays]
    return scores_of(tmp_path_factory.mktemp("frailty"), *DELIVERED, *rows)


@pytest.mark.parametrize(
    ("name", "score", "category", "missing"),
    [(case[0], *case[3:]) for case in FRAILTY_CASES],
    ids=[case[0] for case in FRAILTY_CASES],
)
def test_hospital_frailty(name, score, category, missing, hospital_frailty):
    found = hospital_frailty[name]
    assert found["hospital_frailty_score"] == score
    assert found["hospital_frailty_category"] == category
    assert found["hospital_frailty_missing"] == missing


def test_birthday_tomorrow_is_still_74(tmp_path):
    rows = [patient("a", born=date(1951, 4, 2)), known("a", "R"), spell("a", "R54", DAY)]
    assert scores_of(tmp_path, *rows)["a"]["hospital_frailty_missing"] == "under 75"


def test_attendances_are_no_admissions(tmp_path):
    rows = [patient("a"), known("a", "R"), attendance("a", "F00", DAY), spell("a", "R54", DAY)]
    assert scores_of(tmp_path, *rows)["a"]["hospital_frailty_score"] == 2.2


# --- Against comorbidipy 0.5.0 ---------------------------------------------------------------------------------------

COMORBIDIPY_NAMES = {
    "ami": "myocardial_infarction", "chf": "congestive_heart_failure", "pvd": "peripheral_vascular_disease",
    "cevd": "cerebrovascular_disease", "dementia": "dementia", "copd": "chronic_pulmonary_disease",
    "rheumd": "rheumatic_disease", "pud": "peptic_ulcer_disease", "mld": "mild_liver_disease",
    "diab": "diabetes_without_complication", "diabwc": "diabetes_with_complication",
    "hp": "hemiplegia_or_paraplegia", "rend": "renal_disease", "canc": "cancer", "msld": "severe_liver_disease",
    "metacanc": "metastatic_cancer", "aids": "aids_hiv",
}  # fmt: skip


@pytest.fixture(scope="module")
def comorbidipy():
    """The package imports a name that pandas 3 no longer has, only to silence it."""
    import pandas.core.common

    with pytest.MonkeyPatch.context() as patched, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patched.setattr(pandas.core.common, "SettingWithCopyWarning", UserWarning, raising=False)
        import comorbidipy
    return comorbidipy


def test_the_code_lists_are_those_of_comorbidipy(comorbidipy, tmp_path):
    from comorbidipy.mapping import hfrs_mapping, mapping

    ours = codes.load(configuration(tmp_path), "charlson_quan")
    theirs = {(COMORBIDIPY_NAMES[g], code) for g, listed in mapping["charlson_icd10_quan"].items() for code in listed}
    assert {(c.item, c.code) for c in ours.codes} == theirs
    assert {c.code: c.weight for c in codes.load(configuration(tmp_path), "hospital_frailty").codes} == hfrs_mapping


def test_weights_are_those_of_comorbidipy_but_for_aids(comorbidipy):
    """Quan 2011 gives AIDS four points; comorbidipy 0.5.0 gives two, R's medicalcoder four."""
    from comorbidipy.weights import weights

    theirs = weights["charlson_icd10_quan"]
    named = {group.item: group for group in CHARLSON_GROUPS}
    assert {k: named[v].original for k, v in COMORBIDIPY_NAMES.items()} == theirs["charlson"]
    assert {k: named[v].updated for k, v in COMORBIDIPY_NAMES.items()} == {**theirs["quan"], "aids": 4}


def made_up_people(seed: int, people: int) -> dict[str, tuple[int, list[list[str]]]]:
    """Ages, and diagnoses by stay: half of them codes of the scores, with or without further characters."""
    from comorbidipy.mapping import hfrs_mapping, mapping

    draw = random.Random(seed)
    of_scores = [*hfrs_mapping, *(code for listed in mapping["charlson_icd10_quan"].values() for code in listed)]
    made = {}
    for number in range(people):
        stays = []
        for _ in range(draw.randint(1, 4)):
            known_codes = [draw.choice(of_scores) for _ in range(draw.randint(0, 4))]
            longer = [c + str(draw.randint(0, 9)) if len(c) == 3 and draw.random() < 0.6 else c for c in known_codes]
            others = [
                f"{draw.choice('ABCDEFGHIJKLMNRSTZ')}{draw.randint(0, 999):03}" for _ in range(draw.randint(1, 4))
            ]
            stays.append(longer + others)
        made[f"p{number}"] = (draw.randint(75, 99) if draw.random() < 0.7 else draw.randint(30, 74), stays)
    return made


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_scores_are_those_of_comorbidipy_on_made_up_people(seed, comorbidipy, tmp_path):
    import pandas as pd

    people = made_up_people(seed, 150)
    rows = [[patient(name, age=age), *known(name, "R")] for name, (age, _) in people.items()]
    stays = [
        spell(name, " ".join(listed), NIGHT - timedelta(30 * number))
        for name, (_, several) in people.items()
        for number, listed in enumerate(several)
    ]
    ours = scores_of(tmp_path, *rows, *stays)
    coded = pd.DataFrame(
        [(name, code, age) for name, (age, several) in people.items() for listed in several for code in listed],
        columns=["id", "code", "age"],
    )
    with warnings.catch_warnings():  # pandas warns of how the package writes
        warnings.simplefilter("ignore")
        frailty = comorbidipy.hfrs(coded).set_index("id")["hfrs"]
        original = comorbidipy.comorbidity(coded, weighting="charlson").set_index("id")
        updated = comorbidipy.comorbidity(coded, weighting="quan").set_index("id")
    for name, (age, _) in people.items():
        found = ours[name]
        assert found["hospital_frailty_score"] == (pytest.approx(frailty[name], abs=1e-6) if age >= 75 else None)
        assert found["charlson_original"] == original.comorbidity_score[name]
        assert found["charlson_age_adjusted"] == original.age_adj_comorbidity_score[name]
        assert found["charlson_updated"] == updated.comorbidity_score[name] + 2 * updated.aids[name]


# --- Charlson --------------------------------------------------------------------------------------------------------

# name, age, rows, original, updated, age-adjusted
CHARLSON_CASES = [
    ("nothing", 60, [], 0, 0, 2),
    ("heart_attack", 49, [("I219", DAY)], 1, 0, 1),
    ("diabetes_with_and_without", 50, [("E119 E112", DAY)], 2, 1, 3),
    ("cancer_and_metastases", 60, [("C509 C787", DAY)], 6, 6, 8),
    ("liver_mild_and_severe", 70, [("K703 K767", DAY)], 3, 4, 6),
    ("severe_without_mild", 80, [("K721", DAY)], 3, 4, 7),
    ("every_age_above_80", 99, [("F03", DAY)], 1, 2, 5),
    ("under_50", 39, [("F03", DAY)], 1, 2, 1),
    ("aids", 40, [("B24", DAY)], 6, 4, 6),
    ("three_characters_of_diabetes", 40, [("E11", DAY)], 0, 0, 0),
    ("delirium_is_not_dementia", 40, [("F050", DAY)], 0, 0, 0),
    ("on_dementia_it_is", 40, [("F051", DAY)], 1, 2, 1),
    ("five_years_ago", 40, [("J440", date(2021, 4, 1))], 1, 1, 1),
    ("longer_ago", 40, [("J440", date(2021, 3, 31))], 0, 0, 0),
    ("after_the_night", 40, [("J440", date(2026, 4, 2))], 0, 0, 0),
]  # fmt: skip


@pytest.fixture(scope="module")
def charlson(tmp_path_factory):
    rows = []
    for name, age, stays, *_ in CHARLSON_CASES:
        rows += [patient(name, age=age), known(name, "R")]
        rows += [spell(name, diagnoses, day, emergency=False) for diagnoses, day in stays]
    return scores_of(tmp_path_factory.mktemp("charlson"), *DELIVERED, *rows)


@pytest.mark.parametrize(
    ("name", "original", "updated", "adjusted"),
    [(case[0], *case[3:]) for case in CHARLSON_CASES],
    ids=[case[0] for case in CHARLSON_CASES],
)
def test_charlson(name, original, updated, adjusted, charlson):
    found = charlson[name]
    assert found["charlson_original"] == original
    assert found["charlson_updated"] == updated
    assert found["charlson_age_adjusted"] == adjusted
    assert found["charlson_missing"] is None


def test_charlson_counts_icd10_conditions_as_long_as_they_last_and_five_years_after(tmp_path):
    rows = [
        *(patient(name, age=40) for name in ("lasts", "ended", "over", "undated", "snomed")),
        *(known(name, "M") for name in ("lasts", "ended", "over", "undated", "snomed")),
        condition("lasts", "F009", date(1999, 1, 1), system="icd10", provider="M"),
        condition("ended", "F009", date(1999, 1, 1), system="icd10", provider="M", end=date(2021, 4, 1)),
        condition("over", "F009", date(1999, 1, 1), system="icd10", provider="M", end=date(2021, 3, 31)),
        condition("undated", "F009", None, system="icd10", provider="M"),
        condition("snomed", "52448006", system="snomed", provider="M"),
    ]
    found = scores_of(tmp_path, *rows)
    assert {n: found[n]["charlson_original"] for n in ("lasts", "ended", "over", "undated", "snomed")} == {
        "lasts": 1, "ended": 1, "over": 0, "undated": 1, "snomed": 0,
    }  # fmt: skip


def test_charlson_without_an_age_has_no_adjusted_value(tmp_path):
    rows = [patient("a", age=None), known("a", "R"), spell("a", "I219")]
    found = scores_of(tmp_path, *rows)["a"]
    assert (found["charlson_original"], found["charlson_age_adjusted"]) == (1, None)


# --- Electronic frailty index ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deficit_codes(tmp_path_factory):
    """The first SNOMED CT code of each deficit that no other deficit has."""
    listed = codes.load(configuration(tmp_path_factory.mktemp("lists")), "efi_deficits").codes
    items: dict[str, set[str]] = {}
    for code in listed:
        items.setdefault(code.code, set()).add(code.item)
    first: dict[str, str] = {}
    for code in listed:
        if code.coding_system == "snomed" and len(items[code.code]) == 1:
            first.setdefault(code.item, code.code)
    assert set(first) == set(FRAILTY_DEFICITS)
    return [first[item] for item in FRAILTY_DEFICITS]


def test_the_index_has_36_deficits():
    assert len(FRAILTY_DEFICITS) + 1 == 36


@pytest.fixture(scope="module")
def counted(tmp_path_factory, deficit_codes):
    rows = [*DELIVERED]
    for deficits in range(36):
        name = f"with_{deficits}"
        rows += [patient(name, age=65), known(name, "G")]
        rows += [condition(name, code) for code in deficit_codes[:deficits]]
    return scores_of(tmp_path_factory.mktemp("efi"), *rows)


@pytest.mark.parametrize(
    ("deficits", "category"),
    [
        (0, "fit"), (4, "fit"), (5, "mild"), (8, "mild"), (9, "moderate"), (12, "moderate"), (13, "severe"),
        (35, "severe"),
    ],
)  # fmt: skip
def test_deficits_are_counted_and_parted_as_clegg_does(deficits, category, counted):
    found = counted[f"with_{deficits}"]
    assert found["electronic_frailty_index"] == pytest.approx(deficits / 36)
    assert found["electronic_frailty_category"] == category
    assert found["electronic_frailty_source"] == "counted"
    assert found["electronic_frailty_missing"] is None


def test_a_deficit_counts_once_however_it_is_recorded(tmp_path):
    rows = [
        *DELIVERED, patient("a", age=70), known("a", "G", "R"),
        condition("a", "38341003"), condition("a", "59621000"), spell("a", "I10"),
        observation("a", "279992002"), condition("a", "22298006", date(2026, 4, 2)),
    ]  # fmt: skip
    assert scores_of(tmp_path, *rows)["a"]["electronic_frailty_index"] == pytest.approx(2 / 36)


# different repeat medicines (code, day, repeat, end), whether they are polypharmacy
MEDICINES = {
    "five": ([(str(n), NIGHT, True, None) for n in range(5)], True),
    "four": ([(str(n), NIGHT, True, None) for n in range(4)], False),
    "five_times_the_same": ([("1", NIGHT - timedelta(28 * n), True, None) for n in range(5)], False),
    "one_is_not_repeated": ([(str(n), NIGHT, n > 0, None) for n in range(5)], False),
    "one_is_old": ([(str(n), NIGHT - timedelta(365 * (n == 0)), True, None) for n in range(5)], False),
    "one_is_a_day_younger": ([(str(n), NIGHT - timedelta(364 * (n == 0)), True, None) for n in range(5)], True),
    "one_is_old_and_goes_on": ([(str(n), date(2020, 1, 1), True, NIGHT) for n in range(5)], True),
    "one_is_to_come": ([(str(n), NIGHT + timedelta(n == 0), True, None) for n in range(5)], False),
}


@pytest.fixture(scope="module")
def polypharmacy(tmp_path_factory):
    rows = [*DELIVERED]
    for name, (given, _) in MEDICINES.items():
        rows += [patient(name, age=70), known(name, "G")]
        rows += [medicine(name, code, day, repeat=repeat, end=end) for code, day, repeat, end in given]
    return scores_of(tmp_path_factory.mktemp("medicines"), *rows)


@pytest.mark.parametrize("name", MEDICINES)
def test_five_different_repeat_medicines_are_a_deficit(name, polypharmacy):
    assert polypharmacy[name]["electronic_frailty_index"] == pytest.approx(MEDICINES[name][1] / 36)


# value, unit, day, provider, index, category, source
YEAR_AGO = NIGHT - timedelta(365)
VALUES = {
    "an_index": (0.25, None, NIGHT, "G", 0.25, "moderate", "gp_system"),
    "zero": (0.0, None, NIGHT, "G", 0.0, "fit", "gp_system"),
    "one": (1.0, "ratio", NIGHT, "G", 1.0, "severe", "gp_system"),
    "one_of_what": (1.0, None, NIGHT, "G", 0.0, "fit", "counted"),
    "0.12": (0.12, None, NIGHT, "G", 0.12, "fit", "gp_system"),
    "0.14_is_5_of_36": (0.14, None, NIGHT, "G", 0.14, "mild", "gp_system"),
    "0.24": (0.24, None, NIGHT, "G", 0.24, "mild", "gp_system"),
    "0.25_is_9_of_36": (0.25, None, NIGHT, "G", 0.25, "moderate", "gp_system"),
    "0.35": (0.35, None, NIGHT, "G", 0.35, "moderate", "gp_system"),
    "0.36_is_13_of_36": (0.36, None, NIGHT, "G", 0.36, "severe", "gp_system"),
    "a_count": (9.0, "deficits", NIGHT, "G", 0.25, "moderate", "gp_system"),
    "a_count_of_36": (13.0, "/36", NIGHT, "G", 13 / 36, "severe", "gp_system"),
    "one_deficit": (1.0, "Deficits", NIGHT, "G", 1 / 36, "fit", "gp_system"),
    "a_count_without_its_unit": (9.0, None, NIGHT, "G", 0.0, "fit", "counted"),
    "half_a_deficit": (9.5, "deficits", NIGHT, "G", 0.0, "fit", "counted"),
    "too_many_deficits": (37.0, "deficits", NIGHT, "G", 0.0, "fit", "counted"),
    "below_zero": (-0.1, None, NIGHT, "G", 0.0, "fit", "counted"),
    "a_percentage": (0.5, "%", NIGHT, "G", 0.0, "fit", "counted"),
    "no_value": (None, None, NIGHT, "G", 0.0, "fit", "counted"),
    "a_year_old": (0.25, None, YEAR_AGO, "G", 0.0, "fit", "counted"),
    "a_day_younger": (0.25, None, YEAR_AGO + timedelta(1), "G", 0.25, "moderate", "gp_system"),
    "to_come": (0.25, None, NIGHT + timedelta(1), "G", 0.0, "fit", "counted"),
    "of_the_hospital": (0.25, None, NIGHT, "R", 0.0, "fit", "counted"),
}


@pytest.fixture(scope="module")
def supplied(tmp_path_factory):
    rows = [*DELIVERED]
    for name, (value, unit, day, provider, *_) in VALUES.items():
        rows += [patient(name, age=70), known(name, "G", "R")]
        rows.append(observation(name, "713636003", value, day, unit=unit, provider=provider))
    return scores_of(tmp_path_factory.mktemp("values"), *rows)


@pytest.mark.parametrize("name", VALUES)
def test_a_value_of_the_practices_system(name, supplied):
    *_, index, category, source = VALUES[name]
    found = supplied[name]
    assert found["electronic_frailty_index"] == pytest.approx(index)
    assert found["electronic_frailty_category"] == category
    assert found["electronic_frailty_source"] == source


def test_the_newest_usable_value_is_taken_and_those_not_used_are_told(tmp_path):
    rows = [
        *DELIVERED, patient("a", age=70), known("a", "G", "H"),
        observation("a", "713636003", 0.2, date(2026, 1, 1)), observation("a", "713636003", 0.3, date(2026, 2, 1)),
        observation("a", "713636003", 12.0, date(2026, 3, 1)), observation("a", "713636003", None, date(2026, 3, 2)),
    ]  # fmt: skip
    flat = [row for given in rows for row in (given if isinstance(given, list) else [given])]
    with reading_of(configuration(tmp_path), *flat) as reading:
        about = name_scores(reading)
        index = reading.connection.execute(
            "SELECT electronic_frailty_index FROM risk_score WHERE patient_id = ?", [person("a")]
        ).fetchall()
    assert index == [(0.3,)]
    assert about["electronic_frailty_index"]["values_not_used"] == 2


# --- Cambridge Multimorbidity Score ----------------------------------------------------------------------------------

PUBLISHED_WEIGHTS = {
    "hypertension": 0.09, "anxiety_depression": 0.47, "chronic_pain": 0.87, "hearing_loss": 0.07,
    "irritable_bowel_syndrome": 0.18, "asthma": 0.18, "diabetes": 0.71, "prostate_disorders": 0.01,
    "thyroid_disorders": 0.08, "coronary_heart_disease": 0.46, "chronic_kidney_disease": 0.51,
    "diverticular_disease": -0.02, "chronic_sinusitis": 0.13, "atrial_fibrillation": 1.30, "constipation": 1.03,
    "stroke_tia": 0.77, "copd": 1.41, "connective_tissue_disorders": 0.40, "cancer": 1.50, "peptic_ulcer": 0.20,
    "alcohol_problems": 0.55, "substance_misuse": 0.38, "eczema_psoriasis": 0.25, "visual_impairment": 0.15,
    "heart_failure": 1.12, "dementia": 2.46, "psychosis_bipolar": 0.58, "epilepsy": 0.85,
    "inflammatory_bowel_disease": 0.44, "peripheral_vascular_disease": 0.53, "anorexia_bulimia": 0.34,
    "chronic_liver_disease": 0.72, "migraine": 0.07, "learning_disability": 0.47, "bronchiectasis": 0.66,
    "multiple_sclerosis": 0.69, "parkinsons_disease": 1.29,
}  # fmt: skip


def test_every_condition_has_codes_of_both_systems_and_its_published_weight(tmp_path):
    listed = codes.load(configuration(tmp_path), "cambridge_multimorbidity").codes
    assert {c.item: c.weight for c in listed} == PUBLISHED_WEIGHTS
    assert set(CAMBRIDGE_CONDITIONS) == set(PUBLISHED_WEIGHTS)
    for system in ("snomed", "icd10"):
        assert {c.item for c in listed if c.coding_system == system} == set(PUBLISHED_WEIGHTS)


OLD = date(2000, 1, 1)
# rows after the name, score, conditions
CAMBRIDGE_CASES = {
    "nothing": ([], 0.0, 0),
    # 0.09 + 0.71 + 1.12 = 1.92
    "worked": ([("38341003", OLD), ("44054006", OLD), ("84114007", OLD)], 1.92, 3),
    "a_group_counts_once": ([("44054006", OLD), ("46635009", OLD), ("73211009", OLD)], 0.71, 1),
    "schizophrenia_and_bipolar_are_one": ([("58214004", OLD), ("13746004", OLD)], 0.58, 1),
    "negative_alone": ([("397881000", OLD)], -0.02, 1),
    "undated": ([("44054006", None)], 0.71, 1),
    "after_the_night": ([("44054006", date(2026, 4, 2))], 0.0, 0),
    "old_depression": ([("35489007", OLD)], 0.0, 0),
    "depression_this_year": ([("35489007", NIGHT - timedelta(364))], 0.47, 1),
    "depression_a_year_ago": ([("35489007", NIGHT - timedelta(365))], 0.0, 0),
    "depression_old_and_new": ([("35489007", OLD), ("197480006", NIGHT)], 0.47, 1),
    "cancer_within_5_years": ([("254837009", NIGHT - timedelta(1825))], 1.5, 1),
    "cancer_longer_ago": ([("254837009", NIGHT - timedelta(1826))], 0.0, 0),
    "cancer_first_longer_ago": ([("254837009", OLD), ("254837009", NIGHT)], 0.0, 0),
}


@pytest.fixture(scope="module")
def cambridge(tmp_path_factory):
    rows = [*DELIVERED]
    for name, (given, *_) in CAMBRIDGE_CASES.items():
        rows += [patient(name, age=50), known(name, "G")]
        rows += [condition(name, code, day) for code, day in given]
    return scores_of(tmp_path_factory.mktemp("cambridge"), *rows)


@pytest.mark.parametrize("name", CAMBRIDGE_CASES)
def test_cambridge(name, cambridge):
    _, score, conditions = CAMBRIDGE_CASES[name]
    found = cambridge[name]
    assert found["cambridge_multimorbidity_score"] == score
    assert found["long_term_conditions"] == conditions
    assert found["cambridge_multimorbidity_missing"] is None


def test_cambridge_of_everything_is_the_sum_of_all_weights(tmp_path):
    listed = codes.load(configuration(tmp_path), "cambridge_multimorbidity").codes
    every = [condition("a", c.code, NIGHT, system=c.coding_system) for c in listed if c.coding_system != "dmd"]
    found = scores_of(tmp_path, patient("a"), known("a", "G"), *every)["a"]
    assert found["cambridge_multimorbidity_score"] == pytest.approx(sum(PUBLISHED_WEIGHTS.values()))
    assert found["long_term_conditions"] == 37


def test_prescriptions_find_conditions_as_the_paper_says(tmp_path):
    sertraline = "372594008"
    rows = [
        *DELIVERED,
        *(patient(name, age=50) for name in ("four", "three", "four_old", "code_as_condition")),
        *(known(name, "G") for name in ("four", "three", "four_old", "code_as_condition")),
        *(medicine("four", sertraline, NIGHT - timedelta(90 * n)) for n in range(4)),
        *(medicine("three", sertraline, NIGHT - timedelta(90 * n)) for n in range(3)),
        *(medicine("four_old", sertraline, NIGHT - timedelta(365 + n)) for n in range(4)),
    ]
    found = scores_of(tmp_path, *rows)
    assert found["four"]["cambridge_multimorbidity_score"] == 0.47
    assert found["three"]["cambridge_multimorbidity_score"] == 0.0
    assert found["four_old"]["cambridge_multimorbidity_score"] == 0.0


# Filtration rates, oldest first, and whether they are chronic kidney disease.
FILTRATION = {
    "both_below": ([90.0, 59.9, 45.0], True),
    "better_one_is_60": ([45.0, 45.0, 60.0], False),
    "one_reading": ([45.0], True),
    "an_impossible_one_is_passed_over": ([45.0, 45.0, 0.0, 900.0, None], True),
}


def test_chronic_kidney_disease_is_the_better_of_the_last_two_filtration_rates_below_60(tmp_path):
    rows = [*DELIVERED]
    for name, (values, _) in FILTRATION.items():
        rows += [patient(name, age=50), known(name, "G")]
        rows += [
            observation(name, "1020291000000106", value, NIGHT - timedelta(100 - number))
            for number, value in enumerate(values)
        ]
        rows.append(observation(name, "1020291000000106", 20.0, NIGHT + timedelta(1)))
    found = scores_of(tmp_path, *rows)
    assert {n: found[n]["cambridge_multimorbidity_score"] for n in FILTRATION} == {
        name: 0.51 if is_disease else 0.0 for name, (_, is_disease) in FILTRATION.items()
    }


def test_what_the_hospital_knows_counts_too(tmp_path):
    rows = [*DELIVERED, patient("a", age=50), known("a", "G", "R"), spell("a", "I500 N183")]
    found = scores_of(tmp_path, *rows)["a"]
    assert found["cambridge_multimorbidity_score"] == pytest.approx(1.12 + 0.51)
    assert found["inputs_used"] == ["acute:spell", "gp:condition", "gp:medication"]


# --- Missing inputs --------------------------------------------------------------------------------------------------


def test_who_has_died_has_no_scores(tmp_path):
    rows = [
        *DELIVERED,
        *(patient(name, died=died) for name, died in (("dead", NIGHT), ("dies_later", NIGHT + timedelta(1)))),
        *(known(name, "G", "R") for name in ("dead", "dies_later")),
        *(spell(name, "F00") for name in ("dead", "dies_later")),
    ]  # fmt: skip
    found = scores_of(tmp_path, *rows)
    missing = [key for key in OWN_COLUMNS if key.endswith("_missing")]
    assert {found["dead"][key] for key in missing} == {"died"}
    assert {v for k, v in found["dead"].items() if k not in (*missing, "inputs_used")} == {None}
    assert found["dead"]["inputs_used"] == []
    assert {found["dies_later"][key] for key in missing} == {None}


def test_known_to_a_practice_that_delivers_nothing_of_the_kind(tmp_path):
    rows = [*DELIVERED, patient("a"), known("a", "H")]
    found = scores_of(tmp_path, *rows)["a"]
    assert found["cambridge_multimorbidity_score"] is None
    assert found["cambridge_multimorbidity_missing"] == (
        "no practice that delivers conditions in a coding system of the list knows the person"
    )
    assert found["long_term_conditions"] is None
    assert found["electronic_frailty_index"] is None
    assert "no practice that delivers conditions" in found["electronic_frailty_missing"]
    assert found["charlson_missing"] == "no provider that delivers ICD-10 diagnoses or conditions knows the person"
    assert found["hospital_frailty_missing"] == (
        "no provider that delivers hospital stays with ICD-10 diagnoses knows the person"
    )
    assert found["inputs_used"] == []


def test_known_to_a_practice_that_delivers_conditions_and_has_none_is_zero(tmp_path):
    rows = [*DELIVERED, patient("a", age=70), known("a", "G")]
    found = scores_of(tmp_path, *rows)["a"]
    assert (found["cambridge_multimorbidity_score"], found["long_term_conditions"]) == (0.0, 0)
    assert (found["electronic_frailty_index"], found["electronic_frailty_category"]) == (0.0, "fit")
    assert found["charlson_original"] is None
    assert found["inputs_used"] == ["gp:condition", "gp:medication"]


def test_without_medicines_the_frailty_index_cannot_be_counted(tmp_path):
    rows = [patient("a", age=70), known("a", "G"), condition("a", "44054006")]
    found = scores_of(tmp_path, *rows)["a"]
    assert found["electronic_frailty_index"] is None
    assert "no practice that delivers repeat medicines" in found["electronic_frailty_missing"]
    assert found["cambridge_multimorbidity_score"] == 0.71


def test_read_codes_that_no_list_holds_are_not_taken_for_no_conditions(tmp_path):
    rows = [patient("a", age=70), known("a", "G"), condition("a", "C10F.", system="read2"), medicine("a", "1")]
    found = scores_of(tmp_path, *rows)["a"]
    assert found["cambridge_multimorbidity_score"] is None
    assert found["electronic_frailty_index"] is None
    assert found["inputs_used"] == []


@pytest.mark.parametrize(("in_read", "score"), [(1, 0.71), (2, None)])
def test_a_practice_most_of_whose_conditions_cannot_be_read_tells_nobody_healthy(in_read, score, tmp_path):
    rows = [patient("a", age=70), known("a", "G"), condition("a", "44054006"), medicine("a", "1")]
    rows += [condition("a", "C10F.", system="read2") for _ in range(in_read)]
    assert scores_of(tmp_path, *rows)["a"]["cambridge_multimorbidity_score"] == score


def test_stays_without_diagnoses_are_not_taken_for_no_diagnoses(tmp_path):
    rows = [patient("a", age=80), known("a", "R"), spell("a", ""), spell("a", "44054006")]
    found = scores_of(tmp_path, *rows)["a"]
    assert (found["hospital_frailty_score"], found["charlson_original"]) == (None, None)
    assert "ICD-10" in found["hospital_frailty_missing"]
    assert "ICD-10" in found["charlson_missing"]


def test_medicines_of_which_nobody_says_whether_they_are_repeated_are_no_polypharmacy_and_no_zero(tmp_path):
    rows = [patient("a", age=70), known("a", "G"), condition("a", "44054006")]
    rows += [medicine("a", str(number), repeat=None) for number in range(6)]
    found = scores_of(tmp_path, *rows)["a"]
    assert found["electronic_frailty_index"] is None
    assert "repeat medicines" in found["electronic_frailty_missing"]


def test_a_supplied_index_needs_nothing_else(tmp_path):
    rows = [patient("a", age=70), known("a", "G"), observation("a", "713636003", 0.2)]
    found = scores_of(tmp_path, *rows)["a"]
    assert (found["electronic_frailty_index"], found["electronic_frailty_source"]) == (0.2, "gp_system")
    assert found["inputs_used"] == ["gp:observation"]


@pytest.mark.parametrize(
    ("age", "missing"), [(64, "under 65"), (None, "age not known"), (65, None)], ids=["64", "unknown", "65"]
)
def test_the_frailty_index_is_for_people_of_65_and_over(age, missing, tmp_path):
    rows = [*DELIVERED, patient("a", age=age), known("a", "G"), observation("a", "713636003", 0.2)]
    found = scores_of(tmp_path, *rows)["a"]
    assert found["electronic_frailty_missing"] == missing
    assert found["electronic_frailty_index"] == (0.2 if missing is None else None)


# --- A deployment's own lists ----------------------------------------------------------------------------------------

SIDECAR = "title: T\nversion: '1'\nsource: S\nlicence: L\n"
HEAD = "coding_system,code,term,item,weight\n"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("charlson_quan", "coding_system,code,term,item\nicd10,I21,x,heart\n", "line 2: the item 'heart' of I21"),
        ("efi_deficits", "coding_system,code,term\nicd10,I21,x\n", "line 2: the item None of I21 is no group"),
        (
            "cambridge_multimorbidity",
            "coding_system,code,term,item\nicd10,I20,x,copd\n",
            "line 2: I20 has no item and weight",
        ),
        (
            "cambridge_multimorbidity",
            HEAD + "icd10,J43,x,copd,1.41\nicd10,J44,x,copd,1.4\n",
            "line 3: the weight of copd is another one above",
        ),
        ("hospital_frailty", "coding_system,code,term,item\nicd10,F00,x,F00\n", "line 2: F00 has no item and weight"),
    ],
    ids=["charlson", "deficits", "cambridge_no_weight", "cambridge_two_weights", "hospital_frailty"],
)
def test_an_own_list_of_another_shape_is_named_with_its_line(name, text, said, tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / f"{name}.csv").write_text(text, encoding="utf-8")
    (tmp_path / "lists" / f"{name}.yaml").write_text(SIDECAR, encoding="utf-8")
    with (
        reading_of(configuration(tmp_path, code_lists=Path("lists")), patient("a")) as reading,
        pytest.raises(BadInput, match=said) as problem,
    ):
        name_scores(reading)
    assert f"{name}.csv" in str(problem.value)
    with pytest.raises(BadInput, match=said):
        check(configuration(tmp_path, code_lists=Path("lists")))


def test_an_own_list_is_used_and_what_it_lacks_is_told(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "cambridge_multimorbidity.csv").write_text(HEAD + "icd10,J44,x,copd,1.41\n", encoding="utf-8")
    (tmp_path / "lists" / "cambridge_multimorbidity.yaml").write_text(SIDECAR, encoding="utf-8")
    with reading_of(configuration(tmp_path, code_lists=Path("lists")), patient("a")) as reading:
        about = name_scores(reading)["cambridge_multimorbidity_score"]
    assert about["code_list"] == {"title": "T", "version": "1", "source": "S"}
    assert len(about["conditions_without_codes"]) == 36
    assert "copd" not in about["conditions_without_codes"]
