"""Storage: whole or not at all, described, locked; nothing of a killed run is ever taken for a result."""

import errno
import multiprocessing
import subprocess
import sys
import textwrap

import pyarrow.parquet as pq
import pytest

from registry_pipeline import storage
from registry_pipeline.errors import RunFailed
from registry_pipeline.storage import Home
from registry_pipeline.tables import TABLES


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@pytest.fixture
def connection(home):
    with storage.connect(home) as connected:
        yield connected


def nulls(table):
    return "SELECT " + ", ".join(f'NULL AS "{c.name}"' for c in table.columns)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: t.name)
def test_a_parquet_file_tells_what_each_column_holds(home, connection, table):
    path = home.root / "t.parquet"

    assert storage.write_table(connection, nulls(table), table, path) == 1

    schema = pq.read_schema(path)
    assert schema.names == list(table.column_names)
    assert [f.metadata[b"description"].decode() for f in schema] == [c.description for c in table.columns]
    assert schema.metadata[b"one_row_per"].decode() == table.one_row_per
    described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    assert [d[1].replace('"', "") for d in described] == [
        connection.execute(f"SELECT typeof(NULL::{c.type})").fetchall()[0][0].replace('"', "") for c in table.columns
    ]


def test_a_query_that_fails_leaves_the_file_as_it_was(home, connection):
    table, path = TABLES["nhs_number_replacement"], home.root / "t.parquet"
    storage.write_table(connection, nulls(table), table, path)
    before = path.read_bytes()

    with pytest.raises(Exception, match="no_such_table"):
        storage.write_table(connection, "SELECT * FROM no_such_table", table, path)

    assert path.read_bytes() == before
    assert [p.name for p in home.root.iterdir() if "unfinished" in p.name] == []


def test_parameters_are_bound_in_a_written_query(home, connection):
    table = TABLES["nhs_number_replacement"]
    query = nulls(table).replace('NULL AS "provider"', '$provider AS "provider"')

    storage.write_table(connection, query, table, home.root / "t.parquet", {"provider": "O'Neill"})

    assert pq.read_table(home.root / "t.parquet")["provider"].to_pylist() == ["O'Neill"]


def test_a_folder_appears_whole_or_not_at_all(home):
    with storage.whole_folder(home.root / "good") as folder:
        (folder / "a").write_text("a")
    with pytest.raises(ValueError, match="broken"), storage.whole_folder(home.root / "bad") as folder:
        (folder / "a").write_text("a")
        raise ValueError("broken")

    assert sorted(p.name for p in home.root.iterdir()) == ["good"]


def test_a_symlink_is_swapped_and_stays_relative(home):
    for name in ("one", "two"):
        (home.root / name).mkdir()
        storage.swap_symlink(home.root / "current", home.root / name)
        assert (home.root / "current").resolve().name == name
    assert (home.root / "current").readlink().as_posix() == "two"


def hold(root, ready, release):
    with storage.lock(Home(root), "night-2026-04-01"):
        ready.set()
        release.wait(20)


def test_a_second_run_is_told_that_the_first_one_holds_the_night(home):
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    first = context.Process(target=hold, args=(home.root, ready, release))
    first.start()
    assert ready.wait(20)

    with (
        pytest.raises(RunFailed, match=r"Another run holds night-2026-04-01.*wait until it ends"),
        storage.lock(home, "night-2026-04-01"),
    ):
        pass
    release.set()
    first.join()
    with storage.lock(home, "night-2026-04-01"):
        pass


def test_what_a_killed_run_left_is_cleared(home):
    left = [home.root / "staging" / "2026-04-01" / ".a.parquet.12345678.unfinished", home.temporary / "spill" / "x"]
    kept = home.root / "staging" / "2026-04-01" / "a.parquet"
    for path in [*left, kept]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    folder = home.snapshots / ".2026-04-01.1.12345678.unfinished"
    folder.mkdir(parents=True)

    storage.clear_unfinished(home)

    assert kept.exists()
    assert not any(p.exists() for p in [*left, folder])


@pytest.mark.parametrize(
    "problem",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("IO Error: Could not write: No space left on device"),
    ],
)
def test_a_full_disk_is_one_sentence(home, problem):
    with pytest.raises(RunFailed, match=r"is full: free space and run again; the last registry still stands"):
        storage.raise_if_disk_full(problem, home.root / "x")


def test_a_really_full_disk_is_told_and_leaves_no_half_file(tmp_path):
    """A tmpfs of 2 MB in a namespace of its own, filled by a real write."""
    script = textwrap.dedent("""
        import pathlib, sys
        from registry_pipeline import storage, errors
        from registry_pipeline.tables import Column, Table
        home = storage.Home(pathlib.Path(sys.argv[1]))
        table = Table("t", "row", ("a",), (Column("a", "VARCHAR", "random text"),))
        with storage.connect(home) as connection:
            try:
                query = "SELECT md5(range::VARCHAR) AS a FROM range(1000000)"
                storage.write_table(connection, query, table, home.root / "t.parquet")
            except errors.RunFailed as problem:
                print(problem)
        print([p.name for p in home.root.iterdir() if p.name.endswith((".parquet", ".unfinished"))])
    """)
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    command = 'mount -t tmpfs -o size=2m none "$1" && exec "$2" -c "$3" "$1"'
    if subprocess.run([*mount, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody make a mount namespace, so no small disk can be made")
    done = subprocess.run(
        [*mount, command, "sh", tmp_path, sys.executable, script], capture_output=True, text=True, check=False
    )

    assert "is full: free space and run again" in done.stdout, done.stdout + done.stderr
    assert done.stdout.endswith("[]\n")
