"""What runs need from outside: where the configuration lies, and the made-up system's PostgreSQL.

What belongs here: resolving configuration, and handing back plain objects that know no Dagster. What does not: any
reading or writing of data.
"""

import atexit
import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from registry_pipeline.config import REPOSITORY, Configuration, load_configuration


def configuration_folder() -> Path:
    """The folder of `registry.yaml`: the environment's REGISTRY_CONFIG, else `dagster_home/` of this repository."""
    return Path(os.environ.get("REGISTRY_CONFIG") or REPOSITORY / "dagster_home")


class RegistryDeployment(dg.ConfigurableResource["RegistryDeployment"]):
    """The deployment's configuration, read once a run, so that a changed file counts from the next run on."""

    directory: str
    home: str
    _read: Configuration | None = PrivateAttr(default=None)

    @property
    def configuration(self) -> Configuration:
        """The plain configuration.

        Raises:
            BadInput: a file is missing or wrong.
        """
        if self._read is None:
            self._read = load_configuration(Path(self.directory), home=Path(self.home))
        return self._read

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002  # Dagster's signature
        """Keep DuckDB's notices at exit out of the log of the UI, in a process that is there for one run only.

        DuckDB 2.0 under SQLAlchemy prints 80 lines about leaked instances when Python ends; nothing of ours writes
        to the terminal by then.
        """
        if multiprocessing.parent_process() is not None:
            atexit.register(_close_stderr)


def _close_stderr() -> None:
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


class MadeUpReplica(RegistryDeployment):
    """Runs the made-up system's PostgreSQL while providers are taken in, where `registry.yaml` names one."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["MadeUpReplica"]:  # noqa: ARG002  # Dagster's signature
        """Serve it until the run ends."""
        if self.configuration.deployment.made_up_replica is None:
            yield self
            return
        from registry_pipeline.synthetic import replica

        with replica.serving(self.configuration):
            yield self
