"""Delimited text comes back cell for cell, with the line of each row; rows that are none are set aside with theirs."""

import csv
import io
import random
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry_pipeline.config import CsvSource
from registry_pipeline.errors import BadInput, FeedFault
from registry_pipeline.extract import delimited
from registry_pipeline.extract.parts import FIELD_LIMIT, Place
from registry_pipeline.extract.unpack import Member, as_text

PLACE = Place("RX9", "patient")
HEADER = "ID,SURNAME,DOB,PCODE\n"
ROWS = "source_row, source_line, local_id, family_name, birth_date, postcode"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("plain", HEADER + "1,Ash,2001-01-01,A1 1AA\n2,Oak,,\n",
         [(1, 2, "1", "Ash", "2001-01-01", "A1 1AA"), (2, 3, "2", "Oak", None, None)]),
        ("no line end at the end", HEADER + "1,Ash,a,b", [(1, 2, "1", "Ash", "a", "b")]),
        ("CRLF", (HEADER + "1,Ash,a,b\n2,Oak,a,b\n").replace("\n", "\r\n"),
         [(1, 2, "1", "Ash", "a", "b"), (2, 3, "2", "Oak", "a", "b")]),
        ("CR", (HEADER + "1,Ash,a,b\n2,Oak,a,b\n").replace("\n", "\r"),
         [(1, 2, "1", "Ash", "a", "b"), (2, 3, "2", "Oak", "a", "b")]),
        ("mixed line ends", HEADER + "1,Ash,a,b\r\n2,Oak,a,b\n",
         [(1, 2, "1", "Ash", "a", "b"), (2, 3, "2", "Oak", "a", "b")]),
        ("blanks and leading zeros stay", HEADER + "007, Ash , ,\" \"\n", [(1, 2, "007", " Ash ", " ", " ")]),
        ("a quoted empty cell is empty", HEADER + '1,"","",b\n', [(1, 2, "1", None, None, "b")]),
        ("quotes inside", HEADER + '1,"O""Neil, ""Pat""",a"b,c\n', [(1, 2, "1", 'O"Neil, "Pat"', 'a"b', "c")]),
        ("blanks before a quote are not quoting", HEADER + '1, "Ash",a,b\n', [(1, 2, "1", ' "Ash"', "a", "b")]),
        ("NULL is a name, not nothing", HEADER + "1,NULL,NA,\\N\n", [(1, 2, "1", "NULL", "NA", "\\N")]),
        ("hash is no comment", HEADER + "#1,Ash,a,b\n", [(1, 2, "#1", "Ash", "a", "b")]),
        ("line breaks inside quotes count as lines", HEADER + '1,"Ash\nTree",a,b\n2,Oak,a,"x\n\ny"\n3,Elm,a,b\n',
         [(1, 2, "1", "Ash\nTree", "a", "b"), (2, 4, "2", "Oak", "a", "x\n\ny"), (3, 7, "3", "Elm", "a", "b")]),
        ("empty lines are no rows, but lines", HEADER + "\n1,Ash,a,b\n\n\n2,Oak,a,b\n",
         [(1, 3, "1", "Ash", "a", "b"), (2, 6, "2", "Oak", "a", "b")]),
        ("a header over two lines", 'ID,SURNAME,DOB,PCODE,"NOTE\nS"\n1,Ash,a,b,c\n', [(1, 3, "1", "Ash", "a", "b")]),
        ("blanks around names of columns", " ID ,SURNAME , DOB,PCODE\n1,Ash,a,b\n", [(1, 2, "1", "Ash", "a", "b")]),
        ("a header only", HEADER, []),
        ("a header only, without line end", HEADER.strip(), []),
        ("a byte order mark", "\ufeff" + HEADER + "1,Ash,a,b\n", [(1, 2, "1", "Ash", "a", "b")]),
        ("many scripts", HEADER + "1,Łukasz-Ó,محمد,李\n", [(1, 2, "1", "Łukasz-Ó", "محمد", "李")]),
    ],
)  # fmt: skip
def test_what_is_delivered_comes_back(delivering, name, content, expected):
    feed = delivering()
    feed.write("patients.csv", content)
    extracted = feed.extract()
    assert feed.raw(ROWS) == expected
    assert (extracted.rows, extracted.unreadable) == (len(expected), 0)
    assert all(check.passed or check.name == "columns_as_agreed" for check in extracted.checks)
    assert not feed.left_over()


@pytest.mark.parametrize(
    ("name", "content", "expected", "kept"),
    [
        ("too few fields", "1,Ash,a\n2,Oak,a,b\n", [(2, "too_few_fields")], ["2"]),
        ("too many fields", "1,Ash,a,b,c\n2,Oak,a,b\n", [(2, "too_many_fields")], ["2"]),
        ("a surplus empty field", "1,Ash,a,b,\n2,Oak,a,b\n", [(2, "too_many_fields")], ["2"]),
        ("a second header line", "1,Ash,a,b\nID,SURNAME,DOB,PCODE\n2,Oak,a,b\n", [(3, "repeated_header")], ["1", "2"]),
        ("a NUL byte", "1,As\0h,a,b\n2,Oak,a,b\n", [(2, "nul_byte")], ["2"]),
        ("text after a closing quote", '1,"Ash"x,a,b\n2,Oak,a,b\n', [(2, "unbalanced_quotes")], ["2"]),
        ("an open quote, closed by the next one", '1,"Ash,a,b\n2,"Oak",a,b\n3,Elm,a,b\n',
         [(2, "unbalanced_quotes")], ["2", "3"]),
        ("an open quote to the end of the file", '1,Ash,a,b\n2,"Oak,a,b\n3,Elm,a,b\n4,Fir,a,b\n',
         [(3, "unbalanced_quotes")], ["1", "3", "4"]),
        ("an open quote that swallows whole rows", '1,"Ash,a,b\n2,Oak,a,b\n3,Elm,a,b\n4,Fir",a,b\n5,Yew,a,b\n',
         [(2, "unbalanced_quotes")], ["2", "3", "4", "5"]),
        ("an open quote that swallows the next row", '1,"Ash,a,b\n2,Oak",a,b\n5,Yew,a,b\n',
         [(2, "unbalanced_quotes")], ["2", "5"]),
        ("lines after a row that could not be read", '1,"A\nsh",a,b\n2,x\n3,"E\nlm",a,b\n4,"Fir,a\n5,Yew,a,b\n',
         [(4, "too_few_fields"), (7, "unbalanced_quotes")], ["1", "3", "5"]),
    ],
)  # fmt: skip
def test_rows_that_are_none_are_set_aside_with_their_line(delivering, name, content, expected, kept):
    feed = delivering()
    feed.write("patients.csv", HEADER + content)
    extracted = feed.extract()
    assert feed.unreadable() == expected
    assert [row[0] for row in feed.raw("local_id")] == kept
    check = next(c for c in extracted.checks if c.name == "every_row_readable")
    assert (check.passed, check.failing, extracted.unreadable) == (False, len(expected), len(expected))


def test_lines_stay_right_after_rows_set_aside(delivering):
    feed = delivering()
    feed.write("patients.csv", HEADER + '1,"A\nsh",a,b\n2,x\n3,"E\nlm",a,b\n4,"Fir,a\n5,Yew,a,b\n')
    feed.extract()
    assert feed.raw("local_id, source_row, source_line") == [("1", 1, 2), ("3", 3, 5), ("5", 5, 8)]
    assert feed.unreadable("source_row, source_file, delivery") == [
        (2, "patients.csv", "RX9/patient/2026-04-01/v1"),
        (4, "patients.csv", "RX9/patient/2026-04-01/v1"),
    ]


@pytest.mark.parametrize(
    ("name", "cell"),
    [("within one line", "x" * (10 << 20)), ("quoted, over many lines", '"' + ("y" * 999 + "\n") * 10_486 + '"'),
     ("a line that is never held whole", "z" * (40 << 20))],
)  # fmt: skip
def test_a_huge_field_sets_its_row_aside_and_the_others_go_on(delivering, name, cell):
    feed = delivering()
    feed.write("patients.csv", f"{HEADER}1,Ash,a,b\n2,{cell},a,b\n3,Elm,a,b\n")
    feed.extract()
    assert feed.unreadable() == [(3, "field_too_long")]
    assert [row[0] for row in feed.raw("local_id")] == ["1", "3"]
    assert feed.raw("source_line")[1][0] == 4 + cell.count("\n")


def test_a_field_of_just_the_limit_is_taken(delivering):
    feed = delivering()
    feed.write("patients.csv", f"{HEADER}1,{'é' * (FIELD_LIMIT // 2)},a,b\n2,{'é' * (FIELD_LIMIT // 2)}e,a,b\n")
    feed.extract()
    assert feed.unreadable() == [(3, "field_too_long")]
    assert [row[0] for row in feed.raw("local_id")] == ["1"]


@pytest.mark.parametrize(
    ("source", "content"),
    [
        ({"delimiter": "|"}, 'ID|SURNAME|DOB|PCODE\n1|"O|ak"|a, b|c\n'),
        ({"delimiter": "\t"}, 'ID\tSURNAME\tDOB\tPCODE\n1\t"O|ak"\ta, b\tc\n'),
        ({"delimiter": ";", "quote": "'"}, "ID;SURNAME;DOB;PCODE\n1;'O|ak';'a, b';c\n"),
        ({"escape": "\\"}, 'ID,SURNAME,DOB,PCODE\n1,O|ak,"a, b",c\n'),
    ],
)
def test_dialects(delivering, source, content):
    feed = delivering(source=source)
    feed.write("patients.csv", content)
    feed.extract()
    assert feed.raw("local_id, family_name, birth_date, postcode") == [("1", "O|ak", "a, b", "c")]


def test_without_quoting_a_quote_is_a_letter(delivering):
    feed = delivering(source={"quote": "", "delimiter": "|"})
    feed.write("patients.csv", 'ID|SURNAME|DOB|PCODE\n1|"Oak|a"|"\n')
    feed.extract()
    assert feed.raw("local_id, family_name, birth_date, postcode") == [("1", '"Oak', 'a"', '"')]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16", "utf-16-le", "utf-8", "utf-8-sig"])
def test_encodings(delivering, encoding):
    feed = delivering(source={"encoding": encoding})
    feed.write("patients.csv", (HEADER + "1,Zoë Müller,a,£\n").encode(encoding))
    feed.extract()
    assert feed.raw("family_name, postcode") == [("Zoë Müller", "£")]


def test_an_encoding_that_does_not_exist_is_named(delivering):
    feed = delivering(source={"encoding": "cp12522"})
    feed.write("patients.csv", HEADER)
    with pytest.raises(BadInput, match="RX9, feed patient: there is no encoding 'cp12522'"):
        feed.extract()


def test_a_letter_cut_by_the_end_of_a_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr("registry_pipeline.extract.unpack.CHUNK", 3)
    content = "aé€b\nzü\n"
    for encoding in ("utf-8", "cp1252", "utf-16"):
        data = content.encode(encoding)
        member = Member("x", lambda data=data: io.BytesIO(data))
        text = as_text(PLACE, member, tmp_path, encoding=encoding)
        assert text.path.read_text(encoding="utf-8") == content
    disguised = Member("x", lambda: io.BytesIO("abé,é".encode()))
    with pytest.raises(FeedFault, match="are UTF-8, not cp1252"):
        as_text(PLACE, disguised, tmp_path, encoding="cp1252")


# ---------------------------------------------------------------------------------------------------- the law -------

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6) | st.sampled_from(
    ["", " ", '"', '""', ",", "\n", "\r\n", "\r", "\\", "'", "|", ' "x"', "a,b", "NULL", '\n"', "\ufeff"]
)
TABLES = st.integers(2, 5).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=0, max_size=8)
)


@given(
    rows=TABLES,
    delimiter=st.sampled_from([",", "|", "\t", ";"]),
    quote=st.sampled_from(['"', "'"]),
    escape=st.sampled_from(["", "\\"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_table_written_by_the_csv_module_comes_back(
    tmp_path_factory, rows, delimiter, quote, escape, quoting, line_end
):
    """Cell for cell, with empty as NULL; the reader finds out by itself which of its two ways is safe."""
    folder = tmp_path_factory.mktemp("law")
    if quoting != csv.QUOTE_ALL and line_end == "\n":
        # The csv module itself leaves a lone carriage return unquoted there, which nobody can tell from a line end.
        rows = [[cell.replace("\r", "") for cell in row] for row in rows]
    width = len(rows[0]) if rows else 2
    header = [f"H{i}" for i in range(width)]
    path = folder / "x.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        options = {"escapechar": escape, "doublequote": False} if escape else {"doublequote": True}
        writer = csv.writer(
            file, delimiter=delimiter, quotechar=quote, quoting=quoting, lineterminator=line_end, **options
        )
        writer.writerow(header)
        writer.writerows(rows)
    source = CsvSource(kind="csv", path="", delimiter=delimiter, quote=quote, escape=escape or quote)
    (folder / "work").mkdir()
    # A row that repeats the header, and whole rows inside a note, are what they look like, not what they are.
    rows = [row for row in rows if [cell.strip() for cell in row] != header]
    with duckdb.connect() as connection:
        (part,) = delimited.read(connection, PLACE, [path], source, folder / "work")
        cells = ", ".join(f"c{i}" for i in range(width))
        found = connection.execute(f"SELECT {cells} FROM ({part.relation}) ORDER BY part_row").fetchall()
    if not part.unreadable_rows:
        assert found == [tuple(cell or None for cell in row) for row in rows]
    else:
        assert width >= 4
        assert any("\n" in cell for row in rows for cell in row)


def test_both_readers_agree_on_any_bytes(tmp_path):
    """The fast reader's answer counts only where the careful one gives the same rows and lines."""
    chance = random.Random(20260401)
    alphabet = ["a", "b", ",", '"', "\n", " ", ",", '"', "\n", "\r\n", "\r", '""', "é", "\\"]
    source = CsvSource(kind="csv", path="")
    fast_answers = 0
    with duckdb.connect(config={"threads": 1}) as connection:
        for number in range(600):
            folder = tmp_path / str(number)
            folder.mkdir()
            body = "".join(chance.choice(alphabet) for _ in range(chance.randint(1, 14)))
            text = _text(folder, "H,I\n" + body + chance.choice(["", "\n"]))
            fast = delimited._read_fast(connection, text, source, ("H", "I"), 4)
            if fast is None or not delimited._looks_simple(text, source, ("H", "I")):
                continue
            fast_answers += 1
            careful = delimited._read_carefully(PLACE, text, source, folder)
            query = "SELECT part_row, part_line, c0, c1 FROM ({}) ORDER BY part_row"
            rows = [connection.execute(query.format(p.relation)).fetchall() for p in (fast, careful)]
            assert rows[0] == rows[1], body
            assert careful.unreadable_rows == 0, body
    assert fast_answers > 20


def _text(folder: Path, content: str):
    path = folder / "x.csv"
    path.write_bytes(content.encode())
    member = Member("x.csv", lambda: path.open("rb"), plain=path)
    return as_text(PLACE, member, folder, quote='"')
