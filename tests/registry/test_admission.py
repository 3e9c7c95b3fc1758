"""Which model a night uses, and how another version is let in: no id changes unseen."""

import json
from dataclasses import replace

import pytest

from registry_pipeline import registry
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.link import admission, nights
from registry_pipeline.link.model import untrained_model
from registry_pipeline.storage import write_json
from tests.registry.conftest import write_rows

COLUMNS = {"given_name", "family_name"}
PEOPLE = {"a": ["GP1:1", "RX1:1"], "b": ["GP1:2"], "c": ["GP2:3", "RX1:3", "LA1:3"]}


def _train(care_system, version):
    """A model file such as training leaves."""
    model = replace(untrained_model(["given_name", "family_name"]), version=version)
    write_json(care_system.configuration.models / f"{version}.json", model.as_json())


@pytest.fixture
def published(care_system):
    """A registry that was linked with v0001."""
    care_system.models = care_system.home.root / "models"
    _train(care_system, "v0001")
    care_system.people(care_system.night(1), PEOPLE)
    registry.publish(care_system.configuration, care_system.build(care_system.night(1), model_version="v0001"))
    pairs = [("GP1:1", "RX1:1"), ("GP2:3", "RX1:3"), ("LA1:3", "RX1:3")]
    _pairs(care_system.home.linked("linked_pair", care_system.night(1)), pairs)
    return care_system


def _pairs(path, pairs):
    write_rows("linked_pair", path, [{"record_id_l": a, "record_id_r": b, "outcome": "match"} for a, b in pairs])


@pytest.fixture
def candidate(published, monkeypatch):
    """v0002, which would join b to a and part LA1:3 from c: what linking with it is taken to give."""
    _train(published, "v0002")

    def link_beside(_configuration, night, _shares, model, folder, *, prior):
        assert (model.version, prior.name) == ("v0002", "2026-04-01.1")
        published.cluster(night, [["GP1:1", "GP1:2", "RX1:1"], ["GP2:3", "RX1:3"], ["LA1:3"]], folder=folder)
        _pairs(folder / "linked_pair.parquet", [("GP1:1", "RX1:1"), ("GP1:1", "GP1:2"), ("GP2:3", "RX1:3")])

    monkeypatch.setattr(nights, "link_beside", link_beside)
    return published


def _report(care_system):
    from registry_pipeline import outcomes

    night = care_system.night(1)
    shares = outcomes.shares_of_night(care_system.configuration, night)
    prior = registry.prior_snapshot(care_system.home, night)
    return admission.report(care_system.configuration, "v0002", night, shares, prior=prior)


def _version(care_system, **deployment):
    configuration = care_system.configuration
    given = configuration.model_copy(update={"deployment": configuration.deployment.model_copy(update=deployment)})
    return admission.model_for_night(given, COLUMNS, care_system.night(2)).version


def _files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file() and "locks" not in p.parts}


def test_before_anything_is_published_the_newest_that_fits_is_used(care_system):
    care_system.models = care_system.home.root / "models"
    for version in ("v0001", "v0002"):
        _train(care_system, version)
    assert _version(care_system) == "v0002"
    assert admission.newer_versions(care_system.configuration) == []


def test_a_published_registry_keeps_its_model_and_says_that_another_waits(candidate):
    assert _version(candidate) == "v0001"
    assert admission.newer_versions(candidate.configuration) == ["v0002"]
    check = admission.newer_model_check(candidate.configuration)
    assert (check.passed, check.severity, check.observed) == (False, "info", "waiting: v0002")


def test_the_report_tells_whose_ids_would_change_and_changes_nothing_else(candidate):
    before = _files(candidate.home.root)
    made = _report(candidate)
    assert (made.people, made.people_changed, made.records_moved) == (3, 2, 2)
    assert made.ids == {"created": 1, "joined": 1, "split": 1, "retired": 0, "resurrected": 0, "overridden": 0}
    assert (made.pairs, made.pairs_gained, made.pairs_lost) == (3, 1, 1)
    assert {s.setting: (s.records_moved, s.people_changed, s.pairs_gained, s.pairs_lost) for s in made.by_setting} == {
        "gp": (1, 1, 1, 0),
        "acute": (0, 0, 0, 1),
        "social_care": (1, 1, 0, 1),
    }
    assert (made.compared_with, made.same_night, made.instead_of) == ("2026-04-01.1", True, "v0001")
    kept = admission.report_file(candidate.home, "v0002")
    assert json.loads(kept.read_text())["by_setting"][0]["setting"] == "acute"
    after = _files(candidate.home.root)
    assert after.pop(kept.relative_to(candidate.home.root))
    assert after == before
    assert _version(candidate) == "v0001"


def test_a_version_is_let_in_by_somebody_for_a_reason_and_stays(candidate):
    _report(candidate)
    let_in = admission.admit(candidate.configuration, "v0002", who="Ada", why="two people of five were wrong")
    assert [a.version for a in admission.admissions(candidate.home)] == ["v0002"]
    assert (let_in.who, let_in.why) == ("Ada", "two people of five were wrong")
    assert _version(candidate) == "v0002"
    assert _version(candidate, model="v0001") == "v0001"  # what the registry is linked with may be named
    assert admission.newer_model_check(candidate.configuration).passed
    again = admission.admit(candidate.configuration, "v0002", who="Bob", why="again")
    assert admission.admissions(candidate.home) == [let_in, again]


@pytest.mark.parametrize(
    ("who", "why", "reported", "says"),
    [
        ("Ada", "better", False, r"run `registry model report v0002 --night DATE` first"),
        (" ", "better", True, "Say who"),
        ("Ada", "", True, "Say who"),
    ],
)
def test_nothing_is_let_in_unseen_or_by_nobody(candidate, who, why, reported, says):
    if reported:
        _report(candidate)
    with pytest.raises(BadInput, match=says):
        admission.admit(candidate.configuration, "v0002", who=who, why=why)
    assert admission.admissions(candidate.home) == []


def test_a_model_that_was_changed_since_its_report_is_another_one(candidate):
    _report(candidate)
    file = candidate.configuration.models / "v0002.json"
    whole = file.read_text()
    file.write_text(whole + "\n")
    with pytest.raises(BadInput, match="was changed since it was reported on"):
        admission.admit(candidate.configuration, "v0002", who="Ada", why="better")
    file.write_text(whole)
    admission.admit(candidate.configuration, "v0002", who="Ada", why="better")
    file.write_text(whole + "\n")
    with pytest.raises(RunFailed, match="no longer the file that was let in"):
        _version(candidate)


def test_a_named_version_must_have_been_let_in(candidate):
    says = r"v0002 that registry.yaml names is not in use yet.*registry model report v0002.*registry model admit v0002"
    with pytest.raises(RunFailed, match=says):
        _version(candidate, model="v0002")
    _report(candidate)
    admission.admit(candidate.configuration, "v0002", who="Ada", why="better")
    assert _version(candidate, model="v0002") == "v0002"


def test_the_model_in_use_is_missed_or_broken(published):
    file = published.configuration.models / "v0001.json"
    file.write_text("{}")
    with pytest.raises(RunFailed, match=r"v0001 that is in use: .*v0001\.json does not fit"):
        _version(published)
    file.unlink()
    with pytest.raises(RunFailed, match="v0001, which the registry is linked with, is no longer in"):
        _version(published)


def test_what_cannot_be_reported_on(published, care_system):
    with pytest.raises(BadInput, match=r"no linkage model 'v0002' in .* \(there: v0001\)"):
        _report(published)
    with pytest.raises(BadInput, match="Nothing is published yet"):
        admission.report(published.configuration, "v0001", published.night(1), [], prior=None)
