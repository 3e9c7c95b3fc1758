"""The registry's assets, one partition a night: linked_pair, person_cluster, the published tables, and publication.

What belongs here: their dependencies on every provider's share, and the adapters that make them. What does not: any
provider's own tables, and when the registry's night starts (`automation.py`).
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta

import dagster as dg

from registry_pipeline import night
from registry_pipeline.config import Configuration
from registry_pipeline.defs.checks import rules_told, sentence, told_plainly
from registry_pipeline.defs.descriptions import Whose, made, table_spec
from registry_pipeline.defs.partitions import night_of, nights
from registry_pipeline.defs.provider_assets import Event, shares
from registry_pipeline.defs.resources import RegistryDeployment
from registry_pipeline.outcomes import CheckOutcome
from registry_pipeline.tables import EVENT_TABLES, REGISTRY_TABLES, TABLES

LINKED = ("linked_pair", "person_cluster")
LINKAGE_CHECKS = {
    "every_provider_is_in": "Each provider's extract of this very night is used; amber names those whose last accepted"
    " one is carried forward, and those that are past their own staleness limit.",
    "no_block_over_its_cap": "No value is so common that its records are not compared by it (a placeholder, as a rule);"
    " amber names the blocking rule, how many such values there are, and the records of the commonest.",
    "linked_incrementally": "Only what is new, changed or gone since the last published night is compared; says from"
    " which night, or why every record was, and is amber where nobody asked for that.",
    "newest_model_is_in_use": "Amber names newer versions of the linkage model that wait to be let in.",
}
"""The checks of `linked_pair`, and what each is for."""

BUILT = ("patient_record", *(table for table in REGISTRY_TABLES if table != "patient_record"))
"""The snapshot's tables, each after those that it is made from."""


def registry_assets(configuration: Configuration) -> list[dg.AssetsDefinition]:
    """The three steps of the registry's night."""
    return [_link(configuration), _build(configuration), _publish(configuration)]


def _shares_of(configuration: Configuration, *tables: str) -> list[list[str]]:
    """Every provider's share of these tables."""
    providers = configuration.providers.values()
    return [[p.provider, table] for p in providers for table in tables if table in shares(p)]


def _link(configuration: Configuration) -> dg.AssetsDefinition:
    from_providers = _shares_of(configuration, "person_record", "nhs_number_replacement")
    kinds = {"splink", "duckdb", "parquet"}

    @dg.multi_asset(
        name="link_records",
        specs=[
            table_spec(
                ["linked_pair"], TABLES["linked_pair"], owned=Whose("linkage"), deps=from_providers, kinds=kinds
            ),
            table_spec(
                ["person_cluster"],
                TABLES["person_cluster"],
                owned=Whose("linkage"),
                deps=[["linked_pair"]],
                kinds=kinds,
            ),
        ],
        check_specs=[dg.AssetCheckSpec(n, asset=["linked_pair"], description=d) for n, d in LINKAGE_CHECKS.items()],
        partitions_def=nights(configuration.deployment),
    )
    def link_records(context: dg.AssetExecutionContext, deployment: RegistryDeployment) -> Iterator[Event]:
        on = night_of(context.partition_key)
        with told_plainly("link"):
            linked = night.link_records(deployment.configuration, on)
        for table, counts in _counted(linked).items():
            yield made(dg.AssetKey(table), linked.rows[table], model_version=linked.model_version, **counts)
        yield _every_provider_is_in(deployment.configuration, on.isoformat(), linked)
        yield from map(_of_linkage, linked.checks)

    return link_records


def _counted(linked: night.LinkedNight) -> dict[str, dict[str, float | str | Mapping[str, int] | None]]:
    """What is told of each linked table beside its rows: counts by name."""
    told = linked.linked
    if told is None:
        return {table: {} for table in LINKED}
    return {
        "linked_pair": {
            "frozen_term_frequencies": told.frozen,
            "records": told.records,
            "records_compared": told.records_changed,
            "records_reused": told.records - told.records_changed,
            "records_gone": told.records_gone,
            "pairs_compared_by_rule": told.pairs_by_rule,
            "pairs_reused": told.pairs_reused,
            "values_too_common_by_rule": {rule: left.values for rule, left in told.values_left_out.items()},
            "decisions": told.decisions,
        },
        "person_cluster": {"needs_attention_by_reason": told.attention, "groups_built_anew": told.doubtful_groups},
    }


def _of_linkage(check: CheckOutcome) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey("linked_pair"),
        check_name=check.name,
        passed=check.passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=sentence(check),
    )


def _every_provider_is_in(configuration: Configuration, on: str, linked: night.LinkedNight) -> dg.AssetCheckResult:
    used = {code: (from_night.isoformat(), stale) for code, from_night, stale in linked.providers}
    expected = [code for code, p in configuration.providers.items() if "patient" in p.feeds]
    absent = [code for code in expected if code not in used]
    carried = [
        f"{code} of {from_night}{', past its limit' if stale else ''}"
        for code, (from_night, stale) in used.items()
        if from_night != on
    ]
    told = [f"Carried forward: {'; '.join(carried)}"] if carried else []
    told += [f"Never accepted, or not under an agreement: {', '.join(absent)}"] if absent else []
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey("linked_pair"),
        check_name="every_provider_is_in",
        passed=not told,
        severity=dg.AssetCheckSeverity.WARN,
        description=". ".join(told) or f"All {len(used)} providers are in with tonight's extract",
        metadata={"tonight": len(used) - len(carried), "carried forward": len(carried), "absent": len(absent)},
    )


def _build(configuration: Configuration) -> dg.AssetsDefinition:
    def spec(table: str) -> dg.AssetSpec:
        deps = {
            "patient_record": [["person_cluster"]],
            "identity_event": [["patient_record"]],
            "moved_record": [["patient_record"]],
            "needs_attention": [["person_cluster"], ["patient_record"]],
            "patient": [["patient_record"], *_shares_of(configuration, "person_record")],
        }.get(table) or [["patient_record"], *_shares_of(configuration, EVENT_TABLES[table])]
        return table_spec([table], TABLES[table], owned=Whose("registry"), deps=deps, kinds={"duckdb", "parquet"})

    @dg.multi_asset(
        name="build_registry",
        specs=[spec(table) for table in BUILT],
        check_specs=[
            dg.AssetCheckSpec(
                "audit",
                asset=["patient"],
                description="Write, audit, publish: every check on the tables of the snapshot. A critical one that"
                " fails stops the night before publication, and the registry before it still stands.",
            )
        ],
        partitions_def=nights(configuration.deployment),
    )
    def build_registry(context: dg.AssetExecutionContext, deployment: RegistryDeployment) -> Iterator[Event]:
        with told_plainly("registry"):
            built = night.build_registry(
                deployment.configuration, night_of(context.partition_key), run_id=context.run.run_id
            )
        for table in BUILT:
            events = built.identity_events if table == "identity_event" else None
            yield made(dg.AssetKey(table), built.rows[table], snapshot=built.snapshot_id, events=events)
        yield _audit(built)

    return build_registry


def _audit(built: night.BuiltNight) -> dg.AssetCheckResult:
    broken = [c for c in built.checks if not c.passed]
    critical = [c for c in broken if c.severity == "critical"]
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey("patient"),
        check_name="audit",
        passed=not [c for c in broken if c.severity != "info"],
        severity=dg.AssetCheckSeverity.ERROR if critical else dg.AssetCheckSeverity.WARN,
        description="; ".join(map(sentence, broken)) or f"All {len(built.checks)} checks of the snapshot passed",
        metadata=rules_told(built.checks),
    )


def _publish(configuration: Configuration) -> dg.AssetsDefinition:
    @dg.asset(
        key="published_registry",
        deps=[dg.AssetKey(table) for table in BUILT],
        description="The night's snapshot, audited and made the one that readers see, in one step"
        " (`registry/current`). A night before the current one is kept beside it and not made current.",
        group_name="registry",
        kinds={"parquet"},
        partitions_def=nights(configuration.deployment),
        freshness_policy=_by_the_deadline(configuration),
    )
    def published_registry(
        context: dg.AssetExecutionContext, deployment: RegistryDeployment
    ) -> dg.MaterializeResult[None]:
        snapshot_id = snapshot_of(context.instance, context.partition_key)
        with told_plainly("publish"):
            current = night.publish_registry(deployment.configuration, night_of(context.partition_key), snapshot_id)
        return dg.MaterializeResult(metadata={"snapshot": snapshot_id, "what readers see now": current})

    return published_registry


def snapshot_of(instance: dg.DagsterInstance, partition_key: str) -> str:
    """The snapshot that the night's `patient` was last written to.

    Raises:
        dagster.Failure: the night was not built yet.
    """
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey("patient"), asset_partitions=[partition_key])
    for record in instance.fetch_materializations(wanted, limit=1).records:
        if record.asset_materialization is not None:
            return str(record.asset_materialization.metadata["snapshot"].value)
    raise dg.Failure(
        f"The night {partition_key} is not built yet: materialise the registry's tables first.", allow_retries=False
    )


def _by_the_deadline(configuration: Configuration) -> dg.FreshnessPolicy:
    """Late where nothing was published between the night's schedule and two hours past its deadline."""
    deadline = configuration.deployment.deadline
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"{deadline.minute} {(deadline.hour + 2) % 24} * * *",
        lower_bound_delta=timedelta(hours=12),
        timezone=configuration.deployment.timezone,
    )
