"""What a protocol file may say, and how a wrong one is refused: file, line, and what to do."""

from pathlib import Path

import pytest

from registry_pipeline import codes
from registry_pipeline.care import protocols
from registry_pipeline.care.protocols import Interval
from registry_pipeline.config import Configuration, Deployment
from registry_pipeline.errors import BadInput

SOUND = """\
name: diabetes
version: "1.0"
title: Diabetes
source: A guideline
agreed:
  by: [The providers]
  day: 2026-01-01
who:
  all:
    - condition: diabetes
    - age: {from: 12}
steps:
  - name: hba1c
    title: HbA1c measured
    source: A guideline
    every: 12 months
    first_within: 3 months
    done_by: [gp, acute]
    counts:
      - observation: hba1c
        in: [gp]
  - name: follow_up
    title: Seen after a discharge
    source: A standard
    within: 72 hours
    after: {discharge: mental_health}
    look_back: 6 months
    done_by: gp
    counts:
      - contact: {mechanism: "01"}
"""


def configuration(folder: Path, **deployment) -> Configuration:
    return Configuration(
        directory=folder, home=folder, deployment=Deployment(protocols=Path("protocols"), **deployment), providers={}
    )


def write(folder: Path, **files: str) -> Configuration:
    (folder / "protocols").mkdir()
    for name, text in files.items():
        (folder / "protocols" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return configuration(folder)


def test_a_sound_protocol_is_read(tmp_path):
    (protocol,) = protocols.read(write(tmp_path, diabetes=SOUND)).sound
    first, second = protocol.steps
    assert protocol.code_lists == ("diabetes", "hba1c")
    assert first.every == Interval("12 months", 12, 0, 0)
    assert first.counts[0].in_ == ("gp",)
    assert second.done_by == ("gp",)
    assert second.within == Interval("72 hours", 0, 0, 72)
    assert second.counts[0].contact.mechanism == ("01",)


# What is replaced in SOUND, what by, the line that the error names, and what it says.
WRONG = {
    "unknown list in who": ("condition: diabetes", "condition: diabetis", 10, "no code list 'diabetis'; did you mean 'diabetes'"),
    "unknown list of a step": ("observation: hba1c", "observation: hba1", 20, "no code list 'hba1'; did you mean 'hba1c'"),
    "zero interval": ("every: 12 months", "every: 0 months", 16, "'0 months' is an impossible interval"),
    "negative interval": ("every: 12 months", "every: -3 months", 16, "'-3 months' is an impossible interval"),
    "unreadable unit": ("every: 12 months", "every: 12 moons", 16, "'12 moons' is no interval"),
    "no unit": ("every: 12 months", "every: 12", 16, "'12' is no interval"),
    "half a month": ("every: 12 months", "every: 1.5 months", 16, "is no interval"),
    "longer than a lifetime": ("every: 12 months", "every: 1000 years", 16, "longer than a hundred years"),
    "every in hours": ("every: 12 months", "every: 72 hours", 16, "counted in hours"),
    "first longer than every": ("first_within: 3 months", "first_within: 2 years", 17, "longer than every 12 months"),
    "window longer than look back": ("look_back: 6 months", "look_back: 2 days", 25, "longer than the look_back of 2 days"),
    "look back of nothing": ("look_back: 6 months", "look_back: 0 days", 27, "impossible interval"),
    "no look back": ("    look_back: 6 months\n", "", 25, "within needs after"),
    "two timings": ("look_back: 6 months", "every: 6 months", 25, "exactly one of every, within, always; it gives every and within"),
    "no timing": ("    every: 12 months\n    first_within: 3 months\n", "", 13, "it gives none"),
    "after without within": ("first_within: 3 months", "look_back: 3 months", 17, "look_back goes with within"),
    "unknown key of a protocol": ("version:", "verson:", 2, "no key 'verson'; did you mean 'version'"),
    "unknown key of a step": ("done_by: [gp, acute]", "done_bye: [gp]", 18, "no key 'done_bye'; did you mean 'done_by'"),
    "unknown key of what counts": ("in: [gp]", "inn: [gp]", 21, "no key 'inn'; did you mean 'in'"),
    "unknown key of a contact": ('{mechanism: "01"}', '{mechanisms: "01"}', 30, "no key 'mechanisms'; did you mean 'mechanism'"),
    "unknown key of who": ("- condition: diabetes", "- conditions: diabetes", 10, "no key 'conditions'; did you mean 'condition'"),
    "unknown setting": ("done_by: [gp, acute]", "done_by: [gp, hospital]", 18, "'gp', 'acute'"),
    "no setting at all": ("done_by: [gp, acute]", "done_by: []", 18, "nothing stands there: give at least 1"),
    "unknown setting of a discharge": ("discharge: mental_health", "discharge: prison", 26, "'mental_health'"),
    "unknown level": ("- age: {from: 12}", "- risk_level: [higher]", 11, "'very_high'"),
    "a step twice": ("name: follow_up", "name: hba1c", 22, "the step 'hba1c' stands there twice"),
    "a name with blanks": ("name: hba1c\n", "name: HbA1c measured\n", 13, "should match pattern"),
    "nobody": ("{from: 12}", "{from: 12, to: 11}", 11, "nobody is aged from 12 to 11"),
    "two criteria in one": ("- age: {from: 12}", "- age: {from: 12}\n      carer: true", 11, "exactly one of anybody, condition"),
    "two kinds in one": ("- observation: hba1c", "- observation: hba1c\n        medication: hba1c", 20, "it gives observation and medication"),
    "only who is not in": ("  all:\n    - condition: diabetes\n    - age: {from: 12}", "  none:\n    - condition: diabetes", 8, "it says only who is not in"),
    "all of none": ("    - condition: diabetes\n    - age: {from: 12}", "    - none: [carer: true]", 9, "it says only who is not in"),
    "none within any": ("    - age: {from: 12}", "    - any: [none: [carer: true], carer: true]", 11, "none stands within all only"),
    "a plan after a discharge": ('contact: {mechanism: "01"}', "care_plan: updated", 29, "what follows a discharge is a contact"),
    "group that is not there": ("- age: {from: 12}", "- group: dibetes", 11, "no protocol 'dibetes' that can be used; did you mean 'diabetes'"),
    "group that is itself": ("- age: {from: 12}", "- group: diabetes", 11, "the rule is circular: diabetes needs diabetes"),
    "missing who": ("who:\n  all:\n    - condition: diabetes\n    - age: {from: 12}\n", "", 1, "the key 'who' is missing"),
    "no source of a step": ("    source: A guideline\n    every", "    every", 13, "the key 'source' is missing"),
    "no YAML": ("agreed:", "agreed: [", 7, "not valid YAML"),
    "a day that is none": ("day: 2026-01-01", "day: 2026-13-01", 7, "no such date"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "says"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_protocol_is_refused_with_its_line(tmp_path, old, new, line, says):
    assert SOUND.count(old) == 1, "the case replaces one thing"
    with pytest.raises(BadInput) as refused:
        protocols.check(write(tmp_path, diabetes=SOUND.replace(old, new)))
    sentence = str(refused.value)
    assert f"diabetes.yaml, line {line}:" in sentence
    assert says in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_groups_in_a_circle_are_refused_in_each_file_and_the_rest_stands(tmp_path):
    files = {
        "a": SOUND.replace("name: diabetes\n", "name: one\n").replace("- age: {from: 12}", "- group: two"),
        "b": SOUND.replace("name: diabetes\n", "name: two\n").replace("- age: {from: 12}", "- group: three"),
        "c": SOUND.replace("name: diabetes\n", "name: three\n").replace("- age: {from: 12}", "- group: one"),
        "d": SOUND,
    }
    read = protocols.read(write(tmp_path, **files))
    assert [protocol.name for protocol in read.sound] == ["diabetes"]
    assert set(read.broken) == {"a.yaml", "b.yaml", "c.yaml"}
    assert "a.yaml, line 11: the rule is circular: one needs two needs three needs one." in read.broken["a.yaml"]
    # The others rest on what cannot be used.
    assert "no protocol 'one'" in read.broken["c.yaml"]


def test_a_protocol_comes_after_those_that_it_refers_to(tmp_path):
    later = SOUND.replace("name: diabetes\n", "name: first_by_file\n").replace("- age: {from: 12}", "- group: diabetes")
    read = protocols.read(write(tmp_path, a=later, z=SOUND))
    assert [protocol.name for protocol in read.sound] == ["diabetes", "first_by_file"]


def test_two_protocols_of_one_name_are_refused(tmp_path):
    with pytest.raises(BadInput, match=r"b\.yaml, line 1: the protocol 'diabetes' stands in a\.yaml already"):
        protocols.check(write(tmp_path, a=SOUND, b=SOUND))


def test_one_broken_protocol_takes_no_other_down(tmp_path):
    read = protocols.read(write(tmp_path, a=SOUND, b=SOUND.replace("every: 12 months", "every: never")))
    assert [protocol.name for protocol in read.sound] == ["diabetes"]
    assert list(read.broken) == ["b.yaml"]


def test_what_cannot_be_read_takes_no_other_down(tmp_path):
    written = write(tmp_path, a=SOUND, b=SOUND.replace("who:\n  all:\n", "who: &within\n  all:\n    - *within\n"))
    (tmp_path / "protocols" / "c.yaml").symlink_to(tmp_path / "nowhere.yaml")
    deep = SOUND.replace("who:\n", f"who: {'{any: [' * 300}{{carer: true}}{']}' * 300}\nnot:\n")
    (tmp_path / "protocols" / "d.yaml").write_text(deep)
    read = protocols.read(written)
    assert [protocol.name for protocol in read.sound] == ["diabetes"]
    assert "b.yaml, line 8: " in read.broken["b.yaml"]
    assert "c.yaml cannot be read (No such file or directory)" in read.broken["c.yaml"]
    assert "d.yaml is nested too deeply" in read.broken["d.yaml"]


def test_a_broken_code_list_is_named_with_its_own_line(tmp_path):
    written = write(tmp_path, diabetes=SOUND)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "hba1c.csv").write_text("coding_system,code,term\nsnomed,999791000000107,HbA1c\n")
    (tmp_path / "lists" / "hba1c.yaml").write_text("title: t\nversion: '1'\nsource: s\nlicence: l\n")
    deployment = written.deployment.model_copy(update={"code_lists": Path("lists")})
    with pytest.raises(
        BadInput, match=r"diabetes\.yaml, line 20: the code list 'hba1c' cannot be used: .*hba1c\.csv, line 2"
    ):
        protocols.check(written.model_copy(update={"deployment": deployment}))


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_without_protocols_is_refused(tmp_path, made):
    if made:
        (tmp_path / "protocols").mkdir()
    with pytest.raises(BadInput, match="holds no protocol"):
        protocols.check(configuration(tmp_path))


def shipped() -> Configuration:
    return Configuration(directory=Path("/nowhere"), home=Path("/nowhere"), deployment=Deployment(), providers={})


def test_the_shipped_protocols_can_be_used_and_every_step_has_a_source():
    read = protocols.read(shipped())
    assert not read.broken
    by_name = {protocol.name: protocol for protocol in read.sound}
    assert set(by_name) == {
        "diabetes", "copd", "heart_failure", "frailty", "severe_mental_illness", "carers", "seamless_care",
    }  # fmt: skip
    for protocol in read.sound:
        assert protocol.agreed.by
        for step in protocol.steps:
            assert len(step.source) >= 9, step.name
            assert step.done_by


def test_the_shipped_diabetes_protocol_has_the_eight_care_processes_and_retinal_screening():
    by_name = {protocol.name: protocol for protocol in protocols.read(shipped()).sound}
    processes = [
        "hba1c", "blood_pressure", "cholesterol", "creatinine", "urine_acr", "foot_examination", "bmi",
        "smoking_status", "retinal_screening",
    ]  # fmt: skip
    assert [step.name for step in by_name["diabetes"].steps] == processes


def test_every_shipped_list_of_a_care_process_begins_with_a_snomed_code():
    """Made-up data take the first one."""
    for protocol in protocols.read(shipped()).sound:
        for step in protocol.steps:
            for counted in step.counts:
                if counted.observation is not None:
                    assert codes.load(shipped(), counted.observation).codes[0].coding_system == "snomed"
