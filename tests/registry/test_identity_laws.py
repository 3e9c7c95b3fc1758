"""The laws of ids, over many nights on which records come, go, join and part at will, and overrides with them."""

from collections import Counter

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from registry_pipeline.link.identity import resolution, resolve

RECORDS = [f"{provider}:{n}" for provider in ("GP1", "RX1") for n in range(4)]
Partition = dict[str, int]
NIGHTS = st.lists(st.dictionaries(st.sampled_from(RECORDS), st.integers(0, 4), min_size=1), min_size=2, max_size=5)
"""Each night: the records that are there, and the number of the person that each is taken for."""

LAWS = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _people_of(people: Partition) -> dict[str, list[str]]:
    clusters: dict[str, list[str]] = {}
    for record, person in people.items():
        clusters.setdefault(str(person), []).append(record)
    return clusters


class Story:
    """What was seen of ids so far, and what must hold of the next night."""

    def __init__(self, care_system, rows_of):
        self.care_system, self.rows_of = care_system, rows_of
        self.ever: dict[str, int] = {}  # every id given out, and the night of its making
        self.joined: dict[str, str] = {}
        self.before: dict[str, str] = {}
        self.last_of: dict[str, str] = {}  # every record that ever was, and the last id that it had
        self.events: set = set()
        self.resolved: list[dict[str, str]] = []  # what each id went by, night by night

    def live(self, number: int, people: Partition) -> None:
        self.care_system.people(self.care_system.night(number), _people_of(people))
        self.folder = self.care_system.carry_ids(self.care_system.night(number))
        pairs = self.rows_of(self.folder / "patient_record.parquet", "SELECT record_id, patient_id::VARCHAR FROM t")
        rows = self.rows_of(
            self.folder / "identity_event.parquet",
            "SELECT event_type, patient_id::VARCHAR, other_patient_id::VARCHAR, night, cause, record_count FROM t",
        )
        ids, events = dict(pairs), set(rows)
        assert len(pairs) == len(ids)
        assert len({row[:4] for row in rows}) == len(rows)
        assert self.events <= events
        tonight = events - self.events
        self.every_record_has_the_id_of_its_cluster(ids, people)
        self.ids_come_and_go_as_told(ids, tonight, number)
        self.an_id_goes_where_its_larger_part_goes(ids)
        self.every_move_is_told(ids, number)
        self.before, self.events, self.tonight = ids, events, tonight

    def every_record_has_the_id_of_its_cluster(self, ids, people):
        assert set(ids) == set(people)
        assert sorted(map(sorted, _people_of(ids).values())) == sorted(map(sorted, _people_of(people).values()))

    def ids_come_and_go_as_told(self, ids, tonight, number):
        created = {e[1] for e in tonight if e[0] == "created"}
        before, now = set(self.before.values()), set(ids.values())
        assert created == now - set(self.ever)
        assert not now & set(self.joined)  # without an override no id that was joined comes back
        self.ever |= dict.fromkeys(created, number)
        self.joined.update({e[1]: e[2] for e in tonight if e[0] == "joined"})
        assert before - now == {e[1] for e in tonight if e[0] in ("joined", "retired")} & before
        assert {e[1] for e in tonight if e[0] == "resurrected"} == now - before - created
        assert {e[1] for e in tonight if e[0] == "split" and e[4] == "records_parted"} <= created

    def an_id_goes_where_its_larger_part_goes(self, ids):
        reader = self.care_system.reader(self.folder)
        goes_by = {patient_id: resolve(reader, patient_id) for patient_id in self.ever}
        for patient_id in set(self.before.values()):
            parts = Counter(ids[r] for r, i in self.before.items() if i == patient_id and r in ids)
            assert goes_by[patient_id] == patient_id or self.joined[patient_id] == goes_by[patient_id]
            if parts:
                assert parts[goes_by[patient_id]] == max(parts.values())
                assert self.ever[goes_by[patient_id]] <= self.ever[patient_id]
        for patient_id, records in _people_of(ids).items():
            whole = {i for i, had in _people_of(self.before).items() if set(had) <= set(records)}
            assert not whole or patient_id in self.before.values()
        self.resolved.append(goes_by)

    def every_move_is_told(self, ids, number):
        moved = self.rows_of(
            self.folder / "moved_record.parquet",
            "SELECT record_id, from_patient_id::VARCHAR, to_patient_id::VARCHAR FROM t"
            f" WHERE night = '{self.care_system.night(number)}' AND from_patient_id <> to_patient_id",
        )
        changed = {(r, i, ids[r]) for r, i in self.last_of.items() if r in ids and ids[r] != i}
        assert changed == {move for move in moved if move[0] in ids}
        self.last_of |= {record: to for record, _, to in moved} | ids


@LAWS
@given(nights=NIGHTS)
# Two people swap half of their records; one joins an older one and parts on the same night; three at once.
@example(nights=[{"GP1:0": 0, "GP1:1": 0, "RX1:0": 1, "RX1:1": 1}, {"GP1:0": 0, "RX1:0": 0, "GP1:1": 1, "RX1:1": 1}])
@example(nights=[{"RX1:0": 1}, {"RX1:0": 1, "GP1:0": 0, "GP1:1": 0, "GP1:2": 0}, {"RX1:0": 0, "GP1:0": 0, "GP1:1": 0, "GP1:2": 1}])  # fmt: skip
@example(nights=[{"GP1:0": 0, "GP1:1": 0, "RX1:0": 1, "RX1:1": 1, "GP1:2": 2, "RX1:2": 2}, {"GP1:0": 0, "RX1:0": 0, "GP1:1": 1, "GP1:2": 1, "RX1:1": 2, "RX1:2": 2}])  # fmt: skip
def test_ids_last(new_care_system, rows_of, nights):
    care_system = new_care_system()
    care_system.providers = ("GP1", "RX1")
    story = Story(care_system, rows_of)
    for number, people in enumerate(nights, start=1):
        story.live(number, people)
    before = story.before
    story.live(len(nights) + 1, nights[-1])
    assert (story.before, story.tonight) == (before, set())  # a night that changes nothing

    # Every id ever given out resolves to one that was not joined, by the joins that were written.
    for patient_id, goes_by in story.resolved[-1].items():
        end = patient_id
        while end in story.joined:
            end = story.joined[end]
        assert goes_by == end
    # The last snapshot alone answers for every night as that night's own did.
    reader = care_system.reader(story.folder)
    for number, goes_by in enumerate(story.resolved, start=1):
        found = {i: resolution(reader, i, care_system.night(number)) for i in goes_by}
        assert {i: answer.patient_id for i, answer in found.items()} == goes_by
        assert all(a.since is None or a.since <= care_system.night(number) for a in found.values())


PEOPLE = {"GP1:0": 0, "GP1:1": 0, "GP1:2": 1, "RX1:0": 2, "RX1:1": 2, "RX1:2": 3}
PAIRS = [("GP1:0", "GP1:2"), ("GP1:2", "RX1:0"), ("GP1:1", "RX1:2"), ("RX1:1", "RX1:2")]
SAID = st.lists(
    st.tuples(st.sets(st.integers(0, 3)), st.sets(st.sampled_from(sorted(PEOPLE)), max_size=2), st.booleans()),
    min_size=1,
    max_size=5,
)
"""Each run: the pairs that are joined, the records that are not there, and whether it runs the last night again."""


def _clusters(people: Partition, pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    person = dict(people)
    for left, right in pairs:
        if left in person and right in person:
            old, new = person[right], person[left]
            person = {r: new if p == old else p for r, p in person.items()}
    return _people_of(person)


@LAWS
@given(nights=SAID, by_data=st.sets(st.integers(0, 3)))
def test_undoing_every_join_gives_back_exactly_what_was_there(new_care_system, nights, by_data):
    """Some pairs are joined by must-links that come and go; the others by data, and parted by cannot-links."""
    care_system = new_care_system()
    care_system.providers = ("GP1", "RX1")
    first = care_system.live(1, _people_of(PEOPLE))
    ids = care_system.ids(first)
    ever_by_data: set[int] = set()
    # Runs of one night between which records come and go besides may end in a new id; see the limits in `link.undo`.
    runs_again = any(again for _, _, again in nights)
    number = 1
    for wanted, absent, again in [*nights, (set(), set(), False)]:
        number += number == 1 or not again
        ever_by_data |= wanted & by_data
        # What data joined, data parts again when a record leaves, as ever: that is no undoing.
        left = set() if runs_again else absent - {record for n in by_data for record in PAIRS[n]}
        people = {r: p for r, p in PEOPLE.items() if r not in left}
        overrides = [(n, "must_link", *PAIRS[n]) for n in wanted - by_data]
        overrides += [(n, "cannot_link", *PAIRS[n]) for n in ever_by_data - wanted]
        folder = care_system.live(number, _clusters(people, [PAIRS[n] for n in sorted(wanted)]), *overrides)
        # No id appears that was not there, and nobody's id is anybody else's.
        assert set(care_system.ids(folder).values()) <= set(ids.values())
    assert care_system.ids(folder) == ids
    reader = care_system.reader(folder)
    for patient_id in set(ids.values()):
        assert resolve(reader, patient_id) == patient_id
        assert resolve(reader, patient_id, care_system.night(1)) == patient_id
