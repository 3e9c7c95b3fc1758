"""Floods of one value: pairs stay bounded, nobody is dropped, and the rule and the value's count are told.

The flood is a hundredth of what the benchmark makes (`python -m tests.benchmarks --only floods`), and so is the cap.
"""

from __future__ import annotations

import pytest

from registry_pipeline import link
from registry_pipeline.link import block
from registry_pipeline.link.model import BLOCKING_RULES
from tests.benchmarks.floods import KINDS, Flooded, linked, staged
from tests.linkage.made_up_records import NIGHT

FLOODED, ORDINARY, CAP = 900, 1_200, 60
LEAST_RECALL = 0.97
"""Of true pairs, also of flooded people: what agrees otherwise still finds them."""

MOST_FALSE = dict.fromkeys(KINDS, 0) | {"family_name_and_birth_date": 8}
"""False pairs among flooded people; where 660 of them share surname and birth date, some share the given name too."""

NAMED = {
    # kind of flood: rules that must name the value
    "family_name_and_birth_date": {"birth_date", "name_and_birth_date"},
    "phone": {"phone"},
    "email": {"email"},
    "nhs_number": {"same_nhs_number"},
}


@pytest.fixture(scope="module")
def floods(tmp_path_factory):
    """Each kind of flood, linked."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(block, "MOST_RECORDS_IN_A_BLOCK", CAP)
        return {
            kind: linked(*staged(tmp_path_factory.mktemp(kind), kind, FLOODED, ORDINARY), kind)
            for kind in sorted(KINDS)
        }


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "none"])
def test_pairs_stay_within_the_budgets_of_the_rules(floods, kind):
    flood = floods[kind]
    budgets = {rule.name: rule.pairs_per_record * flood.records for rule in BLOCKING_RULES}
    over = {rule: pairs for rule, pairs in flood.pairs_by_rule.items() if pairs > budgets.get(rule, flood.records)}

    assert over == {}
    # A block of n records makes n (n - 1) / 2 pairs: the flood in one block would make more than all rules together do.
    assert flood.pairs < FLOODED * (FLOODED - 1) / 2 / 4


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "none"])
def test_people_are_still_found_by_everything_else(floods, kind):
    flood = floods[kind]

    assert flood.ordinary_recall >= floods["none"].ordinary_recall - 0.001, "ordinary people do not pay for a flood"
    assert flood.flooded_recall >= LEAST_RECALL
    assert flood.ordinary_false == 0
    assert flood.false <= MOST_FALSE[kind], "what is shared joins nobody"


@pytest.mark.parametrize("kind", NAMED)
def test_the_rule_and_the_count_of_the_value_are_told(floods, kind):
    flood, ordinary = floods[kind], floods["none"]
    told = {rule: most for rule, (_, most) in flood.left_out.items()}

    assert NAMED[kind] <= told.keys()
    for rule in NAMED[kind]:
        assert told[rule] >= 0.9 * FLOODED, "how many records hold the value, not that it is too common"
        assert rule not in ordinary.left_out


# A flood that comes after everything was counted: its value is not among the frozen frequencies -----------------------

LATER_FLOODED, LATER_ORDINARY = 300, 1_500
LATER_MOST_FALSE = {"family_name_and_birth_date": 8, "email": 0}
"""As above: 150 people of one surname and birth date; a surname that nobody had when values were counted weighs more."""


@pytest.fixture(scope="module")
def later_floods(tmp_path_factory):
    """Each kind of flood on a night for which frequencies and caps were frozen before it came."""

    def flooded(kind: str) -> Flooded:
        folder = tmp_path_factory.mktemp(f"later_{kind}")
        configuration, shares, _ = staged(folder, "none", 0, LATER_ORDINARY)
        before = link.link_night(configuration, NIGHT, shares)
        flood = linked(*staged(folder, kind, LATER_FLOODED, LATER_ORDINARY), kind)
        assert flood.records <= 1.25 * before.rows["person_cluster"], "few enough for what was frozen to be used"
        return flood

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(block, "MOST_RECORDS_IN_A_BLOCK", CAP)
        return {kind: flooded(kind) for kind in ("none", *LATER_MOST_FALSE)}


@pytest.mark.parametrize("kind", LATER_MOST_FALSE)
def test_a_flood_that_comes_later_joins_nobody_and_drops_nobody(later_floods, kind):
    flood = later_floods[kind]

    assert flood.ordinary_recall >= later_floods["none"].ordinary_recall - 0.001
    assert flood.flooded_recall >= LEAST_RECALL
    assert flood.ordinary_false == 0
    assert flood.false <= LATER_MOST_FALSE[kind], "what nobody had when values were counted is not rare for that"
