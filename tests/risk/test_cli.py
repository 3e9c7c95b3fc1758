"""`registry risk`: what a person at a terminal reads of a fitted model, and of one that is not there."""

import pytest
from typer.testing import CliRunner

from registry_pipeline import consume
from registry_pipeline.cli import app
from registry_pipeline.config import load_configuration
from registry_pipeline.errors import BadInput
from registry_pipeline.govern import journal
from registry_pipeline.risk import fit as fitting
from registry_pipeline.storage import Home
from tests.risk.made_people import population, reading


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A deployment's folder, whose home holds one model."""
    folder = described(tmp_path_factory.mktemp("cli"))
    with reading(folder, population(5_000, 24, seed=5).tables) as given:
        fitting.fit(given)
    return folder


def described(folder):
    """The least that a deployment's folder holds."""
    (folder / "registry.yaml").write_text("home: home\n")
    (folder / "providers").mkdir()
    provider = "provider: RX1\nsetting: acute\nfeeds: {patient: {source: {kind: csv, path: none.csv}}}\n"
    (folder / "providers" / "rx1.yaml").write_text(provider)
    return folder


def run(*arguments, **environment) -> str:
    """What a command prints; its own errors come through."""
    told = CliRunner().invoke(
        app, ["risk", *map(str, arguments)], catch_exceptions=False, env={"REGISTRY_HOME": None, **environment}
    )
    if told.exit_code:
        raise AssertionError(told.output)
    return told.output


@pytest.mark.parametrize("version", [(), ("v0001",)], ids=["the newest", "by name"])
def test_a_model_is_shown_with_every_figure_that_was_asked_for(fitted, version):
    told = run("show", *version, "--config", fitted)
    for said in (
        "Model v0001", "learned from 2024-10-01", "share neither a person nor an index day", "area under the curve",
        "calibration slope", "0.5%", "20.0%", "PPV", "sensitivity", "By ethnic group", "By deprivation fifth", "By age", "By sex",
        "Clearly worse served:",
    ):  # fmt: skip
        assert said in told
    assert "\n  White" in told


def test_a_version_that_is_not_there_is_said(fitted):
    with pytest.raises(BadInput, match=r"There is no model v0009 in .* \(there: v0001\)"):
        run("show", "v0009", "--config", fitted)


def test_no_model_is_said(tmp_path):
    described(tmp_path)
    with pytest.raises(BadInput, match="No model is fitted yet"):
        run("show", "--config", tmp_path)


def test_there_is_nothing_to_fit_on_before_the_first_night(tmp_path):
    described(tmp_path)
    with pytest.raises(BadInput):
        run("fit", "--config", tmp_path)


def test_nothing_is_learned_from_a_snapshot_that_was_never_published_or_was_rejected(tmp_path):
    configuration = load_configuration(described(tmp_path))
    home = Home(configuration.home)
    snapshot = home.snapshot("2026-04-01.1")
    snapshot.mkdir(parents=True)
    (snapshot / "manifest.json").write_text("{}")
    with pytest.raises(BadInput, match=r"2026-04-01.1 was never published"):
        consume.fit_risk_model(configuration, snapshot.name)
    (snapshot / "published.json").write_text("{}")
    journal.record(home, "reject", why="wrong links", who="A", what={"snapshot": snapshot.name, "role": "B"})
    with pytest.raises(BadInput, match=r"2026-04-01.1 was rejected"):
        consume.fit_risk_model(configuration, snapshot.name)
