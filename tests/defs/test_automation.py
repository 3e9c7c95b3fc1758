"""When runs start: schedules and sensors with a clock that the test sets and an instance that remembers."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from registry_pipeline import night, outcomes
from registry_pipeline.config import Configuration
from registry_pipeline.definitions import definitions_of
from registry_pipeline.defs import automation
from registry_pipeline.outcomes import FeedOutcome
from registry_pipeline.storage import Home

from .conftest import NIGHT, Played

LONDON = ZoneInfo("Europe/London")


def at(hour: int, minute: int = 0, on: date = NIGHT) -> datetime:
    return datetime(on.year, on.month, on.day, hour, minute, tzinfo=LONDON)


def happened(configuration: Configuration, status: str, *codes: str, on: date = NIGHT) -> None:
    """Every feed of these providers had this outcome."""
    for code in codes or configuration.providers:
        for feed in configuration.provider(code).feeds:
            problem = None if status == "accepted" else "so says the test"
            outcome = FeedOutcome(provider=code, feed=feed, night=on, status=status, problem=problem)
            outcomes.keep(Home(configuration.home), outcome)


@pytest.fixture
def lying_there(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, date]]:
    """Providers and nights for which something new lies at the source."""
    there: set[tuple[str, date]] = set()
    monkeypatch.setattr(night, "delivered", lambda _, on, code: (code, on) in there)
    return there


class TestTheRegistry:
    def test_waits_while_a_provider_is_out_and_names_it(self, configuration, instance) -> None:
        happened(configuration, "accepted", "GP-1")
        happened(configuration, "missing", "RX1")
        said = automation.registry_request(configuration, instance, at(5, 59))
        assert said == dg.SkipReason("Waiting until 06:00 for RX1.")

    def test_starts_when_every_provider_is_in(self, configuration, instance) -> None:
        happened(configuration, "accepted")
        request = automation.registry_request(configuration, instance, at(2, 20))
        assert (request.run_key, request.partition_key) == ("2026-04-02", "2026-04-02")

    def test_a_rejected_extract_is_in_for_it_will_not_get_better_by_waiting(self, configuration, instance) -> None:
        happened(configuration, "accepted", "GP-1")
        happened(configuration, "rejected", "RX1")
        assert isinstance(automation.registry_request(configuration, instance, at(2, 20)), dg.RunRequest)

    def test_starts_at_the_deadline_without_the_one_that_is_missing(self, configuration, instance) -> None:
        happened(configuration, "missing", "RX1")
        request = automation.registry_request(configuration, instance, at(6, 0))
        assert request.partition_key == "2026-04-02"

    def test_starts_once_a_night(self, configuration, instance, played: Played) -> None:
        happened(configuration, "accepted")
        job = definitions_of(configuration).resolve_job_def("registry_night")
        assert job.execute_in_process(instance=instance, partition_key="2026-04-02").success
        said = automation.registry_request(configuration, instance, at(6, 0))
        assert said == dg.SkipReason("The registry's night of 2026-04-02 has started already.")
        tomorrow = automation.registry_request(configuration, instance, at(6, 0, on=date(2026, 4, 3)))
        assert tomorrow.partition_key == "2026-04-03"

    def test_has_no_night_before_the_first(self, configuration, instance) -> None:
        assert isinstance(
            automation.registry_request(configuration, instance, at(6, 0, on=date(2026, 3, 31))), dg.SkipReason
        )

    def test_the_night_is_told_by_the_deployments_own_clock(self, configuration, instance) -> None:
        utc = datetime(2026, 4, 2, 23, 30, tzinfo=ZoneInfo("UTC"))  # half past midnight on the 3rd in London
        happened(configuration, "accepted", on=date(2026, 4, 3))
        assert automation.registry_request(configuration, instance, utc).partition_key == "2026-04-03"


class TestALateExtract:
    def requests(self, configuration, instance, now) -> list[dg.RunRequest]:
        found = automation.late_requests(configuration, instance, now)
        return [request for request in found if isinstance(request, dg.RunRequest)]

    def test_is_taken_for_its_provider_alone(self, configuration, instance, lying_there) -> None:
        happened(configuration, "accepted", "GP-1")
        happened(configuration, "missing", "RX1")
        assert self.requests(configuration, instance, at(4)) == []
        lying_there.add(("RX1", NIGHT))
        (request,) = self.requests(configuration, instance, at(4))
        assert request.partition_key == "2026-04-02"
        assert {key.path[0] for key in request.asset_selection} == {"RX1"}
        assert dg.AssetKey(["RX1", "person_record"]) in request.asset_selection
        job = definitions_of(configuration).resolve_job_def("provider_night")
        assert set(request.asset_selection) < set(job.asset_layer.selected_asset_keys)

    def test_is_not_asked_for_twice_but_a_corrected_one_is_taken(self, configuration, instance, lying_there) -> None:
        lying_there.add(("RX1", NIGHT))
        happened(configuration, "missing", "RX1")
        (first,) = self.requests(configuration, instance, at(4))
        (again,) = self.requests(configuration, instance, at(5))
        assert first.run_key == again.run_key
        happened(configuration, "rejected", "RX1")
        (corrected,) = self.requests(configuration, instance, at(5))
        assert corrected.run_key != first.run_key

    def test_of_a_provider_that_was_not_asked_yet_waits_for_the_schedule(
        self, configuration, instance, lying_there
    ) -> None:
        lying_there.add(("RX1", NIGHT))
        assert self.requests(configuration, instance, at(1)) == []

    def test_of_last_night_is_taken_until_tonights_is_in(self, configuration, instance, lying_there) -> None:
        yesterday = date(2026, 4, 1)
        happened(configuration, "missing", on=yesterday)
        lying_there.update({("RX1", yesterday), ("GP-1", yesterday)})
        happened(configuration, "accepted", "GP-1")
        (request,) = self.requests(configuration, instance, at(4))
        assert request.partition_key == "2026-04-01"
        assert {key.path[0] for key in request.asset_selection} == {"RX1"}

    def test_waits_while_providers_are_being_taken_in(self, configuration, instance, lying_there) -> None:
        happened(configuration, "missing", "RX1")
        lying_there.add(("RX1", NIGHT))
        job = definitions_of(configuration).resolve_job_def("provider_night")
        instance.create_run_for_job(job_def=job, status=dg.DagsterRunStatus.STARTED)
        (said,) = automation.late_requests(configuration, instance, at(4))
        assert said == dg.SkipReason("Providers are being taken in just now.")


class TestInDagster:
    """The definitions as the daemon evaluates them."""

    def test_the_schedule_takes_tonight(self, configuration) -> None:
        definitions = definitions_of(configuration)
        context = dg.build_schedule_context(
            scheduled_execution_time=at(2), repository_def=definitions.get_repository_def()
        )
        data = definitions.resolve_schedule_def("every_night").evaluate_tick(context)
        assert [(r.run_key, r.partition_key) for r in data.run_requests] == [("2026-04-02", "2026-04-02")]

    def test_the_deadline_starts_the_registry(self, configuration, tmp_path) -> None:
        definitions = definitions_of(configuration)
        settings = {"telemetry": {"enabled": False}}
        with (
            dg.DagsterInstance.local_temp(str(tmp_path), overrides=settings) as kept,
            dg.build_schedule_context(
                instance=kept,
                scheduled_execution_time=at(6),
                resources=definitions.resources,
                repository_def=definitions.get_repository_def(),
            ) as context,
        ):
            data = definitions.resolve_schedule_def("at_the_deadline").evaluate_tick(context)
        assert [r.partition_key for r in data.run_requests] == ["2026-04-02"]

    @pytest.mark.parametrize("sensor", ["registry_when_ready", "take_late_extracts"])
    def test_the_sensors_read_the_clock_and_the_deployment(
        self, configuration, instance, lying_there, monkeypatch, sensor
    ) -> None:
        definitions = definitions_of(configuration)
        happened(configuration, "missing", "RX1")
        happened(configuration, "accepted", "GP-1")
        lying_there.add(("RX1", NIGHT))
        monkeypatch.setattr(automation, "_now", lambda: at(6, 1))
        with dg.build_sensor_context(
            instance=instance, resources=definitions.resources, repository_def=definitions.get_repository_def()
        ) as context:
            data = definitions.resolve_sensor_def(sensor).evaluate_tick(context)
        assert [r.partition_key for r in data.run_requests] == ["2026-04-02"]

    def test_all_are_off_until_someone_switches_them_on(self, configuration) -> None:
        repository = definitions_of(configuration).get_repository_def()
        assert {s.default_status for s in repository.schedule_defs} == {dg.DefaultScheduleStatus.STOPPED}
        assert {s.default_status for s in repository.sensor_defs} == {dg.DefaultSensorStatus.STOPPED}


def test_nights_that_are_filled_in_follow_each_other(configuration: Configuration) -> None:
    from ruamel.yaml import YAML

    settings = YAML(typ="safe").load((Path(__file__).parents[2] / "dagster_home" / "dagster.yaml").read_text())
    (limit,) = settings["concurrency"]["runs"]["tag_concurrency_limits"]
    assert limit == {"key": automation.LANE_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
    definitions = definitions_of(configuration)
    lanes = {
        definitions.resolve_job_def(job).run_tags[automation.LANE_TAG] for job in ("provider_night", "registry_night")
    }
    assert len(lanes) == 2, "the registry does not wait for a back-fill of providers"


def test_the_settings_keep_everything_on_this_machine() -> None:
    from ruamel.yaml import YAML

    settings = YAML(typ="safe").load((Path(__file__).parents[2] / "dagster_home" / "dagster.yaml").read_text())
    assert settings["telemetry"] == {"enabled": False}
    assert settings["nux"] == {"enabled": False}
    assert settings["run_retries"] == {"enabled": False}
