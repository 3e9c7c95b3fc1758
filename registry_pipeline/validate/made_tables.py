"""The view over a made table that its suite is about.

What belongs here: helper columns for facts that need more than one column (order of dates, a reference into another
table). What does not: rules.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from registry_pipeline.storage import scan
from registry_pipeline.tables import CONSUMER_TABLES, TABLES

if TYPE_CHECKING:
    import duckdb

_WORDS = re.compile(r"[a-z_]+")

REFERENCES: dict[str, dict[str, tuple[str, str]]] = {
    "patient_record": {"patient_id_is_known": ("patient_id", "patient")},
    "patient_activity": {"patient_id_is_known": ("patient_id", "patient")},
    "patient_condition": {"patient_id_is_known": ("patient_id", "patient")},
    "patient_care_plan": {"patient_id_is_known": ("patient_id", "patient")},
    "patient_care_service": {"patient_id_is_known": ("patient_id", "patient")},
    "patient_carer": {"patient_id_is_known": ("patient_id", "patient")},
    "patient_observation": {"patient_id_is_known": ("patient_id", "patient")},
    "patient": {"patient_id_has_a_record": ("patient_id", "patient_record")},
}
"""Table to helper column: whether the column's value is one of the same column of another table."""

_SETTINGS = "['gp', 'acute', 'community', 'mental_health', 'social_care']"
_SEGMENTS = (
    "['end_of_life', 'dementia', 'frailty', 'cancer', 'severe_mental_illness', 'learning_disability',"
    " 'long_term_conditions', 'healthy']"
)
_ROLES = (
    "['registered_practice', 'practice_care', 'hospital_care', 'community_care', 'mental_health_care', 'social_care',"
    " 'holds_care_plan', 'coordinates_care', 'knows_carer']"
)


def _says_why_not(value: str, why: str) -> str:
    """Of the living: a value, or why there is none."""
    return f"NOT is_alive OR ({value} IS NULL) = ({why} IS NOT NULL)"


FACTS: dict[str, dict[str, str]] = {
    "person_record": {
        "record_id_is_of_provider": "record_id = provider || ':' || local_id",
        "death_is_after_birth": "death_date >= birth_date",
        "nhs_number_is_usable": "nhs_number_fault(nhs_number, true) IS NULL",
        "verified_has_number": "NOT is_nhs_number_verified OR nhs_number IS NOT NULL",
    },
    "linked_pair": {
        "records_are_in_order": "record_id_l < record_id_r",
    },
    "patient": {
        "death_is_after_birth": "death_date >= birth_date",
        "sensitive_shows_no_contact": (
            "NOT is_sensitive OR coalesce(address, postcode, phone, email, gp_practice) IS NULL"
        ),
        "verified_has_number": "NOT is_nhs_number_verified OR nhs_number IS NOT NULL",
    },
    "patient_record": {"record_id_is_of_provider": "record_id = provider || ':' || local_id"},
    "identity_event": {
        "joined_names_the_other": "event_type NOT IN ('joined', 'split') OR other_patient_id IS NOT NULL",
    },
    "needs_attention": {
        "names_records": "coalesce(len(record_ids) > 0, false)",
        "names_people": "coalesce(len(patient_ids) > 0, false)",
    },
    "activity": {"end_is_after_start": "end_time >= start_time"},
    "patient_activity": {"end_is_after_start": "end_time >= start_time"},
    "risk_stratification": {
        "hospital_frailty_category_fits": (
            "hospital_frailty_category = CASE WHEN hospital_frailty_score < 5 THEN 'low'"
            " WHEN hospital_frailty_score <= 15 THEN 'intermediate' ELSE 'high' END"
        ),
        "hospital_frailty_says_why_not": _says_why_not("hospital_frailty_score", "hospital_frailty_missing"),
        "charlson_age_adds_at_most_four": "charlson_age_adjusted BETWEEN charlson_original AND charlson_original + 4",
        "charlson_says_why_not": _says_why_not("charlson_original", "charlson_missing"),
        "electronic_frailty_says_why_not": _says_why_not("electronic_frailty_index", "electronic_frailty_missing"),
        "cambridge_multimorbidity_says_why_not": _says_why_not(
            "cambridge_multimorbidity_score", "cambridge_multimorbidity_missing"
        ),
        "emergency_admission_says_why_not": _says_why_not(
            "emergency_admission_probability", "emergency_admission_missing"
        ),
        "probability_names_its_model": "emergency_admission_probability IS NULL OR model_version IS NOT NULL",
        "dead_have_no_scores": (
            "is_alive OR coalesce(hospital_frailty_score, charlson_original, charlson_updated, charlson_age_adjusted,"
            " electronic_frailty_index, cambridge_multimorbidity_score, emergency_admission_probability, risk_rank)"
            " IS NULL"
        ),
        "ranked_have_a_level": "(risk_rank IS NULL) = (risk_level IS NULL)",
        "person_segments_are_known": f"list_has_all({_SEGMENTS}, person_segments)",
        "person_segment_is_among_them": "list_contains(person_segments, person_segment)",
    },
    "care_gap": {
        "days_overdue_are_to_the_night": "days_overdue = night - due_since",
        "last_done_is_past": "last_done <= night",
        "last_done_says_where": "last_done IS NULL OR last_done_setting IS NOT NULL",
        "may_be_done_by_settings": f"len(may_be_done_by) > 0 AND list_has_all({_SETTINGS}, may_be_done_by)",
    },
    "patient_care_team": {
        "roles_are_known": f"list_has_all({_ROLES}, roles)",
        "last_contact_is_past": "greatest(last_contact, last_activity) <= night",
        "last_contact_says_of_what_kind": "(last_contact IS NULL) = (last_contact_kind IS NULL)",
        "care_plan_has_an_age": (
            "(coalesce(care_plan_updated, care_plan_start) IS NULL) = (care_plan_age_days IS NULL)"
        ),
        "conflicts_are_known": "list_has_all(['several_care_plans', 'several_coordinators'], conflicts)",
    },
    "case_conference_list": {
        "why_is_said": "len(why) > 0",
        "risk_change_is_the_difference": (
            "abs(risk_change - (emergency_admission_probability - probability_before)) < 1e-6"
        ),
        "admissions_of_90_days_are_among_12_months": "emergency_admissions_90_days <= emergency_admissions_12_months",
        "settings_are_known": f"list_has_all({_SETTINGS}, settings)",
        "last_discussed_is_past": "last_discussed <= night",
    },
    "audit_measure": {
        "period_has_its_length": (
            "period_start = date_trunc('month', period_start)"
            " AND period_end = (period_start + to_months(period_months) - INTERVAL 1 DAY)::DATE"
        ),
        "share_is_at_most_all": "NOT starts_with(unit, 'share') OR value <= 1",
        "value_is_within_its_interval": "interval_low <= value AND value <= interval_high",
        "suppressed_shows_no_figure": (
            "NOT is_suppressed OR coalesce(numerator, denominator, value, interval_low, interval_high) IS NULL"
        ),
        "limits_are_about_the_centre": "limit_low <= centre AND centre <= limit_high",
        "signal_has_a_meaning": "(signal IS NULL) = (signal_is IS NULL)",
        "linkage_range_is_in_order": "linkage_low <= linkage_high",
        "value_is_within_its_linkage_range": "linkage_low <= value AND value <= linkage_high",
    },
}
"""Table to helper column: a fact about one row that reads several columns."""


def create_made(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> frozenset[str]:
    """Make the view `made` over a table's file.

    Returns:
        Its columns, helper columns among them; a reference has one only where the other table lies beside the file.
    """
    present = {str(row[0]) for row in connection.execute(f"DESCRIBE FROM {scan(path)}").fetchall()}
    missing = (
        set((CONSUMER_TABLES.get(table) or TABLES[table]).column_names) - present
    )  # which the suite says; facts about them cannot be told
    helpers = {name: fact for name, fact in FACTS.get(table, {}).items() if not missing & set(_WORDS.findall(fact))}
    for helper, (column, other) in REFERENCES.get(table, {}).items():
        beside = path.parent / f"{other}.parquet"
        if beside.is_file():
            helpers[helper] = f"{column} IN (SELECT {column} FROM {scan(beside)})"  # noqa: S608  # our own names and paths
    listed = "".join(f", {expression} AS {name}" for name, expression in helpers.items())
    connection.execute(f"CREATE VIEW made AS SELECT *{listed} FROM {scan(path)}")  # noqa: S608  # our own names and paths
    return frozenset(present | helpers.keys())
