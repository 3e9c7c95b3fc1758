"""Estimates without a truth: beside the truth of a made-up population, and the review sample there and back."""

from __future__ import annotations

import csv
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.link import estimate
from registry_pipeline.link.intervals import wilson
from registry_pipeline.storage import Home, connect, scan
from tests.linkage.small_nights import NIGHT, clustering, record, write_night

# Hidden numbers, beside the truth ---------------------------------------------------------------------------------------


@pytest.fixture
def known_shares(made_up, monkeypatch):
    """Let estimates see the made-up shares, which no outcome file tells of."""
    monkeypatch.setattr(estimate, "shares_of_night", lambda *_: made_up[1])
    return made_up[0]


@pytest.fixture(scope="module")
def truly(made_up):
    """Of true pairs of which a side has no number: how many there are, and how many are judged a match."""
    configuration, _, truth, *_ = made_up
    home = Home(configuration.home)
    records = scan([home.staged("person_record", code, NIGHT) for code in configuration.providers])
    connection = connect(home)
    try:
        return connection.execute(
            "WITH known AS (SELECT record_id, person_id, nhs_number IS NULL AS is_bare"
            f" FROM {records} INNER JOIN '{truth}' USING (provider, local_id))"
            " SELECT count(*), count(*) FILTER (outcome = 'match') FROM known AS l"
            " INNER JOIN known AS r ON l.person_id = r.person_id AND l.record_id < r.record_id"
            f" LEFT JOIN {scan(home.linked('linked_pair', NIGHT))}"
            " ON record_id_l = l.record_id AND record_id_r = r.record_id WHERE l.is_bare OR r.is_bare"
        ).fetchall()[0]
    finally:
        connection.close()


def test_the_estimate_lies_beside_the_truth(known_shares, truly):
    """Where numbers are missing by chance, pairs that have to do without one are found as often as is estimated."""
    found = estimate.from_hidden_numbers(known_shares, NIGHT)
    pairs, matched = truly
    recall = found.measures["estimated_recall"]
    low, high = wilson(matched, pairs)
    assert pairs > 100
    assert recall.low <= high
    assert low <= recall.high, (recall, matched / pairs)
    assert found.measures["estimated_blocking_recall"].value >= recall.value
    assert found.measures["estimated_false_match_rate"].value < 0.02
    assert sum(found.missed.values()) == round(found.true_pairs * (1 - recall.value))
    assert sum(g.true_pairs for g in found.groups if g.by == "provider") == found.true_pairs
    assert max(found.by_rule.values()) <= found.measures["estimated_blocking_recall"].value


def test_every_estimate_is_named_one_and_says_why_it_is_optimistic(known_shares):
    found = estimate.from_hidden_numbers(known_shares, NIGHT, most_records=1_000)
    assert found.drawn_records <= 1_000 < found.verified_records
    told = found.as_json()
    assert all(name.startswith("estimated_") for name in told["measures"])
    assert "ESTIMATES" in found.headline
    assert sum(reason.startswith("Optimistic") for reason in told["reasons"]) >= 2
    assert found.as_json() == estimate.from_hidden_numbers(known_shares, NIGHT, most_records=1_000).as_json()


def test_without_verified_numbers_there_is_nothing_to_hide(tmp_path):
    configuration = write_night(tmp_path, clustering("AABB", "1122"), [{"model_version": "v0001"}])
    (configuration.models).mkdir()
    with pytest.raises(BadInput, match="model v0001 that linked the night is not in"):
        estimate.from_hidden_numbers(configuration, NIGHT)


# The review sample ------------------------------------------------------------------------------------------------------


def review_night(folder, *, sensitive=()):
    """60 people of two records each; the last 20 are two people joined in one cluster by mistake, ten are not joined."""
    records, pairs = [], []
    for n in range(60):
        joined = n < 50
        for side in (0, 1):
            number = 2 * n + side
            records.append(
                record(number, f"{n}", f"{n}" if joined else f"{n}-{side}", is_sensitive=number in sensitive)
            )
        left, right = sorted(r["record_id"] for r in records[-2:])
        pairs.append({
            "record_id_l": left, "record_id_r": right, "match_weight": 15.0 if joined else 4.0,
            "match_probability": 0.9, "outcome": "match" if joined else "possible_match", "decided_by": "match_weight",
        })  # fmt: skip
    return write_night(folder, records, pairs)


def number_of(row):
    return int(row["record_id_l"].split(":")[1])


def judged(path, verdict, out, reviewer=None):
    with path.open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["is_match"] = verdict(row)
        row["reviewer"] = reviewer or ""
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return out


def test_a_sample_holds_keys_only_and_its_weights_add_up(tmp_path):
    configuration = review_night(tmp_path)
    sample = estimate.write_review_sample(configuration, NIGHT, 20, tmp_path / "review")
    with sample.path.open() as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {
        "record_id_l", "record_id_r", "is_match", "reviewer", "stratum", "stratum_pairs", "sampling_weight",
    }  # fmt: skip
    assert len(rows) == sample.pairs == 20
    assert {row["is_match"] for row in rows} == {""}
    assert sum(float(row["sampling_weight"]) for row in rows) == pytest.approx(60)
    assert len({(row["record_id_l"], row["record_id_r"]) for row in rows}) == 20
    again = estimate.write_review_sample(configuration, NIGHT, 20, tmp_path / "again")
    assert again.path.read_text() == sample.path.read_text()


def test_a_sample_that_may_hold_verdicts_is_not_written_over(tmp_path):
    configuration = review_night(tmp_path)
    sample = estimate.write_review_sample(configuration, NIGHT, 20, tmp_path)
    before = sample.path.read_text()
    with pytest.raises(BadInput, match="may hold verdicts"):
        estimate.write_review_sample(configuration, NIGHT, 30, tmp_path)
    assert sample.path.read_text() == before


def test_people_flagged_sensitive_never_stand_in_a_sample(tmp_path):
    """Neither the flagged record, nor others of its cluster, nor of a cluster that may be the same person."""
    configuration = review_night(tmp_path, sensitive=(0, 7, 110))
    sample = estimate.write_review_sample(configuration, NIGHT, 60, tmp_path)
    with sample.path.open() as file:
        drawn = {number_of(row) // 2 for row in csv.DictReader(file)}
    assert drawn == set(range(60)) - {0, 3, 55}
    assert (sample.pairs, sample.left_out) == (57, 3)


def test_verdicts_on_every_pair_give_the_figures_themselves(tmp_path):
    configuration = review_night(tmp_path)
    sample = estimate.write_review_sample(configuration, NIGHT, 60, tmp_path)
    # Of 50 joined pairs 40 are one person, of 10 that are not joined 5 are.
    back = judged(
        sample.path,
        lambda row: "yes" if number_of(row) // 2 in {*range(40), *range(50, 55)} else "no",
        tmp_path / "b.csv",
    )
    found = estimate.from_review(configuration, NIGHT, [back])
    precision, recall = (found.measures[f"estimated_{name}"] for name in ("precision", "recall"))
    assert (precision.value, precision.low, precision.high) == pytest.approx((0.8, 0.8, 0.8))
    assert (recall.value, recall.low, recall.high) == pytest.approx((40 / 45,) * 3)
    assert found.judged == 60
    assert found.kappa == {}


def test_a_part_of_the_pairs_gives_an_interval_that_holds_them(tmp_path):
    configuration = review_night(tmp_path)
    sample = estimate.write_review_sample(configuration, NIGHT, 30, tmp_path)
    back = judged(
        sample.path, lambda row: "" if number_of(row) % 10 == 0 else str(number_of(row) < 100), tmp_path / "b.csv"
    )
    found = estimate.from_review(configuration, NIGHT, [back])
    precision = found.measures["estimated_precision"]
    assert precision.value == 1.0
    assert precision.low < 1.0
    assert found.measures["estimated_recall"].low < 1.0


def test_two_reviewers_agree_as_far_as_kappa_says_and_ties_are_left_out(tmp_path):
    configuration = review_night(tmp_path)
    sample = estimate.write_review_sample(configuration, NIGHT, 60, tmp_path)
    first = judged(sample.path, lambda row: str(number_of(row) < 60), tmp_path / "1.csv", "one")
    second = judged(sample.path, lambda row: str(number_of(row) < 80), tmp_path / "2.csv", "two")
    found = estimate.from_review(configuration, NIGHT, [first, second])
    assert found.even == 10
    assert found.judged == 50
    ((who, (pairs, kappa)),) = found.kappa.items()
    assert (who, pairs) == ("1 and 2", 60)
    agree, chance = 50 / 60, (30 / 60) * (40 / 60) + (30 / 60) * (20 / 60)
    assert kappa == pytest.approx((agree - chance) / (1 - chance))


UNFIT = {
    "lost column": (lambda rows: [{k: v for k, v in r.items() if k != "stratum"} for r in rows], "lacks stratum"),
    "weight": (lambda rows: [rows[0], rows[1] | {"sampling_weight": "SECRET"}], "row 2, column sampling_weight"),
    "verdict": (lambda rows: [rows[0] | {"is_match": "SECRET"}], "row 1, column is_match"),
    "record": (lambda rows: [rows[0] | {"record_id_l": "SECRET:1"}], "1 of 1 pair.* row 1"),
    "nothing judged": (lambda rows: rows, "nobody has judged"),
    "twice": (lambda rows: [rows[0] | {"is_match": "yes"}] * 2, "1 pair.* twice by one reviewer"),
}


@pytest.mark.parametrize("case", UNFIT, ids=str)
def test_an_unfit_review_is_refused_in_one_sentence(case, tmp_path):
    change, told = UNFIT[case]
    configuration = review_night(tmp_path)
    sample = estimate.write_review_sample(configuration, NIGHT, 20, tmp_path)
    with sample.path.open() as file:
        rows = change(list(csv.DictReader(file)))
    with (tmp_path / "back.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(BadInput, match=told) as refused:
        estimate.from_review(configuration, NIGHT, [tmp_path / "back.csv"])
    assert "SECRET" not in str(refused.value)


def test_too_small_a_sample_says_how_many_are_needed(tmp_path):
    configuration = review_night(tmp_path)
    with pytest.raises(BadInput, match="at least 2 pairs"):
        estimate.write_review_sample(configuration, NIGHT, 1, tmp_path)
    empty = write_night(tmp_path / "empty", clustering("AB", "12"))
    with pytest.raises(RunFailed, match="no kept pair"):
        estimate.write_review_sample(empty, NIGHT, 10, tmp_path)


@given(st.dictionaries(st.integers(0, 40), st.integers(1, 500), min_size=1, max_size=12), st.integers(1, 900))
def test_what_is_allotted_adds_up_and_fits(sizes, total):
    total = max(total, len(sizes))
    drawn = estimate.allot(sizes, total)
    assert sum(drawn.values()) == min(total, sum(sizes.values()))
    assert all(1 <= drawn[stratum] <= sizes[stratum] for stratum in sizes)


# The command ------------------------------------------------------------------------------------------------------------


def command(monkeypatch, capsys, *arguments):
    from registry_pipeline import cli

    monkeypatch.setattr(sys, "argv", ["registry", "evaluate", *map(str, arguments)])
    monkeypatch.setattr("registry_pipeline.cli.atexit.register", lambda *_: None)
    try:
        cli.main()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.fixture
def deployed(tmp_path, monkeypatch):
    review_night(tmp_path)
    (tmp_path / "registry.yaml").write_text("models: models\n")
    (tmp_path / "providers").mkdir()
    for code, setting in (("P", "gp"), ("Q", "acute")):
        (tmp_path / "providers" / f"{code}.yaml").write_text(
            f"provider: {code}\nsetting: {setting}\nfeeds: {{patient: {{source: {{kind: csv, path: none.csv}}}}}}\n"
        )
    monkeypatch.setenv("REGISTRY_HOME", str(tmp_path / "home"))
    return tmp_path


def test_the_command_measures_against_a_truth(deployed, monkeypatch, capsys):
    rows = [f"{'PQ'[n % 2]},{n},{n // 2}" for n in range(120)]
    (deployed / "truth.csv").write_text("\n".join(["provider,local_id,true_id", *rows]) + "\n")
    code, out, err = command(
        monkeypatch, capsys, "--config", deployed, "--truth", deployed / "truth.csv", "--json", deployed / "e.json"
    )
    assert (code, err) == (0, "")
    assert "83.3333%" in out  # 50 of 60 pairs
    assert len(out.splitlines()) < 100
    assert '"recall"' in (deployed / "e.json").read_text()


def test_the_command_draws_a_sample_and_takes_it_back(deployed, monkeypatch, capsys):
    code, out, _ = command(monkeypatch, capsys, "--config", deployed, "--review-sample", 30, "--folder", deployed / "r")
    assert code == 0
    (path,) = (deployed / "r").iterdir()
    assert str(path) in out
    back = judged(path, lambda _: "true", deployed / "back.csv")
    code, out, _ = command(monkeypatch, capsys, "--config", deployed, "--night", NIGHT, "--review", back)
    assert code == 0
    assert estimate.last_review(Home(deployed / "home"), NIGHT)["judged_pairs"] == 30
    assert "ESTIMATES" in out
    assert "Optimistic" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--review-sample", "5"], "needs --folder"),
        (["--people", "p.csv"], "give --truth too"),
        (["--truth", "t.csv", "--review", "r.csv"], "one of --truth and --review"),
        (["--night", "2026-04-09", "--truth", "t.csv"], "2026-04-09 is not linked"),
        (["--night", "soon", "--truth", "t.csv"], "not a date"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(deployed, monkeypatch, capsys, arguments, told):
    code, out, err = command(monkeypatch, capsys, "--config", deployed, *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert Counter(err)["\n"] == 1
