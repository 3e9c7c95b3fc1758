"""One factory: a provider's YAML file in, its assets and checks out.

What belongs here: which assets a provider has, and the adapter that takes its night in. What does not: how a stage
works, and the registry's own assets.

A provider's night is one step, whatever part of it is selected. Half of it would leave its outcome half-way, in which
the registry uses the extract before; every stage is idempotent, so the whole costs little more. It is also what lets a
feed that did not come leave its tables unmade without stopping the other feeds: between steps, Dagster skips
everything below a table that was not made.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta

import dagster as dg

from registry_pipeline import night
from registry_pipeline.config import Configuration, Provider
from registry_pipeline.defs.checks import CHECKED, TAKEN_IN, feed_check_results, feed_check_specs, told_plainly
from registry_pipeline.defs.descriptions import made, plain_name, table_spec, whose
from registry_pipeline.defs.partitions import night_of, nights
from registry_pipeline.defs.resources import MadeUpReplica, RegistryDeployment
from registry_pipeline.errors import FeedFault
from registry_pipeline.outcomes import FeedOutcome
from registry_pipeline.tables import FEEDS, TABLES, feed_table

RETRIES = 2
"""Times that a source which did not answer is asked again; bad data is never tried again."""
RETRY_SECONDS = 60
"""Before the first further try, twice that before the second; the other providers go on meanwhile."""
GRACE = timedelta(hours=6)
"""What a night's share may come later in the day than the night before, until it shows as late."""
_SOURCE_KINDS = {"csv": "csv", "parquet": "parquet", "postgres": "postgres", "fhir_ndjson": "json"}

Event = dg.MaterializeResult[None] | dg.AssetCheckResult


def shares(provider: Provider) -> dict[str, list[str]]:
    """The made tables that a provider has a share of, and the feeds that each comes from."""
    tables: dict[str, list[str]] = defaultdict(list)
    for feed in provider.feeds:
        tables[FEEDS[feed].becomes].append(feed)
    return dict(tables)


def provider_assets(configuration: Configuration, provider: Provider) -> dg.AssetsDefinition:
    """Everything of one provider: raw, accepted and quarantined tables of each feed, and its share of the made tables.

    Raises:
        BadInput: an owner in its file is not one that can be shown.
    """
    code = provider.provider

    @dg.multi_asset(
        name=f"{plain_name(code)}__night",
        specs=[*_feed_specs(provider), *_share_specs(provider)],
        check_specs=_check_specs(configuration, provider),
        partitions_def=nights(configuration.deployment),
        can_subset=True,  # lets tables that were not made, and checks that were not done, stay unsaid
    )
    def take_in(
        context: dg.AssetExecutionContext,
        deployment: RegistryDeployment,
        made_up_replica: MadeUpReplica,  # noqa: ARG001  # asked for so that it runs meanwhile
    ) -> Iterator[Event]:
        settings, on = deployment.configuration, night_of(context.partition_key)
        tries_left = context.retry_number < RETRIES
        with told_plainly("extract"):
            try:
                night.extract_provider(settings, code, on, raise_retryable=tries_left)
            except FeedFault as fault:
                context.log.warning(str(fault))
                raise dg.RetryRequested(RETRIES, RETRY_SECONDS * 2**context.retry_number) from None
        with told_plainly("validate"):
            night.validate_provider(settings, code, on)
        with told_plainly("standardise"):
            outcomes = night.standardise_provider(settings, code, on)
        yield from _selected(context, [*_tables_made(provider, outcomes), *_checks(outcomes)])

    return take_in


def _feed_specs(provider: Provider) -> Iterator[dg.AssetSpec]:
    code, owned = provider.provider, whose(provider)
    for feed, description in provider.feeds.items():
        raw = [code, f"raw_{feed}"]
        source = _SOURCE_KINDS[description.source.kind]
        yield table_spec(raw, feed_table("raw", feed), deps=[], kinds={source, "parquet"}, owned=owned)
        for table in (feed_table("accepted", feed), feed_table("quarantined", feed)):
            yield table_spec(
                [code, table.name], table, deps=[raw], kinds={"greatexpectations", "duckdb", "parquet"}, owned=owned
            )


def _check_specs(configuration: Configuration, provider: Provider) -> list[dg.AssetCheckSpec]:
    expected = [c for c in night.expected_checks(configuration, provider.provider) if c.name != night.DELIVERED]
    return [
        spec
        for feed in provider.feeds
        for spec in feed_check_specs(
            dg.AssetKey([provider.provider, f"raw_{feed}"]), feed, [c for c in expected if c.table == f"raw_{feed}"]
        )
    ]


def _share_specs(provider: Provider) -> Iterator[dg.AssetSpec]:
    code = provider.provider
    a_night = timedelta(days=1) + GRACE
    freshness = dg.FreshnessPolicy.time_window(
        warn_window=a_night, fail_window=a_night + timedelta(days=max(provider.stale_after_days, 1))
    )
    for table, feeds in shares(provider).items():
        yield table_spec(
            [code, table],
            TABLES[table],
            deps=[[code, f"accepted_{feed}"] for feed in feeds],
            kinds={"duckdb", "parquet"},
            freshness=freshness,
            owned=whose(provider),
        )


def _tables_made(provider: Provider, outcomes: Sequence[FeedOutcome]) -> Iterator[dg.MaterializeResult[None]]:
    """What tonight made; a table that was not made says nothing, so that its age shows."""
    code = provider.provider
    for o in outcomes:
        if o.status in TAKEN_IN:
            yield made(
                dg.AssetKey([code, f"raw_{o.feed}"]),
                o.rows_delivered - o.rows_unreadable,
                delivery=o.delivery,
                unreadable_rows=o.rows_unreadable,
                seconds=o.seconds.get("extract"),
            )
        if o.status in CHECKED:
            yield made(
                dg.AssetKey([code, f"quarantined_{o.feed}"]), o.rows_quarantined, rows_by_rule=o.quarantined_by_rule
            )
        if o.status in CHECKED and o.status != "rejected":
            yield made(dg.AssetKey([code, f"accepted_{o.feed}"]), o.rows_accepted, seconds=o.seconds.get("validate"))
    accepted = {o.feed: o for o in outcomes if o.accepted}
    for table, feeds in shares(provider).items():
        rows = {feed: accepted[feed].standardised.get(table, 0) for feed in feeds if feed in accepted}
        if rows:
            yield made(
                dg.AssetKey([code, table]),
                sum(rows.values()),
                rows_by_feed=rows if len(feeds) > 1 else None,
                seconds=sum(accepted[feed].seconds.get("standardise", 0.0) for feed in rows),
            )


def _checks(outcomes: Sequence[FeedOutcome]) -> Iterator[dg.AssetCheckResult]:
    for outcome in outcomes:
        yield from feed_check_results(dg.AssetKey([outcome.provider, f"raw_{outcome.feed}"]), outcome)


def _selected(context: dg.AssetExecutionContext, events: Sequence[Event]) -> Iterator[Event]:
    """Those events that the run asked for."""
    checks = {(key.asset_key, key.name) for key in context.selected_asset_check_keys}
    for event in events:
        if isinstance(event, dg.AssetCheckResult):
            if (event.asset_key, event.check_name) in checks:
                yield event
        elif event.asset_key in context.selected_asset_keys:
            yield event
