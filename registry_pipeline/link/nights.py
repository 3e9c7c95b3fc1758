"""Linking a night: every record, or only what is new, changed or gone since the last published night.

What belongs here: the order of linkage's own steps, what is carried over from the night before, and the proof that both
ways give the same. What does not: how each step works (`records`, `block`, `match`, `cluster`), and ids (`identity`).

What is carried over, and why it is right:

* a pair of two records that stayed as they were, in blocks that stayed under their caps, keeps its score;
* a connected group whose records, links and overrides stayed as they were keeps its clusters;
* everything else is done again by the same code that links a night in full.

`verify` links the night in full beside it and compares.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from registry_pipeline.config import Configuration
from registry_pipeline.errors import RunFailed
from registry_pipeline.link import admission, block, cluster, frozen, match, overrides, records, state
from registry_pipeline.link.block import KEY_TABLE, Blocked, LeftOut
from registry_pipeline.link.frozen import Frozen
from registry_pipeline.link.model import BLOCKING_RULES, CANDIDATE_RULES, COMPARISONS, LinkageModel, filled_comparisons
from registry_pipeline.link.records import run_script
from registry_pipeline.link.regroup import STAY_MARGIN
from registry_pipeline.link.state import CARRIED, State
from registry_pipeline.outcomes import CheckOutcome, Share
from registry_pipeline.storage import Home, connect, load_sql, scan, write_table
from registry_pipeline.tables import TABLES, Column, Table

if TYPE_CHECKING:
    import duckdb

RECORD_STATE = Table(
    "record_state",
    "person record, with the digest by which a change of it is known",
    ("record_id",),
    (
        Column("record_id", "VARCHAR", "provider:local_id"),
        Column("state", "UBIGINT", "Digest of all that linkage looks at"),
    ),
)
HELD_PAIR = Table(
    "held_pair",
    "pair that stays joined on less evidence than joining needs, because it was one person the night before",
    ("record_id_l", "record_id_r"),
    (
        Column("record_id_l", "VARCHAR", "One person record; the smaller of the two"),
        Column("record_id_r", "VARCHAR", "The other"),
    ),
)
CROWDED_KEY = Table(
    "crowded_key",
    "key of a blocking rule that so many records share that it brings none together",
    ("rule", "key"),
    (
        Column("rule", "UTINYINT", "Number of the blocking rule"),
        Column("key", "UBIGINT", "Digest of the key"),
        Column("records", "BIGINT", "Records that have it"),
    ),
)


ASKED = "asked for"
FIRST_NIGHT = "first night of the model"
EXPECTED_IN_FULL = (ASKED, FIRST_NIGHT)
"""Why a night is linked in full without anything being amiss."""


@dataclass(frozen=True)
class Linked:
    """What linking a night gave: names and counts only.

    Attributes:
        model_version: the model that scored.
        frozen: name of the frozen term frequencies and caps.
        since: the night that it went on from; None where every record was linked.
        why_full: why every record was linked; empty where only changes were.
        rows: rows of each table written.
        comparisons: comparisons that could say something tonight.
        records: person records.
        records_changed: of them, new or changed since; all of them in full.
        records_gone: records of the night before that are no longer there.
        pairs_by_rule: pairs that were compared tonight, by the first blocking rule that found them.
        pairs_reused: scored pairs that were carried over.
        values_left_out: blocking rule to the values that were too common to block on.
        decisions: "outcome: what decided" to pairs kept.
        attention: reason to what needs a person's attention.
        doubtful_groups: groups that were cut, or built anew because they might have to be.
        verified: linking every record was seen to give the same.
    """

    model_version: str
    frozen: str
    since: date | None
    why_full: str
    rows: dict[str, int]
    comparisons: tuple[str, ...] = ()
    records: int = 0
    records_changed: int = 0
    records_gone: int = 0
    pairs_by_rule: dict[str, int] = field(default_factory=dict)
    pairs_reused: int = 0
    values_left_out: dict[str, LeftOut] = field(default_factory=dict)
    decisions: dict[str, int] = field(default_factory=dict)
    attention: dict[str, int] = field(default_factory=dict)
    doubtful_groups: int = 0
    verified: bool = False

    def checks(self) -> list[CheckOutcome]:
        """What a data engineer should see of the night's linkage: counts and rule names only."""
        crowded = [
            f"{rule}: {left.values:,} values, the commonest in {left.most_records:,} records"
            for rule, left in self.values_left_out.items()
        ]
        went_on = (
            f"from the night {self.since}: {self.records_changed:,} of {self.records:,} records compared,"
            f" {self.pairs_reused:,} pairs reused"
        )
        return [
            CheckOutcome(
                name="no_block_over_its_cap",
                # Rules for small data look at parts of a field, which many share by nature.
                passed=not set(self.values_left_out) - {rule.name for rule in BLOCKING_RULES if rule.most_records},
                severity="warning",
                dimension="plausibility",
                reason="A value in very many records (a placeholder, as a rule) brings none of them together; other"
                " blocking rules do.",
                observed="; ".join(crowded) or None,
            ),
            CheckOutcome(
                name="linked_incrementally",
                passed=self.since is not None or self.why_full in EXPECTED_IN_FULL,
                severity="info",
                dimension="timeliness",
                reason="Only what is new, changed or gone since the last published night is compared.",
                observed=went_on if self.since else f"every record: {self.why_full}",
            ),
        ]


@dataclass(frozen=True)
class _Job:
    """A night to link, and where its files go."""

    configuration: Configuration
    night: date
    shares: Sequence[Share]
    prior: Path | None
    folder: Path
    frozen_folder: Path

    @property
    def home(self) -> Home:
        """The deployment's data folder."""
        return Home(self.configuration.home)


def link_night(
    configuration: Configuration,
    night: date,
    shares: Sequence[Share],
    *,
    prior: Path | None = None,
    full: bool = False,
    verify: bool = False,
    model: LinkageModel | None = None,
) -> Linked:
    """Link a night's person records; writes its tables under `linkage/<night>/`.

    Args:
        configuration: says where models lie.
        night: the registry's night.
        shares: which extracts count.
        prior: snapshot whose people are known: staying joined needs less evidence than joining. None on a first night.
        full: link every record, and count anew what is frozen.
        verify: link the night in full beside it, and compare.
        model: that scores; None takes the one that was let in, and on a first night the newest that fits.

    Raises:
        BadInput: there is no model to use, or what is frozen does not belong to it.
        RunFailed: there are no person records, the night before is damaged, the disk is full, or `verify` found a
            difference.
    """
    home = Home(configuration.home)
    job = _Job(configuration, night, shares, prior, home.linked("linked", night).parent, home.frozen)
    linked = _link(job, model=model, full=full)
    if verify:
        _verify(job, model)
        linked = replace(linked, verified=True)
    return linked


def link_beside(
    configuration: Configuration,
    night: date,
    shares: Sequence[Share],
    model: LinkageModel,
    folder: Path,
    *,
    prior: Path | None,
) -> Linked:
    """Link a night in full into a folder of its own, with frequencies of its own: a trial that touches nothing else."""
    return _link(_Job(configuration, night, shares, prior, folder, folder / "frozen"), model=model, full=True)


def _link(job: _Job, *, model: LinkageModel | None, full: bool = False, reuse: bool = True) -> Linked:
    deployment = job.configuration.deployment
    connection = connect(job.home, memory_limit=deployment.memory_limit, threads=deployment.threads)
    parts = job.home.temporary / f"link-{uuid.uuid4().hex[:8]}"
    try:
        return _Linking(job, connection, parts, model).run(full=full, reuse=reuse)
    finally:
        connection.close()
        shutil.rmtree(parts, ignore_errors=True)


class _Linking:
    """One night on one connection. The tables that the steps hand on are named in the SQL that makes them."""

    def __init__(
        self, job: _Job, connection: duckdb.DuckDBPyConnection, parts: Path, model: LinkageModel | None
    ) -> None:
        self._job = job
        self._connection = connection
        self._parts = parts
        self._records = records.load_everybody(connection, job.home, job.shares)
        columns = records.filled_columns(connection)
        self._model = model or admission.model_for_night(job.configuration, columns, job.night)
        self._comparisons = tuple(c for c in filled_comparisons(columns) if c in self._model.comparisons)
        self._rows: dict[str, int] = {}

    def run(self, *, full: bool, reuse: bool) -> Linked:
        """Link, and write every table of the night."""
        blocked, kept, previous, why = self._block(full=full, reuse=reuse)
        parts = match.judge_pairs(self._connection, self._model, self._comparisons, self._parts, records=kept.records)
        self._name_inputs(parts, previous)
        made = cluster.make_clusters(self._connection, self._model, prior=self._model.prior(kept.records))
        self._write(kept, previous, blocked)
        return self._told(kept, previous, why, blocked, made)

    # What is frozen, and what is compared ---------------------------------------------------------------------------

    def _block(self, *, full: bool, reuse: bool) -> tuple[Blocked, Frozen, State | None, str]:
        """Make the candidate pairs; with what is frozen, the night that it went on from, and why it did not."""
        kept, why = self._frozen(full=full)
        if kept is None:
            return *self._count(), None, why
        previous, why = self._goes_on_from(kept) if reuse else (None, ASKED)
        try:
            if previous:
                return self._block_changes(kept, previous), kept, previous, ""
            return self._block_all(kept, keeps_budget=reuse), kept, None, why
        except block.OverBudget as over:
            return *self._count(), None, f"the pairs of the blocking rule {over} outgrew its budget"

    def _frozen(self, *, full: bool) -> tuple[Frozen | None, str]:
        """What was frozen for the model, loaded; None and why not where it is to be counted."""
        if full:
            return None, ASKED
        found = frozen.find(self._job.frozen_folder, self._model)
        if found is None:
            return None, FIRST_NIGHT
        kept, path = found
        if not kept.fits(self._records):
            return None, "the number of records has moved too far since term frequencies were counted"
        frozen.load(self._connection, kept, path)
        return kept, ""

    def _count(self) -> tuple[Blocked, Frozen]:
        records.count_and_make_features(self._connection)
        rules = block.rules_for(self._records)
        self._make_keys(rules)
        blocked = block.block_everybody(self._connection, rules, None)
        block.number_pairs(self._connection, blocked)
        job = self._job
        kept = frozen.keep(self._connection, job.frozen_folder, self._model, job.night, self._records, blocked.caps)
        return blocked, kept

    def _block_all(self, kept: Frozen, *, keeps_budget: bool) -> Blocked:
        records.make_features_of(self._connection, None)
        self._make_keys(kept.caps)
        blocked = block.block_everybody(self._connection, kept.caps, kept.caps, keeps_budget=keeps_budget)
        block.number_pairs(self._connection, blocked)
        return blocked

    def _goes_on_from(self, kept: Frozen) -> tuple[State | None, str]:
        found = state.previous(self._job.home, self._job.night)
        if found is None:
            return None, "no night before it was linked and published"
        if found.made_with != state.digest(self._model, self._comparisons, kept):
            return None, f"the night {found.night} was linked with another model, code or set of columns"
        return found, ""

    def _block_changes(self, kept: Frozen, previous: State) -> Blocked:
        """Block what is new or changed; `touched` then holds the states of all records whose pairs are made anew."""
        connection = self._connection
        self._read("before", scan(previous.table("record_state")), table=True)
        self._read("crowded_before", scan(previous.table("crowded_key")), table=True)
        run_script(connection, "link_changes", {})
        records.make_features_of(connection, "touched")
        self._make_keys(kept.caps)
        keys = f"(FROM {scan(list(previous.key_files))} UNION ALL BY NAME FROM record_key)"
        blocked = block.block_touched(connection, kept.caps, keys, "touched")
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE compared AS"
            " SELECT state_l AS state FROM state_pair UNION SELECT state_r FROM state_pair"
        )
        records.make_features_of(connection, "compared")
        block.number_pairs(connection, blocked)
        return blocked

    def _make_keys(self, rules: Collection[str]) -> None:
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE record_key AS {block.keys_query(rules)}")

    # What is clustered ----------------------------------------------------------------------------------------------

    def _name_inputs(self, parts: list[Path], previous: State | None) -> None:
        """The tables that clustering reads: of every record, or of the groups that something happened to."""
        job, connection = self._job, self._connection
        connection.register("override_rows", overrides.pairs_in_force(job.configuration, job.night))
        connection.execute("CREATE OR REPLACE TEMP TABLE override_pair AS SELECT * FROM override_rows")
        connection.unregister("override_rows")
        self._name_prior()
        self._read("new_part", scan(parts))
        bound = {
            "stay_weight": self._model.match_weight - STAY_MARGIN,
            "all_groups": cluster.rests_on_all_records(self._model),
        }
        if previous is None:
            run_script(connection, "link_cluster_all", bound)
            return
        for table in CARRIED:
            self._read(f"earlier_{table}", scan(previous.table(table)))
        undecided = "*, decided_by AS judged_by, outcome AS judged_outcome, NULL::BIGINT AS override_id"
        self._read("judged_pair", "new_part", undecided)
        self._read("new_pair", f"({self._linked_pairs()})", table=True)
        connection.execute("DROP VIEW judged_pair")
        run_script(connection, "link_cluster_touched", bound)
        connection.execute("DROP VIEW IF EXISTS judged_part")
        self._read("judged_part", f"({self._parts_of_groups()})", table=True)

    def _name_prior(self) -> None:
        """Make `prior_record`: whom each record belonged to the night before."""
        prior = self._job.prior
        for table in ("patient_record", "moved_record", "override_pair"):
            nothing = ", ".join(f"NULL::{c.type} AS {c.name}" for c in TABLES[table].columns)
            file = prior / f"{table}.parquet" if prior else None
            self._read(f"prior_{table}", scan(file) if file and file.is_file() else f"(SELECT {nothing} LIMIT 0)")
        run_script(self._connection, "link_prior_record", {})

    def _linked_pairs(self) -> str:
        names = ", ".join(f"'{rule}'" for rule in CANDIDATE_RULES)
        return (
            match.linked_pair_query(self._comparisons)
            .replace("$rule_names", f"[{names}]")
            .replace("$model_version", f"'{self._model.version}'")
        )

    def _parts_of_groups(self) -> str:
        """The query of `judged_part` from pairs in their public shape."""
        levels = ", ".join(
            f"coalesce(comparison_levels.{c.name}, -1)::INTEGER AS {c.name}_level,"
            f" comparison_weights.{c.name} AS {c.name}_weight"
            for c in COMPARISONS
        )
        names = ", ".join(f"'{rule}'" for rule in CANDIDATE_RULES)
        return load_sql("link_parts_of_groups").replace("/* levels */", levels).replace("/* rule names */", names)

    # What is written ------------------------------------------------------------------------------------------------

    def _write(self, kept: Frozen, previous: State | None, blocked: Blocked) -> None:
        """Write the night's tables, and last of all the note that says that it is linked."""
        job = self._job
        note = job.folder / "linked.json"
        note.unlink(missing_ok=True)
        pairs, clusters = self._linked_pairs(), load_sql("link_person_cluster")
        if previous:
            run_script(self._connection, "link_labels", {})
            pairs = load_sql("link_pairs_again")
            clusters = load_sql("link_clusters_again").replace("/* tonight */", clusters)
        self._table(TABLES["linked_pair"], pairs)
        self._table(TABLES["person_cluster"], clusters)
        self._read("linked_pair", scan(job.folder / "linked_pair.parquet"))
        self._read("person_cluster", scan(job.folder / "person_cluster.parquet"))
        run_script(self._connection, "link_attention", {"night": job.night})
        if previous:
            run_script(self._connection, "link_attention_again", {"night": job.night})
        self._table(TABLES["needs_attention"], "SELECT * FROM attention_tonight")
        self._table(TABLES["override_pair"], "SELECT * FROM override_pair")
        self._table(RECORD_STATE, "SELECT record_id, state FROM everybody")
        self._table(HELD_PAIR, "SELECT * FROM held_tonight")
        self._table(CROWDED_KEY, "SELECT * FROM crowded_key")
        keys = self._write_keys(previous)
        made_with = state.digest(self._model, self._comparisons, kept)
        known = previous.key_digests if previous else {}
        standing = State(job.night, job.folder, made_with, kept.name, keys, known)
        state.write(
            job.home,
            standing,
            rows=self._rows,
            about={
                "model_version": self._model.version,
                "since": previous.night.isoformat() if previous else None,
                "pairs_by_rule": dict(blocked.pairs),
                "values_left_out": {rule: asdict(left) for rule, left in blocked.values_left_out.items()},
            },
        )

    def _write_keys(self, previous: State | None) -> tuple[Path, ...]:
        """Write the keys of tonight's records, or of those that changed; a long row of files becomes one again."""
        earlier = previous.key_files if previous else ()
        keys = "SELECT * FROM record_key"
        if len(earlier) >= state.MOST_KEY_FILES:
            keys = (
                f"SELECT DISTINCT ON (state) * FROM (SELECT * FROM {scan(list(earlier))} UNION ALL BY NAME {keys})"  # noqa: S608
                " SEMI JOIN everybody USING (state)"
            )
            earlier = ()
        # A name that is never used again: later nights may still read the file of a night that is run again. Settled
        # records have a file of their own, so that who looks for unsettled ones need not read it.
        name = uuid.uuid4().hex[:12]
        made = []
        for kind, condition in (("settled", "is_settled"), ("unsettled", "NOT is_settled")):
            made.append(self._job.folder / "keys" / f"record_key.{name}.{kind}.parquet")
            write_table(self._connection, f"SELECT * FROM ({keys}) WHERE {condition}", KEY_TABLE, made[-1])  # noqa: S608
        return (*earlier, *made)

    def _table(self, table: Table, query: str) -> None:
        self._rows[table.name] = write_table(self._connection, query, table, self._job.folder / f"{table.name}.parquet")

    def _told(self, kept: Frozen, previous: State | None, why: str, blocked: Blocked, made: cluster.Made) -> Linked:
        connection = self._connection
        decisions = connection.execute(
            "SELECT outcome || ': ' || decided_by, count(*) FROM linked_pair GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        attention = connection.execute(
            "SELECT reason, count(*) FROM attention_tonight GROUP BY reason ORDER BY reason"
        ).fetchall()
        changed, gone, reused = self._records, 0, 0
        if previous:
            changed, gone, reused = connection.execute(
                "SELECT (SELECT count(*) FROM everybody SEMI JOIN touched USING (state)),"
                " (SELECT count(*) FROM before SEMI JOIN gone USING (state) ANTI JOIN everybody USING (record_id)),"
                " (SELECT count(*) FROM linked_pair) - (SELECT count(*) FROM new_pair)"
            ).fetchall()[0]
        return Linked(
            model_version=self._model.version,
            frozen=kept.name,
            since=previous.night if previous else None,
            why_full=why,
            rows=self._rows,
            comparisons=self._comparisons,
            records=self._records,
            records_changed=changed,
            records_gone=gone,
            pairs_by_rule=blocked.pairs,
            pairs_reused=reused,
            values_left_out=blocked.values_left_out,
            decisions=dict(decisions),
            attention=dict(attention),
            doubtful_groups=made.rebuilt,
        )

    def _read(self, name: str, source: str, columns: str = "*", *, table: bool = False) -> None:
        """Make a view or a table of what this module names as its source."""
        kind = "TABLE" if table else "VIEW"
        self._connection.execute(f"CREATE OR REPLACE TEMP {kind} {name} AS SELECT {columns} FROM {source}")  # noqa: S608


def _verify(job: _Job, model: LinkageModel | None) -> None:
    """Link the night in full beside what was written, with what is frozen as it stands, and compare.

    Raises:
        RunFailed: something differs.
    """
    beside = job.home.temporary / f"verify-{uuid.uuid4().hex[:8]}"
    try:
        _link(replace(job, folder=beside), model=model, reuse=False)
        connection = connect(job.home, memory_limit=job.configuration.deployment.memory_limit, macros=False)
        with closing(connection):
            for side, folder in (("ours", job.folder), ("theirs", beside)):
                for table in ("linked_pair", "person_cluster", "needs_attention"):
                    connection.execute(
                        f"CREATE TEMP VIEW {side}_{table} AS SELECT * FROM {scan(folder / f'{table}.parquet')}"  # noqa: S608
                    )
            differences = connection.execute(load_sql("link_verify")).fetchall()
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    if differences:
        told = "; ".join(f"{rows:,} rows of {table} {which}" for table, which, rows in differences)
        raise RunFailed(
            f"Linking only what changed on the night {job.night} does not give what linking every record gives"
            f" ({told}); the last registry stands: run the night with --full, and report this to the maintainers."
        )
