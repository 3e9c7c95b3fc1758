"""Whose each person record would be if the match threshold lay elsewhere, kept with the snapshot for its readers.

What belongs here: naming the groups of a moved threshold by the ids of the registry. What does not: making those groups
(`sensitivity`, whose approximations hold here too), and what a moved record does to a figure (`audit`).
"""

from __future__ import annotations

from contextlib import closing
from datetime import date

from registry_pipeline.config import Configuration
from registry_pipeline.link import frozen, sensitivity
from registry_pipeline.link.evaluate import load_night, model_of_night
from registry_pipeline.link.records import load_everybody
from registry_pipeline.outcomes import shares_of_night
from registry_pipeline.storage import Home, connect, load_sql, scan, write_table
from registry_pipeline.tables import LINKAGE_ALTERNATIVE

MOVES = (-4.0, -2.0, 2.0, 4.0)
"""Units of match weight: the odds on which a pair is joined, divided and multiplied by four and by sixteen."""


def write_alternatives(configuration: Configuration, night: date) -> int | None:
    """Write `linkage_alternative` of a night whose ids are assigned.

    Returns:
        Rows written; None, and no file, where the threshold cannot be moved: the model that linked the night is gone,
        or all of a large night would have to be linked anew (see `sensitivity`).
    """
    home, deployment = Home(configuration.home), configuration.deployment
    file = home.linked(LINKAGE_ALTERNATIVE.name, night)
    file.unlink(missing_ok=True)
    with closing(connect(home, memory_limit=deployment.memory_limit, threads=deployment.threads)) as connection:
        shares = shares_of_night(configuration, night)
        load_night(connection, home, night, shares)
        _, model = model_of_night(connection, configuration)
        if model is None:
            return None
        records = load_everybody(connection, home, shares)
        known = frozen.find(home.frozen, model)
        prior = model.prior(known[0].records if known else records)
        groups = sensitivity.moved_groups(connection, home, night, model, records, MOVES, prior=prior)
        if groups is None:
            return None
        connection.execute(
            "CREATE TEMP VIEW published AS SELECT record_id, patient_id"  # noqa: S608  # our own path
            f" FROM {scan(home.linked('patient_record', night))}"
        )
        empty = ", ".join(f"NULL::{column.type} AS {column.name}" for column in LINKAGE_ALTERNATIVE.columns)
        connection.execute(f"CREATE TEMP TABLE alternative AS SELECT {empty} LIMIT 0")
        for move, _ in groups:
            connection.execute(f"INSERT INTO alternative {load_sql('link_alternative')}", {"move": move})
        ordered = "SELECT * FROM alternative ORDER BY threshold_move, record_id"
        return write_table(connection, ordered, LINKAGE_ALTERNATIVE, file)
