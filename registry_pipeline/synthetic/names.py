"""Pools of given and family names of many naming traditions, skewed as real names are.

What belongs here: reading `pools/*.ini`, the long tail that is composed, folding of diacritics, everyday forms. What
does not: who bears which name (`population.py`) and how a system garbles it (`recording.py`).
"""

from __future__ import annotations

import configparser
import itertools
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from registry_pipeline.synthetic.randomness import Ints

RANK_OFFSET = 4
"""The n-th commonest name is drawn in proportion to 1 / (n + RANK_OFFSET): Zipf's law, flattened at its head as the
lists of England and Wales are (the commonest boys' name of a year is borne by 1% to 2%, not by 15%)."""

WITHOUT_DECOMPOSITION = str.maketrans("łŁđĐøØıßæÆœŒ", "lLdDoOisaAoO")


@dataclass(frozen=True)
class Draw:
    """A skewed pool: codes of names and their cumulative shares."""

    codes: Ints
    cumulative: npt.NDArray[np.float64]

    def __call__(self, rng: np.random.Generator, size: int) -> Ints:
        """`size` codes."""
        return np.asarray(self.codes[np.searchsorted(self.cumulative, rng.random(size), side="right")])


@dataclass(frozen=True)
class Tradition:
    """One naming tradition; `given[(sex, older)]` with sex 0 female and 1 male."""

    name: str
    share: float
    ethnicities: tuple[str, ...]
    shared: float
    rule: str
    given: dict[tuple[int, bool], Draw]
    family: Draw


@dataclass(frozen=True)
class Pools:
    """Every name once, with a code; arrays over codes give its other forms.

    Attributes:
        texts: the names.
        feminine: code of the form that a woman bears (Polish Kowalska for Kowalski), else the code itself.
        everyday: two codes of everyday forms, -1 where a name has none.
        singh, kaur, thi, van, mohammed: codes of names that a rule gives.
    """

    traditions: tuple[Tradition, ...]
    texts: npt.NDArray[np.object_]
    feminine: Ints
    everyday: tuple[Ints, Ints]
    singh: int
    kaur: int
    thi: int
    van: int
    mohammed: int
    womens_last: Ints

    @property
    def folded(self) -> npt.NDArray[np.object_]:
        """The names without diacritics."""
        return np.array([fold(text) for text in self.texts], dtype=object)

    @property
    def cp1252(self) -> npt.NDArray[np.object_]:
        """The names as a Windows-1252 system holds them: characters that it lacks are folded."""
        return np.array(["".join(_cp1252(c) for c in text) for text in self.texts], dtype=object)


def fold(text: str) -> str:
    """The text in ASCII: diacritics dropped, stroked letters replaced."""
    apart = unicodedata.normalize("NFKD", text.translate(WITHOUT_DECOMPOSITION))
    return "".join(c for c in apart if not unicodedata.combining(c))


def _cp1252(character: str) -> str:
    try:
        character.encode("cp1252")
    except UnicodeEncodeError:
        return fold(character)
    return character


def read_pool(name: str) -> configparser.ConfigParser:
    """One of the `pools/*.ini` files."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case; the documented way
    text = resources.files("registry_pipeline.synthetic").joinpath("pools", f"{name}.ini").read_text(encoding="utf-8")
    parser.read_string(text)
    return parser


def words(text: str) -> list[str]:
    """The words of a pool's line; `_` stands for a blank."""
    return [word.replace("_", " ") for word in dict.fromkeys(text.split())]


def composed(stems: str, endings: str, *, between: str = "") -> list[str]:
    """Every stem with every ending, in an order that mixes both."""
    pairs = list(itertools.product(words(stems), words(endings)))
    made = [f"{stem}{between}{ending}" for stem, ending in pairs]
    order = np.random.default_rng(0).permutation(len(made))
    return list(dict.fromkeys(made[i] for i in order))


class _Codes:
    """Gives every name one code."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}

    def __call__(self, name: str) -> int:
        return self.codes.setdefault(name, len(self.codes))

    def draw(self, common: list[str], rare: list[str], tail: float) -> Draw:
        """A pool whose common names keep 1 - tail of the people."""
        shares = 1.0 / (np.arange(len(common)) + RANK_OFFSET)
        shares *= (1 - tail if rare else 1) / shares.sum()
        if rare:
            rest = 1.0 / (np.arange(len(rare)) + 20 * RANK_OFFSET)
            shares = np.concatenate([shares, rest * tail / rest.sum()])
        codes = np.array([self(name) for name in (*common, *rare)], dtype=np.int64)
        cumulative = np.cumsum(shares)
        return Draw(codes, cumulative / cumulative[-1] * (1 + 1e-12))


@cache
def pools() -> Pools:
    """All pools, read once."""
    codes = _Codes()
    content = read_pool("names")
    traditions = tuple(_tradition(name, content[name], codes) for name in content.sections())
    everyday = {codes(k): [codes(w) for w in v.split()] for k, v in read_pool("nicknames")["everyday"].items()}
    special = {name: codes(name) for name in ("Singh", "Kaur", "Thị", "Văn", "Mohammed")}
    womens = np.array([codes(n) for n in ("Begum", "Bibi", "Khatun", "Akhtar", "Parveen", "Kauser", "Sultana")])
    feminine_of = {code: codes(_feminine(name)) for name, code in list(codes.codes.items())}
    texts = np.array(list(codes.codes), dtype=object)
    feminine = np.arange(len(texts))
    feminine[list(feminine_of)] = list(feminine_of.values())
    first, second = np.full(len(texts), -1), np.full(len(texts), -1)
    for code, forms in everyday.items():
        first[code], second[code] = forms[0], forms[-1]
    return Pools(
        traditions, texts, feminine, (first, second), special["Singh"], special["Kaur"], special["Thị"],
        special["Văn"], special["Mohammed"], womens,
    )  # fmt: skip


def _tradition(name: str, section: Any, codes: _Codes) -> Tradition:
    given = {}
    for sex, key in enumerate(("female", "male")):
        younger = words(section[key])
        rare = composed(section[f"{key}_stems"], section[f"{key}_endings"]) if f"{key}_stems" in section else []
        tail = 0.6 if rare else 0.0
        given[sex, False] = codes.draw(younger, rare, tail)
        given[sex, True] = codes.draw(words(section.get(f"{key}_older", section[key])), rare, tail)
    rare = composed(section["stems"], section["endings"]) if "stems" in section else []
    family = codes.draw(words(section["family"]), rare, float(section.get("tail", "0")))
    ethnicities: list[str] = []
    for part in section["ethnicity"].split():
        code, _, times = part.partition("*")
        ethnicities += [code] * int(times or 1)
    return Tradition(
        name, float(section["share"]), tuple(ethnicities), float(section["shared"]), section["rule"], given, family
    )


def _feminine(name: str) -> str:
    for ending in ("ski", "cki", "dzki"):
        if name.endswith(ending):
            return name[:-1] + "a"
    return name
