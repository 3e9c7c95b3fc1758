"""What the fitted model looks at: every feature defined once, and computed for any day as it was known on that day.

What belongs here: the features' definitions, the rows that they are computed from, and the proof that nothing later
than the index day moved them. What does not: what a model makes of them (`model`), their words for people (`reasons`).

A feature is a column of one of `SOURCES` (a SQL file each, one row a person), which read the registry through views
`risk_source_*`. So the same SQL runs on the registry, and on the registry without anything later than the index day.

What cannot be known of a past day, because the registry holds no past state: when something was written down (a
condition counts from its onset, even if it was recorded later), which home, sex and birth date were recorded then,
people who have left since, and records that were deleted or mended since.

Sex is a feature as in published models of emergency admission (QAdmissions, Hippisley-Cox 2013), since conditions and
care differ by it. Ethnicity is none: QAdmissions has it, PARR-30 (Billings 2012) has not, and a choice of this registry
it is: what it adds is access to care as well as need, so that a group that is admitted less often for want of access
would be ranked down for it. How well every group is served is evaluated instead (`evaluate`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal

from registry_pipeline import codes
from registry_pipeline.config import Configuration
from registry_pipeline.consumer import Reading
from registry_pipeline.errors import RunFailed
from registry_pipeline.govern.postcodes import name_areas
from registry_pipeline.storage import load_sql

if TYPE_CHECKING:
    import duckdb

FEATURE_CODE_VERSION: Final = 2
"""Raised whenever the meaning of a feature changes (its SQL or its form): coefficients of another meaning must not be
used."""

LONGEST_WINDOW: Final = 365
"""Days of past use that features look back over, where the registry's history is long enough: use within a year is what
published models of emergency admission rest on (PARR-30, Billings 2012; QAdmissions)."""

COMPARED_PEOPLE: Final = 100_000
"""People of an index day whose features are computed a second time without later rows; all of them up to so many. A
leak into one row in ten thousand would still touch some of them."""

CONDITION_LIST: Final = "cambridge_multimorbidity"
LISTS: Final = (
    CONDITION_LIST, "hospital_frailty", "electronic_frailty_index", "frailty", "severe_frailty", "palliative_care",
)  # fmt: skip
"""Code lists that features are made of."""

SOURCES: Mapping[str, str] = {name: f"risk_features_{name}" for name in ("person", "activity", "condition", "care")}
"""The SQL file of each source; `person` names everybody who was alive on the index day."""

_REGISTRY_VIEWS: Mapping[str, str] = {
    "risk_source_patient": "patient",
    "risk_source_activity": "patient_activity",
    "risk_source_coded": "risk_coded",
    "risk_source_service": "patient_care_service",
    "risk_source_plan": "patient_care_plan",
    "risk_source_carer": "patient_carer",
    "risk_source_record": "patient_record",
}

_WITHOUT_DAYS: Final = ("postcode_area",)
"""Tables that features may read as they are: nothing in them is of people."""

_SAME: Final = 1e-6
"""Features are 32-bit numbers, the same up to their last bits whatever order they were added in. More would be enough
to hide a flag in the last digits of a large number."""

Form = Literal["count", "flag", "number", "age"]
"""How a feature enters the model: counts as log(1 + count), flags and numbers as they are, age as straight lines
between knots. All of them add up, so that a person's risk can be told feature by feature."""


@dataclass(frozen=True)
class Feature:
    """One thing that the model looks at.

    Attributes:
        name: also its column.
        theme: features of one theme are one reason for people (use in the last 30 days and in the last year).
        words: what it is, in words.
        form: how it enters the model.
        unit: of its value.
        source: where it comes from.
        window: days that it looks back; `long` is the model's longest window; None: it is a state of the index day.
        sql: its value as DuckDB SQL over the sources' columns.
        may_be_missing: null stands for not known, and is told to the model besides; else nothing recorded is 0.
    """

    name: str
    theme: str
    words: str
    form: Form
    unit: str
    source: str
    window: Literal[30, 90, "long"] | None
    sql: str
    may_be_missing: bool = False

    def definition(self, longest: int) -> dict[str, Any]:
        """What a saved model holds of it, to tell whether a table's feature is the one that it was fitted on."""
        return {
            "name": self.name,
            "theme": self.theme,
            "words": self.words,
            "form": self.form,
            "unit": self.unit,
            "source": self.source,
            "window_days": longest if self.window == "long" else self.window,
            "may_be_missing": self.may_be_missing,
        }


@dataclass(frozen=True)
class FeatureSet:
    """The features of a deployment, and the SQL that they are computed by.

    Attributes:
        features: in the order of the model.
        sources: SELECT by source; each reads `risk_source_*` and gives one row a person.
    """

    features: tuple[Feature, ...]
    sources: Mapping[str, str] = field(default_factory=lambda: {name: load_sql(sql) for name, sql in SOURCES.items()})

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(feature.name for feature in self.features)

    def definitions(self, longest: int) -> list[dict[str, Any]]:
        """What a saved model holds of them."""
        return [feature.definition(longest) for feature in self.features]


def digest(definitions: Sequence[Mapping[str, Any]]) -> str:
    """One figure that is another one as soon as any definition, or the code's version, is."""
    text = json.dumps([FEATURE_CODE_VERSION, *definitions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _used(theme: str, words: str, *windows: Literal[30, 90, "long"], unit: str = "events") -> tuple[Feature, ...]:
    """Past use of one kind by recency."""
    return tuple(
        Feature(
            f"{theme}_{window}", theme, words, "count", unit, "activity", window, f'coalesce("{theme}_{window}", 0)'
        )
        for window in windows
    )


def _state(name: str, words: str, source: str, form: Form = "flag", unit: str = "yes or no") -> Feature:
    value = f"coalesce({name}, {'0' if form == 'count' else 'false'})"
    return Feature(name, name, words, form, unit, source, None, value)


PERSON_FEATURES: tuple[Feature, ...] = (
    Feature("age", "age", "age", "age", "years", "person", None, "months_old / 12.0", may_be_missing=True),
    Feature(
        "is_female", "sex", "female sex", "flag", "yes or no", "person", None,
        "CASE sex WHEN 'F' THEN 1 WHEN 'M' THEN 0 END", may_be_missing=True,
    ),
    Feature(
        "deprivation", "deprivation", "deprivation of the area of the home", "number",
        "tenths from the least (0) to the most deprived (9)", "person", None, "10 - deprivation_decile",
        may_be_missing=True,
    ),
)  # fmt: skip

USE_FEATURES: tuple[Feature, ...] = (
    *_used("emergency_admissions", "emergency admission", 30, 90, "long"),
    *_used("emergency_bed_days", "day in hospital after emergency admissions", 90, "long", unit="days"),
    *_used("emergency_attendances", "attendance at an emergency department", 30, 90, "long"),
    *_used("planned_admissions", "admission not recorded as an emergency", "long"),
    _state("in_hospital", "in hospital at present", "activity"),
    *_used("outpatient_contacts", "outpatient appointment", 90, "long"),
    *_used("gp_contacts", "contact with the general practice", 30, 90, "long"),
    *_used("community_contacts", "contact with community services", 90, "long"),
    *_used("mental_health_contacts", "contact with mental health services", 90, "long"),
    *_used("mental_health_stays", "stay in mental health inpatient care", "long"),
    *_used("social_care_contacts", "contact with adult social care", "long"),
    *_used("missed_appointments", "missed appointment", 90, "long"),
    *_used("referrals", "referral", "long"),
    *_used("repeat_medicines", "medicine on repeat prescription", "long", unit="medicines"),
    *_used("medicine_issues", "issue of a medicine", 90, "long"),
)

STATE_FEATURES: tuple[Feature, ...] = (
    Feature(
        "electronic_frailty_index", "electronic_frailty_index", "electronic frailty index", "number",
        "share of 36 deficits", "condition", None, "electronic_frailty_index", may_be_missing=True,
    ),
    Feature(
        "hospital_frailty_points", "hospital_frailty_points", "hospital diagnoses that go with frailty", "count",
        "points of the Hospital Frailty Risk Score's codes, at any age", "condition", "long",
        "coalesce(hospital_frailty_points, 0)",
    ),
    _state("frailty", "frailty", "condition"),
    _state("palliative_care", "palliative or end of life care", "condition"),
    _state("home_care_services", "social care service in the community", "care", "count", "services in force"),
    _state("residential_care", "residential or nursing care", "care"),
    _state("care_plan", "care plan", "care"),
    _state("has_carer", "unpaid carer", "care"),
    _state("is_carer", "cares for somebody", "care"),
)  # fmt: skip


CONDITION_WORDS: Mapping[str, str] = {
    "anorexia_bulimia": "anorexia or bulimia",
    "anxiety_depression": "anxiety or depression",
    "copd": "chronic obstructive pulmonary disease",
    "eczema_psoriasis": "eczema or psoriasis",
    "parkinsons_disease": "Parkinson's disease",
    "psychosis_bipolar": "psychosis or bipolar disorder",
    "stroke_tia": "stroke or transient ischaemic attack",
}
"""Items of the list of conditions whose names are no plain words; of the others, blanks part the words."""


def features_of(configuration: Configuration) -> FeatureSet:
    """Every feature of a deployment: its list of conditions (`cambridge_multimorbidity`) gives one flag an item.

    Raises:
        BadInput: a code list cannot be used.
    """
    items = codes.load(configuration, CONDITION_LIST).items
    conditions = tuple(
        Feature(
            f"condition_{item}", f"condition_{item}", CONDITION_WORDS.get(item, item.replace("_", " ")), "flag",
            "yes or no", "condition", None,
            f"coalesce(list_contains(conditions, '{item.replace(chr(39), chr(39) * 2)}'), false)",
        )
        for item in items
    )  # fmt: skip
    return FeatureSet((*PERSON_FEATURES, *USE_FEATURES, *STATE_FEATURES, *conditions))


def name_inputs(reading: Reading, lists: Sequence[str] = LISTS) -> dict[str, codes.CodeList]:
    """Make what features are computed from on a reading's connection.

    That is `risk_coded`, `postcode_area` and the views `risk_source_*`.

    Returns:
        The code lists by name.

    Raises:
        BadInput: a code list or the list of postcodes cannot be used.
    """
    connection = reading.connection
    codes.name_coded_events(connection)
    loaded = codes.name_meanings(connection, reading.configuration, lists)
    connection.execute(load_sql("risk_score_macros"))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE risk_coded AS {load_sql('risk_coded')}", {"lists": list(lists)})
    name_areas(connection, reading.configuration)
    _read_registry(connection)
    return loaded


def _read_registry(connection: duckdb.DuckDBPyConnection) -> None:
    for view, table in _REGISTRY_VIEWS.items():
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS FROM {table}")


def compute(
    connection: duckdb.DuckDBPyConnection, table: str, features: FeatureSet, *, index: date, longest: int
) -> int:
    """Make a temporary table of features at the end of a day.

    Its columns are `row` (from 0, in the order of patient_id), `patient_id`, and the features, in their order.

    Args:
        connection: after `name_inputs`.
        table: name of the table.
        features: what to compute.
        index: the day.
        longest: the longest window in days.

    Returns:
        People alive on that day.
    """
    for name, sql in features.sources.items():
        given = {key: value for key, value in {"index": index, "days": longest}.items() if f"${key}" in sql}
        connection.execute(f"CREATE OR REPLACE TEMP TABLE risk_from_{name} AS {sql}", given)
    others = [name for name in features.sources if name != "person"]
    joins = " ".join(f"LEFT JOIN risk_from_{name} USING (patient_id)" for name in others)
    columns = ", ".join(f'({feature.sql})::FLOAT AS "{feature.name}"' for feature in features.features)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS"  # noqa: S608  # names and expressions of this module
        f" SELECT row_number() OVER (ORDER BY patient_id) - 1 AS row, patient_id, {columns}"
        f" FROM risk_from_person {joins}"
    )
    for name in features.sources:
        connection.execute(f"DROP TABLE risk_from_{name}")
    return int(connection.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0])  # noqa: S608  # as above


def refuse_later_rows(
    connection: duckdb.DuckDBPyConnection, table: str, features: FeatureSet, *, index: date, longest: int
) -> int:
    """Prove that features do not depend on anything after the index day.

    They are computed again from the registry as it would have been: rows of later days removed, and of earlier rows
    what was filled in later (ends, discharge, diagnoses, updates, deaths).

    Args:
        connection: after `compute` of the same day.
        table: what `compute` made.
        features: the features.
        index: the day.
        longest: the longest window in days.

    Returns:
        People compared.

    Raises:
        RunFailed: a feature comes out otherwise, or reads what later rows cannot be left out of; names it.
    """
    _refuse_other_tables(connection, features)
    step = max(1, -(-_count(connection, table) // COMPARED_PEOPLE))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE risk_compared AS"  # noqa: S608  # a name of this module
        f" SELECT patient_id FROM {table} WHERE hash(patient_id::VARCHAR) % {step} = 0"
    )
    again = f"{table}_known"
    for statement in load_sql("risk_known").split(";"):
        if statement.strip():
            connection.execute(statement, {"index": index} if "$index" in statement else {})
    try:
        for view in _REGISTRY_VIEWS:
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS FROM {view.replace('_source_', '_known_')}")
        compute(connection, again, features, index=index, longest=longest)
    finally:
        _read_registry(connection)
    differs = ", ".join(
        f'count(*) FILTER (a."{name}" IS NULL <> (b."{name}" IS NULL)'
        f' OR abs(a."{name}" - b."{name}") > {_SAME} * (1 + abs(a."{name}")))'
        for name in features.names
    )
    # Somebody whom the registry without later rows does not know on that day has no second row: every feature differs.
    found = connection.sql(
        f"SELECT count(*) FILTER (b.patient_id IS NULL), {differs}"  # noqa: S608  # names of this module
        f" FROM {table} AS a JOIN risk_compared USING (patient_id) LEFT JOIN {again} AS b USING (patient_id)"
    ).fetchall()[0]
    compared = _count(connection, "risk_compared")
    for name in (again, "risk_compared", *(v.replace("_source_", "_known_") for v in _REGISTRY_VIEWS)):
        connection.execute(f"DROP TABLE {name}")
    for name, people in zip(("being in the registry", *features.names), found, strict=True):
        if people:
            raise RunFailed(
                f"The feature {name} on {index} looks into the future: without rows of later days it is another one for"
                f" {people:,} of {compared:,} people; mend its SQL (risk/features.py), then fit again."
            )
    return compared


def _refuse_other_tables(connection: duckdb.DuckDBPyConnection, features: FeatureSet) -> None:
    """Stop where features read anything but the views that later rows are left out of."""
    expressions = ", ".join(f"({feature.sql})" for feature in features.features)
    for source, sql in {**features.sources, "": f"SELECT {expressions}"}.items():
        others = sorted(_reads(connection, sql) - {*_REGISTRY_VIEWS, *_WITHOUT_DAYS})
        if others:
            what = f"The features of the source {source}" if source else "An expression of the features"
            raise RunFailed(
                f"{what} may look into the future: {others[0]} is read, of which later rows cannot be left out; read"
                f" {', '.join(_REGISTRY_VIEWS)} instead (risk/features.py), then fit again."
            )


def _reads(connection: duckdb.DuckDBPyConnection, sql: str) -> set[str]:
    """What a query names as its sources: tables, views and functions, but for its own common table expressions."""
    tree = json.loads(connection.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchall()[0][0])
    if tree["error"]:
        raise RunFailed(f"The SQL of a feature cannot be read ({tree['error_message']}); mend it (risk/features.py).")
    held = connection.sql(
        "SELECT table_name FROM duckdb_tables() UNION SELECT view_name FROM duckdb_views()"
    ).fetchall()
    read, own = set[str](), set[str]()
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            if node.get("type") == "BASE_TABLE":
                read.add(node["table_name"])
            elif node.get("type") == "TABLE_FUNCTION":
                read.add(node["function"]["function_name"])
            own |= {each["key"] for each in node["cte_map"]["map"]} if "cte_map" in node else set()
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node
    # One that has the name of a table may read that table.
    return read - (own - {name for (name,) in held})


def inputs(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Kinds of records that the registry holds, as setting:kind: what a model rests on."""
    rows = connection.sql(
        "SELECT DISTINCT concat(setting, ':', activity_kind) FROM patient_activity"
        " UNION SELECT DISTINCT concat(setting, ':condition') FROM patient_condition"
        " UNION SELECT DISTINCT concat(setting, ':care_plan') FROM patient_care_plan"
        " UNION SELECT DISTINCT concat(setting, ':service') FROM patient_care_service"
        " UNION SELECT DISTINCT concat(setting, ':carer') FROM patient_carer"
        " UNION SELECT DISTINCT concat(setting, ':observation') FROM patient_observation ORDER BY 1"
    ).fetchall()
    return [row[0] for row in rows]


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0])  # noqa: S608  # a name of this module
