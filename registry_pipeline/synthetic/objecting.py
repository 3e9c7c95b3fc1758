"""People who said no, and people who may not be named, in the made-up system's deliveries.

What belongs here: rows of dissent in practices' problem lists or observations, and rows of an acute feed whose identity
is withheld. What does not: all other events (`activity`). They are drawn from streams of their own, so that nothing
else changes by them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from registry_pipeline.config import Feed
from registry_pipeline.govern.objections import TYPE_1_DISSENT, TYPE_1_WITHDRAWN
from registry_pipeline.govern.withheld import COLUMN
from registry_pipeline.synthetic import identifiers
from registry_pipeline.synthetic.activity import Known
from registry_pipeline.synthetic.randomness import Ints, at_rate

DISSENTING = 0.03
"""Share of a practice's patients with a type 1 opt-out: made up; about one in twenty had one in England in 2021."""

WITHDRAWING = 0.1
"""Share of them who took it back."""

SAID_IN = {"GP3": "observation"}
"""Feed in which a practice system keeps the codes of dissent, where it is not that of problems: some keep every code
among the observations."""

WITHHELD = 0.002
"""Share of a night's emergency attendances whose identity is withheld: made up."""

REASONS = ("01", "03", "97")
"""WITHHELD IDENTITY REASON: legal or statutory, at the patient's request, other."""


def dissent(known: Known, window: tuple[int, int], rng: np.random.Generator) -> pa.Table:
    """Type 1 opt-outs of a practice's patients, and the withdrawals of some, as rows of the feed that holds them."""
    row = np.flatnonzero(at_rate(rng, len(known), DISSENTING))
    day = rng.integers(window[0], window[1] + 1, len(row))
    back = at_rate(rng, len(row), WITHDRAWING)
    again = rng.integers(day[back], window[1] + 1)
    dissented = _coded(known, "OB", row, day, TYPE_1_DISSENT[0], "Dissent from secondary use of GP patient data")
    withdrawn = _coded(known, "OW", row[back], again, TYPE_1_WITHDRAWN[0], "Dissent withdrawn for secondary use")
    return pa.concat_tables([dissented, withdrawn])


def _coded(known: Known, prefix: str, row: Ints, day: Ints, code: str, term: str) -> pa.Table:
    size = len(row)
    local_id = known.local_id.take(pa.array(row))
    return pa.table({
        "event_id": identifiers.joined(prefix, local_id),
        "local_id": local_id,
        "start_date": pa.array(day.astype(np.int32)).cast(pa.date32()),
        "end_date": pa.nulls(size, pa.date32()),
        "code": pa.array(np.full(size, code)),
        "coding_system": pa.array(np.full(size, "snomed")),
        "description": pa.array(np.full(size, term)),
        "deleted": pa.array(np.zeros(size, bool)),
    })  # fmt: skip


def has_withheld(feed: Feed) -> bool:
    """Whether a provider's feed says whose identity is withheld."""
    return COLUMN in feed.columns


def withheld(events: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Events like some of these, in the withheld identity structure: a reason, and no local id."""
    size = min(len(events), max(1, round(len(events) * WITHHELD)))
    like = events.take(pa.array(np.sort(rng.choice(len(events), size, replace=False)) if size else [], pa.int64()))
    ids = identifiers.joined("W", like["event_id"].combine_chunks())
    like = like.set_column(like.column_names.index("event_id"), "event_id", ids)
    like = like.set_column(like.column_names.index("local_id"), "local_id", pa.nulls(size, pa.string()))
    return like.append_column(COLUMN, pa.array(rng.choice(REASONS, size).astype(str), pa.string()))
