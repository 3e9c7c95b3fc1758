import csv
import hashlib
import itertools
from collections import Counter
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from registry_pipeline.config import REPOSITORY, Column, FhirNdjsonSource, load_configuration
from registry_pipeline.errors import BadInput
from registry_pipeline.govern import postcodes, pseudonyms
from registry_pipeline.govern.objections import TYPE_1_DISSENT, TYPE_1_WITHDRAWN
from registry_pipeline.storage import Home, connect
from registry_pipeline.synthetic import clinical, delivery, identifiers, recording, synthesise, system
from registry_pipeline.synthetic.randomness import stream
from tests.synthetic.reading import column, path_of, rows_of, text_of

FIRST = date(2026, 4, 1)
NIGHTS = [FIRST + timedelta(days=n) for n in range(3)]


def feeds_of(configuration):
    return [(code, name, feed) for code, p in configuration.providers.items() for name, feed in p.feeds.items()]


def test_nine_providers_of_five_settings_and_every_feed(configuration):
    assert len(configuration.providers) == 9
    assert len({p.setting for p in configuration.providers.values()}) == 5
    named = {name for _, name, _ in feeds_of(configuration)}
    assert named == {
        "patient", "spell", "attendance", "contact", "referral", "medication", "condition", "care_plan", "service",
        "carer", "observation", "nhs_number_replacement",
    }  # fmt: skip


def test_the_repositorys_own_configuration_is_what_a_system_gets(configuration):
    ours = load_configuration(REPOSITORY / "dagster_home")
    assert ours.providers == configuration.providers
    assert ours.deployment.synthetic_nhs_numbers
    assert configuration.sources == configuration.directory / "."
    assert configuration.deployment.made_up_replica.as_posix() == "replica"


def test_practices_that_lie_beside_each_other_are_a_neighbourhood(configuration, made):
    teams = configuration.deployment.neighbourhoods
    there = pq.read_table(made.out / "truth" / "person.parquet")["gp_practice"].unique().drop_null().to_pylist()
    assert sorted(code for practices in teams.values() for code in practices) == sorted(there)
    assert [len(practices) for practices in teams.values()] == [4, 4]
    assert teams == load_configuration(REPOSITORY / "dagster_home").deployment.neighbourhoods


@pytest.mark.parametrize("practices", [8, 11, 111])
def test_a_larger_system_has_more_neighbourhoods(tmp_path, practices):
    file = tmp_path / "registry.yaml"
    ours = (REPOSITORY / "dagster_home" / "registry.yaml").read_text()
    for before in (ours, ours.partition("neighbourhoods:")[0]):  # written anew, or for the first time
        file.write_text(before)
        codes = identifiers.practice_codes(practices).tolist()
        system.name_neighbourhoods(tmp_path, codes)
        written = YAML(typ="safe").load(file.read_text())
        assert [code for team in written["neighbourhoods"].values() for code in team] == codes
        assert max(map(len, written["neighbourhoods"].values())) == 4
        assert written["postcodes"] == {"path": "postcodes.csv"}
        assert "outputs" not in before.partition("neighbourhoods:")[2] or set(written["outputs"]) == {
            "risk_stratification", "audit",
        }  # fmt: skip


@pytest.mark.parametrize("code", ["GP1", "GP2", "GP3", "RX1", "RX2", "RY1", "RV1"])
def test_every_supplier_tells_observations_in_its_own_form(configuration, code):
    feed = configuration.provider(code).feeds["observation"]
    rows = [row for night in NIGHTS for row in rows_of(configuration, feed, night)]
    assert len(rows) > 5
    coded = {row[feed.columns["code"].source[0]] for row in rows}
    if code == "GP3":  # this supplier keeps every code among the observations
        assert coded >= {TYPE_1_DISSENT[0]}
        coded -= {TYPE_1_DISSENT[0], TYPE_1_WITHDRAWN[0]}
    assert coded <= {one.code for one in clinical.OBSERVED.values()} | {code for code, _ in clinical.BREATHLESSNESS}
    value, unit = (feed.columns[name].source[0] for name in ("value", "unit"))
    assert all(row[unit] for row in rows if row[value])


@pytest.mark.parametrize("night", NIGHTS)
def test_every_form_can_be_read_as_its_yaml_says(configuration, made, night):
    for code, name, feed in feeds_of(configuration):
        rows = rows_of(configuration, feed, night)
        if isinstance(feed.source, FhirNdjsonSource):
            assert all(row["resourceType"] == "Patient" for row in rows)
            continue
        if not rows:  # a small system has nights without a care plan
            assert night != FIRST
            continue
        mapped = {source for c in feed.columns.values() for source in c.source} | set(feed.only)
        assert mapped <= set(rows[0]), f"{code} {name}"
        if (not feed.only and name != "patient") or code != "LA1":
            assert set(rows[0]) == mapped, f"{code} {name} delivers a column that nobody agreed on"


def test_rows_are_counted_as_they_were_delivered(configuration, made):
    for code, name, feed in feeds_of(configuration):
        if code == "LA1":
            continue
        delivered = sum(len(rows_of(configuration, feed, night)) for night in NIGHTS)
        assert delivered == made.rows[code][name], f"{code} {name}"


def test_dates_have_the_agreed_form_but_for_a_few(configuration):
    for code, name, feed in feeds_of(configuration):
        for canonical, described in feed.columns.items():
            if described.format is None:
                continue
            cells = [row[described.source[0]] for row in rows_of(configuration, feed, FIRST)]
            bad = [cell for cell in cells if cell and not parses(cell, described.format)]
            assert len(bad) <= 0.004 * len(cells) + 2, f"{code} {name} {canonical}"
            assert not bad or name == "patient"


def parses(text, form):
    try:
        datetime.strptime(text, form)  # noqa: DTZ007  # only whether it parses
    except ValueError:
        return False
    return True


def test_forms_of_each_supplier(configuration):
    patient = {code: p.feeds["patient"] for code, p in configuration.providers.items()}
    tpp = text_of(configuration, patient["GP1"].source, FIRST)
    assert all(line.startswith('"') and line.endswith('"') for line in tpp.splitlines())
    trust = text_of(configuration, patient["RX1"].source, FIRST)
    assert '"' not in trust
    assert trust.splitlines()[0].count("|") == 22
    assert path_of(configuration, patient["GP2"].source, FIRST).suffix == ".zip"
    assert path_of(configuration, patient["GP3"].source, FIRST).suffix == ".gz"
    assert {c.name: str(c.type) for c in pq.read_schema(path_of(configuration, patient["RY1"].source, FIRST))}[
        "DateOfBirth"
    ] == "date32[day]"


def test_full_extracts_hold_every_record_and_the_delta_what_changed(configuration, made):
    truth = pq.read_table(made.out / "truth" / "person_record.parquet").to_pylist()
    alive = {
        (code, night): {
            r["local_id"] for r in truth if r["provider"] == code and r["first_night"] <= night <= r["last_night"]
        }
        for code in ("GP2", "GP3")
        for night in NIGHTS
    }
    for code, feed in ((c, configuration.providers[c].feeds["patient"]) for c in ("GP2", "GP3")):
        key, deleted = column(feed, "local_id"), column(feed, "deleted")
        held: set[str] = set()
        for night in NIGHTS:
            rows = [r for r in rows_of(configuration, feed, night) if r[key]]
            if code == "GP3":
                assert night == FIRST or len(rows) < 0.1 * len(alive[code, night])
                gone = {r[key] for r in rows if r[deleted] == "true"} - alive[code, night]
                held = (held | {r[key] for r in rows}) - gone
            else:
                held = {r[key] for r in rows}
            assert alive[code, night] - held <= few_without_id(alive[code, night], held)
            assert held <= alive[code, night]


def few_without_id(alive, held):
    """Rows whose local id a blemish took: a handful at most."""
    missing = alive - held
    return missing if len(missing) <= 3 else set()


@pytest.mark.parametrize("code", ["GP1", "RX1", "RY2"])
def test_about_one_record_in_a_hundred_changes_a_night(configuration, code):
    feed = configuration.providers[code].feeds["patient"]
    key = column(feed, "local_id")
    before, after = ({r[key]: r for r in rows_of(configuration, feed, night)} for night in NIGHTS[:2])
    both = before.keys() & after.keys()
    changed = sum(before[k] != after[k] for k in both)
    assert 0.003 < changed / len(both) < 0.025
    assert after.keys() - before.keys(), "nobody is new"


def test_some_local_ids_merge_into_others(configuration):
    feed = configuration.providers["RX1"].feeds["patient"]
    into = [
        {r["PATIENT_ID"]: r["MERGED_INTO"] for r in rows_of(configuration, feed, n) if r["MERGED_INTO"]} for n in NIGHTS
    ]
    assert not into[0]
    assert into[1]
    assert into[1].keys() <= into[2].keys()
    ids = {r["PATIENT_ID"] for r in rows_of(configuration, feed, NIGHTS[2])}
    assert set(into[2].values()) <= ids


def test_events_belong_to_known_people_and_ids_are_unique(configuration):
    for code, provider in configuration.providers.items():
        patient = provider.feeds["patient"]
        if isinstance(patient.source, FhirNdjsonSource):
            known = {row["id"] for row in rows_of(configuration, patient, FIRST)}
        else:
            known = {row[column(patient, "local_id")] for row in rows_of(configuration, patient, FIRST)}
        for name, feed in provider.feeds.items():
            if name in ("patient", "nhs_number_replacement"):
                continue
            rows = [r for r in rows_of(configuration, feed, FIRST) if all(r[k] in v for k, v in feed.only.items())]
            assert rows, f"{code} {name} has no event"
            ids = Counter(r[column(feed, "event_id")] for r in rows)
            assert ids.most_common(1)[0][1] == 1
            strangers = [r for r in rows if r[column(feed, "local_id")] not in known]
            assert len(strangers) <= 0.002 * len(rows) + 5, f"{code} {name}"


def test_later_nights_bring_a_usual_nights_events_and_corrections(configuration):
    feed = configuration.providers["GP2"].feeds["contact"]
    first, *later = (rows_of(configuration, feed, night) for night in NIGHTS)
    sent = {r["ConsultationGuid"] for r in first}
    for rows in later:
        assert 1 / 3000 < len(rows) / len(first) < 1 / 250
    again = [r for r in itertools.chain(*later) if r["ConsultationGuid"] in sent]
    assert again, "no correction of an earlier event"
    fresh = [r for r in later[0] if r["ConsultationGuid"] not in sent]
    assert {r["EffectiveDateTime"][:10] for r in fresh} == {"02/04/2026"}


def test_superseded_numbers_are_delivered_with_what_replaced_them(configuration, made):
    feed = configuration.providers["GP1"].feeds["nhs_number_replacement"]
    rows = rows_of(configuration, feed, FIRST)
    truth = pq.read_table(made.out / "truth" / "nhs_number.parquet").to_pylist()
    owner = {r["nhs_number"]: r["person_id"] for r in truth}
    assert rows
    assert all(owner[r["NHSNumberOld"]] == owner[r["NHSNumber"]] for r in rows)


def test_a_councils_file_repeats_the_person_on_each_event_and_leaves_nobody_out(configuration, made):
    feed = configuration.providers["LA1"].feeds["patient"]
    rows = rows_of(configuration, feed, FIRST)
    mapped = [source for c in feed.columns.values() for source in c.source]
    persons = {tuple(r[c] for c in mapped) for r in rows}
    assert len(persons) == len({r["LA_Person_Unique_Identifier"] for r in rows}) < len(rows)
    carers = [r for r in rows if r["Client_Type"] == "Carer"]
    assert carers
    assert all(r["Adult_Linked_Person_Identifier"] != r["LA_Person_Unique_Identifier"] for r in carers)


def digests(folder):
    """Of everything but the keys, which no seed gives."""
    return {
        str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in folder.rglob("*")
        if f.is_file() and f.parent.name != "keys"
    }


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path):
    for name, seed in (("one", 5), ("two", 5), ("other", 6)):
        synthesise(tmp_path / name, people=300, nights=2, seed=seed, history_months=1)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    other, one = digests(tmp_path / "other"), digests(tmp_path / "one")
    assert other.keys() == one.keys()
    assert sum(other[k] != one[k] for k in one) > 40


def test_without_a_history_the_first_night_is_a_usual_one(tmp_path, made):
    steps = []
    few = synthesise(
        tmp_path / "s", people=1000, nights=1, seed=1, history_months=0, progress=lambda _, share: steps.append(share)
    )
    assert few.rows["GP2"]["contact"] < 0.02 * made.rows["GP2"]["contact"]
    assert few.rows["GP2"]["patient"] > 300
    assert steps == sorted(steps)
    assert steps[-1] == 1.0


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"people": 5}, "5 people are too few for nine providers: give at least 100."),
        ({"nights": 0}, "0 nights cannot be made: give at least 1."),
        ({"history_months": -1}, "A history of -1 months cannot be made: give 0 or more."),
    ],
)
def test_figures_that_cannot_be(tmp_path, wrong, sentence):
    with pytest.raises(BadInput, match="^" + sentence.replace(".", r"\.")):
        synthesise(tmp_path / "x", **{"people": 200, "nights": 1, "seed": 1, **wrong})
    assert not (tmp_path / "x").exists()


def test_an_existing_system_is_not_overwritten(tmp_path):
    (tmp_path / "drop").mkdir()
    with pytest.raises(BadInput, match="already holds drop"):
        synthesise(tmp_path, people=200, nights=1, seed=1)


def test_an_earlier_made_up_system_can_be_replaced(tmp_path):
    keys = set()
    for people in (300, 200):
        again = synthesise(tmp_path, people=people, nights=1, seed=1, history_months=0, replace=True)
        keys.add((tmp_path / "keys" / "audit.key").read_text())
        assert pq.read_metadata(tmp_path / "truth" / "person.parquet").num_rows == again.truth["person"] == people
    assert len(keys) == 1, "outputs made with a key go on after the system was made anew"
    (tmp_path / "truth" / "person.parquet").unlink()
    with pytest.raises(BadInput, match="already holds truth"):
        synthesise(tmp_path, people=200, nights=1, seed=1, replace=True)


def test_a_run_that_ends_early_leaves_no_system_and_the_next_one_makes_it_whole(tmp_path):
    def give_up(what, share):
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesise(tmp_path, people=200, nights=1, seed=1, history_months=0, progress=give_up)
    assert [p.name for p in tmp_path.iterdir()] == [".unfinished"]
    synthesise(tmp_path, people=200, nights=1, seed=1, history_months=0)
    parts = ["drop", "keys", "mesh", "postcodes.csv", "providers", "registry.yaml", "replica", "truth"]
    assert sorted(p.name for p in tmp_path.iterdir()) == parts


def test_a_system_comes_with_keys_for_its_outputs_and_a_list_of_its_postcodes(tmp_path):
    synthesise(tmp_path, people=500, nights=1, seed=1, history_months=0)
    configuration = load_configuration(tmp_path, home=tmp_path / "home")
    keys = {p: pseudonyms.key_for(configuration, p).fingerprint for p in configuration.deployment.outputs}
    assert len(set(keys.values())) == len(keys) == 2
    with connect(Home(tmp_path / "home"), macros=False) as connection:
        assert postcodes.name_areas(connection, configuration)
        truth = pq.read_table(tmp_path / "truth" / "person.parquet")
        lived_in = dict(zip(truth["postcode"].to_pylist(), truth["deprivation_decile"].to_pylist(), strict=True))
        listed = dict(connection.execute("SELECT postcode, deprivation_decile FROM postcode_area").fetchall())
        mixed = connection.execute(
            "SELECT lsoa FROM postcode_area GROUP BY lsoa HAVING count(DISTINCT deprivation_decile) > 1"
        ).fetchall()
    assert lived_in.items() <= listed.items()
    assert set(listed.values()) == set(range(1, 11))
    assert mixed == []


def test_blemishes_come_at_their_rates_and_on_the_same_rows_every_night(configuration):
    feed = configuration.providers["RX1"].feeds["patient"]
    size = 200_000
    ids = recording.local_ids("RX1", 0, size, stream(1))
    plain = {source: pa.array(["x"] * size) for c in feed.columns.values() for source in c.source}
    rows = pa.table({**plain, "PATIENT_ID": ids})
    once = delivery.blemished(rows, feed, 7, recording.BLEMISHES)
    assert once.equals(delivery.blemished(rows, feed, 7, recording.BLEMISHES))
    born = Counter(once["DOB"].to_pylist())
    for count, rate in (
        (once["PATIENT_ID"].null_count, recording.MISSING_LOCAL_ID),
        (len(once) - size, recording.REPEATED_ROW),
        (size - born["x"] + (len(once) - size), recording.UNREADABLE_DATE),
        (Counter(once["SEX"].to_pylist())["see notes"], recording.TEXT_IN_CODE),
    ):
        assert rate * size * 0.6 < count < rate * size * 1.5


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1 High Street, Newton", ["1 High Street", "Newton", None]),
        ("Rose Cottage, High Street, Newton", ["Rose Cottage", "High Street", "Newton"]),
        ("A, B, C, D", ["A", "B", "C, D"]),
        ("No fixed abode", ["No fixed abode", None, None]),
        (None, [None, None, None]),
    ],
)
def test_an_address_over_three_columns_can_be_put_together_again(text, parts):
    described = Column.model_validate({"from": ["a", "b", "c"], "separator": ", "})
    made = [c.to_pylist()[0] for c in delivery._parts(pa.array([text], pa.string()), described)]
    assert made == parts
    assert ", ".join(p for p in made if p) == (text or "")


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (pa.array([date(2011, 9, 29)]), "%d %b %Y", "29 Sep 2011"),
        (pa.array([date(2011, 9, 29)]), None, "2011-09-29"),
        (pa.array([datetime(2011, 9, 29, 14, 53)], pa.timestamp("s")), "%d/%m/%Y %H:%M", "29/09/2011 14:53"),  # noqa: DTZ001  # delivered times have no zone
        (pa.array([datetime(2011, 9, 29, 14, 53)], pa.timestamp("s")), None, "2011-09-29 14:53:00"),  # noqa: DTZ001  # delivered times have no zone
        (pa.array([True]), None, "true"),
        (pa.array([None], pa.date32()), "%d %b %Y", None),
        (pa.array([None], pa.timestamp("s")), None, None),
    ],
)
def test_values_as_text(value, form, text):
    assert delivery.as_text(value, form).to_pylist() == [text]


def test_some_people_said_no_and_some_events_are_withheld_and_nothing_else_changes_by_them(tmp_path):
    synthesise(tmp_path, people=1500, nights=1, seed=1, history_months=12)
    configuration = load_configuration(tmp_path, home=tmp_path / "home")
    with (tmp_path / "drop" / "gp1" / "2026-04-01" / "SRCode.csv").open(encoding="cp1252") as file:
        codes = [row["SNOMEDCode"] for row in csv.DictReader(file)]
    with (tmp_path / "drop" / "rx1" / "ecds_2026-04-01.txt").open(encoding="cp1252") as file:
        attendances = list(csv.DictReader(file, delimiter="|"))
    withheld = [row for row in attendances if row["WITHHELD_REASON"]]

    assert 5 < codes.count(TYPE_1_DISSENT[0]) < 60
    assert codes.count(TYPE_1_WITHDRAWN[0]) < codes.count(TYPE_1_DISSENT[0])
    assert 0 < len(withheld) <= max(1, len(attendances) // 100)
    assert all(row["PATIENT_ID"] == "" for row in withheld)
    mesh = configuration.deployment.national_opt_out
    assert all((configuration.directory / folder).is_dir() for folder in (mesh.outbox, mesh.inbox))
