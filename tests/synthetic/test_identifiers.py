import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_pipeline.synthetic import identifiers, recording
from registry_pipeline.synthetic.names import composed, fold, pools
from registry_pipeline.synthetic.randomness import pick, stream

seeds = st.integers(0, 2**32 - 1)
dice = st.integers(0, 2**30)


def number_of(seed: int) -> str:
    return str(int(identifiers.nhs_numbers(stream(seed), 1)[0]))


def test_check_digit_of_the_standards_own_example():
    assert identifiers.is_valid(np.array([9434765919])).all()
    assert not identifiers.is_valid(np.array([9434765918])).any()


@given(seeds, st.integers(1, 3000))
def test_nhs_numbers_are_valid_made_up_and_all_different(seed, size):
    numbers = identifiers.nhs_numbers(stream(seed), size)
    assert len(numbers) == len(set(numbers.tolist())) == size
    assert identifiers.is_valid(numbers).all()
    assert ((numbers >= 9_000_000_000) & (numbers <= 9_999_999_999)).all()
    assert not {9_999_999_999, 9_000_000_009} & set(numbers.tolist())


@given(seeds, dice)
def test_one_wrong_or_two_swapped_digits_never_pass_modulus_11(seed, throw):
    right = number_of(seed)
    for slip in (recording.change_digit, recording.swap_digits):
        wrong = slip(right, throw)
        assert len(wrong) == 10
        assert wrong != right
        assert not identifiers.is_valid(np.array([int(wrong)])).any()


@given(seeds, dice)
def test_a_valid_slip_is_another_number_of_the_range_that_passes_modulus_11(seed, throw):
    right = number_of(seed)
    wrong = recording.valid_slip(right, throw)
    assert wrong != right
    assert 9_000_000_000 <= int(wrong) <= 9_999_999_999
    assert identifiers.is_valid(np.array([int(wrong)])).all()


@given(seeds, st.integers(10, 5000))
def test_postcodes_have_the_form_of_real_ones_and_differ(seed, size):
    areas = ["QA", "QE", "QH", "VE"]
    codes = identifiers.postcodes(stream(seed), areas, size)
    form = re.compile(r"(QA|QE|QH|VE)[0-9]{1,2} [0-9][ABDEFGHJLNPQRSTUWXYZ]{2}")
    assert all(form.fullmatch(code) for code in codes)
    assert len(set(codes)) == size


def test_practice_codes_are_a_letter_and_five_digits():
    codes = identifiers.practice_codes(300)
    assert len(set(codes)) == 300
    assert all(re.fullmatch(r"[A-P][0-9]{5}", code) for code in codes)


@given(st.text(alphabet="abcdefghij'", min_size=1, max_size=12), dice)
def test_a_slip_of_the_keyboard_changes_little(name, throw):
    slipped = recording.mistype(name, throw)
    assert abs(len(slipped) - len(name)) <= 1
    assert slipped[0] == name[0]


@given(dice)
@pytest.mark.parametrize(
    ("name", "forms"),
    [
        ("McDonald", {"MacDonald", "Mc Donald", "M'Donald"}),
        ("O'Brien", {"O Brien", "OBrien", "O'Brien"}),
        ("Mackenzie", {"Mackenzie"}),
        ("MacLeod", {"McLeod", "Mac Leod"}),
    ],
)
def test_prefixes_as_other_desks_write_them(name, forms, throw):
    assert recording.write_prefix_otherwise(name, throw) in forms | {name}


@pytest.mark.parametrize(
    ("name", "folded"), [("Małgorzata", "Malgorzata"), ("Yılmaz", "Yilmaz"), ("Nguyễn", "Nguyen"), ("Éabha", "Eabha")]
)
def test_folding_loses_diacritics_only(name, folded):
    assert fold(name) == folded


def test_pools_are_large_skewed_and_of_many_traditions():
    pool = pools()
    assert len(pool.traditions) >= 20
    english = pool.traditions[0]
    drawn = english.family(stream(1), 200_000)
    counts = np.sort(np.bincount(drawn))[::-1]
    assert (counts > 0).sum() > 3000
    assert counts[0] / len(drawn) < 0.035
    assert counts[:100].sum() / len(drawn) > 0.25


def test_every_name_can_be_written_in_windows_1252_and_in_ascii():
    pool = pools()
    for text in pool.cp1252:
        text.encode("cp1252")
    assert all(text.isascii() for text in pool.folded)


def test_composed_names_are_each_there_once():
    made = composed("A B A", "x y")
    assert sorted(made) == ["Ax", "Ay", "Bx", "By"]


@given(seeds)
def test_picking_follows_the_weights(seed):
    picked = pick(stream(seed), 4000, {"a": 0.9, "b": 0.1, "c": 0.0})
    assert 0.85 < (picked == "a").mean() < 0.95
    assert "c" not in picked
