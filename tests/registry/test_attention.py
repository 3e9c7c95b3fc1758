"""What a person has to decide, as the snapshot publishes it."""

from tests.registry.conftest import write_rows

PEOPLE = {"a": ["GP1:1", "RX1:1"], "b": ["GP1:2"]}


def _entry(reason, *records, **given):
    return {"attention_id": f"digest of {reason}", "reason": reason, "record_ids": list(records), **given}


def _publish(care_system, rows_of, number, entries, people=PEOPLE):
    night = care_system.night(number)
    care_system.people(night, people)
    if entries is not None:
        write_rows("needs_attention", care_system.home.linked("needs_attention", night), entries)
    folder = care_system.publish(night).folder
    return care_system.ids(folder), rows_of(
        folder / "needs_attention.parquet",
        "SELECT reason, record_ids, patient_ids::VARCHAR[], first_night, attention_id FROM t ORDER BY reason",
    )


def test_an_entry_names_the_people_of_tonight_and_the_first_night_on_which_it_stood(care_system, rows_of):
    entry = _entry("weakest_link_cut", "RX1:1", "GP1:2", match_weight=7.0)
    ids, first = _publish(care_system, rows_of, 1, [entry])
    people = sorted({ids["RX1:1"], ids["GP1:2"]})
    stood = ("weakest_link_cut", ["GP1:2", "RX1:1"], people, care_system.night(1), "digest of weakest_link_cut")
    assert first == [stood]
    _, second = _publish(care_system, rows_of, 2, [entry, _entry("large_group", "GP1:1")])
    assert [(row[0], row[3]) for row in second] == [
        ("large_group", care_system.night(2)),
        ("weakest_link_cut", care_system.night(1)),
    ]
    ids, third = _publish(care_system, rows_of, 3, [entry], {"one": ["GP1:1", "RX1:1", "GP1:2"]})
    assert [(row[2], row[3]) for row in third] == [([ids["GP1:2"]], care_system.night(1))]
    _publish(care_system, rows_of, 4, [])
    assert _publish(care_system, rows_of, 5, [entry])[1][0][3] == care_system.night(5)  # it had been settled


def test_a_night_whose_linkage_has_nothing_to_say_publishes_an_empty_table(care_system, rows_of):
    assert _publish(care_system, rows_of, 1, None)[1] == []
    with care_system_reader(care_system) as reader:
        assert reader.execute("SELECT count(*) FROM needs_attention").fetchall() == [(0,)]


def care_system_reader(care_system):
    from registry_pipeline import open_registry

    return open_registry(care_system.home.root)


def test_what_is_said_twice_is_published_once_and_under_one_digest(care_system, rows_of):
    twice = [
        {"reason": "possible_match", "record_ids": ["RX1:1", "GP1:2"], "match_weight": 3.0, "override_ids": [2]},
        {"reason": "possible_match", "record_ids": ["GP1:2", "RX1:1"], "match_weight": 4.0, "override_ids": [1, 2]},
    ]
    _, [row] = _publish(care_system, rows_of, 1, twice)
    _, [again] = _publish(care_system, rows_of, 2, twice[:1])
    assert (again[4], again[3]) == (row[4], care_system.night(1))
    path = care_system.home.snapshot("2026-04-01.1") / "needs_attention.parquet"
    assert rows_of(path, "SELECT match_weight, override_ids FROM t") == [(4.0, [1, 2])]


def test_an_entry_about_a_sensitive_person_holds_reason_and_keys_like_any_other(care_system, rows_of):
    night = care_system.night(1)
    secret = {"is_sensitive": True, "address_display": "7 Quince Row", "family_name_display": "Xanthippe"}
    care_system.deliver(night, [{"record_id": "GP1:1", **secret}, {"record_id": "GP1:2"}])
    care_system.cluster(night, [["GP1:1"], ["GP1:2"]])
    entry = _entry("possible_match", "GP1:1", "GP1:2")
    write_rows("needs_attention", care_system.home.linked("needs_attention", night), [entry])
    file = care_system.publish(night).folder / "needs_attention.parquet"
    assert rows_of(file, "SELECT len(patient_ids) FROM t") == [(2,)]
    assert not [value for value in secret.values() if str(value).encode() in file.read_bytes() and value is not True]
