"""Records for linkage tests: a made-up population, and a model trained on it once."""

from __future__ import annotations

import pytest

from registry_pipeline import link
from tests.linkage.made_up_records import NIGHT, stage_made_up

PEOPLE = 2_000


@pytest.fixture(scope="session")
def made_up(tmp_path_factory):
    """(configuration, shares, truth) of a made-up population whose model is trained, and whose night is linked."""
    configuration, shares, truth = stage_made_up(tmp_path_factory.mktemp("made_up"), PEOPLE)
    trained = link.train(configuration, NIGHT, shares)
    linked = link.link_night(configuration, NIGHT, shares)
    return configuration, shares, truth, trained, linked


@pytest.fixture
def shares_as_given(monkeypatch):
    """Let `evaluate` see shares that no outcome file tells of."""
    import sys

    def use(shares):
        module = sys.modules["registry_pipeline.link.evaluate"]
        monkeypatch.setattr(module, "shares_of_night", lambda *_: shares)

    return use
