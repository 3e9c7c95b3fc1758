"""Bad input to linkage: a model, an override file, a truth that does not fit. One clear sentence, and nothing changed."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from registry_pipeline.config import REPOSITORY, load_configuration
from registry_pipeline.errors import BadInput
from registry_pipeline.link.model import choose_model, load_model
from tests.pipeline.conftest import FIRST, SECOND, System

IDS = "SELECT record_id, patient_id FROM {patient_record} ORDER BY ALL"


def refused(system: System, *arguments: str, code: int = 2) -> str:
    """Run a command that must be refused, with one sentence and without an effect on the published registry."""
    before = (system.current(), system.query(IDS))

    found, printed, problems = system.registry(*arguments)

    assert found == code, problems
    assert problems.count("\n") == 1, problems
    assert "failed unexpectedly" not in problems
    assert (system.current(), system.query(IDS)) == before
    for row in system.rows("RX1"):
        assert not any(value and value in printed + problems for value in (row[1], row[6], row[7]))
    return problems


# A model that does not fit --------------------------------------------------------------------------------------------

NEWEST = max((REPOSITORY / "linkage_models").glob("v*.json"), key=lambda path: int(path.stem[1:]))


@pytest.fixture
def model(system) -> Path:
    """The newest model of the repository, copied to be broken, and named in a deployment that has published nothing."""
    return given_to(system)


def given_to(system: System) -> Path:
    (system.folder / "models").mkdir()
    copied = Path(shutil.copy(NEWEST, system.folder / "models" / NEWEST.name))
    with (system.folder / "registry.yaml").open("a") as file:
        file.write(f"models: models\nmodel: {copied.stem}\n")
    return copied


def with_level(content: dict[str, Any], **numbers: float) -> None:
    content["comparisons"]["birth_date"]["same"] |= numbers


MODELS: dict[str, tuple[Callable[[dict[str, Any]], object], list[str]]] = {
    # what is wrong, and what the sentence says of it
    "another code's comparisons": (
        lambda m: m.update(comparison_code_version=1),
        ["comparisons of version 1", "train"],
    ),
    "another Splink": (lambda m: m.update(splink="4"), ["Splink 4", "train"]),
    "columns that the table lacks": (lambda m: m["columns"].append("shoe_size"), ["shoe_size", "train"]),
    "a comparison that nobody makes": (
        lambda m: m["comparisons"].update(shoes={"same": {"m": 0.9, "u": 0.1}}),
        ["shoes", "train"],
    ),
    "a level that is missing": (lambda m: m["comparisons"]["birth_date"].pop("same"), ["train"]),
    "a number that is none": (lambda m: with_level(m, m="often"), ["train"]),  # type: ignore[arg-type]
    "a probability above 1": (lambda m: with_level(m, m=1.5), ["train"]),
    "a probability of 0": (lambda m: with_level(m, u=0.0), ["train"]),
    "a probability that is not a number": (lambda m: with_level(m, u=math.nan), ["train"]),
    "a prior that is infinite": (lambda m: m["prior"].update(matches_per_record=math.inf), ["train"]),
    "a threshold that is not a number": (lambda m: m.update(match_weight=math.nan), ["train"]),
    "no comparison at all": (lambda m: m.update(comparisons={}), ["train"]),
}


@pytest.mark.parametrize("fault", MODELS)
def test_a_model_that_does_not_fit_is_refused_by_name(tmp_path, fault):
    breaks, said = MODELS[fault]
    content = json.loads(NEWEST.read_text())
    breaks(content)
    model = tmp_path / NEWEST.name
    model.write_text(json.dumps(content))

    with pytest.raises(BadInput) as refused:
        load_model(model)

    for part in (str(model), *said):
        assert part in str(refused.value)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": "v0001"}', "\x00\x01"])
def test_a_file_that_is_no_model_is_refused_by_name(tmp_path, content):
    model = tmp_path / "v0001.json"
    model.write_text(content)

    with pytest.raises(BadInput, match=r"v0001\.json is not a linkage model"):
        load_model(model)


def test_a_first_night_with_a_model_that_does_not_fit_publishes_nothing(system, model):
    model.write_text(json.dumps({**json.loads(model.read_text()), "splink": "4"}))
    system.deliver(FIRST)

    code, _, problems = system.run(FIRST)

    assert code == 2
    assert problems.count("\n") == 1
    assert model.name in problems
    assert "Splink 4" in problems
    assert not system.home.current.exists()
    assert not system.home.frozen.exists()


def test_a_model_that_is_not_there_is_refused_with_those_that_are(system, model):
    path = system.folder / "registry.yaml"
    path.write_text(path.read_text().replace(f"model: {model.stem}", "model: v0777"))

    with pytest.raises(BadInput) as missing:
        choose_model(load_configuration(system.folder, environment={}), {"given_name"})

    assert "v0777" in str(missing.value)
    assert model.stem in str(missing.value)


def test_the_model_in_use_that_no_longer_fits_is_named_and_the_last_registry_stands(first_night):
    model = given_to(first_night)
    model.write_text(json.dumps({**json.loads(model.read_text()), "comparison_code_version": 1}))
    first_night.deliver(SECOND)

    problems = refused(first_night, "run", "--night", str(SECOND), code=1)

    assert model.name in problems
    assert "put the file or the software back" in problems


# An override file -----------------------------------------------------------------------------------------------------

HEADER = "kind,left,right,who,why,until"
GOOD = "must_link,GP1:G0001,RX1:R0002,A Steward,seen together,"
LINES = {
    "an unknown record": ("must_link,GP1:G0001,RX1:R9999,A Steward,seen,", "R9999"),
    "an unknown person": (
        "cannot_link,6f2d1c1e-8f7e-4d55-9a43-0d8f27f8a111,RX1:R0002,A Steward,seen,",
        "6f2d1c1e-8f7e-4d55-9a43-0d8f27f8a111",
    ),
    "an unknown kind": ("perhaps_link,GP1:G0001,RX1:R0002,A Steward,seen,", "line 3"),
    "nobody who decided": ("must_link,GP1:G0001,RX1:R0002,,seen,", "line 3"),
    "no reason": ("must_link,GP1:G0001,RX1:R0002,A Steward,,", "line 3"),
    "a date that is none": ("must_link,GP1:G0001,RX1:R0002,A Steward,seen,soon", "line 3"),
    "one record twice": ("must_link,GP1:G0001,GP1:G0001,A Steward,seen,", "line 3"),
    "too few columns": ("must_link,GP1:G0001", "line 3"),
}


@pytest.mark.parametrize("fault", LINES)
def test_a_file_of_overrides_with_one_bad_line_applies_nothing(first_night, tmp_path, fault):
    line, said = LINES[fault]
    file = tmp_path / "overrides.csv"
    file.write_text("\n".join([HEADER, GOOD, line]) + "\n")
    before = first_night.query(IDS)

    code, printed, problems = first_night.registry("override", "apply", str(file))

    assert code == 2
    assert said in problems
    assert "line 3" in problems
    assert "Traceback" not in problems
    assert first_night.query(IDS) == before
    assert "made" not in printed
    assert "No override was ever made" in first_night.registry("override", "list", "--all")[1]


# A truth with other keys ----------------------------------------------------------------------------------------------


def truth(path: Path, query: str) -> str:
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{path}'")
    return str(path)


TRUTHS = {
    # a truth, and what the sentence says of it
    "of other keys": ("SELECT 'GP1' AS provider, 'X' || i AS local_id, i AS person_id FROM range(50) AS r(i)", "keys"),
    "of other providers": ("SELECT 'ZZ9' AS provider, 'G0001' AS local_id, 1 AS person_id", "keys"),
    "without a key": ("SELECT 'GP1' AS provider, 1 AS person_id", "local_id"),
    "without a person": ("SELECT 'GP1' AS provider, 'G0001' AS local_id", "person_id"),
    "with nobody in it": ("SELECT 'GP1' AS provider, 'G0001' AS local_id, 1 AS person_id LIMIT 0", "keys"),
    "of a record with two people": (
        "SELECT 'GP1' AS provider, 'G0001' AS local_id, i AS person_id FROM range(2) AS r(i)",
        "two people",
    ),
    "of pairs of unknown records": ("SELECT 'GP1:G0001' AS record_id_l, 'RX1:R9999' AS record_id_r, true AS is_match", "row"),
}  # fmt: skip


@pytest.mark.parametrize("fault", TRUTHS)
def test_a_truth_that_does_not_fit_is_refused_by_name(first_night, tmp_path, fault):
    query, said = TRUTHS[fault]
    file = truth(tmp_path / "truth.parquet", query)

    problems = refused(first_night, "evaluate", "--night", str(FIRST), "--truth", file)

    assert "truth.parquet" in problems
    assert said in problems


@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing", b"\xff\xfe\x00"])
def test_a_file_that_is_no_truth_is_refused_by_name(first_night, tmp_path, content):
    file = tmp_path / "truth.parquet"
    file.write_bytes(content)

    assert "truth.parquet" in refused(first_night, "evaluate", "--night", str(FIRST), "--truth", str(file))


def test_a_truth_that_is_not_there_is_refused_by_name(first_night, tmp_path):
    assert "none.csv" in refused(first_night, "evaluate", "--night", str(FIRST), "--truth", str(tmp_path / "none.csv"))
