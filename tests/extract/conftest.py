"""One provider with one feed in a folder of its own, and what came of extracting it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from registry_pipeline.config import Configuration, Deployment, Provider
from registry_pipeline.extract import Extracted, extract_feed
from registry_pipeline.storage import Home

NIGHT = date(2026, 4, 1)
AGREEMENT = {"reference": "DSA-1"}
PATIENT = {"local_id": "ID", "family_name": "SURNAME", "birth_date": "DOB", "postcode": "PCODE"}


@dataclass
class Delivered:
    """A provider's feed before and after extracting."""

    folder: Path
    provider: Provider
    feed: str

    @property
    def home(self) -> Home:
        return Home(self.folder / "home")

    @property
    def configuration(self) -> Configuration:
        return Configuration(
            directory=self.folder,
            home=self.home.root,
            deployment=Deployment(threads=2, memory_limit="500MB"),
            providers={self.provider.provider: self.provider},
        )

    def write(self, name: str, content: bytes | str) -> Path:
        path = self.folder / "drop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def extract(self, night: date = NIGHT) -> Extracted:
        return extract_feed(self.configuration, self.provider, self.feed, night)

    def raw(self, columns: str = "*", night: date = NIGHT) -> list[tuple[Any, ...]]:
        return self._read(self.home.staged(f"raw_{self.feed}", self.provider.provider, night), columns)

    def unreadable(self, columns: str = "source_line, reason", night: date = NIGHT) -> list[tuple[Any, ...]]:
        return self._read(self.home.unreadable(self.feed, self.provider.provider, night), columns)

    def _read(self, path: Path, columns: str) -> list[tuple[Any, ...]]:
        if not path.is_file():
            return []
        with duckdb.connect() as connection:
            return connection.execute(f"SELECT {columns} FROM read_parquet('{path}') ORDER BY source_row").fetchall()

    def left_over(self) -> list[str]:
        """Files that should not be there when an extract has ended."""
        files = [p for p in self.home.root.rglob("*") if p.is_file()]
        return [str(p) for p in files if ".unfinished" in str(p) or "/tmp/extract-" in str(p)]


@pytest.fixture
def delivering(tmp_path: Path) -> Callable[..., Delivered]:
    """Make a provider: `delivering(path="drop/*.csv", columns=..., feed="patient", kind="csv", ...)`."""

    def make(
        path: str = "drop/patients.csv",
        *,
        feed: str = "patient",
        columns: dict[str, Any] | None = None,
        kind: str = "csv",
        source: dict[str, Any] | None = None,
        agreement: dict[str, Any] | None = AGREEMENT,
        only: dict[str, Any] | None = None,
        distinct: bool = False,
    ) -> Delivered:
        described = {"kind": kind, **({"path": path} if kind != "postgres" else {}), **(source or {})}
        provider = Provider.model_validate(
            {
                "provider": "RX9",
                "setting": "acute",
                "agreement": agreement,
                "feeds": {
                    feed: {
                        "source": described,
                        "columns": PATIENT if columns is None else columns,
                        "only": only or {},
                        "distinct": distinct,
                    }
                },
            }
        )
        return Delivered(tmp_path, provider, feed)

    return make
