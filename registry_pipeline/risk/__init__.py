"""Risk stratification: published scores, the locally fitted model, levels and segments of risk.

What belongs here: the table `risk_stratification`, and fitting its model. What does not: code lists (`codes`).

    stratify(reading, folder)    the table of a night, with the newest fitted model that fits (every night)
    fit.fit(reading)             the next version of the model (`registry risk fit`; never nightly)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from registry_pipeline.config import Configuration
from registry_pipeline.consumer import Made, Reading
from registry_pipeline.errors import BadInput
from registry_pipeline.outcomes import CheckOutcome
from registry_pipeline.risk import features as risk_features
from registry_pipeline.risk import model as risk_model
from registry_pipeline.risk import reasons, scores, segments
from registry_pipeline.risk.features import Feature, FeatureSet
from registry_pipeline.risk.model import RiskModel
from registry_pipeline.storage import Home, load_sql, write_table
from registry_pipeline.tables import CONSUMER_TABLES

TABLE: Final = CONSUMER_TABLES["risk_stratification"]

MOST_DRIFT: Final = 1.25
"""The mean probability may differ from the share admitted when the model was tested by this factor before somebody is
to look: either people's needs or the records have changed."""


def check(configuration: Configuration) -> None:
    """What only this stage can say of a configuration: the lists of the scores, and the model that it names.

    Raises:
        BadInput: a list has not its score's shape, or the model that `risk.model` names cannot be used.
    """
    scores.check(configuration)
    named, home = configuration.deployment.risk.model, Home(configuration.home)
    model = risk_model.in_use(configuration, risk_features.features_of(configuration).features) if named else None
    # Where nothing was fitted yet, the file may be brought there later.
    if isinstance(model, str) and home.risk_models.is_dir():
        raise BadInput(f"The model {named} that risk.model of registry.yaml names cannot be used: {model}.")


def stratify(reading: Reading, folder: Path) -> Made:
    """Write the table `risk_stratification` of a night: one row per patient.

    Without a fitted model that fits, the probability, rank, level and reasons are null and say why; all else stands.

    Args:
        reading: one snapshot, as a purpose may see it.
        folder: where to write.

    Raises:
        BadInput: a code list or the list of postcodes cannot be used.
        RunFailed: the disk is full.
    """
    connection, configuration = reading.connection, reading.configuration
    about_scores = scores.name_scores(reading)
    feature_set = risk_features.features_of(configuration)
    lists = risk_features.name_inputs(reading, sorted({*risk_features.LISTS, *segments.LISTS}))
    segments.name_segments(connection, reading.night)
    model = risk_model.in_use(configuration, feature_set.features)
    if isinstance(model, RiskModel) and not _has_stays(reading, model):
        within = f"none within {model.longest} days is in this registry"
        model = f"the model {model.version} rests on hospital stays, and {within}"
    checks = _score(reading, feature_set, model)
    rows = write_table(
        connection,
        load_sql("risk_stratification"),
        TABLE,
        folder / f"{TABLE.name}.parquet",
        {
            "night": reading.night,
            "model_version": model.version if isinstance(model, RiskModel) else None,
            "why_none": None if isinstance(model, RiskModel) else model,
            "order": list(segments.ORDER),
            **segments.level_parameters(configuration.deployment.risk),
        },
    )
    for name in ("risk_coded", "risk_segment", "risk_probability"):
        connection.execute(f"DROP TABLE IF EXISTS {name}")
    about = {
        "scores": about_scores,
        "model": _about_model(model),
        "levels": configuration.deployment.risk.model_dump(exclude={"model"}),
        "segments": {name: [lists[each].about for each in names] for name, names in segments.CODED.items()},
    }
    return Made(rows={TABLE.name: rows}, checks=tuple(checks), about=about)


def _has_stays(reading: Reading, model: RiskModel) -> bool:
    found = reading.connection.execute(
        "SELECT count(*) FROM patient_activity WHERE activity_kind = 'spell'"
        " AND start_time < $night::DATE + 1 AND start_time >= $night::DATE - $days::INTEGER",
        {"night": reading.night, "days": model.longest},
    ).fetchall()
    return bool(found[0][0])


def _score(reading: Reading, feature_set: FeatureSet, model: RiskModel | str) -> list[CheckOutcome]:
    """Make `risk_probability(patient_id, probability, reasons)`; returns what to see to."""
    connection = reading.connection
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE risk_probability (patient_id UUID, probability DOUBLE, reasons VARCHAR[])"
    )
    if isinstance(model, str):
        return [_check("risk_model_is_in_use", passed=False, observed=model, reason="Nobody has a probability.")]
    risk_features.compute(connection, "risk_now", feature_set, index=reading.night, longest=model.longest)
    expected, people = 0.0, 0
    for values in risk_model.chunks(connection, "risk_now", feature_set.features):
        probability = _score_some(reading, feature_set.features, model, values)
        expected, people = expected + float(probability.sum()), people + len(probability)
    connection.execute("DROP TABLE risk_now")
    return [
        _check(
            "risk_model_is_in_use",
            passed=not model.passed_over,
            observed="; ".join((model.version, *model.passed_over)),
            reason="A newer model cannot be used, so everybody is scored with an older one."
            if model.passed_over
            else "",
        ),
        _check_inputs(reading, model),
        _check_drift(model, expected / people if people else None),
    ]


def _score_some(reading: Reading, features: Sequence[Feature], model: RiskModel, values: Mapping[str, Any]) -> Any:
    """Score one chunk of people into `risk_probability`."""
    import pyarrow as pa

    odds, added = risk_model.log_odds(model, risk_model.design(features, values))
    probability = risk_model.probabilities(odds)
    told = reasons.tell(features, model.longest, values, added)
    some = pa.table({"row": pa.array(values["row"]), "probability": pa.array(probability), "reasons": told})
    reading.connection.register("risk_some", some)
    reading.connection.execute(
        "INSERT INTO risk_probability SELECT patient_id, probability, reasons FROM risk_some JOIN risk_now USING (row)"
    )
    reading.connection.unregister("risk_some")
    return probability


def _check(name: str, *, passed: bool, observed: str, reason: str = "") -> CheckOutcome:
    return CheckOutcome(
        name=name, passed=passed, severity="warning", dimension="plausibility", observed=observed, reason=reason
    )


def _check_inputs(reading: Reading, model: RiskModel) -> CheckOutcome:
    """Whether every kind of records that the model learned from is there."""
    missing = sorted(set(model.told["training"]["inputs"]) - set(risk_features.inputs(reading.connection)))
    return _check(
        "risk_model_has_its_inputs",
        passed=not missing,
        observed="all there" if not missing else f"missing: {', '.join(missing)}",
        reason=""
        if not missing
        else "What the model learned from is not in the registry and counts as nothing recorded.",
    )


def _check_drift(model: RiskModel, mean: float | None) -> CheckOutcome:
    """Whether as many admissions are expected as there were when the model was tested."""
    before = float(model.told["evaluation"]["share_admitted"])
    if mean is None:
        return _check("risk_expected_as_when_tested", passed=True, observed="nobody was scored")
    passed = before / MOST_DRIFT <= mean <= before * MOST_DRIFT
    return _check(
        "risk_expected_as_when_tested",
        passed=passed,
        observed=f"{mean:.1%} expected within 12 months, {before:.1%} when the model was tested",
        reason="" if passed else "People or records have changed since; look at both, and fit anew if need be.",
    )


def _about_model(model: RiskModel | str) -> dict[str, Any]:
    if isinstance(model, str):
        return {"version": None, "why_none": model}
    training = model.told["training"]
    return {
        "version": model.version,
        "file": model.file.name,
        "features_digest": model.told["features_digest"],
        **{name: training[name] for name in ("night", "split", "train_index", "test_index")},
    }
