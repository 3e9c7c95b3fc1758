"""What becomes of a published night, as assets: the outputs for purposes, and the linkage quality report.

What belongs here: adapters that make both, with their lights and signatures as checks. What does not: making them
(`release` does), and signing, which a person does (`registry sign-off`).
"""

from collections.abc import Iterator

import dagster as dg

from registry_pipeline import night
from registry_pipeline.config import Configuration
from registry_pipeline.defs.checks import told_plainly
from registry_pipeline.defs.partitions import night_of, nights
from registry_pipeline.defs.provider_assets import Event
from registry_pipeline.defs.registry_assets import snapshot_of
from registry_pipeline.defs.resources import RegistryDeployment
from registry_pipeline.release import MadeReport, PurposeOutcome

OUTPUTS, REPORT = dg.AssetKey("purpose_outputs"), dg.AssetKey("linkage_quality_report")
PUBLISHED = dg.AssetKey("published_registry")


def release_assets(configuration: Configuration) -> list[dg.AssetsDefinition]:
    """The outputs, where the deployment names any, and the report."""
    outputs = [_outputs(configuration)] if configuration.deployment.outputs else []
    return [*outputs, _report(configuration)]


def release_keys(configuration: Configuration) -> list[dg.AssetKey]:
    """Those of them that every night makes."""
    outputs = [OUTPUTS] if configuration.deployment.outputs else []
    return [*outputs, *([REPORT] if configuration.deployment.nightly_report else [])]


def _outputs(configuration: Configuration) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="make_outputs",
        specs=[
            dg.AssetSpec(
                OUTPUTS,
                deps=[PUBLISHED],
                description="The registry under pseudonyms, once for each purpose that must not see identities:"
                " `outputs/<purpose>/<snapshot>/`. A purpose reads `outputs/<purpose>/current`, which moves on when all"
                " signatures that the deployment asks for are there.",
                group_name="registry",
                kinds={"duckdb", "parquet"},
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                purpose,
                asset=OUTPUTS,
                description=f"The output for {purpose.replace('_', ' ')} is made, and its readers see it.",
            )
            for purpose in configuration.deployment.outputs
        ],
        partitions_def=nights(configuration.deployment),
    )
    def make_outputs(context: dg.AssetExecutionContext, deployment: RegistryDeployment) -> Iterator[Event]:
        snapshot_id = snapshot_of(context.instance, context.partition_key)
        with told_plainly("outputs"):
            made = night.make_outputs(deployment.configuration, night_of(context.partition_key), snapshot_id)
        rows = {outcome.purpose: outcome.rows.get("patient", 0) for outcome in made if outcome.made}
        yield dg.MaterializeResult(asset_key=OUTPUTS, metadata={"snapshot": snapshot_id, "people by purpose": rows})
        yield from map(_output_check, made)

    return make_outputs


def _output_check(outcome: PurposeOutcome) -> dg.AssetCheckResult:
    waits = f"Waits for {outcome.waits_for} signature(s): registry sign-off" if outcome.waits_for else "Readers see it"
    return dg.AssetCheckResult(
        asset_key=OUTPUTS,
        check_name=outcome.purpose,
        passed=outcome.made and outcome.is_current,
        severity=dg.AssetCheckSeverity.WARN if outcome.made else dg.AssetCheckSeverity.ERROR,
        description=outcome.problem or waits,
    )


def _report(configuration: Configuration) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="report_night",
        specs=[
            dg.AssetSpec(
                REPORT,
                deps=[OUTPUTS if configuration.deployment.outputs else PUBLISHED],
                description="The linkage quality report: one page that opens offline, and its figures as JSON, under"
                " `reports/<snapshot>/`. People sign or reject it (`registry sign-off`, `registry reject`).",
                group_name="registry",
                kinds={"html", "json"},
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "lights", asset=REPORT, description="No light of the report's first screen is red or amber."
            )
        ],
        partitions_def=nights(configuration.deployment),
    )
    def report_night(context: dg.AssetExecutionContext, deployment: RegistryDeployment) -> Iterator[Event]:
        snapshot_id = snapshot_of(context.instance, context.partition_key)
        with told_plainly("report"):
            made = night.report_night(deployment.configuration, night_of(context.partition_key), snapshot_id)
        yield dg.MaterializeResult(
            asset_key=REPORT,
            metadata={
                "report": dg.MetadataValue.url(made.page.as_uri()),
                "file": dg.MetadataValue.path(made.page),
                "figures": dg.MetadataValue.path(made.figures),
                "snapshot": snapshot_id,
                "lights": {name: f"{value} ({colour})" for name, colour, value in made.lights},
            },
        )
        yield _lights(made)

    return report_night


def _lights(made: MadeReport) -> dg.AssetCheckResult:
    wrong = [light for light in made.lights if light[1] in ("red", "amber")]
    is_red = any(colour == "red" for _, colour, _ in wrong)
    return dg.AssetCheckResult(
        asset_key=REPORT,
        check_name="lights",
        passed=not wrong,
        severity=dg.AssetCheckSeverity.ERROR if is_red else dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{name} {value} ({colour})" for name, colour, value in wrong) or "All green",
    )
