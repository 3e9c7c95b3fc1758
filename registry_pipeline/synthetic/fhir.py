"""Patients as FHIR R4 resources of UK Core, one JSON object a line.

What belongs here: the shape of a resource. What does not: any other form (`delivery.py`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

UK_CORE = "https://fhir.hl7.org.uk/StructureDefinition"
NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
STATUS_SYSTEM = "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland"
ETHNIC_SYSTEM = "https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategoryEngland"
ODS_CODE = "https://fhir.nhs.uk/Id/ods-organization-code"
LOCAL_ID = "https://rv1.example.org/id/patient"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
GENDER = {"M": "male", "F": "female", "U": "unknown"}
ROWS_A_BATCH = 20_000


def write_patients(rows: pa.Table, path: Path) -> int:
    """Write canonical patient rows (all columns as text) as NDJSON; returns the rows written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for batch in rows.to_batches(max_chunksize=ROWS_A_BATCH):
            for row in batch.to_pylist():
                file.write(json.dumps(_resource(row), ensure_ascii=False, separators=(",", ":")))
                file.write("\n")
    return len(rows)


def _resource(row: dict[str, Any]) -> dict[str, Any]:
    """One Patient; what is not known is left out."""
    resource: dict[str, Any] = {
        "resourceType": "Patient",
        "id": row["local_id"],
        "meta": {"profile": [f"{UK_CORE}/UKCore-Patient"], "security": _security(row)},
        "extension": _extensions(row),
        "identifier": _identifiers(row),
        "active": row["deleted"] != "true" and row["merged_into"] is None,
        "name": _names(row),
        "telecom": _telecom(row),
        "gender": GENDER.get(row["sex"], row["sex"]),
        "birthDate": row["birth_date"],
        "deceasedDateTime": row["death_date"],
        "address": _address(row),
        "generalPractitioner": [{"identifier": {"system": ODS_CODE, "value": row["gp_practice"]}}]
        if row["gp_practice"]
        else [],
        "link": [{"other": {"reference": f"Patient/{row['merged_into']}"}, "type": "replaced-by"}]
        if row["merged_into"]
        else [],
    }
    return {key: value for key, value in resource.items() if value not in (None, [], {})}


def _security(row: dict[str, Any]) -> list[dict[str, str]]:
    marks = []
    if row["sensitive"] == "true":
        marks.append({"system": CONFIDENTIALITY, "code": "R"})
    if row["test_patient"] == "true":
        marks.append({"system": ACT_REASON, "code": "HTEST"})
    return marks


def _extensions(row: dict[str, Any]) -> list[dict[str, Any]]:
    if not row["ethnicity"]:
        return []
    concept = {"coding": [{"system": ETHNIC_SYSTEM, "code": row["ethnicity"]}]}
    return [{"url": f"{UK_CORE}/Extension-UKCore-EthnicCategory", "valueCodeableConcept": concept}]


def _identifiers(row: dict[str, Any]) -> list[dict[str, Any]]:
    status = {
        "url": f"{UK_CORE}/Extension-UKCore-NHSNumberVerificationStatus",
        "valueCodeableConcept": {"coding": [{"system": STATUS_SYSTEM, "code": row["nhs_number_status"]}]},
    }
    number: dict[str, Any] = {"extension": [status], "system": NHS_NUMBER}
    if row["nhs_number"]:
        number["value"] = row["nhs_number"]
    own = [{"system": LOCAL_ID, "value": row["local_id"]}] if row["local_id"] else []
    return [number, *own]


def _names(row: dict[str, Any]) -> list[dict[str, Any]]:
    given = [text for text in (row["given_name"], row["middle_names"]) if text]
    name: dict[str, Any] = {"use": "official", "family": row["family_name"], "given": given}
    if row["title"]:
        name["prefix"] = [row["title"]]
    before = row["previous_family_name"]
    return [name, {"use": "old", "family": before}] if before else [name]


def _telecom(row: dict[str, Any]) -> list[dict[str, str]]:
    known = []
    if row["phone"]:
        use = "mobile" if row["phone"].startswith("07") else "home"
        known.append({"system": "phone", "value": row["phone"], "use": use})
    if row["email"]:
        known.append({"system": "email", "value": row["email"]})
    return known


def _address(row: dict[str, Any]) -> list[dict[str, Any]]:
    if not row["address"] and not row["postcode"]:
        return []
    *lines, city = (row["address"] or "").split(", ")
    address: dict[str, Any] = {"use": "home", "line": lines, "city": city, "postalCode": row["postcode"]}
    return [{key: value for key, value in address.items() if value}]
