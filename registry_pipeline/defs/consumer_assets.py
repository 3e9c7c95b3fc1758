"""What consumers make of a published night, as assets: one for each table, with its checks.

What belongs here: adapters. What does not: making the tables (`consume` calls who does), and the fitted risk model,
which is fitted by hand (`registry risk fit`).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from registry_pipeline import night
from registry_pipeline.config import Configuration, ConsumerName
from registry_pipeline.consume import ConsumerOutcome
from registry_pipeline.consumer import PURPOSE_OF, READS
from registry_pipeline.defs.checks import rules_told, sentence, told_plainly
from registry_pipeline.defs.descriptions import Whose, table_spec
from registry_pipeline.defs.partitions import night_of, nights
from registry_pipeline.defs.provider_assets import Event
from registry_pipeline.defs.registry_assets import snapshot_of
from registry_pipeline.defs.resources import RegistryDeployment
from registry_pipeline.tables import CONSUMER_TABLES

GROUP = "consumers"
IS_MADE, RULES = "is_made_and_seen", "rules"


def consumer_assets(configuration: Configuration) -> list[dg.AssetsDefinition]:
    """One asset for each consumer that the deployment names."""
    return [_consumer(configuration, name) for name in configuration.deployment.consumers]


def consumer_keys(configuration: Configuration) -> list[dg.AssetKey]:
    """Their keys; every night makes them."""
    return [dg.AssetKey(name) for name in configuration.deployment.consumers]


def _consumer(configuration: Configuration, name: ConsumerName) -> dg.AssetsDefinition:
    key, purpose = dg.AssetKey(name), PURPOSE_OF[name].replace("_", " ")
    before = [other for other in READS[name] if other in configuration.deployment.consumers]
    spec = table_spec(
        [name],
        CONSUMER_TABLES[name],
        owned=Whose(GROUP, f"For {purpose}"),
        deps=[["published_registry"], *([other] for other in before)],
        kinds={"duckdb", "parquet"},
    )

    @dg.multi_asset(
        name=f"make_{name}",
        specs=[spec],
        check_specs=[
            dg.AssetCheckSpec(IS_MADE, asset=key, description=f"The table is made, and readers for {purpose} see it."),
            dg.AssetCheckSpec(RULES, asset=key, description="Every rule of the table's suite, and its own checks."),
        ],
        partitions_def=nights(configuration.deployment),
    )
    def make_consumer(context: dg.AssetExecutionContext, deployment: RegistryDeployment) -> Iterator[Event]:
        snapshot_id = snapshot_of(context.instance, context.partition_key)
        with told_plainly(name):
            [outcome] = night.make_consumers(
                deployment.configuration, night_of(context.partition_key), snapshot_id, only=[name]
            )
        # Also where it failed: a consumer that later ones read stops none of them, and its checks are red.
        yield dg.MaterializeResult(asset_key=key, metadata=_told(outcome, snapshot_id))
        yield _is_made(key, outcome)
        yield _rules(key, outcome)

    return make_consumer


def _told(outcome: ConsumerOutcome, snapshot_id: str) -> dict[str, Any]:
    told: dict[str, Any] = {"snapshot": snapshot_id, "made": outcome.made}
    if outcome.made:
        told |= {"dagster/row_count": outcome.rows, "seconds": round(outcome.seconds, 1)}
    if outcome.pages:
        told |= {"page": dg.MetadataValue.url(outcome.pages[0].as_uri()), "pages": len(outcome.pages)}
    return told


def _is_made(key: dg.AssetKey, outcome: ConsumerOutcome) -> dg.AssetCheckResult:
    waits = f"Waits for {outcome.waits_for} signature(s): registry sign-off" if outcome.waits_for else "Readers see it"
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=IS_MADE,
        passed=outcome.made and outcome.is_current,
        severity=dg.AssetCheckSeverity.ERROR if outcome.problem else dg.AssetCheckSeverity.WARN,
        description=outcome.problem or outcome.withheld or waits,
    )


def _rules(key: dg.AssetKey, outcome: ConsumerOutcome) -> dg.AssetCheckResult:
    broken = [check for check in outcome.checks if not check.passed and check.severity != "info"]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=RULES,
        passed=outcome.made and not broken,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(map(sentence, broken)) or f"All {len(outcome.checks)} rules hold",
        metadata=rules_told(outcome.checks),
    )
