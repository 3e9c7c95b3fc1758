"""The laws of ids, over many nights on which records come, go, join and part at will."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry_pipeline.link.identity import resolve

RECORDS = [f"{provider}:{n}" for provider in ("GP1", "RX1") for n in range(4)]
Partition = dict[str, int]
NIGHTS = st.lists(st.dictionaries(st.sampled_from(RECORDS), st.integers(0, 4), min_size=1), min_size=2, max_size=5)
"""Each night: the records that are there, and the number of the person that each is taken for."""


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nights=NIGHTS)
def test_ids_last(new_care_system, rows_of, nights):
    care_system = new_care_system()
    care_system.providers = ("GP1", "RX1")
    ever: set[str] = set()
    joined: dict[str, str] = {}
    before: dict[str, str] = {}
    events_before: set = set()
    previous: Partition | None = None
    for number, people in enumerate([*nights, nights[-1]], start=1):
        night = care_system.night(number)
        clusters: dict[int, list[str]] = {}
        for record, person in people.items():
            clusters.setdefault(person, []).append(record)
        care_system.people(night, {str(k): v for k, v in clusters.items()})
        folder = care_system.carry_ids(night)
        pairs = rows_of(folder / "patient_record.parquet", "SELECT record_id, patient_id::VARCHAR FROM t")
        ids = dict(pairs)

        # Every record has exactly one id; records have one id exactly if they are one cluster.
        assert len(pairs) == len(ids)
        assert set(ids) == set(people)
        by_id: dict[str, set[str]] = {}
        for record, patient_id in ids.items():
            by_id.setdefault(patient_id, set()).add(record)
        assert sorted(map(sorted, by_id.values())) == sorted(map(sorted, clusters.values()))

        rows = rows_of(
            folder / "identity_event.parquet",
            "SELECT event_type, patient_id::VARCHAR, other_patient_id::VARCHAR, night, cause, record_count FROM t",
        )
        events = set(rows)
        assert len({row[:4] for row in rows}) == len(rows)
        assert events_before <= events
        tonight = events - events_before

        # A new id is created once and never was before; an id that was joined is never used again.
        created = {e[1] for e in tonight if e[0] == "created"}
        assert created == set(by_id) - ever
        assert not set(by_id) & set(joined)
        ever |= created
        joined.update({e[1]: e[2] for e in tonight if e[0] == "joined"})

        # An id that was there is there, has been joined, or is retired; one that lives again says so.
        gone = set(before.values()) - set(by_id)
        assert gone <= {e[1] for e in tonight if e[0] in ("joined", "retired")}
        assert {e[1] for e in tonight if e[0] == "resurrected"} == set(by_id) - set(before.values()) - created

        # A person whose records are the same as last night keeps the id, unless it joined or parted.
        for patient_id, records in by_id.items():
            if {r for r, i in before.items() if i in {before.get(x) for x in records}} == records:
                assert {before[r] for r in records} >= {patient_id}
        if people == previous:
            assert ids == before
            assert not tonight
        before, events_before, previous = ids, events, people

    # Every id ever given out resolves to one that was not joined, by the joins that were written.
    for patient_id in ever:
        end = patient_id
        while end in joined:
            end = joined[end]
        assert resolve(folder, patient_id) == end
