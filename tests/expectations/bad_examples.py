"""One bad example for every expectation of every suite: what the tests iterate over.

`ROWS`: suite, rule, and the change that makes a good row break it; a list stands for several rows, of which the last
must be caught. `FEEDS`: rule, and how a whole delivery breaks it. `MADE`: table, rule, and the same in SQL.
"""

from __future__ import annotations

from typing import Any

from registry_pipeline.tables import FEEDS as SHAPES
from tests.expectations.deliveries import nhs_number

LONG = "X" * 600
CONTROL = "A\x07B"
_UNREADABLE = "31/02/2026"

_FLAGS = {"deleted_is_known_code": {"deleted": "perhaps"}}


def _key(key: str) -> dict[str, Any]:
    return {
        f"{key}_is_filled": {key: None},
        f"{key}_is_not_blank": {key: "   "},
        f"{key}_row_is_no_repeat": [{key: "SAME-1"}, {key: "SAME-1"}],
        f"{key}_is_unique": [{key: "SAME-2"}, {key: "SAME-2", "start_date": None, "family_name": "Other"}],
        f"{key}_has_no_control_character": {key: CONTROL},
        f"{key}_has_plausible_length": {key: LONG},
    }


def _event(feed: str) -> dict[str, Any]:
    columns = SHAPES[feed].column_names
    made = _key("event_id") | {
        "local_id_is_filled": {"local_id": None},
        "local_id_is_not_blank": {"local_id": " "},
        "local_id_has_no_control_character": {"local_id": CONTROL},
        "start_date_can_be_read": {"start_date": _UNREADABLE},
        "start_date_is_filled": {"start_date": None},
        "start_date_is_possible": {"start_date": "1066-10-14"},
        "start_date_is_past": {"start_date": "2026-05-01"},
    }
    for column in ("end_date", "clinically_ready_date", "updated_date", "review_date", "assessment_date"):
        if column in columns:
            made[f"{column}_can_be_read"] = {column: _UNREADABLE}
    if "end_date" in columns:
        made["end_date_is_after_start"] = {"start_date": "2026-03-31", "end_date": "2026-03-30"}
    for column in (
        "admission_method",
        "discharge_method",
        "patient_classification",
        "department_type",
        "attendance_status",
        "consultation_mechanism",
        "priority",
        "coding_system",
        "agreed",
        "repeat",
        "deleted",
    ):
        if column in columns:
            made[f"{column}_is_known_code"] = {column: "?!"}
    return made


ROWS: dict[str, dict[str, Any]] = {f"raw_{feed}": _event(feed) for feed in SHAPES if "event_id" in SHAPES[feed].key}
ROWS["raw_spell"] |= {"diagnoses_have_form": {"diagnoses": "unwell"}, "procedures_have_form": {"procedures": "12"}}
ROWS["raw_contact"] |= {"duration_minutes_is_plausible": {"duration_minutes": "half an hour"}}
for _suite in ("raw_condition", "raw_medication"):
    ROWS[_suite] |= {
        "code_or_description_is_filled": {"code": None, "description": " "},
        "code_has_plausible_length": {"code": "1" * 19},
        "description_has_plausible_length": {"description": LONG},
    }
ROWS["raw_service"] |= {"service_type_is_filled": {"service_type": None}}
ROWS["raw_care_plan"] |= {"plan_type_is_filled": {"plan_type": None}}
ROWS["raw_carer"] |= {"carer_is_another_person": {"local_id": "L1", "carer_local_id": "L1"}}
ROWS["raw_patient"] = _key("local_id") | {
    "nhs_number_has_ten_digits": {"nhs_number": "943 476 591"},
    "nhs_number_check_digit_is_right": {"nhs_number": "9434765918"},
    "nhs_number_is_no_placeholder": {"nhs_number": "4444444444"},
    "nhs_number_range_is_issued": {"nhs_number": nhs_number(1, 500_000_000)},
    "nhs_number_is_of_england_or_wales": {"nhs_number": nhs_number(1, 10_101_000)},
    "nhs_number_is_not_synthetic": {"nhs_number": "943 476 5919"},
    "nhs_number_is_on_one_record": [{"nhs_number": nhs_number(900)}, {"nhs_number": nhs_number(900)}],
    "nhs_number_status_is_known_code": {"nhs_number_status": "91"},
    "nhs_number_status_01_has_number": {"nhs_number_status": "01", "nhs_number": None},
    "nhs_number_status_07_has_none": {"nhs_number_status": "07"},
    "title_has_plausible_length": {"title": LONG},
    "given_name_has_plausible_length": {"given_name": LONG},
    "family_name_has_plausible_length": {"family_name": LONG},
    "names_have_no_control_character": {"given_name": CONTROL},
    "family_name_has_a_letter": {"family_name": "12345"},
    "birth_date_can_be_read": {"birth_date": _UNREADABLE},
    "birth_date_is_possible": {"birth_date": "2026-04-02"},
    "birth_date_is_no_placeholder": {"birth_date": "1900-01-01"},
    "death_date_can_be_read": {"death_date": _UNREADABLE},
    "death_date_is_past": {"death_date": "2027-01-01"},
    "death_date_is_no_placeholder": {"death_date": "9999-12-31"},
    "death_is_after_birth": {"birth_date": "1961-07-23", "death_date": "1961-07-22"},
    "sex_is_known_code": {"sex": "7"},
    "ethnicity_is_known_code": {"ethnicity": "Q"},
    "postcode_has_form": {"postcode": "ABC 123"},
    "address_has_plausible_length": {"address": LONG},
    "phone_has_plausible_digits": {"phone": "ask"},
    "email_has_form": {"email": "nobody"},
    "gp_practice_has_form": {"gp_practice": "81001"},
    "sensitive_is_known_code": {"sensitive": "perhaps"},
    "test_patient_is_known_code": {"test_patient": "perhaps"},
    "deleted_is_known_code": {"deleted": "perhaps"},
    "merged_into_another": {"local_id": "M1", "merged_into": "M1"},
}
ROWS["raw_nhs_number_replacement"] = _key("nhs_number") | {
    "nhs_number_is_unique": [
        {"nhs_number": nhs_number(901), "replaced_by": nhs_number(902)},
        {"nhs_number": nhs_number(901), "replaced_by": nhs_number(903)},
    ],
    "replaced_by_is_filled": {"replaced_by": None},
    "nhs_number_is_valid": {"nhs_number": "9434765918"},
    "replaced_by_is_valid": {"replaced_by": "9434765918"},
    "replaced_by_another": {"nhs_number": nhs_number(904), "replaced_by": nhs_number(904)},
    "start_date_can_be_read": {"start_date": _UNREADABLE},
}

FEEDS: dict[str, dict[str, Any]] = {
    # rule: every: change of each row; share: of how many; count: rows; without: columns; earlier: accepted rows before
    "columns_are_as_agreed": {"without_key": True},
    "has_rows": {"count": 0, "earlier": []},
    "row_count_near_median": {"count": 40, "earlier": [100, 100, 100]},
    "is_mostly_unique": {"same_key": True, "share": 0.2},
    "quarantined_share_is_low": {"blank_key": True, "share": 0.3},
    "is_mostly_filled": {"empty": True, "share": 1.0},
    "day_and_month_in_order": {"unreadable": True, "share": 0.6},
    "birth_date_days_are_spread": {"column": "birth_date", "value": "1961-07-09", "count": 120, "share": 1.0},
    "newest_event_is_recent": {"column": "start_date", "value": "2025-03-31", "share": 1.0},
}
"""Endings of the names of feed rules, and how a delivery of forty good rows comes to break them."""

_ID = "'00000000-0000-0000-0000-000000000001'"
_OTHER = "'00000000-0000-0000-0000-000000000009'"
_RECORD = {
    "record_id": "'RX1:L1'",
    "provider": "'RX1'",
    "setting": "'acute'",
    "local_id": "'L1'",
    "night": "'2026-04-01'",
}
_EVENT = _RECORD | {
    "patient_id": _ID,
    "event_key": "'RX1:spell:E1'",
    "is_deleted": "false",
    "activity_kind": "'spell'",
    "start_time": "'2026-03-28 10:00:00'",
    "end_time": "'2026-03-29 10:00:00'",
    "duration_minutes": "10",
    "start_date": "'2026-03-28'",
    "coding_system": "'icd10'",
}
MADE_GOOD: dict[str, dict[str, str]] = {
    "person_record": _RECORD
    | {
        "nhs_number": f"'{nhs_number(1)}'",
        "is_nhs_number_verified": "true",
        "given_name": "'ZOE ANN'",
        "family_name": "'O NEILL'",
        "birth_date": "'1961-07-23'",
        "death_date": "'2026-01-01'",
        "sex": "'F'",
        "ethnicity": "'A'",
        "postcode": "'AB1 2CD'",
        "phone": "'01632960123'",
        "email": "'z@example.org'",
        "is_sensitive": "false",
    },
    "linked_pair": {
        "record_id_l": "'RX1:L1'",
        "record_id_r": "'RX2:L1'",
        "decided_by": "'match_weight'",
        "outcome": "'match'",
        "match_probability": "0.99",
        "model_version": "'v1'",
    },
    "person_cluster": {
        "record_id": "'RX1:L1'",
        "cluster_id": "'RX1:L1'",
        "cluster_size": "1",
        "link_method": "'single'",
        "link_probability": "1",
        "is_conflict_cut": "false",
    },
    "patient": {
        "patient_id": _ID,
        "nhs_number": f"'{nhs_number(1)}'",
        "is_nhs_number_verified": "true",
        "birth_date": "'1961-07-23'",
        "death_date": "'2026-01-01'",
        "sex": "'F'",
        "ethnicity": "'A'",
        "postcode": "'AB1 2CD'",
        "is_sensitive": "false",
        "record_count": "1",
        "setting_count": "1",
        "is_stale": "false",
    },
    "patient_record": _RECORD
    | {"patient_id": _ID, "link_method": "'single'", "link_probability": "1", "is_stale": "false"},
    "identity_event": {
        "patient_id": _ID,
        "event_type": "'created'",
        "night": "'2026-04-01'",
        "cause": "'new_record'",
        "record_count": "1",
        "run_id": "'run'",
    },
    "needs_attention": {
        "attention_id": "'d41d8cd9'",
        "reason": "'weakest_link_cut'",
        "record_ids": "['RX1:L1', 'RX2:L1']",
        "patient_ids": f"[{_ID}]",
        "first_night": "'2026-04-01'",
    },
}
for _table in ("activity", "condition", "care_plan", "care_service", "carer"):
    MADE_GOOD[_table] = _EVENT
    MADE_GOOD[f"patient_{_table}"] = _EVENT

MADE_BAD: dict[str, dict[str, str]] = {
    "setting_is_known": {"setting": "'dental'"},
    "record_id_is_of_provider": {"record_id": "'RX9:L1'"},
    "nhs_number_is_usable": {"nhs_number": "'9434765918'"},
    "verified_has_number": {"nhs_number": "NULL"},
    "given_name_has_form": {"given_name": "'Zoe'"},
    "family_name_has_form": {"family_name": "'Luk'"},
    "birth_date_is_possible": {"birth_date": "'1066-10-14'", "death_date": "NULL"},
    "death_is_after_birth": {"death_date": "'1961-07-22'"},
    "sex_is_known": {"sex": "'2'"},
    "ethnicity_is_known": {"ethnicity": "'Q'"},
    "postcode_has_form": {"postcode": "'AB12CD'"},
    "postcode_is_no_pseudo": {"postcode": "'ZZ99 3VZ'"},
    "phone_has_form": {"phone": "'+44 1632'"},
    "email_has_form": {"email": "'Z@Example.org'"},
    "activity_kind_is_known": {"activity_kind": "'visit'"},
    "start_time_is_possible": {"start_time": "'1066-10-14 00:00:00'"},
    "end_is_after_start": {"end_time": "'2026-03-01 00:00:00'"},
    "duration_minutes_is_possible": {"duration_minutes": "-1"},
    "start_date_is_possible": {"start_date": "'1066-10-14'"},
    "coding_system_is_known": {"coding_system": "'opcs'"},
    "patient_id_is_known": {"patient_id": _OTHER},
    "patient_id_has_a_record": {"patient_id": _OTHER},
    "records_are_in_order": {"record_id_l": "'RX9:L1'"},
    "outcome_is_known": {"outcome": "'perhaps'"},
    "match_probability_is_possible": {"match_probability": "1.1"},
    "cluster_size_is_possible": {"cluster_size": "201"},
    "link_method_is_known": {"link_method": "'guess'"},
    "link_probability_is_possible": {"link_probability": "-0.1"},
    "nhs_number_has_form": {"nhs_number": "'943 476 5919'"},
    "sensitive_shows_no_contact": {"is_sensitive": "true"},
    "record_count_is_possible": {"record_count": "-1"},
    "setting_count_is_possible": {"setting_count": "6"},
    "event_type_is_known": {"event_type": "'renamed'"},
    "joined_names_the_other": {"event_type": "'joined'"},
    "names_records": {"record_ids": "[]::VARCHAR[]"},
    "names_people": {"patient_ids": "[]::VARCHAR[]"},
}
"""Change of a good row, in SQL; a rule that ends in _is_filled is broken by a null, one in _is_unique by the row twice."""
