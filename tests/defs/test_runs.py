"""What a run tells: tables that were made and those that were not, checks, failures; all nights are played."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import dagster as dg

from registry_pipeline.config import Configuration
from registry_pipeline.definitions import definitions_of
from registry_pipeline.defs import provider_assets
from registry_pipeline.errors import FeedFault, RunFailed
from registry_pipeline.link.block import LeftOut
from registry_pipeline.outcomes import CheckOutcome

from .conftest import NIGHT, Played

RX1 = ("raw_patient", "accepted_patient", "quarantined_patient", "person_record", "activity")


def run(
    configuration: Configuration, instance: dg.DagsterInstance, job: str, on: date = NIGHT, **more: object
) -> dg.ExecuteInProcessResult:
    definition = definitions_of(configuration).resolve_job_def(job)
    return definition.execute_in_process(instance=instance, partition_key=on.isoformat(), raise_on_error=False, **more)


def made(result: dg.ExecuteInProcessResult) -> dict[str, int]:
    """Assets that the run materialised, and their row counts."""
    return {
        event.asset_key.to_user_string(): event.materialization.metadata["dagster/row_count"].value
        for event in result.get_asset_materialization_events()
        if "dagster/row_count" in event.materialization.metadata
    }


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {f"{e.asset_key.to_user_string()}:{e.check_name}": e for e in result.get_asset_check_evaluations()}


def test_a_good_night_makes_every_table_and_passes_every_check(configuration, instance, played: Played) -> None:
    result = run(configuration, instance, "provider_night")
    assert result.success
    assert made(result) == {
        **{f"RX1/{kind}_{f}": n for f in ("patient", "spell", "attendance")
           for kind, n in (("raw", 10), ("accepted", 9), ("quarantined", 1))},
        **{f"GP-1/{kind}_{f}": n for f in ("patient", "condition")
           for kind, n in (("raw", 10), ("accepted", 9), ("quarantined", 1))},
        "RX1/person_record": 9, "RX1/activity": 18, "GP-1/person_record": 9, "GP-1/condition": 9,
    }  # fmt: skip
    assert len(checks(result)) == 10
    assert all(check.passed for check in checks(result).values())
    by_stage = [(stage, code) for stage, code, _ in played.calls if code == "RX1"]
    assert by_stage == [("extract", "RX1"), ("validate", "RX1"), ("standardise", "RX1")]


def test_a_feed_that_did_not_come_is_a_failed_check_and_the_rest_goes_on(
    configuration, instance, played: Played
) -> None:
    played.statuses[("RX1", "spell")] = "missing"
    result = run(configuration, instance, "provider_night")
    assert result.success
    assert not {"RX1/raw_spell", "RX1/accepted_spell", "RX1/quarantined_spell"} & set(made(result))
    assert made(result)["RX1/activity"] == 9, "the attendances are still taken"
    told = checks(result)
    delivered = told["RX1/raw_spell:delivered"]
    assert not delivered.passed
    assert delivered.severity == dg.AssetCheckSeverity.ERROR
    assert delivered.description == "RX1 spell: missing, so says the test."
    assert "RX1/raw_spell:expectations" not in told, "nothing was delivered, so nothing was judged"
    assert all(check.passed for name, check in told.items() if "raw_spell" not in name)


def test_a_rejected_extract_is_red_and_none_of_it_goes_on(configuration, instance, played: Played) -> None:
    played.statuses[("GP-1", "patient")] = "rejected"
    result = run(configuration, instance, "provider_night")
    assert result.success
    assert {"GP-1/raw_patient", "GP-1/quarantined_patient"} <= set(made(result))
    assert not {"GP-1/accepted_patient", "GP-1/person_record"} & set(made(result))
    told = checks(result)["GP-1/raw_patient:expectations"]
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert checks(result)["GP-1/raw_patient:delivered"].passed


def test_a_broken_warning_is_amber_and_rows_set_aside_are_not(configuration, instance, played: Played) -> None:
    row_rule = CheckOutcome(name="local_id_filled", passed=False, scope="row", failing=1)
    warning = CheckOutcome(
        name="postcode_missing", passed=False, severity="warning", dimension="completeness", observed="41% missing"
    )
    played.checks[("RX1", "patient")] = [row_rule, warning]
    played.checks[("RX1", "spell")] = [row_rule]
    told = checks(run(configuration, instance, "provider_night"))
    amber = told["RX1/raw_patient:expectations"]
    assert (amber.passed, amber.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "postcode_missing: 41% missing" in amber.description
    assert amber.metadata["completeness"].value == "0 of 1 rules passed"
    assert [record.data["rule"] for record in amber.metadata["broken rules"].records] == [
        "local_id_filled", "postcode_missing",
    ]  # fmt: skip
    assert told["RX1/raw_spell:expectations"].passed


def test_one_provider_can_be_run_alone_whole_and_only_what_was_asked_is_told(configuration, instance, played) -> None:
    result = run(configuration, instance, "provider_night", asset_selection=[dg.AssetKey(["RX1", "accepted_patient"])])
    assert result.success
    assert set(made(result)) == {"RX1/accepted_patient"}
    assert [(stage, code) for stage, code, _ in played.calls] == [
        ("extract", "RX1"), ("validate", "RX1"), ("standardise", "RX1"),
    ]  # fmt: skip


def test_a_source_that_does_not_answer_is_asked_again(configuration, instance, played, monkeypatch) -> None:
    monkeypatch.setattr(provider_assets, "RETRY_SECONDS", 0)
    played.raised["extract"] = [FeedFault("RX1 attendance: no answer.", kind="unreachable", retryable=True)] * 2
    result = run(configuration, instance, "provider_night")
    assert result.success
    assert len([c for c in played.calls if c[0] == "extract"]) == 2 + 2, "two providers, and two further tries"


def test_a_source_that_never_answers_is_data(configuration, instance, played, monkeypatch) -> None:
    monkeypatch.setattr(provider_assets, "RETRY_SECONDS", 0)
    only_rx1 = [dg.AssetKey(["RX1", "raw_patient"]), dg.AssetKey(["RX1", "raw_attendance"])]
    played.raised["extract"] = [FeedFault("RX1 attendance: no answer.", kind="unreachable", retryable=True)] * 9
    played.statuses[("RX1", "attendance")] = "unreachable"
    result = run(configuration, instance, "provider_night", asset_selection=only_rx1)
    assert result.success
    assert len([c for c in played.calls if c[0] == "extract"]) == 1 + provider_assets.RETRIES
    assert set(made(result)) == {"RX1/raw_patient"}


def test_an_unforeseen_error_fails_its_provider_alone_and_tells_no_value(configuration, instance, played) -> None:
    played.raised["validate"] = [ValueError("Could not convert string 'Agatha Christie' to DATE")]
    result = run(configuration, instance, "provider_night")
    assert not result.success
    assert {event.step_key for event in result.get_step_failure_events()} == {"RX1__night"} or {
        event.step_key for event in result.get_step_failure_events()
    } == {"GP_1__night"}
    assert len(result.get_step_success_events()) == 1, "the other provider goes on"
    said = " ".join(record.to_json() for record in instance.all_logs(result.run_id))
    assert "The validate stage broke unexpectedly (ValueError at" in said
    assert "Agatha" not in said


def test_the_registry_night_tells_what_was_compared_decided_and_waits(configuration, instance, played) -> None:
    played.linked = replace(
        played.linked,
        records_changed=3,
        records_gone=1,
        pairs_by_rule={"same_phone": 7},
        pairs_reused=40,
        decisions={"match: match_weight": 4},
        attention={"possible_match": 2},
    )
    result = run(configuration, instance, "registry_night")

    pairs, clusters = (
        {name: value.value for name, value in e.materialization.metadata.items()}
        for e in result.get_asset_materialization_events()
        if e.asset_key.to_user_string() in ("linked_pair", "person_cluster")
    )
    assert pairs["pairs compared by rule"] == {"same_phone": 7}
    assert pairs["decisions"] == {"match: match_weight": 4}
    assert [pairs[f"records{what}"] for what in ("", " compared", " reused", " gone")] == [18, 3, 15, 1]
    assert pairs["pairs reused"] == 40
    assert clusters["needs attention by reason"] == {"possible_match": 2}
    assert made(result)["needs_attention"] == 14
    told = checks(result)
    assert told["linked_pair:linked_incrementally"].passed
    assert "from the night 2026-04-01: 3 of 18 records compared" in told["linked_pair:linked_incrementally"].description
    assert told["linked_pair:no_block_over_its_cap"].passed


def test_values_that_are_too_common_are_amber_with_their_rule_and_their_counts(configuration, instance, played) -> None:
    played.linked = replace(
        played.linked,
        since=None,
        why_full="the columns are others",
        values_left_out={"same_phone": LeftOut(2, 100_000)},
    )
    result = run(configuration, instance, "registry_night")

    assert result.success, "amber stops nothing"
    told = checks(result)
    for name, said in (
        ("no_block_over_its_cap", "same_phone: 2 values, the commonest in 100,000 records"),
        ("linked_incrementally", "every record: the columns are others"),
    ):
        check = told[f"linked_pair:{name}"]
        assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert said in check.description


def test_the_registry_night_goes_on_without_a_provider_and_says_so(configuration, instance, played) -> None:
    played.statuses[("RX1", "patient")] = "missing"
    assert run(configuration, instance, "provider_night").success
    result = run(configuration, instance, "registry_night")
    assert result.success
    assert [stage for stage, _, _ in played.calls][-3:] == ["link", "build", "publish"]
    assert played.calls[-1] == ("publish", f"snapshot-{NIGHT}", NIGHT)
    told = checks(result)["linked_pair:every_provider_is_in"]
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "RX1" in told.description
    assert checks(result)["patient:audit"].passed
    assert made(result)["patient"] == 14


def test_an_audit_that_fails_stops_before_publication_with_one_sentence(configuration, instance, played) -> None:
    played.raised["build"] = [RunFailed("The snapshot of 2026-04-02 must not be published: patient_id is not unique.")]
    result = run(configuration, instance, "registry_night")
    assert not result.success
    assert "publish" not in [stage for stage, _, _ in played.calls]
    (failure,) = result.get_step_failure_events()
    assert "must not be published" in str(failure.event_specific_data)


def test_publication_alone_needs_a_night_that_was_built(configuration, instance, played) -> None:
    alone = [dg.AssetKey("published_registry")]
    result = run(configuration, instance, "registry_night", asset_selection=alone)
    assert not result.success
    assert "is not built yet" in str(result.get_step_failure_events()[0].event_specific_data)
    assert run(configuration, instance, "registry_night").success
    assert run(configuration, instance, "registry_night", asset_selection=alone).success


def test_a_past_night_is_filled_in_and_stands_beside_the_later_one(configuration, instance, played) -> None:
    for on in (NIGHT, date(2026, 4, 1)):
        assert run(configuration, instance, "provider_night", on).success
        assert run(configuration, instance, "registry_night", on).success
    for key in (dg.AssetKey(["RX1", "person_record"]), dg.AssetKey("published_registry")):
        assert instance.get_materialized_partitions(key) == {"2026-04-01", "2026-04-02"}


def test_one_provider_alone_without_the_rest_of_the_deployment(configuration, instance, played: Played) -> None:
    result = dg.materialize(
        [provider_assets.provider_assets(configuration, configuration.provider("GP-1"))],
        partition_key=NIGHT.isoformat(),
        resources=definitions_of(configuration).resources,
        instance=instance,
    )
    assert set(made(result)) == {
        "GP-1/raw_patient", "GP-1/accepted_patient", "GP-1/quarantined_patient", "GP-1/person_record",
        "GP-1/raw_condition", "GP-1/accepted_condition", "GP-1/quarantined_condition", "GP-1/condition",
    }  # fmt: skip
