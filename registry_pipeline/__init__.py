"""From nightly extracts to a registry of patients over all care settings.

Each provider's extract is taken in (`extract`), checked and parted into accepted and quarantined rows (`validate`),
and put into one shape (`standardise`). Over all providers, records of one person are found (`link`), given a
`patient_id` that lasts and published as a registry in Parquet (`registry`). `night` says in which order; `defs` shows
it to Dagster, `cli` to the terminal. Consumers and reports read the published registry and nothing else.
"""
