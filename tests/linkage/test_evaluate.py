"""Evaluation against a truth: figures worked out by hand, laws over random clusterings, groups, and unfit files."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from datetime import date
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.errors import BadInput
from registry_pipeline.link import evaluation_chart, intervals
from registry_pipeline.link.evaluate import PAIR_GROUPS, RECORD_GROUPS, Evaluation, evaluate
from registry_pipeline.storage import Home, connect
from tests.linkage.small_nights import NIGHT, clustering, record, write_night, write_truth

MODULE = sys.modules["registry_pipeline.link.evaluate"]  # the package has a function of that name


def measured(tmp_path: Path, records: list[dict], pairs: list[dict] = (), **options) -> Evaluation:
    configuration = write_night(tmp_path, records, pairs)
    return evaluate(configuration, NIGHT, write_truth(tmp_path / "truth.csv", records), **options)


def values(found: Evaluation) -> dict[str, float]:
    return {name: m.value for name, m in found.measures.items() if m is not None}


# Worked out by hand ---------------------------------------------------------------------------------------------------

HAND_WORKED = {
    # people, clusters: pairs true, joined, both; B-cubed precision and recall; mixed clusters, split people (shares)
    "the truth itself": ("AABBC", "11223", (2, 2, 2), (1, 1), (0, 0)),
    "nothing joined": ("AABBC", "12345", (2, 0, 0), (1, 3 / 5), (0, 2 / 3)),
    "everything joined": ("AABBC", "11111", (2, 10, 2), ((2 * 2 / 5 + 2 * 2 / 5 + 1 / 5) / 5, 1), (1, 0)),
    "one record on the wrong side": ("AAABBC", "112234", (4, 2, 1), (5 / 6, (2 / 3 + 2 / 3 + 1 / 3 + 1 / 2 + 1 / 2 + 1) / 6), (1 / 4, 2 / 3)),
    "two people wholly mixed": ("AABB", "1111", (2, 6, 2), (1 / 2, 1), (1, 0)),
    "one person in two halves": ("AAAA", "1122", (6, 2, 2), (1, 1 / 2), (0, 1)),
    "one record": ("A", "1", (0, 0, 0), (1, 1), (0, 0)),
}  # fmt: skip


@pytest.mark.parametrize("case", HAND_WORKED, ids=str)
def test_figures_worked_out_by_hand(case, tmp_path):
    people, clusters, pairs, bcubed, (mixed, split) = HAND_WORKED[case]
    found = measured(tmp_path, clustering(people, clusters))
    assert (found.true_pairs, found.joined_pairs, found.true_joined_pairs) == pairs
    figures = values(found)
    assert figures["bcubed_precision"] == pytest.approx(bcubed[0], abs=1e-5)
    assert figures["bcubed_recall"] == pytest.approx(bcubed[1], abs=1e-5)
    assert figures["bcubed_f1"] == pytest.approx(2 * bcubed[0] * bcubed[1] / sum(bcubed), abs=1e-5)
    assert figures["mixed_clusters_per_100000"] == pytest.approx(100_000 * mixed)
    assert figures["split_people_per_100000"] == pytest.approx(100_000 * split)
    true, joined, both = pairs
    assert ("precision" in figures) == bool(joined)
    assert ("recall" in figures) == bool(true)
    if joined and true:
        precision, recall = both / joined, both / true
        assert (figures["precision"], figures["recall"]) == pytest.approx((precision, recall))
        assert figures["f1"] == pytest.approx(2 * precision * recall / (precision + recall) if both else 0)


def test_where_pairs_were_lost_and_what_made_false_ones(tmp_path):
    records = clustering("AAABB", "12233")
    records[2]["cluster"] = "3"  # A's third record stands with B; its second alone

    def pair(a, b, outcome, by):
        left, right = sorted((records[a]["record_id"], records[b]["record_id"]))
        return {
            "record_id_l": left,
            "record_id_r": right,
            "outcome": outcome,
            "decided_by": by,
            "match_weight": 5.0,
            "match_probability": 0.9,
        }

    pairs = [
        pair(0, 1, "possible_match", "only_household_evidence"),
        pair(0, 2, "match", "match_weight"),
        pair(2, 3, "match", "match_weight"),
        pair(2, 4, "no_match", "different_birth_date"),
        pair(3, 4, "match", "same_nhs_number"),
    ]  # fmt: skip
    found = measured(tmp_path, records, pairs)
    assert found.missed == {
        "judged a match by match_weight, then cut out of the group": 1,
        "judged possible match by only_household_evidence": 1,
        "never compared: no blocking rule brought the two together": 1,
    }
    assert found.false == {
        "joined through other records, itself judged no match by different_birth_date": 1,
        "judged a match by match_weight": 1,
    }
    assert found.by_decision == {"match_weight": (1, 1), "same_nhs_number": (1, 0)}


def test_the_curve_counts_every_true_pair_and_the_bins_hold_every_kept_one(tmp_path):
    records = clustering("AABBCC", "112233")
    ids = [r["record_id"] for r in records]
    weights = {(0, 1): (12.0, 0.9998), (2, 3): (3.2, 0.9), (0, 2): (3.0, 0.89), (1, 3): (-2.0, 0.2)}
    pairs = [
        {"record_id_l": min(ids[a], ids[b]), "record_id_r": max(ids[a], ids[b]), "match_weight": w,
         "match_probability": p, "outcome": "match", "decided_by": "match_weight"}
        for (a, b), (w, p) in weights.items()
    ]  # fmt: skip
    found = measured(tmp_path, records, pairs)
    points = [(p.weight, p.true_pairs, p.false_pairs, p.recall) for p in found.curve]
    assert points == [(12.0, 1, 0, 1 / 3), (3.0, 2, 1, 2 / 3), (-2.0, 2, 2, 2 / 3)]
    assert found.curve[1].precision == pytest.approx(2 / 3)
    at = found.thresholds["possible match"]
    assert (at.weight, at.true_pairs, at.false_pairs, at.recall) == (0.0, 2, 1, 2 / 3)
    assert [(b.low, b.high, b.pairs, b.true_share.value) for b in found.reliability] == [
        (0.2, 0.3, 1, 0.0), (0.8, 0.9, 1, 0.0), (0.9, 0.95, 1, 1.0), (0.999, 1.0, 1, 1.0),
    ]  # fmt: skip
    assert found.calibration_error == pytest.approx((0.2 + 0.89 + 0.1 + 0.0002) / 4)


def test_blocking_recall_counts_pairs_that_were_compared(tmp_path):
    same = {"given_name": "ADA", "family_name": "QUINCE", "birth_date": date(1980, 5, 17)}
    other = {"given_name": "WIM", "family_name": "ZWART", "birth_date": date(1951, 11, 2)}
    records = [record(0, "A", "1", **same), record(1, "A", "1", **same), record(2, "A", "2", **other)]
    found = measured(tmp_path, records)
    assert (found.candidate_true_pairs, found.true_pairs) == (1, 3)
    assert found.blocking_recall == pytest.approx(1 / 3)
    assert sum(found.first_rule.values()) == 1


def test_pairs_that_two_verified_numbers_keep_from_being_compared_are_told_apart(tmp_path):
    verified = {"is_nhs_number_verified": True}
    records = [
        record(0, "A", "1", nhs_number="9000000009", **verified),
        record(1, "A", "2", nhs_number="9000000017", **verified),
        record(2, "A", "3"),
    ]
    assert measured(tmp_path, records).missed == {
        "never compared: no blocking rule brought the two together": 2,
        "not compared: each has a verified NHS number, and the two differ": 1,
    }


# Laws -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def without_blocking():
    """Nothing is compared: the laws are of clusters, and features and blocks of each example would take most of the time."""

    def load(connection, *_):
        connection.execute(
            "CREATE TEMP TABLE link_record AS SELECT row_number() OVER ()::INTEGER AS id, record_id,"
            " false AS is_settled FROM night_record"
        )

    def block(connection, _):
        connection.execute("CREATE TEMP TABLE candidate_pair (id_l INTEGER, id_r INTEGER, rule UTINYINT)")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(MODULE, "load_as_linked", load)
        patched.setattr(MODULE, "block_as_linked", block)
        yield


ASSIGNMENTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12)


@given(ASSIGNMENTS)
@settings(max_examples=9, deadline=None)
def test_laws_of_any_clustering(without_blocking, assigned):
    """Against pairs counted one by one; group counts add up; a share lies in its interval."""
    records = [
        record(n, f"person {p}", f"{c}", sex="MF"[p % 2], ethnicity="AHN"[p % 3], nhs_number="1" if n % 3 else None)
        for n, (p, c) in enumerate(assigned)
    ]
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), records)
        renamed = [{**r, "person": f"x{hash(r['person']) % 1009}-{r['person'][::-1]}"} for r in records]
        again = evaluate(write_night(Path(folder), records), NIGHT, write_truth(Path(folder) / "renamed.csv", renamed))
    pairs = list(combinations(records, 2))
    true = [p for p in pairs if p[0]["person"] == p[1]["person"]]
    joined = [p for p in pairs if p[0]["cluster"] == p[1]["cluster"]]
    both = [p for p in true if p in joined]
    assert (found.true_pairs, found.joined_pairs, found.true_joined_pairs) == (len(true), len(joined), len(both))
    people = {r["person"] for r in records}
    split = sum(len({r["cluster"] for r in records if r["person"] == p}) > 1 for p in people)
    assert values(found)["split_people_per_100000"] == pytest.approx(100_000 * split / len(people))
    for by in (*RECORD_GROUPS, *PAIR_GROUPS):
        groups = [g for g in found.groups if g.by == by]
        assert sum(g.true_pairs for g in groups) == len(true), by
        assert sum(g.joined_pairs for g in groups) == len(joined), by
        assert sum(g.true_joined_pairs for g in groups) == len(both), by
        if by in RECORD_GROUPS:
            assert sum(g.records for g in groups) == len(records), by
    for group in found.groups:
        for measure in filter(None, group.measures.values()):
            assert measure.low <= measure.value <= measure.high
    assert renamed != records
    assert json.dumps(again.as_json()) == json.dumps(found.as_json())


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8))
@settings(max_examples=5, deadline=None)
def test_single_records_are_never_wrong_and_the_truth_is_always_right(without_blocking, people):
    names = "".join("ABCD"[p] for p in people)
    with tempfile.TemporaryDirectory() as folder:
        alone = measured(Path(folder), clustering(names, "".join(chr(97 + n) for n in range(len(names)))))
        right = measured(Path(folder), clustering(names, names))
    assert alone.precision == values(alone)["bcubed_precision"] == 1
    assert values(alone)["mixed_clusters_per_100000"] == 0
    for name in ("precision", "recall", "f1", "bcubed_precision", "bcubed_recall", "bcubed_f1"):
        assert values(right).get(name, 1) == 1


# Groups ---------------------------------------------------------------------------------------------------------------


def test_groups_come_from_the_people_file_beside_the_truth(tmp_path):
    records = clustering("AABB", "1123")
    (tmp_path / "person.csv").write_text(
        "person_id,sex,birth_date,ethnicity,deprivation_decile\nA,F,2025-12-24,H,1\nB,M,1940-01-01,A,10\n"
    )
    connection = connect(Home(tmp_path))
    connection.execute(
        f"COPY (SELECT * FROM read_csv('{tmp_path / 'person.csv'}', all_varchar = true)) TO '{tmp_path / 'person.parquet'}'"
    )
    connection.close()
    found = measured(tmp_path, records)
    told = {
        (g.by, g.name): g.measures["recall"].value for g in found.groups if g.by not in PAIR_GROUPS and g.true_pairs
    }
    assert told == {
        ("setting", "acute"): 0.5, ("setting", "gp"): 0.5, ("provider", "P"): 0.5, ("provider", "Q"): 0.5,
        ("age_band", "00"): 1.0, ("age_band", "80 and over"): 0.0, ("sex", "female"): 1.0, ("sex", "male"): 0.0,
        ("ethnicity", "H Indian"): 1.0, ("ethnicity", "A British"): 0.0, ("deprivation_decile", "01"): 1.0,
        ("deprivation_decile", "10"): 0.0, ("nhs_number", "without"): 0.5,
    }  # fmt: skip
    assert any("person.parquet" in note for note in found.notes)
    assert found.gaps == {"ethnicity": None, "deprivation_decile": None}  # groups of one person are not compared


def test_groups_without_a_people_file_are_what_most_records_say_and_deprivation_is_not_known(tmp_path):
    records = [
        record(0, "A", "1", sex="F", ethnicity="Z"),
        record(1, "A", "1", sex="F", ethnicity="R"),
        record(2, "A", "2", sex="M", ethnicity=None, birth_date=date(1990, 1, 1)),
    ]
    found = measured(tmp_path, records)
    names = {g.by: g.name for g in found.groups if g.by in ("sex", "ethnicity", "age_band", "deprivation_decile")}
    assert names == {
        "sex": "female", "ethnicity": "R Chinese", "age_band": "18 to 39", "deprivation_decile": "not known",
    }  # fmt: skip
    assert found.as_json()["gaps_in_recall"]["deprivation_decile"] == "not known"


def test_the_gap_is_told_between_groups_that_are_large_enough(monkeypatch, tmp_path):
    monkeypatch.setattr(MODULE, "FEWEST_PEOPLE_TO_COMPARE", 2)
    people = "AABBCCDDEE"
    ethnicity = dict(zip("ABCDE", "HHNNR", strict=True))
    records = [
        record(n, p, c, ethnicity=ethnicity[p]) for n, (p, c) in enumerate(zip(people, "1122334567", strict=True))
    ]
    gap = measured(tmp_path, records).gaps["ethnicity"]
    assert (gap.best, gap.worst, gap.difference.value) == ("H Indian", "N African", 0.5)
    assert gap.left_out == ("R Chinese",)
    assert gap.difference.low <= 0.5 <= gap.difference.high


def test_a_person_file_beside_the_truth_that_does_not_fit_is_not_used_and_that_is_said(tmp_path):
    (tmp_path / "person.parquet").write_bytes(b"something else")
    found = measured(tmp_path, clustering("AAB", "112"))
    assert found.recall == 1.0
    assert any("person.parquet beside the truth is not used" in note for note in found.notes)


# Labelled pairs -------------------------------------------------------------------------------------------------------


def test_labelled_pairs_are_measured_as_pairs(tmp_path):
    records = clustering("AABBCC", "112334")
    configuration = write_night(tmp_path, records)
    ids = [r["record_id"] for r in records]
    labels = tmp_path / "labels.csv"
    rows = [(0, 1, "true"), (2, 3, "YES"), (3, 4, "no"), (0, 2, "0"), (4, 5, ""), (1, 5, "unsure")]
    labels.write_text("record_id_l,record_id_r,is_match\n" + "".join(f"{ids[a]},{ids[b]},{v}\n" for a, b, v in rows))
    found = evaluate(configuration, NIGHT, labels)
    assert found.against == "labels"
    assert (found.true_pairs, found.joined_pairs, found.true_joined_pairs) == (2, 2, 1)
    assert (found.precision, found.recall) == (0.5, 0.5)
    assert found.measures["bcubed_recall"] is None
    assert found.measures["mixed_clusters_per_100000"] is None
    assert sum(g.true_pairs for g in found.groups if g.by == "setting") == 2
    assert sum(true for true, _, _ in found.by_settings.values()) == 2
    assert not any("--review" in note for note in found.notes)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_truth_may_be_written_with_any_usual_delimiter(delimiter, tmp_path):
    """Keys with colons and braces lead nobody to another delimiter than the first line's."""
    records = clustering("AAB", "112")
    configuration = write_night(tmp_path, records)
    rows = [(r["provider"], r["local_id"], f"{{{r['person']}:{n}}}"[:2] + "}") for n, r in enumerate(records)]
    text = "\n".join(delimiter.join(row) for row in [("provider", "local_id", "person_id"), *rows])
    (tmp_path / "truth.csv").write_text(text, encoding="utf-8-sig")
    found = evaluate(configuration, NIGHT, tmp_path / "truth.csv")
    assert (found.records, found.true_pairs, found.recall) == (3, 1, 1.0)


# Unfit files ----------------------------------------------------------------------------------------------------------

GOOD = "provider,local_id,person_id\nP,0,SECRET1\nQ,1,SECRET1\nP,2,SECRET2\n"
UNFIT = {
    "no columns": ("number,who\nSECRET1,2\n", "needs the columns provider, local_id and person_id"),
    "lacks one": ("provider,person_id\nP,SECRET1\n", "lacks local_id"),
    "two people": (GOOD + "P,0,SECRET3\n", "rows 1 and 4 .* person_id"),
    "other keys": ("provider,local_id,person_id\n" + "".join(f"SECRETX,{n},p\n" for n in range(40)), "Of the 40 keys .* only 0"),
    "few keys": (GOOD + "".join(f"SECRETX,{n},p\n" for n in range(60)), "Of the 63 keys .* only 3"),
    "no names": ("SECRET1,,\n", "line 1: a name for each column"),
    "nothing in it": ("", "line 1: a name for each column"),
    "empty": ("provider,local_id,person_id\n", "Of the 0 keys"),
    "no key": (GOOD + ",7,SECRET4\n", "without provider, the first being row 4"),
    "unknown record": ("record_id_l,record_id_r,is_match\nP:0,Q:1,true\nP:0,SECRETX:9,true\n", "1 of 2 pair.* row 2"),
    "not a verdict": ("record_id_l,record_id_r,is_match\nP:0,Q:1,SECRETly\n", "row 1, column is_match"),
    "both verdicts": ("record_id_l,record_id_r,is_match\nP:0,Q:1,yes\nQ:1,P:0,no\n", "rows 1 and 2"),
    "one record twice": ("record_id_l,record_id_r,is_match\nP:0,P:0,yes\n", "row 1.* one record"),
    "nothing judged": ("record_id_l,record_id_r,is_match\nP:0,Q:1,\n", "nobody has judged"),
    "no pair": ("record_id_l,record_id_r,is_match\n", "holds no pair"),
}  # fmt: skip


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    return write_night(tmp_path_factory.mktemp("linked"), clustering("AAB", "112"))


@pytest.mark.parametrize("case", UNFIT, ids=str)
def test_an_unfit_file_is_refused_in_one_sentence_and_changes_nothing(case, linked, tmp_path):
    text, told = UNFIT[case]
    file = tmp_path / "truth.csv"
    file.write_text(text)
    before = sorted(p for p in linked.home.rglob("*") if "tmp" not in p.parts[len(linked.home.parts) :])
    with pytest.raises(BadInput, match=told) as refused:
        evaluate(linked, NIGHT, file)
    assert str(file) in str(refused.value)
    assert "SECRET" not in str(refused.value).replace(str(file), "")
    assert sorted(p for p in linked.home.rglob("*") if "tmp" not in p.parts[len(linked.home.parts) :]) == before


def test_what_cannot_be_read_is_named(linked, tmp_path):
    (tmp_path / "truth.parquet").write_bytes(b"SECRET, not Parquet")
    with pytest.raises(BadInput, match="cannot be read as Parquet or CSV") as refused:
        evaluate(linked, NIGHT, tmp_path / "truth.parquet")
    assert "SECRET" not in str(refused.value)
    (tmp_path / "uneven.csv").write_text("provider,local_id,person_id\nP,0,1\nP,1,SECRET,2,3\n")
    with pytest.raises(BadInput, match=r"uneven\.csv, line 3, cannot be read") as refused:
        evaluate(linked, NIGHT, tmp_path / "uneven.csv")
    assert "SECRET" not in str(refused.value)
    with pytest.raises(BadInput, match="There is no truth file"):
        evaluate(linked, NIGHT, tmp_path / "nowhere.csv")
    with pytest.raises(BadInput, match="2026-04-02 is not linked"):
        evaluate(linked, date(2026, 4, 2), tmp_path / "truth.parquet")


PEOPLE = {
    "no person": ("sex\nF\n", "needs the column person_id"),
    "nothing to group by": ("person_id\nSECRET1\n", "at least one of sex, birth_date"),
    "one twice": ("person_id,sex\nSECRET1,F\nSECRET2,M\nSECRET1,M\n", "more than once, the first from row 1"),
    "others": ("person_id,sex\nSECRET9,F\n", "knows none of the 2 people"),
}


@pytest.mark.parametrize("case", PEOPLE, ids=str)
def test_an_unfit_people_file_is_refused(case, linked, tmp_path):
    text, told = PEOPLE[case]
    (tmp_path / "truth.csv").write_text(GOOD)
    (tmp_path / "people.csv").write_text(text)
    with pytest.raises(BadInput, match=told) as refused:
        evaluate(linked, NIGHT, tmp_path / "truth.csv", people=tmp_path / "people.csv")
    assert "SECRET" not in str(refused.value)


# Files ----------------------------------------------------------------------------------------------------------------


def test_figures_are_written_as_csv_and_as_a_page_that_needs_no_network(tmp_path):
    records = clustering("AABB", "1123")
    ids = [r["record_id"] for r in records]
    pair = {"record_id_l": ids[0], "record_id_r": ids[1], "match_weight": 12.0, "match_probability": 0.999,
            "outcome": "match", "decided_by": "match_weight"}  # fmt: skip
    found = measured(tmp_path, records, [pair])
    written = evaluation_chart.write_figures(found, tmp_path / "figures")
    assert {p.name for p in written} == {
        "precision_recall_curve.csv", "reliability.csv", "by_group.csv", "evaluation.md", "evaluation.html",
    }  # fmt: skip
    with (tmp_path / "figures" / "by_group.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found.groups)
    assert {r["by"] for r in rows} == set(RECORD_GROUPS) | set(PAIR_GROUPS)
    tables = (tmp_path / "figures" / "evaluation.md").read_text()
    # One pair of two people would tell of them: too few, and hidden.
    assert "| gp | * | * | * |" in tables
    assert {r["recall"] for r in rows if r["true_pairs"] == "*"} == {"*"}
    page = (tmp_path / "figures" / "evaluation.html").read_text()
    assert "vegaEmbed" in page
    assert "<link" not in page
    assert "script src" not in page
    assert "cdn.jsdelivr" not in page


def test_groups_that_are_large_enough_are_told(tmp_path):
    names = "ABCDEFGHIJ"
    records = clustering(names + names, "".join("0123456789" for _ in range(2)))
    evaluation_chart.write_figures(measured(tmp_path, records), tmp_path / "figures")
    with (tmp_path / "figures" / "by_group.csv").open() as file:
        told = {(r["by"], r["group"]): r for r in csv.DictReader(file)}
    assert any(r["recall"] not in ("", "*") and r["true_pairs"] == "10" for r in told.values())


def test_the_same_night_gives_the_same_file_twice(tmp_path):
    records = clustering("AAABBCCDD", "112233456")
    first, second = (json.dumps(measured(tmp_path, records).as_json()) for _ in range(2))
    assert first == second


# Intervals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (95, 100, 0.8882, 0.9785), (1, 2, 0.0945, 0.9055), (0, 0, 0.0, 1.0)],
)
def test_wilson(successes, trials, low, high):
    """Known values (Newcombe 1998, method 3)."""
    assert intervals.wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_pairs_of_one_person_count_as_little_as_the_person_where_they_stand_or_fall_together():
    one_each = intervals.units_of(("part", "whole"), [(1, 1, 180), (0, 1, 20)])
    three_each = intervals.units_of(("part", "whole"), [(3, 3, 180), (0, 3, 20)])
    single, triple = (intervals.share_of_units(u, "part", "whole") for u in (one_each, three_each))
    assert (single.value, triple.value, triple.of) == (0.9, 0.9, 600)
    assert (single.low, single.high) == pytest.approx(intervals.wilson(180, 200), abs=1e-3)
    assert (triple.low, triple.high) == pytest.approx((single.low, single.high))


def test_the_interval_is_as_wide_as_that_of_resampled_people():
    units = intervals.units_of(("part", "whole"), [(1, 1, 300), (0, 1, 60), (3, 6, 80), (10, 10, 40), (2, 10, 20)])
    analytic = intervals.share_of_units(units, "part", "whole")
    resampled = intervals.bootstrapped(units, lambda sums: sums[:, 0] / sums[:, 1], analytic.value, analytic.of)
    assert analytic.high - analytic.low == pytest.approx(resampled.high - resampled.low, rel=0.15)


def test_no_error_seen_is_not_certainty():
    found = intervals.share_of_units(intervals.units_of(("part", "whole"), [(5, 5, 30)]), "part", "whole")
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(intervals.wilson(30, 30)[0])
    f1 = intervals.f1_of_units(intervals.units_of(("a", "b", "c", "d"), [(5, 5, 5, 5, 30)]), ("a", "b"), ("c", "d"))
    assert f1.value == 1.0
    assert f1.low == pytest.approx(found.low)


@pytest.mark.parametrize(
    ("verdicts", "kappa"),
    [
        ([(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15, 0.4),
        ([(True, True), (False, False)], 1.0),
        ([(True, False), (False, True)], -1.0),
        ([(True, True)] * 3, None),
        ([], None),
    ],
)
def test_cohens_kappa(verdicts, kappa):
    found = intervals.cohens_kappa(verdicts)
    assert found is None if kappa is None else found == pytest.approx(kappa)
