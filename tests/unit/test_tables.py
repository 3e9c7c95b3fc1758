"""The data dictionary holds together."""

import typing

import pytest

from registry_pipeline.config import FeedName
from registry_pipeline.tables import EVENT_TABLES, FEEDS, REGISTRY_TABLES, TABLES, ColumnKind, feed_table


@pytest.mark.parametrize("shape", FEEDS.values(), ids=lambda s: s.name)
def test_a_feed_is_whole(shape):
    assert {c.kind for c in shape.columns} <= set(typing.get_args(ColumnKind))
    assert len(set(shape.column_names)) == len(shape.column_names)
    assert set(shape.key) | set(shape.required) <= set(shape.column_names)
    assert set(shape.key) <= set(shape.required)
    assert shape.becomes in TABLES
    assert all(c.description for c in shape.columns)


def test_the_configuration_knows_the_same_feeds():
    assert set(typing.get_args(FeedName)) == set(FEEDS)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: t.name)
def test_a_table_is_whole(table):
    assert len(set(table.column_names)) == len(table.column_names)
    assert set(table.key) <= set(table.column_names)
    assert table.one_row_per
    assert all(c.description for c in table.columns)


def test_the_published_person_columns_are_the_canonical_ones():
    surviving = set(TABLES["patient"].column_names)
    held_back = {
        "local_id", "nhs_number_status", "sensitive", "withheld_identity_reason", "test_patient", "deleted",
        "merged_into",
    }  # fmt: skip

    assert set(FEEDS["patient"].column_names) - held_back <= surviving
    assert {"patient_id", "provider", "setting", "local_id", "link_method", "link_probability"} <= set(
        TABLES["patient_record"].column_names
    )
    assert set(REGISTRY_TABLES) <= set(TABLES)
    assert set(EVENT_TABLES.values()) <= set(TABLES)


def test_raw_accepted_and_quarantined_differ_only_in_the_broken_rules():
    raw, accepted, quarantined = (feed_table(kind, "patient") for kind in ("raw", "accepted", "quarantined"))

    assert raw.columns == accepted.columns == quarantined.columns[:-1]
    assert quarantined.columns[-1].name == "broken_rules"


def test_linked_pair_has_a_field_for_each_comparison():
    from registry_pipeline.link.model import COMPARISONS
    from registry_pipeline.tables import COMPARISON_NAMES

    assert tuple(c.name for c in COMPARISONS) == COMPARISON_NAMES
