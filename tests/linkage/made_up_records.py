"""Person records made up for linkage tests and scale trials: families, twins, and the errors of several providers.

What belongs here: records in the shape of `person_record`, with known persons, quickly and in any number. What does
not: the made-up care system (`registry_pipeline.synthetic`), which goes through every stage.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from registry_pipeline.config import Configuration, Deployment, Provider
from registry_pipeline.outcomes import Share
from registry_pipeline.storage import Home, connect, write_table
from registry_pipeline.tables import TABLES

NIGHT = date(2026, 4, 1)
PROVIDERS = {"GPA": "gp", "RXA": "acute", "RYA": "community"}

_PEOPLE = """
CREATE TABLE given_pool AS
    SELECT row_number() OVER (ORDER BY hash(canonical)) - 1 AS n, canonical AS name
    FROM (SELECT DISTINCT canonical FROM nickname WHERE length(canonical) > 2);
CREATE TABLE syllable AS
    SELECT row_number() OVER () - 1 AS n, s FROM (SELECT unnest(['BAR','TON','MAR','LEY','SIN','GHA','KO','WAL','SKI','PER','RAM','HOS','SAI','NDO','FER','GUS','CHE','LIN','WOR','THY','BEN','ADE','OKA','FOR','STE']) AS s);
CREATE MACRO draw(i, salt) AS (hash(i * 1000 + salt) % 1000000) / 1000000.0;
CREATE TABLE person AS
WITH base AS (
    SELECT i AS person, i // 3 AS household, i % 3 AS place,
        -- A tenth of the households hold twins: places 1 and 2.
        draw(i // 3, 1) < 0.03 AS has_twins
    FROM range($people) AS made(i)
)
SELECT
    person, household, has_twins AND place > 0 AS is_twin,
    (SELECT count(*) FROM given_pool) AS pool,
    floor(pow(draw(person, 2), 1.6) * (SELECT count(*) FROM given_pool))::BIGINT AS given_n,
    floor(pow(draw(person, 12), 1.6) * (SELECT count(*) FROM given_pool))::BIGINT AS middle_n,
    household * 2 + CASE WHEN place = 1 AND NOT has_twins AND draw(household, 3) < 0.2 THEN 1 ELSE 0 END AS family_seed,
    CASE WHEN draw(person, 4) < 0.5 THEN 'M' ELSE 'F' END AS sex,
    DATE '1935-01-01' + (CASE WHEN has_twins AND place > 0 THEN draw(household, 5) ELSE draw(person, 5) END * 32000)::INTEGER AS birth_date,
    draw(household, 6) AS street, 1 + (draw(household, 7) * 150)::INTEGER AS house,
    (household // 12) AS area,
    CASE WHEN draw(person, 8) < 0.6 THEN '07' || lpad((hash(person + 7) % 1000000000)::VARCHAR, 9, '0') ELSE '01' || lpad((hash(household + 9) % 1000000000)::VARCHAR, 9, '0') END AS phone,
    CASE WHEN draw(person, 9) < 0.97 THEN (9000000000 + person)::VARCHAR END AS nhs_number
FROM base;
"""

_RECORDS = """
CREATE TABLE made AS
WITH copies AS (
    SELECT person.*, provider, setting, copy, person * 7 + copy AS k
    FROM person
    CROSS JOIN (VALUES ('GPA', 'gp', 0), ('RXA', 'acute', 1), ('RYA', 'community', 2)) AS p(provider, setting, copy)
    WHERE copy = 0 OR draw(person, 20 + copy) < CASE copy WHEN 1 THEN 0.55 ELSE 0.25 END
),
named AS (
    SELECT copies.*, g.name AS given, m.name AS middle,
        (SELECT s FROM syllable WHERE n = family_seed % 25) AS s1,
        (SELECT s FROM syllable WHERE n = (family_seed // 25) % 25) AS s2,
        (SELECT s FROM syllable WHERE n = (hash(family_seed) % 25)) AS s3,
        (SELECT canonical FROM nickname LIMIT 0) AS none
    FROM copies
    INNER JOIN given_pool AS g ON g.n = given_n
    INNER JOIN given_pool AS m ON m.n = middle_n
),
nick AS (SELECT canonical AS given, min(name) AS short FROM nickname GROUP BY canonical),
wrong AS (
    SELECT named.*, short, s1 || s2 || CASE WHEN family_seed % 3 = 0 THEN s3 ELSE '' END AS family,
        'AB' || (area % 90 + 1) || ' ' || (street * 9)::INTEGER || 'X' || chr((65 + (area // 90 % 26))::INTEGER) AS place_code
    FROM named LEFT JOIN nick USING (given)
)
SELECT
    provider, setting, person::VARCHAR AS person_id, provider || '-' || person AS local_id,
    CASE WHEN draw(k, 40) < 0.015 THEN NULL
        WHEN draw(k, 41) < 0.04 THEN given[1:2] || given[4:]
        WHEN draw(k, 42) < 0.05 THEN coalesce(short, given)
        WHEN draw(k, 43) < 0.01 THEN given[1]
        WHEN draw(k, 44) < 0.01 THEN family
        WHEN draw(k, 59) < 0.01 THEN middle
        ELSE given END AS given_name,
    CASE WHEN draw(k, 45) < 0.5 THEN middle END AS middle_names,
    CASE WHEN draw(k, 44) < 0.01 THEN given
        WHEN draw(k, 46) < 0.03 THEN family[1:3] || family[5:]
        WHEN draw(k, 47) < 0.02 AND sex = 'F' THEN s2 || s3
        ELSE family END AS family_name,
    CASE WHEN draw(k, 48) < 0.01 THEN NULL
        WHEN draw(k, 49) < 0.01 AND day(birth_date) <= 12 THEN make_date(year(birth_date), day(birth_date), month(birth_date))
        WHEN draw(k, 50) < 0.01 THEN birth_date + INTERVAL 10 YEAR
        ELSE birth_date END::DATE AS birth_date,
    CASE WHEN draw(k, 51) < 0.02 THEN NULL WHEN draw(k, 52) < 0.003 THEN (CASE sex WHEN 'M' THEN 'F' ELSE 'M' END) ELSE sex END AS sex,
    CASE WHEN draw(k, 53) < 0.12 THEN 'ZY9 ' || (k % 9) || 'QQ' ELSE place_code END AS postcode,
    CASE WHEN draw(k, 53) < 0.12 THEN (k % 90)::VARCHAR || ' OLD LANE FARTOWN' ELSE house || ' ' || s3 || (area % 500) || ' ROAD TOWN' END AS address,
    CASE WHEN draw(k, 54) < 0.4 THEN phone END AS phone,
    CASE WHEN draw(k, 55) < CASE copy WHEN 0 THEN 0.02 ELSE 0.15 END THEN NULL
        WHEN draw(k, 56) < 0.001 THEN (9000000000 + (person + 1))::VARCHAR
        ELSE nhs_number END AS nhs_number,
    nhs_number IS NOT NULL AND draw(k, 57) < 0.8 AND NOT draw(k, 56) < 0.001 AS is_nhs_number_verified
FROM wrong;
"""


def stage_made_up(folder: Path, people: int, models: Path | None = None) -> tuple[Configuration, list[Share], Path]:
    """Write the person records of so many people as three providers' shares.

    Returns:
        The deployment, the shares, and the truth (Parquet with provider, local_id, person_id).
    """
    from registry_pipeline.link.records import load_nicknames

    home = Home(folder / "home")
    connection = connect(home)
    try:
        load_nicknames(connection)
        for script, bound in ((_PEOPLE, {"people": people}), (_RECORDS, {})):
            for statement in connection.extract_statements(script):
                connection.execute(statement, {k: bound[k] for k in statement.named_parameters})
        truth = folder / "truth.parquet"
        connection.execute(f"COPY (SELECT provider, local_id, person_id FROM made) TO '{truth}'")
        return stage_table(connection, "made", folder, models), *shares_and(folder), truth  # type: ignore[return-value]
    finally:
        connection.close()


def shares_and(folder: Path) -> tuple[list[Share]]:
    return ([Share(provider, "patient", (NIGHT,), 0, False) for provider in _providers().values()],)


def _providers() -> dict[str, Provider]:
    feeds = {"patient": {"source": {"kind": "csv", "path": "none.csv"}}}
    return {
        code: Provider.model_validate({"provider": code, "setting": setting, "feeds": feeds})
        for code, setting in PROVIDERS.items()
    }


def stage_table(connection, table: str, folder: Path, models: Path | None = None) -> Configuration:
    """Write a table of person records (any of person_record's columns) as the providers' shares of the night."""
    home = Home(folder / "home")
    there = {name for name, *_ in connection.execute(f"DESCRIBE {table}").fetchall()}
    computed = {"record_id": "provider || ':' || local_id", "night": f"DATE '{NIGHT}'", "setting": "'gp'"}
    columns = ", ".join(
        column.name if column.name in there else f"{computed.get(column.name, 'NULL')} AS {column.name}"
        for column in TABLES["person_record"].columns
    )
    providers = _providers()
    for code in providers:
        query = f"SELECT {columns} FROM {table} WHERE provider = '{code}'"
        write_table(connection, query, TABLES["person_record"], home.staged("person_record", code, NIGHT))
    deployment = Deployment(models=models or folder / "models")
    configuration = Configuration(directory=folder, home=home.root, deployment=deployment, providers=providers)
    configuration.models.mkdir(parents=True, exist_ok=True)
    return configuration
