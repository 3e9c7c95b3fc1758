"""Which earlier night risk is compared with."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from registry_pipeline.consumer import name_made_before
from registry_pipeline.storage import Home, write_table
from registry_pipeline.tables import CONSUMER_TABLES

NIGHT = date(2026, 4, 1)
RISK = CONSUMER_TABLES["risk_stratification"]


@pytest.mark.parametrize(
    ("days_ago", "compared_with"),
    [
        ([], None),
        ([0], None),
        ([1], 1),
        ([1, 2, 27], 27),
        ([1, 27, 28, 40], 28),
        ([1, 27, 90], 90),
        ([91, 400], None),
        ([91, 3], 3),
        ([-1, 5], 5),
    ],
)
def test_risk_is_compared_with_some_four_weeks_ago(tmp_path: Path, days_ago, compared_with):
    home = Home(tmp_path)
    with duckdb.connect() as connection:
        columns = ", ".join(f'NULL::{c.type} AS "{c.name}"' for c in RISK.columns if c.name != "night")
        for days in days_ago:
            night = NIGHT - timedelta(days=days)
            file = home.consumer(RISK.name, f"{night}.1") / f"{RISK.name}.parquet"
            write_table(connection, f"SELECT {columns}, $night::DATE AS night", RISK, file, {"night": night})

        absent = name_made_before(connection, home, f"{NIGHT}.2", NIGHT)

        found = connection.execute("SELECT night FROM risk_before").fetchall()
    expected = [] if compared_with is None else [(NIGHT - timedelta(days=compared_with),)]
    assert found == expected
    assert ("risk_before" in absent) == (not expected)
