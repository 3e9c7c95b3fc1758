import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import closing

import adbc_driver_postgresql.dbapi as postgres
import pytest

from registry_pipeline.config import load_configuration
from registry_pipeline.errors import RunFailed
from registry_pipeline.synthetic import replica
from registry_pipeline.synthetic.replica import serving


@pytest.fixture(autouse=True)
def no_address(monkeypatch):
    monkeypatch.delenv("RX2_DSN", raising=False)


def ask(query):
    with closing(postgres.connect(os.environ["RX2_DSN"])) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(query)
        return cursor.fetch_arrow_table().to_pylist()


def test_the_replica_serves_each_night_typed_and_stops(copy_of, made):
    configuration = load_configuration(copy_of("system"))
    with serving(configuration):
        address = os.environ["RX2_DSN"]
        counted = ask("select as_at, count(*) from patient group by 1 order by 1")
        assert [row["as_at"].isoformat() for row in counted] == ["2026-04-01", "2026-04-02", "2026-04-03"]
        assert sum(row["count"] for row in counted) == made.rows["RX2"]["patient"]
        assert ask("select pg_typeof(date_of_birth)::text as kind from patient limit 1") == [{"kind": "date"}]
        with serving(configuration):  # a run within a run
            assert ask("select 1 as one") == [{"one": 1}]
        assert ask("select count(*) as rows from admission")[0]["rows"] == made.rows["RX2"]["spell"]
    assert "RX2_DSN" not in os.environ
    with pytest.raises(postgres.Error):
        postgres.connect(address)
    with serving(configuration):  # what is loaded is not loaded again
        assert ask("select count(*) as rows from patient")[0]["rows"] == made.rows["RX2"]["patient"]


def test_two_processes_share_one_server(copy_of):
    out = copy_of("system")
    code = (
        "import sys; from pathlib import Path; from registry_pipeline.config import load_configuration;"
        "from registry_pipeline.synthetic.replica import serving\n"
        f"with serving(load_configuration(Path({str(out)!r}))): print('up', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "up\n"
        with serving(load_configuration(out)):
            other.communicate("", timeout=30)
            assert other.returncode == 0
            assert ask("select count(*) > 0 as there from patient") == [{"there": True}]


def test_a_long_path_with_blanks_and_quotes_is_no_obstacle(copy_of):
    configuration = load_configuration(copy_of("a" * 60, "b" * 60, "it's a system"))
    with serving(configuration):
        assert ask("select count(*) > 0 as there from patient") == [{"there": True}]


def test_data_that_had_to_lie_elsewhere_goes_when_its_replica_has_gone(copy_of, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first, second = copy_of("a" * 90, "one") / "replica", copy_of("a" * 90, "two") / "replica"
    lay = replica._data_folder(first)
    lay.mkdir()
    assert lay == replica._data_folder(first)
    shutil.rmtree(first)
    assert replica._data_folder(second) != lay
    assert not lay.exists()


def test_nothing_is_started_where_an_address_is_given_or_no_replica_named(copy_of, monkeypatch):
    out = copy_of("system")
    configuration = load_configuration(out)
    monkeypatch.setenv("RX2_DSN", "postgresql://elsewhere/db")
    with serving(configuration):
        assert os.environ["RX2_DSN"] == "postgresql://elsewhere/db"
    monkeypatch.delenv("RX2_DSN")
    text = (out / "registry.yaml").read_text()
    (out / "registry.yaml").write_text(text.replace("made_up_replica: replica", ""))
    with serving(load_configuration(out)):
        assert "RX2_DSN" not in os.environ
    assert not list((out / "replica").glob("server*"))


def test_a_replica_that_was_never_made_is_said_to_be_missing(copy_of):
    out = copy_of("system")
    text = (out / "registry.yaml").read_text()
    (out / "registry.yaml").write_text(text.replace("made_up_replica: replica", "made_up_replica: nowhere"))
    with pytest.raises(RunFailed, match="make the care system first"), serving(load_configuration(out)):
        pass
