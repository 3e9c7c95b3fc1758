"""The content of the linkage quality report: what is counted, in which order, and what it means in plain words.

What belongs here: putting a report together from its sections. What does not: the sections (one module a group of
them), the checklist at the end (`reports.checklist`), and drawing (`reports.page`).

The reader leads information governance and has no data engineer beside them: every section says what it shows, why it
matters and what would be bad. Every count of people goes through `govern.disclosure`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from registry_pipeline.config import Configuration
from registry_pipeline.pages.content import Cell, Report, Section
from registry_pipeline.reports import checklist
from registry_pipeline.reports.figures import (
    about,
    accuracy,
    churn,
    drift,
    first_screen,
    groups,
    implausible,
    inputs,
    left_out,
    linkage_rate,
)
from registry_pipeline.reports.figures.material import Material, open_material

ORDER = (
    "inputs", "identifiers", "data_quality_index", "linkage_rate", "estimates", "groups", "implausible", "churn",
    "review",
    "drift", "sensitivity", "model", "weights", "blocking", "ties", "left_out", "agreements", "outputs", "versions",
    "disclosure", "limitations",
)  # fmt: skip
"""Sections in the order of the report: what came in, how well it was linked, what changed, how, and what it rests
on."""


def build_report(
    configuration: Configuration, snapshot_id: str, *, linkage: Mapping[str, Any], governance: Mapping[str, Any]
) -> Report:
    """Count everything that a snapshot's linkage quality report says.

    Args:
        configuration: the deployment.
        snapshot_id: the snapshot, published or not.
        linkage: what the link stage gathered of the night (`link.evidence`); any key may be missing.
        governance: overrides, signatures, agreements and outputs as `night` gathers them; any key may be missing.

    Raises:
        BadInput: there is no snapshot of that id.
    """
    with open_material(configuration, snapshot_id, linkage=linkage, governance=governance) as material:
        sections = _sections(material)
        lights, changes = first_screen.lights(material), first_screen.changes(material)
        return Report(
            snapshot_id=snapshot_id,
            night=material.night.isoformat(),
            deployment=configuration.deployment.name,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            lights=lights,
            changes=changes,
            sections=sections,
            checklist=checklist.answered(material.configuration, sections),
            about=_about(material),
            headline=dict(material.headline),
        )


def _sections(material: Material) -> list[Section]:
    """Every section; those that make headline figures before `drift`, which compares them."""
    made = [
        *inputs.sections(material),
        linkage_rate.section(material),
        *accuracy.sections(material),
        groups.section(material),
        implausible.section(material),
        *churn.sections(material),
        *left_out.sections(material),
        *about.sections(material),
    ]
    made.append(drift.section(material))
    by_id = {section.id: section for section in made}
    return [by_id[name] for name in ORDER]


def _about(material: Material) -> dict[str, Cell | Mapping[str, Any]]:
    """What the first screen says of the snapshot, and the journal's head, to which `journal verify` holds it later."""
    code = material.manifest.get("code") or {}
    signature, signed = first_screen.signature(material)
    return {
        "signature": signature,
        "signed": signed,
        "snapshot": material.snapshot_id,
        "snapshot made at": material.manifest.get("created_at"),
        "linkage model": material.manifest.get("model_version"),
        "code": code.get("version"),
        "made from": f"{len({e['provider'] for e in material.manifest.get('inputs', ())})} providers",
        **({"journal": journal} if (journal := material.governance.get("journal")) else {}),
    }
