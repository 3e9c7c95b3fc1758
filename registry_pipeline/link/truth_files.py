"""Files that people bring to an evaluation: a truth, labelled pairs, people's groups, a review that comes back.

What belongs here: reading them, and every way in which they can be unfit, said in one sentence that names file, column
and row. What does not: what is counted from them (`evaluate`, `estimate`). No value of a file stands in a message.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from registry_pipeline.errors import BadInput

if TYPE_CHECKING:
    import duckdb

PERSON_COLUMNS = ("person_id", "true_id")
"""What a truth may call the person; the first that is there is taken."""

PAIR_COLUMNS = ("record_id_l", "record_id_r", "is_match")
"""The columns of labelled pairs."""

GROUP_COLUMNS = ("sex", "birth_date", "ethnicity", "deprivation_decile")
"""What a people file may say of a person."""

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")

REVIEW_COLUMNS = ("stratum", "stratum_pairs", "sampling_weight", "reviewer")
"""What a review sample holds besides."""

READ_COLUMNS = ("provider", "local_id", *PERSON_COLUMNS, *PAIR_COLUMNS, *GROUP_COLUMNS, *REVIEW_COLUMNS)
"""All that is ever read of a file: a truth may hold names and addresses, which are nobody's business here."""

LEAST_SHARE_FOUND = 0.1
"""A truth of whose keys fewer than a tenth are among the night's records is one with other keys: of another system, or
with keys written in another way. A truth of one provider of ten still passes."""

YES = ("true", "t", "yes", "y", "1", "match")
NO = ("false", "f", "no", "n", "0", "no match", "no_match", "non-match")
UNSURE = ("unsure", "unknown", "?", "u")
"""What a reviewer may write under is_match, in any case; an empty or unsure cell is a pair that is not judged yet."""


def read_truth(connection: duckdb.DuckDBPyConnection, truth: Path) -> Literal["truth", "labels"]:
    """Make `truth` (record_id, person) or `labelled_pair` (record_id_l, record_id_r, is_match) from a file.

    Args:
        connection: holds the table `night_record` (record_id).
        truth: Parquet or CSV.

    Returns:
        Which of the two it is, by its columns.

    Raises:
        BadInput: it cannot be read, lacks columns, contradicts itself, or has other keys than the night.
    """
    columns = _open(connection, truth, "truth")
    if set(PAIR_COLUMNS) <= columns:
        _read_labels(connection, truth)
        return "labels"
    person = next((c for c in PERSON_COLUMNS if c in columns), None)
    lacking = [c for c in ("provider", "local_id") if c not in columns] + ([] if person else ["person_id"])
    if lacking:
        raise BadInput(
            f"The truth file {truth} needs the columns provider, local_id and person_id (or true_id), or those of"
            f" labelled pairs ({', '.join(PAIR_COLUMNS)}); it lacks {', '.join(lacking)}."
        )
    _refuse_empty(connection, truth, ("provider", "local_id"), "truth")
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE truth_row AS"  # noqa: S608  # one of our own names
        " SELECT row, trim(provider::VARCHAR) || ':' || trim(local_id::VARCHAR) AS record_id,"
        f" {person}::VARCHAR AS person FROM opened_file WHERE {person} IS NOT NULL"
    )
    _refuse_two_people(connection, truth, str(person))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE truth AS SELECT record_id, any_value(person) AS person FROM truth_row GROUP BY 1"
    )
    keys, found = connection.execute(
        "SELECT count(*), count(*) FILTER (record_id IN (SELECT record_id FROM night_record)) FROM truth"
    ).fetchall()[0]
    _refuse_other_keys(truth, keys, found, "provider and local_id, written as in the night's person records")
    return "truth"


def _open(connection: duckdb.DuckDBPyConnection, file: Path, called: str) -> set[str]:
    """Make `opened_file`: the file's rows with their number, and only columns that are of use here; returns these."""
    import duckdb

    if not file.is_file():
        raise BadInput(f"There is no {called} file {file}.")
    reader = _reader(file, called)
    try:
        there = {name.lower() for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM {reader}").fetchall()}  # noqa: S608  # a quoted path
        read = [name for name in READ_COLUMNS if name in there]
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE opened_file AS"  # noqa: S608  # a quoted path and own names
            f" SELECT {', '.join(('row_number() OVER () AS row', *read))} FROM {reader}"
        )
    except duckdb.Error as problem:
        # DuckDB's own text may quote a line of the file, so only its number is told.
        line = re.search(r"[Ll]ine:? (\d+)", str(problem))
        where = f", line {line[1]}," if line else ""
        raise BadInput(f"The {called} file {file}{where} cannot be read as Parquet or CSV.") from problem
    return set(read)


def _reader(file: Path, called: str) -> str:
    """A FROM clause that reads the file; CSV by its first line, since a guess at a table of keys may be wrong.

    Raises:
        BadInput: the first line of a CSV is no list of columns.
    """
    place = str(file).replace("'", "''")
    if not any(suffix in TEXT_SUFFIXES for suffix in file.suffixes):
        return f"read_parquet('{place}')"
    if file.suffix not in TEXT_SUFFIXES:
        return f"read_csv('{place}', all_varchar = true, header = true)"  # compressed
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            first = opened.readline(100_000)
    except UnicodeDecodeError as problem:
        raise BadInput(f"The {called} file {file} is not UTF-8 text: save it as UTF-8.") from problem
    delimiter = max(",;\t|", key=first.count)
    names = [name.strip().lower() for name in next(csv.reader([first], delimiter=delimiter), [])]
    if not names or not all(names) or len(set(names)) < len(names):
        raise BadInput(f"The {called} file {file}, line 1: a name for each column is needed, and each once.")
    columns = ", ".join(f"'{name.replace(chr(39), chr(39) * 2)}': 'VARCHAR'" for name in names)
    options = f"auto_detect = false, header = true, delim = '{delimiter}', quote = '\"', escape = '\"'"
    return f"read_csv('{place}', {options}, columns = {{{columns}}})"


def _refuse_empty(connection: duckdb.DuckDBPyConnection, file: Path, columns: Sequence[str], called: str) -> None:
    for column in columns:
        empty, first = connection.execute(
            f"SELECT count(*), min(row) FROM opened_file WHERE coalesce(trim({column}::VARCHAR), '') = ''"  # noqa: S608  # own names
        ).fetchall()[0]
        if empty:
            raise BadInput(
                f"The {called} file {file} has {empty:,} row(s) without {column}, the first being row {first}: fill"
                " them in or leave the rows out."
            )


def _refuse_two_people(connection: duckdb.DuckDBPyConnection, file: Path, person: str) -> None:
    found = connection.execute(
        "SELECT count(*), min(first), arg_min(other, first) FROM"
        " (SELECT min(row) AS first, max(row) AS other FROM truth_row"
        " GROUP BY record_id HAVING count(DISTINCT person) > 1)"
    ).fetchall()[0]
    if found[0]:
        raise BadInput(
            f"The truth file {file} says of {found[0]:,} record(s) that they are two people: rows {found[1]} and"
            f" {found[2]} have one provider and local_id and differ in {person}; a record is of one person."
        )


def _refuse_other_keys(file: Path, keys: int, found: int, needed: str) -> None:
    if keys == 0 or found < max(1.0, LEAST_SHARE_FOUND * keys):
        raise BadInput(
            f"Of the {keys:,} keys in the truth file {file} only {found:,} are among the night's person records: it is"
            f" a truth of other records, or its keys are written in another way (needed: {needed})."
        )


def _verdicts(connection: duckdb.DuckDBPyConnection, file: Path, called: str) -> None:
    """Make `verdict`: the rows of the opened file with is_match as true, false, or null where nobody has judged."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE verdict AS"
        " WITH said AS (SELECT *, coalesce(lower(trim(is_match::VARCHAR)), '') AS written FROM opened_file)"
        " SELECT * EXCLUDE (is_match, written, record_id_l, record_id_r),"
        " least(trim(record_id_l::VARCHAR), trim(record_id_r::VARCHAR)) AS record_id_l,"
        " greatest(trim(record_id_l::VARCHAR), trim(record_id_r::VARCHAR)) AS record_id_r,"
        " CASE WHEN list_contains($yes, written) THEN true WHEN list_contains($no, written) THEN false END AS is_match,"
        " written = '' OR list_contains($unsure, written) OR list_contains($yes, written)"
        " OR list_contains($no, written) AS is_readable FROM said",
        {"yes": list(YES), "no": list(NO), "unsure": list(UNSURE)},
    )
    unreadable, first = connection.execute("SELECT count(*), min(row) FROM verdict WHERE NOT is_readable").fetchall()[0]
    if unreadable:
        raise BadInput(
            f"The {called} file {file}, row {first}, column is_match: neither true nor false ({unreadable:,} such"
            " row(s)); write true, false, or nothing where it is not judged."
        )


def _refuse_unknown_records(connection: duckdb.DuckDBPyConnection, file: Path, called: str) -> None:
    pairs, unknown, first = connection.execute(
        "WITH known AS (SELECT *, record_id_l IN (SELECT record_id FROM night_record)"
        " AND record_id_r IN (SELECT record_id FROM night_record) AS is_known FROM verdict)"
        " SELECT count(*), count(*) FILTER (NOT is_known), min(row) FILTER (NOT is_known) FROM known"
    ).fetchall()[0]
    if not pairs:
        raise BadInput(f"The {called} file {file} holds no pair.")
    if unknown:
        raise BadInput(
            f"The {called} file {file} holds {unknown:,} of {pairs:,} pair(s) with a record that is not among the"
            f" night's person records, the first in row {first}: record_id_l and record_id_r are provider:local_id."
        )
    same = connection.execute("SELECT count(*), min(row) FROM verdict WHERE record_id_l = record_id_r").fetchall()[0]
    if same[0]:
        raise BadInput(f"The {called} file {file}, row {same[1]}: record_id_l and record_id_r are one record.")


def _read_labels(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    _refuse_empty(connection, file, PAIR_COLUMNS[:2], "label")
    _verdicts(connection, file, "label")
    _refuse_unknown_records(connection, file, "label")
    twice = connection.execute(
        "SELECT count(*), min(first), arg_min(other, first) FROM"
        " (SELECT min(row) AS first, max(row) AS other FROM verdict WHERE is_match IS NOT NULL"
        " GROUP BY record_id_l, record_id_r HAVING count(DISTINCT is_match) > 1)"
    ).fetchall()[0]
    if twice[0]:
        raise BadInput(
            f"The label file {file} calls {twice[0]:,} pair(s) both a match and none, the first in rows {twice[1]} and"
            f" {twice[2]}: settle them first (two reviewers' verdicts are for --review)."
        )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE labelled_pair AS SELECT record_id_l, record_id_r, any_value(is_match) AS is_match"
        " FROM verdict WHERE is_match IS NOT NULL GROUP BY ALL"
    )
    if not connection.execute("SELECT count(*) FROM labelled_pair").fetchall()[0][0]:
        raise BadInput(f"The label file {file} has nothing under is_match: nobody has judged a pair yet.")


def has_weights(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the file that was opened last is a review sample, whose pairs stand for many others."""
    columns = [name for name, *_ in connection.execute("DESCRIBE opened_file").fetchall()]
    return "sampling_weight" in columns


def read_people(connection: duckdb.DuckDBPyConnection, people: Path) -> tuple[str, ...]:
    """Make `known_person` (person, sex, birth_date, ethnicity, deprivation_decile) from a people file.

    Returns:
        The columns that the file has; others are null.

    Raises:
        BadInput: it cannot be read, has no person_id, no column to group by, or one person twice.
    """
    columns = _open(connection, people, "people")
    person = next((c for c in PERSON_COLUMNS if c in columns), None)
    there = tuple(c for c in GROUP_COLUMNS if c in columns)
    if person is None or not there:
        raise BadInput(
            f"The people file {people} needs the column person_id (or true_id) and at least one of"
            f" {', '.join(GROUP_COLUMNS)}."
        )
    twice = connection.execute(
        f"SELECT count(*), min(first) FROM (SELECT min(row) AS first FROM opened_file WHERE {person} IS NOT NULL"  # noqa: S608  # own names
        f" GROUP BY {person}::VARCHAR HAVING count(*) > 1)"
    ).fetchall()[0]
    if twice[0]:
        raise BadInput(
            f"The people file {people} holds {twice[0]:,} person(s) more than once, the first from row {twice[1]} on:"
            f" one row a {person} is needed."
        )
    types = {
        "sex": "upper(trim(sex::VARCHAR))",
        "birth_date": "try_cast(birth_date AS DATE)",
        "ethnicity": "upper(trim(ethnicity::VARCHAR))",
        "deprivation_decile": "try_cast(deprivation_decile AS INTEGER)",
    }
    nulls = {"birth_date": "NULL::DATE", "deprivation_decile": "NULL::INTEGER"}
    chosen = ", ".join(f"{types[c] if c in there else nulls.get(c, 'NULL::VARCHAR')} AS {c}" for c in GROUP_COLUMNS)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE known_person AS SELECT {person}::VARCHAR AS person, {chosen} FROM opened_file"  # noqa: S608
        f" WHERE {person} IS NOT NULL"
    )
    return there


def no_people(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `known_person` without anybody: groups come from the person records."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE known_person (person VARCHAR, sex VARCHAR, birth_date DATE, ethnicity VARCHAR,"
        " deprivation_decile INTEGER)"
    )


def read_reviews(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
    """Make `review` (record_id_l, record_id_r, stratum, stratum_pairs, sampling_weight, reviewer, is_match).

    Args:
        connection: holds the table `night_record` (record_id).
        files: a review sample that came back, once or from several reviewers.

    Raises:
        BadInput: a file cannot be read, lacks columns, or holds what cannot be.
    """
    needed = (*PAIR_COLUMNS, *REVIEW_COLUMNS[:3])
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE review (record_id_l VARCHAR, record_id_r VARCHAR, stratum VARCHAR,"
        " stratum_pairs BIGINT, sampling_weight DOUBLE, reviewer VARCHAR, is_match BOOLEAN)"
    )
    for number, file in enumerate(files, start=1):
        columns = _open(connection, file, "review")
        lacking = [c for c in needed if c not in columns]
        if lacking:
            raise BadInput(
                f"The review file {file} lacks {', '.join(lacking)}: send back the file that --review-sample wrote,"
                " with is_match filled in and every other column as it was."
            )
        _refuse_empty(connection, file, PAIR_COLUMNS[:2], "review")
        _verdicts(connection, file, "review")
        _refuse_unknown_records(connection, file, "review")
        _refuse_no_weight(connection, file)
        reviewer = "nullif(trim(reviewer::VARCHAR), '')" if "reviewer" in columns else "NULL"
        connection.execute(
            "INSERT INTO review SELECT record_id_l, record_id_r, stratum::VARCHAR, stratum_pairs::BIGINT,"  # noqa: S608  # own names
            f" sampling_weight::DOUBLE, coalesce({reviewer}, $file), is_match FROM verdict",
            {"file": f"file {number}"},
        )
    _refuse_two_verdicts(connection)


def _refuse_no_weight(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    for column in ("sampling_weight", "stratum_pairs"):
        wrong, first = connection.execute(
            f"SELECT count(*), min(row) FROM verdict WHERE NOT coalesce(try_cast({column} AS DOUBLE) >= 1, false)"  # noqa: S608  # own names
        ).fetchall()[0]
        if wrong:
            raise BadInput(
                f"The review file {file}, row {first}, column {column}: a number of at least 1 is needed, as"
                " --review-sample wrote it."
            )


def _refuse_two_verdicts(connection: duckdb.DuckDBPyConnection) -> None:
    twice = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM review GROUP BY record_id_l, record_id_r, reviewer HAVING count(*) > 1)"
    ).fetchall()[0][0]
    if twice:
        raise BadInput(
            f"The review holds {twice:,} pair(s) twice by one reviewer: one row a pair and reviewer is needed (two"
            " reviewers: fill the column reviewer in, or give one --review a file)."
        )
    judged = connection.execute("SELECT count(*) FROM review WHERE is_match IS NOT NULL").fetchall()[0][0]
    if not judged:
        raise BadInput("The review has nothing under is_match: nobody has judged a pair yet.")
