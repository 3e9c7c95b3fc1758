"""What is delivered lands once and is never changed; what it is mapped to is the provider's description."""

import gzip
import hashlib
import io
import stat
import zipfile
from datetime import UTC, date, datetime

import pytest

from registry_pipeline.errors import BadInput, FeedFault
from registry_pipeline.extract.landing import at_night
from registry_pipeline.storage import read_json
from tests.extract.conftest import NIGHT

HEADER = "ID,SURNAME,DOB,PCODE\n"
GOOD = HEADER + "1,Ash,2001-01-01,A1 1AA\n2,Oak,,\n"


def versions(feed):
    return sorted(p.name for p in feed.home.landing("RX9", feed.feed, NIGHT).iterdir())


def test_the_manifest_says_what_was_delivered(delivering):
    feed = delivering(agreement={"reference": "DSA-0012"})
    feed.write("patients.csv", GOOD + "3,x\n")
    extracted = feed.extract()
    folder = feed.home.landing("RX9", "patient", NIGHT) / "v1"
    digest = hashlib.sha256((GOOD + "3,x\n").encode()).hexdigest()
    manifest = read_json(folder / "manifest.json")
    taken_at = datetime.fromisoformat(manifest.pop("taken_at"))
    assert abs((datetime.now(UTC) - taken_at).total_seconds()) < 60
    assert manifest == {
        "provider": "RX9",
        "feed": "patient",
        "night": "2026-04-01",
        "version": 1,
        "source": {"kind": "csv", "path": "drop/patients.csv"},
        "agreement": "DSA-0012",
        "files": [{"name": "patients.csv", "sha256": digest, "bytes": len(GOOD) + 4}],
        "bytes": len(GOOD) + 4,
        "rows": 2,
        "rows_unreadable": 1,
        "problem": None,
    }
    assert (extracted.delivery, extracted.sha256) == ("RX9/patient/2026-04-01/v1", {"patients.csv": digest})
    assert (folder / "patients.csv").read_bytes() == (GOOD + "3,x\n").encode()
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o400


def test_the_same_delivery_again_is_no_new_one(delivering):
    feed = delivering()
    feed.write("patients.csv", GOOD + "3,x\n")
    first = feed.extract()
    raw = feed.home.staged("raw_patient", "RX9", NIGHT)
    written = raw.stat().st_mtime_ns
    again = feed.extract()
    assert (first.already_landed, again.already_landed) == (False, True)
    assert raw.stat().st_mtime_ns == written
    assert (again.delivery, again.rows, again.unreadable, again.checks) == (
        first.delivery, first.rows, first.unreadable, first.checks)  # fmt: skip
    assert versions(feed) == ["v1"]


@pytest.mark.parametrize("lost", ["raw_patient", "unreadable_patient"])
def test_lost_tables_are_made_again_from_the_landing(delivering, lost):
    feed = delivering()
    path = feed.write("patients.csv", GOOD + "3,x\n")
    feed.extract()
    before = (feed.raw(), feed.unreadable())
    feed.home.staged(lost, "RX9", NIGHT).unlink()
    path.unlink()
    again = feed.extract()
    assert (feed.raw(), feed.unreadable()) == before
    assert again.already_landed
    check = next(c for c in again.checks if c.name == "source_at_hand")
    assert (check.passed, check.severity, check.observed) == (False, "warning", "missing")


def test_another_file_for_the_same_night_lands_beside_the_first(delivering):
    feed = delivering()
    feed.write("patients.csv", GOOD)
    feed.extract()
    feed.write("patients.csv", HEADER + "9,Elm,,\n")
    second = feed.extract()
    assert (second.delivery, second.already_landed) == ("RX9/patient/2026-04-01/v2", False)
    assert feed.raw("local_id, delivery") == [("9", "RX9/patient/2026-04-01/v2")]
    assert versions(feed) == ["v1", "v2"]
    assert (feed.home.landing("RX9", "patient", NIGHT) / "v1" / "patients.csv").read_bytes() == GOOD.encode()
    # The first content once more is the first delivery.
    feed.write("patients.csv", GOOD)
    assert feed.extract().delivery.endswith("v1")
    assert [row[0] for row in feed.raw("local_id")] == ["1", "2"]
    assert versions(feed) == ["v1", "v2"]


def test_a_changed_description_makes_the_tables_anew_from_the_same_delivery(delivering):
    feed = delivering()
    feed.write("patients.csv", GOOD)
    feed.extract()
    changed = delivering(columns={"local_id": "ID", "given_name": "SURNAME"})
    assert changed.extract().already_landed
    assert changed.raw("given_name, family_name") == [("Ash", None), ("Oak", None)]


def test_a_kill_before_the_end_leaves_what_a_second_run_mends(delivering, monkeypatch):
    feed = delivering()
    feed.write("patients.csv", GOOD + "3,x\n")
    with monkeypatch.context() as patched:
        patched.setattr(
            "registry_pipeline.extract.landing.write_manifest", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            feed.extract()
    assert versions(feed) == []
    again = feed.extract()
    assert (again.delivery, again.already_landed, again.rows) == ("RX9/patient/2026-04-01/v1", False, 2)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("a_{night}.csv", "a_2026-04-01.csv"),
        ("{night:%Y%m%d}/x{night:%d}.csv", "20260401/x01.csv"),
        ("select '{}'::json where d = '{night}'", "select '{}'::json where d = '2026-04-01'"),
    ],
)
def test_the_night_in_paths_and_queries(template, expected):
    assert at_night(template, date(2026, 4, 1)) == expected


def test_several_files_in_name_order_each_with_its_own_header(delivering):
    feed = delivering(path="drop/{night:%Y%m%d}/*.csv")
    feed.write("20260401/b.csv", "PCODE,DOB,SURNAME,ID\nB1,x,Elm,3\n")
    feed.write("20260401/a.csv", HEADER + '1,"A\nsh",x,A1\n2,bad\n')
    feed.write("20260402/c.csv", HEADER + "4,No,x,y\n")
    feed.extract()
    assert feed.raw("source_row, source_file, source_line, local_id, family_name, postcode") == [
        (1, "a.csv", 2, "1", "A\nsh", "A1"),
        (3, "b.csv", 2, "3", "Elm", "B1"),
    ]
    assert feed.unreadable("source_row, source_file, source_line") == [(2, "a.csv", 4)]


def test_one_bad_file_of_several_refuses_the_delivery(delivering):
    feed = delivering(path="drop/*.csv")
    feed.write("a.csv", GOOD)
    feed.write("b.csv", "ID,SURNAME,DOB\n1,x,y\n")
    with pytest.raises(FeedFault, match=r"file b\.csv, line 1: the agreed column PCODE is missing"):
        feed.extract()
    assert feed.raw() == []


def test_gzip_and_zip(delivering):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("out/Patient_2.csv", HEADER + "2,Oak,,\n")
        archive.writestr("out/Patient_1.csv", HEADER + "1,Ash,,\n")
        archive.writestr("out/Other.csv", "nothing,of,ours\n")
    feed = delivering(path="drop/all.*", source={"member": "Patient_*.csv"})
    feed.write("all.zip", held.getvalue())
    feed.extract()
    assert feed.raw("local_id, source_file, source_line") == [
        ("1", "out/Patient_1.csv", 2), ("2", "out/Patient_2.csv", 2)]  # fmt: skip
    assert (
        read_json(feed.home.landing("RX9", "patient", NIGHT) / "v1" / "manifest.json")["files"][0]["name"] == "all.zip"
    )

    feed = delivering(path="drop/patients.csv.gz")
    feed.write("patients.csv.gz", gzip.compress(HEADER.encode()) + gzip.compress(b"1,Ash,,\n"))
    feed.extract()
    assert feed.raw("local_id, source_file, source_line") == [("1", "patients.csv", 2)]

    feed = delivering(path="drop/all.zip", source={"member": "Nobody*"})
    with pytest.raises(FeedFault, match=r"file all\.zip: the zip file holds no member that matches 'Nobody\*'"):
        feed.extract()


def test_columns_from_several_and_rows_of_one_feed(delivering):
    feed = delivering(
        columns={"local_id": "ID", "address": {"from": ["LINE1", "LINE2", "TOWN"], "separator": ", "}},
        only={"EVENT": ["Assessment", "Review"], "TEST": "N"},
        distinct=True,
    )
    feed.write(
        "patients.csv",
        "ID,LINE1,LINE2,TOWN,EVENT,TEST\n1,1 High St,,Town,Service,N\n1,1 High St,,Town,Review,N\n2,,,,Assessment,N\n"
        "1,1 High St,,Town,Assessment,N\n3,,,,Assessment,Y\n1,1 High St,,City,Assessment,N\n",
    )
    extracted = feed.extract()
    assert feed.raw("source_row, source_line, local_id, address") == [
        (2, 3, "1", "1 High St, Town"),
        (3, 4, "2", None),
        (6, 7, "1", "1 High St, City"),
    ]
    assert extracted.rows == 3
    assert extracted.checks[0].passed


def test_without_a_mapping_the_names_are_the_canonical_ones(delivering):
    feed = delivering(columns={})
    feed.write("patients.csv", "postcode,local_id,nhs number\nA1,1,x\n")
    extracted = feed.extract()
    assert feed.raw("local_id, postcode, nhs_number") == [("1", "A1", None)]
    assert extracted.checks[0].observed == "1 extra: nhs number"
    feed.write("patients.csv", "postcode,localid\nA1,1\n")
    with pytest.raises(FeedFault, match="none of the 1 agreed columns \\(local_id\\)"):
        feed.extract()


def test_two_files_of_one_name_are_a_mistake_in_the_path(delivering):
    feed = delivering(path="drop/**/*.csv")
    feed.write("a/x.csv", GOOD)
    feed.write("b/x.csv", GOOD)
    with pytest.raises(BadInput, match=r"finds two files named x\.csv: narrow the path"):
        feed.extract()


def test_a_file_still_being_written(delivering, monkeypatch):
    feed = delivering()
    path = feed.write("patients.csv", GOOD)
    real = hashlib.sha256

    class Growing:
        def __init__(self):
            self.digest = real()

        def update(self, chunk):
            self.digest.update(chunk)
            if path.stat().st_size < 1000:
                path.write_bytes(path.read_bytes() + b"x" * 1000)

    monkeypatch.setattr("registry_pipeline.extract.landing.hashlib.sha256", Growing)
    with pytest.raises(FeedFault, match=r"file patients\.csv: the file is still being written: let") as caught:
        feed.extract()
    assert caught.value.retryable
    assert not list(feed.home.landing("RX9", "patient", NIGHT).iterdir())
