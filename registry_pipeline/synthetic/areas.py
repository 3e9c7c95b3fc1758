"""The made-up list of postcodes: in which area each lies, and how deprived it is.

What belongs here: the list as a deployment has it (the ONS Postcode Directory's form). What does not: which postcodes
there are and who lives there (`population`), and reading such a list (`govern.postcodes`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from registry_pipeline.synthetic.population import Places

POSTCODES_AN_AREA = 40
"""A lower layer super output area holds some 1,500 people (ONS), hence some forty postcodes."""

FIRST_AREA = 900_000
"""Codes from E01900000 upwards have an area's form and are no area's: England has some 34,000, from E01000001."""


def write_postcodes(path: Path, places: Places) -> int:
    """Write every postcode of the made-up places with its area and deprivation decile; returns how many.

    Areas are of one decile each, the one that the population's lives depend on.
    """
    numbers = np.arange(len(places.postcodes))
    decile = numbers % 10 + 1
    area = FIRST_AREA + numbers // (10 * POSTCODES_AN_AREA) * 10 + numbers % 10
    table = pa.table({
        "postcode": pa.array(places.postcodes, pa.string()),
        "lsoa": pa.array([f"E01{number:06d}" for number in area]),
        "deprivation_decile": pa.array(decile, pa.int8()),
    })  # fmt: skip
    csv.write_csv(table, path)
    return len(table)
