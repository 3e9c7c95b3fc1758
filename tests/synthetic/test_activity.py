import re
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from registry_pipeline.synthetic import activity, clinical
from registry_pipeline.synthetic import population as p
from registry_pipeline.synthetic.randomness import stream
from registry_pipeline.tables import FEEDS

TODAY = p.day_number(date(2026, 4, 1))
PEOPLE = 20_000


@pytest.fixture(scope="module")
def known():
    population, _ = p.populate(4, PEOPLE, np.array([], dtype=np.int64), date(2026, 4, 1))
    ids = pa.array(np.arange(PEOPLE)).cast(pa.string())
    return activity.Known(population, np.arange(PEOPLE), ids, "RX1", TODAY)


def happened(known, feed, days=730, seed=1):
    return activity.happen(known, feed, (TODAY - days + 1, TODAY), stream(seed, feed), 1)


def persons(events):
    return events["local_id"].cast(pa.int64()).to_numpy()


def days(events, name="start_date"):
    return events[name].cast(pa.timestamp("s")).cast(pa.int64()).to_numpy() // 86400


@pytest.mark.parametrize("feed", sorted(activity.FEEDS))
def test_events_have_canonical_columns_and_fall_into_the_window(known, feed):
    events = happened(known, feed)
    own = {name for name in events.column_names if not name.startswith(activity.LATER)}
    assert own <= set(FEEDS[feed].column_names)
    assert set(FEEDS[feed].required) <= own
    assert len(events) > 100
    assert pc.count_distinct(events["event_id"]).as_py() == len(events)
    assert days(events).max() <= TODAY
    if feed != "condition":  # a condition's onset may lie years back
        assert days(events).min() >= TODAY - 729


@pytest.mark.parametrize("feed", sorted(set(activity.FEEDS) - {"condition"}))
def test_nothing_befalls_the_unborn_and_the_dead(known, feed):
    events = happened(known, feed)
    who, when = persons(events), days(events)
    dead = known.population.death_day[who]
    assert (when >= known.population.birth_day[who]).all()
    assert (when[dead != p.NONE] <= dead[dead != p.NONE]).all()


def test_a_usual_night_is_a_day_of_the_history(known):
    history, night = len(happened(known, "contact")), len(happened(known, "contact", days=1))
    assert history / 1000 < night < history / 500


def test_activity_fits_the_person(known):
    spells = happened(known, "spell")
    burden = known.burden()
    per_person = np.bincount(persons(spells), minlength=PEOPLE)
    assert per_person[burden >= 3].mean() > 1.7 * per_person[burden == 0].mean()
    main = np.array([d.split(";")[0] for d in spells["diagnoses"].to_pylist()])
    age = known.population.ages(persons(spells), TODAY - 365)
    assert (age[main == "J219"] < 18).all()  # bronchiolitis is a child's
    assert (age[main == "S720"] > 67).all()  # a broken hip an older person's
    conditions = happened(known, "condition").filter(pc.equal(pc.field("description"), "Type 2 diabetes mellitus"))
    assert known.has("Type 2 diabetes mellitus")[persons(conditions)].all()
    assert len(conditions) == len(set(persons(conditions)))


def test_spells_hang_together(known):
    spells = happened(known, "spell").to_pylist()
    for spell in spells:
        over = spell["end_date"] is not None
        assert over == (spell["discharge_method"] is not None)
        assert not over or spell["end_date"].date() >= spell["start_date"].date()
        assert spell["patient_classification"] != "2" or spell["admission_method"][0] == "1"
        assert all(re.fullmatch(r"[A-Z][0-9]{2}[0-9X]?", code) for code in spell["diagnoses"].split(";"))
    died = [s for s in spells if s["discharge_method"] == "4"]
    assert died
    assert all(
        s["end_date"].date() == date(1970, 1, 1) + timedelta(days=int(known.population.death_day[int(s["local_id"])]))
        for s in died
    )


def test_stays_that_were_open_are_told_of_in_full_once_they_end(known):
    spells = happened(known, "spell")
    open_stays = spells.filter(spells["end_date"].is_null())
    assert len(open_stays) > 20
    told, rest = activity.now_over(open_stays, TODAY + 2)
    assert len(told) > 5
    assert len(told) + len(rest) == len(open_stays)
    assert told["end_date"].null_count == told["discharge_method"].null_count == 0
    assert days(told, "end_date").max() <= TODAY + 2
    assert rest["end_date"].null_count == len(rest)


MULTIPLY = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 0, 6, 7, 8, 9, 5], [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
            [3, 4, 0, 1, 2, 8, 9, 5, 6, 7], [4, 0, 1, 2, 3, 9, 5, 6, 7, 8], [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
            [6, 5, 9, 8, 7, 1, 0, 4, 3, 2], [7, 6, 5, 9, 8, 2, 1, 0, 4, 3], [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
            [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]]  # fmt: skip
PERMUTE = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 5, 7, 6, 2, 8, 3, 0, 9, 4], [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
           [8, 9, 1, 6, 0, 4, 3, 5, 2, 7], [9, 4, 5, 3, 1, 2, 6, 8, 7, 0], [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
           [2, 7, 9, 3, 8, 0, 6, 4, 1, 5], [7, 0, 4, 6, 9, 1, 3, 2, 5, 8]]  # fmt: skip


def verhoeff(code):
    check = 0
    for place, digit in enumerate(reversed(code)):
        check = MULTIPLY[check][PERMUTE[place % 8][int(digit)]]
    return check == 0


def test_snomed_codes_pass_their_check_digit():
    codes = {c.snomed for c in clinical.CONDITIONS} | {m[0] for c in clinical.CONDITIONS for m in c.medicines}
    codes |= {m[0] for m in clinical.ACUTE_MEDICINES} | set(clinical.COMPLAINTS)
    assert [code for code in sorted(codes) if not verhoeff(code)] == []
