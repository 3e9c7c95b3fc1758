"""What `registry explain` tells of a person: every question of a steward, answered from keys, weights and rules alone."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from pathlib import Path

import pytest

from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.explain import MOST_NEIGHBOURS, Explained, explain_patient
from registry_pipeline.link import overrides
from registry_pipeline.link.cluster import REASONS
from registry_pipeline.link.model import COMPARISONS
from registry_pipeline.storage import Home, swap_symlink, write_json, write_table
from registry_pipeline.tables import TABLES
from tests.registry.conftest import CareSystem, write_rows

NIGHT = date(2026, 4, 3)
LIVING, JOINED, RETIRED, OTHER = (str(uuid.UUID(int=n)) for n in range(1, 5))
LEVELS = {each.name: {level.name: each.gamma(level.name) for level in each.levels} for each in COMPARISONS}


def pair(
    left: str, right: str, weight: float, decided_by: str = "match_weight", outcome: str = "match", **more
) -> dict:
    return {
        "record_id_l": left, "record_id_r": right, "decided_by": decided_by, "outcome": outcome, "match_weight": weight,
        "judged_by": decided_by, "judged_outcome": outcome, "override_id": None, **more,
    }  # fmt: skip


def write_pairs(path: Path, pairs: list[dict]) -> None:
    """Scored pairs, all alike field by field: one name, two birth dates, no telephone."""
    import duckdb
    import pyarrow as pa

    columns = [c.name for c in TABLES["linked_pair"].columns]
    said = {"given_name": (LEVELS["given_name"]["same"], 9.5), "birth_date": (LEVELS["birth_date"]["different"], -2.5),
            "phone": (-1, 0.0)}  # fmt: skip
    level, weight = ({name: said[name][n] if name in said else None for name in LEVELS} for n in (0, 1))
    made = {name: "NULL" for name in columns if name not in pairs[0]} | {
        "comparison_levels": str(level).replace("None", "NULL"),
        "comparison_weights": str(weight).replace("None", "NULL"),
    }
    with duckdb.connect() as connection:
        connection.register("given", pa.Table.from_pylist(pairs))
        more = ", ".join(f"{expression} AS {name}" for name, expression in made.items())
        write_table(connection, f"SELECT *, {more} FROM given", TABLES["linked_pair"], path)


@pytest.fixture
def care(tmp_path: Path) -> CareSystem:
    """A registry of two people, of an id that was joined into one of them, and of one that is retired."""
    care = CareSystem(Home(tmp_path / "home"))
    folder = care.home.snapshot(f"{NIGHT}.1")
    records = {"GP1:1": LIVING, "RX1:1": LIVING, "LA1:1": LIVING, "GP2:9": OTHER}
    others = {f"GP2:{n}": OTHER for n in range(10, 30)}
    events = [(each, "created", NIGHT - timedelta(2), None) for each in (LIVING, JOINED, RETIRED, OTHER)]
    events += [(JOINED, "joined", NIGHT - timedelta(1), LIVING), (RETIRED, "retired", NIGHT, None)]
    write_rows(
        "patient_record",
        folder / "patient_record.parquet",
        [{"patient_id": p, "record_id": r, "link_method": "match_weight"} for r, p in {**records, **others}.items()],
    )
    write_rows(
        "identity_event",
        folder / "identity_event.parquet",
        [{"patient_id": p, "event_type": e, "night": n, "other_patient_id": o} for p, e, n, o in events],
    )
    write_rows("patient", folder / "patient.parquet", [{"patient_id": LIVING}])
    write_rows("former_record", folder / "former_record.parquet", [{"record_id": "GP1:7", "patient_id": RETIRED}])
    moved = {"record_id": "RX1:1", "night": NIGHT - timedelta(1), "from_patient_id": JOINED, "to_patient_id": LIVING}
    write_rows("moved_record", folder / "moved_record.parquet", [moved])
    attention = {
        "attention_id": "x", "reason": "two_deaths", "record_ids": ["GP1:1", "GP2:9"], "patient_ids": [LIVING, OTHER],
        "decided_by": "two_deaths", "match_weight": 12.0, "override_ids": [], "first_night": NIGHT,
    }  # fmt: skip
    write_rows("needs_attention", folder / "needs_attention.parquet", [attention])
    pairs = [
        pair("GP1:1", "RX1:1", 20.0),
        pair("GP1:1", "LA1:1", 11.0, "must_link", judged_by="different_birth_date", judged_outcome="possible_match", override_id=3),
        pair("GP1:1", "GP2:9", 12.0, "two_deaths", "no_match", judged_by="match_weight", judged_outcome="match"),
        *(pair(record, "LA1:1", 1.0, outcome="possible_match") for record in sorted(others)),
    ]  # fmt: skip
    write_pairs(care.home.linked("linked_pair", NIGHT), pairs)
    cut = [{"record_id": r, "is_conflict_cut": r == "GP1:1"} for r in records]
    write_rows("person_cluster", care.home.linked("person_cluster", NIGHT), cut)
    code = {"version": "1", "commit": None}
    about = {"night": f"{NIGHT}", "snapshot_id": f"{NIGHT}.1", "model_version": "v9", "code": code}
    write_json(folder / "manifest.json", about)
    decided = [
        (3, "must_link", "GP1:1", "LA1:1"),
        (4, "must_link", "LA1:1", "RX1:1"),
        (5, "cannot_link", "GP2:9", "RX1:1"),
    ]
    write_rows(
        "override_pair",
        folder / "override_pair.parquet",
        [{"override_id": o, "kind": k, "record_id_l": left, "record_id_r": right} for o, k, left, right in decided],
    )
    write_json(folder / "published.json", {})
    swap_symlink(care.home.current, folder)
    care.models = tmp_path / "models"
    care.models.mkdir()
    write_json(
        care.models / "v9.json", {"comparisons": {name: dict.fromkeys(levels) for name, levels in LEVELS.items()}}
    )
    return care


def section(explained: Explained, title: str) -> list[tuple[str, ...]]:
    [rows] = [rows for name, _, rows in explained.sections if name.startswith(title)]
    return rows


def test_links_are_told_field_by_field_and_add_up(care):
    links = section(explain_patient(care.configuration, LIVING), "Links")

    assert links[1] == (
        "GP1:1", "RX1:1", "match_weight", "match", "", "20.00",
        "given_name same +9.5, birth_date different -2.5, prior +13.0",
    )  # fmt: skip
    assert links[2][2:6] == ("must_link override 3", "match", "possible_match: different_birth_date", "11.00")


@pytest.mark.parametrize(
    ("flagged", "links", "near"), [(None, True, True), (OTHER, True, False), (LIVING, False, False)]
)
def test_how_somebody_flagged_sensitive_agrees_with_others_is_not_told(care, flagged, links, near):
    people = [{"patient_id": p, "is_sensitive": p == flagged} for p in (LIVING, OTHER)]
    write_rows("patient", care.home.current.resolve() / "patient.parquet", people)

    explained = explain_patient(care.configuration, LIVING)

    told = [row[-1] for title in ("Links", "Nearest") for row in section(explained, title)]
    by_field = [[row for row in section(explained, title) if "birth_date" in row[-1]] for title in ("Links", "Nearest")]
    assert (len(by_field[0]) > 0, len(by_field[1]) > 0) == (links, near)
    assert ("withheld: somebody is flagged sensitive" in told) == (flagged is not None)


def test_what_an_override_decided_is_told_also_where_nothing_was_compared(care):
    explained = explain_patient(care.configuration, LIVING)
    not_compared = ("not compared", "", "")

    assert section(explained, "Links")[0] == ("LA1:1", "RX1:1", "must_link override 4", "match", *not_compared)
    apart = section(explain_patient(care.configuration, OTHER), "Nearest")[0]
    assert apart == ("GP2:9", "RX1:1", LIVING, "cannot_link override 5", "no_match", *not_compared)


def test_the_nearest_others_are_told_with_what_kept_them_apart(care):
    explained = explain_patient(care.configuration, LIVING)
    near = section(explained, "Nearest")

    assert near[1][:6] == ("GP1:1", "GP2:9", OTHER, "two_deaths", "no_match", "match: match_weight")
    assert len(near) == 1 + MOST_NEIGHBOURS, "what an override alone decided comes before"
    assert f"Nearest records of others, {1 + MOST_NEIGHBOURS} of 22" in [title for title, *_ in explained.sections]


def test_overrides_are_told_with_who_when_why_and_whether_they_hold(care):
    write_rows("person_record", care.home.staged("person_record", "GP1", NIGHT), [])
    care.deliver(NIGHT, [])
    ask = {"who": "Dr Example", "why": "[seen] in clinic"}
    for kind, left, right in (
        ("must-link", "GP1:1", "RX1:1"),
        ("cannot-link", OTHER, LIVING),
        ("must-link", "GP2:9", "GP2:10"),
    ):
        overrides.add(care.configuration, overrides.Asked(kind=kind, left=left, right=right, role="GP", **ask))
    overrides.undo(care.configuration, 2, who="IG lead", why="mistaken")

    rows = section(explain_patient(care.configuration, LIVING), "Overrides")

    assert [row[0] for row in rows] == ["1", "2"], "the third one speaks of somebody else"
    assert rows[0][1:4] == ("must_link", "GP1:1", "RX1:1")
    assert rows[0][4].startswith("Dr Example (GP) on 20")
    assert rows[0][4].endswith(" UTC: [seen] in clinic")
    assert rows[0][5] == "in force"
    assert rows[1][5].startswith("undone by IG lead on 20")


def test_what_waits_what_was_cut_and_what_moved_is_told(care):
    explained = explain_patient(care.configuration, LIVING)

    assert section(explained, "Waiting") == [
        ("two_deaths", "GP1:1 GP2:9", "two_deaths", "12.0", f"{NIGHT}", REASONS["two_deaths"])
    ]
    assert [row[5] for row in section(explained, "Records") if row[0] == "GP1:1"] == ["a link of it was cut"]
    assert section(explained, "Moves") == [(f"{NIGHT - timedelta(1)}", "RX1:1", JOINED, LIVING)]
    assert [row[1] for row in section(explained, "History")] == ["created", "joined"]


@pytest.mark.parametrize(
    ("asked", "headline"),
    [
        (LIVING.upper(), f"{LIVING}: snapshot 2026-04-03.1, model v9, code 1"),
        (JOINED, f"{JOINED} was joined into {LIVING}: "),
        (RETIRED, f"{RETIRED}, which is retired: no record is left: "),
        (" RX1:1", f"RX1:1 is a record of {LIVING}: "),
        ("GP1:7", f"GP1:7 left; it was a record of {RETIRED}: "),
    ],
)
def test_every_id_and_every_record_leads_to_its_person(care, asked, headline):
    assert explain_patient(care.configuration, asked).headline.startswith(headline)


def test_a_retired_id_is_told_by_the_records_that_left(care):
    assert section(explain_patient(care.configuration, RETIRED), "Records")[0][0] == "GP1:7"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("9434765919", "That is not a patient_id"),
        ("Smith: Ann", "neither a patient_id nor a record key"),
        ("GP1:404", "never held a record GP1:404"),
        (str(uuid.UUID(int=99)), "never gave out the patient_id"),
    ],
)
def test_what_is_nobody_is_refused_without_being_repeated(care, asked, said):
    with pytest.raises(BadInput, match=said) as told:
        explain_patient(care.configuration, asked)
    assert "9434765919" not in str(told.value)
    assert "Smith" not in str(told.value)


def test_a_linkage_of_before_this_version_is_read_and_one_that_is_gone_is_named(care):
    import duckdb

    file = care.home.linked("linked_pair", NIGHT)
    older = file.with_name("older.parquet")
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT * EXCLUDE (judged_by, judged_outcome, override_id)"
            " REPLACE (map(['sex'], [1]) AS comparison_levels, map(['sex'], [0.5::FLOAT]) AS comparison_weights)"
            f" FROM '{file}') TO '{older}' (FORMAT parquet)"
        )
    older.replace(file)
    assert section(explain_patient(care.configuration, LIVING), "Links")[1][4:] == (
        "",
        "20.00",
        "sex same +0.5, prior +19.5",
    )
    (care.models / "v9.json").unlink()
    assert section(explain_patient(care.configuration, LIVING), "Links")[1][6] == "sex level 1 +0.5, prior +19.5"
    file.unlink()
    with pytest.raises(RunFailed, match=r"linked_pair\.parquet is gone"):
        explain_patient(care.configuration, LIVING)
