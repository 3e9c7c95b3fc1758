"""What Dagster loads: the definitions of the deployment that REGISTRY_CONFIG names.

What belongs here: putting the parts of `defs/` together. What does not: any of the parts.
"""

from __future__ import annotations

import dagster as dg

from registry_pipeline.config import Configuration, load_configuration
from registry_pipeline.defs.automation import automation
from registry_pipeline.defs.consumer_assets import consumer_assets
from registry_pipeline.defs.descriptions import plain_name
from registry_pipeline.defs.provider_assets import provider_assets
from registry_pipeline.defs.registry_assets import registry_assets
from registry_pipeline.defs.release_assets import release_assets
from registry_pipeline.defs.resources import MadeUpReplica, RegistryDeployment, configuration_folder
from registry_pipeline.errors import BadInput
from registry_pipeline.storage import create_for_owner_only


def definitions_of(configuration: Configuration) -> dg.Definitions:
    """The definitions of one deployment; a provider's file is all that it takes to add its assets.

    Raises:
        BadInput: two providers cannot be told apart, or an owner cannot be shown.
    """
    by_name: dict[str, str] = {}
    for code in configuration.providers:
        other = by_name.setdefault(plain_name(code).lower(), code)
        if other != code:
            raise BadInput(f"The providers {other!r} and {code!r} are too alike to tell apart: rename one.")
    folders = {"directory": str(configuration.directory), "home": str(configuration.home)}
    providers = [provider_assets(configuration, p) for p in configuration.providers.values()]
    return dg.Definitions.merge(
        dg.Definitions(
            assets=[
                *providers,
                *registry_assets(configuration),
                *consumer_assets(configuration),
                *release_assets(configuration),
            ],
            resources={"deployment": RegistryDeployment(**folders), "made_up_replica": MadeUpReplica(**folders)},
            # One process a run: a process for each step costs 2.4 s, and 115 providers are 115 steps.
            executor=dg.in_process_executor,
        ),
        automation(configuration),
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Read anew whenever Dagster reloads the code location.

    Raises:
        dagster.DagsterInvalidDefinitionError: the configuration is wrong; one sentence says where and how.
    """
    try:
        create_for_owner_only()
        return definitions_of(load_configuration(configuration_folder()))
    except BadInput as problem:
        raise dg.DagsterInvalidDefinitionError(str(problem)) from None
