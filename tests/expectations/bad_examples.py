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
for _suite in ("raw_condition", "raw_medication", "raw_observation"):
    ROWS[_suite] |= {
        "code_or_description_is_filled": {"code": None, "description": " "},
        "code_has_plausible_length": {"code": "1" * 19},
        "description_has_plausible_length": {"description": LONG},
    }
ROWS["raw_observation"] |= {"value_is_a_number": {"value": "7,5"}, "unit_has_plausible_length": {"unit": LONG}}
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
    "value": "53",
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
for _table in ("activity", "condition", "care_plan", "care_service", "carer", "observation"):
    MADE_GOOD[_table] = _EVENT
    MADE_GOOD[f"patient_{_table}"] = _EVENT

MADE_GOOD |= {
    "risk_stratification": {
        "patient_id": _ID,
        "night": "'2026-04-01'",
        "age": "79",
        "is_alive": "true",
        "hospital_frailty_score": "15.0",
        "hospital_frailty_category": "'intermediate'",
        "charlson_original": "3",
        "charlson_updated": "2",
        "charlson_age_adjusted": "6",
        "electronic_frailty_index": "0.25",
        "electronic_frailty_category": "'moderate'",
        "electronic_frailty_source": "'gp_system'",
        "cambridge_multimorbidity_missing": "'no practice delivers conditions'",
        "emergency_admission_probability": "0.42",
        "model_version": "'v1'",
        "risk_rank": "1",
        "risk_level": "'very_high'",
        "person_segment": "'frailty'",
        "person_segments": "['frailty', 'long_term_conditions']",
        "long_term_conditions": "4",
        "reasons": "['two emergency admissions in the last year']",
        "inputs_used": "['gp:condition', 'acute:spell']",
    },
    "care_gap": {
        "patient_id": _ID,
        "night": "'2026-04-01'",
        "protocol": "'diabetes'",
        "protocol_version": "'1'",
        "step": "'foot_examination'",
        "title": "'Foot examination'",
        "due_since": "'2026-03-01'",
        "days_overdue": "31",
        "last_done": "'2025-03-01'",
        "last_done_setting": "'community'",
        "last_done_provider": "'RY1'",
        "may_be_done_by": "['gp', 'community']",
        "is_seamlessness_gap": "false",
    },
    "patient_care_team": {
        "patient_id": _ID,
        "night": "'2026-04-01'",
        "provider": "'GP1'",
        "setting": "'gp'",
        "roles": "['registered_practice', 'holds_care_plan']",
        "last_contact": "'2026-03-28'",
        "last_contact_kind": "'contact'",
        "last_activity": "'2026-03-30'",
        "contacts_12_months": "7",
        "care_plan_type": "'integrated'",
        "care_plan_start": "'2025-06-01'",
        "care_plan_updated": "'2026-03-02'",
        "care_plan_age_days": "30",
        "care_plan_review_is_late": "false",
        "care_plans_in_force": "2",
        "coordinators": "1",
        "conflicts": "['several_care_plans']",
    },
    "case_conference_list": {
        "patient_id": _ID,
        "night": "'2026-04-01'",
        "neighbourhood": "'north'",
        "gp_practice": "'A81001'",
        "rank": "1",
        "meeting": "1",
        "points": "42.0",
        "why": "['very high risk']",
        "age": "79",
        "sex": "'F'",
        "risk_level": "'very_high'",
        "emergency_admission_probability": "0.42",
        "probability_before": "0.30",
        "risk_change": "0.12",
        "emergency_admissions_90_days": "1",
        "emergency_admissions_12_months": "2",
        "open_gaps": "3",
        "gaps": "['Foot examination']",
        "settings": "['gp', 'acute']",
        "summary": "['acute: two emergency stays']",
        "care_plan_age_days": "30",
        "last_discussed": "'2026-01-08'",
    },
    "audit_measure": {
        "measure": "'emergency_admissions'",
        "title": "'Emergency admissions of people aged 65 and over'",
        "dimension": "'practice'",
        "value_of_dimension": "'A81001'",
        "period_start": "'2025-04-01'",
        "period_end": "'2026-03-31'",
        "period_months": "12",
        "numerator": "40",
        "denominator": "200",
        "value": "200",
        "per": "1000",
        "unit": "'admissions'",
        "interval_low": "140",
        "interval_high": "270",
        "is_suppressed": "false",
        "is_standardised": "true",
        "better": "'down'",
        "centre": "190",
        "limit_low": "120",
        "limit_high": "260",
        "signal": "'shift'",
        "signal_is": "'concern'",
        "funnel": "'within'",
        "linkage_low": "190",
        "linkage_high": "210",
    },
}

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
    "value_is_finite": {"value": "'NaN'"},
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
    "age_is_possible": {"age": "-1"},
    "hospital_frailty_score_is_possible": {"hospital_frailty_score": "-0.1"},
    "hospital_frailty_category_is_known": {"hospital_frailty_category": "'frail'"},
    "hospital_frailty_category_fits": {"hospital_frailty_score": "15.1"},
    "hospital_frailty_says_why_not": {"hospital_frailty_score": "NULL", "hospital_frailty_category": "NULL"},
    "charlson_original_is_possible": {"charlson_original": "34"},
    "charlson_updated_is_possible": {"charlson_updated": "25"},
    "charlson_age_adds_at_most_four": {"charlson_age_adjusted": "8"},
    "charlson_says_why_not": {"charlson_missing": "'no hospital delivers'"},
    "electronic_frailty_index_is_possible": {"electronic_frailty_index": "9"},
    "electronic_frailty_category_is_known": {"electronic_frailty_category": "'frail'"},
    "electronic_frailty_source_is_known": {"electronic_frailty_source": "'guessed'"},
    "electronic_frailty_says_why_not": {"electronic_frailty_index": "NULL"},
    "cambridge_multimorbidity_score_is_possible": {"cambridge_multimorbidity_score": "-1"},
    "cambridge_multimorbidity_says_why_not": {"cambridge_multimorbidity_missing": "NULL"},
    "emergency_admission_probability_is_possible": {"emergency_admission_probability": "42"},
    "emergency_admission_says_why_not": {"emergency_admission_probability": "NULL"},
    "probability_names_its_model": {"model_version": "NULL"},
    "dead_have_no_scores": {"is_alive": "false"},
    "risk_rank_is_possible": {"risk_rank": "0"},
    "risk_level_is_known": {"risk_level": "'highest'"},
    "ranked_have_a_level": {"risk_level": "NULL"},
    "person_segment_is_known": {"person_segment": "'maternity'"},
    "person_segments_are_known": {"person_segments": "['frailty', 'maternity']"},
    "person_segment_is_among_them": {"person_segment": "'cancer'"},
    "long_term_conditions_is_possible": {"long_term_conditions": "38"},
    "days_overdue_is_possible": {"days_overdue": "-1"},
    "days_overdue_are_to_the_night": {"days_overdue": "30"},
    "last_done_is_past": {"last_done": "'2026-04-02'"},
    "last_done_setting_is_known": {"last_done_setting": "'dental'"},
    "last_done_says_where": {"last_done_setting": "NULL"},
    "may_be_done_by_settings": {"may_be_done_by": "[]::VARCHAR[]"},
    "roles_are_known": {"roles": "['onlooker']"},
    "last_contact_is_past": {"last_activity": "'2026-04-02'"},
    "last_contact_kind_is_known": {"last_contact_kind": "'letter'"},
    "last_contact_says_of_what_kind": {"last_contact_kind": "NULL"},
    "contacts_12_months_is_possible": {"contacts_12_months": "-1"},
    "care_plan_age_days_is_possible": {"care_plan_age_days": "-1"},
    "care_plan_has_an_age": {"care_plan_age_days": "NULL"},
    "care_plans_in_force_is_possible": {"care_plans_in_force": "-1"},
    "coordinators_is_possible": {"coordinators": "-1"},
    "conflicts_are_known": {"conflicts": "['quarrel']"},
    "rank_is_possible": {"rank": "0"},
    "meeting_is_possible": {"meeting": "0"},
    "why_is_said": {"why": "[]::VARCHAR[]"},
    "probability_before_is_possible": {"probability_before": "-0.1"},
    "risk_change_is_the_difference": {"risk_change": "-0.12"},
    "emergency_admissions_90_days_is_possible": {"emergency_admissions_90_days": "-1"},
    "admissions_of_90_days_are_among_12_months": {"emergency_admissions_90_days": "3"},
    "open_gaps_is_possible": {"open_gaps": "-1"},
    "settings_are_known": {"settings": "['dental']"},
    "last_discussed_is_past": {"last_discussed": "'2026-04-02'"},
    "dimension_is_known": {"dimension": "'ward'"},
    "period_months_is_known": {"period_months": "3", "period_start": "'2026-01-01'"},
    "period_has_its_length": {"period_end": "'2026-03-30'"},
    "numerator_is_possible": {"numerator": "-1"},
    "denominator_is_possible": {"denominator": "-1"},
    "per_is_known": {"per": "100"},
    "share_is_at_most_all": {"unit": "'share of people'"},
    "value_is_within_its_interval": {"interval_high": "199"},
    "suppressed_shows_no_figure": {"is_suppressed": "true"},
    "better_is_known": {"better": "'more'"},
    "limits_are_about_the_centre": {"limit_low": "191"},
    "signal_is_known": {"signal": "'luck'"},
    "signal_is_is_known": {"signal_is": "'special'"},
    "signal_has_a_meaning": {"signal_is": "NULL"},
    "funnel_is_known": {"funnel": "'outside'"},
    "linkage_range_is_in_order": {"linkage_low": "211"},
    "value_is_within_its_linkage_range": {"linkage_low": "201"},
}
"""Change of a good row, in SQL; a rule that ends in _is_filled is broken by a null, one in _is_unique by the row twice."""
