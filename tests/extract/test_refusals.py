"""Deliveries that cannot be taken: one sentence that says what, where and what to do; nothing is left half-written."""

import gzip
import io
import zipfile

import pytest

from registry_pipeline import storage
from registry_pipeline.errors import BadInput, FeedFault, RunFailed
from registry_pipeline.extract import check_columns

HEADER = "ID,SURNAME,DOB,PCODE\n"
GOOD = HEADER + "1,Ash,2001-01-01,A1 1AA\n2,Oak,,\n"
SECRET = "Quercus"  # a value of a row: no message may hold it


def zipped(**files: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return held.getvalue()


def with_broken_middle(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 255] * 8) + data[middle + 8 :]


LONG = HEADER + "".join(f"{n},{SECRET}{n * 7919 % 1000},x,y\n" for n in range(5000))


@pytest.mark.parametrize(
    ("name", "file", "content", "kind", "message"),
    [
        ("no file", None, b"", "missing",
         r"^RX9, feed patient: no file .*/drop/patients\.csv was delivered for 2026-04-01: ask the provider for it\.$"),
        ("empty", "patients.csv", b"", "unreadable",
         r"^RX9, feed patient, file patients\.csv: the file is empty, without even a header line: ask for it to be sent again\.$"),
        ("empty lines only", "patients.csv", b"\n\n", "unreadable", "the file is empty, without even a header line"),
        ("truncated gzip", "patients.csv", gzip.compress(LONG.encode())[:-400], "unreadable",
         r"file patients\.csv: the compressed file ends too early \(it was cut short\): ask for it to be sent again\.$"),
        ("broken gzip", "patients.csv", with_broken_middle(gzip.compress(LONG.encode())), "unreadable",
         "file patients.csv: the compressed file (is broken|ends too early)"),
        ("gzip by name only", "patients.csv.gz", GOOD.encode(), "unreadable", "this is not a gz file"),
        ("truncated zip", "patients.csv", zipped(a__csv=LONG)[:-300], "unreadable",
         "file patients.csv: the zip file is broken or cut short: ask for it to be sent again"),
        ("broken zip member", "patients.csv", with_broken_middle(zipped(a__csv=LONG)), "unreadable",
         "file a.csv: the compressed file (is broken|ends too early)"),
        ("empty zip", "patients.csv", zipped(), "missing", "the zip file holds no member"),
        ("bytes that are not UTF-8", "patients.csv", (HEADER + f"1,{SECRET},a,b\n2,Zoë,a,b\n").encode("cp1252"),
         "unreadable", r"line 3: there are bytes that are not utf-8: set the right `encoding` \(it may be cp1252\)\.$"),
        ("UTF-16 said to be UTF-8", "patients.csv", GOOD.encode("utf-16"), "unreadable",
         "line 1: its byte order mark says utf-16, not utf-8: set `encoding: utf-16`"),
        ("a missing column", "patients.csv", b"ID,SURNAME,DOB\n1,Quercus,a\n", "columns",
         (r"^RX9, feed patient, file patients\.csv, line 1: the agreed column PCODE is missing: ask for it to be delivered"
         r" as before, or correct `columns`\.$")),
        ("a renamed column", "patients.csv", b"ID,SURNAME,DOB,P_CODE\n1,Quercus,a,b\n", "columns",
         r"the agreed column PCODE is missing \(the nearest that is there is P_CODE: renamed\?\): ask"),
        ("two missing columns", "patients.csv", b"ID,SURNAME\n1,Quercus\n", "columns",
         r"the agreed column DOB is missing, and 1 more \(PCODE\)"),
        ("no header line", "patients.csv", b"1,Quercus,a,b\n2,Oak,a,b\n", "columns",
         r"line 1: none of the 4 agreed columns \(ID, SURNAME, DOB, PCODE\) is in the first line: ask for the file with its header"),
        ("another delimiter", "patients.csv", GOOD.replace(",", "|").encode(), "columns",
         "is in the first line \\(it holds one column only: see `delimiter`\\)"),
        ("two columns of one name", "patients.csv", b"ID,SURNAME,SURNAME,DOB,PCODE\n1,Quercus,b,c,d\n", "columns",
         "line 1: two columns are named SURNAME, so it cannot be known which is meant"),
        ("no row can be read", "patients.csv", (HEADER + f"1,{SECRET}\n2,Oak\n").encode(), "unreadable",
         r"line 2: no row can be read \(the first: too_few_fields\)"),
        ("a quote that opens in the header", "patients.csv", b'ID,"SURNAME,DOB,PCODE\n1,Quercus,a,b\n', "unreadable",
         "the header line cannot be read"),
    ],
)  # fmt: skip
def test_a_delivery_that_cannot_be_read(delivering, caplog, name, file, content, kind, message):
    feed = delivering(path="drop/" + (file or "patients.csv"))
    if file:
        feed.write(file, content)
    with pytest.raises(FeedFault, match=message) as caught:
        feed.extract()
    assert caught.value.kind == kind
    assert not caught.value.retryable
    assert SECRET not in str(caught.value) + caplog.text
    assert str(caught.value).count(". ") == 0
    assert feed.raw() == feed.unreadable() == feed.left_over() == []
    # What was sent is kept as evidence, with what was wrong; sent again, it is refused again and not landed again.
    versions = sorted(p.name for p in feed.home.landing("RX9", "patient", feed_night()).glob("v*"))
    assert versions == (["v1"] if file else [])
    if file:
        manifest = storage.read_json(feed.home.landing("RX9", "patient", feed_night()) / "v1" / "manifest.json")
        assert (manifest["rows"], manifest["problem"]) == (None, str(caught.value))
        with pytest.raises(FeedFault, match=message):
            feed.extract()
        assert len(list(feed.home.landing("RX9", "patient", feed_night()).glob("v*"))) == 1


def feed_night():
    from tests.extract.conftest import NIGHT

    return NIGHT


def test_utf8_said_to_be_cp1252_is_seen_by_its_letters(delivering):
    feed = delivering(source={"encoding": "cp1252"})
    feed.write("patients.csv", HEADER + "1,Zoë,a,b\n")
    with pytest.raises(
        FeedFault, match="its letters beyond ASCII are UTF-8, not cp1252: set `encoding: utf-8`"
    ) as caught:
        feed.extract()
    assert caught.value.kind == "unreadable"
    feed.write("patients.csv", b"\xef\xbb\xbf" + GOOD.encode())
    with pytest.raises(FeedFault, match="its byte order mark says utf-8, not cp1252"):
        feed.extract()


def test_a_byte_that_the_encoding_does_not_have(delivering):
    feed = delivering(source={"encoding": "cp1252"})
    feed.write("patients.csv", HEADER.encode() + b"1,Ash,a,b\n2,\x81,a,b\n")
    with pytest.raises(FeedFault, match=r"line 3: there are bytes that are not cp1252"):
        feed.extract()


def test_after_a_refusal_the_tables_of_an_earlier_delivery_do_not_stand_in(delivering):
    feed = delivering()
    feed.write("patients.csv", GOOD)
    feed.extract()
    feed.write("patients.csv", "")
    with pytest.raises(FeedFault):
        feed.extract()
    assert feed.raw() == []


def test_an_extra_column_is_a_warning_that_names_it(delivering):
    feed = delivering()
    feed.write("patients.csv", "ID,SURNAME,DOB,SHOE,PCODE\n1,Quercus,a,44,b\n")
    extracted = feed.extract()
    check = next(c for c in extracted.checks if c.name == "columns_as_agreed")
    assert (check.passed, check.severity, check.observed) == (False, "warning", "1 extra: SHOE")
    assert feed.raw("local_id, family_name, postcode, given_name") == [("1", "Quercus", "b", None)]


def test_a_column_that_another_feed_takes_from_the_same_file_is_no_extra_one(delivering):
    feed = delivering()
    feeds = feed.provider.feeds
    source = feeds["patient"].source.model_dump()
    shared = {
        "carer": {"source": source, "columns": {"event_id": "EVENT", "local_id": "ID"}, "only": {"TYPE": "Carer"}}
    }
    feed.provider = type(feed.provider).model_validate(
        {**feed.provider.model_dump(by_alias=True, exclude={"feeds"}), "feeds": {**feeds, **shared}}
    )
    feed.write("patients.csv", "ID,SURNAME,DOB,SHOE,PCODE,EVENT,TYPE\n1,Quercus,a,44,b,c,d\n")
    assert feed.extract().checks[0].observed == "1 extra: SHOE"


@pytest.mark.parametrize(
    ("agreement", "in_force"),
    [
        ({"reference": "DSA-1", "ends": "2026-03-31"}, False),
        ({"reference": "DSA-1", "starts": "2026-04-02"}, False),
        ({"reference": "DSA-1", "starts": "2026-04-01", "ends": "2026-04-01"}, True),
    ],
)
def test_an_agreement_that_is_not_in_force(delivering, agreement, in_force):
    feed = delivering(agreement=agreement)
    feed.write("patients.csv", GOOD)
    if in_force:
        assert feed.extract().rows == 2
        return
    with pytest.raises(FeedFault, match="agreement DSA-1 is not in force on 2026-04-01, so nothing was read") as caught:
        feed.extract()
    assert caught.value.kind == "agreement"
    assert not feed.home.root.exists()


def test_a_file_that_may_not_be_read(delivering, monkeypatch):
    feed = delivering()
    path = feed.write("patients.csv", GOOD)
    path.chmod(0)
    # The superuser, as whom continuous integration often runs, may read anything.
    opened = type(path).open

    def refuse(self, *args, **kwargs):
        if self == path:
            raise PermissionError(13, "Permission denied")
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(
        FeedFault, match=r"file patients\.csv: the file may not be read \(permission denied\)"
    ) as caught:
        feed.extract()
    assert (caught.value.kind, caught.value.retryable) == ("unreachable", False)
    assert feed.left_over() == []


def test_a_full_disk(delivering, monkeypatch):
    feed = delivering()
    feed.write("patients.csv", GOOD)
    opened = type(feed.folder).open

    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    def full(self, mode="r", *args, **kwargs):
        return Full() if "w" in mode and "landing" in str(self) else opened(self, mode, *args, **kwargs)

    monkeypatch.setattr(type(feed.folder), "open", full)
    with pytest.raises(RunFailed, match=r"The disk that holds .* is full: free space and run again"):
        feed.extract()
    assert feed.left_over() == []
    assert feed.raw() == []


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"local_id": "ID", "famly_name": "X"}, r"feeds\.patient\.columns: the feed patient has no column 'famly_name'; did you mean 'family_name'\?"),
        ({"local_id": "ID", "zzzz": "X"}, "has no column 'zzzz'; it has local_id, nhs_number"),
        ({"family_name": "X"}, "'local_id' is not mapped"),
    ],
)  # fmt: skip
def test_a_typo_in_the_mapping_names_the_nearest_column(delivering, columns, message):
    feed = delivering(columns=columns)
    for check in (lambda: check_columns(feed.provider, "patient"), feed.extract):
        with pytest.raises(BadInput, match=message):
            check()
