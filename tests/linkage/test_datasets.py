"""Linkage of data that nobody here made: from provider files alone, through every stage, with a model trained on it.

The truth is read only to measure; columns that give it away are dropped before anything sees them. What a well-set
plain Splink makes of the same columns is measured by `python -m tests.benchmarks.datasets`.
"""

from __future__ import annotations

from datetime import date

import pytest

from registry_pipeline import link, night
from registry_pipeline.config import load_configuration
from registry_pipeline.outcomes import shares_of_night
from tests.benchmarks.third_party import DATA, DATASETS, described

NIGHT = date(2026, 4, 1)

pytestmark = pytest.mark.skipif(
    not DATASETS.is_dir(),
    reason=f"the labelled datasets are not in {DATASETS} (REGISTRY_DATASETS may name their folder)",
)

CASES = {
    # name: fewest true pairs found, most false pairs. What a well-set plain Splink finds in the same columns, at the
    # probability of 0.95 that its examples take, stands beside it.
    "febrl3": (6_515, 0),  # 6,527 and none
    "febrl4": (4_990, 0),  # 4,990 and none
    "opencr_uganda": (995, 0),  # 980 and none
    "jempi_kenya": (14_550, 0),  # 14,580 and 70
    "splink_fake_20000": (24_800, 100),  # 24,443 and 927
}


@pytest.mark.parametrize("name", CASES)
def test_dataset(name, tmp_path):
    fewest_true, most_false = CASES[name]
    folder = described(tmp_path / name, DATA[name])
    configuration = load_configuration(folder, environment={})
    trained = night.train_model(configuration, NIGHT)
    assert trained.path.is_relative_to(folder)
    shares = shares_of_night(configuration, NIGHT)
    link.link_night(configuration, NIGHT, shares)
    found = link.evaluate(configuration, NIGHT, folder / "truth.parquet")
    print(
        f"{name}: precision {found.precision:.4%}, recall {found.recall:.4%} ({found.true_joined_pairs:,} of"
        f" {found.true_pairs:,} true pairs, {found.false_pairs} false), blocking recall {found.blocking_recall:.4%}"
    )
    assert found.true_joined_pairs >= fewest_true
    assert found.false_pairs <= most_false
