"""How well a night is linked where nobody knows the truth: estimates, and why each looks better than it is.

What belongs here: matching people anew as if their verified NHS numbers were not known, drawing a review sample, and
what the verdicts of reviewers say. What does not: measuring against a truth (`evaluate`), and any use at night.

Nothing here is called precision or recall without the word "estimated", and every result carries its reasons.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.config import Configuration
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.link import frozen, match, state, truth_files
from registry_pipeline.link.block import Blocked, block, keys_query, number_pairs
from registry_pipeline.link.calibrate import SURE_WEIGHT
from registry_pipeline.link.evaluate import (
    PROBABILITY_EDGES,
    ReliabilityBin,
    load_night,
    model_of_night,
    refuse_unlinked,
    reliability_bins,
)
from registry_pipeline.link.frozen import Frozen
from registry_pipeline.link.intervals import (
    DRAWS,
    SEED,
    Measured,
    Units,
    cohens_kappa,
    share_of_units,
    units_of,
)
from registry_pipeline.link.model import BLOCKING_RULES, CANDIDATE_RULES, LinkageModel, filled_comparisons
from registry_pipeline.link.records import (
    count_and_make_features,
    filled_columns,
    load_everybody,
    make_features_of,
    run_script,
)
from registry_pipeline.outcomes import shares_of_night
from registry_pipeline.storage import Home, connect, load_sql, read_json, scan, write_json

if TYPE_CHECKING:
    import duckdb

MOST_HIDDEN_RECORDS = 50_000
"""Records that are matched anew: a recall of 0.99 is then known to about a tenth of a percentage point, and the work is
bounded whatever the size of the registry."""

FEWEST_HIDDEN_PAIRS = 30
"""Fewer pairs of one verified number say nothing of a share."""

WEIGHT_BAND = 10.0
"""Bits of match weight in a stratum of the review sample: below 0 and then 0 to 10, 10 to 20, 20 to 30 and above."""

HIDDEN_GROUPS = ("setting", "provider", "age_band", "sex", "ethnicity", "deprivation_decile")
"""What the estimate is told by: what the records themselves say, and what is known of their postcodes."""

ShownTable = tuple[str, tuple[str, ...], list[tuple[str, ...]]]
"""Title, columns and rows of a table for a terminal."""

HIDDEN_COUNTS = (
    "true", "compared", "found", "wrong", "matched", "two_numbers", "one_person", "likely_wrong", "records"
)  # fmt: skip
"""What is counted of each person, at each of its records."""

WHY_HIDDEN_IS_OPTIMISTIC = (
    (
        "Optimistic: a number is verified by tracing the person by name, birth date and address, so these people's"
        " records agree more than those of people without a number, on whom the estimate says nothing."
    ),
    (
        "Optimistic: among the people who are told apart there are none without a number (visitors, newborns, many"
        " of no fixed abode), who are mixed up most."
    ),
    "Pessimistic: where numbers are there they decide most pairs; the estimate is of pairs that have to do without.",
    (
        "Pessimistic: a verified number in the wrong record counts as a missed pair or a false match, and a person with"
        " two numbers as two people."
    ),
    "Pairs by themselves: third records join more of them in clusters, and cuts part some.",
)

WHY_REVIEW_IS_OPTIMISTIC = (
    (
        "Optimistic: pairs that no blocking rule brought together, or that weigh too little to be kept, cannot be"
        " drawn: the estimated recall is of kept pairs only."
    ),
    "Optimistic: reviewers see the same few fields as the model, and tend to be misled by the same ones.",
    "People who are flagged sensitive, and pairs that may be theirs, are not in the sample.",
)


class TooFewNumbers(RunFailed):
    """Too few records share a verified NHS number to estimate anything by hiding it."""


@dataclass(frozen=True)
class HiddenGroup:
    """Estimates of one group: people and pairs that they rest on, and the figures by name.

    Attributes:
        units: people counted alike, with `HIDDEN_COUNTS`: what a comparison of groups is drawn from.
    """

    by: str
    name: str
    records: int
    true_pairs: float
    measures: Mapping[str, Measured | None]
    units: Units = field(repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """The group for a JSON file."""
        figures = {name: m.as_json() if m else None for name, m in self.measures.items()}
        return {"by": self.by, "group": self.name, "records": self.records, "true_pairs": self.true_pairs, **figures}


@dataclass(frozen=True)
class HiddenNumbers:
    """Estimates from records whose verified NHS number was hidden.

    Attributes:
        drawn_records, verified_records: records matched anew, of so many with a verified number.
        true_pairs: pairs of records of one verified number among those drawn.
        measures: estimated recall, blocking recall and false match rate (share of matches that are two people). Some
            matches of two numbers are of such a weight that they are likelier one person with two: these are told as a
            share of pairs of one person that the night never joins, and the false match rate without them too.
        by_rule: blocking rule to the share of true pairs that it brings together by itself.
        missed: what became of true pairs that were not found.
        false: what decided pairs that were matched and are two people, counted at drawn records.
        reliability: what the pairs report as their probability without the number, and what share is true.
    """

    night: date
    model_version: str
    drawn_records: int
    verified_records: int
    true_pairs: int
    measures: Mapping[str, Measured | None]
    groups: tuple[HiddenGroup, ...]
    by_rule: Mapping[str, float]
    missed: Mapping[str, int]
    false: Mapping[str, int]
    reliability: tuple[ReliabilityBin, ...] = ()
    reasons: tuple[str, ...] = WHY_HIDDEN_IS_OPTIMISTIC

    @property
    def headline(self) -> str:
        """What the estimates are."""
        return (
            f"ESTIMATES for {self.night} by model {self.model_version}, without a truth: {self.drawn_records:,} of"
            f" {self.verified_records:,} records with a verified NHS number, matched as if nobody had one"
            f" ({self.true_pairs:,} pairs of one number)."
        )

    def tables(self, groups: int) -> list[ShownTable]:
        """Title, columns and rows of each table for a terminal; so many groups, the worst first."""
        shown: list[tuple[str, ...]] = [(name.replace("_", " "), *_shown(m)) for name, m in self.measures.items()]
        order = sorted(
            (g for g in self.groups if g.measures["estimated_recall"] is not None),
            key=lambda g: (g.true_pairs < FEWEST_HIDDEN_PAIRS, g.measures["estimated_recall"].value, g.by, g.name),  # type: ignore[union-attr]  # those without are left out above
        )
        by_group: list[tuple[str, ...]] = [
            (
                f"{g.by.replace('_', ' ')}: {g.name}",
                f"{g.true_pairs:,.0f}",
                *_shown(g.measures["estimated_recall"]),
                _shown(g.measures["estimated_blocking_recall"])[0],
                _shown(g.measures["estimated_false_match_rate"])[0],
            )
            for g in order[:groups]
        ]
        rules: list[tuple[str, ...]] = [(name, f"{share:.4%}") for name, share in self.by_rule.items()]
        made: list[ShownTable] = [
            ("Estimates", ("figure", "estimate", "95% interval"), shown),
            (
                "Estimates by group, the lowest recall first",
                ("group", "pairs", "estimated recall", "95% interval", "blocking recall", "false match rate"),
                by_group,
            ),
            ("Estimated share of true pairs by blocking rule alone", ("rule", "share"), rules),
        ]
        for title, counts in (
            ("Where pairs of one number were lost", self.missed),
            ("What made false matches", self.false),
        ):
            if counts:
                made.append((title, ("how", "pairs"), [(how, f"{n:,}") for how, n in counts.items()]))
        return made

    def as_json(self) -> dict[str, Any]:
        """Everything that was estimated."""
        return {
            "estimate": "from hidden NHS numbers",
            "night": self.night.isoformat(),
            "model_version": self.model_version,
            "reasons": list(self.reasons),
            "counts": {
                "drawn_records": self.drawn_records,
                "verified_records": self.verified_records,
                "true_pairs": self.true_pairs,
            },
            "measures": {name: m.as_json() if m else None for name, m in self.measures.items()},
            "groups": [group.as_json() for group in self.groups],
            "estimated_share_by_blocking_rule": dict(self.by_rule),
            "missed_pairs": dict(self.missed),
            "false_matches": dict(self.false),
        }


def last_linked_night(configuration: Configuration) -> date:
    """The last night that is linked.

    Raises:
        BadInput: none is.
    """
    home = Home(configuration.home)
    for night in reversed(home.nights()):
        if home.linked("person_cluster", night).is_file():
            return night
    raise BadInput(f"No night is linked in {home.root}: run one first (registry run).")


# Hidden NHS numbers ---------------------------------------------------------------------------------------------------


def from_hidden_numbers(
    configuration: Configuration, night: date, *, most_records: int = MOST_HIDDEN_RECORDS
) -> HiddenNumbers:
    """Estimate recall and false matches from people whose verified NHS number is hidden from the match.

    Args:
        configuration: of the deployment.
        night: a night that has been linked.
        most_records: that are matched anew.

    Raises:
        BadInput: the night is not linked, or its model is not there any more.
        RunFailed: too few people have a verified number in two records.
    """
    home = Home(configuration.home)
    refuse_unlinked(home, night)
    deployment = configuration.deployment
    connection = connect(home, memory_limit=deployment.memory_limit, threads=deployment.threads)
    try:
        shares = shares_of_night(configuration, night)
        load_night(connection, home, night, shares)
        load_everybody(connection, home, shares)
        return hide_numbers(connection, configuration, night, most_records=most_records)
    finally:
        connection.close()


def hide_numbers(
    connection: duckdb.DuckDBPyConnection, configuration: Configuration, night: date, *, most_records: int
) -> HiddenNumbers:
    """The same on a connection that holds the night (`load_night`, `load_everybody`).

    Afterwards nobody in `everybody` has a number.

    Raises:
        BadInput: the night's model is not there any more.
        RunFailed: too few people have a verified number in two records.
    """
    home = Home(configuration.home)
    model = _model_of_night(connection, configuration)
    comparisons = [c for c in filled_comparisons(filled_columns(connection)) if c in model.comparisons]
    records = int(connection.execute("SELECT count(*) FROM everybody").fetchall()[0][0])
    kept, keys, caps = _as_blocked(connection, home, night, model, comparisons)
    run_script(connection, "estimate_hidden", {"most_records": most_records, "seed": SEED})
    _refuse_too_few(connection)
    _block_drawn(connection, caps, keys)
    parts = home.temporary / f"estimate-{uuid.uuid4().hex[:8]}"
    try:
        judged = match.judge_pairs(
            connection,
            model,
            [c for c in comparisons if c != "nhs_number"],
            parts,
            records=kept.records if kept else records,
        )
        connection.execute(f"CREATE OR REPLACE TEMP VIEW judged_part AS SELECT * FROM {scan(judged)}")  # noqa: S608
        connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS area_record (record_id VARCHAR, deprivation_decile VARCHAR)"
        )
        run_script(connection, "estimate_record", {"night": night})
        run_script(connection, "estimate_ends", {"sure_weight": SURE_WEIGHT})
        return _hidden_numbers(connection, night, model)
    finally:
        shutil.rmtree(parts, ignore_errors=True)


def _as_blocked(
    connection: duckdb.DuckDBPyConnection, home: Home, night: date, model: LinkageModel, comparisons: Sequence[str]
) -> tuple[Frozen | None, str, Mapping[str, int]]:
    """What is frozen for the model, a FROM clause of every record's blocking keys, and the caps of the night.

    Hiding numbers must not change which blocks are too large, and no key rests on a number: where the night's keys
    were kept by this code they are read, and only records that are compared need their features made.
    """
    found = frozen.find(home.frozen, model)
    if found is None:
        count_and_make_features(connection)
        kept, caps = None, block(connection).caps
    else:
        kept, path = found
        caps = dict(kept.caps)
        frozen.load(connection, kept, path)
        files = _kept_keys(home, night, state.digest(model, comparisons, kept))
        if files:
            return kept, scan(files), caps
        make_features_of(connection, None)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE record_key AS {keys_query(caps)}")
    return kept, "record_key", caps


def _kept_keys(home: Home, night: date, made_with: str) -> list[Path]:
    """The files of the night's keys, if it was linked with this model and code and they are all there."""
    try:
        note = read_json(home.linked("linked", night).with_suffix(".json"))
        files = [home.root / path for path in note["key_files"]] if note["made_with"] == made_with else []
    except (OSError, ValueError, KeyError, TypeError):  # keys are made anew; who goes on from the night is told of it
        return []
    return files if all(path.is_file() for path in files) else []


def _block_drawn(connection: duckdb.DuckDBPyConnection, caps: Mapping[str, int], keys: str) -> None:
    """Make `candidate_pair` of drawn records, and the features of all that are in it."""
    rules = [(CANDIDATE_RULES.index(rule.name), rule) for rule in BLOCKING_RULES if rule.name in caps]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE cap_of_rule AS"
        " SELECT unnest($rules)::UTINYINT AS rule, unnest($caps)::BIGINT AS cap",
        {"rules": [number for number, _ in rules], "caps": [caps[rule.name] for _, rule in rules]},
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE drawn_record_key AS SELECT DISTINCT ON (state) *"  # noqa: S608  # own names
        f" FROM {keys} SEMI JOIN (FROM hidden_state WHERE is_drawn) AS drawn USING (state)"
    )
    for view, source in (("seeking_key", "drawn_record_key"), ("kept_key", keys)):
        each = " UNION ALL ".join(
            f"SELECT {number}::UTINYINT AS rule, {rule.unnested} AS key, state FROM {source}"  # noqa: S608  # own names
            for number, rule in rules
        )
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS {each}")
    run_script(connection, "estimate_blocks", {})
    make_features_of(connection, "compared")
    number_pairs(connection, Blocked())


def _model_of_night(connection: duckdb.DuckDBPyConnection, configuration: Configuration) -> LinkageModel:
    version, model = model_of_night(connection, configuration)
    if model is None:
        raise BadInput(
            f"The model {version} that linked the night is not in {configuration.models}, or is of other code: put it"
            " back, or run the night again with the model that is there."
        )
    return model


def _refuse_too_few(connection: duckdb.DuckDBPyConnection) -> None:
    pairs = connection.execute(
        "SELECT coalesce(sum(n * (n - 1) // 2), 0) FROM"
        " (SELECT count(*) AS n FROM hidden_state WHERE is_drawn GROUP BY unit)"
    ).fetchall()[0][0]
    if pairs < FEWEST_HIDDEN_PAIRS:
        raise TooFewNumbers(
            f"Only {pairs} pairs of records share a verified NHS number: too few to estimate anything by hiding it;"
            " give --truth, or draw a review sample (--review-sample N --folder DIR)."
        )


def _hidden_numbers(connection: duckdb.DuckDBPyConnection, night: date, model: LinkageModel) -> HiddenNumbers:
    everybody = _hidden_units(connection, "'everybody'")["everybody"]
    true_pairs = round(everybody.total("true") / 2)
    drawn, verified = connection.execute("SELECT count(*) FILTER (is_drawn), count(*) FROM hidden_state").fetchall()[0]
    missed = connection.execute(
        "SELECT coalesce('judged ' || replace(outcome, '_', ' ') || ' by ' || decided_by, $not_kept), count(*)"
        " FROM hidden_pair WHERE is_true AND NOT is_found GROUP BY ALL",
        {"not_kept": "compared: weight too low to be kept"},
    ).fetchall()
    false = connection.execute(
        "SELECT 'judged a match by ' || decided_by || CASE WHEN match_weight >= $sure THEN $likelier ELSE '' END,"
        " count(*) FROM hidden_pair WHERE NOT is_true AND is_found GROUP BY ALL",
        {"sure": SURE_WEIGHT, "likelier": f", weight {SURE_WEIGHT:g} or more: likelier one person with two numbers"},
    ).fetchall()
    lost = dict(missed)
    never = true_pairs - round(everybody.total("compared") / 2)
    if never:
        lost["never compared: no blocking rule brought the two together"] = never
    return HiddenNumbers(
        night=night,
        model_version=model.version,
        drawn_records=drawn,
        verified_records=verified,
        true_pairs=true_pairs,
        measures=_hidden_measures(everybody),
        groups=tuple(
            HiddenGroup(by, name, int(u.total("records")), u.total("true") / 2, _hidden_measures(u), u)
            for by in HIDDEN_GROUPS
            for name, u in sorted(_hidden_units(connection, by).items())
        ),
        by_rule=_share_by_rule(connection, true_pairs),
        missed=dict(sorted(lost.items(), key=lambda item: (-item[1], item[0]))),
        false=dict(sorted(false, key=lambda item: (-item[1], item[0]))),
        reliability=_hidden_reliability(connection),
    )


def _hidden_units(connection: duckdb.DuckDBPyConnection, by: str) -> dict[str, Units]:
    found: dict[str, list[Sequence[float]]] = {}
    for name, *counts in connection.execute(load_sql("estimate_units").replace("/* by */", by)).fetchall():
        found.setdefault(name, []).append(counts)
    return {name: units_of(HIDDEN_COUNTS, rows) for name, rows in found.items()}


def _hidden_measures(units: Units) -> dict[str, Measured | None]:
    return {
        "estimated_recall": share_of_units(units, "found", "true", counted=2.0),
        "estimated_blocking_recall": share_of_units(units, "compared", "true", counted=2.0),
        "estimated_false_match_rate": share_of_units(units, "wrong", "matched", counted=2.0),
        # Two verified numbers that differ keep two records apart, whatever else agrees.
        "estimated_missed_by_two_numbers": share_of_units(units, "two_numbers", "one_person", counted=2.0),
        "estimated_false_match_rate_without_two_numbers": share_of_units(units, "likely_wrong", "matched", counted=2.0),
    }


def _share_by_rule(connection: duckdb.DuckDBPyConnection, true_pairs: int) -> dict[str, float]:
    found = dict(connection.execute(load_sql("estimate_rule")).fetchall())
    used = [name for (name,) in connection.execute("SELECT rule FROM cap_of_rule").fetchall()]
    shares = {CANDIDATE_RULES[rule]: found.get(rule, 0) / true_pairs for rule in used}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _hidden_reliability(connection: duckdb.DuckDBPyConnection) -> tuple[ReliabilityBin, ...]:
    rows = connection.execute(load_sql("estimate_reliability"), {"edges": list(PROBABILITY_EDGES)}).fetchall()
    return reliability_bins(rows, counted=2.0)


# Review ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReviewSample:
    """A sample that was written: where, how many pairs of how many, and how many could not be drawn."""

    path: Path
    pairs: int
    kept_pairs: int
    left_out: int
    strata: int

    def as_json(self) -> dict[str, Any]:
        """Counts of the sample."""
        return {"pairs": self.pairs, "kept_pairs": self.kept_pairs, "left_out": self.left_out, "strata": self.strata}


def write_review_sample(configuration: Configuration, night: date, size: int, folder: Path) -> ReviewSample:
    """Draw kept pairs for reviewers, stratified by what decided, by weight, and by whether they are joined.

    The file holds record keys, an empty column is_match, and the weights; neither score nor decision stands in it, so
    that it leads nobody to a verdict.

    Args:
        configuration: of the deployment.
        night: a night that has been linked.
        size: pairs.
        folder: where the file goes; it must not hold one of that night yet.

    Raises:
        BadInput: the night is not linked, there is a sample already, or the size is too small for one pair a stratum.
        RunFailed: no pair can be drawn, or the disk is full.
    """
    from registry_pipeline.link.evaluation_chart import write_csv

    home = Home(configuration.home)
    refuse_unlinked(home, night)
    path = folder / f"review_sample_{night}.csv"
    if path.exists():
        raise BadInput(f"{path} is there already, and may hold verdicts: name another --folder, or move it away.")
    deployment = configuration.deployment
    connection = connect(home, memory_limit=deployment.memory_limit, threads=deployment.threads)
    try:
        load_night(connection, home, night, shares_of_night(configuration, night))
        sizes = _strata(connection, size)
        drawn = allot(dict(sizes), size)
        _allotted(connection, sizes, drawn)
        rows = connection.execute(load_sql("estimate_sample")).fetchall()
        kept = connection.execute("SELECT count(*) FROM kept_pair").fetchall()[0][0]
    finally:
        connection.close()
    columns = ("record_id_l", "record_id_r", "is_match", "reviewer", "stratum", "stratum_pairs", "sampling_weight")
    write_csv(path, columns, ((left, right, "", "", *rest) for left, right, *rest in rows))
    return ReviewSample(path, len(rows), kept, kept - sum(pairs for _, pairs in sizes), len(sizes))


def _strata(connection: duckdb.DuckDBPyConnection, size: int) -> list[tuple[int, int]]:
    """Make `stratum_pair`; returns each stratum with its pairs: fine ones where the sample holds three of each."""
    sizes: list[tuple[int, int]] = []
    for is_fine in (True, False):
        run_script(connection, "estimate_stratum", {"band": WEIGHT_BAND, "is_fine": is_fine, "seed": SEED})
        sizes = connection.execute(
            "SELECT stratum, count(*) FROM stratum_pair GROUP BY stratum ORDER BY stratum"
        ).fetchall()
        if size >= 3 * len(sizes):
            break
    if not sizes:
        raise RunFailed("There is no kept pair to draw from: nobody was compared, or everybody is flagged sensitive.")
    if size < len(sizes):
        raise BadInput(f"--review-sample {size} is too small: at least {len(sizes)} pairs are needed, one a stratum.")
    return sizes


def allot(sizes: Mapping[int, int], total: int) -> dict[int, int]:
    """How many to draw from each stratum: one at least, the rest in proportion to the root of its size.

    By the root, small strata (where most doubt is) are drawn from more than their share and large ones still most.
    """
    drawn = dict.fromkeys(sizes, 1)
    left = min(total, sum(sizes.values())) - len(sizes)
    while left > 0:
        open_strata = {s: sizes[s] ** 0.5 for s in sizes if drawn[s] < sizes[s]}
        whole = sum(open_strata.values())
        given = 0
        for stratum, root in sorted(open_strata.items(), key=lambda item: (-item[1], item[0])):
            more = min(max(1, int(left * root / whole)), sizes[stratum] - drawn[stratum], left - given)
            drawn[stratum] += more
            given += more
        left -= given
    return drawn


def _allotted(
    connection: duckdb.DuckDBPyConnection, sizes: Sequence[tuple[int, int]], drawn: Mapping[int, int]
) -> None:
    import pyarrow as pa

    table = pa.table(
        {
            "stratum": pa.array([s for s, _ in sizes], pa.uint64()),
            "name": [f"s{number:02}" for number in range(1, len(sizes) + 1)],
            "pairs": pa.array([pairs for _, pairs in sizes], pa.int64()),
            "drawn": pa.array([drawn[s] for s, _ in sizes], pa.int64()),
        }
    )
    connection.register("allotted_rows", table)
    connection.execute("CREATE OR REPLACE TEMP TABLE allotted AS SELECT * FROM allotted_rows")
    connection.unregister("allotted_rows")


@dataclass(frozen=True)
class Reviewed:
    """Estimates from reviewers' verdicts.

    Attributes:
        judged: pairs with a verdict that stands.
        even: pairs on which reviewers are evenly of two minds; left out.
        unjudged_strata_pairs: kept pairs in strata of which nobody judged any; the estimates leave them out.
        kappa: two reviewers (by number) to pairs judged by both, and Cohen's kappa (None where it has no value).
        reviewers: people who gave verdicts.
    """

    night: date
    judged: int
    even: int
    unjudged_strata_pairs: int
    measures: Mapping[str, Measured | None]
    kappa: Mapping[str, tuple[int, float | None]]
    reviewers: int = 0
    reasons: tuple[str, ...] = WHY_REVIEW_IS_OPTIMISTIC

    @property
    def headline(self) -> str:
        """What the estimates are."""
        return (
            f"ESTIMATES for {self.night} from {self.judged:,} reviewed pairs, weighted to all kept pairs;"
            f" {self.even:,} on which reviewers disagree evenly and {self.unjudged_strata_pairs:,} kept pairs of strata"
            " without a verdict are left out."
        )

    def tables(self, groups: int) -> list[ShownTable]:  # noqa: ARG002  # a review has no groups; the command shows all estimates alike
        """Title, columns and rows of each table for a terminal."""
        rows: list[tuple[str, ...]] = [(name.replace("_", " "), *_shown(m)) for name, m in self.measures.items()]
        made: list[ShownTable] = [("Estimates", ("figure", "estimate", "95% interval"), rows)]
        agreement: list[tuple[str, ...]] = [
            (who, f"{pairs:,}", "no value" if kappa is None else f"{kappa:.3f}")
            for who, (pairs, kappa) in self.kappa.items()
        ]
        if agreement:
            made.append(("Agreement of reviewers", ("reviewers", "pairs judged by both", "Cohen's kappa"), agreement))
        return made

    def as_json(self) -> dict[str, Any]:
        """Everything that was estimated."""
        return {
            "estimate": "from a review sample",
            "night": self.night.isoformat(),
            "reasons": list(self.reasons),
            "judged_pairs": self.judged,
            "reviewers": self.reviewers,
            "evenly_disputed_pairs": self.even,
            "pairs_of_strata_without_verdict": self.unjudged_strata_pairs,
            "measures": {name: m.as_json() if m else None for name, m in self.measures.items()},
            "agreement": {who: {"pairs": n, "cohens_kappa": kappa} for who, (n, kappa) in self.kappa.items()},
        }


@dataclass(frozen=True)
class _Cell:
    """A stratum's joined or not joined pairs: how many there are, how many were judged, how many are one person."""

    pairs: float
    judged: int
    matches: int
    is_joined: bool

    @property
    def is_whole(self) -> bool:
        """Whether every pair of it was judged, so that nothing is left to chance."""
        return self.judged >= self.pairs


def from_review(configuration: Configuration, night: date, files: Sequence[Path]) -> Reviewed:
    """Estimate precision and recall from a review sample that came back.

    Args:
        configuration: of the deployment.
        night: the night that the sample was drawn from.
        files: the sample with is_match filled in, from one reviewer or several.

    Raises:
        BadInput: the night is not linked, or a file cannot be used.
    """
    home = Home(configuration.home)
    refuse_unlinked(home, night)
    connection = connect(home, memory_limit=configuration.deployment.memory_limit)
    try:
        load_night(connection, home, night, shares_of_night(configuration, night))
        truth_files.read_reviews(connection, files)
        rows = connection.execute(load_sql("estimate_review")).fetchall()
        reviewers = connection.execute(
            "SELECT count(DISTINCT coalesce(reviewer, '')) FROM review WHERE is_match IS NOT NULL"
        ).fetchall()[0][0]
        return replace(_reviewed(night, rows, _agreement(connection)), reviewers=int(reviewers))
    finally:
        connection.close()


def keep_review(home: Home, reviewed: Reviewed) -> Path:
    """Keep what a review of a night said, for its reports: figures and counts, and nobody's verdict.

    Another review of the same night takes its place.

    Raises:
        RunFailed: the disk is full.
    """
    path = _reviews(home) / f"{reviewed.night}.json"
    write_json(path, reviewed.as_json())
    return path


def last_review(home: Home, night: date) -> dict[str, Any] | None:
    """What the last review that was kept said, of this night or one before it; None where there is none.

    Raises:
        RunFailed: it cannot be read.
    """
    kept = [path for path in _reviews(home).glob("*.json") if path.stem <= night.isoformat()]
    if not kept:
        return None
    path = max(kept)
    try:
        return read_json(path)
    except (OSError, ValueError) as problem:
        raise RunFailed(
            f"{path} cannot be read, and it tells what the last review said: give the review files to `registry"
            " evaluate --review` again, or remove the file."
        ) from problem


def _reviews(home: Home) -> Path:
    return home.root / "linkage" / "reviews"


def _reviewed(night: date, rows: Sequence[Sequence[Any]], kappa: Mapping[str, tuple[int, float | None]]) -> Reviewed:
    judged_of: dict[str, int] = {}
    for stratum, _, _, _, judged, _, _ in rows:
        judged_of[stratum] = judged_of.get(stratum, 0) + judged
    strata = {stratum: pairs for stratum, _, pairs, *_ in rows}
    cells = [
        # Pairs without a verdict are taken to be like those of their stratum that have one.
        _Cell(strata[stratum] * judged / judged_of[stratum], judged, matches, is_joined)
        for stratum, is_joined, _, _, judged, matches, _ in rows
        if judged
    ]
    return Reviewed(
        night=night,
        judged=sum(c.judged for c in cells),
        even=sum(row[6] for row in rows),
        unjudged_strata_pairs=sum(pairs for stratum, pairs in strata.items() if not judged_of[stratum]),
        measures=estimate_from_cells(cells),
        kappa=kappa,
    )


def estimate_from_cells(cells: Sequence[_Cell]) -> dict[str, Measured | None]:
    """Weighted precision and recall, with intervals from draws of each cell's share (Jeffreys' prior).

    A cell in which all verdicts are alike is not certain: Beta(x + 1/2, n - x + 1/2) says how much is left open.
    """
    import numpy as np

    if not cells:
        return {"estimated_precision": None, "estimated_recall": None}
    generator = np.random.default_rng(SEED)
    pairs = np.array([c.pairs for c in cells])
    joined = np.array([c.is_joined for c in cells], dtype=float)
    shares = np.array([c.matches / c.judged for c in cells])
    drawn = np.array(
        [
            np.full(DRAWS, c.matches / c.judged)
            if c.is_whole
            else generator.beta(c.matches + 0.5, c.judged - c.matches + 0.5, DRAWS)
            for c in cells
        ]
    ).T
    return {
        "estimated_precision": _ratio(shares, drawn, pairs * joined, None, sum(c.judged for c in cells if c.is_joined)),
        "estimated_recall": _ratio(shares, drawn, pairs * joined, pairs, sum(c.matches for c in cells)),
    }


def _ratio(shares: Any, drawn: Any, part: Any, whole: Any, of: int) -> Measured | None:
    """Matches among `part` over `part` itself (whole None), or over the matches among `whole`."""
    import numpy as np

    under = float(part.sum()) if whole is None else float(shares @ whole)
    if under <= 0:
        return None
    value = float(shares @ part) / under
    below = part.sum() if whole is None else drawn @ whole
    low, high = np.percentile(drawn @ part / below, [2.5, 97.5])
    return Measured(value, min(float(low), value), max(float(high), value), of)


def _agreement(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, float | None]]:
    names = [name for (name,) in connection.execute("SELECT DISTINCT reviewer FROM review ORDER BY 1").fetchall()]
    found = {}
    for (a, left), (b, right) in combinations(enumerate(names, start=1), 2):
        verdicts = connection.execute(
            "SELECT l.is_match, r.is_match FROM review AS l INNER JOIN review AS r USING (record_id_l, record_id_r)"
            " WHERE l.reviewer = $left AND r.reviewer = $right AND l.is_match IS NOT NULL AND r.is_match IS NOT NULL",
            {"left": left, "right": right},
        ).fetchall()
        if verdicts:
            found[f"{a} and {b}"] = (len(verdicts), cohens_kappa(verdicts))
    return found


def _shown(measured: Measured | None) -> tuple[str, str]:
    if measured is None:
        return "not known", ""
    return f"{measured.value:.4%}", f"{measured.low:.4%} to {measured.high:.4%}"


__all__ = [
    "HiddenNumbers",
    "ReviewSample",
    "Reviewed",
    "TooFewNumbers",
    "from_hidden_numbers",
    "from_review",
    "hide_numbers",
    "keep_review",
    "last_linked_night",
    "last_review",
    "write_review_sample",
]
