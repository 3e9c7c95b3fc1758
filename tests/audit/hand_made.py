"""A registry of a handful of people, written by hand: every row says only what the case is about.

What belongs here: making the views that audit reads. What does not: what is expected of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from registry_pipeline.audit import cells
from registry_pipeline.config import Configuration, Deployment, Provider
from registry_pipeline.consumer import READ_TABLES, Reading
from registry_pipeline.storage import Home, connect
from registry_pipeline.tables import LINKAGE_ALTERNATIVE, TABLES

NIGHT = date(2026, 6, 30)
"""The last of 24 whole months, July 2024 to June 2026, ends with it."""

SETTINGS = {"G": "gp", "R": "acute", "S": "acute", "M": "mental_health", "C": "community", "L": "social_care"}
DIABETES, HBA1C, CONFERENCE, COPD, COPD_REVIEW = "44054006", "999791000000106", "384682003", "13645005", "394703002"


def person_id(n: int) -> str:
    """The n-th person's id."""
    return str(uuid.UUID(int=n))


class Registry:
    """Rows by table; numbers of people stand for their ids."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def add(self, table: str, **values: Any) -> Registry:
        """One row; what is not said is null."""
        if "of" in values:
            values["patient_id"] = person_id(values.pop("of"))
        if "event_key" not in values and table not in ("patient", "patient_record", LINKAGE_ALTERNATIVE.name):
            values["event_key"] = f"{table}:{len(self.rows.get(table, []))}"
            values.setdefault("provider", "G")
            values.setdefault("setting", SETTINGS[values["provider"]])
            values.setdefault("record_id", f"{values['provider']}:{uuid.UUID(values['patient_id']).int}")
        self.rows.setdefault(table, []).append(values)
        return self

    def person(self, n: int, birth: str | None = "1950-01-15", **values: Any) -> Registry:
        """Somebody with one record at each provider."""
        self.add("patient", of=n, birth_date=birth, **values)
        for provider, setting in SETTINGS.items():
            self.add("patient_record", of=n, record_id=f"{provider}:{n}", provider=provider, setting=setting)
        return self

    def stay(self, n: int, start: str, end: str | None, **values: Any) -> Registry:
        """An emergency stay at the hospital R, unless said otherwise."""
        given = {"provider": "R", "admission_method": "21", "patient_classification": "1", **values}
        method = given["admission_method"]
        emergency = method.startswith("2") and method != "2C"
        return self.add("patient_activity", of=n, activity_kind="spell", start_time=start, end_time=end,
                        is_emergency=emergency, **given)  # fmt: skip

    def contact(self, n: int, start: str, provider: str = "G", status: str | None = "5") -> Registry:
        """A contact."""
        return self.add("patient_activity", of=n, activity_kind="contact", start_time=start, provider=provider,
                        attendance_status=status, is_emergency=False)  # fmt: skip

    def condition(self, n: int, code: str, start: str | None, end: str | None = None) -> Registry:
        """A SNOMED CT condition at the practice."""
        return self.add("patient_condition", of=n, code=code, coding_system="snomed", start_date=start, end_date=end)

    def observed(self, n: int, code: str, day: str, provider: str = "G") -> Registry:
        """A SNOMED CT observation."""
        return self.add("patient_observation", of=n, code=code, coding_system="snomed", start_date=day,
                        provider=provider)  # fmt: skip

    def started(self, day: str = "2024-07-01") -> Registry:
        """Records of every kind from a day on, of somebody who is in no measure: dead before audit looks.

        Stays begin a month earlier and care plans a year, since what was begun before a feed is missing in it.
        """
        stays = (date.fromisoformat(day).replace(day=1) - timedelta(days=1)).strftime(f"%Y-%m-{day[-2:]}")
        self.add("patient", of=999, birth_date="1900-01-02", death_date="2024-06-30")
        self.add("patient_record", of=999, record_id="G:999", provider="G", setting="gp")
        self.add("patient_activity", of=999, activity_kind="spell", start_time=stays, end_time=stays,
                 provider="R", patient_classification="2", clinically_ready_date=stays, is_emergency=False,
                 admission_method="11", diagnoses=["Z000"])  # fmt: skip
        self.add("patient_activity", of=999, activity_kind="contact", start_time=day)
        self.add("patient_observation", of=999, code="1", coding_system="snomed", start_date=day)
        return self.add("patient_care_plan", of=999, start_date=f"{int(day[:4]) - 1}{day[4:]}")

    def moved(self, record_id: str, move: float, n: int, other: int) -> Registry:
        """Whose a record would be at a moved threshold."""
        return self.add(LINKAGE_ALTERNATIVE.name, record_id=record_id, threshold_move=move, patient_id=person_id(n),
                        alternative_patient_id=person_id(other))  # fmt: skip

    def reading(self, folder: Path, night: date = NIGHT, *, absent: Iterable[str] = (), **deployment: Any) -> Reading:
        """The registry as a consumer gets it."""
        feeds = {"patient": {"source": {"kind": "csv", "path": "none.csv"}}}
        providers = {
            code: Provider.model_validate({"provider": code, "setting": setting, "feeds": feeds})
            for code, setting in SETTINGS.items()
        }
        configuration = Configuration(
            directory=folder, home=folder / "home", deployment=Deployment.model_validate(deployment),
            providers=providers,
        )  # fmt: skip
        connection = connect(Home(folder / "home"))
        for table in (*(TABLES[name] for name in READ_TABLES), LINKAGE_ALTERNATIVE):
            columns = ", ".join(f'"{c.name}" {c.type}' for c in table.columns)
            connection.execute(f"CREATE TEMP TABLE {table.name} ({columns})")
            rows = self.rows.get(table.name)
            if rows:
                names = list(dict.fromkeys(name for row in rows for name in row))
                connection.register("hand_made", pa.table({n: [row.get(n) for row in rows] for n in names}))
                connection.execute(f"INSERT INTO {table.name} BY NAME FROM hand_made")
                connection.unregister("hand_made")
        return Reading(configuration, "audit", f"{night}.1", night, connection, frozenset(absent))


def counts(reading: Reading, measure: str) -> dict[tuple[str, str, str, int], tuple[float, float]]:
    """Exact numerators and denominators of a measure, by dimension, value, first day and months."""
    found = cells.count(reading).totals.to_pylist()
    return {
        (r["dimension"], r["value"], str(r["period_start"]), r["period_months"]): (r["n"], r["d"])
        for r in found
        if r["measure"] == measure
    }
