"""How well a night was linked, measured against a known truth or against labelled pairs.

What belongs here: precision and recall of pairs and of clusters (B-cubed), mixed clusters and split people, blocking
recall, each for everybody and by group, where pairs were lost and which decision made the false ones, and how good
weights and probabilities are. What does not: anything that a night's run uses (the truth is read here only), estimates
without a truth (`estimate`), reading people's files (`truth_files`), and intervals (`intervals`).

Figures are counted at records, not at pairs: each record has so many records of its person, so many in its cluster and
so many in both, and their sums are the pairs. The work stays in proportion to the records, however large a cluster is,
and every group of records has its own figures: a pair of two groups counts in each for the record that it has there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from registry_pipeline.config import Configuration
from registry_pipeline.errors import BadInput
from registry_pipeline.link import frozen, truth_files
from registry_pipeline.link.block import block_everybody, keys_query, number_pairs, rules_for
from registry_pipeline.link.frozen import Frozen
from registry_pipeline.link.intervals import (
    Gap,
    Measured,
    Units,
    f1_of_units,
    independent_share,
    largest_gap,
    share_of_units,
    units_of,
)
from registry_pipeline.link.model import CANDIDATE_RULES, POSSIBLE_MATCH_WEIGHT, LinkageModel, load_model
from registry_pipeline.link.records import (
    count_and_make_features,
    load_everybody,
    make_features_of,
    run_script,
)
from registry_pipeline.outcomes import Share, shares_of_night
from registry_pipeline.storage import Home, connect, load_sql, scan

if TYPE_CHECKING:
    import duckdb

RECORD_GROUPS = ("setting", "provider", "age_band", "sex", "ethnicity", "deprivation_decile", "nhs_number")
"""What figures are told by: columns of `judged_record`. Age, sex, ethnicity and deprivation are the person's."""

PAIR_GROUPS = {"settings": "setting", "nhs_numbers": "nhs_number"}
"""What pairs are told by: the value at both of their records."""

COMPARED_GROUPS = ("ethnicity", "deprivation_decile")
"""Groups of people between which the largest gap in recall is told."""

NOT_KNOWN = "not known"

FEWEST_PEOPLE_TO_COMPARE = 200
"""A group with fewer people of two records or more is shown and not compared: at a recall of 0.995 the interval of 200
people is two percentage points wide, twice the gap that is to be found."""

PER = 100_000

MEANING = {
    "precision": "of pairs of records in one cluster, the share that is one person",
    "recall": "of pairs of records of one person, the share that is in one cluster",
    "f1": "harmonic mean of the two",
    "bcubed_precision": "of the records in a record's cluster (itself too), the share of its person; mean of all",
    "bcubed_recall": "of the records of a record's person (itself too), the share in its cluster; mean of all",
    "bcubed_f1": "harmonic mean of the two",
    "mixed_clusters_per_100000": "clusters with records of two people or more, of all clusters (single records too)",
    "split_people_per_100000": "people whose records lie in two clusters or more, of all people (also those met once)",
    "blocking_recall": "of pairs of records of one person, the share that was compared directly",
}
"""What each measure is. In a group of records a pair counts half for each of its records there, a cluster or person
counts where any of its records is there, and means are of the records there."""

CURVE_STEP = 0.5
"""Match weight between two points of the precision-recall curve: half a bit moves the odds by two fifths."""

PROBABILITY_EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)
"""Where bins of the reported probability begin; the last ends at 1."""

_ENDS = ("true", "joined", "both", "blocked", "records", "precision_sum", "recall_sum")
_PAIRS = ("true", "joined", "both", "blocked")


@dataclass(frozen=True)
class Group:
    """The figures of one group.

    Attributes:
        by: what it is a group of; a name of RECORD_GROUPS or PAIR_GROUPS, or "everybody".
        records, people, clusters: that have a record in the group; 0 where pairs are the group's members.
        people_met_again: people with two records or more, of which one at least is in the group.
        true_pairs, joined_pairs, true_joined_pairs, candidate_true_pairs: pairs; a pair with one record in the group
            counts half.
        measures: name of the measure to its figure; None where there is nothing to count it on.
    """

    by: str
    name: str
    records: int
    people: int
    people_met_again: int
    clusters: int
    true_pairs: float
    joined_pairs: float
    true_joined_pairs: float
    candidate_true_pairs: float
    measures: Mapping[str, Measured | None]

    def as_json(self) -> dict[str, Any]:
        """The group for a JSON file."""
        counts = {
            name: getattr(self, name)
            for name in ("records", "people", "people_met_again", "clusters", "true_pairs", "joined_pairs",
                         "true_joined_pairs", "candidate_true_pairs")
        }  # fmt: skip
        return {"by": self.by, "group": self.name, **counts, **_measures_as_json(self.measures)}


@dataclass(frozen=True)
class CurvePoint:
    """Precision and recall if every kept pair of at least this weight were joined, and no other."""

    weight: float
    precision: float
    recall: float
    true_pairs: int
    false_pairs: int


@dataclass(frozen=True)
class ReliabilityBin:
    """Kept pairs whose reported probability lies in a bin: what was reported on average, and what share is true."""

    low: float
    high: float
    pairs: int
    reported: float
    true_share: Measured


@dataclass(frozen=True)
class Evaluation:
    """A linked night, measured.

    Attributes:
        against: "truth" (whose person each record is) or "labels" (pairs that somebody judged).
        night, model_version: what was measured.
        records, people: that the truth and the night both know.
        true_pairs: pairs of records of one person.
        joined_pairs: pairs that the clusters join; of labelled pairs, those.
        true_joined_pairs: pairs that are both.
        candidate_true_pairs: true pairs that were compared at all (by a blocking rule, a number or a merge).
        by_decision: what decided a pair that was judged a match, and its true and false pairs.
        by_settings: settings of the two records ("gp + acute"), and true, joined and true joined pairs.
        measures: name to figure, of everybody.
        groups: the same by group.
        gaps: of recall, for each of COMPARED_GROUPS that is known.
        missed: where true pairs were lost, to how many.
        false: what made false pairs, to how many.
        first_rule: blocking rule to the true pairs that it was the first to find.
        curve: over match weights, the highest first.
        thresholds: name to the point of the curve at that very match weight.
        reliability: bins of the reported probability.
        notes: what a reader has to know of the input.
    """

    against: Literal["truth", "labels"]
    night: date
    model_version: str
    records: int
    people: int
    true_pairs: int
    joined_pairs: int
    true_joined_pairs: int
    candidate_true_pairs: int
    by_decision: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    by_settings: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    measures: Mapping[str, Measured | None] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    gaps: Mapping[str, Gap | None] = field(default_factory=dict)
    missed: Mapping[str, int] = field(default_factory=dict)
    false: Mapping[str, int] = field(default_factory=dict)
    first_rule: Mapping[str, int] = field(default_factory=dict)
    curve: tuple[CurvePoint, ...] = ()
    thresholds: Mapping[str, CurvePoint] = field(default_factory=dict)
    reliability: tuple[ReliabilityBin, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def precision(self) -> float:
        """Share of joined pairs that are true; 1 where nothing was joined."""
        return self.true_joined_pairs / self.joined_pairs if self.joined_pairs else 1.0

    @property
    def recall(self) -> float:
        """Share of true pairs that were joined; 1 where there are none."""
        return self.true_joined_pairs / self.true_pairs if self.true_pairs else 1.0

    @property
    def blocking_recall(self) -> float:
        """Share of true pairs that were compared directly; others can only be joined through a third record."""
        return self.candidate_true_pairs / self.true_pairs if self.true_pairs else 1.0

    @property
    def false_pairs(self) -> int:
        """Joined pairs of two people."""
        return self.joined_pairs - self.true_joined_pairs

    @property
    def missed_pairs(self) -> int:
        """True pairs that were not joined."""
        return self.true_pairs - self.true_joined_pairs

    @property
    def calibration_error(self) -> float | None:
        """Expected calibration error: how far the reported probability is off, over bins weighted by their pairs."""
        pairs = sum(b.pairs for b in self.reliability)
        off = sum(b.pairs * abs(b.reported - b.true_share.value) for b in self.reliability)
        return off / pairs if pairs else None

    def figures(self) -> dict[str, float | int]:
        """The figures by name: shares are floats, counts are integers."""
        made: dict[str, float | int] = {
            "precision": self.precision,
            "recall": self.recall,
            "blocking recall": self.blocking_recall,
            "person records": self.records,
            "people": self.people,
            "true pairs": self.true_pairs,
            "false pairs": self.false_pairs,
            "missed pairs": self.missed_pairs,
        }
        for decision, (true, false) in self.by_decision.items():
            made[f"decided by {decision}: true pairs"] = true
            made[f"decided by {decision}: false pairs"] = false
        for settings, (true, joined, both) in self.by_settings.items():
            if joined:
                made[f"{settings}: precision"] = both / joined
            if true:
                made[f"{settings}: recall"] = both / true
        return made

    def as_json(self) -> dict[str, Any]:
        """Everything that was measured; counts, shares and names only."""
        return {
            "against": self.against,
            "night": self.night.isoformat(),
            "model_version": self.model_version,
            "definitions": MEANING,
            "notes": list(self.notes),
            "counts": {
                name: getattr(self, name)
                for name in ("records", "people", "true_pairs", "joined_pairs", "true_joined_pairs",
                             "candidate_true_pairs", "false_pairs", "missed_pairs")
            },
            "measures": _measures_as_json(self.measures),
            "groups": [group.as_json() for group in self.groups],
            "gaps_in_recall": {
                by: gap.as_json() if gap else NOT_KNOWN for by, gap in self.gaps.items()
            },
            "fewest_people_to_compare": FEWEST_PEOPLE_TO_COMPARE,
            "missed_pairs": dict(self.missed),
            "false_pairs": dict(self.false),
            "decided_by": {name: {"true": t, "false": f} for name, (t, f) in self.by_decision.items()},
            "true_pairs_by_first_blocking_rule": dict(self.first_rule),
            "curve": [vars(point) for point in self.curve],
            "thresholds": {name: vars(point) for name, point in self.thresholds.items()},
            "reliability": [
                {"from": b.low, "to": b.high, "pairs": b.pairs, "reported": b.reported, "true": b.true_share.as_json()}
                for b in self.reliability
            ],
            "expected_calibration_error": self.calibration_error,
        }  # fmt: skip


def _measures_as_json(measures: Mapping[str, Measured | None]) -> dict[str, Any]:
    return {name: found.as_json() if found else None for name, found in measures.items()}


def evaluate(configuration: Configuration, night: date, truth: Path, *, people: Path | None = None) -> Evaluation:
    """Compare a linked night with a truth or with labelled pairs.

    Args:
        configuration: of the deployment.
        night: a night that has been linked.
        truth: Parquet or CSV with provider, local_id and person_id (or true_id); or labelled pairs with record_id_l,
            record_id_r and is_match.
        people: Parquet or CSV with person_id and any of sex, birth_date, ethnicity, deprivation_decile; None looks for
            `person.parquet` beside the truth. Without one, groups come from the person records.

    Raises:
        BadInput: the night is not linked; a file cannot be read, lacks a column, contradicts itself, or has other keys.
        RunFailed: no provider's person records count for the night.
    """
    home = Home(configuration.home)
    refuse_unlinked(home, night)
    connection = connect(
        home, memory_limit=configuration.deployment.memory_limit, threads=configuration.deployment.threads
    )
    try:
        shares = shares_of_night(configuration, night)
        load_night(connection, home, night, shares)
        against = truth_files.read_truth(connection, truth)
        notes, from_people = _load_people(connection, truth, people, against)
        version, model = model_of_night(connection, configuration)
        kept = load_as_linked(connection, home, shares, model)
        block_as_linked(connection, kept.caps if kept else None)
        bound = {"night": night, "from_people": list(from_people)}
        counted = _Labels(connection, bound) if against == "labels" else _Truth(connection, bound)
        return counted.evaluation(night, version, model, notes)
    finally:
        connection.close()


def refuse_unlinked(home: Home, night: date) -> None:
    """Refuse a night without links.

    Raises:
        BadInput: it is not linked.
    """
    if not all(home.linked(table, night).is_file() for table in ("person_cluster", "linked_pair")):
        raise BadInput(f"The night {night} is not linked in {home.root}: run it first, or name another as --night.")


def load_night(connection: duckdb.DuckDBPyConnection, home: Home, night: date, shares: Sequence[Share]) -> None:
    """Make the views `person_cluster` and `linked_pair` and the table `night_record` of a linked night."""
    for table in ("person_cluster", "linked_pair"):
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {table} AS SELECT * FROM {scan(home.linked(table, night))}"  # noqa: S608
        )
    files = [home.staged("person_record", s.provider.provider, s.night) for s in shares if s.feed == "patient"]
    # Without a share there is nothing to scan, and `load_records` says so in its own words.
    source = scan(files) if files else "(SELECT record_id, NULL AS provider, NULL AS setting, NULL AS sex,"
    if not files:
        source += " NULL::DATE AS birth_date, NULL AS ethnicity, NULL AS nhs_number, false AS is_sensitive"
        source += " FROM person_cluster)"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE night_record AS SELECT record_id, provider, setting, sex, birth_date, ethnicity,"  # noqa: S608
        f" nhs_number IS NOT NULL AS has_number, coalesce(is_sensitive, false) AS is_sensitive FROM {source}"
    )
    connection.execute(load_sql("evaluate_groups"))


def model_of_night(
    connection: duckdb.DuckDBPyConnection, configuration: Configuration
) -> tuple[str, LinkageModel | None]:
    """The version of the model that scored the night, and the model; None where its file is gone or of other code."""
    version = connection.execute("SELECT max(model_version) FROM linked_pair").fetchall()[0][0]
    file = configuration.models / f"{version}.json"
    try:
        return str(version), load_model(file) if version and file.is_file() else None
    except BadInput:  # an older code's model: the night's links stand, only its numbers cannot be used any more
        return str(version), None


def load_as_linked(
    connection: duckdb.DuckDBPyConnection, home: Home, shares: Sequence[Share], model: LinkageModel | None
) -> Frozen | None:
    """Make `everybody` and `link_record` as the night was linked: with what is frozen for its model, where it is there.

    Raises:
        BadInput: what is frozen does not belong to the model.
        RunFailed: there are no person records.
    """
    load_everybody(connection, home, shares)
    found = frozen.find(home.frozen, model) if model else None
    if found is None:
        count_and_make_features(connection)
        return None
    kept, path = found
    frozen.load(connection, kept, path)
    make_features_of(connection, None)
    return kept


def block_as_linked(connection: duckdb.DuckDBPyConnection, caps: Mapping[str, int] | None) -> None:
    """Make `candidate_pair`, `record_key` and `crowded_key` of the night, with these caps; None counts them anew."""
    everybody = connection.execute("SELECT count(*) FROM everybody").fetchall()[0][0]
    rules = caps if caps is not None else rules_for(everybody)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE record_key AS {keys_query(rules)}")
    number_pairs(connection, block_everybody(connection, rules, caps))


def _load_people(
    connection: duckdb.DuckDBPyConnection, truth: Path, people: Path | None, against: str
) -> tuple[list[str], tuple[str, ...]]:
    """Make `known_person`; returns notes for the reader, and what the people file says of a person."""
    truth_files.no_people(connection)
    beside = truth.with_name("person.parquet")
    if against == "labels":
        if people is not None:
            raise BadInput(f"{truth} holds labelled pairs, which know no person: leave out --people {people}.")
        return [OF_RECORDS], ()
    if people is not None:
        return _people_of(connection, truth, people)
    if not beside.is_file() or beside == truth:
        return [OF_RECORDS], ()
    try:
        return _people_of(connection, truth, beside)
    except BadInput as problem:  # nobody asked for it: a file of that name may be there for something else
        truth_files.no_people(connection)
        return [OF_RECORDS, f"{beside.name} beside the truth is not used: {problem}"], ()


def _people_of(connection: duckdb.DuckDBPyConnection, truth: Path, found: Path) -> tuple[list[str], tuple[str, ...]]:
    columns = truth_files.read_people(connection, found)
    known, persons = connection.execute(
        "SELECT count(*) FILTER (person IN (SELECT person FROM known_person)), count(*)"
        " FROM (SELECT DISTINCT person FROM truth)"
    ).fetchall()[0]
    if not known:
        raise BadInput(f"The people file {found} knows none of the {persons:,} people of {truth}: its ids are others.")
    note = f"Groups are those of {found.name} ({known:,} of {persons:,} people are in it)."
    return [note], columns


OF_RECORDS = "Groups are those of the person records; deprivation is not known."


class _Truth:
    """Counts of a night against a truth."""

    units_sql, pair_units_sql, losses_sql, scored_sql = (
        "evaluate_units", "evaluate_pair_units", "evaluate_losses", "evaluate_scored",
    )  # fmt: skip
    against: Literal["truth", "labels"] = "truth"

    def __init__(self, connection: duckdb.DuckDBPyConnection, bound: Mapping[str, Any]) -> None:
        self._connection = connection
        self._prepare(bound)
        run_script(connection, self.scored_sql, {})

    def _prepare(self, bound: Mapping[str, Any]) -> None:
        connection = self._connection
        run_script(connection, "evaluate_records", bound)
        mixed = "SELECT DISTINCT person_key, cluster_key FROM judged_record WHERE n_both < n_cluster"
        tie_units(connection, connection.execute(mixed).fetchall())
        run_script(connection, "evaluate_blocked", {})

    def _units(self, by: str) -> dict[str, Units]:
        """Group to its units, with pairs counted at both records."""
        rows = self._connection.execute(load_sql(self.units_sql).replace("/* by */", by)).fetchall()
        return _by_group(rows, _ENDS)

    def _pair_units(self, by: str) -> dict[str, Units]:
        rows = self._connection.execute(load_sql(self.pair_units_sql).replace("/* by */", by)).fetchall()
        return _by_group(rows, _PAIRS)

    def _sizes(self, by: str) -> dict[str, tuple[int, ...]]:
        """Group to people, people met again, split people, clusters and mixed clusters."""
        rows = self._connection.execute(load_sql("evaluate_sizes").replace("/* by */", by)).fetchall()
        return {name: tuple(counts) for name, *counts in rows}

    def _people(self) -> int:
        return int(self._connection.execute("SELECT count(DISTINCT person_key) FROM judged_record").fetchall()[0][0])

    def evaluation(self, night: date, version: str, model: LinkageModel | None, notes: Sequence[str]) -> Evaluation:
        """Everything, counted."""
        everybody = self._units("'everybody'").get("everybody", units_of(_ENDS, []))
        by_group = {by: self._units(by) for by in RECORD_GROUPS}
        groups = [
            _record_group(by, name, units, sizes.get(name, (0, 0, 0, 0, 0)))
            for by in RECORD_GROUPS
            for sizes in [self._sizes(by)]
            for name, units in sorted(by_group[by].items())
        ]
        pairs = {by: self._pair_units(column) for by, column in PAIR_GROUPS.items()}
        groups += [_pair_group(by, name, units) for by in PAIR_GROUPS for name, units in sorted(pairs[by].items())]
        whole = _record_group(
            "everybody", "everybody", everybody, self._sizes("'everybody'").get("everybody", (0,) * 5)
        )
        counts = {name: round(everybody.total(name) / 2) for name in _PAIRS}
        missed, false, decided = self._losses(counts)
        return Evaluation(
            against=self.against,
            night=night,
            model_version=version,
            records=self._records(),
            people=self._people(),
            true_pairs=counts["true"],
            joined_pairs=counts["joined"],
            true_joined_pairs=counts["both"],
            candidate_true_pairs=counts["blocked"],
            by_decision=decided,
            by_settings={
                name: (int(u.total("true")), int(u.total("joined")), int(u.total("both")))
                for name, u in sorted(pairs["settings"].items())
            },
            measures=whole.measures,
            groups=tuple(groups),
            gaps={by: _gap_in_recall(by_group[by], [g for g in groups if g.by == by]) for by in COMPARED_GROUPS},
            missed=missed,
            false=false,
            first_rule=self._first_rule(),
            curve=_curve(self._connection, counts["true"]),
            thresholds=_at_thresholds(self._connection, model, counts["true"]),
            reliability=_reliability(self._connection),
            notes=(*notes, *self._notes()),
        )

    def _records(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM judged_record").fetchall()[0][0])

    def _notes(self) -> list[str]:
        keys, night = self._connection.execute(
            "SELECT (SELECT count(*) FROM truth), (SELECT count(*) FROM person_cluster)"
        ).fetchall()[0]
        both = self._records()
        return [f"{both:,} records are in both: of {keys:,} in the truth and {night:,} of the night."]

    def _first_rule(self) -> dict[str, int]:
        rows = self._connection.execute(
            "SELECT rule, count(*) FROM true_candidate GROUP BY rule ORDER BY rule"
        ).fetchall()
        return {CANDIDATE_RULES[rule]: int(pairs) for rule, pairs in rows}

    def _settled_apart(self) -> int:
        """True pairs that a rule keeps from being compared."""
        return int(self._connection.execute(load_sql("evaluate_settled")).fetchall()[0][0])

    def _losses(self, counts: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int], dict[str, tuple[int, int]]]:
        """Missed pairs by where, false pairs by what made them, and matches by what decided with true and false."""
        rows = self._connection.execute(load_sql(self.losses_sql)).fetchall()
        missed = {_where_missed(outcome, by): n for kind, outcome, by, n in rows if kind == "missed"}
        false = {_what_joined(outcome, by): n for kind, outcome, by, n in rows if kind == "false"}
        never = counts["true"] - counts["both"] - sum(missed.values())
        through = counts["joined"] - counts["both"] - sum(false.values())
        settled = self._settled_apart()
        if settled:
            missed["not compared: each has a verified NHS number, and the two differ"] = settled
        if never > settled:
            missed["never compared: no blocking rule brought the two together"] = never - settled
        if through:
            false["joined through other records, never compared or far below the weight that is kept"] = through
        true_by = {by: n for kind, _, by, n in rows if kind == "decided true"}
        false_by = {by: n for kind, _, by, n in rows if kind == "decided false"}
        decided = {by: (true_by.get(by, 0), false_by.get(by, 0)) for by in sorted(true_by | false_by)}
        return _largest_first(missed), _largest_first(false), decided


class _Labels(_Truth):
    """Counts of a night against labelled pairs: of clusters and people they say nothing."""

    units_sql, pair_units_sql, losses_sql, scored_sql = (
        "evaluate_label_units", "evaluate_label_pair_units", "evaluate_label_losses", "evaluate_label_scored",
    )  # fmt: skip
    against = "labels"

    def _prepare(self, bound: Mapping[str, Any]) -> None:
        connection = self._connection
        run_script(connection, "evaluate_labels", bound)
        tied = (
            "SELECT person_key, cluster_key FROM judged_record"
            " UNION ALL SELECT key_l, key_r FROM judged_label WHERE is_true"
        )
        tie_units(connection, connection.execute(tied).fetchall())
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE true_candidate AS SELECT candidate_pair.id_l, candidate_pair.id_r, rule"
            " FROM candidate_pair INNER JOIN judged_label"
            " ON candidate_pair.id_l = least(judged_label.id_l, judged_label.id_r)"
            " AND candidate_pair.id_r = greatest(judged_label.id_l, judged_label.id_r) WHERE is_true"
        )

    def _sizes(self, by: str) -> dict[str, tuple[int, ...]]:  # noqa: ARG002  # labels know no people and no clusters
        return {}

    def _people(self) -> int:
        return 0

    def _settled_apart(self) -> int:
        return 0

    def _notes(self) -> list[str]:
        judged = self._connection.execute("SELECT count(*) FROM judged_label").fetchall()[0][0]
        notes = [
            f"{judged:,} labelled pairs; they say nothing of whole clusters or people, nor of pairs without a label."
        ]
        if truth_files.has_weights(self._connection):
            notes.append("The labels hold sampling weights, which are not used here: --review weighs them.")
        return notes


def tie_units(connection: duckdb.DuckDBPyConnection, ties: Iterable[tuple[int, int]]) -> None:
    """Make `mixed_unit` (person_key, unit): people who share a cluster, directly or through others, are one unit.

    Args:
        connection: where the table goes.
        ties: keys of a person and of a cluster (or of two people).
    """
    import pyarrow as pa

    root: dict[int, int] = {}

    def top(key: int) -> int:
        while root.setdefault(key, key) != key:
            root[key] = root[root[key]]
            key = root[key]
        return key

    for left, right in ties:
        a, b = top(left), top(right)
        root[max(a, b)] = min(a, b)
    keys = list(root)
    table = pa.table(
        {
            "person_key": pa.array(keys, pa.uint64()),
            "unit": pa.array([top(key) for key in keys], pa.uint64()),
        }
    )
    connection.register("tied_rows", table)
    connection.execute("CREATE OR REPLACE TEMP TABLE mixed_unit AS SELECT * FROM tied_rows")
    connection.unregister("tied_rows")


def _by_group(rows: Sequence[Sequence[Any]], names: Sequence[str]) -> dict[str, Units]:
    found: dict[str, list[Sequence[float]]] = {}
    for name, *counts in rows:
        found.setdefault(name, []).append(counts)
    return {name: units_of(names, counted) for name, counted in found.items()}


def _record_group(by: str, name: str, units: Units, sizes: Sequence[int]) -> Group:
    people, met_again, split, clusters, mixed = sizes
    counted = _pair_counts(units, counted=2.0)
    bcubed = (("precision_sum", "records"), ("recall_sum", "records"))
    measures = _pair_measures(units, counted=2.0) | {
        "bcubed_precision": share_of_units(units, *bcubed[0]),
        "bcubed_recall": share_of_units(units, *bcubed[1]),
        "bcubed_f1": f1_of_units(units, *bcubed),
        "mixed_clusters_per_100000": independent_share(mixed, clusters, per=PER),
        "split_people_per_100000": independent_share(split, people, per=PER),
    }
    return Group(by, name, int(units.total("records")), people, met_again, clusters, *counted, measures)


def _pair_group(by: str, name: str, units: Units) -> Group:
    counted = _pair_counts(units, counted=1.0)
    return Group(by, name, 0, 0, 0, 0, *counted, _pair_measures(units, counted=1.0))


def _pair_counts(units: Units, *, counted: float) -> tuple[float, float, float, float]:
    true, joined, both, blocked = (units.total(name) / counted for name in _PAIRS)
    return true, joined, both, blocked


def _pair_measures(units: Units, *, counted: float) -> dict[str, Measured | None]:
    return {
        "precision": share_of_units(units, "both", "joined", counted=counted),
        "recall": share_of_units(units, "both", "true", counted=counted),
        "f1": f1_of_units(units, ("both", "joined"), ("both", "true"), counted=counted),
        "blocking_recall": share_of_units(units, "blocked", "true", counted=counted),
    }


def _gap_in_recall(units: Mapping[str, Units], groups: Sequence[Group]) -> Gap | None:
    known = [g for g in groups if g.name != NOT_KNOWN and g.true_pairs]
    compared = [g.name for g in known if (g.people_met_again or g.true_pairs) >= FEWEST_PEOPLE_TO_COMPARE]
    left_out = [g.name for g in known if g.name not in compared]
    return largest_gap({name: units[name] for name in compared}, "both", "true", left_out)


def _where_missed(outcome: str, decided_by: str | None) -> str:
    if outcome == "not kept":
        return "compared: weight too low to be kept"
    if outcome == "match":
        return f"judged a match by {decided_by}, then cut out of the group"
    return f"judged {outcome.replace('_', ' ')} by {decided_by}"


def _what_joined(outcome: str, decided_by: str) -> str:
    if outcome == "match":
        return f"judged a match by {decided_by}"
    return f"joined through other records, itself judged {outcome.replace('_', ' ')} by {decided_by}"


def _largest_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _curve(connection: duckdb.DuckDBPyConnection, true_pairs: int) -> tuple[CurvePoint, ...]:
    points, true, false = [], 0, 0
    for weight, more_true, more_false in connection.execute(
        load_sql("evaluate_curve"), {"step": CURVE_STEP}
    ).fetchall():
        true, false = true + more_true, false + more_false
        points.append(_point(float(weight), true, false, true_pairs))
    return tuple(points)


def _point(weight: float, true: int, false: int, true_pairs: int) -> CurvePoint:
    precision = true / (true + false) if true + false else 1.0
    return CurvePoint(weight, precision, true / true_pairs if true_pairs else 1.0, true, false)


def _at_thresholds(
    connection: duckdb.DuckDBPyConnection, model: LinkageModel | None, true_pairs: int
) -> dict[str, CurvePoint]:
    """The model's thresholds on the curve; without its file only the one that stands in code."""
    weights = {"possible match": POSSIBLE_MATCH_WEIGHT} | ({"match": model.match_weight} if model else {})
    found = {}
    for name, weight in weights.items():
        true, false = connection.execute(
            "SELECT count(*) FILTER (is_true), count(*) FILTER (NOT is_true) FROM known_pair"
            " WHERE match_weight >= $weight",
            {"weight": weight},
        ).fetchall()[0]
        found[name] = _point(weight, true, false, true_pairs)
    return found


def _reliability(connection: duckdb.DuckDBPyConnection) -> tuple[ReliabilityBin, ...]:
    rows = connection.execute(load_sql("evaluate_reliability"), {"edges": list(PROBABILITY_EDGES)}).fetchall()
    return reliability_bins(rows)


def reliability_bins(rows: Sequence[Sequence[Any]], *, counted: float = 1.0) -> tuple[ReliabilityBin, ...]:
    """Bins from rows of: number of the bin (from 1), pairs, true pairs, units that count so, sum of what they report.

    Args:
        rows: as above.
        counted: how often each pair stands in the counts (2 where it is counted at both its records).
    """
    bins = []
    for number in sorted({row[0] for row in rows}):
        found = [row[1:] for row in rows if row[0] == number]
        units = units_of(("pairs", "true"), [row[:3] for row in found])
        pairs = units.total("pairs")
        share = share_of_units(units, "true", "pairs", counted=counted)
        if share is not None:
            high = PROBABILITY_EDGES[number] if number < len(PROBABILITY_EDGES) else 1.0
            reported = sum(row[3] for row in found) / pairs
            bins.append(
                ReliabilityBin(PROBABILITY_EDGES[number - 1], high, round(pairs / counted), float(reported), share)
            )
    return tuple(bins)


__all__ = ["Evaluation", "Group", "evaluate"]
