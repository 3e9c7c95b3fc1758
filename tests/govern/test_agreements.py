"""Agreements: dates that contradict are refused, and whole nights go over the ends of them."""

from datetime import date, timedelta

import pytest

from registry_pipeline import cli
from registry_pipeline.config import Agreement, Configuration, Deployment, Provider, load_configuration
from registry_pipeline.govern import agreements
from registry_pipeline.night import run_night
from registry_pipeline.storage import read_json
from tests.pipeline.conftest import FIRST, PEOPLE, SECOND, System, described, system  # noqa: F401  # system is a fixture

THIRD, FOURTH = SECOND + timedelta(days=1), SECOND + timedelta(days=2)
NIGHTS = (FIRST, SECOND, THIRD)

# ------------------------------------------------------------------------------------------ dates that contradict ---

OVERLAPPING = """\

  - {reference: DSA-1, starts: 2026-04-01, ends: 2026-06-30}
  - {reference: DSA-3, starts: 2026-10-01}
  - reference: DSA-2
    starts: 2026-06-30
    ends: 2026-09-30"""
BACKWARDS = """\

  - {reference: DSA-1, starts: 2026-04-01, ends: 2026-06-30}
  - {reference: DSA-2, starts: 2026-12-01, ends: 2026-11-30}"""


@pytest.mark.parametrize(
    "command", [("check-config",), ("run", "--night", str(FIRST)), ("status",), ("opt-out", "status")]
)
@pytest.mark.parametrize(
    ("written", "line", "said"),
    [
        (OVERLAPPING, 6, "the agreements DSA-1 and DSA-2 are in force on the same days: end one before the other"),
        (BACKWARDS, 5, "the agreement DSA-2 ends 2026-11-30, before it starts 2026-12-01"),
        (" {reference: DSA-1, starts: 2026-12-01, ends: 2026-11-30}", 3, "DSA-1 ends 2026-11-30, before it starts"),
        (" {reference: DSA-1, ends: soon}", 3, "date"),
        (" {reference: DSA-1, purposes: [direct_car]}", 3, "'direct_care'"),
    ],
)
def test_dates_that_contradict_are_refused_by_every_command_with_file_and_line(system, command, written, line, said):  # noqa: F811
    system.describe("RX1", "acute", agreement=written.removeprefix(" "))

    code, _, problem = system.registry(*command)

    assert code == 2
    assert f"RX1.yaml, line {line}: agreement" in problem
    assert said in problem
    assert problem.count("\n") == 1
    assert not system.home.root.exists()


# --------------------------------------------------------------------------------------------------- on one night ---


def provider(*several: dict) -> Provider:
    feeds = {"patient": {"source": {"kind": "csv", "path": "none.csv"}}}
    return Provider.model_validate({"provider": "RX1", "setting": "acute", "agreement": list(several), "feeds": feeds})


def deployment(tmp_path, *providers: Provider, **settings) -> Configuration:
    made = {f"{p.provider}{n}": p for n, p in enumerate(providers)}
    return Configuration(directory=tmp_path, home=tmp_path, deployment=Deployment(**settings), providers=made)


def broken(*several: dict, night: date = FIRST) -> list[str]:
    return [check.name for check in agreements.checks(provider(*several), night) if not check.passed]


@pytest.mark.parametrize(
    ("days", "warned"), [(0, True), (agreements.ENDING_SOON_DAYS, True), (agreements.ENDING_SOON_DAYS + 1, False)]
)
def test_an_agreement_that_ends_within_thirty_days_is_a_warning(days, warned):
    ends = FIRST + timedelta(days=days)

    assert broken({"reference": "DSA-1", "ends": ends}) == (["agreement_is_not_ending"] if warned else [])


def test_a_successor_that_starts_the_day_after_is_no_end_and_one_that_starts_later_is():
    first = {"reference": "DSA-1", "ends": SECOND}
    last = {"reference": "DSA-3", "starts": date(2026, 5, 1), "ends": date(2027, 5, 1)}

    assert broken(first, {"reference": "DSA-2", "starts": THIRD, "ends": date(2026, 4, 30)}, last) == []
    assert broken(first, {"reference": "DSA-2", "starts": THIRD}) == []
    assert broken(first, {"reference": "DSA-2", "starts": FOURTH}) == ["agreement_is_not_ending"]


def test_a_provider_without_an_agreement_is_refused_as_soon_as_another_has_one(tmp_path):
    without, under = provider(), provider({"reference": "DSA-1"})

    trial = deployment(tmp_path, without, without)
    assert agreements.refusal(trial, without, FIRST) is None
    assert broken() == ["is_under_agreement"]
    assert "there is no data sharing agreement" in agreements.refusal(
        deployment(tmp_path, without, under), without, FIRST
    )
    assert agreements.refusal(deployment(tmp_path, without, agreements_required=True), without, FIRST) is not None
    assert agreements.refusal(deployment(tmp_path, without, under, agreements_required=False), without, FIRST) is None


@pytest.mark.parametrize(
    ("several", "said"),
    [
        ([{"reference": "A", "ends": FIRST}], "A is not in force on 2026-04-03, so nothing was read (it ended on"),
        ([{"reference": "A", "ends": FIRST, "on_end": "keep"}], "its records stay in the registry as last delivered)"),
        ([{"reference": "A", "ends": FIRST, "on_end": "remove"}], "its records leave the registry)"),
        ([{"reference": "B", "starts": FOURTH}], "B is not in force on 2026-04-03, so nothing was read (it starts on"),
        (
            [{"reference": "A", "ends": FIRST}, {"reference": "B", "starts": FOURTH}],
            "its records leave the registry; the next one, B, starts on 2026-04-04)",
        ),
    ],
)
def test_the_refusal_says_why_and_what_becomes_of_the_records_in_one_sentence(tmp_path, several, said):
    ended = provider(*several)

    sentence = agreements.refusal(deployment(tmp_path, ended), ended, THIRD)

    assert said in sentence
    assert "renew it" in sentence
    assert ". " not in sentence


def test_agreements_come_in_any_order():
    later, sooner = {"reference": "B", "starts": THIRD}, {"reference": "A", "ends": SECOND}

    assert [a.reference for a in provider(later, sooner).agreements] == ["A", "B"]
    assert Agreement.model_validate(sooner).in_force(SECOND)


# -------------------------------------------------------------------------------------------------- whole nights ---


@pytest.fixture(scope="module")
def nights(tmp_path_factory) -> tuple[System, dict]:
    """Five providers over three nights: for ever, a gap, kept at its end, for audit only, followed without a gap."""
    folder = tmp_path_factory.mktemp("agreements") / "system"
    described(folder)
    made = System(folder)
    made.describe("GP1", "gp", agreement="{reference: DSA-G, starts: 2026-01-01}")
    made.describe(
        "RX1", "acute", agreement=f"[{{reference: DSA-X1, ends: {FIRST}}}, {{reference: DSA-X2, starts: {THIRD}}}]"
    )
    made.describe("RY1", "community", agreement=f"{{reference: DSA-Y, ends: {FIRST}, on_end: keep}}")
    made.describe("RV1", "mental_health", agreement="{reference: DSA-V, purposes: [audit]}")
    made.describe(
        "LA1",
        "social_care",
        agreement=f"[{{reference: DSA-L2, starts: {SECOND}}}, {{reference: DSA-L1, ends: {FIRST}}}]",
    )
    configuration = load_configuration(folder, environment={})
    summaries = {}
    for night in NIGHTS:
        made.deliver(night, "GP1", "RX1", "RY1", "RV1", "LA1")
        summaries[night] = run_night(configuration, night)
    return made, summaries


def records(made: System, night: date) -> dict[str, date]:
    """Provider to the night of its records in a night's snapshot; all of its records, or none."""
    import duckdb

    file = made.home.snapshot(f"{night}.1") / "patient_record.parquet"
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT provider, count(*), min(night), max(night) FROM '{file}' GROUP BY 1"
        ).fetchall()
    assert all((people, first) == (PEOPLE, last) for _, people, first, last in found)
    return {provider: last for provider, _, _, last in found}


def test_records_come_and_go_with_the_agreements(nights):
    made, _ = nights

    assert records(made, FIRST) == dict.fromkeys(["GP1", "RX1", "RY1", "LA1"], FIRST)
    assert records(made, SECOND) == {"GP1": SECOND, "RY1": FIRST, "LA1": SECOND}
    assert records(made, THIRD) == {"GP1": THIRD, "RX1": THIRD, "RY1": FIRST, "LA1": THIRD}


def test_who_comes_back_under_a_new_agreement_is_who_they_were(nights):
    made, _ = nights
    import duckdb

    files = [made.home.snapshot(f"{night}.1") / "patient_record.parquet" for night in (FIRST, THIRD)]
    with duckdb.connect() as connection:
        same = connection.execute(
            f"SELECT count(*) FROM '{files[0]}' AS before JOIN '{files[1]}' AS after USING (record_id, patient_id)"
            " WHERE record_id LIKE 'RX1%'"
        ).fetchall()
    assert same == [(PEOPLE,)]


def test_nothing_is_read_while_no_agreement_is_in_force(nights):
    made, summaries = nights
    refused = {(f.provider, night) for night in NIGHTS for f in summaries[night].feeds if f.status == "agreement"}

    assert refused == {("RX1", SECOND), ("RY1", SECOND), ("RY1", THIRD)}
    for code, night in refused:
        assert not made.home.landing(code, "patient", night).exists()
        assert not made.home.staged("raw_patient", code, night).exists()
    problem = made.outcome("RX1", SECOND).problem
    assert problem == (
        "RX1, feed patient: the data sharing agreement DSA-X1 is not in force on 2026-04-02, so nothing was read (it"
        " ended on 2026-04-01 and its records leave the registry; the next one, DSA-X2, starts on 2026-04-03): renew"
        " it, or correct its `starts` and `ends`."
    )


def test_warnings_stand_in_the_checks_of_the_night(nights):
    _, summaries = nights
    names = {check.name for check in agreements.CHECKS}
    found = {
        feed.provider: {check.name for check in feed.checks if not check.passed and check.name in names}
        for feed in summaries[FIRST].feeds
    }

    assert found == {
        "GP1": set(), "RX1": {"agreement_is_not_ending"}, "RY1": {"agreement_is_not_ending"},
        "RV1": {"agreement_covers_direct_care"}, "LA1": set(),
    }  # fmt: skip
    assert all(check.severity == "warning" for check in agreements.CHECKS)


def test_a_provider_that_does_not_cover_direct_care_is_taken_in_and_gives_nothing_and_that_is_said(nights, capsys):
    made, summaries = nights
    manifest = read_json(made.home.snapshot(f"{THIRD}.1") / "manifest.json")
    [said] = [entry for entry in manifest["without_data"] if entry["provider"] == "RV1"]

    assert next(f for f in summaries[THIRD].feeds if f.provider == "RV1").accepted
    assert said["reason"] == "agreement"
    code, printed, _ = System(made.folder, capsys).registry("status")
    assert code == 0
    assert "covers audit" in printed
    assert "DSA-V" in printed
    assert "RX1" in printed


def test_the_run_says_what_is_to_be_seen_to_once_a_provider(nights, capsys):
    made, summaries = nights

    cli._print_summary(summaries[FIRST], load_configuration(made.folder, environment={}))

    said = capsys.readouterr().err
    assert said.count("RX1: agreement_is_not_ending: in force until 2026-04-01") == 1
    assert said.count("RV1: agreement_covers_direct_care: covers audit") == 1
    assert "GP1" not in said
