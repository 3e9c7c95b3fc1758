"""Rates of errors against the truth: what is counted lies near the constant that was drawn from."""

from datetime import date

import numpy as np
import pyarrow.compute as pc
import pytest

from registry_pipeline.synthetic import identifiers, nights, recording
from registry_pipeline.synthetic import population as p
from registry_pipeline.synthetic.randomness import stream

TODAY = p.day_number(date(2026, 4, 1))
PEOPLE = 60_000


@pytest.fixture(scope="module")
def people():
    return p.populate(11, PEOPLE, np.array([], dtype=np.int64), date(2026, 4, 1))


@pytest.fixture(scope="module")
def everybody(people):
    """Everybody written down by the trust with the worst habits but the council's, and how much harder each is."""
    population, places = people
    persons = np.arange(PEOPLE)
    rng = stream(5, "RX1")
    rows = recording.record(population, places, "RX1", persons, recording.local_ids("RX1", 0, PEOPLE, rng), rng, TODAY)
    harder = recording._harder(population, places, persons, TODAY) * recording.HABITS["RX1"].worse
    return population, rows, harder


def column(rows, name):
    return rows[name].to_numpy(zero_copy_only=False)


def near(observed, rate, harder, rows=PEOPLE):
    expected = rate * harder.mean()
    error = 4 * (expected / rows) ** 0.5
    return abs(observed - expected) <= error + 0.1 * expected


def test_missing_and_wrong_nhs_numbers(everybody):
    population, rows, harder = everybody
    held = rows["nhs_number"]
    has = population.nhs_number != p.NONE
    infant = TODAY - population.birth_day < recording.UNNAMED_DAYS
    missing = held.is_null().to_numpy()
    habits = recording.HABITS["RX1"]
    assert near(missing[has & ~infant].mean(), habits.missing_number, harder / habits.worse)
    digits = pc.replace_substring(held, " ", "").fill_null("0").to_numpy(zero_copy_only=False).astype(np.int64)
    there = ~missing & has
    wrong = there & (digits != population.nhs_number) & (digits != population.old_nhs_number)
    invalid = there & ~identifiers.is_valid(digits)
    assert near(invalid.mean(), recording.MISTYPED_NUMBER + recording.SWAPPED_DIGITS, harder)
    assert near((wrong & ~invalid).mean(), recording.MISTYPED_BUT_VALID + recording.SOMEBODY_ELSES, harder)
    old = (population.old_nhs_number != p.NONE) & there
    assert 0.3 < (digits == population.old_nhs_number)[old].mean() < 0.95


def test_status_says_whether_there_is_a_number(everybody):
    _, rows, _ = everybody
    status, missing = column(rows, "nhs_number_status"), rows["nhs_number"].is_null().to_numpy()
    assert set(status[missing]) == {"03", "04", "07", "08"}
    assert set(status[~missing]) == {"01", "02"}


def test_birth_dates(everybody):
    population, rows, harder = everybody
    born = column(rows, "birth_date").astype("datetime64[D]")
    placeholder = np.isin(born, np.array(recording.PLACEHOLDERS, dtype="datetime64[D]"))
    assert near(placeholder.mean(), recording.PLACEHOLDER_BIRTH, harder)
    wrong = born != population.birth_day.astype("datetime64[D]")
    most = recording.PLACEHOLDER_BIRTH + recording.SWAPPED_DAY_MONTH + recording.BIRTH_ONE_DIGIT
    assert 0.5 * most * harder.mean() < wrong.mean() < 1.3 * most * harder.mean()
    assert near((born > np.datetime64("2026-04-01")).mean(), recording.FUTURE_BIRTH, harder)


def test_sex_postcodes_and_addresses(everybody):
    population, rows, harder = everybody
    sex = column(rows, "sex")
    assert near((sex == "U").mean(), recording.UNKNOWN_SEX, harder)
    assert near(((sex == "M") != (population.sex == 1))[sex != "U"].mean(), recording.WRONG_SEX, harder)
    nowhere = pc.starts_with(rows["postcode"], "ZZ99").fill_null(False).to_numpy()
    assert near(nowhere.mean(), recording.PSEUDO_POSTCODE, harder)
    assert near(rows["postcode"].is_null().to_numpy()[~nowhere].mean(), recording.MISSING_POSTCODE, harder)


def test_names_of_infants_are_baby_and_twin(everybody):
    population, rows, _ = everybody
    infant = (TODAY - population.birth_day < recording.UNNAMED_DAYS) & (population.birth_day <= TODAY)
    given = column(rows, "given_name")
    baby = np.array([str(n).startswith(("BABY", "TWIN", "INFANT")) for n in given])
    assert 0.6 < baby[infant].mean() <= 1
    assert not baby[~infant].any()


def test_capitals_and_lost_diacritics_are_the_trusts_habit(everybody):
    _, rows, _ = everybody
    for name in ("given_name", "family_name", "address"):
        text = rows[name]
        assert pc.equal(text, pc.utf8_upper(text)).to_numpy(zero_copy_only=False).all()
        assert pc.all(pc.string_is_ascii(text)).as_py()


def test_recording_is_worse_for_minorities_and_in_deprived_areas(people, everybody):
    population, rows, _ = everybody
    _, places = people
    bad = rows["nhs_number"].is_null().to_numpy()
    minority = ~np.isin(population.ethnicity, [ord("A"), ord("B")])
    poor = places.decile(population.address) <= recording.DEPRIVED_DECILES
    assert bad[minority].mean() > 1.3 * bad[~minority].mean()
    assert bad[poor & ~minority].mean() > 1.1 * bad[~poor & ~minority].mean()


def test_people_have_about_one_point_eight_records(people):
    population, places = people
    books = {
        code: nights.open_books(population, places, code, stream(2, code), TODAY) for code in recording.HABITS
    }  # fmt: skip
    records = sum(len(book.rows) for book in books.values())
    assert 1.65 < records / PEOPLE < 1.95
    for code, book in books.items():
        ids = book.rows["local_id"].to_pylist()
        assert len(ids) == len(set(ids))
        real = book.persons[book.persons != p.NONE]
        second = 1 - len(np.unique(real)) / len(real)
        assert second == pytest.approx(recording.HABITS[code].duplicates, rel=0.35, abs=0.002)
        assert book.rows["test_patient"].to_numpy().sum() >= 2
    frail = books["LA1"].persons[books["LA1"].persons != p.NONE]
    assert (population.ages(frail, TODAY) >= 16).all()


def test_duplicates_of_one_person_disagree_somewhere(people):
    population, places = people
    book = nights.open_books(population, places, "RX1", stream(2, "RX1"), TODAY)
    order = np.argsort(book.persons, kind="stable")
    who = book.persons[order]
    pair = np.flatnonzero((who[1:] == who[:-1]) & (who[1:] != p.NONE))
    assert len(pair) > 100
    first, second = book.rows.take(order[pair]), book.rows.take(order[pair + 1])
    columns = ("given_name", "family_name", "birth_date", "postcode", "nhs_number")
    same = [pc.equal(first[c], second[c]).fill_null(False).to_numpy() for c in columns]
    agreeing = np.mean(same, axis=1)
    assert ((agreeing > 0.7) & (agreeing < 1)).all()


def test_test_patients_are_marked_and_named_so(people):
    population, places = people
    book = nights.open_books(population, places, "RV1", stream(2, "RV1"), TODAY)
    tests = book.rows.filter(book.rows["test_patient"])
    assert pc.all(pc.starts_with(tests["family_name"], "ZZTEST")).as_py()
    assert tests["nhs_number"].null_count == len(tests)
