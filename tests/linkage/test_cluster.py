"""Laws of clusters, over random graphs of pairs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.link.cluster import Link, agglomerate
from registry_pipeline.link.model import BRIDGE_WEIGHT

RECORDS = st.integers(1, 12)
LINKS = st.lists(
    st.builds(Link, RECORDS, RECORDS, st.floats(4, 40), st.booleans()).filter(lambda link: link.left != link.right),
    min_size=1,
    max_size=40,
)
NUMBERS = st.dictionaries(RECORDS, st.integers(1, 4))
APART = st.lists(st.tuples(RECORDS, RECORDS).filter(lambda pair: pair[0] != pair[1]), max_size=8)


def groups_of(made):
    groups = {}
    for record, group in made.items():
        groups.setdefault(group, set()).add(record)
    return groups


@given(LINKS, NUMBERS, APART)
@settings(max_examples=300, deadline=None)
def test_no_group_ever_holds_two_valid_nhs_numbers(links, numbers, apart):
    for group in groups_of(agglomerate(links, numbers, apart)).values():
        assert len({numbers[record] for record in group if record in numbers}) <= 1


@given(LINKS, NUMBERS, APART)
@settings(max_examples=300, deadline=None)
def test_no_group_holds_a_pair_that_a_rule_keeps_apart_unless_a_certain_link_joins_it(links, numbers, apart):
    certain = {frozenset((link.left, link.right)) for link in links if link.is_certain}
    made = agglomerate(links, numbers, apart)
    for left, right in apart:
        if left in made and right in made and frozenset((left, right)) not in certain:
            assert made[left] != made[right]


@given(LINKS, NUMBERS, APART, st.randoms())
@settings(max_examples=300, deadline=None)
def test_groups_do_not_depend_on_the_order_of_the_input(links, numbers, apart, random):
    shuffled = links.copy()
    random.shuffle(shuffled)
    assert agglomerate(shuffled, numbers, apart[::-1]) == agglomerate(links, numbers, apart)


@given(LINKS)
@settings(max_examples=100, deadline=None)
def test_groups_are_named_after_their_smallest_record(links):
    for name, group in groups_of(agglomerate(links, {})).items():
        assert name == min(group)


def test_the_stronger_evidence_decides_on_which_side_of_a_conflict_a_record_falls():
    links = [Link(1, 2, 12.0, False), Link(2, 3, 20.0, False)]
    assert agglomerate(links, {1: 10, 3: 30}) == {1: 1, 2: 2, 3: 2}
    assert agglomerate([Link(1, 2, 12.0, True), links[1]], {1: 10, 3: 30}) == {1: 1, 2: 1, 3: 3}


def test_one_weak_link_does_not_join_two_large_groups():
    left = [Link(1, n, 30.0, False) for n in (2, 3, 4)]
    right = [Link(5, n, 30.0, False) for n in (6, 7, 8)]
    weak, strong = Link(4, 5, BRIDGE_WEIGHT - 1, False), Link(4, 5, BRIDGE_WEIGHT, False)
    assert len(groups_of(agglomerate([*left, *right, weak], {}))) == 2
    assert len(groups_of(agglomerate([*left, *right, strong], {}))) == 1
