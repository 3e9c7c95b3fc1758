"""Outcomes: which nights' data a registry night uses when extracts come, fail, or stay away."""

from datetime import date, timedelta

import pytest

from registry_pipeline import outcomes
from registry_pipeline.config import Agreement, Configuration, Deployment, Feed, ParquetSource, Provider
from registry_pipeline.outcomes import FeedOutcome
from registry_pipeline.storage import Home

FIRST = date(2026, 4, 1)
SOURCE = ParquetSource(kind="parquet", path="x")


def configuration(tmp_path, **provider):
    described = Provider(
        **{
            "provider": "RX1",
            "setting": "acute",
            "feeds": {"patient": Feed(source=SOURCE), "spell": Feed(source=SOURCE)},
            **provider,
        }
    )
    return Configuration(directory=tmp_path, home=tmp_path, deployment=Deployment(), providers={"RX1": described})


def happened(home, feed, statuses):
    for day, status in enumerate(statuses):
        if status:
            outcomes.keep(
                home, FeedOutcome(provider="RX1", feed=feed, night=FIRST + timedelta(days=day), status=status)
            )


@pytest.mark.parametrize(
    ("statuses", "nights_used", "days_old", "stale"),
    [
        (["accepted"], [0], 0, False),
        (["accepted", "accepted"], [1], 0, False),
        (["accepted", "rejected"], [0], 1, False),
        (["accepted", "missing", "unreachable", "unreadable"], [0], 3, False),
        (["accepted", None, None, None, "columns"], [0], 4, True),
        (["accepted", "validated"], [0], 1, False),
        (["missing"], None, None, None),
        (["rejected", "accepted", "failed"], [1], 1, False),
    ],
)
def test_a_full_extract_counts_until_the_next_accepted_one(tmp_path, statuses, nights_used, days_old, stale):
    happened(Home(tmp_path), "patient", statuses)

    shares = outcomes.shares_of_night(configuration(tmp_path), FIRST + timedelta(days=len(statuses) - 1))

    if nights_used is None:
        assert shares == []
    else:
        assert [s.nights for s in shares] == [tuple(FIRST + timedelta(days=n) for n in nights_used)]
        assert (shares[0].days_old, shares[0].is_stale) == (days_old, stale)


def test_event_deltas_add_up_over_their_accepted_nights(tmp_path):
    happened(Home(tmp_path), "spell", ["accepted", "rejected", "accepted", "missing"])

    [share] = outcomes.shares_of_night(configuration(tmp_path, delivery="delta"), FIRST + timedelta(days=3))

    assert share.nights == (FIRST, FIRST + timedelta(days=2))
    assert share.days_old == 1


def test_a_back_filled_night_does_not_look_into_its_future(tmp_path):
    happened(Home(tmp_path), "patient", ["accepted", "accepted", "accepted"])

    [share] = outcomes.shares_of_night(configuration(tmp_path), FIRST + timedelta(days=1))

    assert share.night == FIRST + timedelta(days=1)


@pytest.mark.parametrize(("on_end", "providers"), [("remove", 0), ("keep", 1)])
def test_records_leave_with_the_agreement_or_stay_as_it_says(tmp_path, on_end, providers):
    happened(Home(tmp_path), "patient", ["accepted", "agreement"])
    ended = Agreement(reference="DSA-1", starts=FIRST, ends=FIRST, on_end=on_end)

    shares = outcomes.shares_of_night(configuration(tmp_path, agreement=ended), FIRST + timedelta(days=1))

    assert len(shares) == providers
