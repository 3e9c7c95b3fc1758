"""The link stage of staged nights, a step a process: `python -m tests.benchmarks.link_stage STEP CONFIG ...`.

What belongs here: taking a night in without linking it, linking it and nothing else, publishing it, making the night
after it out of it with some records changed, and counting ids that differ between two nights. What does not: timing the
whole (`__main__`), and any way into the stages that a user does not have.

    take-in CONFIG NIGHT              extract, validate and standardise every provider
    link CONFIG NIGHT [--afresh]      link the night; --afresh forgets every linked night first, --verify links it in full too
    publish CONFIG NIGHT              give ids and publish
    next-night CONFIG NIGHT TO SHARE  stage the night TO as NIGHT with SHARE of the person records changed
    compare CONFIG NIGHT TO           count the records whose patient_id differs between the two nights' registries

The home is REGISTRY_HOME's. The last line printed is a JSON object of counts and seconds.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

from registry_pipeline.config import Configuration, load_configuration
from registry_pipeline.storage import Home, connect, published_snapshots, scan, snapshot_night, write_table
from registry_pipeline.tables import TABLES


def take_in(configuration: Configuration, on: date) -> dict[str, Any]:
    """Extract, validate and standardise, by the providers' own stage functions."""
    from registry_pipeline import night
    from registry_pipeline.synthetic import replica

    summary = night.NightSummary(on)
    with replica.serving(configuration):
        night.take_in(configuration, on, summary, lambda *_: None)
    refused = [f"{feed.provider} {feed.feed}" for feed in summary.feeds if not feed.accepted]
    if refused:
        sys.exit(f"Not everything was taken in, so that figures would be of fewer records: {', '.join(refused)}")
    return {"seconds": summary.seconds, "feeds": len(summary.feeds)}


def link(configuration: Configuration, on: date, *, afresh: bool = False, verify: bool = False) -> dict[str, Any]:
    """The link stage alone; with `verify` it fails where linking in full gives anything else."""
    from registry_pipeline import night

    if afresh:
        shutil.rmtree(Path(configuration.home) / "linkage", ignore_errors=True)
    began = time.perf_counter()
    done = night.link_records(configuration, on, verify=verify)
    told: dict[str, Any] = {"seconds": time.perf_counter() - began, "model": done.model_version, "rows": done.rows}
    if done.linked is not None:
        told |= {
            "since": done.linked.since,
            "records_changed": done.linked.records_changed,
            "pairs_compared": sum(done.linked.pairs_by_rule.values()),
            "pairs_reused": done.linked.pairs_reused,
        }
    return told


def publish(configuration: Configuration, on: date) -> dict[str, Any]:
    """Ids, snapshot, audit, publication."""
    from registry_pipeline import night

    began = time.perf_counter()
    built = night.build_registry(configuration, on)
    is_current = night.publish_registry(configuration, on, built.snapshot_id)
    return {
        "seconds": time.perf_counter() - began,
        "is_current": is_current,
        "rows": built.rows,
        "identity_events": built.identity_events,
    }


CHANGED = """
WITH dealt AS (
    SELECT *, hash(record_id, $night) % 1000000 / 1000000.0 AS lot, hash($night, record_id) % 6 AS edit FROM {share}
),
edited AS (
    SELECT * REPLACE (
        $night::DATE AS night,
        CASE WHEN lot < $edits AND edit < 3 THEN 'Moved House ' || local_id || ' ' || $night ELSE address_display END AS address_display,
        CASE WHEN lot < $edits AND edit < 3 THEN upper('Moved House ' || local_id || ' ' || $night) ELSE address END AS address,
        CASE WHEN lot < $edits AND edit < 3 THEN left(postcode, length(postcode) - 2) || 'ZZ' ELSE postcode END AS postcode,
        CASE WHEN lot < $edits AND edit = 3 THEN '07700' || lpad((hash(record_id) % 1000000)::VARCHAR, 6, '0')
            ELSE phone END AS phone,
        CASE WHEN lot < $edits AND edit = 4 THEN family_name || 'E' ELSE family_name END AS family_name,
        CASE WHEN lot < $edits AND edit = 5 THEN NULL ELSE email END AS email
    )
    FROM dealt
    WHERE lot < $edits OR lot >= $edits + $gone
),
-- Half of the new records are of people whom the provider knew already, half of people whom nobody knows.
new AS (
    SELECT * REPLACE (
        $night::DATE AS night,
        record_id || 'N' || $night AS record_id,
        local_id || 'N' || $night AS local_id,
        NULL AS merged_into,
        CASE WHEN edit < 3 THEN nhs_number END AS nhs_number,
        edit < 3 AND is_nhs_number_verified AS is_nhs_number_verified,
        CASE WHEN edit < 3 THEN birth_date ELSE birth_date - INTERVAL 4321 DAY END AS birth_date,
        CASE WHEN edit < 3 THEN given_name ELSE reverse(given_name) END AS given_name
    )
    FROM dealt
    WHERE lot >= 1 - $new
)
SELECT * FROM edited UNION ALL SELECT * FROM new
"""
"""A provider's share of the next night: edits of address, phone, surname or e-mail, records gone, records new."""


def next_night(configuration: Configuration, on: date, to: date, share: float) -> dict[str, Any]:
    """Stage another night from a staged one: four fifths of the share are edits, a tenth gone, a tenth new.

    Only the person records' shares and their outcomes are made; event feeds carry forward, as of a provider that sent
    no events.
    """
    home = Home(configuration.home)
    connection = connect(home)
    bound = {"night": to.isoformat(), "edits": share * 0.8, "gone": share * 0.1, "new": share * 0.1}
    rows = 0
    for code in configuration.providers:
        staged = home.staged("person_record", code, on)
        if not staged.is_file():
            continue
        query = CHANGED.format(share=scan(staged))
        rows += write_table(connection, query, TABLES["person_record"], home.staged("person_record", code, to), bound)
        outcome = json.loads(home.outcome(code, "patient", on).read_text())
        home.outcome(code, "patient", to).write_text(json.dumps({**outcome, "night": to.isoformat()}))
    return {"rows": rows, "share": share}


def compare(configuration: Configuration, on: date, to: date) -> dict[str, Any]:
    """Records that are in both nights' registries, and those of them whose patient_id differs."""
    home = Home(configuration.home)
    latest = {snapshot_night(path): path / "patient_record.parquet" for path in published_snapshots(home)}
    both, differ = (
        connect(home)
        .execute(
            "SELECT count(*), count(*) FILTER (before.patient_id <> after.patient_id)"
            f" FROM {scan(latest[on])} AS before INNER JOIN {scan(latest[to])} AS after USING (record_id)"
        )
        .fetchall()[0]
    )
    return {"records": both, "ids_changed": differ}


def main(step: str, config: str, *rest: str) -> None:
    """Run one step and print what it told."""
    configuration = load_configuration(Path(config))
    nights = [date.fromisoformat(text) for text in rest if text.count("-") == 2 and not text.startswith("-")]
    told = {
        "take-in": lambda: take_in(configuration, *nights),
        "link": lambda: link(configuration, *nights, afresh="--afresh" in rest, verify="--verify" in rest),
        "publish": lambda: publish(configuration, *nights),
        "next-night": lambda: next_night(configuration, nights[0], nights[1], float(rest[2])),
        "compare": lambda: compare(configuration, *nights),
    }[step]()
    print(json.dumps(told, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
