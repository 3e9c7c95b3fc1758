"""Keys that protect nobody are refused, a pseudonym is HMAC-SHA256, and a key is seen nowhere."""

import base64
import copy
import hashlib
import hmac
import os
import pickle
import traceback
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.config import Configuration, Deployment, KeySource, PurposeOutput
from registry_pipeline.errors import BadInput
from registry_pipeline.govern import pseudonyms
from registry_pipeline.storage import Home

SECRET = bytes(range(7, 47))
TEXT = SECRET.hex()


def write_key(file: Path, content: bytes = TEXT.encode(), mode: int = 0o600) -> Path:
    file.write_bytes(content)
    file.chmod(mode)
    return file


def deployment_of(folder: Path, **sources: KeySource) -> Configuration:
    outputs = {purpose: PurposeOutput(key=source) for purpose, source in sources.items()}
    return Configuration(directory=folder, home=folder / "home", deployment=Deployment(outputs=outputs), providers={})


def with_key(folder: Path, content: bytes = TEXT.encode(), mode: int = 0o600) -> Configuration:
    write_key(folder / "audit.key", content, mode)
    return deployment_of(folder, audit=KeySource(file=Path("audit.key")))


@pytest.fixture
def connection():
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


@settings(max_examples=40, deadline=None)
@given(
    secret=st.binary(min_size=32, max_size=150),
    ids=st.lists(st.text(max_size=150), min_size=1, max_size=30),
    domain=st.sampled_from(["patient", "record", "event"]),
)
def test_a_pseudonym_is_the_hmac_that_python_makes(secret, ids, domain):
    key = pseudonyms.Key(secret, "", "raw")
    ids = [each.replace("\0", "") for each in ids]
    expected = [hmac.new(secret, f"{domain}:{each}".encode(), hashlib.sha256).hexdigest()[:32] for each in ids]
    with duckdb.connect(config={"threads": 1}) as connection:
        pseudonyms.bind(connection, key)
        pseudonyms.define(connection)
        rows = connection.execute(
            "SELECT pseudonym($domain, id) FROM (SELECT unnest($ids) AS id)", {"domain": domain, "ids": ids}
        ).fetchall()
    assert [row[0] for row in rows] == expected
    assert [pseudonyms.pseudonym(key, domain, each) for each in ids] == expected


def test_no_id_has_no_pseudonym_and_equal_ids_of_two_kinds_have_two(connection):
    pseudonyms.bind(connection, pseudonyms.key_of(SECRET, "a test"))
    pseudonyms.define(connection)
    [(nothing, patient, record)] = connection.execute(
        "SELECT pseudonym('patient', NULL), pseudonym('patient', 'RX1:1'), pseudonym('record', 'RX1:1')"
    ).fetchall()
    assert nothing is None
    assert len(patient) == len(record) == 32
    assert patient != record


@pytest.mark.parametrize(
    ("content", "secret", "encoding"),
    [
        (TEXT.encode() + b"\n", SECRET, "hex"),
        (TEXT.upper().encode(), SECRET, "hex"),
        (base64.b64encode(SECRET) + b"\r\n", SECRET, "base64"),
        (base64.urlsafe_b64encode(SECRET), SECRET, "base64"),
        (SECRET, SECRET, "raw"),
        (b"\xff" + SECRET + b"\n", b"\xff" + SECRET + b"\n", "raw"),
        ("Früh um sieben standen 33 Krähen da".encode(), "Früh um sieben standen 33 Krähen da".encode(), "raw"),
    ],
)
def test_a_key_is_read_as_what_it_is_written_in(content, secret, encoding):
    key = pseudonyms.key_of(content, "a test")
    assert (key.secret, key.encoding) == (secret, encoding)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "There is no key in the key file .*: it is empty"),
        (b"\n", "There is no key in the key file .*: it is empty"),
        (SECRET[:31].hex().encode(), r"has 31 bytes \(read as hex\) and needs at least 32"),
        (base64.b64encode(SECRET[:30]), r"has 30 bytes \(read as base64\) and needs at least 32"),
        (b"correct horse!", r"has 14 bytes \(read as raw\) and needs at least 32"),
        (b"a" * 64, "repeats the same few characters"),
        (b"0" * 128, "repeats the same few characters"),
        (b"\0" * 32, "repeats the same few characters"),
        (b"ab " * 40, "repeats the same few characters"),
    ],
)
def test_a_key_that_protects_nobody_is_refused(tmp_path, content, sentence):
    configuration = with_key(tmp_path, content)
    with pytest.raises(BadInput, match=sentence):
        pseudonyms.key_for(configuration, "audit")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o602, 0o644])
def test_a_key_file_that_others_may_open_is_refused(tmp_path, mode):
    configuration = with_key(tmp_path, mode=mode)
    with pytest.raises(
        BadInput, match=rf"is open to its group or to everybody \(mode {mode:04o}\): close it with chmod"
    ):
        pseudonyms.key_for(configuration, "audit")


def test_a_key_file_of_another_account_is_refused(tmp_path, monkeypatch):
    configuration = with_key(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(BadInput, match="belongs to another account"):
        pseudonyms.key_for(configuration, "audit")


def test_a_key_file_that_is_missing_or_no_file_is_refused(tmp_path):
    configuration = deployment_of(tmp_path, audit=KeySource(file=Path("none.key")))
    with pytest.raises(BadInput, match=r"none\.key is missing: make one with registry key new"):
        pseudonyms.key_for(configuration, "audit")
    (tmp_path / "none.key").mkdir(mode=0o700)
    with pytest.raises(BadInput, match="no ordinary file"):
        pseudonyms.key_for(configuration, "audit")
    (tmp_path / "none.key").rmdir()
    os.mkfifo(tmp_path / "none.key", 0o600)
    with pytest.raises(BadInput, match="no ordinary file"):
        pseudonyms.key_for(configuration, "audit")


def test_a_key_comes_from_an_environment_variable(tmp_path):
    configuration = deployment_of(tmp_path, audit=KeySource(env="AUDIT_KEY"))
    found = pseudonyms.key_for(configuration, "audit", environment={"AUDIT_KEY": TEXT})
    assert found.secret == SECRET
    for environment in ({}, {"AUDIT_KEY": ""}):
        with pytest.raises(BadInput, match="environment variable AUDIT_KEY that is to hold a key is not set"):
            pseudonyms.key_for(configuration, "audit", environment=environment)


def test_two_purposes_may_not_have_one_key_however_it_is_written(tmp_path):
    write_key(tmp_path / "audit.key")
    write_key(tmp_path / "risk.key", base64.b64encode(SECRET))
    configuration = deployment_of(
        tmp_path, audit=KeySource(file=Path("audit.key")), risk_stratification=KeySource(file=Path("risk.key"))
    )
    with pytest.raises(BadInput, match="The key of audit is also that of risk_stratification"):
        pseudonyms.key_for(configuration, "audit")


def test_nor_one_that_another_purpose_had_once(tmp_path):
    configuration = with_key(tmp_path)
    home = Home(configuration.home)
    pseudonyms.take_into_use(home, "research", pseudonyms.key_of(SECRET, "a test"))
    pseudonyms.take_into_use(home, "research", pseudonyms.key_of(SECRET[::-1], "a test"))
    with pytest.raises(BadInput, match="The key of audit is also that of research"):
        pseudonyms.key_for(configuration, "audit")


def test_a_key_that_was_changed_is_noticed_and_one_that_was_given_up_is_not_taken_again(tmp_path):
    home = Home(tmp_path)
    first, second = (pseudonyms.key_of(content, "a test") for content in (SECRET, SECRET[::-1]))
    pseudonyms.refuse_changed(home, "audit", first)
    pseudonyms.take_into_use(home, "audit", first)
    pseudonyms.refuse_changed(home, "audit", first)
    with pytest.raises(BadInput, match=f"fingerprint {second.fingerprint}.* is not the one .*{first.fingerprint}"):
        pseudonyms.refuse_changed(home, "audit", second)
    pseudonyms.take_into_use(home, "audit", second)
    assert pseudonyms.fingerprint_in_use(home, "audit") == second.fingerprint
    with pytest.raises(BadInput, match="was the key of audit already"):
        pseudonyms.refuse_used(home, "audit", first)


def test_a_fingerprint_is_an_hmac_of_a_label_and_not_a_pseudonym():
    key = pseudonyms.key_of(SECRET, "a test")
    label = pseudonyms.FINGERPRINT_LABEL
    assert key.fingerprint == hmac.new(SECRET, label, hashlib.sha256).hexdigest()[:16]
    assert b":" not in label


def test_a_new_key_is_random_for_this_account_only_and_overwrites_nothing(tmp_path):
    one, two = (pseudonyms.new_key(tmp_path / name) for name in ("one", "two"))
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o600
    assert pseudonyms.read_key_file(tmp_path / "one").secret == one.secret != two.secret
    assert len(one.secret) == 32
    before = (tmp_path / "one").read_bytes()
    with pytest.raises(BadInput, match="exists already: a key is never overwritten"):
        pseudonyms.new_key(tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == before
    with pytest.raises(BadInput, match="No key can be written"):
        pseudonyms.new_key(tmp_path / "nowhere" / "one")


def forms(secret: bytes) -> set[str]:
    """How a key could be seen in a text."""
    padded = secret.ljust(64, b"\0")
    blocks = [secret, *(bytes(byte ^ pad for byte in padded) for pad in (0x36, 0x5C))]
    return {form for each in blocks for form in (each.hex(), base64.b64encode(each).decode(), repr(each)[2:-1])}


def test_a_key_is_seen_in_no_sql_text_repr_copy_or_file(tmp_path, connection):
    class Listening:
        def __init__(self):
            self.said = []

        def execute(self, sql, parameters=None):
            self.said.append(sql)
            return connection.execute(sql, parameters or {})

    listening = Listening()
    key = pseudonyms.key_of(SECRET, "a test")
    pseudonyms.bind(listening, key)
    pseudonyms.define(listening)
    pseudonyms.take_into_use(Home(tmp_path), "audit", key)
    [(macro,)] = connection.execute(
        "SELECT macro_definition FROM duckdb_functions() WHERE function_name = 'pseudonym'"
    ).fetchall()
    assert "sha256" in macro
    [kept] = [file.read_text() for file in tmp_path.rglob("*.json")]
    seen = "\n".join([*listening.said, str(macro), repr(key), str(key), kept])
    assert not [form for form in forms(SECRET) if form in seen]
    for take in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            take(key)
    pseudonyms.unbind(connection)
    assert connection.execute("SELECT getvariable('key_inner'), getvariable('key_outer')").fetchall() == [(None, None)]


@pytest.mark.parametrize(
    "content", [SECRET[:20].hex().encode(), base64.b64encode(SECRET[:20]), SECRET[:20], b"ab" * 33]
)
def test_a_refusal_does_not_quote_what_the_file_holds(tmp_path, content):
    configuration = with_key(tmp_path, content)
    with pytest.raises(BadInput) as refused:
        pseudonyms.key_for(configuration, "audit")
    told = "".join(traceback.format_exception(refused.value))
    assert not [form for form in forms(content) | {content.decode("latin-1")} if form in told]
