"""Configuration: what people write, what they get, and what they are told when they mistype."""

from datetime import date
from pathlib import Path

import pytest

from registry_pipeline.config import REPOSITORY, load_configuration
from registry_pipeline.errors import BadInput

PROVIDER = """\
provider: RX1
name: St Elsewhere Hospitals
setting: acute
delivery: full
stale_after_days: 3
agreement: {reference: DSA-0012, lawful_basis: "UK GDPR 6(1)(e), 9(2)(h)", purposes: [direct_care, audit], starts: 2026-04-01, ends: 2027-03-31}
feeds:
  patient:
    source: {kind: csv, path: "drop/rx1/patients_{night}.csv", delimiter: "|", encoding: cp1252}
    columns: {local_id: PatientID, birth_date: {from: DOB, format: "%d/%m/%Y"}, address: {from: [A1, A2], separator: ", "}}
  spell:
    source: {kind: postgres, dsn_env: RX1_DSN, query: "select 1"}
    delivery: delta
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "providers").mkdir()
    (tmp_path / "registry.yaml").write_text("")
    (tmp_path / "providers" / "RX1.yaml").write_text(PROVIDER)
    return tmp_path


def test_the_documented_provider_file_is_read(folder):
    provider = load_configuration(folder, environment={}).provider("RX1")

    patient = provider.feeds["patient"]
    assert patient.source.delimiter == "|"
    assert patient.columns["local_id"].source == ("PatientID",)
    assert patient.columns["birth_date"].format == "%d/%m/%Y"
    assert patient.columns["address"].source == ("A1", "A2")
    assert (provider.delivery_of("patient"), provider.delivery_of("spell")) == ("full", "delta")
    assert provider.agreements[0].in_force(date(2026, 4, 1))
    assert provider.agreements[0].in_force(date(2027, 3, 31))
    assert not provider.agreements[0].in_force(date(2027, 4, 1))


def test_an_empty_registry_yaml_takes_every_default(folder):
    configuration = load_configuration(folder, environment={})

    assert configuration.models == REPOSITORY / "linkage_models"
    assert configuration.home == Path("registry_home").resolve()
    assert not configuration.deployment.synthetic_nhs_numbers


def test_the_environment_names_the_home_before_the_file_does(folder):
    (folder / "registry.yaml").write_text("home: data\nmodels: my_models\n")

    assert load_configuration(folder, environment={}).home == folder / "data"
    assert load_configuration(folder, environment={"REGISTRY_HOME": "/elsewhere"}).home == Path("/elsewhere")
    assert load_configuration(folder, environment={}).models == folder / "my_models"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("setting: acute", "seting: acute"), ["RX1.yaml, line 3", "'seting'", "did you mean 'setting'"]),
        (("setting: acute", "setting: hospital"), ["RX1.yaml, line 3", "setting", "'gp', 'acute'"]),
        (("delimiter:", "delimeter:"), ["line 9", "'delimeter'", "did you mean 'delimiter'"]),
        (("stale_after_days: 3", "stale_after_days: three"), ["line 5", "stale_after_days", "integer"]),
        (("kind: csv", "kind: xslx"), ["line 9", "source", "'csv'"]),
        (("  spell:\n", "  spells:\n"), ["line 11", "spells"]),
        (("ends: 2027-03-31", "end: 2027-03-31"), ["line 6", "'end'", "did you mean 'ends'"]),
        (("provider: RX1\n", ""), ["RX1.yaml", "'provider' is missing"]),
        (("format:", "fromat:"), ["line 10", "'fromat'"]),
        (("setting: acute", "setting: [acute"), ["not valid YAML", "line"]),
    ],
)
def test_a_mistake_is_named_with_its_line_and_the_nearest_valid_key(folder, wrong, said):
    (folder / "providers" / "RX1.yaml").write_text(PROVIDER.replace(*wrong))

    with pytest.raises(BadInput) as caught:
        load_configuration(folder, environment={})

    for part in said:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("{1: M, 2: F}", {"1": "M", "2": "F"}),
        ("{TRUE: 01, FALSE: '02'}", {"TRUE": "1", "FALSE": "02"}),
        ("{yes: Y, No: N}", {"yes": "Y", "No": "N"}),
    ],
)
def test_codes_in_yaml_are_text_whatever_yaml_takes_them_for(folder, written, read):
    mapped = PROVIDER.replace("local_id: PatientID", f"local_id: PatientID, sex: {{from: S, values: {written}}}")
    (folder / "providers" / "RX1.yaml").write_text(mapped)

    sex = load_configuration(folder, environment={}).provider("RX1").feeds["patient"].columns["sex"]

    assert sex.values == read


def test_two_files_cannot_describe_one_provider(folder):
    (folder / "providers" / "again.yaml").write_text(PROVIDER)

    with pytest.raises(BadInput, match="already used"):
        load_configuration(folder, environment={})


def test_an_unknown_provider_is_told_the_nearest(folder):
    with pytest.raises(BadInput, match="did you mean 'RX1'"):
        load_configuration(folder, environment={}).provider("RX7")


@pytest.mark.parametrize("missing", ["registry.yaml", "providers"])
def test_a_folder_that_is_no_configuration_says_what_is_missing(folder, missing):
    (folder / missing).rename(folder / "away")

    with pytest.raises(BadInput, match=missing):
        load_configuration(folder, environment={})
