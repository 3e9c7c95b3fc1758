"""Nights as Dagster partitions.

What belongs here: which nights there are, and which one a run is about. What does not: which data of a night count
(`outcomes.py`).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from registry_pipeline.config import Deployment


def nights(deployment: Deployment) -> dg.DailyPartitionsDefinition:
    """Every night from the deployment's first to its last, or to tonight: tonight's drop is processed tonight."""
    first, last = deployment.first_night, deployment.last_night
    if last is None:
        return dg.DailyPartitionsDefinition(start_date=first.isoformat(), timezone=deployment.timezone, end_offset=1)
    end = last + timedelta(days=1)  # a partition must end before the end date to be one
    return dg.DailyPartitionsDefinition(
        start_date=first.isoformat(), end_date=end.isoformat(), timezone=deployment.timezone
    )


def night_of(partition_key: str) -> date:
    """The night that a partition stands for."""
    return date.fromisoformat(partition_key)


def local(deployment: Deployment, moment: datetime) -> datetime:
    """A moment on the deployment's own clock; its date is the night, and its time is held against the deadline."""
    return moment.astimezone(ZoneInfo(deployment.timezone))
