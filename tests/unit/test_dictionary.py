"""The data dictionary: its page tells every column, and its schemas describe the rows that are published."""

import json
import re
import subprocess
import sys
from datetime import date, datetime
from html.parser import HTMLParser
from pathlib import Path
from uuid import UUID

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry_pipeline import codes, dictionary
from registry_pipeline.config import Configuration, Deployment
from registry_pipeline.dictionary import code_lists, json_schema
from registry_pipeline.errors import BadInput
from registry_pipeline.storage import Home, connect, write_table
from registry_pipeline.tables import CODES, CONSUMER_TABLES, PUBLISHED, TABLES, UNITS, Column
from tests.expectations.bad_examples import MADE_GOOD

PUBLISHED_NAMES = [(family, name) for family, tables in PUBLISHED.items() for name in tables]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return dictionary.write(tmp_path_factory.mktemp("dictionary"))


def schema_of(written, family, name):
    (file,) = [file for file in written.schemas if file.name == f"{family}.{name}.schema.json"]
    return json.loads(file.read_text())


# Schemas -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "name"), PUBLISHED_NAMES)
def test_a_schema_is_valid_and_says_all_that_the_table_is(family, name, written):
    schema, table = schema_of(written, family, name), PUBLISHED[family][name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["x-key"], schema["x-one-row-per"]) == (list(table.key), table.one_row_per)
    assert schema["x-schema-version"] == table.version
    assert schema["x-purposes"] == list(dictionary.purposes_of(family, name))
    assert schema["required"] == list(schema["properties"]) == list(table.column_names)
    for column in table.columns:
        said = schema["properties"][column.name]
        assert said["description"] == column.description
        assert said["x-type"] == column.type
        assert ("null" in said["type"]) is column.is_nullable
        assert said.get("x-unit") == column.unit
        assert said.get("x-code-list") == column.codes


CASES = [
    (Column("c", "VARCHAR", ""), ["text", "", None], [1, True]),
    (Column("c", "VARCHAR", "", is_nullable=False), ["text"], [None]),
    (Column("c", "INTEGER", ""), [0, -5, None], [0.5, 2**31, "1"]),
    (Column("c", "BIGINT", ""), [2**31], [2**63]),
    (Column("c", "TINYINT", ""), [127], [128]),
    (Column("c", "DOUBLE", ""), [0.5, 3, None], ["0.5"]),
    (Column("c", "BOOLEAN", ""), [True, None], [0, "true"]),
    (Column("c", "DATE", ""), ["2026-04-01"], ["2026-02-30", "1/4/2026", 5]),
    (Column("c", "TIMESTAMP", ""), ["2026-04-01T10:15:00", "2026-04-01T10:15:00.123456"], ["2026-04-01", "10:15"]),
    (Column("c", "UUID", ""), ["0e74c329-3cec-4676-9b78-0e8e60b50aab"], ["0e74c329", 7]),
    (Column("c", "VARCHAR[]", ""), [["a"], [], None], ["a", [1]]),
    (Column("c", "VARCHAR", "", codes="sex"), ["F", None], ["2", "f"]),
    (Column("c", "VARCHAR", "", is_nullable=False, codes="sex"), ["F"], [None]),
    (Column("c", "VARCHAR[]", "", codes="setting"), [["gp", "acute"], []], [["dental"], "gp"]),
    (Column("c", "VARCHAR", "", codes="admission_method"), ["21", "our own"], [21]),
    (Column("c", "TINYINT", "", codes="deprivation_decile"), [1, 10], [0, 11]),
    (TABLES["patient"].columns[-2], [{"sex": {"record_id": "GP1:1", "rule": "only_record"}}, {}], [{"sex": "GP1:1"}, []]),
]  # fmt: skip


@pytest.mark.parametrize(("column", "good", "bad"), CASES, ids=lambda value: getattr(value, "type", None))
def test_a_columns_schema_takes_its_values_and_no_others(column, good, bad):
    schema = json_schema.property_of(column)
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    assert [value for value in good if not validator.is_valid(value)] == []
    assert [value for value in bad if validator.is_valid(value)] == []


def test_a_type_that_no_reader_knows_is_refused():
    with pytest.raises(ValueError, match="HUGEINT"):
        json_schema.property_of(Column("c", "HUGEINT", ""))


def as_json(value):
    """A value as JSON has it."""
    if isinstance(value, UUID | date | datetime):
        return value.isoformat() if isinstance(value, date) else str(value)
    if isinstance(value, dict):
        return {key: as_json(each) for key, each in value.items()}
    return [as_json(each) for each in value] if isinstance(value, list) else value


def faults_of(schema, table: pa.Table):
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    rows = ({name: as_json(value) for name, value in row.items()} for row in table.to_pylist(maps_as_pydicts="strict"))
    return sorted({(fault.json_path, fault.validator) for row in rows for fault in validator.iter_errors(row)})


@pytest.mark.parametrize("name", CONSUMER_TABLES)
def test_a_consumers_good_row_fits_its_schema(name, written, tmp_path):
    table, row = CONSUMER_TABLES[name], MADE_GOOD[name]
    connection = connect(Home(tmp_path), macros=False)
    selected = ", ".join(f'{row.get(column.name, "NULL")} AS "{column.name}"' for column in table.columns)
    write_table(connection, f"SELECT {selected}", table, tmp_path / "made.parquet")
    connection.close()
    assert faults_of(schema_of(written, "consumer", name), pq.read_table(tmp_path / "made.parquet")) == []


# Code lists ----------------------------------------------------------------------------------------------------------


def test_every_mapping_is_of_a_column_that_there_is():
    names = {c.name for tables in PUBLISHED.values() for table in tables.values() for c in table.columns}
    inside = {c.name for table in TABLES.values() for c in table.columns}
    for mapping in (UNITS, CODES, dictionary.MADE_FROM):
        assert {name.rpartition(".")[2] for name in mapping} <= names | inside
    assert set(dictionary.MADE_FROM) <= names


def test_units_are_of_numbers_and_codes_of_text():
    for tables in PUBLISHED.values():
        for table in tables.values():
            for column in table.columns:
                if column.unit is not None:
                    assert column.type in {"INTEGER", "BIGINT", "TINYINT", "DOUBLE"}, column
                if column.codes is not None:
                    assert column.type in {"VARCHAR", "VARCHAR[]", "TINYINT"}, column


def test_forms_are_regular_expressions_of_their_codes():
    lists = code_lists.load()
    good = {"icd10": "E119", "opcs4": "W371", "lsoa": "E01000001", "organisation": "A81001", "admission_source": "19"}
    for name, code in good.items():
        assert re.fullmatch(lists[name].form, code)
        assert not re.fullmatch(lists[name].form, "no code!")


# The page ------------------------------------------------------------------------------------------------------------


class Seen(HTMLParser):
    """Ids, links and text of a page, and what it would ask for."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.text, self.asks = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        self.ids += [said["id"]] if "id" in said else []
        self.links += [said["href"]] if tag == "a" else []
        self.asks += [said[name] for name in ("src", "data", "action") if name in said]
        self.asks += [said["href"]] if tag == "link" else []

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(written):
    return Seen(written.page.read_text())


def test_the_page_tells_every_column_of_every_table_under_an_anchor(page):
    told = " ".join(page.text)
    for family, tables in PUBLISHED.items():
        for table in tables.values():
            assert f"{family}-{table.name}" in page.ids
            assert table.one_row_per in told
            for column in table.columns:
                assert f"{family}-{table.name}-{column.name}" in page.ids
                assert column.description in told
    assert len(set(page.ids)) == len(page.ids)


def test_every_link_of_the_page_leads_somewhere_beside_it(page, written):
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids or link == "#content", link
        else:
            assert (written.page.parent / link).is_file(), link
    assert page.asks == []


def test_the_page_names_every_list_with_its_source(page):
    told = " ".join(page.text)
    for listed in code_lists.load().values():
        assert f"list-{listed.name}" in page.ids
        assert listed.source in told
        assert all(meaning in told for meaning in listed.values.values())
    configuration = Configuration(directory=Path(), home=Path(), deployment=Deployment(), providers={})
    for name in codes.names(configuration):
        assert f"clinical-{name}" in page.ids
    assert {each for lists in dictionary.MADE_FROM.values() for each in lists} <= set(codes.names(configuration))


def test_a_deployments_own_code_list_is_told(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "our_own.csv").write_text(
        "coding_system,code,term\nsnomed,44054006,Type 2 diabetes mellitus\n"
    )
    (tmp_path / "lists" / "our_own.yaml").write_text("title: Our own\nversion: '1'\nsource: us\nlicence: ours\n")
    deployment = Deployment(code_lists=Path("lists"))
    configuration = Configuration(directory=tmp_path, home=tmp_path, deployment=deployment, providers={})
    told = dictionary.write(tmp_path / "out", configuration).page.read_text()
    assert 'id="clinical-our_own"' in told
    (tmp_path / "lists" / "our_own.csv").write_text("coding_system,code,term\nsnomed,44054007,Mistyped\n")
    with pytest.raises(BadInput, match=r"our_own\.csv, line 2"):
        dictionary.write(tmp_path / "out", configuration)
    assert dictionary.write(tmp_path / "out").page.is_file()


# Purposes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "name", "purposes"),
    [
        ("registry", "patient", ("direct_care",)),
        ("consumer", "care_gap", ("direct_care",)),
        ("consumer", "case_conference_list", ("case_conference",)),
        ("consumer", "audit_measure", ("audit",)),
        ("output", "patient", ("risk_stratification", "audit", "planning", "research")),
        ("output", "risk_stratification", ("risk_stratification",)),
    ],
)
def test_a_table_names_the_purposes_that_may_see_it(family, name, purposes):
    assert dictionary.purposes_of(family, name) == purposes


# The command ---------------------------------------------------------------------------------------------------------


def registry(*arguments, cwd, **environment):
    command = [Path(sys.executable).with_name("registry"), *arguments]
    return subprocess.run(
        command, cwd=cwd, env={"PATH": "", **environment}, capture_output=True, text=True, check=False
    )


def test_the_command_writes_page_and_schemas(tmp_path):
    done = registry("dictionary", "--out", "told", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "told" / "dictionary.html").is_file()
    assert len(list((tmp_path / "told" / "schemas").glob("*.schema.json"))) == len(PUBLISHED_NAMES)
    assert f"{len(PUBLISHED_NAMES)} JSON Schemas" in done.stdout


def test_without_a_folder_it_writes_beside_the_data(tmp_path):
    done = registry("dictionary", cwd=tmp_path, REGISTRY_HOME=str(tmp_path / "home"))
    assert done.returncode == 0
    assert (tmp_path / "home" / "dictionary" / "dictionary.html").is_file()


@pytest.mark.parametrize("out", ["told", "told/deeper"])
def test_a_folder_that_cannot_be_made_is_bad_input(out, tmp_path):
    (tmp_path / "told").write_text("")
    done = registry("dictionary", "--out", out, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"registry: The folder {out} cannot be made (")
    assert done.stderr.count("\n") == 1


def test_a_configuration_that_is_not_there_is_bad_input(tmp_path):
    done = registry("dictionary", "--out", "told", "--config", "nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert "There is no configuration folder" in done.stderr
