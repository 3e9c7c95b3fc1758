"""Identifiers that are valid in form and belong to nobody.

What belongs here: NHS numbers of the synthetic range, postcodes of areas that are not in use, telephone numbers that
Ofcom keeps for drama, practice codes, local ids. What does not: mistakes in them (`recording.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from registry_pipeline.synthetic.randomness import Ints

NHS_FIRST = 900_000_000
NHS_BODIES = 100_000_000
"""Nine-digit bodies of 9000000000 to 9999999999, the range of test and made-up people (NHS number standard)."""

NHS_STEP = 61_803_399
"""Odd and no multiple of 5, so stepping by it modulo NHS_BODIES visits every body once, in no visible order."""

WEIGHTS = np.arange(10, 1, -1)
INWARD_LETTERS = np.array(list("ABDEFGHJLNPQRSTUWXYZ"))
"""Letters that the second part of a postcode may hold (never C I K M O V)."""

HOME_PHONES = (
    "0113 496 0", "0114 496 0", "0115 496 0", "0116 496 0", "0117 496 0", "0118 496 0", "0121 496 0", "0131 496 0",
    "0141 496 0", "0151 496 0", "0161 496 0", "020 7946 0", "0191 498 0", "028 9649 6", "029 2018 0", "01632 960",
)  # fmt: skip
MOBILE_PHONES = "07700 900"
"""Ofcom's numbers for drama: a thousand of each, so in a large system many people share one."""


def check_digits(bodies: Ints) -> Ints:
    """Modulus 11 check digit of nine-digit bodies; 10 where there is none."""
    digits = (bodies[:, None] // 10 ** np.arange(8, -1, -1)) % 10
    return np.asarray((11 - (digits * WEIGHTS).sum(axis=1) % 11) % 11)


def is_valid(numbers: Ints) -> npt.NDArray[np.bool_]:
    """Whether numbers pass Modulus 11."""
    return np.asarray(check_digits(numbers // 10) == numbers % 10)


def nhs_numbers(rng: np.random.Generator, size: int) -> Ints:
    """`size` different valid NHS numbers of the synthetic range, without those of repeated digits (n00000000n)."""
    start = int(rng.integers(NHS_BODIES))
    steps = np.arange(int(size * 1.12) + 50, dtype=np.int64)
    bodies = NHS_FIRST + (start + steps * NHS_STEP) % NHS_BODIES
    checks = check_digits(bodies)
    numbers = bodies * 10 + checks
    usable = (checks != 10) & (numbers != 9_999_999_999) & (numbers != 9_000_000_009)
    return np.asarray(numbers[usable][:size])


def postcodes(rng: np.random.Generator, areas: list[str], size: int) -> npt.NDArray[np.object_]:
    """`size` different postcodes; neighbours in the list lie in one district."""
    units = len(INWARD_LETTERS) ** 2
    sector, unit = np.divmod(np.arange(size), 24)
    unit = (unit * 37 + rng.integers(0, units)) % units
    place, digit = np.divmod(sector, 10)
    district, area = np.divmod(place, len(areas))
    letters = np.char.add(INWARD_LETTERS[unit // 20], INWARD_LETTERS[unit % 20])
    outward = np.char.add(np.array(areas)[area], (district + 1).astype(str))
    inward = np.char.add(digit.astype(str), letters)
    return np.char.add(np.char.add(outward, " "), inward).astype(object)


def practice_codes(size: int) -> npt.NDArray[np.object_]:
    """Practice codes: a letter and five digits."""
    return np.array([f"{'ABCDEFGHJKLMNP'[i % 14]}{81001 + i // 14:05d}" for i in range(size)], dtype=object)


def padded(numbers: Any, width: int) -> pa.Array:
    """Whole numbers as text, zero-padded to `width`."""
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")


def joined(*parts: Any) -> pa.Array:
    """Texts joined without anything between; null where any part is null."""
    return pc.binary_join_element_wise(*parts, "")


def guids(rng: np.random.Generator, size: int) -> pa.Array:
    """Random GUIDs in braces, as EMIS writes them."""
    digits = rng.bytes(16 * size).hex().upper().encode()
    texts = pa.array(np.frombuffer(digits, dtype="S32")).cast(pa.string())
    pieces = [pc.utf8_slice_codeunits(texts, a, b) for a, b in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))]
    return joined("{", pc.binary_join_element_wise(*pieces, "-"), "}")
