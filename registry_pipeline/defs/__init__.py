"""Dagster: assets, checks, jobs, schedules, sensors and resources. The only place that knows Dagster.

What belongs here: adapters. A night goes in, one function of `registry_pipeline.night` is called, counts come out.
What does not: any work of a stage, the order of the stages (`night.py` holds it), and any patient's value: metadata
and messages carry counts, rule names and record keys.

    provider_assets.py   one factory: a provider's YAML file in, its assets and checks out
    registry_assets.py   linked_pair to published_registry, for the night
    consumer_assets.py   risk, care gaps, care teams, case conferences and audit, for the night
    release_assets.py    outputs for purposes and the linkage quality report, for the night
    automation.py        the two jobs, and the schedules and sensors that start them
    checks.py            what a feed's outcome says, as asset checks
    descriptions.py      what the data dictionary says, as asset specs
    partitions.py        nights
    resources.py         the deployment's configuration, and the made-up system's PostgreSQL

The providers' night and the registry's night are two jobs: within one run, a table that was not made stops everything
below it, and no provider may stop the night.
"""
