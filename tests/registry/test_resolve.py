"""What an id went by on any past night, from the newest snapshot alone; and the command that asks."""

from datetime import timedelta

import pytest

from registry_pipeline import cli
from registry_pipeline.errors import BadInput
from registry_pipeline.link.identity import resolution, resolve

A, B, C = "GP1:1", "GP1:2", "GP1:3"


@pytest.fixture
def story(care_system):
    """c joins b, b joins a; a is away on night 6 and back on night 7, without b."""
    care_system.providers = ("GP1",)
    care_system.live(1, {"a": [A]})
    care_system.live(2, {"a": [A], "b": [B]})
    ids = care_system.ids(care_system.live(3, {"a": [A], "b": [B], "c": [C]}))
    care_system.live(4, {"a": [A], "bc": [B, C]})
    care_system.live(5, {"abc": [A, B, C]})
    care_system.live(6, {})
    return care_system, care_system.live(7, {"a": [A]}), ids


def test_joins_that_happened_later_are_not_followed(story):
    care_system, folder, ids = story
    a, b, c = ids[A], ids[B], ids[C]
    went_by = {n: [resolve(folder, i, care_system.night(n)) for i in (a, b, c)] for n in (3, 4, 5, 7)}
    assert went_by == {3: [a, b, c], 4: [a, b, b], 5: [a, a, a], 7: [a, a, a]}
    assert resolve(folder, c) == a
    assert resolve(folder, c, care_system.night(7) + timedelta(days=400)) == a


def test_a_retired_id_is_itself_and_said_to_be_retired(story):
    care_system, folder, ids = story
    told = [resolution(folder, ids[C], care_system.night(n)) for n in (5, 6, 7)]
    assert [(t.patient_id, t.is_retired, t.since) for t in told] == [
        (ids[A], False, care_system.night(5)),
        (ids[A], True, care_system.night(6)),
        (ids[A], False, care_system.night(7)),
    ]


def test_before_it_was_created_there_is_no_answer(story):
    care_system, folder, ids = story
    with pytest.raises(BadInput, match=r"did not exist on the night 2026-04-02: it was created on 2026-04-03"):
        resolve(folder, ids[C], care_system.night(2))


@pytest.fixture
def command(care_system, monkeypatch, capsys):
    """The command over a published registry of two nights; gives its exit code and what it says."""
    care_system.people(care_system.night(1), {"a": [A], "b": [B]})
    ids = care_system.ids(care_system.publish(care_system.night(1)).folder)
    care_system.people(care_system.night(2), {"ab": [A, B]})
    care_system.publish(care_system.night(2))
    root = care_system.home.root
    (root / "providers").mkdir()
    (root / "registry.yaml").write_text("name: a small one\n")
    (root / "providers" / "gp1.yaml").write_text(
        "provider: GP1\nsetting: gp\nfeeds: {patient: {source: {kind: csv, path: p.csv}}}\n"
    )
    monkeypatch.setenv("REGISTRY_HOME", str(root))

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["registry", *arguments, "--config", str(root)])
        monkeypatch.setattr(cli, "_hush_duckdb_at_exit", lambda: None)
        with pytest.raises(SystemExit) as end:
            cli.main()
        told = capsys.readouterr()
        return end.value.code, told.out.strip(), told.err.strip()

    return run, ids


def test_the_command_tells_what_an_id_goes_by(command):
    run, ids = command
    assert run("resolve", ids[B]) == (0, ids[A], "joined since 2026-04-02")
    assert run("resolve", ids[B], "--as-of", "2026-04-01") == (0, ids[B], "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nobody"], "give a UUID"),
        (["00000000-0000-4000-8000-000000000000"], "never gave out"),
        (["{B}", "--as-of", "2026-03-01"], "did not exist on the night 2026-03-01"),
        (["{B}", "--as-of", "yesterday"], "--as-of 'yesterday' is not a date"),
    ],
)
def test_the_command_refuses_what_has_no_answer(command, arguments, says):
    run, ids = command
    code, out, err = run("resolve", *(each.format(B=ids[B]) for each in arguments))
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 0
