"""What a report rests on: versions, disclosure control, limitations and whom to ask.

What belongs here: the sections `versions`, `disclosure` and `limitations`. What does not: figures.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata

from registry_pipeline.govern.disclosure import HIDDEN, ROUNDED_TO, SMALLEST_SHOWN
from registry_pipeline.pages.content import Cell, Column, Section, TableFigure
from registry_pipeline.reports.figures.accuracy import part
from registry_pipeline.reports.figures.material import Material
from registry_pipeline.reports.figures.words import listed

LIBRARIES = ("splink", "duckdb", "pyarrow", "great-expectations", "dagster")
"""Libraries whose version may change a figure."""

LIMITATIONS = (
    (
        "False and missed links are estimated. The estimates rest mostly on people with a verified NHS number, who are"
        " the easier cases; the section on estimates says of each in which direction it errs."
    ),
    (
        "Nothing here says how much of the population is covered: that needs a count of residents from outside the"
        " registry."
    ),
    "A share of people linked is not a measure of quality: many people are rightly known to one provider only.",
    (
        "Wrong data at a provider looks like a wrong link, and the other way round; implausible links are signs, not"
        " proofs."
    ),
    (
        "Ethnicity, sex, age and deprivation are those of the surviving record; people of whom they are not known are a"
        " group of their own."
    ),
    "Deprivation is that of the area of the postcode, not of the person; people without a usable postcode have none.",
    "Small groups are hidden or not judged, though linkage may be worst for them.",
)
"""What a reader must know before relying on a figure."""


def sections(material: Material) -> list[Section]:
    """Versions, disclosure control, limitations."""
    return [_versions(material), _disclosure(), _limitations(material)]


def library_versions() -> dict[str, str]:
    """Versions of the libraries that figures rest on."""
    found = {"Python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            found[library] = "not installed"
    return found


def _versions(material: Material) -> Section:
    manifest = material.manifest
    code, journal = part(manifest, "code"), part(material.governance, "journal")
    rows: list[Sequence[Cell]] = [
        ["Snapshot", material.snapshot_id],
        ["Made at", manifest.get("created_at")],
        ["Run", manifest.get("run_id")],
        ["Snapshot before", manifest.get("prior_snapshot") or "none: the first night"],
        ["Linkage model", manifest.get("model_version")],
        ["Code", code.get("version")],
        ["Commit of the code", code.get("commit") or "not known (an installed package)"],
        ["Configuration, SHA-256", manifest.get("configuration_sha256")],
        *([name, version] for name, version in library_versions().items()),
        *(
            [["Journal entries", str(journal.get("entries"))], ["Journal's head, SHA-256", str(journal.get("head"))]]
            if journal
            else []
        ),
    ]
    files: list[Sequence[Cell]] = [
        [entry["provider"], entry["feed"], delivery.get("delivery"), name, digest]
        for entry in manifest.get("inputs", ())
        for delivery in (entry.get("deliveries") or [])[-1:]
        for name, digest in (delivery.get("sha256") or {}).items()
    ]
    tables: list[Sequence[Cell]] = [[table, digest] for table, digest in part(manifest, "sha256").items()]
    return Section(
        id="versions",
        title="Versions: how to make it again",
        lead="The model, the code, the configuration and the very files that this registry was made from, each with its"
        " digest, so that anybody can check that nothing was changed afterwards and make the night again. Bad would"
        " be: a digest that does not match the file.",
        tables=[
            TableFigure("versions_used", "Versions", [Column("What"), Column("Value")], rows),
            TableFigure(
                "delivered_files",
                "Delivered files (the newest delivery of each feed)",
                [Column("Provider"), Column("Feed"), Column("Delivery"), Column("File"), Column("SHA-256")],
                files,
                note="Feeds in deltas rest on earlier deliveries too; the snapshot's manifest lists them all.",
            ),
            TableFigure("snapshot_files", "Files of the snapshot", [Column("Table"), Column("SHA-256")], tables),
        ],
        answers=[2],
    )


def _disclosure() -> Section:
    return Section(
        id="disclosure",
        title="Small numbers",
        lead="So that nobody can be recognised in this report, counts of people from 1 to"
        f" {SMALLEST_SHOWN - 1} are shown as {HIDDEN}, zero stays, all others are rounded to the nearest {ROUNDED_TO},"
        " and shares of people are made from rounded counts. Where a total would give a hidden number away, another"
        " number is hidden too. Counts of rows, pairs, files and entries are not counts of people and are exact.",
        notes=[
            "Breakdowns of records, and what was wrong with their values, are treated as people.",
            "No name, NHS number, date of birth, address or contact stands anywhere in this report, and no record key.",
        ],
        answers=[17],
    )  # fmt: skip


def _limitations(material: Material) -> Section:
    owners = sorted({owner for provider in material.configuration.providers.values() for owner in provider.owners})
    asked = (
        f"Owners named in the providers' files: {listed(owners, 12)}."
        if owners
        else "No provider's file names an owner."
    )
    return Section(
        id="limitations",
        title="Limitations, and whom to ask",
        lead=f"What these figures cannot say. Questions go to those who run {material.configuration.deployment.name};"
        " about a provider's data, to that provider's owner.",
        notes=[*LIMITATIONS, asked],
        answers=[18],
    )
