"""What the sensors ask: does a source hold something for the night that has not been taken?"""

from datetime import timedelta

from registry_pipeline.extract import has_new_delivery
from registry_pipeline.outcomes import FeedOutcome
from tests.extract.conftest import NIGHT

PATIENTS = "ID,SURNAME,DOB,PCODE\n1,A,,\n"


def asks(feed, status=None):
    outcome = FeedOutcome(provider="P1", feed="patient", night=NIGHT, status=status) if status else None
    return has_new_delivery(feed.configuration, feed.provider, "patient", NIGHT, outcome)


def test_nothing_there_is_nothing_new(delivering):
    assert not asks(delivering(), "missing")


def test_a_late_file_is_new_until_it_is_taken(delivering):
    late = delivering()
    late.write("patients.csv", PATIENTS)
    assert asks(late, "missing")

    late.extract()

    assert not asks(late, "accepted")


def test_a_corrected_file_is_new_and_the_same_content_again_is_not(delivering):
    corrected = delivering()
    corrected.write("patients.csv", PATIENTS)
    corrected.extract()

    corrected.write("patients.csv", PATIENTS)
    assert not asks(corrected, "accepted")

    corrected.write("patients.csv", PATIENTS + "2,B,,\n")
    assert asks(corrected, "accepted")


def test_nothing_is_new_once_the_agreement_has_ended(delivering):
    ended = delivering(agreement={"reference": "DSA-1", "ends": NIGHT - timedelta(days=1)})
    ended.write("patients.csv", PATIENTS)

    assert not asks(ended, "missing")


def test_a_database_is_asked_again_only_until_it_has_answered(delivering):
    database = delivering(kind="postgres", source={"dsn_env": "P1_DSN", "query": "select 1"})

    assert asks(database)
    assert asks(database, "unreachable")
    assert not asks(database, "accepted")
