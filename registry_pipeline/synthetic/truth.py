"""The truth about the made-up people: written beside the system, read by no stage.

What belongs here: who every record is really about. What does not: anything that a provider delivers.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from registry_pipeline.synthetic.names import pools
from registry_pipeline.synthetic.nights import Holding
from registry_pipeline.synthetic.population import NONE, Places, Population
from registry_pipeline.synthetic.randomness import Ints


def write_truth(
    folder: Path,
    population: Population,
    places: Places,
    holdings: Iterable[Holding],
    replacements: list[tuple[Ints, Ints]],
    first_night: date,
    nights: int,
) -> dict[str, int]:
    """Write `person`, `person_record` and `nhs_number`; returns rows by table.

    Args:
        folder: where the files go.
        population: the people at the end of the last night.
        places: where they live.
        holdings: every provider's records at the end of the last night.
        replacements: people and day numbers of superseded NHS numbers.
        first_night: the first night.
        nights: how many there were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "person": _person(population, places, first_night),
        "person_record": _person_record(holdings, first_night, nights),
        "nhs_number": _nhs_number(population, replacements),
    }
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    return {name: len(table) for name, table in tables.items()}


def _person(population: Population, places: Places, first_night: date) -> pa.Table:
    text = pa.array(pools().texts, pa.string())

    def name(codes: Ints) -> pa.Array:
        return text.take(pa.array(codes, mask=codes == NONE))

    def day(days: Ints) -> pa.Array:
        return pa.array(days.astype(np.int32), mask=days == NONE).cast(pa.date32())

    every_night = [first_night + timedelta(days=n) for n in range(1 + int(population.first_night.max()))]
    return pa.table({
        "person_id": np.arange(len(population)),
        "household": population.household,
        "tradition": pa.array([t.name for t in pools().traditions]).take(population.tradition),
        "given_name": name(population.given),
        "middle_name": name(population.middle),
        "family_name": name(population.family),
        "second_family_name": name(population.family_second),
        "previous_family_name": name(population.previous_family),
        "sex": pa.array(np.where(population.sex == 1, "M", "F")),
        "birth_date": pa.array(population.birth_day.astype(np.int32)).cast(pa.date32()),
        "death_date": day(population.death_day),
        "ethnicity": pa.array(population.ethnicity.astype(np.uint8).view("S1").astype("U1")),
        "deprivation_decile": places.decile(population.address),
        "address_id": population.address,
        "postcode": pa.array(places.postcodes, pa.string()).take(places.postcode[population.address]),
        "gp_practice": pa.array(places.practices, pa.string())
        .take(pa.array(population.practice, mask=population.practice == NONE)),
        "nhs_number": pa.array(population.nhs_number, mask=population.nhs_number == NONE).cast(pa.string()),
        "mother_id": pa.array(population.mother, mask=population.mother == NONE),
        "is_twin": pa.array(population.twin != NONE),
        "is_sensitive": pa.array(population.sensitive == 1),
        "first_night": pa.array(every_night).take(population.first_night),
    })  # fmt: skip


def _person_record(holdings: Iterable[Holding], first_night: date, nights: int) -> pa.Table:
    every_night = pa.array([first_night + timedelta(days=n) for n in range(nights)])
    made = []
    for holding in holdings:
        present: dict[str, Any] = {
            "local_id": holding.rows["local_id"],
            "person": holding.persons,
            "first_seen": holding.first_seen,
            "last_seen": np.full(len(holding.persons), nights - 1),
        }
        for part in (pa.table(present), *holding.ended):
            person = part["person"].to_numpy()
            made.append(pa.table({
                "provider": pa.array(np.full(len(part), holding.provider)),
                "local_id": part["local_id"],
                "person_id": pa.array(person, mask=person == NONE),
                "first_night": every_night.take(part["first_seen"].combine_chunks()),
                "last_night": every_night.take(part["last_seen"].combine_chunks()),
            }))  # fmt: skip
    return pa.concat_tables(made)


def _nhs_number(population: Population, replacements: list[tuple[Ints, Ints]]) -> pa.Table:
    holds = np.flatnonzero(population.nhs_number != NONE)
    had = np.concatenate([people for people, _ in replacements])
    return pa.table({
        "nhs_number": pa.array(np.concatenate([population.nhs_number[holds], population.old_nhs_number[had]]))
        .cast(pa.string()),
        "person_id": np.concatenate([holds, had]),
        "is_current": np.concatenate([np.ones(len(holds), bool), np.zeros(len(had), bool)]),
    })  # fmt: skip
