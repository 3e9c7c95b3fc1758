"""One small made-up care system that every test here reads."""

from pathlib import Path

import pytest

from registry_pipeline.config import load_configuration
from registry_pipeline.synthetic import Synthesised, synthesise

PEOPLE, NIGHTS, SEED = 3000, 3, 7


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Synthesised:
    return synthesise(tmp_path_factory.mktemp("made_up") / "system", people=PEOPLE, nights=NIGHTS, seed=SEED)


@pytest.fixture(scope="session")
def configuration(made, tmp_path_factory):
    return load_configuration(made.out, home=tmp_path_factory.mktemp("made_up_home"))


@pytest.fixture
def copy_of(made, tmp_path):
    """A copy of the system's replica at a path of the test's own."""
    import shutil

    def copy(*parts: str) -> Path:
        out = tmp_path.joinpath(*parts)
        shutil.copytree(made.out, out, ignore=shutil.ignore_patterns("drop", "server*", "truth"))
        return out

    return copy
