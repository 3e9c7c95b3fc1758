"""The fitted model of emergency admission within 12 months: its form, its file, and what it says of people.

What belongs here: the columns that features become, the numbers of a fitted model and reading and writing them, the
probability and each theme's share in it, and which version a registry uses. What does not: fitting (`fit`), judging
(`evaluate`), and words for people (`reasons`).

The model is a logistic regression: the log odds are a sum over columns, so a person's risk can be told apart theme by
theme, exactly. It is kept as JSON that a person can read, `risk_models/v0001.json`, with its card `v0001.md` beside it;
neither is ever overwritten.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from registry_pipeline.config import Configuration
from registry_pipeline.errors import BadInput
from registry_pipeline.risk.calibration import Calibration
from registry_pipeline.risk.features import FEATURE_CODE_VERSION, Feature, digest
from registry_pipeline.storage import Home, read_json

if TYPE_CHECKING:
    import duckdb
    import numpy as np

    Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
    Matrix: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

AGE_KNOTS: Final = (5, 18, 30, 45, 60, 65, 70, 75, 80, 85, 90)
"""Years at which the straight line of age may bend: small children, adults, and from 60 on every five years, the bands
in which admissions are published (Hospital Episode Statistics), since they rise more and more steeply there."""

OLDEST: Final = 105.0
"""Ages above are taken for this one: there is nobody to learn from."""

DECIMALS: Final = 6
"""Decimals of a probability: the same whatever order a machine adds in, so that ranks are the same."""

CHUNK: Final = 100_000
"""People whose columns are held at once."""


@dataclass(frozen=True)
class ModelColumn:
    """One column of the regression.

    Attributes:
        name: what it holds.
        feature: which feature it is made of.
        mean, deviation: of the people it was fitted on; it enters as (value - mean) / deviation.
        coefficient: log odds for one deviation.
    """

    name: str
    feature: str
    mean: float
    deviation: float
    coefficient: float


@dataclass(frozen=True)
class RiskModel:
    """A fitted model.

    Attributes:
        version: v0001 and so on.
        features: definitions of the features that it was fitted on, in order.
        longest: its longest window in days.
        columns: of the regression.
        intercept: log odds of the average person, before calibration.
        calibration: makes log odds of intercept and sum.
        file: where it lies.
        told: everything else that its file says (training, evaluation).
        passed_over: why newer versions are not used in its place, where it is the one in use.
    """

    version: str
    features: tuple[Mapping[str, Any], ...]
    longest: int
    columns: tuple[ModelColumn, ...]
    intercept: float
    calibration: Calibration
    file: Path
    told: Mapping[str, Any]
    passed_over: tuple[str, ...] = ()

    def why_not(self, features: Sequence[Feature]) -> str | None:
        """Why a table of these features cannot be scored; None where it can."""
        ours = [feature.definition(self.longest) for feature in features]
        if digest(ours) == self.told["features_digest"]:
            return None
        theirs = {each["name"]: each for each in self.features}
        other = next((each["name"] for each in ours if theirs.get(each["name"]) != each), None)
        if other is None:
            names = {each["name"] for each in ours}
            other = next((each["name"] for each in self.features if each["name"] not in names), "the order of features")
        return (
            f"the model {self.version} was fitted on other features than this registry has: the first that differs is"
            f" {other}; fit a new one (registry risk fit)"
        )


def expand(feature: Feature, values: Floats) -> Iterator[tuple[str, Floats]]:
    """The columns of one feature, named; not known is nan."""
    import numpy as np

    if feature.form == "age":
        age = np.clip(values, 0, OLDEST) / 10
        yield feature.name, age
        for knot in AGE_KNOTS:
            yield f"{feature.name}_from_{knot}", np.maximum(age - knot / 10, 0)
    elif feature.form == "count":
        yield feature.name, np.log1p(np.maximum(values, 0))
    else:
        yield feature.name, values
    if feature.may_be_missing:
        yield f"{feature.name}_missing", np.isnan(values).astype(values.dtype)


def column_names(features: Sequence[Feature]) -> list[tuple[str, str]]:
    """Name and feature of every column, in order."""
    import numpy as np

    nobody = np.empty(0)
    return [(name, feature.name) for feature in features for name, _ in expand(feature, nobody)]


def design(features: Sequence[Feature], values: Mapping[str, Floats]) -> Matrix:
    """The columns of some people, one row each; nan where not known."""
    import numpy as np

    columns = [column for feature in features for _, column in expand(feature, values[feature.name])]
    return np.column_stack(columns).astype(np.float32, copy=False)


def chunks(
    connection: duckdb.DuckDBPyConnection, table: str, features: Sequence[Feature]
) -> Iterator[dict[str, Floats]]:
    """A table's features (and `row`), some people at a time, in the order of `row`; null is nan.

    Each chunk is a query of its own: the connection is free between them.
    """
    import numpy as np

    names = ", ".join(f'"{feature.name}"' for feature in features)
    people = int(connection.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0])  # noqa: S608  # a name of this package
    for first in range(0, people, CHUNK):
        part = connection.sql(
            f"SELECT row, {names} FROM {table} WHERE row >= {first} AND row < {first + CHUNK} ORDER BY row"  # noqa: S608  # as above
        ).to_arrow_table()
        yield {
            name: np.asarray(part[name].to_numpy(), dtype=np.int64 if name == "row" else np.float32)
            for name in part.column_names
        }


def log_odds(model: RiskModel, matrix: Matrix) -> tuple[Floats, Matrix]:
    """Log odds of some people, calibrated, and what each column adds against the average person, before calibration."""
    import numpy as np

    mean = np.array([column.mean for column in model.columns], dtype=np.float32)
    weight = np.array(
        [column.coefficient / column.deviation if column.deviation else 0.0 for column in model.columns],
        dtype=np.float32,
    )
    added = np.nan_to_num((matrix - mean) * weight, copy=False, nan=0.0)
    return model.calibration.apply(model.intercept + added.sum(axis=1, dtype=np.float64)), added


def probabilities(odds: Floats) -> Floats:
    """Probabilities of log odds, to `DECIMALS`."""
    import numpy as np

    return np.round(1 / (1 + np.exp(-odds)), DECIMALS)


# Files --------------------------------------------------------------------------------------------------------------


def versions(home: Home) -> list[tuple[str, Path]]:
    """Version and file of every fitted model, the newest first."""
    numbered = [
        (int(found[1]), file)
        for file in home.risk_models.glob("v*.json")
        if (found := _numbered(file)) and file.is_file()
    ]
    return [(f"v{number:04d}", file) for number, file in sorted(numbered, reverse=True)]


def _numbered(file: Path) -> re.Match[str] | None:
    return re.fullmatch(r"v([0-9]{4,})\.json", file.name)


def next_version(home: Home) -> str:
    """The version that the next model takes."""
    known = versions(home)
    return f"v{int(known[0][0][1:]) + 1:04d}" if known else "v0001"


def content(model: RiskModel) -> dict[str, Any]:
    """What a model's file holds, with a digest of it: a number that was changed by hand would change who is chosen."""
    held = {
        "version": model.version,
        "predicts": "an emergency admission within 12 months",
        "form": "logistic regression: odds = intercept + sum of coefficient * (value - mean) / deviation, where a value"
        " that is not known adds nothing; calibrated: log odds = shift + slope * odds + sum of change * max(odds -"
        " knot, 0) over the bends (knot, change)",
        **model.told,
        "features": list(model.features),
        "longest_window_days": model.longest,
        "intercept": model.intercept,
        "calibration": model.calibration.as_json(),
        "columns": [vars(column) for column in model.columns],
    }
    return {**held, "content_digest": _content_digest(held)}


def _content_digest(held: Mapping[str, Any]) -> str:
    text = json.dumps({key: value for key, value in held.items() if key != "content_digest"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


_NUMBERS: Final = ("features", "columns", "intercept", "calibration", "longest_window_days", "content_digest")
"""Keys of a model's file that are attributes of a model, or of the file; the rest is `told`."""


def load(file: Path) -> RiskModel:
    """Read a model.

    Raises:
        BadInput: it is no such file, was made by another version of this code, was changed since, or has the name of
            another model.
    """
    try:
        held = read_json(file)
        fitted_for = int(held["feature_code_version"])
        model = _model_of(held, file) if fitted_for == FEATURE_CODE_VERSION else None
    except FileNotFoundError as problem:
        raise BadInput(f"There is no model {file.stem} in {file.parent}: fit one (registry risk fit).") from problem
    except (ValueError, KeyError, TypeError, json.JSONDecodeError) as problem:
        raise BadInput(f"{file} is no fitted risk model, or damaged: restore it, or fit a new one.") from problem
    if model is None:
        raise BadInput(
            f"{file} was fitted with version {fitted_for} of the features' code and this is version"
            f" {FEATURE_CODE_VERSION}: fit a new one (registry risk fit)."
        )
    if digest(model.features) != held["features_digest"]:
        raise BadInput(f"{file} does not hold the features that its digest says: restore it, or fit a new one.")
    if held.get("content_digest") != _content_digest(held):
        raise BadInput(f"{file} is not as it was fitted, something in it was changed: restore it, or fit a new one.")
    if model.version != file.stem:
        raise BadInput(f"{file} holds the model {model.version}: give the file that name again, or fit a new one.")
    return model


def _model_of(held: Mapping[str, Any], file: Path) -> RiskModel:
    return RiskModel(
        version=str(held["version"]),
        features=tuple(held["features"]),
        longest=int(held["longest_window_days"]),
        columns=tuple(
            ModelColumn(
                str(c["name"]), str(c["feature"]), float(c["mean"]), float(c["deviation"]), float(c["coefficient"])
            )
            for c in held["columns"]
        ),
        intercept=float(held["intercept"]),
        calibration=Calibration(
            float(held["calibration"]["slope"]),
            float(held["calibration"]["shift"]),
            tuple((float(knot), float(change)) for knot, change in held["calibration"]["bends"]),
        ),
        file=file,
        told={key: value for key, value in held.items() if key not in _NUMBERS},
    )


def in_use(configuration: Configuration, features: Sequence[Feature]) -> RiskModel | str:
    """The model that a registry of these features is scored with, or in words why there is none.

    The version that `risk.model` of registry.yaml names, else the newest that fits.
    """
    home = Home(configuration.home)
    named = configuration.deployment.risk.model
    files = [home.risk_models / f"{named}.json"] if named else [file for _, file in versions(home)]
    if not files:
        return "no model is fitted for this registry yet"
    faults = []
    for file in files:
        try:
            model = load(file)
        except BadInput as problem:
            faults.append(_as_clause(str(problem), file))
            continue
        fault = model.why_not(features)
        if fault is None:
            return replace(model, passed_over=tuple(faults))
        faults.append(fault)
    return faults[0]


def _as_clause(sentence: str, file: Path) -> str:
    """A sentence about a file, without the folder that it lies in, to stand in a table."""
    return sentence.replace(f"{file.parent}/", "").replace(str(file.parent), "the risk models").rstrip(".")
