"""Linking only what changed gives what linking everything gives: the law, over nights on which anything may happen.

Few people, few names and few numbers, so that everything touches everything: blocks cross their caps, groups join and
part, numbers are shared and replaced, overrides come and go.
"""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry_pipeline.config import REPOSITORY, Configuration, Deployment, Provider
from registry_pipeline.link import nights, overrides
from registry_pipeline.link.identity import assign_identities
from registry_pipeline.outcomes import Share
from registry_pipeline.storage import Home, connect, scan, write_table
from registry_pipeline.tables import TABLES

FIRST = date(2026, 4, 1)
PROVIDERS = ("GPA", "RXA")
FIELDS = {
    "given_name": ["ADA", "ADAH", "BOB", "ROBERT", "MARIA JOSE", "LI", None],
    "family_name": ["LOVE", "LOVELL", "OKAFOR SMITH", "SMITH", "NG"],
    "birth_date": ["1950-02-03", "1950-03-02", "1980-07-07", "2026-03-20", "2025-04-05", None],
    "death_date": [None, None, None, "2026-01-01", "2026-02-20"],
    "sex": ["M", "F", None],
    "postcode": ["ZZ1 1AA", "ZZ1 1AB", "ZZ9 9ZZ"],
    "address": ["1 OLD LANE FARTOWN", "2 OLD LANE FARTOWN", "9 NEW ROAD NEARTOWN"],
    "phone": ["07700900001", "07700900002", None],
    "nhs_number": [None, None, "9990000018", "9990000026", "9990000034", "9990000042"],
    "is_nhs_number_verified": [True, False],
}
PEOPLE = (
    {"given_name": "ADA", "family_name": "LOVE", "birth_date": "1950-02-03", "sex": "F", "postcode": "ZZ1 1AA",
     "address": "1 OLD LANE FARTOWN", "phone": "07700900001", "nhs_number": "9990000018", "is_nhs_number_verified": True},
    {"given_name": "ROBERT", "family_name": "OKAFOR SMITH", "birth_date": "1980-07-07", "sex": "M", "postcode": "ZZ1 1AB",
     "address": "2 OLD LANE FARTOWN", "phone": "07700900002", "nhs_number": None, "is_nhs_number_verified": False},
    {"given_name": "ADAH", "family_name": "LOVE", "birth_date": "2026-03-20", "sex": "F", "postcode": "ZZ1 1AA",
     "address": "1 OLD LANE FARTOWN", "phone": None, "nhs_number": "9990000026", "is_nhs_number_verified": False},
    {"given_name": "LI", "family_name": "LOVE", "birth_date": "2026-03-20", "sex": "F", "postcode": "ZZ1 1AA",
     "address": "1 OLD LANE FARTOWN", "phone": "07700900001", "nhs_number": None, "is_nhs_number_verified": False},
)  # fmt: skip
"""Four people, two of them twins: records are of one of them, with errors."""

ERROR = st.sampled_from(list(FIELDS)).flatmap(lambda name: st.tuples(st.just(name), st.sampled_from(FIELDS[name])))
RECORD = st.tuples(st.sampled_from(PEOPLE), st.lists(ERROR, max_size=2)).map(
    lambda made: {"death_date": None, **made[0], **dict(made[1])}
)
KEYS = st.tuples(st.sampled_from(PROVIDERS), st.integers(1, 8)).map(lambda key: f"{key[0]}:{key[1]}")
CHANGE = st.one_of(
    st.tuples(st.just("put"), KEYS, RECORD),
    st.tuples(st.just("set"), KEYS, ERROR),
    st.tuples(st.just("drop"), KEYS),
    st.tuples(st.just("merge"), KEYS, KEYS),
    st.tuples(st.just("must_link"), KEYS, KEYS),
    st.tuples(st.just("cannot_link"), KEYS, KEYS),
    st.tuples(st.just("undo"),),
    st.tuples(st.just("replace"), st.sampled_from(["9990000018", "9990000026"]), st.just("9990000034")),
)  # fmt: skip


@dataclass
class World:
    """What providers and people say by now."""

    records: dict[str, dict] = field(default_factory=dict)
    overrides: list[tuple[int, str, str, str]] = field(default_factory=list)
    replaced: dict[str, str] = field(default_factory=dict)
    made: int = 0

    def apply(self, change: tuple) -> None:
        kind, *rest = change
        if kind == "put":
            self.records[rest[0]] = {**rest[1], "merged_into": None}
        elif kind == "set" and rest[0] in self.records:
            self.records[rest[0]] = {**self.records[rest[0]], rest[1][0]: rest[1][1]}
        elif kind == "drop":
            self.records.pop(rest[0], None)
        elif kind == "merge" and rest[0] in self.records and rest[0].split(":")[0] == rest[1].split(":")[0]:
            self.records[rest[0]] = {**self.records[rest[0]], "merged_into": rest[1] if rest[0] != rest[1] else None}
        elif kind in ("must_link", "cannot_link") and rest[0] != rest[1]:
            self.made += 1
            self.overrides.append((self.made, kind, min(rest), max(rest)))
        elif kind == "undo" and self.overrides:
            self.overrides.pop()
        elif kind == "replace":
            self.replaced[rest[0]] = rest[1]


class Registry:
    """A deployment of its own, whose nights are linked in one of the two ways and published."""

    def __init__(self, folder: Path, *, reuse: bool) -> None:
        feeds = {"patient": {"source": {"kind": "csv", "path": "none.csv"}}}
        providers = {
            code: Provider(provider=code, setting="gp" if code == "GPA" else "acute", feeds=feeds) for code in PROVIDERS
        }
        self.configuration = Configuration(
            directory=folder,
            deployment=Deployment(home=folder / "home", models=REPOSITORY / "linkage_models"),
            providers=providers,
            home=folder / "home",
        )
        self.home, self.reuse, self.prior = Home(folder / "home"), reuse, None

    def run(self, night: date, world: World, monkeypatch) -> nights.Linked:
        shares = self._stage(night, world)
        laid_down = pa.table(
            {
                "override_id": pa.array([o[0] for o in world.overrides], pa.int64()),
                "kind": pa.array([o[1] for o in world.overrides], pa.string()),
                "record_id_l": pa.array([o[2] for o in world.overrides], pa.string()),
                "record_id_r": pa.array([o[3] for o in world.overrides], pa.string()),
            }
        )
        monkeypatch.setattr(overrides, "pairs_in_force", lambda *_: laid_down)
        folder = self.home.linked("linked", night).parent
        job = nights._Job(self.configuration, night, shares, self.prior, folder, self.home.frozen)
        linked = nights._link(job, model=None, reuse=self.reuse)
        assign_identities(self.configuration, night, shares, prior=self.prior, run_id="test")
        self.prior = self.home.snapshot(f"{night}.1")
        self.prior.mkdir(parents=True)
        for table in ("patient_record", "identity_event", "former_record", "moved_record", "override_pair"):
            source = self.home.linked(table, night)
            if source.is_file():
                shutil.copy(source, self.prior / source.name)
        (self.prior / "manifest.json").write_text("{}")
        (self.prior / "published.json").write_text("{}")
        return linked

    def _stage(self, night: date, world: World) -> list[Share]:
        shares = []
        connection = connect(self.home)
        try:
            for code, provider in self.configuration.providers.items():
                rows = [
                    {"record_id": key, "provider": code, "setting": provider.setting, "local_id": key.split(":")[1], "night": night, **r}
                    for key, r in world.records.items() if key.startswith(code)
                ]  # fmt: skip
                shape = TABLES["person_record"]
                names = [*(rows[0] if rows else [])]
                given = pa.table({n: pa.array([r[n] for r in rows]) for n in names}) if rows else None
                columns = ", ".join(f"{n if n in names else 'NULL'} AS {n}" for n in (c.name for c in shape.columns))
                if given is not None:
                    connection.register("given", given)
                source = "given" if given is not None else "(SELECT 1 LIMIT 0)"
                write_table(
                    connection, f"SELECT {columns} FROM {source}", shape, self.home.staged("person_record", code, night)
                )
                shares.append(Share(provider, "patient", (night,), 0, False))
            feed = "nhs_number_replacement"
            told = " UNION ALL ".join(
                f"SELECT '{old}' AS nhs_number, '{new}' AS replaced_by, DATE '2020-01-01' AS start_date, 'GPA' AS provider, DATE '{night}' AS night"
                for old, new in world.replaced.items()
            )
            if told:
                write_table(connection, told, TABLES[feed], self.home.staged(feed, "GPA", night, feed))
                shares.append(Share(self.configuration.providers["GPA"], feed, (night,), 0, False))
            return shares
        finally:
            connection.close()

    def tables(self, night: date) -> dict[str, list]:
        """What the night gave; ids as the set of records that share one."""
        connection = connect(self.home)
        try:

            def rows(table, query):
                return connection.execute(query.format(scan(self.home.linked(table, night)))).fetchall()

            return {
                "linked_pair": rows(
                    "linked_pair",
                    "SELECT * EXCLUDE (comparison_weights) REPLACE (round(match_weight, 6) AS match_weight,"
                    " round(match_probability, 9) AS match_probability) FROM {} ORDER BY ALL",
                ),
                "person_cluster": rows(
                    "person_cluster",
                    "SELECT * REPLACE (round(link_probability, 9) AS link_probability) FROM {} ORDER BY ALL",
                ),
                "needs_attention": rows(
                    "needs_attention", "SELECT attention_id, reason, record_ids, decided_by, override_ids FROM {} ORDER BY ALL"
                ),
                "people": rows(
                    "patient_record", "SELECT list_sort(list(record_id)) AS r FROM {} GROUP BY patient_id ORDER BY r"
                ),
                "events": rows(
                    "identity_event", "SELECT event_type, night, cause, record_count, count(*) FROM {} GROUP BY ALL ORDER BY ALL"
                ),
            }  # fmt: skip
        finally:
            connection.close()


@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    first=st.dictionaries(KEYS, RECORD, min_size=9, max_size=15),
    later=st.lists(st.lists(CHANGE, min_size=0, max_size=5), min_size=3, max_size=4),
)
def test_linking_only_what_changed_gives_what_linking_everything_gives(first, later, tmp_path, monkeypatch):
    folder = tmp_path / uuid.uuid4().hex
    changes, everything = Registry(folder / "changes", reuse=True), Registry(folder / "everything", reuse=False)
    world = World({key: {**record, "merged_into": None} for key, record in first.items()})
    for number, happened in enumerate([[], *later]):
        night = FIRST + timedelta(days=number)
        for change in happened:
            world.apply(change)
        linked = changes.run(night, world, monkeypatch)
        everything.run(night, world, monkeypatch)
        ours, theirs = changes.tables(night), everything.tables(night)
        for table in ours:
            assert ours[table] == theirs[table], f"{table} on night {number} ({linked.why_full or 'changes only'})"
        if number and not happened:
            assert linked.records_changed == 0
    shutil.rmtree(folder)


def test_staying_joined_does_not_outlast_an_override_that_is_undone(tmp_path, monkeypatch):
    """A pair too weak to join and strong enough to stay joined: a must-link joins it, and undoing parts it again."""
    adult = {"death_date": None, "merged_into": None, **PEOPLE[1]}
    weaker = [
        {"address": "9 NEW ROAD NEARTOWN", "postcode": "ZZ9 9ZZ", "phone": None, **change}
        for change in (
            {"birth_date": "1980-07-01", "given_name": "BOB"}, {"birth_date": None, "family_name": "SMITH"},
            {"birth_date": None, "given_name": "BOB"}, {"birth_date": "1980-07-01", "family_name": "SMITH"},
        )
    ]  # fmt: skip
    world = World({f"GPA:{n}": {"death_date": None, "merged_into": None, **PEOPLE[n]} for n in (0, 2, 3)})
    world.records["GPA:9"] = adult
    for number, change in enumerate(weaker):
        trial = World({**world.records, "RXA:9": adult | change})
        registry = Registry(tmp_path / str(number), reuse=True)
        registry.run(FIRST, trial, monkeypatch)
        pairs = {row[:2]: row for row in registry.tables(FIRST)["linked_pair"]}
        columns = [c.name for c in TABLES["linked_pair"].columns if c.name != "comparison_weights"]
        found = dict(zip(columns, pairs.get(("GPA:9", "RXA:9"), []), strict=False))
        if found.get("judged_by") == "match_weight" and 7 <= found["match_weight"] < 10:
            break
    else:
        raise AssertionError("no trial gave a pair between the two thresholds")
    before = registry.tables(FIRST)["people"]
    trial.apply(("must_link", "GPA:9", "RXA:9"))
    registry.run(FIRST + timedelta(days=1), trial, monkeypatch)
    assert (["GPA:9", "RXA:9"],) in registry.tables(FIRST + timedelta(days=1))["people"]
    trial.apply(("undo",))
    registry.run(FIRST + timedelta(days=2), trial, monkeypatch)
    assert registry.tables(FIRST + timedelta(days=2))["people"] == before
