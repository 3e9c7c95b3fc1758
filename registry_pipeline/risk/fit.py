"""Fitting the model of emergency admission within 12 months, on the past only.

What belongs here: from which days and people it learns and on which it is tested, the proofs that it saw nothing of the
future, the regression, and writing the next version with its card. What does not: what features are (`features`), and
what the figures mean (`evaluate`).

Days. The outcome of an index day is known 12 months later, so the newest test index lies 12 months before the night.
With three years of history the model learns from 24 months before the night, whose outcome was known before the test's
index, and looks back a year. With less (a first load brings 24 months) it learns from an index day up to six months
before the test's, looks back as far as its own index day allows, and is tested on people whom it did not learn from, so
that training and test share neither a person nor an index day; the card says so.

A fit stops where a feature looks into the future: by computing it again without later rows
(`features.refuse_later_rows`), and where a single feature foretells the outcome better than anything known on the day
could, or all of them together do (a record that was written after the admission, but dated before it, passes the first
and not the second). A few records that were dated back pass both: nothing in a registry tells them.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry_pipeline.consumer import Reading
from registry_pipeline.errors import RunFailed
from registry_pipeline.govern.disclosure import SMALLEST_SHOWN, shown_count
from registry_pipeline.risk import features as risk_features
from registry_pipeline.risk import model as risk_model
from registry_pipeline.risk.calibration import calibrate
from registry_pipeline.risk.card import write_card
from registry_pipeline.risk.evaluate import DIMENSIONS, Estimate, Groups, auc, evaluate, recalibration
from registry_pipeline.risk.features import FEATURE_CODE_VERSION, LONGEST_WINDOW, Feature, FeatureSet
from registry_pipeline.risk.model import ModelColumn, RiskModel
from registry_pipeline.storage import Home, load_sql, lock, write_texts

if TYPE_CHECKING:
    import duckdb

    from registry_pipeline.risk.model import Floats, Matrix

YEAR: Final = 365
HALF_YEAR: Final = 182

LEAST_LOOK_BACK: Final = 90
"""Days of history before the training index: the features of recent use look back so far."""

LEAST_HISTORY: Final = YEAR + 2 * LEAST_LOOK_BACK
"""Days of history without which nothing is fitted: a year of outcome, and twice the least look-back, for an index day
to learn from and a later one to be tested on."""

LEAST_TRAINING_EVENTS: Final = 200
"""Emergency admissions to learn from: of the hundred columns most are rare or near nothing, and the penalty holds them;
about twenty events for each of the ten that carry most (Riley 2020, BMJ 368:m441, asks for more with less signal)."""

LEAST_TEST_EVENTS: Final = 100
"""Emergency admissions, and people without one, to be tested on (Collins 2016, Stat Med 35:214: at least 100)."""

MOST_PLAUSIBLE_AUC: Final = 0.90
"""No single thing that is known on a day tells emergency admissions apart so well: whole published models reach 0.70 to
0.80 (PARR-30 0.70, QAdmissions 0.77), and hardly more with machine learning on the same variables (0.78, Rahimian 2018,
PLoS Med 15: e1002695). What does was written afterwards; so was some of it where all features together do."""

MOST_PLAUSIBLE_SHARE: Final = 0.95
"""No state or past use is followed by an emergency admission in so many people within a year (a
judgement, not a published figure: even of people with many in the year before, some have none)."""

LEAST_WITH_IT: Final = 50
"""People with a feature from whom on `MOST_PLAUSIBLE_SHARE` is looked at: of fewer, chance may do it."""

FOLDS: Final = 10
CALIBRATION_FOLDS: Final = (3, 4)
TEST_FOLDS: Final = (0, 1, 2)
"""People are parted by a digest of their id: 30% for the test where it must not share people, 20% for calibration."""

PENALTIES: Final = (0.0003, 0.003, 0.03, 0.3)
"""Strengths of regularisation that are tried (scikit-learn's C, the inverse of the penalty on a sum over people), from
the strongest; the one with the least loss on the calibration people is taken."""

TRIED_ON: Final = 100_000
"""People on whom penalties are tried, and single features looked at; the model itself is fitted on all."""

UNBROKEN: Final = 0.25
"""A month with less than this share of the usual number of hospital events is not history: the extract began later."""

BY_CHANCE: Final = 0.001
"""Unless so many months of a small registry would have as few: a month in eighty years."""


@dataclass(frozen=True)
class Fitted:
    """A model that was written.

    Attributes:
        version: of the model.
        json_file, card_file: where it lies.
        figures: its evaluation.
    """

    version: str
    json_file: Path
    card_file: Path
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """Which days are learned from and tested on.

    Attributes:
        kind: `later_year`: all people, the test a year after the training; `other_people`: people are parted too.
        starts: first day of the history.
        train_index, test_index: the days.
        longest: longest window in days.
    """

    kind: str
    starts: date
    train_index: date
    test_index: date
    longest: int


@dataclass
class _People:
    """Everybody alive on an index day, in order of `row`: columns, outcome, fold."""

    matrix: Matrix
    outcome: Any
    fold: Any


def fit(reading: Reading, feature_set: FeatureSet | None = None) -> Fitted:
    """Fit the next version on a registry, test it, and write it with its card.

    Args:
        reading: as the purpose `risk_stratification` may see it.
        feature_set: None takes the deployment's.

    Raises:
        BadInput: a code list or the list of postcodes cannot be used.
        RunFailed: there is too little to learn from, or a feature looks into the future.
    """
    connection = reading.connection
    chosen = feature_set or risk_features.features_of(reading.configuration)
    plan = plan_of(connection, reading.night)
    lists = risk_features.name_inputs(reading)
    compared, training = _gather(connection, "risk_train", chosen, plan.train_index, plan)
    _refuse_few(training, plan, "train")
    _refuse_too_good(chosen.features, training, plan.train_index)
    model, facts = _fit(chosen.features, training, plan)
    del training
    compared_later, testing = _gather(connection, "risk_test", chosen, plan.test_index, plan)
    _refuse_few(testing, plan, "test")
    odds = _odds(model, testing.matrix)
    tested = _tested(plan, testing.fold)
    figures = evaluate(odds[tested], testing.outcome[tested], _groups(connection, tested))
    told = {
        "feature_code_version": FEATURE_CODE_VERSION,
        "features_digest": risk_features.digest(chosen.definitions(plan.longest)),
        "training": {
            "deployment": reading.configuration.deployment.name,
            "snapshot": reading.snapshot_id,
            "night": reading.night.isoformat(),
            "purpose": reading.purpose,
            "split": plan.kind,
            "history_starts": plan.starts.isoformat(),
            "train_index": plan.train_index.isoformat(),
            "test_index": plan.test_index.isoformat(),
            **facts,
            "people_compared_without_later_rows": shown_count(compared) if compared == compared_later else [
                shown_count(compared), shown_count(compared_later)
            ],
            "code_lists": {name: each.about for name, each in lists.items()},
            "inputs": risk_features.inputs(connection),
            "software": _software(),
        },
        "evaluation": figures,
    }  # fmt: skip
    return _write(Home(reading.configuration.home), replace(model, told=told))


def plan_of(connection: duckdb.DuckDBPyConnection, night: date) -> Plan:
    """Which days a registry of this history can learn from and be tested on.

    Raises:
        RunFailed: the history is too short.
    """
    starts = _history_starts(connection, night)
    days = (night - starts).days + 1 if starts else 0
    if starts is None or days < LEAST_HISTORY:
        raise RunFailed(
            f"No model can be fitted: hospital stays and attendances reach back {days} days without a gap and at least"
            f" {LEAST_HISTORY} are needed; fit again when the history is longer."
        )
    test_index = _months_before(night, 12)
    train_index = _months_before(night, 24)
    if (train_index - starts).days >= LONGEST_WINDOW - 31:
        return Plan("later_year", starts, train_index, test_index, LONGEST_WINDOW)
    gap = min(HALF_YEAR, (test_index - starts).days // 2)
    train_index = test_index - timedelta(days=gap)
    longest = min(LONGEST_WINDOW, (train_index - starts).days + 1)
    return Plan("other_people", starts, train_index, test_index, longest)


def _months_before(day: date, months: int) -> date:
    years = months // 12
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February
        return day.replace(year=day.year - years, day=28)


def _history_starts(connection: duckdb.DuckDBPyConnection, night: date) -> date | None:
    """First day from which hospital events are there month by month without a gap, up to the night."""
    months = dict(connection.execute(load_sql("risk_history"), {"night": night}).fetchall())
    this_month = night.replace(day=1)
    usual = statistics.median([n for month, n in months.items() if month < this_month][-12:] or [0])
    starts = this_month if this_month in months else None
    month = _month_before(this_month)
    while months and month >= min(months) and not _is_gap(months.get(month, 0), usual):
        starts, month = month, _month_before(month)
    if starts is None:
        return None
    first = connection.execute(
        "SELECT min(start_time::DATE) FROM patient_activity"
        " WHERE activity_kind IN ('spell', 'attendance') AND start_time >= $starts::DATE",
        {"starts": starts},
    ).fetchall()[0][0]
    return first if isinstance(first, date) else None


def _month_before(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)


def _is_gap(events: int, usual: float) -> bool:
    """Whether a month has far fewer events than usual, and so few that chance does not explain it (Poisson)."""
    if events >= UNBROKEN * usual:
        return False
    chance = sum(math.exp(n * math.log(usual) - usual - math.lgamma(n + 1)) for n in range(events + 1))
    return chance < BY_CHANCE


def _gather(
    connection: duckdb.DuckDBPyConnection, table: str, chosen: FeatureSet, index: date, plan: Plan
) -> tuple[int, _People]:
    """Features of an index day, proved to know nothing later, with outcome and fold."""
    import numpy as np

    people = risk_features.compute(connection, table, chosen, index=index, longest=plan.longest)
    compared = risk_features.refuse_later_rows(connection, table, chosen, index=index, longest=plan.longest)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE risk_outcome AS {load_sql('risk_outcome')}", {"index": index})
    known = connection.sql(
        "SELECT risk_outcome.patient_id IS NOT NULL AS outcome,"  # noqa: S608  # names of this module
        f" (md5_number_lower(features.patient_id::VARCHAR) % {FOLDS})::UTINYINT AS fold"
        f" FROM {table} AS features LEFT JOIN risk_outcome USING (patient_id) ORDER BY row"
    ).to_arrow_table()
    matrix = np.empty((people, len(risk_model.column_names(chosen.features))), dtype=np.float32)
    for values in risk_model.chunks(connection, table, chosen.features):
        row = values["row"]
        matrix[row[0] : row[-1] + 1] = risk_model.design(chosen.features, values)
    return compared, _People(
        matrix, known["outcome"].to_numpy().astype(bool), known["fold"].to_numpy().astype(np.uint8)
    )


def _trained(plan: Plan, fold: Any) -> Any:
    """Who may be learned from, with those of calibration."""
    import numpy as np

    return ~np.isin(fold, TEST_FOLDS) if plan.kind == "other_people" else np.ones(len(fold), dtype=bool)


def _tested(plan: Plan, fold: Any) -> Any:
    """Who is tested on."""
    import numpy as np

    return np.isin(fold, TEST_FOLDS) if plan.kind == "other_people" else np.ones(len(fold), dtype=bool)


def _refuse_few(people: _People, plan: Plan, part: str) -> None:
    chosen = _trained(plan, people.fold) if part == "train" else _tested(plan, people.fold)
    least = LEAST_TRAINING_EVENTS if part == "train" else LEAST_TEST_EVENTS
    index = plan.train_index if part == "train" else plan.test_index
    events, without = int(people.outcome[chosen].sum()), int((~people.outcome[chosen]).sum())
    if min(events, without) < least:
        use = "learn from" if part == "train" else "be tested on"
        raise RunFailed(
            f"No model can be fitted: of the people to {use}, {shown_count(events)} had an emergency admission within"
            f" 12 months of {index} and {shown_count(without)} had none, and at least {least} of both are needed."
        )


def _refuse_too_good(features: Sequence[Feature], people: _People, index: date) -> None:
    """Stop where a single feature foretells the outcome better than anything that is known on the day."""
    import numpy as np

    base = float(people.outcome.mean())
    # The first column of a feature orders people as the feature does; the last says whether it is known.
    looked_at = {feature.name for feature in features} | {f"{each.name}_missing" for each in features}
    for place, (column, feature) in enumerate(risk_model.column_names(features)):
        if column not in looked_at:
            continue
        values = people.matrix[:, place]
        some = np.nan_to_num(values[:TRIED_ON], nan=-1.0).astype(np.float64)
        area = auc(some, people.outcome[:TRIED_ON])
        if area and max(area.value, 1 - area.value) > MOST_PLAUSIBLE_AUC:
            told = (
                f"tells emergency admissions after {index} apart with an area of {max(area.value, 1 - area.value):.2f}"
            )
            raise RunFailed(_too_good(feature, told, f"more than {MOST_PLAUSIBLE_AUC}"))
        with_it = values > 0
        share = float(people.outcome[with_it].mean()) if int(with_it.sum()) >= LEAST_WITH_IT else 0.0
        if share >= MOST_PLAUSIBLE_SHARE and base < MOST_PLAUSIBLE_SHARE / 2:
            told = f"is followed by an emergency admission after {index} in {share:.0%} of the people with it"
            raise RunFailed(_too_good(feature, told, f"at least {MOST_PLAUSIBLE_SHARE:.0%}"))


def _refuse_too_good_together(area: Estimate | None, index: date) -> None:
    """Stop where all features together foretell the outcome better than what is known on a day could."""
    if area and area.low > MOST_PLAUSIBLE_AUC:
        raise RunFailed(
            f"No model was kept: all features together tell emergency admissions after {index} apart with an area of"
            f" {area.value:.2f}, and nothing known on the day does by more than {MOST_PLAUSIBLE_AUC}; some of them hold"
            " what was recorded afterwards: find out which records were dated back, and fit again without them."
        )


def _too_good(feature: str, told: str, most: str) -> str:
    return (
        f"The feature {feature} alone {told}, as nothing known on the day does ({most}): it holds what was recorded"
        " afterwards; find out from which records, and fit again without them."
    )


def _fit(features: Sequence[Feature], people: _People, plan: Plan) -> tuple[RiskModel, dict[str, Any]]:
    """The regression, its calibration, and what to say of the training."""
    import numpy as np

    may = _trained(plan, people.fold)
    held_out = may & np.isin(people.fold, CALIBRATION_FOLDS)
    learned = may & ~held_out
    mean, deviation = _moments(people.matrix, learned)
    standard = (people.matrix[learned] - mean) / np.where(deviation > 0, deviation, 1)
    standard = np.nan_to_num(np.where(deviation > 0, standard, 0), nan=0.0).astype(np.float64)
    outcome = people.outcome[learned]
    held = np.nan_to_num((people.matrix[held_out] - mean) / np.where(deviation > 0, deviation, 1), nan=0.0)
    held_outcome = people.outcome[held_out]
    penalty, weights, intercept, losses = _regression(standard, outcome, held, held_outcome)
    held_odds = held @ weights + intercept
    _refuse_too_good_together(auc(held_odds, held_outcome), plan.train_index)
    slope, _ = recalibration(held_odds, held_outcome)
    if slope.low <= 0:
        raise RunFailed(
            "No model was kept: on people whom it did not learn from, what it learned tells nothing of emergency"
            f" admissions (calibration slope {slope.value:.2f}, at least {slope.low:.2f}); more events are needed, or"
            " features that tell more."
        )
    columns = tuple(
        ModelColumn(name, feature, float(m), float(d), round(float(w), 8) if d > 0 else 0.0)
        for (name, feature), m, d, w in zip(
            risk_model.column_names(features), mean, deviation, weights, strict=True
        )
    )  # fmt: skip
    model = RiskModel(
        version="",
        features=tuple(feature.definition(plan.longest) for feature in features),
        longest=plan.longest,
        columns=columns,
        intercept=round(float(intercept), 8),
        calibration=calibrate(held_odds.astype(np.float64), held_outcome),
        file=Path(),
        told={},
    )
    facts = {
        "people_learned_from": shown_count(int(learned.sum())),
        "people_calibrated_on": shown_count(int(held_out.sum())),
        "emergency_admissions_learned_from": shown_count(int(outcome.sum())),
        "penalty": penalty,
        "loss_by_penalty": losses,
    }
    return model, facts


def _moments(matrix: Matrix, chosen: Any) -> tuple[Floats, Floats]:
    """Mean and deviation of every column of the chosen people, of those values that are known.

    A column in which fewer than `SMALLEST_SHOWN` people differ from all others is left out (both are 0): nothing can be
    learned from it, and its mean would tell the small number.
    """
    import numpy as np

    mean, deviation = np.zeros(matrix.shape[1]), np.zeros(matrix.shape[1])
    for place in range(matrix.shape[1]):
        values = matrix[chosen, place]
        values = values[~np.isnan(values)].astype(np.float64)
        if not len(values) or _differ(values) < SMALLEST_SHOWN:
            continue
        mean[place], deviation[place] = values.mean(), values.std()
    return mean, deviation


def _differ(values: Floats) -> int:
    """People who do not have the usual value: none of it, or the most there is (a flag that nearly all have)."""
    usual = max(int((values == values.min()).sum()), int((values == values.max()).sum()))
    return len(values) - usual


def _regression(
    matrix: Floats, outcome: Any, held: Floats, held_outcome: Any
) -> tuple[float, Floats, float, dict[str, float]]:
    """Weights and intercept at the penalty that loses least on people who were held out."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # ships no types

    # Newton's method on the normal matrix: no step size to choose. Each fit starts where the last one ended, from the
    # strongest penalty on, so that the fit on everybody needs a few passes only.
    regression = LogisticRegression(solver="newton-cholesky", max_iter=100, warm_start=True)
    losses: dict[str, float] = {}
    found: dict[str, tuple[Floats, Floats]] = {}
    tried = matrix[:TRIED_ON], outcome[:TRIED_ON]
    for strength in PENALTIES:
        regression.set_params(C=strength).fit(*tried)
        odds = held @ regression.coef_[0] + regression.intercept_[0]
        losses[str(strength)] = round(float(np.mean(np.logaddexp(0, odds) - held_outcome * odds)), 6)
        found[str(strength)] = regression.coef_.copy(), regression.intercept_.copy()
    best = min(losses, key=lambda strength: losses[strength])
    regression.coef_, regression.intercept_ = found[best]
    if len(matrix) > len(tried[0]):
        regression.set_params(C=float(best)).fit(matrix, outcome)
    return float(best), regression.coef_[0], float(regression.intercept_[0]), losses


def _odds(model: RiskModel, matrix: Matrix) -> Floats:
    import numpy as np

    parts = [
        risk_model.log_odds(model, matrix[first : first + risk_model.CHUNK])[0]
        for first in range(0, len(matrix), risk_model.CHUNK)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def _groups(connection: duckdb.DuckDBPyConnection, tested: Any) -> dict[str, Groups]:
    """Each tested person's groups."""
    sql = load_sql("risk_groups").format(table="risk_test")
    told = connection.sql(sql).to_arrow_table()
    found = {}
    for dimension in DIMENSIONS:
        encoded = told[dimension].combine_chunks().dictionary_encode()
        place = encoded.indices.to_numpy(zero_copy_only=False)[tested]
        found[dimension] = Groups(tuple(encoded.dictionary.to_pylist()), place)
    return found


def _software() -> dict[str, str]:
    from importlib import metadata

    return {name: metadata.version(name) for name in ("scikit-learn", "numpy", "duckdb")}


def _write(home: Home, model: RiskModel) -> Fitted:
    """The model and its card under the next version: both or none."""
    with lock(home, "risk-models"):
        version = risk_model.next_version(home)
        json_file = home.risk_models / f"{version}.json"
        whole = replace(model, version=version, file=json_file)
        card_file = json_file.with_suffix(".md")
        content = risk_model.content(whole)
        write_texts({card_file: write_card(content), json_file: json.dumps(content, indent=1) + "\n"})
    return Fitted(version, json_file, card_file, content["evaluation"])
