"""What is compared, what is blocked on and where the thresholds lie, each named by meaning; and the models' numbers.

What belongs here: comparisons and their levels as Splink creators, blocking rules, training blocks, thresholds with
their reasons, and reading and writing a model's numbers (prior, m and u per level). What does not: how numbers are
learned (`train`), how pairs are made and judged (`match`), and any number that was learned from data.

A saved model holds numbers only, by comparison and level name. Splink's own JSON is SQL of one engine and is wrong
without an error on another one, so conditions stay in code, and `COMPARISON_CODE_VERSION` says which code they fit.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from registry_pipeline.config import Configuration
from registry_pipeline.errors import BadInput
from registry_pipeline.storage import read_json
from registry_pipeline.tables import TABLES

COMPARISON_CODE_VERSION = 3
"""Raised whenever a level's meaning changes: numbers learned for another meaning must not be used."""

# Thresholds ---------------------------------------------------------------------------------------------------------

MATCH_WEIGHT = 10.0
"""At or above: joined without review. Odds of 1024 to 1 (probability 0.999), the floor under the 99.9% pair precision
that NHS linkage is designed for (nhs-facts 3.4); the rules of `sql/link_decide.sql` come on top of it."""

FALSE_MATCHES_AT_MOST = 0.003
"""In data without families the threshold follows from the weights: the least weight at which the joined pairs are
expected to hold no more than this share of false ones. The weights expect three times the false pairs that there are
(0.3% expected, 0.1% found on FEBRL3 and 4, JeMPI, OpenCR and Splink's 20,000 fakes, with whose truth in view it was
chosen), so this is the 99.9% pair precision that NHS linkage is designed for (nhs-facts 3.4), before clusters are cut
at their weak links."""

LEAST_MATCH_WEIGHT = 4.0
"""No threshold that training derives lies below odds of 16 to 1 for the single pair."""

MOST_KNOWN_TWICE = 0.01
"""Share of matches within one provider up to which a provider counts as knowing each person once."""

RIVAL_WEIGHT = 6.0
"""A pair has a rival where another candidate of either record comes within this weight (odds of 64 to 1)."""

POSSIBLE_MATCH_WEIGHT = 0.0
"""At or above and below MATCH_WEIGHT: more likely one person than not, but not safe; queued for review."""

KEPT_WEIGHT = -4.0
"""Pairs below (odds under 1 to 16) are counted and not kept: nobody would review them, and they are the most."""

BRIDGE_WEIGHT = 16.0
"""What one probabilistic link needs to join two groups that are both large: a wrong bridge merges two whole histories,
and true groups of one person have many links between them (odds of 65,536 to 1)."""

LARGE_GROUP = 4
"""Records from which on a group counts as large for BRIDGE_WEIGHT: a person's usual number of providers, 2 to 3, is
below it. Below it too, a link under MATCH_WEIGHT joins a record to a group, but no two groups."""

GENERATION_YEARS = 14
"""Two records of one name whose birth years lie at least this far apart may be parent and child."""

NEWBORN_DAYS = 366
"""A record without given name of a child born this recently may be either of two twins (nhs-facts 1.8)."""


MOST_RECORDS_OF_A_PHONE = 60
"""A telephone number in more records than this (a switchboard's, a placeholder) brings no records together; that two
records share it still counts, by its frequency."""

CALIBRATED_FROM = -4
"""The least weight for which a probability is calibrated: about KEPT_WEIGHT, below which pairs are not kept."""

CALIBRATED_WEIGHTS = 41
"""Weights, a bit apart, that a calibration curve has points at: up to 36, beyond which pairs of two people are too rare
to be counted."""

COMMON_ADDRESS_WORD = 0.02
"""Words in a larger share of addresses (street, town, county) say nothing about the home; house numbers stay."""

# Comparisons --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Level:
    """One degree of agreement.

    Attributes:
        name: what it means.
        sql: condition over `<column>_l` and `<column>_r` of `link_record`; "ELSE" for the last.
        typical_m: share of true pairs that fall into it in ordinary data; where EM starts, and what smooths it.
        frequency_of: column whose term frequency (frozen per model version, see `frozen`) takes the place of u.
        is_step: one step of more or less of the same agreement, so that it must weigh between its neighbours; a swap
            or a nickname is agreement of another kind, whose weight has no order among them.
        least_weight: no training makes it stronger evidence against a match than this, for what changes or is written
            otherwise in one population more than in another (homes, telephones, second names).
    """

    name: str
    sql: str
    typical_m: float
    frequency_of: str | None = None
    is_step: bool = True
    least_weight: float | None = None


@dataclass(frozen=True)
class Comparison:
    """One comparison: levels from the closest agreement to none.

    Attributes:
        missing: condition under which nothing can be said.
        columns: person_record columns that must hold something for the comparison to be of use (any of them).
    """

    name: str
    missing: str
    levels: tuple[Level, ...]
    columns: tuple[str, ...]

    def gamma(self, level: str) -> int:
        """Splink's number of a level: the last is 0, a missing side is -1."""
        names = [each.name for each in self.levels]
        return len(names) - 1 - names.index(level)


_SWAPPED = (
    "names_are_close(given_name_l, family_name_r) AND names_are_close(family_name_l, given_name_r)"
    " AND NOT names_are_close(given_name_l, given_name_r)"
)

_NO_POSTCODE = "coalesce(postcode_l, postcode_r) IS NULL"
_ADDRESS_EDITS = "address_edits(address_letters_l, address_letters_r)"

COMPARISONS: tuple[Comparison, ...] = (
    Comparison(
        "given_name",
        "given_name_l IS NULL OR given_name_r IS NULL",
        (
            Level("same", "given_name_l = given_name_r", 0.80, "given_name"),
            # A nickname, one of several names, the middle name in daily use, or an alias.
            Level(
                "variant",
                "list_has_any(given_forms_l, given_names_r) OR list_has_any(given_names_l, given_forms_r)",
                0.06,
                is_step=False,
            ),
            Level("swapped", _SWAPPED, 0.015, is_step=False),
            Level("one_edit", "least(length(given_name_l), length(given_name_r)) >= 3"
                  " AND damerau_levenshtein(given_name_l, given_name_r) <= 1", 0.05),
            Level("prefix", "least(length(given_name_l), length(given_name_r)) >= 2"
                  " AND (starts_with(given_name_l, given_name_r) OR starts_with(given_name_r, given_name_l))",
                  0.01, is_step=False),
            Level("close", "names_sound_alike(given_sound_l, given_sound_r, given_name_l, given_name_r)"
                  " OR names_are_close(given_name_l, given_name_r)", 0.03),
            Level("initial", "least(length(given_name_l), length(given_name_r)) = 1"
                  " AND given_name_l[1] = given_name_r[1]", 0.015, is_step=False),
            Level("different", "ELSE", 0.03),
        ),
        ("given_name",),
    ),
    # Family members and namesakes seldom share them, but few providers write them down.
    Comparison(
        "middle_names",
        "middle_words_l IS NULL OR middle_words_r IS NULL",
        (
            Level("same", "middle_words_l = middle_words_r", 0.85),
            # An initial, one of several, a spelling, or the middle name in daily use.
            Level(
                "partly",
                "list_has_any(middle_words_l, middle_words_r) OR list_has_any(middle_words_l, given_words_r)"
                " OR list_has_any(given_words_l, middle_words_r)"
                " OR (least(length(middle_words_l[1]), length(middle_words_r[1])) = 1"
                " AND middle_words_l[1][1] = middle_words_r[1][1])"
                " OR names_are_close(middle_words_l[1], middle_words_r[1])",
                0.10,
            ),
            Level("different", "ELSE", 0.05, least_weight=-5.0),
        ),
        ("middle_names",),
    ),
    Comparison(
        "family_name",
        "family_name_l IS NULL OR family_name_r IS NULL",
        (
            Level("same", "family_name_l = family_name_r", 0.82, "family_name"),
            Level("swapped", _SWAPPED, 0.015, is_step=False),
            # A previous name, one part of a double name, or an alias.
            Level("shared_part", "list_has_any(family_forms_l, family_forms_r)", 0.03, is_step=False),
            Level("one_edit", "least(length(family_name_l), length(family_name_r)) >= 3"
                  " AND damerau_levenshtein(family_name_l, family_name_r) <= 1", 0.05),
            Level("close", "names_sound_alike(family_sound_l, family_sound_r, family_name_l, family_name_r)"
                  " OR names_are_close(family_name_l, family_name_r)", 0.03),
            # One of the names stands in the other's field (a middle name's too), and the other one is lost.
            Level("in_other_field", "names_are_close(family_name_l, given_name_r)"
                  " OR names_are_close(given_name_l, family_name_r) OR list_contains(middle_words_l, family_name_r)"
                  " OR list_contains(middle_words_r, family_name_l)", 0.005, is_step=False),
            Level("different", "ELSE", 0.05),
        ),
        ("family_name",),
    ),
    Comparison(
        "birth_date",
        "birth_digits_l IS NULL OR birth_digits_r IS NULL",
        (
            Level("same", "birth_digits_l = birth_digits_r", 0.93, "birth_digits"),
            Level(
                "day_month_swapped",
                "birth_digits_l[1:4] = birth_digits_r[1:4] AND birth_digits_l[5:6] = birth_digits_r[7:8]"
                " AND birth_digits_l[7:8] = birth_digits_r[5:6]",
                0.01,
            ),
            Level("one_digit", "damerau_levenshtein(birth_digits_l, birth_digits_r) <= 1", 0.03),
            Level("same_month_and_year", "birth_digits_l[1:6] = birth_digits_r[1:6]", 0.01),
            Level(
                "two_parts",
                "(birth_digits_l[1:4] = birth_digits_r[1:4])::INTEGER"
                " + (birth_digits_l[5:6] = birth_digits_r[5:6])::INTEGER"
                " + (birth_digits_l[7:8] = birth_digits_r[7:8])::INTEGER >= 2",
                0.01,
            ),
            # Where only the year was known, the first of January stands for it.
            Level(
                "year_only",
                "birth_digits_l[1:4] = birth_digits_r[1:4]"
                " AND (birth_digits_l[5:8] = '0101' OR birth_digits_r[5:8] = '0101')",
                0.003,
            ),
            Level("different", "ELSE", 0.015, least_weight=-9.0),
        ),
        ("birth_date",),
    ),
    Comparison(
        "sex",
        "sex_l IS NULL OR sex_r IS NULL",
        (Level("same", "sex_l = sex_r", 0.99), Level("different", "ELSE", 0.01)),
        ("sex",),
    ),
    # Postcode, address and GP practice are one comparison: they agree and disagree together, and twice the weight of
    # one home would join households. The practice says something only of who has moved or whose home is not known.
    Comparison(
        "home",
        "(postcode_l IS NULL OR postcode_r IS NULL) AND (address_words_l IS NULL OR address_words_r IS NULL)"
        " AND coalesce(gp_practice_l <> gp_practice_r, true)",
        (
            Level(
                "same_address",
                "(address_overlap(address_words_l, address_words_r) >= 0.8"
                " AND coalesce(damerau_levenshtein(postcode_l, postcode_r) <= 2, true))"
                f" OR ({_NO_POSTCODE} AND {_ADDRESS_EDITS} <= 0.1)",
                0.55,
                "address_key",
            ),
            Level("same_postcode", "postcode_l = postcode_r", 0.15, "postcode"),
            Level("same_practice", "gp_practice_l = gp_practice_r", 0.08),
            Level(
                "similar",
                "coalesce(address_overlap(address_words_l, address_words_r) >= 0.5, false)"
                " OR coalesce(damerau_levenshtein(postcode_l, postcode_r) <= 1, false)"
                f" OR ({_NO_POSTCODE} AND {_ADDRESS_EDITS} <= 0.3)",
                0.10,
            ),
            # Where there is no postcode to go by, what is left of a badly typed address.
            Level(
                "remotely_similar",
                f"{_NO_POSTCODE} AND ({_ADDRESS_EDITS} <= 0.45"
                " OR coalesce(address_overlap(address_words_l, address_words_r) >= 0.33, false))",
                0.05,
            ),
            Level("different", "ELSE", 0.15, least_weight=-4.0),
        ),
        ("postcode", "address"),
    ),
    Comparison(
        "phone",
        "phone_l IS NULL OR phone_r IS NULL",
        (
            # A home's telephone: of people of one home it says little more than the home does.
            Level(
                "same_in_one_home",
                "phone_l = phone_r AND (address_key_l = address_key_r OR postcode_l = postcode_r)",
                0.40,
                is_step=False,
            ),
            Level("same", "phone_l = phone_r", 0.20, "phone"),
            Level("one_digit", "damerau_levenshtein(phone_l, phone_r) <= 1", 0.05),
            Level("different", "ELSE", 0.35, least_weight=-3.0),
        ),
        ("phone",),
    ),
    Comparison(
        "email",
        "email_l IS NULL OR email_r IS NULL",
        (
            Level("same", "email_l = email_r", 0.70, "email"),
            Level("close", "jaro_winkler_similarity(email_l, email_r) >= 0.92", 0.05),
            Level("different", "ELSE", 0.25, least_weight=-4.0),
        ),
        ("email",),
    ),
    Comparison(
        "nhs_number",
        "current_nhs_number_l IS NULL OR current_nhs_number_r IS NULL",
        (
            Level("same", "current_nhs_number_l = current_nhs_number_r AND nhs_number_l = nhs_number_r", 0.97,
                  "current_nhs_number"),
            # Replacement chains have been followed: a superseded number equals the one that replaced it.
            Level("superseded", "current_nhs_number_l = current_nhs_number_r", 0.015),
            # A transposition counts as one.
            Level("one_digit", "damerau_levenshtein(current_nhs_number_l, current_nhs_number_r) <= 1", 0.005),
            Level("different", "ELSE", 0.01),
        ),
        ("nhs_number",),
    ),
)  # fmt: skip
"""Every comparison, in the order of `registry explain`. GP practice is none: a household shares it."""

FREQUENCY_COLUMNS: tuple[str, ...] = tuple(
    dict.fromkeys(level.frequency_of for c in COMPARISONS for level in c.levels if level.frequency_of)
)
"""Columns whose term frequencies are counted once per model version (`frozen`), as digests of values."""


FAMILY_RULES = (
    "different_given_name_in_one_family",
    "different_sex_and_given_name",
    "parent_and_child_of_one_name",
    "different_birth_date",
    "only_household_evidence",
)
"""Rules of `sql/link_decide.sql` that keep members of one family apart. They cost true pairs in data whose names and
birth dates are often wrong altogether; see `LinkageModel.has_households`."""


def comparison_named(name: str) -> Comparison:
    """One comparison by its name."""
    return next(c for c in COMPARISONS if c.name == name)


def compared_columns(comparisons: Collection[str]) -> tuple[str, ...]:
    """Columns of `link_record` that these comparisons look at, and the frequencies that their levels rest on."""
    found: dict[str, None] = {}
    for comparison in (c for c in COMPARISONS if c.name in comparisons):
        for sql in (comparison.missing, *(level.sql for level in comparison.levels)):
            found |= dict.fromkeys(re.findall(r"\b([a-z_]+)_[lr]\b", sql))
        found |= dict.fromkeys(f"tf_{level.frequency_of}" for level in comparison.levels if level.frequency_of)
    return tuple(found)


def level_numbers() -> dict[str, dict[str, int]]:
    """Comparison to level to Splink's number, for SQL that speaks of levels by name."""
    return {c.name: {level.name: c.gamma(level.name) for level in c.levels} for c in COMPARISONS}


# Blocking -----------------------------------------------------------------------------------------------------------


DISTINCT_WORDS = ("name_words", "given_words")
"""Lists of `link_record` that hold no word twice: making them distinct again would cost most of a key's making."""


@dataclass(frozen=True)
class BlockingRule:
    """Records that share a key are compared.

    Attributes:
        name: by meaning.
        keys: SQL over `link_record`: a list of texts, one per key; NULL keys never block.
        pairs_per_record: the rule's budget. Its largest blocks are left out until the pairs fit: values that very many
            records share tell nobody apart. Loose rules serve small data in full and rare values in large data.
        most_records: the rule is for data of at most so many records, where its many keys cost little.
    """

    name: str
    keys: str
    pairs_per_record: float
    most_records: int | None = None

    @property
    def _single(self) -> str | None:
        """The one key of a list of one, which is spared the work of a list."""
        found = re.fullmatch(r"\[([^,]*)\]", self.keys)
        return found[1] if found else None

    @property
    def hashed_keys(self) -> str:
        """SQL of a record's keys as digests, one or a list of them; no two rules' keys have one digest."""
        salt = f"{int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], 'big')}::UBIGINT"
        if self._single:
            return f"CASE WHEN ({self._single}) IS NOT NULL THEN xor(hash({self._single}), {salt}) END"
        if any(self.keys.startswith(f"list_transform({words},") for words in DISTINCT_WORDS):
            return f"list_transform({self.keys}, lambda key: CASE WHEN key IS NOT NULL THEN xor(hash(key), {salt}) END)"
        return f"list_transform(list_distinct({self.keys}), lambda key: xor(hash(key), {salt}))"

    @property
    def key_type(self) -> str:
        """DuckDB type of `hashed_keys`."""
        return "UBIGINT" if self._single else "UBIGINT[]"

    @property
    def unnested(self) -> str:
        """SQL that gives the keys kept in a column of the rule's name, one row a key."""
        return self.name if self._single else f"unnest({self.name})"


MOST_RECORDS_IN_A_BLOCK = 500
"""No rule compares a larger block, whatever its budget."""

_TIGHT, _LOOSE, _WIDE = 8.0, 2.0, 6.0

SMALL_DATA = 200_000
"""Records up to which the loosest rules are used, and those with many keys a record: a small registry may have no
usable postcode. In a large one they would make most of the pairs and find next to none of the true ones."""

TINY_DATA = 30_000
"""Records up to which a part of one field is worth a comparison: such data is often a trial with very many errors,
where records of one person share little that is right, and fifty comparisons a record take seconds."""

_TWO_ADDRESS_WORDS = (
    "flatten(list_transform(address_words[1:8], lambda a: list_transform(list_filter(address_words[1:8],"
    " lambda b: b > a), lambda b: a || ' ' || b)))"
)
_ADDRESS_WORD_AND_NAME = (
    "flatten(list_transform(address_words[1:8],"
    " lambda a: list_transform([given_sound, family_sound], lambda b: a || b)))"
)


def _each(words: str, *others: str) -> str:
    """SQL of a list of keys: every one of some words, each with the other parts."""
    return f"list_transform({words}, lambda w: {' || '.join(('w', *others))})"


BLOCKING_RULES: tuple[BlockingRule, ...] = (
    BlockingRule("name_and_birth_date", _each("name_words", "birth_digits"), _TIGHT),
    BlockingRule("sound_and_birth_date", _each("[given_sound, family_sound]", "birth_digits"), _TIGHT),
    BlockingRule("names_and_birth_year", "[names_key || birth_digits[1:4]]", _TIGHT),
    BlockingRule("names_and_birthday", "[names_key || birth_digits[5:8]]", _TIGHT),
    BlockingRule("names_and_postcode", "[names_key || postcode]", _TIGHT),
    BlockingRule("postcode_and_birth_date", "[postcode || birth_digits]", _TIGHT),
    BlockingRule("given_name_and_postcode", _each("given_words", "postcode"), _TIGHT),
    BlockingRule("given_name_and_address", _each("given_words", "address_key"), _TIGHT),
    BlockingRule("address_and_birth_date", "[address_key || birth_digits]", _TIGHT),
    BlockingRule("postcode_and_birth_year_and_month", "[postcode || birth_digits[1:6]]", _LOOSE),
    # A family shares its telephone and its surname: the given name has to be there.
    BlockingRule("phone_and_given_name", _each("given_words", "phone_of_few"), _TIGHT),
    BlockingRule("phone_and_birth_date", "[phone_of_few || birth_digits]", _TIGHT),
    BlockingRule("email", "[email]", _LOOSE),
    BlockingRule("sounds_and_birth_year", "[given_sound || '|' || family_sound || birth_digits[1:4]]", _LOOSE),
    BlockingRule("sounds_and_birthday", "[given_sound || '|' || family_sound || birth_digits[5:8]]", _LOOSE),
    BlockingRule("family_name_and_birth_year_and_postcode", "[family_sound || birth_digits[1:4] || postcode]", _LOOSE),
    BlockingRule("given_name_day_district", _each("given_words", "birth_digits[5:8]", "postcode_district"), _LOOSE),
    BlockingRule("given_name_month_district", _each("given_words", "birth_digits[1:6]", "postcode_district"), _LOOSE),
    # For small data, where one agreement already tells records apart.
    BlockingRule("names", "[names_key]", _LOOSE, SMALL_DATA),
    BlockingRule("sounds", "[given_sound || '|' || family_sound]", _LOOSE, SMALL_DATA),
    BlockingRule("birth_date", "[birth_digits]", _LOOSE, SMALL_DATA),
    BlockingRule("phone", "[phone_of_few]", _LOOSE, SMALL_DATA),
    BlockingRule("address", "[address_key]", _LOOSE, SMALL_DATA),
    BlockingRule("two_address_words", _TWO_ADDRESS_WORDS, _TIGHT, SMALL_DATA),
    BlockingRule("address_word_and_name", _ADDRESS_WORD_AND_NAME, _TIGHT, SMALL_DATA),
    # For tiny data, where records of one person may have only a part of one field right.
    BlockingRule("sound_and_birth_year", _each("[given_sound, family_sound]", "birth_digits[1:4]"), _WIDE, TINY_DATA),
    BlockingRule("sound_and_birthday", _each("[given_sound, family_sound]", "birth_digits[5:8]"), _WIDE, TINY_DATA),
    BlockingRule("beginnings_of_names", "[least(given_name[1:3], family_name[1:3]) || '|' || greatest(given_name[1:3],"
                 " family_name[1:3])]", _WIDE, TINY_DATA),
    BlockingRule("beginning_of_name_and_birth_year_and_month",
                 _each("list_distinct([given_name[1:4], family_name[1:4]])", "birth_digits[1:6]"), _WIDE, TINY_DATA),
    BlockingRule("initials_and_birth_year", "[given_name[1] || family_name[1] || birth_digits[1:4]]", _WIDE, TINY_DATA),
    BlockingRule("initials_and_address_word", _each("address_words[1:8]", "given_name[1]", "family_name[1]"), _WIDE,
                 TINY_DATA),
    BlockingRule("email_without_host", "[split_part(email, '@', 1)]", _WIDE, TINY_DATA),
    BlockingRule("beginning_of_email", "[split_part(email, '@', 1)[1:5]]", _WIDE, TINY_DATA),
    BlockingRule("end_of_email_without_host", "[split_part(email, '@', 1)[-5:]]", _WIDE, TINY_DATA),
    BlockingRule("end_of_phone", "[phone_of_few[-6:]]", _WIDE, TINY_DATA),
    BlockingRule("beginning_of_phone", "[phone_of_few[1:8]]", _WIDE, TINY_DATA),
    BlockingRule("birth_year_and_month", "[birth_digits[1:6]]", _WIDE, TINY_DATA),
    BlockingRule("birth_year_and_day", "[birth_digits[1:4] || birth_digits[7:8]]", _WIDE, TINY_DATA),
    BlockingRule("given_name", "[given_sound]", _WIDE, TINY_DATA),
    BlockingRule("family_name", "[family_sound]", _WIDE, TINY_DATA),
)  # fmt: skip

SAME_NHS_NUMBER = "same_nhs_number"
LOCAL_MERGE = "local_merge"
CERTAIN = (SAME_NHS_NUMBER, LOCAL_MERGE)
"""What decides a pair without a score."""

CANDIDATE_RULES: tuple[str, ...] = (LOCAL_MERGE, SAME_NHS_NUMBER, *(rule.name for rule in BLOCKING_RULES))
"""Names of `linked_pair.blocking_rule`: the two deterministic sources of pairs come first."""


@dataclass(frozen=True)
class TrainingBlock:
    """Pairs that EM learns m from: those that agree on `key`; comparisons of the key's own columns learn elsewhere."""

    name: str
    key: str
    says_nothing_of: tuple[str, ...]


MOST_RECORDS_OF_A_HOME = 30
"""An address in more records than this is no family's home: an institution, or a town without a street."""

HOUSEHOLD_KEY = (
    "family_name || '|' || coalesce("
    f"CASE WHEN coalesce(n_address_key, 1) <= {MOST_RECORDS_OF_A_HOME} THEN address_key END, phone_of_few)"
)
"""Pairs that agree on it are one person, or two of one family: which it is shows in given name and birth date."""

TRAINING_BLOCKS: tuple[TrainingBlock, ...] = (
    TrainingBlock("same_nhs_number", "current_nhs_number", ("nhs_number",)),
    TrainingBlock("same_birth_date", "birth_digits", ("birth_date",)),
    TrainingBlock("same_names", "given_name || '|' || family_name", ("given_name", "family_name")),
    TrainingBlock("same_given_name_and_postcode", "given_name || '|' || postcode", ("given_name", "home")),
    TrainingBlock("same_given_name_and_phone", "given_name || '|' || phone", ("given_name", "phone")),
    TrainingBlock("same_email", "email", ("email",)),
)

# Numbers ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LevelNumbers:
    """m: share of true pairs in the level; u: share of other pairs."""

    m: float
    u: float

    @property
    def weight(self) -> float:
        """Match weight, log base 2 of m over u."""
        return math.log2(self.m / self.u)


@dataclass(frozen=True)
class Calibration:
    """What share of pairs is true, by what decides them and their weight without the NHS numbers.

    Attributes:
        log_odds: group of `sql/link_decide.sql` to its log odds (base e) at the weights `CALIBRATED_FROM`, + 1, ...
        pairs: labelled pairs of each group.
        label_noise: share of the pairs of one person that the labels deny (two verified numbers, one of them wrong).
        reliability: bins of the reported probability on pairs that the curves were not fitted on; for the model card.
    """

    log_odds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    pairs: Mapping[str, int] = field(default_factory=dict)
    label_noise: float = 0.0
    reliability: tuple[Mapping[str, float], ...] = ()


@dataclass(frozen=True)
class LinkageModel:
    """The numbers of one version.

    Attributes:
        matches_per_record: true pairs for each person record; what the prior is made from, for any number of records.
        comparisons: comparison to level to its numbers; comparisons that were not trained are absent.
        has_households: whether the data holds people of one home, birth date or name who are not one person, as far as
            training could see; where not, the rules that keep families apart rest.
        match_weight: weight from which on a pair is a match.
        calibration: what share of pairs is true; empty where there were no labels, and a pair then reports the
            probability that its weight says.
        trained_on: record and pair counts, columns and blocks; never a value.
    """

    version: str
    matches_per_record: float
    comparisons: Mapping[str, Mapping[str, LevelNumbers]]
    has_households: bool = True
    match_weight: float = MATCH_WEIGHT
    calibration: Calibration = field(default_factory=Calibration)
    trained_at: datetime | None = None
    trained_on: Mapping[str, Any] = field(default_factory=dict)

    def prior(self, records: int) -> float:
        """Probability that two of so many records, drawn at random, are one person.

        The number of true pairs grows with the records, the number of pairs with their square: a prior learned on one
        size must not be used on another as it stands.
        """
        return min(0.5, max(2.0 * self.matches_per_record / max(records - 1, 1), 1e-12))

    @property
    def digest(self) -> str:
        """Of the numbers that scores and outcomes rest on: two models of one digest link alike."""
        content = {key: value for key, value in self.as_json().items() if key not in ("trained_at", "trained_on")}
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """What is saved."""
        return {
            "version": self.version,
            "comparison_code_version": COMPARISON_CODE_VERSION,
            "splink": splink_version(),
            "columns": sorted({column for name in self.comparisons for column in comparison_named(name).columns}),
            "trained_at": self.trained_at.isoformat(timespec="seconds") if self.trained_at else None,
            "prior": {
                "matches_per_record": round(self.matches_per_record, 6),
                "at_training": self.prior(int(self.trained_on.get("records", 2))),
            },
            "has_households": self.has_households,
            "match_weight": round(self.match_weight, 2),
            "calibration": {
                "from_weight": CALIBRATED_FROM,
                "log_odds": {
                    group: [round(value, 4) for value in self.calibration.log_odds[group]]
                    for group in sorted(self.calibration.log_odds)
                },
                "pairs": dict(sorted(self.calibration.pairs.items())),
                "label_noise": round(self.calibration.label_noise, 6),
                "reliability": [dict(row) for row in self.calibration.reliability],
            },
            "term_frequencies": {
                c.name: {level.name: level.frequency_of for level in c.levels if level.frequency_of}
                for c in COMPARISONS
                if c.name in self.comparisons
            },
            "comparisons": {
                name: {level: {"m": numbers.m, "u": numbers.u} for level, numbers in levels.items()}
                for name, levels in self.comparisons.items()
            },
            "trained_on": dict(self.trained_on),
        }


def splink_version() -> str:
    """Splink's major version: what it makes of levels and numbers may change with it."""
    return metadata.version("splink").split(".")[0]


def untrained_model(comparisons: Collection[str]) -> LinkageModel:
    """Where training begins: typical m, and u that only keeps the order of the levels."""
    numbers = {}
    for name in comparisons:
        levels = comparison_named(name).levels
        numbers[name] = {
            level.name: LevelNumbers(level.typical_m, 0.02 / len(levels) if level.sql != "ELSE" else 0.98)
            for level in levels
        }
    return LinkageModel("untrained", 0.5, numbers)


def decision_parameters(model: LinkageModel) -> dict[str, Any]:
    """The numbers that `sql/link_decide.sql` is bound to, for one model."""
    groups = sorted(model.calibration.log_odds)
    return {
        "match_weight": model.match_weight,
        "possible_match_weight": POSSIBLE_MATCH_WEIGHT,
        "kept_weight": KEPT_WEIGHT,
        "generation_years": GENERATION_YEARS,
        "has_households": model.has_households,
        "family_rules": list(FAMILY_RULES),
        "calibrated_from": CALIBRATED_FROM,
        "calibrated_groups": groups,
        "calibrated_log_odds": [list(model.calibration.log_odds[group]) for group in groups],
    }


def filled_comparisons(columns: Collection[str]) -> tuple[str, ...]:
    """Comparisons that can say something where these person_record columns hold values."""
    return tuple(c.name for c in COMPARISONS if any(column in columns for column in c.columns))


def splink_settings(model: LinkageModel, comparisons: Collection[str], records: int) -> Any:
    """Splink's settings for these comparisons, with the model's numbers and the prior for so many records.

    Pairs are blocked by `match` (capped blocks, no pair twice), so no blocking rule stands in the settings.
    """
    from splink import SettingsCreator, comparison_library

    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="id",
        comparisons=[
            comparison_library.CustomComparison(
                output_column_name=c.name, comparison_levels=_splink_levels(c, model.comparisons[c.name])
            )
            for c in COMPARISONS
            if c.name in comparisons and c.name in model.comparisons
        ],
        probability_two_random_records_match=model.prior(records),
        retain_matching_columns=False,  # see match.Scorer: the levels come from the weights
        retain_intermediate_calculation_columns=True,
        linker_uid=f"registry_{model.version}",
    )


def _splink_levels(comparison: Comparison, numbers: Mapping[str, LevelNumbers]) -> list[Any]:
    import splink.comparison_level_library as level_library

    made: list[Any] = [
        level_library.CustomLevel(comparison.missing, label_for_charts="missing").configure(is_null_level=True)
    ]
    for level in comparison.levels:
        options: dict[str, Any] = {"m_probability": numbers[level.name].m, "u_probability": numbers[level.name].u}
        if level.frequency_of:
            # The level's own u is what the frequency stands for, also where the level is more than plain equality.
            options |= {"tf_adjustment_column": level.frequency_of, "disable_tf_exact_match_detection": True}
        made.append(level_library.CustomLevel(level.sql, label_for_charts=level.name).configure(**options))
    return made


def load_model(path: Path) -> LinkageModel:
    """Read a saved model.

    Raises:
        BadInput: the file is no model, or one for other comparisons than this code's.
    """
    try:
        content = read_json(path)
        if content["comparison_code_version"] != COMPARISON_CODE_VERSION:
            raise BadInput(
                f"The linkage model {path} was trained for comparisons of version {content['comparison_code_version']},"
                f" this code compares by version {COMPARISON_CODE_VERSION}: run `registry train` for a new model."
            )
        _check_fit(path, content)
        comparisons = {
            name: {level.name: _numbers(saved[level.name]) for level in comparison_named(name).levels}
            for name, saved in content["comparisons"].items()
        }
        return LinkageModel(
            version=str(content["version"]),
            matches_per_record=_finite(content["prior"]["matches_per_record"]),
            comparisons=comparisons,
            has_households=bool(content["has_households"]),
            match_weight=_finite(content["match_weight"]),
            calibration=_calibration(content["calibration"]),
            trained_at=datetime.fromisoformat(content["trained_at"]) if content.get("trained_at") else None,
            trained_on=content.get("trained_on", {}),
        )
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as problem:
        raise BadInput(
            f"{path} is not a linkage model that this code can read ({type(problem).__name__}): name another version"
            " as `model` in registry.yaml, or run `registry train`."
        ) from problem


def _check_fit(path: Path, content: Mapping[str, Any]) -> None:
    """Refuse a model of another Splink, of columns that the tables do not have, or of comparisons that are not made.

    Raises:
        BadInput: says which.
    """
    if content["splink"] != splink_version():
        raise BadInput(
            f"The linkage model {path} was trained with Splink {content['splink']}, here is Splink {splink_version()}:"
            " install that version or run `registry train` for a new model."
        )
    if not content["comparisons"]:
        raise BadInput(f"The linkage model {path} has no comparison: run `registry train` for a new model.")
    there = {column.name for column in TABLES["person_record"].columns}
    missing = sorted(set(content["columns"]) - there)
    if missing:
        raise BadInput(
            f"The linkage model {path} compares columns that person_record does not have ({', '.join(missing)}):"
            " run `registry train` for a new model."
        )
    unknown = sorted(set(content["comparisons"]) - {comparison.name for comparison in COMPARISONS})
    if unknown:
        raise BadInput(
            f"The linkage model {path} has numbers for comparisons that this code does not make ({', '.join(unknown)}):"
            " run `registry train` for a new model."
        )


def _calibration(saved: Mapping[str, Any]) -> Calibration:
    curves = {str(group): tuple(float(value) for value in curve) for group, curve in saved["log_odds"].items()}
    if saved["from_weight"] != CALIBRATED_FROM or any(len(curve) != CALIBRATED_WEIGHTS for curve in curves.values()):
        raise ValueError("the calibration is of other weights")
    if any(not math.isfinite(value) for curve in curves.values() for value in curve):
        raise ValueError("the calibration holds numbers that cannot be")
    return Calibration(
        curves,
        {str(group): int(pairs) for group, pairs in saved["pairs"].items()},
        float(saved["label_noise"]),
        tuple(saved["reliability"]),
    )


def _finite(saved: Any) -> float:
    """A number as JSON's readers take it, but for those that are none: NaN and Infinity."""
    number = float(saved)
    if not math.isfinite(number):
        raise ValueError("not a number")
    return number


def _numbers(saved: Mapping[str, float]) -> LevelNumbers:
    m, u = float(saved["m"]), float(saved["u"])
    if not (0 < m <= 1 and 0 < u <= 1):
        raise ValueError("m and u lie above 0 and not above 1")
    return LevelNumbers(m, u)


def saved_versions(folder: Path) -> list[tuple[str, Path]]:
    """Versions in a folder (`v0001`, `v0002`, ...), the newest first."""
    found = [p for p in folder.glob("v*.json") if re.fullmatch(r"v[0-9]+", p.stem)]
    return [(p.stem, p) for p in sorted(found, key=lambda p: int(p.stem[1:]), reverse=True)]


def choose_model(configuration: Configuration, columns: Collection[str]) -> LinkageModel:
    """The model of the night: the one that the deployment names, else the newest that fits what is delivered.

    Args:
        configuration: says where models lie, and may name one.
        columns: person_record columns that hold values tonight.

    Raises:
        BadInput: the named version is not there, or no model can be read.
    """
    folder = configuration.models
    versions = saved_versions(folder)
    named = configuration.deployment.model
    if named is not None:
        path = dict(versions).get(named, folder / f"{named}.json")
        if not path.is_file():
            there = ", ".join(version for version, _ in versions) or "none"
            raise BadInput(
                f"There is no linkage model {named!r} in {folder} (there: {there}): see `model` in registry.yaml."
            )
        return load_model(path)
    readable = _readable(versions)
    if not readable:
        raise BadInput(f"There is no linkage model for this code in {folder}: run `registry train` on a night first.")
    wanted = set(filled_comparisons(columns))
    return next((model for model in readable if wanted <= set(model.comparisons)), readable[0])


def _readable(versions: Sequence[tuple[str, Path]]) -> list[LinkageModel]:
    models = []
    for _, path in versions:
        try:
            models.append(load_model(path))
        except BadInput:  # an older code's model does not keep a newer one from being used
            continue
    return models
