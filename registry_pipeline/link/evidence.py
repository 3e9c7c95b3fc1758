"""What only linkage can say of a night for its linkage quality report: one dictionary of counts, shares and words.

What belongs here: gathering the model, what was decided, what blocking brought together, estimates by group, and what a
moved threshold would change, on one connection and within seconds. What does not: how the report shows it (`reports`),
small number suppression (`govern.disclosure`; every count here is as it is), measuring against a truth (`evaluate`).

No value of a person is in it: counts, shares, names of rules, groups and models.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from importlib import metadata
from typing import TYPE_CHECKING, Any

from registry_pipeline.config import Configuration
from registry_pipeline.errors import RunFailed
from registry_pipeline.govern import postcodes
from registry_pipeline.link import admission, cluster, estimate, frozen, sensitivity
from registry_pipeline.link.calibrate import SURE_WEIGHT
from registry_pipeline.link.evaluate import load_night, model_of_night, refuse_unlinked
from registry_pipeline.link.frozen import Frozen
from registry_pipeline.link.intervals import Measured, Units, excess_by_chance
from registry_pipeline.link.model import (
    BLOCKING_RULES,
    BRIDGE_WEIGHT,
    CANDIDATE_RULES,
    CERTAIN,
    COMPARISON_CODE_VERSION,
    FALSE_MATCHES_AT_MOST,
    KEPT_WEIGHT,
    LARGE_GROUP,
    LOCAL_MERGE,
    POSSIBLE_MATCH_WEIGHT,
    RIVAL_WEIGHT,
    SAME_NHS_NUMBER,
    LinkageModel,
    comparison_named,
    splink_settings,
)
from registry_pipeline.link.records import load_everybody
from registry_pipeline.link.regroup import STAY_MARGIN
from registry_pipeline.link.sensitivity import Counts
from registry_pipeline.outcomes import shares_of_night
from registry_pipeline.storage import Home, connect, load_sql, read_json, scan

if TYPE_CHECKING:
    import duckdb

HIDDEN_RECORDS = 40_000
"""Records that are matched anew for a night's report: the interval of a recall of 0.99 is then half a percentage point
wide, and the work a few seconds whatever the size of the registry. `registry evaluate` takes more."""

MISSED_MARGIN = 0.01
"""A group falls behind where it misses this share of its pairs more than everybody does: the gap in recall that NHS
linkage is designed to stay within (nhs-facts 3.4)."""

FALSE_MARGIN = 0.001
"""The same of false matches: as much as the 99.9% pair precision that linkage is designed for leaves open."""

FEWEST_PEOPLE = 30
"""A group with fewer drawn people of two records or more is shown and not compared. From here on chance is told apart
by the group's own size: a small group is flagged only where it is linked very much worse."""

HISTOGRAM_FROM, HISTOGRAM_TO = -4, 40
"""Match weights of the histogram's first and last bin, which are open: below no pair is kept but by its number, and
beyond no pair is in doubt."""

SERIES = ("match_by_number", "match_by_weight", "possible_match", "no_match")

GROUPS = ("setting", "provider", "age_band", "sex", "ethnicity", "nhs_number_status", "deprivation_decile")
"""What linked and single records are told by."""

NO_DECILES = (
    "The deployment names no list of postcodes with a deprivation decile (`postcodes` in registry.yaml), and a record"
    " has none itself."
)

ONLY_VERIFIED = (
    "Only a verified number says without a model who is one person, so the estimate is of records that have one; of"
    " records without, linked and single ones are counted."
)

DECIDED_BY: Mapping[str, str] = {
    "same_nhs_number": "Both records carry one valid NHS number, and enough of name and birth date agrees with it.",
    "local_merge": "The provider itself merged one of the records into the other.",
    "match_weight": "The match weight alone decided: no rule spoke against it.",
    "stays_joined": "The weight is a little below what joining needs; the two were one person the night before.",
    "left_over": "Both records found nobody else where each provider knows a person once.",
    "different_verified_nhs_numbers": "Each carries a verified NHS number, and the two differ: two people.",
    "different_nhs_numbers": "Each carries a valid NHS number, and the two differ.",
    "nhs_number_of_somebody_else": "One NHS number in two records that otherwise contradict: it was keyed into the"
    " wrong one.",
    "different_given_name_in_one_family": "One home or family name, other given names: relatives, twins among them.",
    "different_sex_and_given_name": "Sex and given name differ.",
    "parent_and_child_of_one_name": "One name, birth dates a generation apart.",
    "different_birth_date": "Birth dates differ altogether.",
    "namesakes_of_other_middle_names": "Middle names differ, and no home is shared.",
    "newborn_without_given_name": "A newborn without a given name, who may be either of two twins.",
    "only_household_evidence": "What agrees is shared by everybody of one home.",
    "fits_two_people": "A record lacks the field that tells two people apart, and fits both about equally well.",
    "frozen": "A group that contradicting overrides hold as it was.",
    "must_link": "A person laid down that the two are one.",
    "cannot_link": "A person laid down that the two are not one.",
}
"""What decided a pair (`linked_pair.decided_by`), in a sentence; `cut_<reason>` is told with `cluster.REASONS`."""

HANDLING = (
    "A record that lacks the field which tells two people apart (a newborn twin without a given name, a record without"
    f" birth date in a family of one name) and fits both within {RIVAL_WEIGHT:g} units of match weight is joined to"
    " neither, and goes to a person as fits_two_people. A record that fits two people who are told apart by NHS number,"
    " date of death, rule or override is joined to the one with the stronger evidence, a number before a weight; the"
    " weaker link is cut and goes to a person. Where nothing tells the two apart, both links hold and the two are one"
    " person; where a link is too weak to join, it waits for a person as a possible match. Of links of equal strength"
    " the first in the order of record keys is tried first, so that the outcome is the same on every run."
)

FROZEN_REASONS = ("overrides_contradict", "override_contradicts_data")
"""Why a group is frozen (`needs_attention.reason`)."""


def gather(configuration: Configuration, night: date, *, most_records: int = HIDDEN_RECORDS) -> dict[str, Any]:
    """Everything that the report says of a night's linkage and only linkage can know.

    Args:
        configuration: of the deployment.
        night: a night that has been linked.
        most_records: that are matched anew for the estimates.

    Returns:
        A dictionary of text, numbers, lists and dictionaries, ready for JSON: `totals`, `model`, `m_and_u`,
        `splink_charts`, `calibration`, `weight_histogram`, `decisions`, `attention`, `ambiguity`, `blocking`,
        `estimates`, `review`, `sensitivity`, `groups_linked` and `seconds` (where the time went). What cannot be known
        is None, with the reason beside it.

    Raises:
        BadInput: the night is not linked, or the list of postcodes cannot be used.
        RunFailed: what the night left is damaged, or the disk is full.
    """
    home = Home(configuration.home)
    refuse_unlinked(home, night)
    deployment = configuration.deployment
    connection = connect(home, memory_limit=deployment.memory_limit, threads=deployment.threads)
    try:
        return _Evidence(configuration, night, connection).gathered(most_records)
    finally:
        connection.close()


@dataclass
class _Evidence:
    """One night on one connection; every section is a method."""

    configuration: Configuration
    night: date
    connection: duckdb.DuckDBPyConnection
    seconds: dict[str, float] = field(default_factory=dict)

    def gathered(self, most_records: int) -> dict[str, Any]:
        """All sections. The estimates come last: they hide every NHS number of the connection."""
        with self._timed("load"):
            self._load()
        found: dict[str, Any] = {"night": self.night.isoformat(), "totals": self._totals()}
        with self._timed("model"):
            found["model"] = self._about_model()
            found["m_and_u"] = _m_and_u(self.model)
            found["splink_charts"], found["splink_charts_why_not"] = _splink_charts(self.model, self.counts.records)
        with self._timed("pairs"):
            found["weight_histogram"] = self._weight_histogram()
            found["decisions"] = self._decisions()
            found["attention"] = self._attention()
            found["ambiguity"] = self._ambiguity()
        with self._timed("groups"):
            found["groups_linked"] = self._groups_linked()
        with self._timed("sensitivity"):
            found["sensitivity"], found["why_no_sensitivity"] = self._sensitivity()
        with self._timed("estimates"):
            hidden, why = self._hidden(most_records)
            found["estimates"] = _estimates(hidden, why, has_deciles=self.has_deciles)
        found["calibration"] = _calibration(self.model, hidden, why)
        found["blocking"] = self._blocking(hidden)
        found["review"], found["why_no_review"] = self._review()
        found["seconds"] = {name: round(took, 2) for name, took in self.seconds.items()}
        return found

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begun

    # What is read ---------------------------------------------------------------------------------------------------

    def _load(self) -> None:
        connection, home = self.connection, Home(self.configuration.home)
        self.home = home
        shares = shares_of_night(self.configuration, self.night)
        load_night(connection, home, self.night, shares)
        load_everybody(connection, home, shares)
        self.has_deciles = postcodes.name_areas(connection, self.configuration)
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE area_record AS"
            " SELECT record_id, format('{:02d}', deprivation_decile) AS deprivation_decile"
            " FROM everybody INNER JOIN postcode_area USING (postcode) WHERE deprivation_decile IS NOT NULL"
        )
        self.counts: Counts = sensitivity.count_night(connection)
        self.version, self.model = model_of_night(connection, self.configuration)
        self.frozen = self._frozen()
        note = home.linked("linked", self.night).with_suffix(".json")
        try:
            self.note: Mapping[str, Any] = read_json(note) if note.is_file() else {}
        except (OSError, ValueError) as problem:
            raise RunFailed(
                f"{note} cannot be read: put it back from a backup, or run the night with --full, which links every"
                " record again."
            ) from problem

    def _frozen(self) -> Frozen | None:
        found = frozen.find(self.home.frozen, self.model) if self.model else None
        return found[0] if found else None

    def _rows(self, sql: str, bound: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Rows by column name; never a cursor left open, which would block the connection."""
        made = self.connection.execute(sql, dict(bound or {}))
        names = [column[0] for column in made.description or ()]
        return [dict(zip(names, row, strict=True)) for row in made.fetchall()]

    # What was decided -------------------------------------------------------------------------------------------------

    def _totals(self) -> dict[str, int]:
        kept = self._rows("SELECT count(*) AS n FROM linked_pair")[0]["n"]
        return {
            "records": self.counts.records,
            "people": self.counts.people,
            "multi_record_people": self.counts.multi_record_people,
            "joined_pairs": self.counts.joined_pairs,
            "kept_pairs": kept,
        }

    def _weight_histogram(self) -> dict[str, Any]:
        bound = {"from": HISTOGRAM_FROM, "to": HISTOGRAM_TO, "numbers": list(CERTAIN)}
        counted = {row["bin"]: row for row in self._rows(load_sql("evidence_histogram"), bound)}
        bins = [
            {"from": float(low), "to": low + 1.0, **{name: counted.get(low, {}).get(name, 0) for name in SERIES}}
            for low in range(HISTOGRAM_FROM, HISTOGRAM_TO)
        ]
        thresholds = {"possible_match": POSSIBLE_MATCH_WEIGHT}
        if self.model:
            match = self.model.match_weight
            thresholds |= {"stays_joined": match - STAY_MARGIN, "match": match}
        return {
            "bin_width": 1.0,
            "series": list(SERIES),
            "bins": bins,
            "meaning": "Kept pairs by match weight; the first bin holds all below it too, the last all above.",
            "thresholds": thresholds,
            "grey_zone": self._grey_zone(),
        }

    def _grey_zone(self) -> dict[str, Any] | None:
        """Pairs between the two thresholds: more likely one person than not, and not sure enough to join."""
        if self.model is None:
            return None
        low, high = POSSIBLE_MATCH_WEIGHT, self.model.match_weight
        counted = self._rows(
            "SELECT count(*) AS pairs, count(*) FILTER (outcome = 'possible_match') AS possible_match FROM linked_pair"
            " WHERE match_weight >= $low AND match_weight < $high AND NOT list_contains($numbers, decided_by)",
            {"low": low, "high": high, "numbers": list(CERTAIN)},
        )[0]
        meaning = (
            "Kept pairs whose weight lies between the two thresholds, but for those that an NHS number or a merge"
            " joined; possible_match: those that wait for a person."
        )
        return {"from": low, "to": high, **counted, "meaning": meaning}

    def _decisions(self) -> list[dict[str, Any]]:
        rows = self._rows("SELECT outcome, decided_by, count(*) AS pairs FROM linked_pair GROUP BY ALL")
        rows.sort(key=lambda row: (-row["pairs"], str(row["outcome"]), str(row["decided_by"])))
        return [{**row, "meaning": decision_meaning(str(row["decided_by"]))} for row in rows]

    def _attention(self) -> list[dict[str, Any]]:
        file = self.home.linked("needs_attention", self.night)
        if not file.is_file():
            return []
        rows = self._rows(
            "SELECT reason, count(*) AS waiting, count(*) FILTER (first_night = $night) AS new"  # noqa: S608  # own path
            f" FROM {scan(file)} GROUP BY reason ORDER BY waiting DESC, reason",
            {"night": self.night},
        )
        return [{**row, "meaning": cluster.REASONS.get(row["reason"], "")} for row in rows]

    def _ambiguity(self) -> dict[str, Any]:
        counted = self._rows(load_sql("evidence_ambiguity"), {"margin": RIVAL_WEIGHT})[0]
        meaning = (
            "Records whose strongest possible partner (a match or possible match) of one person and strongest possible"
            f" partner of another one lie within {RIVAL_WEIGHT:g} units of match weight; ties: equally strong."
        )
        return {
            "margin": RIVAL_WEIGHT,
            **counted,
            "meaning": meaning,
            "handling": HANDLING,
            "frozen": self._frozen_groups(),
        }

    def _frozen_groups(self) -> dict[str, int]:
        file = self.home.linked("needs_attention", self.night)
        if not file.is_file():
            return {"groups": 0, "records": 0}
        return self._rows(
            "SELECT count(*) AS groups, coalesce(sum(len(record_ids)), 0)::BIGINT AS records FROM"  # noqa: S608  # own path
            f" (SELECT DISTINCT record_ids FROM {scan(file)} WHERE list_contains($reasons, reason))",
            {"reasons": list(FROZEN_REASONS)},
        )[0]

    def _groups_linked(self) -> dict[str, Any]:
        rows = self._rows(load_sql("evidence_groups"), {"night": self.night})
        groups = [
            {
                "by": row["told_by"],
                "group": row["name"],
                "records": row["records"],
                "linked": row["linked"],
                "share_linked": row["linked"] / row["records"],
            }
            for row in rows
            if self.has_deciles or row["told_by"] != "deprivation_decile"
        ]
        groups.sort(key=lambda group: (GROUPS.index(group["by"]), group["group"]))
        return {
            "meaning": "linked: the record shares its person with another record; the others are single",
            "not_by": {} if self.has_deciles else {"deprivation_decile": NO_DECILES},
            "groups": groups,
        }

    # The model --------------------------------------------------------------------------------------------------------

    def _about_model(self) -> dict[str, Any]:
        model, card = self.model, self.configuration.models / f"{self.version}.md"
        trained = dict(model.trained_on) if model else {}
        counted = ("night", "records", "providers", "candidate_pairs", "random_pairs")
        newer, why_not = self._newer()
        return {
            "version": self.version,
            "card": card.name if card.is_file() else None,
            "file_is_there": model is not None,
            "why_none": None if model else self._gone(),
            "trained_at": model.trained_at.isoformat() if model and model.trained_at else None,
            "trained_on": {name: trained[name] for name in counted if name in trained},
            "comparison_code_version": COMPARISON_CODE_VERSION,
            "splink_version": metadata.version("splink"),
            "has_households": model.has_households if model else None,
            "comparisons": _comparisons(model),
            "prior": self._prior(),
            "thresholds": thresholds(model),
            "frozen": {
                "name": self.frozen.name,
                "records": self.frozen.records,
                "counted_on": self.frozen.counted_on.isoformat(),
            }
            if self.frozen
            else None,
            "newer_waiting": newer,
            "newer_waiting_why_not": why_not,
        }

    def _gone(self) -> str:
        return (
            f"The model {self.version} that linked the night is no longer among the models, or is of other code: its"
            " numbers cannot be told, nor anything that has to be scored with them."
        )

    def _newer(self) -> tuple[list[str], str | None]:
        try:
            return admission.newer_versions(self.configuration), None
        except RunFailed as problem:  # of tonight's configuration; what was linked on this night stands
            return [], str(problem)

    def _records_of_prior(self) -> int:
        return self.frozen.records if self.frozen else self.counts.records

    def _prior(self) -> dict[str, Any] | None:
        import math

        if self.model is None:
            return None
        records = self._records_of_prior()
        probability = self.model.prior(records)
        return {
            "matches_per_record": self.model.matches_per_record,
            "probability": probability,
            "weight": math.log2(probability / (1 - probability)),
            "records": records,
        }

    # What is measured -------------------------------------------------------------------------------------------------

    def _sensitivity(self) -> tuple[dict[str, Any] | None, str | None]:
        if self.model is None:
            return None, self._gone()
        prior = self.model.prior(self._records_of_prior())
        steps = sensitivity.move_threshold(self.connection, self.home, self.night, self.model, self.counts, prior=prior)
        if steps is None:
            return None, (
                "In data without families who is left over rests on all records of the night, and a night of more than"
                f" {sensitivity.MOST_RECORDS_ALL_ANEW:,} records is not made anew for each threshold."
            )
        told = [step.as_json() for step in steps]
        return {
            "threshold": self.model.match_weight,
            "steps": told,
            "approximation": list(sensitivity.APPROXIMATION),
        }, None

    def _hidden(self, most_records: int) -> tuple[estimate.HiddenNumbers | None, str | None]:
        if self.model is None:
            return None, self._gone()
        try:
            found = estimate.hide_numbers(self.connection, self.configuration, self.night, most_records=most_records)
        except estimate.TooFewNumbers as problem:
            return None, str(problem)
        return found, None

    def _review(self) -> tuple[dict[str, Any] | None, str | None]:
        kept = estimate.last_review(self.home, self.night)
        if kept is None:
            return None, (
                "No review of this night or one before it was taken back: draw a sample with `registry evaluate"
                " --review-sample N --folder DIR` and give it back with --review."
            )
        return {
            "night": kept.get("night"),
            "sample_pairs": kept.get("judged_pairs"),
            "reviewers": kept.get("reviewers"),
            "evenly_disputed_pairs": kept.get("evenly_disputed_pairs"),
            "precision": kept.get("measures", {}).get("estimated_precision"),
            "recall": kept.get("measures", {}).get("estimated_recall"),
            "agreement": kept.get("agreement", {}),
            "reasons": kept.get("reasons", []),
        }, None

    def _blocking(self, hidden: estimate.HiddenNumbers | None) -> dict[str, Any]:
        kept = {row["blocking_rule"]: row["n"] for row in self._rows(
            "SELECT blocking_rule, count(*) AS n FROM linked_pair GROUP BY ALL"
        )}  # fmt: skip
        compared = self.note.get("pairs_by_rule")
        left_out = self.note.get("values_left_out", {})
        caps = self.frozen.caps if self.frozen else {}
        shares = hidden.by_rule if hidden else {}
        used = {LOCAL_MERGE, SAME_NHS_NUMBER, *caps, *shares, *kept, *left_out}
        rules = [
            {
                "name": name,
                "meaning": rule_meaning(name),
                "kept_pairs_first": kept.get(name, 0),
                "compared_pairs_first": compared.get(name, 0) if compared is not None else None,
                "values_left_out": left_out.get(name, {}).get("values", 0),
                "most_records_of_a_value": left_out.get(name, {}).get("most_records", 0),
                "largest_block": caps.get(name),
                "estimated_share_of_true_pairs": shares.get(name),
            }
            for name in CANDIDATE_RULES
            if name in used
        ]
        completeness = hidden.measures["estimated_blocking_recall"] if hidden else None
        return {
            "rules": rules,
            "compared_since": self.note.get("since"),
            "compared_meaning": _compared_meaning(compared, self.note.get("since")),
            "estimated_completeness": completeness.as_json() if completeness else None,
            "method": BLOCKING_METHOD,
        }


BLOCKING_METHOD = (
    "Pairs of records of one verified NHS number, in a sample, of which the number was hidden: the share that the rules"
    " bring together without it. The two rules that do without comparing, a local merge and one NHS number, are left"
    " out of it, and bring together further pairs where they apply."
)


def _compared_meaning(compared: Mapping[str, int] | None, since: str | None) -> str:
    if compared is None:
        return "The night was linked by a version that did not keep how many pairs each rule compared."
    if since:
        return f"Pairs that were compared on this night: only of records that are new or changed since {since}."
    return "Pairs that were compared on this night, which linked every record."


def rule_meaning(name: str) -> str:
    """What a blocking rule brings together, in words."""
    if name == LOCAL_MERGE:
        return "one record was merged into the other by the provider itself"
    if name == SAME_NHS_NUMBER:
        return "one valid NHS number"
    words = name.replace("_", " ")
    small = next((rule.most_records for rule in BLOCKING_RULES if rule.name == name), None)
    suffix = f" (only in data of at most {small:,} records)" if small else ""
    sound = "; sound: the name as it sounds" if "sound" in name else ""
    return f"the same {words}{sound}{suffix}"


def decision_meaning(decided_by: str) -> str:
    """What decided a pair, in a sentence; empty for a word that this version does not know."""
    if decided_by.startswith("cut_"):
        reason = cluster.REASONS.get(decided_by.removeprefix("cut_"), "")
        return f"Would match, and was cut. {reason}".strip()
    return DECIDED_BY.get(decided_by, "")


# The model's numbers --------------------------------------------------------------------------------------------------


def _comparisons(model: LinkageModel | None) -> list[dict[str, Any]]:
    """Every comparison with its levels, the closest first."""
    if model is None:
        return []
    return [
        {
            "name": name,
            "columns": list(comparison_named(name).columns),
            "levels": [
                {
                    "name": level.name,
                    "m": numbers[level.name].m,
                    "u": numbers[level.name].u,
                    "weight": numbers[level.name].weight,
                    "by_frequency": level.frequency_of is not None,
                }
                for level in comparison_named(name).levels
            ],
        }
        for name, numbers in model.comparisons.items()
    ]


def _m_and_u(model: LinkageModel | None) -> list[dict[str, Any]]:
    wanted = ("m", "u", "weight")
    return [
        {"comparison": comparison["name"], "level": level["name"], **{name: level[name] for name in wanted}}
        for comparison in _comparisons(model)
        for level in comparison["levels"]
    ]


def thresholds(model: LinkageModel | None) -> list[dict[str, Any]]:
    """The thresholds with what they mean and how they were chosen, the highest first."""
    if model is not None and not model.has_households:
        chosen = (
            "Derived in training, because the data shows no families: the least weight at which the joined pairs are"
            f" expected to hold no more than {FALSE_MATCHES_AT_MOST:.1%} of false ones."
        )
    else:
        chosen = (
            "Fixed at odds of 1024 to 1 (probability 0.999), the 99.9% pair precision that NHS linkage is designed for;"
            " the rules that keep families apart come on top of it."
        )
    by_design = "Fixed by design, the same for every model."
    made = [
        _threshold("bridge", BRIDGE_WEIGHT, _BRIDGE, by_design),
        _threshold("possible_match", POSSIBLE_MATCH_WEIGHT, _POSSIBLE_MATCH, by_design),
        _threshold("kept", KEPT_WEIGHT, "Pairs below are counted and not kept.", by_design),
    ]
    if model is not None:
        match = model.match_weight
        made.append(_threshold("match", match, _MATCH, chosen))
        made.append(_threshold("stays_joined", match - STAY_MARGIN, _STAYS_JOINED, _STAY_CHOSEN))
    return sorted(made, key=lambda row: -row["weight"])


_MATCH = "From here on a pair is joined without a look, if no rule forbids it."
_BRIDGE = (
    f"What one link needs to join two groups of {LARGE_GROUP} records or more each: a wrong one would merge two whole"
    " histories."
)
_STAYS_JOINED = "From here on two records stay joined that were one person the night before."
_STAY_CHOSEN = (
    f"{STAY_MARGIN:g} below the match threshold: about what a field costs that goes from equal to nearly equal, so that"
    " a typing error takes nobody's id."
)
_POSSIBLE_MATCH = "From here on a pair that is not joined waits for a person: it is more likely one person than not."


def _threshold(name: str, weight: float, meaning: str, how_chosen: str) -> dict[str, Any]:
    probability = 1 / (1 + 2.0**-weight)
    return {
        "name": name, "weight": weight, "probability": probability, "meaning": meaning, "how_chosen": how_chosen
    }  # fmt: skip


def _splink_charts(model: LinkageModel | None, records: int) -> tuple[dict[str, Any], str | None]:
    """Splink's own charts of the model's numbers, as Vega-Lite; they hold m, u and conditions, and no value."""
    if model is None:
        return {}, "The model's numbers are not there."
    settings = splink_settings(model, list(model.comparisons), records).get_settings("duckdb")
    charts = {
        "match_weights": settings.match_weights_chart(),
        "m_u_parameters": settings.m_u_parameters_chart(),
    }
    return {name: chart.chart_dict for name, chart in charts.items()}, None


def _calibration(model: LinkageModel | None, hidden: estimate.HiddenNumbers | None, why: str | None) -> dict[str, Any]:
    """The curve that was saved with the model, and tonight's."""
    saved = None
    if model is not None and model.calibration.reliability:
        bins = [
            {
                "from": row["from"],
                "to": row["to"],
                "pairs": int(row["pairs"]),
                "reported": row["reported"],
                "true": row["true"],
                "low": row["least"],
                "high": row["most"],
            }
            for row in model.calibration.reliability
        ]
        meaning = (
            "When the model was trained: pairs that two verified NHS numbers label, by the probability that curves"
            " fitted on the other half of the labels report."
        )
        saved = {"bins": bins, "label_noise": model.calibration.label_noise, "meaning": meaning}
    tonight = None
    if hidden is not None and hidden.reliability:
        bins = [
            {
                "from": each.low,
                "to": each.high,
                "pairs": each.pairs,
                "reported": each.reported,
                "true": each.true_share.value,
                "low": each.true_share.low,
                "high": each.true_share.high,
            }
            for each in hidden.reliability
        ]
        pairs = sum(each.pairs for each in hidden.reliability)
        off = sum(each.pairs * abs(each.reported - each.true_share.value) for each in hidden.reliability)
        meaning = (
            "On this night: pairs of the sample whose verified NHS numbers were hidden, by the probability that they"
            " report without them. A wrong verified number makes a pair of one person count as false."
        )
        tonight = {"bins": bins, "error": off / pairs if pairs else None, "meaning": meaning}
    return {"saved": saved, "tonight": tonight, "why_not_tonight": why if tonight is None else None}


# Estimates by group ---------------------------------------------------------------------------------------------------

METHOD = (
    "NHS numbers hidden: a sample of the people with a verified number is matched anew as if nobody had a number; the"
    " numbers then say which pairs are one person. Missed: of pairs of one person, the share that was not judged a"
    " match. False: of pairs judged a match, the share that is two people. Intervals of 95% are Wilson's on the"
    " effective number of independent pairs, with the person as the unit."
)

TWO_NUMBERS = (
    "Records with a verified NHS number each, and two different ones, are never joined. Where everything else of the"
    f" two agrees to a weight of {SURE_WEIGHT:g} or more they are likelier one person with two numbers, one of them"
    " wrong: the sample counts them as false matches, and the night misses them. missed_by_two_numbers: of pairs of"
    " records with a verified number that are one person by that or by their number, the share whose numbers differ;"
    " false_without_two_numbers: false matches without them."
)

COMPARISON = (
    f"A group falls behind where it misses at least {MISSED_MARGIN:.1%} of its pairs more than everybody, or has at"
    f" least {FALSE_MARGIN:.2%} more false matches, its interval leaves everybody's figure out, and the gap is larger"
    " than chance brings about for any group of its kind in 19 of 20 nights if all were linked equally well (the"
    " twentieth is shared out over the groups, so that many groups do not make an alarm). Groups of fewer than"
    f" {FEWEST_PEOPLE} drawn people with two records or more are shown and not compared."
)


def _estimates(hidden: estimate.HiddenNumbers | None, why: str | None, *, has_deciles: bool) -> dict[str, Any]:
    """The estimates of everybody and of each group; without a sample only why there is none."""
    not_by = {"nhs_number_status": ONLY_VERIFIED} | ({} if has_deciles else {"deprivation_decile": NO_DECILES})
    by = [name for name in estimate.HIDDEN_GROUPS if name not in not_by]
    measures = hidden.measures if hidden else {}
    recall, false = measures.get("estimated_recall"), measures.get("estimated_false_match_rate")
    return {
        "method": METHOD,
        "why_none": why,
        "drawn_records": hidden.drawn_records if hidden else 0,
        "verified_records": hidden.verified_records if hidden else None,
        "true_pairs": hidden.true_pairs if hidden else 0,
        "recall": _json(recall),
        "missed": _json(_rest(recall)),
        "false": _json(false),
        "blocking_recall": _json(measures.get("estimated_blocking_recall")),
        "missed_by_two_numbers": _json(measures.get("estimated_missed_by_two_numbers")),
        "false_without_two_numbers": _json(measures.get("estimated_false_match_rate_without_two_numbers")),
        "two_numbers": TWO_NUMBERS,
        "missed_by_cause": dict(hidden.missed) if hidden else {},
        "false_by_cause": dict(hidden.false) if hidden else {},
        "reasons": list(hidden.reasons) if hidden else [],
        "margins": {"missed": MISSED_MARGIN, "false": FALSE_MARGIN},
        "comparison": COMPARISON,
        "by": by,
        "not_by": not_by,
        "groups": [row for name in by for row in _groups(hidden, name)] if hidden else [],
    }


def _groups(hidden: estimate.HiddenNumbers, by: str) -> list[dict[str, Any]]:
    """The groups of one kind beside everybody."""
    groups = [group for group in hidden.groups if group.by == by]
    whole = {
        "missed": _rest(hidden.measures["estimated_recall"]),
        "false": hidden.measures["estimated_false_match_rate"],
    }
    compared = {g.name: _with_missed(g.units) for g in groups if people_of(g.units) >= FEWEST_PEOPLE}
    chance = {
        "missed": excess_by_chance(compared, "missed", "true"),
        "false": excess_by_chance(compared, "wrong", "matched"),
    }
    return [
        _group(group, whole, {kind: of.get(group.name) for kind, of in chance.items()}, group.name in compared)
        for group in groups
    ]


def _with_missed(units: Units) -> Units:
    """Units with a column of what was missed beside the others."""
    import numpy as np

    missed = units["true"] - units["found"]
    return Units((*units.names, "missed"), np.column_stack([units.counts, missed]), units.times)


def people_of(units: Units) -> int:
    """Drawn people with two records or more."""
    return int(units.times[units["true"] > 0].sum())


def _group(
    group: estimate.HiddenGroup,
    whole: Mapping[str, Measured | None],
    chance: Mapping[str, float | None],
    is_compared: bool,  # by name it would not fit the one line that calls it
) -> dict[str, Any]:
    recall = group.measures["estimated_recall"]
    own = {"missed": _rest(recall), "false": group.measures["estimated_false_match_rate"]}
    margins = {"missed": MISSED_MARGIN, "false": FALSE_MARGIN}
    people = people_of(group.units)
    behind = [kind for kind in own if falls_behind(own[kind], whole[kind], chance[kind], margins[kind])]
    return {
        "by": group.by,
        "group": group.name,
        "records": group.records,
        "people": people,
        "true_pairs": group.true_pairs,
        "recall": _json(recall),
        "missed": _json(own["missed"]),
        "false": _json(own["false"]),
        "recall_ratio": _ratio(recall, _rest(whole["missed"])),
        "missed_ratio": _ratio(own["missed"], whole["missed"]),
        "false_ratio": _ratio(own["false"], whole["false"]),
        "missed_gap": _gap(own["missed"], whole["missed"]),
        "false_gap": _gap(own["false"], whole["false"]),
        "by_chance": chance["missed"],
        "false_by_chance": chance["false"],
        "falls_behind": bool(behind),
        "falls_behind_in": behind,
        "is_compared": is_compared,
        "why_not_compared": None if is_compared else _too_small(people),
    }


def _too_small(people: int) -> str:
    return (
        f"Fewer than {FEWEST_PEOPLE} people of two records or more were drawn: their figure could differ from"
        " everybody's by chance alone."
        if people
        else "Nobody of two records or more was drawn."
    )


def falls_behind(own: Measured | None, whole: Measured | None, by_chance: float | None, margin: float) -> bool:
    """Whether a group's share of errors lies above everybody's by a margin, and not by chance; see `COMPARISON`.

    Args:
        own: the group's share of errors (missed pairs, or false matches).
        whole: everybody's.
        by_chance: the largest difference that chance makes likely; None where the group is not compared.
        margin: the least difference that matters.
    """
    if own is None or whole is None or by_chance is None:
        return False
    difference = own.value - whole.value
    return difference >= margin and own.low > whole.value and difference > by_chance


def _rest(measured: Measured | None) -> Measured | None:
    """One less a share."""
    if measured is None:
        return None
    return Measured(1 - measured.value, 1 - measured.high, 1 - measured.low, measured.of)


def _ratio(own: Measured | None, whole: Measured | None) -> float | None:
    return own.value / whole.value if own and whole and whole.value > 0 else None


def _gap(own: Measured | None, whole: Measured | None) -> float | None:
    return own.value - whole.value if own and whole else None


def _json(measured: Measured | None) -> dict[str, float] | None:
    return measured.as_json() if measured else None


__all__ = ["gather"]
