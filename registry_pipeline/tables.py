"""The data dictionary: every table, column, type, unit and key, and what one row stands for.

What belongs here: names, DuckDB types and descriptions, each written once; everything that makes or reads a table
takes them from here. What does not: how a table is built (`sql/` and the stages), and what is checked about it
(`expectations/`).

Two families:

* `FEEDS`: what providers deliver. A feed's `raw_`, `accepted_` and `quarantined_` tables share its canonical columns,
  all text as delivered, plus `DELIVERY_COLUMNS`.
* `TABLES`: what the stages make, typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

ColumnKind = Literal["identifier", "text", "code", "date", "timestamp", "flag", "number"]


@dataclass(frozen=True)
class Column:
    """One column of a made table.

    Attributes:
        name: in the file.
        type: of DuckDB.
        description: what it holds.
        is_nullable: whether a published table may hold it empty. Of tables that stay inside it says nothing.
        unit: what a number counts; see `UNITS`.
        codes: the code list that its values are from (of an array: its elements); see `CODES`.
    """

    name: str
    type: str
    description: str
    is_nullable: bool = True
    unit: str | None = None
    codes: str | None = None


@dataclass(frozen=True)
class Table:
    """One made table.

    Attributes:
        name: also its Dagster asset's, Parquet file's and SQL file's name.
        one_row_per: what one row stands for.
        key: columns that are unique together.
        columns: in the order of the file.
        version: of its form, `major.minor`, where it is published (see `SCHEMA_VERSIONS`); else None.
    """

    name: str
    one_row_per: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    version: str | None = None

    @property
    def column_names(self) -> tuple[str, ...]:
        """Column names in the order of the file."""
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True)
class FeedColumn:
    """One canonical column of a feed: text as delivered; `kind` is what it should turn out to be."""

    name: str
    kind: ColumnKind
    description: str


@dataclass(frozen=True)
class FeedShape:
    """What a feed may hold under canonical names.

    Attributes:
        name: the feed.
        one_row_per: what one row stands for.
        key: columns that must be there, filled, and unique together.
        required: columns without which a row means nothing (the key is always among them).
        columns: every canonical column.
        becomes: the standardised table that its rows go to.
    """

    name: str
    one_row_per: str
    key: tuple[str, ...]
    required: tuple[str, ...]
    columns: tuple[FeedColumn, ...]
    becomes: str

    @property
    def column_names(self) -> tuple[str, ...]:
        """Canonical column names in the order of the file."""
        return tuple(column.name for column in self.columns)


def _feed(
    name: str, one_row_per: str, becomes: str, columns: str, key: str = "event_id", required: str = "event_id local_id"
) -> FeedShape:
    """A feed from a block of lines `name kind description`."""
    parsed = [line.split(maxsplit=2) for line in columns.splitlines() if line.strip()]
    made = tuple(FeedColumn(column, kind, text) for column, kind, text in parsed)  # type: ignore[arg-type]  # checked by a test
    return FeedShape(name, one_row_per, tuple(key.split()), tuple(required.split()), made, becomes)


def _table(name: str, one_row_per: str, key: str, columns: str) -> Table:
    """A table from a block of lines `name TYPE description`.

    A type's inner blanks are written `~`; a type that ends in `!` is of a column that is never null.
    """
    parsed = [line.split(maxsplit=2) for line in columns.splitlines() if line.strip()]
    return Table(name, one_row_per, tuple(key.split()), tuple(_column(name, *words) for words in parsed))


def _column(table: str, name: str, kind: str, description: str) -> Column:
    return Column(
        name,
        kind.removesuffix("!").replace("~", " "),
        description,
        is_nullable=not kind.endswith("!"),
        unit=UNITS.get(f"{table}.{name}", UNITS.get(name)),
        codes=CODES.get(f"{table}.{name}", CODES.get(name)),
    )


def _versioned(family: str, table: Table) -> Table:
    """The table with the version of its form, where it is published."""
    return replace(table, version=SCHEMA_VERSIONS[family].get(table.name))


UNITS: Mapping[str, str] = {
    "age": "years",
    "duration_minutes": "minutes",
    "match_weight": "log base 2 of the odds",
    "match_probability": "probability, 0 to 1",
    "link_probability": "probability, 0 to 1",
    "emergency_admission_probability": "probability, 0 to 1",
    "probability_before": "probability, 0 to 1",
    "risk_change": "difference of two probabilities, -1 to 1",
    "record_count": "person records",
    "setting_count": "settings",
    "hospital_frailty_score": "points",
    "charlson_original": "points",
    "charlson_updated": "points",
    "charlson_age_adjusted": "points",
    "cambridge_multimorbidity_score": "points",
    "electronic_frailty_index": "share of deficits, 0 to 1",
    "long_term_conditions": "conditions",
    "days_overdue": "days",
    "care_plan_age_days": "days",
    "contacts_12_months": "contacts",
    "care_plans_in_force": "care plans",
    "coordinators": "people",
    "emergency_admissions_90_days": "admissions",
    "emergency_admissions_12_months": "admissions",
    "open_gaps": "care gaps",
    "points": "points",
    "period_months": "months",
    "start_day": "days",
    "end_day": "days",
    "updated_day": "days",
    "review_day": "days",
    "assessment_day": "days",
}
"""Unit of every number that has the same one in each row, by column (`table.column` where a table differs)."""

CODES: Mapping[str, str] = {
    "setting": "setting",
    "settings": "setting",
    "last_done_setting": "setting",
    "may_be_done_by": "setting",
    "sex": "sex",
    "ethnicity": "ethnic_category_2001",
    "gp_practice": "organisation",
    "site": "organisation",
    "lsoa": "lsoa",
    "deprivation_decile": "deprivation_decile",
    "link_method": "link_method",
    "event_type": "identity_event_type",
    "needs_attention.reason": "attention_reason",
    "activity_kind": "activity_kind",
    "admission_method": "admission_method",
    "admission_source": "admission_source",
    "discharge_method": "discharge_method",
    "discharge_destination": "discharge_destination",
    "patient_classification": "patient_classification",
    "attendance_status": "attendance_status",
    "consultation_mechanism": "consultation_mechanism",
    "priority": "priority_type",
    "specialty": "specialty",
    "diagnoses": "icd10",
    "procedures": "opcs4",
    "coding_system": "coding_system",
    "code": "clinical_code",
    "service_type": "client_level_data",
    "service_component": "client_level_data",
    "delivery_mechanism": "client_level_data",
    "primary_support_reason": "client_level_data",
    "accommodation_status": "client_level_data",
    "hospital_frailty_category": "hospital_frailty_category",
    "electronic_frailty_category": "electronic_frailty_category",
    "electronic_frailty_source": "electronic_frailty_source",
    "risk_level": "risk_level",
    "person_segment": "person_segment",
    "person_segments": "person_segment",
    "roles": "care_team_role",
    "last_contact_kind": "contact_kind",
    "conflicts": "care_team_conflict",
    "dimension": "audit_dimension",
    "better": "better",
    "signal": "spc_signal",
    "signal_is": "spc_meaning",
    "funnel": "funnel_place",
}
"""Code list of every coded column, by column (`table.column` where a table differs). The lists, each with its source,
are in `dictionary/code_lists.yaml`."""

SCHEMA_VERSIONS: Mapping[str, Mapping[str, str]] = {
    "registry": {
        "patient": "1.0",
        "patient_record": "1.0",
        "identity_event": "1.0",
        "needs_attention": "1.0",
        "patient_activity": "1.0",
        "patient_condition": "1.0",
        "patient_care_plan": "1.0",
        "patient_care_service": "1.0",
        "patient_carer": "1.0",
        "patient_observation": "1.0",
    },
    "output": {
        "patient": "1.0",
        "patient_record": "1.0",
        "identity_event": "1.0",
        "patient_activity": "1.0",
        "patient_condition": "1.0",
        "patient_care_plan": "1.0",
        "patient_care_service": "1.0",
        "patient_carer": "1.0",
        "patient_observation": "1.0",
        "risk_stratification": "1.0",
    },
    "consumer": {
        "risk_stratification": "1.0",
        "care_gap": "1.0",
        "patient_care_team": "1.0",
        "case_conference_list": "1.0",
        "audit_measure": "1.0",
    },
}
"""Version of the form of every published table, by family. A change that breaks a reader raises the major number (a column
gone, renamed, retyped, or empty where it never was; another key; another meaning of a row), an added column the minor
one. A form of major 0 is a draft, which may change from one day to the next. `tests/unit/published_schemas.json` is the
record of what was published, and `CHANGELOG.md` says what changed."""


DELIVERY_COLUMNS: tuple[Column, ...] = (
    Column("source_row", "BIGINT", "Number of the row in the delivery, from 1; the key of a raw table"),
    Column("source_file", "VARCHAR", "Name of the delivered file (or of the member, in an archive)"),
    Column(
        "source_line", "BIGINT", "Line of the file on which the row begins, from 1; row number where there are no lines"
    ),
    Column("delivery", "VARCHAR", "Delivery in the landing: provider/feed/night/version"),
)
"""Columns that every raw, accepted and quarantined table has before the feed's own."""

BROKEN_RULES = Column("broken_rules", "VARCHAR[]", "Every row rule that the row broke, by name, in order")
"""The column that a quarantined table has besides."""

_EVENT_COLUMNS = """
event_id         identifier Provider's own id of the event, unique in the feed
local_id         identifier Provider's id of the person
"""

FEEDS: Mapping[str, FeedShape] = {
    feed.name: feed
    for feed in (
        _feed("patient", "person known to the provider", "person_record", """
local_id              identifier Provider's id of the person
nhs_number            identifier NHS number, any spacing
nhs_number_status     code       NHS NUMBER STATUS INDICATOR CODE 01 to 08
title                 text       Title
given_name            text       First given name
middle_names          text       Other given names
family_name           text       Family name
previous_family_name  text       Family name before the present one
birth_date            date       Date of birth
death_date            date       Date of death
sex                   code       Sex or administrative gender: 1 M male, 2 F female, 0 9 X U I unknown or unspecified
ethnicity             code       Ethnic category 2001, A to Z and 99
address               text       Usual address without postcode
postcode              text       Postcode of usual address
phone                 text       Telephone number
email                 text       E-mail address
gp_practice           code       General medical practice code of registration
sensitive             flag       Record is flagged sensitive (S or Y on the national demographics service)
withheld_identity_reason code       WITHHELD IDENTITY REASON; a row with one is legally restricted and never enters
test_patient          flag       Record is a test patient, not a person
deleted               flag       Record was deleted by the provider
merged_into           identifier Local id that replaces this one, after a merge in the provider's own system
""", key="local_id", required="local_id"),
        _feed("spell", "hospital provider spell", "activity", _EVENT_COLUMNS + """
start_date               timestamp Admission date
end_date                 timestamp Discharge date; empty while in hospital
admission_method         code      ADMISSION METHOD (HOSPITAL PROVIDER SPELL)
admission_source         code      SOURCE OF ADMISSION
discharge_method         code      DISCHARGE METHOD; 4 died
discharge_destination    code      DISCHARGE DESTINATION
patient_classification   code      PATIENT CLASSIFICATION; 1 ordinary, 2 day case
specialty                code      TREATMENT FUNCTION CODE
diagnoses                code      ICD-10 codes, main one first, parted by semicolons
procedures               code      OPCS-4 codes, parted by semicolons
clinically_ready_date    timestamp Date on which the person was clinically ready to leave
site                     code      Organisation site
withheld_identity_reason code       WITHHELD IDENTITY REASON; a row with one is legally restricted and never enters
deleted                  flag      Event was deleted by the provider
"""),
        _feed("attendance", "emergency care attendance", "activity", _EVENT_COLUMNS + """
start_date               timestamp Arrival
end_date                 timestamp Departure
department_type          code      EMERGENCY CARE DEPARTMENT TYPE 01 to 05
arrival_mode             code      Arrival mode
reason                   code      Chief complaint
diagnoses                code      Diagnosis codes, parted by semicolons
discharge_destination    code      Discharge destination
site                     code      Organisation site
withheld_identity_reason code       WITHHELD IDENTITY REASON; a row with one is legally restricted and never enters
deleted                  flag      Event was deleted by the provider
"""),
        _feed("contact", "consultation, appointment, visit or other care contact", "activity", _EVENT_COLUMNS + """
start_date               timestamp Date of the contact
duration_minutes         number    Duration in minutes
attendance_status        code      ATTENDED OR DID NOT ATTEND: 5 6 attended, 3 did not attend, 2 4 cancelled, 7 late
consultation_mechanism   code      How: 01 face to face, 02 telephone, 11 video
team_type                code      Type of the team or clinic
staff_group              code      Staff group of the professional
reason                   code      Reason for the contact
withheld_identity_reason code       WITHHELD IDENTITY REASON; a row with one is legally restricted and never enters
deleted                  flag      Event was deleted by the provider
"""),
        _feed("referral", "referral to a service", "activity", _EVENT_COLUMNS + """
start_date               timestamp Referral request received date
end_date                 timestamp Discharge or closure date
referral_source          code      SOURCE OF REFERRAL
team_type                code      Service or team type
priority                 code      PRIORITY TYPE: 1 routine, 2 urgent, 3 two week wait
reason                   code      Primary reason for referral
deleted                  flag      Event was deleted by the provider
"""),
        _feed("medication", "medicine prescribed or issued", "activity", _EVENT_COLUMNS + """
start_date               timestamp Date of issue, or start
end_date                 timestamp Date of end of the course
code                     code      dm+d or SNOMED CT code
description              text      Name of the medicine
repeat                   flag      On repeat prescription
deleted                  flag      Event was deleted by the provider
"""),
        _feed("condition", "diagnosis or problem recorded", "condition", _EVENT_COLUMNS + """
start_date               timestamp Date of onset, or recorded
end_date                 timestamp Date resolved
code                     code      Code of the condition
coding_system            code      snomed, icd10, read2, ctv3
description              text      Term of the code
deleted                  flag      Event was deleted by the provider
"""),
        _feed("care_plan", "care plan", "care_plan", _EVENT_COLUMNS + """
plan_type                code      Type of plan
start_date               timestamp Date created
updated_date             timestamp Date last updated
review_date              timestamp Date of next review
end_date                 timestamp Date ended
coordinator_id           identifier Provider's id of the care coordinator
agreed                   flag      Agreed with the person
deleted                  flag      Event was deleted by the provider
"""),
        _feed("service", "adult social care service or long-term support", "care_service", _EVENT_COLUMNS + """
start_date               timestamp Start
end_date                 timestamp End
service_type             code      Client Level Data service type
service_component        code      Client Level Data service component
delivery_mechanism       code      Client Level Data delivery mechanism
primary_support_reason   code      Client Level Data primary support reason
accommodation_status     code      Accommodation status
deleted                  flag      Event was deleted by the provider
"""),
        _feed("carer", "unpaid carer of a person", "carer", _EVENT_COLUMNS + """
carer_local_id           identifier Provider's id of the carer, where the carer is known to the provider
relationship             code      Relationship of the carer to the person
start_date               timestamp Start of caring
end_date                 timestamp End of caring
assessment_date          timestamp Date of the last carer's assessment
deleted                  flag      Event was deleted by the provider
"""),
        _feed("observation", "measurement, examination, assessment or other care process", "observation", _EVENT_COLUMNS + """
start_date               timestamp Date on which it was done or measured
code                     code      Code of what was done or measured
coding_system            code      snomed, icd10, read2 or ctv3
description              text      Term of the code
value                    number    What was measured, as a number
unit                     text      Unit of the value
deleted                  flag      Event was deleted by the provider
"""),
        _feed("nhs_number_replacement", "NHS number that another one replaced", "nhs_number_replacement", """
nhs_number       identifier The superseded NHS number
replaced_by      identifier The NHS number that replaced it
start_date       date       Date of the replacement
""", key="nhs_number", required="nhs_number replaced_by"),
    )
}  # fmt: skip
"""Every feed by name. Canonical person columns follow the provider interface; the rest is what the settings deliver."""

_ORIGIN = """
provider         VARCHAR  Provider that delivered the record
setting          VARCHAR  gp, acute, community, mental_health or social_care
"""
_EVENT_ORIGIN = """
event_key        VARCHAR! provider:feed:event_id, unique over all providers
record_id        VARCHAR! provider:local_id of the person record it belongs to
provider         VARCHAR! Provider that delivered the record
setting          VARCHAR! gp, acute, community, mental_health or social_care
local_id         VARCHAR! Provider's id of the person
"""
_ACTIVITY = """
activity_kind          VARCHAR!  spell, attendance, contact, referral or medication: the feed it came from
start_time             TIMESTAMP Admission, arrival, contact, referral or issue
end_time               TIMESTAMP Discharge, departure, closure or end; null while it lasts
admission_method       VARCHAR   ADMISSION METHOD; those that start with 2, but 2C, are emergencies
is_emergency           BOOLEAN   Emergency admission, or emergency care attendance
admission_source       VARCHAR   SOURCE OF ADMISSION
discharge_method       VARCHAR   DISCHARGE METHOD; 4 died
discharge_destination  VARCHAR   DISCHARGE DESTINATION
patient_classification VARCHAR   PATIENT CLASSIFICATION; 1 ordinary, 2 day case
specialty              VARCHAR   TREATMENT FUNCTION CODE, team or department type
diagnoses              VARCHAR[] ICD-10 codes without dots, main one first
procedures             VARCHAR[] OPCS-4 codes without dots
clinically_ready_date  DATE      Clinically ready to leave
site                   VARCHAR   Organisation site
attendance_status      VARCHAR   ATTENDED OR DID NOT ATTEND
consultation_mechanism VARCHAR   How the contact took place
staff_group            VARCHAR   Staff group of the professional
duration_minutes       INTEGER   Minutes
priority               VARCHAR   PRIORITY TYPE
source                 VARCHAR   Source of referral, or arrival mode
reason                 VARCHAR   Chief complaint, or reason for referral or contact
code                   VARCHAR   dm+d or SNOMED CT code of a medicine
description            VARCHAR   Name of the medicine
is_repeat              BOOLEAN   On repeat prescription
"""
_CONDITION = """
start_date       DATE     Onset, or recorded
end_date         DATE     Resolved
code             VARCHAR  Code, without dots for ICD-10
coding_system    VARCHAR  snomed, icd10, read2 or ctv3
description      VARCHAR  Term of the code
"""
_CARE_PLAN = """
plan_type        VARCHAR  Type of plan
start_date       DATE     Created
updated_date     DATE     Last updated
review_date      DATE     Next review
end_date         DATE     Ended
coordinator_id   VARCHAR  Provider's id of the care coordinator
is_agreed        BOOLEAN  Agreed with the person
"""
_CARE_SERVICE = """
start_date               DATE     Start
end_date                 DATE     End; null while it lasts
service_type             VARCHAR  Client Level Data service type
service_component        VARCHAR  Client Level Data service component
delivery_mechanism       VARCHAR  Client Level Data delivery mechanism
primary_support_reason   VARCHAR  Client Level Data primary support reason
accommodation_status     VARCHAR  Accommodation status
"""
_CARER = """
carer_local_id   VARCHAR  Provider's id of the carer, where known
relationship     VARCHAR  Relationship of the carer to the person
start_date       DATE     Start of caring
end_date         DATE     End of caring
assessment_date  DATE     Last carer's assessment
"""
_OBSERVATION = """
start_date       DATE     Done or measured
code             VARCHAR  Code of what was done or measured
coding_system    VARCHAR  snomed, icd10, read2 or ctv3
description      VARCHAR  Term of the code
value            DOUBLE   What was measured, in `unit`; null where nothing was measured or it is no number
unit             VARCHAR  Unit of the value, as delivered
"""
_EVENT_ENDING = """
is_deleted       BOOLEAN  Deleted by the provider: kept in a delta so that the event leaves the registry
null_reasons     MAP(VARCHAR,VARCHAR) Column that was set to null, and why
night            DATE     Night of the extract
"""


def _patient_event(name: str, one_row_per: str, columns: str) -> Table:
    head = "patient_id       UUID!    Person in the registry\n"
    return _table(
        name, one_row_per, "event_key", head + _EVENT_ORIGIN.strip() + columns + "night DATE! Night of the extract"
    )


MOST_RECORDS_OF_A_NUMBER = 60
"""An NHS number in more records than this is a placeholder that looks valid: it neither blocks nor decides, and nobody's
number survives from it. Every provider of a care system (ten or twenty) may know somebody two or three times."""

COMPARISON_NAMES = (
    "given_name", "middle_names", "family_name", "birth_date", "sex", "home", "phone", "email", "nhs_number",
)  # fmt: skip
"""The comparisons of the linkage model (`link.model.COMPARISONS`), in order."""


def _by_comparison(column_type: str) -> str:
    """A struct of one value for each comparison: a tenth of a map's cost in time, and it names its fields as well."""
    return f"STRUCT({','.join(f'{name}~{column_type}' for name in COMPARISON_NAMES)})"


TABLES: Mapping[str, Table] = {
    table.name: _versioned("registry", table)
    for table in (
        _table("person_record", "provider's record of a person", "record_id", """
record_id                     VARCHAR  provider:local_id, unique over all providers
provider                      VARCHAR  Provider that delivered the record
setting                       VARCHAR  gp, acute, community, mental_health or social_care
local_id                      VARCHAR  Provider's id of the person
nhs_number                    VARCHAR  NHS number, ten digits, valid; else null
nhs_number_status             VARCHAR  NHS NUMBER STATUS INDICATOR CODE
is_nhs_number_verified        BOOLEAN  Valid, and its status is 01 (present and verified)
title                         VARCHAR  Title as delivered, trimmed
given_name                    VARCHAR  For comparison: upper case A to Z, words parted by one blank
middle_names                  VARCHAR  For comparison
family_name                   VARCHAR  For comparison
previous_family_name          VARCHAR  For comparison
given_name_display            VARCHAR  As delivered, trimmed
middle_names_display          VARCHAR  As delivered, trimmed
family_name_display           VARCHAR  As delivered, trimmed
previous_family_name_display  VARCHAR  As delivered, trimmed
alias_names                   VARCHAR[] Other names given inside a name field (also known as), for comparison
birth_date                    DATE     Date of birth; placeholders are null
death_date                    DATE     Date of death
sex                           VARCHAR  M, F, O (other); unknown is null
ethnicity                     VARCHAR  Ethnic category 2001; not stated (Z) and not known (99) are kept
address                       VARCHAR  For comparison: upper case, letters and digits, words parted by one blank
address_display               VARCHAR  As delivered, trimmed
postcode                      VARCHAR  Normal form with one blank; pseudo-postcodes are null
phone                         VARCHAR  Digits in national form, 0 first
email                         VARCHAR  Lower case
gp_practice                   VARCHAR  General medical practice code; default codes are null
is_sensitive                  BOOLEAN  Flagged sensitive by the provider
merged_into                   VARCHAR  record_id that replaced this one in the provider's own system
null_reasons                  MAP(VARCHAR,VARCHAR) Column that was set to null, and why
night                         DATE     Night of the extract
delivery                      VARCHAR  Delivery in the landing
source_file                   VARCHAR  Name of the delivered file
source_line                   BIGINT   Line of the file
"""),
        _table("activity", "spell, attendance, contact, referral or medication", "event_key",
               _EVENT_ORIGIN + _ACTIVITY + _EVENT_ENDING),
        _table("condition", "diagnosis or problem recorded", "event_key", _EVENT_ORIGIN + _CONDITION + _EVENT_ENDING),
        _table("care_plan", "care plan", "event_key", _EVENT_ORIGIN + _CARE_PLAN + _EVENT_ENDING),
        _table("care_service", "social care service", "event_key", _EVENT_ORIGIN + _CARE_SERVICE + _EVENT_ENDING),
        _table("carer", "unpaid carer of a person", "event_key", _EVENT_ORIGIN + _CARER + _EVENT_ENDING),
        _table("observation", "measurement, examination, assessment or other care process", "event_key",
               _EVENT_ORIGIN + _OBSERVATION + _EVENT_ENDING),
        _table("nhs_number_replacement", "NHS number that another one replaced", "nhs_number", """
nhs_number       VARCHAR  The superseded NHS number
replaced_by      VARCHAR  The NHS number that replaced it
start_date       DATE     Date of the replacement
provider         VARCHAR  Provider that said so
night            DATE     Night of the extract
"""),
        _table("linked_pair", "scored pair of person records", "record_id_l record_id_r", """
record_id_l        VARCHAR  One person record; the smaller of the two
record_id_r        VARCHAR  The other
decided_by         VARCHAR  What decided: same_nhs_number, local_merge, match_weight, stays_joined, left_over, the rule that kept it apart, fits_two_people, cut_<reason>, frozen, must_link or cannot_link
outcome            VARCHAR  match, possible_match or no_match
judged_by          VARCHAR  What decided from the two records alone, before other pairs, the night before and overrides had their say
judged_outcome     VARCHAR  The outcome from the two records alone
override_id        BIGINT   Override that decided, if one did
match_weight       DOUBLE   Sum of the comparisons' weights and the prior, log base 2 of the odds
match_probability  DOUBLE   Probability that the two are one person
blocking_rule      VARCHAR  Name of the first blocking rule that made the pair
comparison_levels  LEVELS   By comparison: which of its levels the pair fell into; -1 where a side is missing, null where it was not compared tonight
comparison_weights WEIGHTS  By comparison: its match weight
model_version      VARCHAR  Linkage model that scored it
""".replace("LEVELS", _by_comparison("TINYINT")).replace("WEIGHTS", _by_comparison("FLOAT"))),
        _table("person_cluster", "person record with its cluster", "record_id", """
record_id         VARCHAR  Person record
cluster_id        VARCHAR  Smallest record_id of the cluster; lasts one night only
cluster_size      INTEGER  Person records in the cluster
link_method       VARCHAR  single, must_link, same_nhs_number, local_merge or match_weight: strongest link that holds the record in
link_probability  DOUBLE   Probability of that link; 1 for a single record
is_conflict_cut   BOOLEAN  Whether a link of this record was cut, because its group held what cannot be one person
component_id      VARCHAR  Smallest record_id of the connected group that the cluster was cut from; lasts one night only
"""),
        _table("override_pair", "pair of person records that an override in force tonight speaks of", "override_id record_id_l record_id_r", """
override_id       BIGINT   Number of the override
kind              VARCHAR  must_link or cannot_link
record_id_l       VARCHAR  One person record; the smaller of the two
record_id_r       VARCHAR  The other
"""),
        _table("needs_attention", "link that was cut or held back, group that was frozen, or pair to review: something for a person to decide", "attention_id", """
attention_id      VARCHAR! Stable for the same reason about the same records: a digest of both
reason            VARCHAR! Why, by name
record_ids        VARCHAR[] Person records concerned, sorted
patient_ids       VARCHAR[] People in the registry that they belong to tonight (patient_id as text), sorted
decided_by        VARCHAR  For a pair: what decided it; else null
match_weight      DOUBLE   Weight of the pair, or of the strongest link that was cut
override_ids      BIGINT[] Overrides concerned
first_night       DATE!    First night on which it stood
"""),
        _table("patient", "person", "patient_id", """
patient_id            UUID!    Person in the registry; opaque, lasts
nhs_number            VARCHAR  NHS number
is_nhs_number_verified BOOLEAN! NHS number verified by any record
title                 VARCHAR  Title
given_name            VARCHAR  First given name, as delivered
middle_names          VARCHAR  Other given names, as delivered
family_name           VARCHAR  Family name, as delivered
previous_family_name  VARCHAR  Family name before the present one, as delivered
birth_date            DATE     Date of birth
death_date            DATE     Date of death
sex                   VARCHAR  M, F or O
ethnicity             VARCHAR  Ethnic category 2001
address               VARCHAR  Usual address, as delivered
postcode              VARCHAR  Postcode of usual address
phone                 VARCHAR  Telephone number
email                 VARCHAR  E-mail address
gp_practice           VARCHAR  General medical practice code of registration
is_sensitive          BOOLEAN! Any record is flagged sensitive: address, postcode, phone, email and practice are null
record_count          INTEGER! Person records joined
setting_count         INTEGER! Settings that know the person
field_sources         MAP(VARCHAR,STRUCT(record_id~VARCHAR,rule~VARCHAR)) Field, the record that its value came from, and the survivorship rule that chose it
is_stale              BOOLEAN! Every record comes from an extract past its provider's staleness limit
"""),
        _table("patient_record", "person record with its patient_id (the crosswalk)", "record_id", """
patient_id        UUID!    Person in the registry
record_id         VARCHAR! provider:local_id
provider          VARCHAR! Provider that delivered the record
setting           VARCHAR! gp, acute, community, mental_health or social_care
local_id          VARCHAR! Provider's id of the person
link_method       VARCHAR! single, must_link, same_nhs_number, local_merge or match_weight
link_probability  DOUBLE!  Probability of the link that holds the record in
night             DATE!    Night of the extract that the record comes from
is_stale          BOOLEAN! The extract is past its provider's staleness limit
"""),
        _table("identity_event", "thing that happened to an id", "patient_id event_type night other_patient_id", """
patient_id        UUID!    The id it happened to
event_type        VARCHAR! created, joined, split, retired, resurrected or overridden
night             DATE!    Night on which it happened
other_patient_id  UUID     joined: the id that lives on; split, or resurrected by undoing a join: the id it came from; overridden: as in the event that an override decided; else null
cause             VARCHAR  What caused it, by name
record_count      INTEGER  Person records under the id after it
run_id            VARCHAR! Run that did it
"""),
        _table("moved_record", "person record whose id changed on a night, or into whose id others were joined: who was whose before, for undoing a join", "record_id night", """
record_id         VARCHAR  provider:local_id
night             DATE     Night on which it happened
from_patient_id   UUID     Id that it had until then
to_patient_id     UUID     Id that it has from that night on; the same one for a record of the id that lived on in a join
"""),
        _table("former_record", "person record that left, with the last id that it had: its id lives again if it returns", "record_id", """
record_id         VARCHAR  provider:local_id
patient_id        UUID     Person in the registry; joins are followed
night             DATE     Night of the last extract that held the record
"""),
        _patient_event("patient_activity", "activity of a person", _ACTIVITY),
        _patient_event("patient_condition", "condition of a person", _CONDITION),
        _patient_event("patient_care_plan", "care plan of a person", _CARE_PLAN),
        _patient_event("patient_care_service", "social care service of a person", _CARE_SERVICE),
        _patient_event("patient_carer", "unpaid carer of a person", _CARER),
        _patient_event("patient_observation", "measurement, examination, assessment or other care process of a person", _OBSERVATION),
    )
}  # fmt: skip
"""Every made table by name."""

EVENT_TABLES: Mapping[str, str] = {
    "patient_activity": "activity",
    "patient_condition": "condition",
    "patient_care_plan": "care_plan",
    "patient_care_service": "care_service",
    "patient_carer": "carer",
    "patient_observation": "observation",
}
"""Registry table to the standardised table that it is made from."""

REGISTRY_TABLES: tuple[str, ...] = ("patient", "patient_record", "identity_event", "needs_attention", *EVENT_TABLES)
"""The tables of a published snapshot."""


def _told(name: str, what: str) -> str:
    """Lines of a date as an output tells it: its month, its distance from the person's first event, or itself."""
    return (
        f"{name}_month VARCHAR {what}: year and month\n"
        f"{name}_day INTEGER {what}: days since the person's first event in this output; null where event_dates is day\n"
        f"{name}_date DATE {what}; only where event_dates is day, and never a birth or death date\n"
    )


_OUTPUT_EVENT = """
event_pseudonym   VARCHAR! Event, under the purpose's key
patient_pseudonym VARCHAR! Person, under the purpose's key
provider          VARCHAR  Provider that delivered the record; null for a sensitive person's practice
setting           VARCHAR! gp, acute, community, mental_health or social_care
"""

OUTPUT_TABLES: Mapping[str, Table] = {
    table.name: _versioned("output", table)
    for table in (
        _table("patient", "person, without identity", "patient_pseudonym", """
patient_pseudonym  VARCHAR! Person, under the purpose's key
age_band           VARCHAR  Age in years on the night, or at death: 65-69; 90+ from 90 upwards
birth_period       VARCHAR  Year of birth, or year and month; null from the age of 90 upwards
death_month        VARCHAR  Year and month of death
sex                VARCHAR  M, F or O
ethnicity          VARCHAR  Ethnic category 2001
lsoa               VARCHAR  Lower layer super output area of the usual address; null for sensitive people
deprivation_decile TINYINT  Deprivation decile of that area; 1 is the most deprived
gp_practice        VARCHAR  General medical practice code of registration; null for sensitive people
record_count       INTEGER! Person records joined, of those that this purpose may see
setting_count      INTEGER! Settings that know the person, of those that this purpose may see
is_stale           BOOLEAN! Every record comes from an extract past its provider's staleness limit
"""),
        _table("patient_record", "person record with its person, without identity", "record_pseudonym", """
patient_pseudonym  VARCHAR! Person, under the purpose's key
record_pseudonym   VARCHAR! Person record, under the purpose's key
provider           VARCHAR  Provider that delivered the record; null for a sensitive person's practice
setting            VARCHAR! gp, acute, community, mental_health or social_care
link_method        VARCHAR! single, must_link, same_nhs_number, local_merge or match_weight
link_probability   DOUBLE!  Probability of the link that holds the record in, to two decimals
night              DATE     Night of the provider's last extract; null for a sensitive person's practice
is_stale           BOOLEAN! The extract is past its provider's staleness limit
"""),
        _table("identity_event", "thing that happened to an id of a person in this output", "", """
patient_pseudonym       VARCHAR! The id it happened to, under the purpose's key
event_type              VARCHAR! created, joined, split, retired, resurrected or overridden
month                   VARCHAR  Year and month in which it happened
night                   DATE     Night on which it happened; null for created, which would tell a newborn's birth date
other_patient_pseudonym VARCHAR  The other id, as in the registry's identity_event, if it is of a person in this output
cause                   VARCHAR  What caused it, by name
"""),
        _table("patient_activity", "activity of a person, without identity", "event_pseudonym", _OUTPUT_EVENT + """
activity_kind          VARCHAR!  spell, attendance, contact, referral or medication
""" + _told("start", "Admission, arrival, contact, referral or issue") + _told("end", "Discharge, departure, closure or end") + """
admission_method       VARCHAR   ADMISSION METHOD; those that start with 2, but 2C, are emergencies
is_emergency           BOOLEAN   Emergency admission, or emergency care attendance
admission_source       VARCHAR   SOURCE OF ADMISSION
discharge_method       VARCHAR   DISCHARGE METHOD; 4 died
discharge_destination  VARCHAR   DISCHARGE DESTINATION
patient_classification VARCHAR   PATIENT CLASSIFICATION; 1 ordinary, 2 day case
specialty              VARCHAR   TREATMENT FUNCTION CODE, team or department type
diagnoses              VARCHAR[] ICD-10 codes without dots, main one first
procedures             VARCHAR[] OPCS-4 codes without dots
""" + _told("clinically_ready", "Clinically ready to leave") + """
site                   VARCHAR   Organisation site; null for sensitive people
attendance_status      VARCHAR   ATTENDED OR DID NOT ATTEND
consultation_mechanism VARCHAR   How the contact took place
staff_group            VARCHAR   Staff group of the professional
duration_minutes       INTEGER   Minutes
priority               VARCHAR   PRIORITY TYPE
source                 VARCHAR   Source of referral, or arrival mode
reason                 VARCHAR   Chief complaint, or reason for referral or contact
code                   VARCHAR   dm+d or SNOMED CT code of a medicine
is_repeat              BOOLEAN   On repeat prescription
"""),
        _table("patient_condition", "condition of a person, without identity", "event_pseudonym", _OUTPUT_EVENT
               + _told("start", "Onset, or recorded") + _told("end", "Resolved") + """
code              VARCHAR  Code, without dots for ICD-10
coding_system     VARCHAR  snomed, icd10, read2 or ctv3
"""),
        _table("patient_care_plan", "care plan of a person, without identity", "event_pseudonym", _OUTPUT_EVENT + """
plan_type         VARCHAR  Type of plan
""" + _told("start", "Created") + _told("updated", "Last updated") + _told("review", "Next review") + _told("end", "Ended") + """
is_agreed         BOOLEAN  Agreed with the person
"""),
        _table("patient_care_service", "social care service of a person, without identity", "event_pseudonym",
               _OUTPUT_EVENT + _told("start", "Start") + _told("end", "End; null while it lasts") + """
service_type           VARCHAR  Client Level Data service type
service_component      VARCHAR  Client Level Data service component
delivery_mechanism     VARCHAR  Client Level Data delivery mechanism
primary_support_reason VARCHAR  Client Level Data primary support reason
accommodation_status   VARCHAR  Accommodation status
"""),
        _table("patient_carer", "unpaid carer of a person, without identity", "event_pseudonym", _OUTPUT_EVENT + """
relationship      VARCHAR  Relationship of the carer to the person
""" + _told("start", "Start of caring") + _told("end", "End of caring") + _told("assessment", "Last carer's assessment")),
        _table("patient_observation", "measurement, examination, assessment or other care process of a person, without identity",
               "event_pseudonym", _OUTPUT_EVENT + _told("start", "Done or measured") + """
code              VARCHAR  Code of what was done or measured
coding_system     VARCHAR  snomed, icd10, read2 or ctv3
value             DOUBLE   What was measured, in `unit`
unit              VARCHAR  Unit of the value
"""),
    )
}  # fmt: skip
"""The registry's tables as a purpose sees them that must not see identities, by the name of the registry's table.

Not told at all are names, addresses, contacts, ids and numbers of any provider, free text, and the night on which an
event was delivered (which would tell its day). Rows lie in the order of their pseudonyms, which says nothing. Months and
relative days together still narrow down a day where somebody has many events: they are to keep intervals exact, not to
hide days from who knows some of them.
"""

LINKAGE_ALTERNATIVE = _table("linkage_alternative", "person record that would be somebody else's if the match threshold lay elsewhere", "record_id threshold_move", """
record_id              VARCHAR  provider:local_id
threshold_move         DOUBLE   By how much the match threshold is moved, in units of match weight (one is twice the odds)
patient_id             UUID     Person that the record belongs to, as published
alternative_patient_id UUID     Person that it would belong to: an id of the registry, or one that stands for nobody in it
""")  # fmt: skip
"""What a snapshot keeps so that a figure can be given with the range that it takes when the linkage threshold moves. Of
records that no move touches there is no row. No reader is shown it; `audit` reads it."""

CONSUMER_TABLES: Mapping[str, Table] = {
    table.name: _versioned("consumer", table)
    for table in (
        _table("risk_stratification", "person", "patient_id", """
patient_id                        UUID!     Person in the registry
night                             DATE!     Night of the registry that it was made from: every score is of this day
age                               INTEGER   Age in completed years on the night; null where the birth date is not known, and of who has died
is_alive                          BOOLEAN!  No death is known; who has died has no scores
hospital_frailty_score            DOUBLE    Hospital Frailty Risk Score (Gilbert 2018), points
hospital_frailty_category         VARCHAR   low (below 5), intermediate (5 to 15) or high (above 15)
hospital_frailty_missing          VARCHAR   Why there is no score; null where there is one
charlson_original                 INTEGER   Charlson index, Quan's ICD-10 codes with Charlson's weights of 1987, points
charlson_updated                  INTEGER   Charlson index, Quan's ICD-10 codes with Quan's weights of 2011, points
charlson_age_adjusted             INTEGER   charlson_original and a point for each decade from 50 years on, four at most
charlson_missing                  VARCHAR   Why there is no index; null where there is one
electronic_frailty_index          DOUBLE    Electronic frailty index (Clegg 2016), share of 36 deficits, 0 to 1
electronic_frailty_category       VARCHAR   fit, mild, moderate or severe
electronic_frailty_source         VARCHAR   gp_system: supplied by the practice's system; counted: from coded deficits
electronic_frailty_missing        VARCHAR   Why there is no index; null where there is one
cambridge_multimorbidity_score    DOUBLE    Cambridge Multimorbidity Score (Payne 2020), general outcome, points
cambridge_multimorbidity_missing  VARCHAR   Why there is no score; null where there is one
emergency_admission_probability   DOUBLE    Probability of an emergency admission within 12 months of the night, by the local model
emergency_admission_missing       VARCHAR   Why there is no probability; null where there is one
model_version                     VARCHAR   Version of the local model; null where none is used
risk_rank                         BIGINT    1 is the highest probability among the living; ties are broken by patient_id
risk_level                        VARCHAR   very_high, high, moderate or low: shares of the living by rank, as the deployment sets them
person_segment                    VARCHAR   end_of_life, dementia, frailty, cancer, severe_mental_illness, learning_disability, long_term_conditions or healthy (none of the others is recorded): the first that applies
person_segments                   VARCHAR[] Every segment that applies
long_term_conditions              INTEGER   Conditions of the Cambridge Multimorbidity Score that the person has; null where they are not known
reasons                           VARCHAR[] What raises the probability most, in plain words, most important first: it goes with admissions and need not cause them
inputs_used                       VARCHAR[] Kinds of records that the scores rest on, as setting:kind (gp:condition, acute:spell)
"""),
        _table("care_gap", "person and protocol step that is due", "patient_id protocol step", """
patient_id          UUID!     Person in the registry
night               DATE!     Night of the registry that it was made from
protocol            VARCHAR!  Protocol, by its name
protocol_version    VARCHAR!  Version of the protocol
step                VARCHAR!  Step of the protocol, by its name
title               VARCHAR!  What is due, in words
due_since           DATE!     First day on which it was due: the day after the interval or window was over; for what was never seen, by when the person came in, but no earlier than one interval after the data begin that would show it (the night, where that lies ahead); the night where nobody says when
days_overdue        INTEGER!  Days from due_since to the night
last_done           DATE      When it was last done, anywhere (what follows a discharge: after it, too late); null where it never was
last_done_setting   VARCHAR   In which setting
last_done_provider  VARCHAR   By which provider
may_be_done_by      VARCHAR[]! Settings that may do it
trigger_event_key   VARCHAR   Event that it follows (a discharge); null where it rests on the person's condition
is_seamlessness_gap BOOLEAN!  Something was lost between two settings
"""),
        _table("patient_care_team", "person and organisation that is involved", "patient_id provider", """
patient_id               UUID!     Person in the registry
night                    DATE!     Night of the registry that it was made from
provider                 VARCHAR!  Organisation (the provider of the records)
setting                  VARCHAR!  gp, acute, community, mental_health or social_care
roles                    VARCHAR[]! What it does for the person: registered_practice, practice_care, hospital_care, community_care, mental_health_care, social_care, holds_care_plan, coordinates_care, knows_carer
last_contact             DATE      Last day within 12 months on which it saw or served the person: attended contact, stay, attendance or service; null where there was none
last_contact_kind        VARCHAR   spell, attendance, contact or service
last_activity            DATE      Last day within 12 months of anything that it did or recorded, seen or not: also a referral, a medicine, an observation
contacts_12_months       INTEGER!  Attended contacts, stays, attendances and services that began within 12 months
care_plan_type           VARCHAR   Type of its care plan in force
care_plan_start          DATE      When its care plan in force was made
care_plan_updated        DATE      When that was last updated
care_plan_age_days       INTEGER   Days from its last update (or its making) to the night
care_plan_review_is_late BOOLEAN   The date of its next review has passed
coordinator_key          VARCHAR   Care coordinator whom the newest of its plans in force names that names any, provider:coordinator_id
carer_relationship       VARCHAR   Unpaid carer whom it knows of: relationship to the person
carer_record_id          VARCHAR   Person record of that carer, where known
carer_assessed           DATE      Last carer's assessment that it knows of
care_plans_in_force      INTEGER!  Organisations that hold a care plan in force of the person
coordinators             INTEGER!  Different care coordinators named in any care plan in force of the person
conflicts                VARCHAR[]! What does not agree between organisations, by name: several_care_plans, several_coordinators
"""),
        _table("case_conference_list", "person to discuss in a neighbourhood's case conference", "patient_id", """
patient_id               UUID!     Person in the registry
night                    DATE!     Night of the registry that it was made from
neighbourhood            VARCHAR!  Neighbourhood team: a group of practices
gp_practice              VARCHAR   General medical practice code of registration
practice_record_id       VARCHAR   The practice's own record of the person (provider:local_id), by which the team opens it
rank                     INTEGER!  Place in the neighbourhood's list, from 1
meeting                  INTEGER!  Meeting at which it would be the person's turn, from 1, at the deployment's capacity
points                   DOUBLE!   What the order rests on: one point is one percentage point of probability of an emergency admission in 12 months; see care/conferences.py
why                      VARCHAR[]! Why the person is on the list, in plain words
age                      INTEGER   Age in completed years
sex                      VARCHAR   M, F or O
risk_level               VARCHAR   As in risk_stratification
emergency_admission_probability DOUBLE As in risk_stratification
probability_before       DOUBLE    The same on the last earlier night, if that is within 90 days and the model was the same
risk_change              DOUBLE    Difference of the two
emergency_admissions_90_days INTEGER Emergency admissions in the last 90 days
emergency_admissions_12_months INTEGER Emergency admissions in the last 12 months
open_gaps                INTEGER   Rows of care_gap; null where gaps were not made
gaps                     VARCHAR[] What is due, in words: gaps between settings first, then the longest overdue; null where gaps were not made
settings                 VARCHAR[]! Settings that saw the person in the last 12 months
summary                  VARCHAR[]! What raises the risk most, one line a setting (what it did in 12 months and knows), one on care plans: in plain words without identity
care_plan_age_days       INTEGER   Days since the newest care plan in force was last updated
coordinator_key          VARCHAR   Named care coordinator; null where none or several are named, or the id is text or an NHS number
last_discussed           DATE      Last case conference at which the person was discussed
"""),
        _table("audit_measure", "measure, organisation or area, and period", "measure dimension value_of_dimension period_start period_months", """
measure             VARCHAR!  Measure, by its name
title               VARCHAR!  The measure in words
dimension           VARCHAR!  system, provider, practice, neighbourhood, lsoa, ethnicity or deprivation
value_of_dimension  VARCHAR!  Organisation, area or group; all for the system
period_start        DATE!     First day of the period
period_end          DATE!     Last day of the period
period_months       INTEGER!  Length of the period: 1 for a month, 12 for a year
numerator           DOUBLE    Events, days or people counted, to the nearest 5; null where the rule of small numbers hides it
denominator         DOUBLE    People, person-years or events at risk, people and events to the nearest 5; null where hidden
value               DOUBLE    numerator by denominator times `per`; means and age-standardised rates (of fewer than 1,000 events to three figures) are of the exact counts; null where hidden or nobody is at risk
per                 INTEGER!  What the value is of: 1 a share or a mean, 1000 a rate per 1,000
unit                VARCHAR!  Unit of the value
interval_low        DOUBLE    Lower end of its 95% interval; of shares and rates it allows for every count that is rounded to those shown
interval_high       DOUBLE    Upper end
is_suppressed       BOOLEAN!  Hidden by the rule of small numbers
is_standardised     BOOLEAN!  Directly standardised by age to the European Standard Population 2013
better              VARCHAR!  up, down or neither: the direction of improvement
centre              DOUBLE    Centre line of the XmR chart of its months; null where there are fewer than 12, one is hidden, there is less than one event a month, or the measure is a state at a period's end
limit_low           DOUBLE    Lower process limit
limit_high          DOUBLE    Upper process limit
signal              VARCHAR   What chance does not explain, by name: outside_limits, trend, two_of_three, shift, the first that holds; null where nothing
signal_is           VARCHAR   improvement, concern or change; null where there is no signal
funnel              VARCHAR   For a year of practices or providers: within, above_95, above_99_8, below_95 or below_99_8 of the system's value; of a provider, of that of all providers of its setting, and null where it is the only one
linkage_low         DOUBLE    Lowest value as the linkage threshold moves; null where linkage cannot move the measure
linkage_high        DOUBLE    Highest value
"""),
    )
}  # fmt: skip
"""What consumers make of a published registry, each under `consumers/<table>/<snapshot>/`; see `consumer.py`."""

_RISK = CONSUMER_TABLES["risk_stratification"]
OUTPUT_CONSUMER_TABLES: Mapping[str, Table] = {
    _RISK.name: _versioned(
        "output",
        Table(
            _RISK.name,
            "person, without identity",
            ("patient_pseudonym",),
            (
                Column("patient_pseudonym", "VARCHAR", "Person, under the purpose's key", is_nullable=False),
                Column("age_band", "VARCHAR", "Age in years on the night: 65-69; 90+ from 90 upwards"),
                *(column for column in _RISK.columns if column.name not in ("patient_id", "age")),
            ),
        ),
    ),
}
"""Consumers' tables as an output holds them, by name: of the purpose of the same name."""

PUBLISHED: Mapping[str, Mapping[str, Table]] = {
    "registry": {name: TABLES[name] for name in REGISTRY_TABLES},
    "output": {**OUTPUT_TABLES, **OUTPUT_CONSUMER_TABLES},
    "consumer": CONSUMER_TABLES,
}
"""Every table that somebody outside reads, by family: of a snapshot, of a purpose's output, of a consumer."""

KEY_MAP = _table("key_map", "id under a key that was changed", "kind old_pseudonym", """
kind           VARCHAR  patient, record or event
old_pseudonym  VARCHAR  Pseudonym under the key before
new_pseudonym  VARCHAR  Pseudonym of the same id under the key that took its place
""")  # fmt: skip
"""What a holder of both keys can make when a purpose's key is changed."""


def raw_columns(feed: str) -> tuple[Column, ...]:
    """Columns of `raw_<feed>` and `accepted_<feed>`: where a row came from, then the feed's own, all text."""
    shape = FEEDS[feed]
    return DELIVERY_COLUMNS + tuple(Column(c.name, "VARCHAR", c.description) for c in shape.columns)


def feed_table(kind: Literal["raw", "accepted", "quarantined"], feed: str) -> Table:
    """A feed's raw, accepted or quarantined table."""
    columns = raw_columns(feed)
    words = {"raw": "row as delivered", "accepted": "row that may go on", "quarantined": "row that may not go on"}
    if kind == "quarantined":
        columns = (*columns, BROKEN_RULES)
    return Table(f"{kind}_{feed}", f"{words[kind]}: {FEEDS[feed].one_row_per}", ("source_row",), columns)
