"""Pairs that are easily got wrong, each with what has to become of it, through the night's own linkage."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from registry_pipeline import link
from registry_pipeline.config import REPOSITORY
from registry_pipeline.outcomes import Share
from registry_pipeline.storage import Home, connect, scan, write_table
from registry_pipeline.tables import TABLES
from tests.linkage.made_up_records import NIGHT, _providers, shares_and, stage_made_up, stage_table

PAIRS = YAML(typ="safe").load((Path(__file__).parent / "hard_pairs.yaml").read_text(encoding="utf-8"))
COLUMNS = (
    "given_name", "middle_names", "family_name", "previous_family_name", "birth_date", "sex", "postcode", "address",
    "phone", "email", "nhs_number", "is_nhs_number_verified",
)  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Pair name to (outcome, what decided), all linked in one night with the shipped model, among other people."""
    folder = tmp_path_factory.mktemp("hard_pairs")
    stage_made_up(folder, 2_000)
    home = Home(folder / "home")
    connection = connect(home)
    try:
        people = scan([home.staged("person_record", code, NIGHT) for code in _providers()])
        connection.execute(f"CREATE TABLE everybody AS SELECT * FROM {people}")
        for number, pair in enumerate(PAIRS):
            for provider, side in (("GPA", "first"), ("RXA", "second"), ("GPA", "other")):
                if side not in pair:
                    continue
                record = pair["both"] | pair[side]
                names = [c for c in COLUMNS if c in record]
                values = {c: record[c] for c in names}
                local_id = f"pair-{number}" if side != "other" else f"pair-{number}-other"
                connection.execute(
                    f"INSERT INTO everybody (record_id, provider, setting, local_id, night, {', '.join(names)})"
                    f" VALUES ($record_id, $provider, 'gp', $local_id, DATE '{NIGHT}', {', '.join('$' + c for c in names)})",
                    values | {"record_id": f"{provider}:{local_id}", "provider": provider, "local_id": local_id},
                )
        configuration = stage_table(connection, "everybody", folder, REPOSITORY / "linkage_models")
        replaced = [(old, new) for pair in PAIRS for old, new in pair.get("replaced", {}).items()]
        rows = " UNION ALL ".join(
            f"SELECT '{old}' AS nhs_number, '{new}' AS replaced_by, DATE '2020-01-01' AS start_date,"
            f" 'GPA' AS provider, DATE '{NIGHT}' AS night"
            for old, new in replaced
        )
        feed = "nhs_number_replacement"
        write_table(connection, rows, TABLES[feed], home.staged(feed, "GPA", NIGHT, feed))
        shares = [*shares_and(folder)[0], Share(_providers()["GPA"], feed, (NIGHT,), 0, False)]
        link.link_night(configuration, NIGHT, shares)
        found = connection.execute(
            f"SELECT split_part(record_id_l, '-', 2)::INTEGER, outcome, decided_by FROM {scan(home.linked('linked_pair', NIGHT))}"
            " WHERE record_id_l LIKE 'GPA:pair-%' AND record_id_r = 'RXA:' || split_part(record_id_l, ':', 2)"
        ).fetchall()
        return {PAIRS[number]["name"]: (outcome, decided_by) for number, outcome, decided_by in found}
    finally:
        connection.close()


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["name"])
def test_hard_pair(outcomes, pair):
    outcome, decided_by = outcomes.get(pair["name"], ("no_match", "not kept"))
    allowed = {"not_match": {"no_match", "possible_match"}}.get(pair["expected"], {pair["expected"]})
    assert outcome in allowed, f"{pair['name']}: {outcome}, decided by {decided_by}"
