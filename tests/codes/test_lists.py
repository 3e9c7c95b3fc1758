"""Code lists: the ones that come with the code are sound, a deployment's own come first, and bad ones are named by line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from registry_pipeline import codes
from registry_pipeline.codes import LISTS
from registry_pipeline.errors import BadInput
from tests.codes.small_reading import configuration

HEAD = "coding_system,code,term\n"
SIDECAR = "title: T\nversion: 2026-11-22\nsource: somebody's paper\nlicence: none\n"


def own_lists(folder: Path, **lists: str):
    """A deployment with lists of its own: name to the text of the CSV."""
    (folder / "lists").mkdir(parents=True, exist_ok=True)
    for name, text in lists.items():
        (folder / "lists" / f"{name}.csv").write_text(text, encoding="utf-8")
        (folder / "lists" / f"{name}.yaml").write_text(SIDECAR, encoding="utf-8")
    return configuration(folder, code_lists=Path("lists"))


@pytest.mark.parametrize("name", sorted(file.stem for file in LISTS.glob("*.csv")))
def test_each_list_that_comes_with_the_code_is_sound_and_says_where_it_comes_from(name, tmp_path):
    code_list = codes.load(configuration(tmp_path), name)
    assert code_list.codes
    assert all((code_list.title, code_list.version, len(code_list.source) > 20, code_list.licence))


def test_every_description_has_its_list():
    assert {file.stem for file in LISTS.glob("*.yaml")} == {file.stem for file in LISTS.glob("*.csv")}


def test_a_list_is_read_with_items_and_weights(tmp_path):
    text = 'coding_system,code,term,item,weight\nicd10,I10,"Hypertension, essential",heart,1.5\n\nsnomed, 38341003 ,BP,heart,-2\n'
    found = codes.load(own_lists(tmp_path, mine=text), "mine")
    assert [(c.coding_system, c.code, c.term, c.item, c.weight, c.line) for c in found.codes] == [
        ("icd10", "I10", "Hypertension, essential", "heart", 1.5, 2),
        ("snomed", "38341003", "BP", "heart", -2.0, 4),
    ]
    assert found.items == ("heart",)
    assert found.about == {"title": "T", "version": "2026-11-22", "source": "somebody's paper"}


def test_a_deployments_own_list_takes_the_place_of_ours(tmp_path):
    configured = own_lists(tmp_path, diabetes=HEAD + "icd10,E11,Type 2\n", another=HEAD + "icd10,E10,Type 1\n")
    assert [c.code for c in codes.load(configured, "diabetes").codes] == ["E11"]
    assert {"another", "diabetes", "hospital_frailty"} <= set(codes.names(configured))
    codes.check(configured)


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(tmp_path):
    configured = own_lists(tmp_path)
    (tmp_path / "lists" / "mine.csv").write_bytes(
        b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode() + b"icd10,I10,x\r\n"
    )
    (tmp_path / "lists" / "mine.yaml").write_text(SIDECAR, encoding="utf-8")
    assert len(codes.load(configured, "mine").codes) == 1


BAD = {
    "empty_file": ("", "line 1: the header has no column coding_system"),
    "no_header": ("icd10,I10,Hypertension\n", "line 1: the header has no column coding_system"),
    "no_term_column": ("coding_system,code\nicd10,I10\n", "line 1: the header has no column term"),
    "unknown_column": ("coding_system,code,term,points\nicd10,I10,x,1\n", "line 1: the header has a column 'points'"),
    "column_twice": ("coding_system,code,term,term\nicd10,I10,x,y\n", "line 1: the header names a column twice"),
    "only_a_header": (HEAD, "holds no code"),
    "too_few_cells": (HEAD + "icd10,I10\n", "line 2: it has 2 cells and the header 3"),
    "comma_not_quoted": (HEAD + "icd10,I10,Hypertension, essential\n", "line 2: it has 4 cells"),
    "broken_quotes": (HEAD + 'icd10,I10,"x"y\n', "line 2: it is not CSV"),
    "unknown_system": (HEAD + "icd10,I10,x\nicd9,401,x\n", "line 3: there is no coding system 'icd9'"),
    "system_in_capitals": (HEAD + "ICD10,I10,x\n", "line 2: there is no coding system 'ICD10'"),
    "icd10_with_dot": (HEAD + "icd10,E11.9,x\n", "line 2: 'E11.9' is no icd10 code"),
    "icd10_with_filler": (HEAD + "icd10,I10X,x\n", "line 2: 'I10X' is no icd10 code"),
    "icd10_in_small_letters": (HEAD + "icd10,i10,x\n", "line 2: 'i10' is no icd10 code"),
    "icd10_too_short": (HEAD + "icd10,I1,x\n", "line 2: 'I1' is no icd10 code"),
    "icd10_letter_for_digit": (HEAD + "icd10,I1O,x\n", "line 2: 'I1O' is no icd10 code"),
    "snomed_check_digit": (HEAD + "snomed,38341004,x\n", "line 2: '38341004' is no snomed code: its check digit"),
    "snomed_digits_swapped": (HEAD + "snomed,38314003,x\n", "line 2: '38314003' is no snomed code: its check digit"),
    "snomed_rounded": (HEAD + "snomed,9.25861E+14,x\n", "line 2: '9.25861E+14' is no snomed code: it should be 6 to 18"),
    "snomed_leading_zero": (HEAD + "snomed,038341003,x\n", "it should be 6 to 18 digits"),
    "snomed_too_long": (HEAD + "snomed,1234567890123456789,x\n", "it should be 6 to 18 digits"),
    "snomed_relationship": (HEAD + "snomed,100022,x\n", "its partition 02"),
    "dmd_check_digit": (HEAD + "dmd,372594009,x\n", "line 2: '372594009' is no dmd code"),
    "read2_too_short": (HEAD + "read2,C10E,x\n", "line 2: 'C10E' is no read2 code"),
    "opcs4_with_dot": (HEAD + "opcs4,W37.1,x\n", "line 2: 'W37.1' is no opcs4 code"),
    "no_term": (HEAD + "icd10,I10,\n", "line 2: the term of icd10 I10 is empty"),
    "no_item": ("coding_system,code,term,item\nicd10,I10,x,\n", "line 2: the item of icd10 I10 is empty"),
    "weight_no_number": ("coding_system,code,term,weight\nicd10,I10,x,high\n", "line 2: the weight 'high' is no number"),
    "weight_empty": ("coding_system,code,term,weight\nicd10,I10,x,\n", "line 2: the weight '' is no number"),
    "weight_infinite": ("coding_system,code,term,weight\nicd10,I10,x,inf\n", "line 2: the weight 'inf' is no number"),
    "duplicate": (HEAD + "icd10,I10,x\nicd10,I11,x\nicd10,I10,y\n", "line 4: icd10 I10 stands on line 2 already"),
    "duplicate_in_item": (
        "coding_system,code,term,item\nicd10,I10,x,a\nicd10,I10,x,b\nicd10,I10,x,a\n",
        "line 4: icd10 I10 of a stands on line 2 already",
    ),
    "duplicate_dmd_and_snomed": (HEAD + "snomed,372594008,x\ndmd,372594008,x\n", "line 3: dmd 372594008 stands on line 2"),
    "line_after_a_cell_of_two_lines": (HEAD + 'icd10,I10,"x\ny"\nicd10,I1,x\n', "line 4: 'I1' is no icd10 code"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_a_bad_list_is_one_sentence_with_file_and_line(text, said, tmp_path):
    configured = own_lists(tmp_path, mine=text)
    with pytest.raises(BadInput) as problem:
        codes.check(configured)
    sentence = str(problem.value)
    assert said in sentence
    assert str(tmp_path / "lists" / "mine.csv") in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_the_same_code_may_stand_in_two_items(tmp_path):
    text = "coding_system,code,term,item\nicd10,I10,x,a\nicd10,I10,x,b\n"
    assert len(codes.load(own_lists(tmp_path, mine=text), "mine").codes) == 2


def test_a_file_that_is_not_utf8_is_named_with_its_line(tmp_path):
    configured = own_lists(tmp_path, mine=HEAD)
    (tmp_path / "lists" / "mine.csv").write_bytes(HEAD.encode() + b"icd10,M35,Sj\xf6gren\n")
    with pytest.raises(BadInput, match=r"mine\.csv, line 2: it is not UTF-8 text"):
        codes.load(configured, "mine")


def test_a_list_without_its_description_is_refused(tmp_path):
    configured = own_lists(tmp_path, mine=HEAD + "icd10,I10,x\n")
    (tmp_path / "lists" / "mine.yaml").unlink()
    with pytest.raises(BadInput, match=r"mine\.csv has no mine\.yaml beside it"):
        codes.load(configured, "mine")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title: T\nversion: 1\nlicence: none\n", r"mine\.yaml, line \d+: the key 'source' is missing"),
        (SIDECAR + "sorce: x\n", r"mine\.yaml, line 5: there is no key 'sorce'; did you mean 'source'"),
        ("title: [\n", r"mine\.yaml, line \d+: not valid YAML"),
    ],
    ids=["missing", "typo", "not_yaml"],
)
def test_a_bad_description_is_named_with_its_line(text, said, tmp_path):
    configured = own_lists(tmp_path, mine=HEAD + "icd10,I10,x\n")
    (tmp_path / "lists" / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=said):
        codes.load(configured, "mine")


def test_an_unknown_list_names_the_nearest(tmp_path):
    with pytest.raises(BadInput, match=r"There is no code list 'diabets' in .*; did you mean 'diabetes'"):
        codes.load(configuration(tmp_path), "diabets")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"There is no folder .*nowhere, which code_lists"):
        codes.check(configuration(tmp_path, code_lists=Path("nowhere")))


def test_the_codes_of_made_up_people_are_in_the_scores_lists(tmp_path):
    """Every condition of the made-up care system but plain frailty is one of Cambridge's or of the frailty index's."""
    from registry_pipeline.synthetic.clinical import CONDITIONS

    configured = configuration(tmp_path)
    listed = {
        c.code for name in ("cambridge_multimorbidity", "efi_deficits") for c in codes.load(configured, name).codes
    }
    missing = [c.term for c in CONDITIONS if c.snomed not in listed]
    without = [c.term for c in CONDITIONS if not any(c.icd10.rstrip("X").startswith(code) for code in listed)]
    assert missing == without == ["Frailty"]


def test_lists_are_written_as_a_spreadsheet_reads_them():
    for file in LISTS.glob("*.csv"):
        with file.open(encoding="utf-8", newline="") as opened:
            assert all(cell == cell.strip() for row in csv.reader(opened) for cell in row), file.name
