"""Rows of forgotten people leave delivered files of every form; every other byte stays."""

from __future__ import annotations

import gzip
import zipfile
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry_pipeline.config import Configuration, Deployment, Provider
from registry_pipeline.errors import FeedFault
from registry_pipeline.extract import extract_feed, redact
from registry_pipeline.govern import forgotten
from registry_pipeline.storage import Home, read_json

NIGHT = date(2026, 4, 1)
NUMBER = "9434765919"
HEADER = "ID,NHS,SURNAME,STREET\r\n"
KEPT = ('A0001,,Smith,"1 Some\nStreet"\r\n', "A0003,,Łoś,3 Road\r\n", '"A0004",,"O""Neil",4 Way\r\n')
THEIRS = 'A0002,943 476 5919,Gone,"2, The\nHouse"\r\n'


class One:
    """A provider in a folder of its own; A0002 with the number was forgotten."""

    def __init__(self, folder: Path, **feeds: dict) -> None:
        self.folder = folder
        self.provider = Provider.model_validate({"provider": "RX9", "setting": "acute", "feeds": feeds})
        self.home = Home(folder / "home")
        self.configuration = Configuration(
            directory=folder,
            home=self.home.root,
            deployment=Deployment(threads=1, memory_limit="500MB", synthetic_nhs_numbers=True),
            providers={"RX9": self.provider},
        )
        (folder / "drop").mkdir()
        known = forgotten.with_key(self.home)
        forgotten.keep(self.home, forgotten.tombstone(known, 1, [], ["RX9:A0002"], [NUMBER]))

    def extract(self, feed: str = "patient"):
        return extract_feed(self.configuration, self.provider, feed, NIGHT)

    def landed(self, name: str, feed: str = "patient") -> Path:
        return self.home.landing("RX9", feed, NIGHT) / "v1" / name

    def raw(self, column: str, feed: str = "patient") -> list:
        return pq.read_table(self.home.staged(f"raw_{feed}", "RX9", NIGHT)).column(column).to_pylist()


COLUMNS = {"local_id": "ID", "nhs_number": "NHS", "family_name": "SURNAME", "address": "STREET"}


def patients(path: str, **source) -> dict:
    return {"source": {"kind": "csv", "path": path, **source}, "columns": COLUMNS}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1250", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("packed", ["plain", "gz", "zip"])
def test_a_row_leaves_and_every_other_byte_stays(tmp_path, encoding, packed):
    name = {"plain": "a.csv", "gz": "a.csv.gz", "zip": "a.zip"}[packed]
    one = One(tmp_path, patient=patients(f"drop/{name}", encoding=encoding))
    content = (HEADER + KEPT[0] + THEIRS + KEPT[1] + KEPT[2]).encode(encoding)
    file = tmp_path / "drop" / name
    if packed == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("in/a.csv", content)
    else:
        file.write_bytes(gzip.compress(content) if packed == "gz" else content)
    taken = one.extract()
    assert (taken.rows, taken.left_out) == (3, {"forgotten": 1})
    landed = one.landed(name)
    if packed == "zip":
        with zipfile.ZipFile(landed) as archive:
            left = archive.read("in/a.csv")
    else:
        left = gzip.decompress(landed.read_bytes()) if packed == "gz" else landed.read_bytes()
    expected = (HEADER + "".join(KEPT)).encode(encoding)
    assert left == expected
    assert landed.stat().st_mode & 0o777 == 0o400
    again = one.extract()
    assert again.already_landed
    assert again.left_out == {"forgotten": 1}


def test_a_row_that_cannot_be_read_leaves_if_it_names_them(tmp_path):
    one = One(tmp_path, patient=patients("drop/a.csv"))
    content = HEADER + "A0001,,Smith,Road\r\nA0002,too few\r\nA0009,x,943-476-5919\r\nA0008,other\r\n"
    (tmp_path / "drop" / "a.csv").write_bytes(content.encode())
    taken = one.extract()
    assert (taken.rows, taken.unreadable) == (1, 3)
    assert one.landed("a.csv").read_bytes() == (HEADER + "A0001,,Smith,Road\r\nA0008,other\r\n").encode()
    assert read_json(one.landed("manifest.json"))["redacted"][0]["rows"] == 2


def test_a_delivery_that_cannot_be_read_is_looked_through_or_not_kept(tmp_path):
    one = One(tmp_path, patient=patients("drop/a.csv"))
    (tmp_path / "drop" / "a.csv").write_bytes(b"KEY;NUMBER\nA0002;1\nA0003;2\n")
    with pytest.raises(FeedFault, match="none of the 4 agreed columns"):
        one.extract()
    assert one.landed("a.csv").read_bytes() == b"KEY;NUMBER\nA0003;2\n"


def cut_short(packed: bytes) -> bytes:
    return packed[:-20]


def damaged(packed: bytes) -> bytes:
    """The first block behind gzip's ten bytes is of no kind that there is: zlib's own error, not gzip's."""
    return packed[:10] + b"\xff" + packed[11:]


@pytest.mark.parametrize(("breaks", "first"), [(cut_short, "ends too early"), (damaged, "is broken")])
def test_a_delivery_that_cannot_be_unpacked_is_not_kept(tmp_path, breaks, first):
    one = One(tmp_path, patient=patients("drop/a.csv.gz"))
    (tmp_path / "drop" / "a.csv.gz").write_bytes(breaks(gzip.compress(HEADER.encode() * 50)))
    for said in (first, "is not kept since people were forgotten"):
        with pytest.raises(FeedFault, match=said):
            one.extract()
    assert not one.landed("a.csv.gz").exists()
    assert read_json(one.landed("manifest.json"))["redacted"]


@pytest.mark.parametrize("trouble", [OSError(5, "Input/output error"), ValueError("a mistake of ours")])
def test_other_trouble_does_not_cost_a_delivery(tmp_path, monkeypatch, trouble):
    one = One(tmp_path, patient=patients("drop/a.csv"))
    (tmp_path / "drop" / "a.csv").write_bytes(b"KEY;NUMBER\nA0002;1\n")

    def fails(*_given, **_named):
        raise trouble

    monkeypatch.setattr(redact, "_redact_text", fails)
    with pytest.raises(type(trouble)):
        one.extract()
    # The landing keeps a delivery only when it is whole; what was sent stands at its source.
    assert (tmp_path / "drop" / "a.csv").read_bytes() == b"KEY;NUMBER\nA0002;1\n"
    monkeypatch.undo()
    with pytest.raises(FeedFault, match="none of the 4 agreed columns"):
        one.extract()
    assert one.landed("a.csv").read_bytes() == b"KEY;NUMBER\n"


def test_a_file_of_several_feeds_says_whose_row_it_is_by_its_patient_feed(tmp_path):
    source = {"kind": "csv", "path": "drop/all.csv"}
    one = One(
        tmp_path,
        patient={"source": source, "columns": {"local_id": "ID", "nhs_number": "NHS"}, "distinct": True},
        carer={
            "source": source,
            "only": {"KIND": "carer"},
            "columns": {"event_id": "EVENT", "local_id": "CARED_FOR", "carer_local_id": "ID"},
        },
    )
    rows = ["ID,NHS,EVENT,KIND,CARED_FOR", "A0001,,e1,service,", "A0002,9434765919,e2,service,"]
    rows += ["A0003,,e3,carer,A0002", "A0002,9434765919,e4,carer,A0001"]
    (tmp_path / "drop" / "all.csv").write_text("\n".join(rows) + "\n")
    for feed in ("carer", "patient"):
        one.extract(feed)
        left = one.landed("all.csv", feed).read_text()
        assert left == "ID,NHS,EVENT,KIND,CARED_FOR\nA0001,,e1,service,\nA0003,,e3,carer,\n"
    assert one.raw("local_id") == ["A0001", "A0003"]
    assert (one.raw("local_id", "carer"), one.raw("carer_local_id", "carer")) == (["A0001"], [None])


def test_parquet_keeps_its_schema_and_the_order_of_its_rows(tmp_path):
    one = One(tmp_path, patient={"source": {"kind": "parquet", "path": "drop/a.parquet"}, "columns": COLUMNS})
    schema = pa.schema(
        [("ID", pa.string()), ("NHS", pa.int64()), ("SURNAME", pa.string()), ("STREET", pa.string())],
        metadata={"made": "by"},
    )
    ids = [f"A{n:04}" for n in range(1, 8)]
    table = pa.table([ids, [None, None, None, None, int(NUMBER), None, None], ids, ids], schema=schema)
    pq.write_table(table, tmp_path / "drop" / "a.parquet", row_group_size=2)
    assert one.extract().left_out == {"forgotten": 2}
    left = pq.read_table(one.landed("a.parquet"))
    assert left.schema.equals(schema, check_metadata=True)
    assert left.column("ID").to_pylist() == ["A0001", "A0003", "A0004", "A0006", "A0007"]
    known = forgotten.load(one.home)
    assert known.of_record("RX9:A0005") is not None  # known again by the number: the new key keeps out, too
