"""The two jobs, and what starts them.

What belongs here: when a run starts, and for which night and providers. What does not: what a run does.

    02:00 (`schedule`)    every_night        provider_night for tonight: every provider, in one process
    each minute           take_late_extracts provider_night for those providers only whose extract has landed since
    each minute           registry_when_ready registry_night once every provider is in, or the deadline has come
    06:00 (`deadline`)    at_the_deadline    registry_night with whoever is in

The registry's night starts once a night. An extract that lands after that is taken in, and counts from the next
night on, or where someone runs `registry_night` for the night again. All four are off until they are switched on in
the UI: a new deployment publishes nothing before someone has looked at it.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from registry_pipeline import night, outcomes
from registry_pipeline.config import Configuration
from registry_pipeline.defs.consumer_assets import consumer_keys
from registry_pipeline.defs.partitions import local
from registry_pipeline.defs.provider_assets import shares
from registry_pipeline.defs.registry_assets import LINKED
from registry_pipeline.defs.release_assets import release_assets, release_keys
from registry_pipeline.defs.resources import RegistryDeployment
from registry_pipeline.storage import Home
from registry_pipeline.tables import REGISTRY_TABLES

PROVIDER_JOB = "provider_night"
REGISTRY_JOB = "registry_night"

LANE_TAG = "lane"
"""Runs of one lane follow each other (`dagster.yaml`): back-filled nights are run in their order."""

LATE_NIGHTS = 7
"""Nights back for which an extract is still taken by itself; an older one is a back-fill, which a person starts."""

PARTITION_TAG = "dagster/partition"


REGISTRY_KEYS = tuple(dg.AssetKey(table) for table in (*LINKED, *REGISTRY_TABLES, "published_registry"))


def automation(configuration: Configuration) -> dg.Definitions:
    """The providers' night and the registry's night, with what starts them."""
    consumers = consumer_keys(configuration)
    ours = dg.AssetSelection.assets(*REGISTRY_KEYS, *consumers, *release_keys(configuration))
    not_the_providers = dg.AssetSelection.assets(
        *REGISTRY_KEYS, *consumers, *(key for made in release_assets(configuration) for key in made.keys)
    )
    return dg.Definitions(
        jobs=[
            dg.define_asset_job(
                PROVIDER_JOB,
                tags={LANE_TAG: "providers"},
                selection=dg.AssetSelection.all() - not_the_providers,
                description="Extract, validate and standardise every provider, one step each, in one process. For one"
                " provider alone, select its group in the asset graph and materialise it for the night.",
            ),
            dg.define_asset_job(
                REGISTRY_JOB,
                tags={LANE_TAG: "registry"},
                selection=ours,
                description="Link, build, audit and publish the registry with each provider's extract of the night, or"
                " its last accepted one, then its consumers, its outputs and its report. Run again for a night, it"
                " gives the same result.",
            ),
        ],
        schedules=[every_night(configuration), at_the_deadline(configuration)],
        sensors=[take_late_extracts(), registry_when_ready()],
    )


def every_night(configuration: Configuration) -> dg.ScheduleDefinition:
    """Every provider, when the deployment's schedule says."""
    deployment = configuration.deployment

    @dg.schedule(
        name="every_night",
        job_name=PROVIDER_JOB,
        cron_schedule=deployment.schedule,
        execution_timezone=deployment.timezone,
        description="Takes tonight's extract of every provider in.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        tonight = local(deployment, context.scheduled_execution_time).date().isoformat()
        return dg.RunRequest(run_key=tonight, partition_key=tonight)

    return nightly


def at_the_deadline(configuration: Configuration) -> dg.ScheduleDefinition:
    """The registry, at the deadline, unless its night has started already."""
    at = configuration.deployment.deadline

    @dg.schedule(
        name="at_the_deadline",
        job_name=REGISTRY_JOB,
        cron_schedule=f"{at.minute} {at.hour} * * *",
        execution_timezone=configuration.deployment.timezone,
        description="Starts the registry's night with whoever is in, unless it has started already.",
    )
    def deadline(
        context: dg.ScheduleEvaluationContext, deployment: RegistryDeployment
    ) -> dg.RunRequest | dg.SkipReason:
        return registry_request(deployment.configuration, context.instance, context.scheduled_execution_time)

    return deadline


def registry_when_ready() -> dg.SensorDefinition:
    """The registry, as soon as every provider is in, or once the deadline has come."""

    @dg.sensor(
        name="registry_when_ready",
        job_name=REGISTRY_JOB,
        minimum_interval_seconds=60,
        description="Starts the registry's night once every provider is in, or the deadline has come; once a night.",
    )
    def ready(context: dg.SensorEvaluationContext, deployment: RegistryDeployment) -> dg.RunRequest | dg.SkipReason:
        return registry_request(deployment.configuration, context.instance, _now())

    return ready


def take_late_extracts() -> dg.SensorDefinition:
    """Those providers whose extract has landed since they were asked for it."""

    @dg.sensor(
        name="take_late_extracts",
        job_name=PROVIDER_JOB,
        minimum_interval_seconds=60,
        description="Takes an extract in that lands after its provider was asked for it, or one that replaces an"
        " extract that could not be used.",
    )
    def late(
        context: dg.SensorEvaluationContext, deployment: RegistryDeployment
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        yield from late_requests(deployment.configuration, context.instance, _now())

    return late


def registry_request(
    configuration: Configuration, instance: dg.DagsterInstance, now: datetime
) -> dg.RunRequest | dg.SkipReason:
    """Tonight's registry run, or why it does not start now.

    Args:
        configuration: the deployment.
        instance: where earlier runs are kept.
        now: the moment, with a time zone.
    """
    deployment = configuration.deployment
    clock = local(deployment, now)
    tonight = clock.date().isoformat()
    if clock.date() < deployment.first_night:
        return dg.SkipReason(f"The first night is {deployment.first_night}.")
    if instance.get_runs_count(dg.RunsFilter(job_name=REGISTRY_JOB, tags={PARTITION_TAG: tonight})):
        return dg.SkipReason(f"The registry's night of {tonight} has started already.")
    waiting = night.providers_waiting(configuration, clock.date())
    if waiting and clock.time() < deployment.deadline:
        named = ", ".join(waiting[:10]) + (f" and {len(waiting) - 10} more" if len(waiting) > 10 else "")
        return dg.SkipReason(f"Waiting until {deployment.deadline:%H:%M} for {named}.")
    return dg.RunRequest(run_key=tonight, partition_key=tonight)


def late_requests(
    configuration: Configuration, instance: dg.DagsterInstance, now: datetime
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run a night for all providers whose extract has landed since they were asked for it.

    A run key names what each provider's outcome was before, so that an extract which fails again is not taken in
    again and again, and a corrected one is.
    """
    busy = dg.RunsFilter(job_name=PROVIDER_JOB, statuses=_UNFINISHED)
    if instance.get_runs_count(busy):
        yield dg.SkipReason("Providers are being taken in just now.")
        return
    found = False
    for on, providers in _late(configuration, local(configuration.deployment, now).date()).items():
        found = True
        yield dg.RunRequest(
            run_key=f"{on} " + " ".join(f"{code}({before})" for code, before in providers.items()),
            partition_key=on.isoformat(),
            asset_selection=[key for code in providers for key in _keys_of(configuration, code)],
        )
    if not found:
        yield dg.SkipReason("No late extract has landed.")


_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def _now() -> datetime:
    return datetime.now(UTC)


def _late(configuration: Configuration, tonight: date) -> dict[date, dict[str, str]]:
    """Night, provider, and what its outcome was: asked for, not all accepted, and now there is something new.

    Nights before a provider's last accepted one are left alone: a full extract would be older than what is there, and a
    delta would have to be followed by every night since.
    """
    late: dict[date, dict[str, str]] = {}
    open_providers = dict(configuration.providers)
    for days in range(LATE_NIGHTS):
        on = tonight - timedelta(days=days)
        for code, provider in list(open_providers.items()):
            found = [outcomes.find(Home(configuration.home), code, feed, on) for feed in provider.feeds]
            asked = [o for o in found if o is not None]
            if asked and all(o.accepted for o in asked):
                del open_providers[code]
            elif asked and night.delivered(configuration, on, code):
                before = (f"{o.feed}: {o.delivery or o.status}" for o in asked if not o.accepted)
                late.setdefault(on, {})[code] = ", ".join(before)
    return late


def _keys_of(configuration: Configuration, code: str) -> list[dg.AssetKey]:
    provider = configuration.provider(code)
    feeds = [f"{kind}_{feed}" for feed in provider.feeds for kind in ("raw", "accepted", "quarantined")]
    return [dg.AssetKey([code, table]) for table in (*feeds, *shares(provider))]
