"""Person segments: who needs which kind of care, by what is coded of people; and levels, by rank of risk.

What belongs here: the segments in order of precedence with the code lists that each rests on, and the shares of the
levels. What does not: the lists (`codes/lists`), and scores.

The segments are those of the pilots and of Bridges to Health (nhs-facts 5), the most pressing first. Somebody is
healthy only where whoever would know of a condition knows of none: where nobody would know, there is no segment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from registry_pipeline.config import RiskChoices
from registry_pipeline.storage import load_sql

if TYPE_CHECKING:
    from datetime import date

    import duckdb

CODED: Final[dict[str, tuple[str, ...]]] = {
    "end_of_life": ("palliative_care",),
    "dementia": ("dementia",),
    "frailty": ("frailty", "severe_frailty"),
    "cancer": ("cancer",),
    "severe_mental_illness": ("severe_mental_illness",),
    "learning_disability": ("learning_disability",),
}
"""Segments that code lists make, and the lists. Frailty besides: an electronic frailty index of moderate or severe."""

ORDER: Final = (*CODED, "long_term_conditions", "healthy")
"""Of precedence: `person_segment` is the first that applies."""

LISTS: Final = tuple(name for names in CODED.values() for name in names)


def name_segments(connection: duckdb.DuckDBPyConnection, night: date) -> None:
    """Make the TEMP TABLE `risk_segment(patient_id, segments)` of people of whom anything is coded.

    Needs `risk_coded` (`features.name_inputs` with `LISTS` among its lists).
    """
    pairs = [(segment, name) for segment, names in CODED.items() for name in names]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE risk_segment AS {load_sql('risk_segment')}",
        {"night": night, "segment": [pair[0] for pair in pairs], "list": [pair[1] for pair in pairs]},
    )


def level_parameters(choices: RiskChoices) -> dict[str, Any]:
    """Shares of the ranked from the top down to each level's end, for `sql/risk_stratification.sql`."""
    very_high = choices.very_high
    high = very_high + choices.high
    return {"very_high": very_high, "high": high, "moderate": high + choices.moderate}
