"""Nights as Dagster partitions.

What belongs here: which nights there are, and which one a run is about. What does not: which data of a night count
(`outcomes.py`).
"""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import dagster as dg

from registry_pipeline.config import Deployment


def nights(deployment: Deployment) -> dg.DailyPartitionsDefinition:
    """Every night from the deployment's first to tonight: tonight's drop is processed tonight."""
    return dg.DailyPartitionsDefinition(
        start_date=deployment.first_night.isoformat(), timezone=deployment.timezone, end_offset=1
    )


def night_of(partition_key: str) -> date:
    """The night that a partition stands for."""
    return date.fromisoformat(partition_key)


def local(deployment: Deployment, moment: datetime) -> datetime:
    """A moment on the deployment's own clock; its date is the night, and its time is held against the deadline."""
    return moment.astimezone(ZoneInfo(deployment.timezone))
