"""The baseline: a plain Splink script over the same person records (load, train, predict, cluster).

What belongs here: what a data engineer would write in an hour from Splink's own documentation, with nothing of this
project in it. What does not: anything that makes it slower or faster than that.

    python -m tests.benchmarks.plain_splink person_record.parquet...
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import duckdb
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on


def main(files: list[str]) -> None:
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    seconds: dict[str, float] = {}

    def done(stage: str) -> None:
        seconds[stage] = time.perf_counter() - began - sum(seconds.values())

    connection = duckdb.connect(config={"memory_limit": "5GB"})
    connection.execute(
        "CREATE TABLE person AS SELECT record_id AS unique_id, nhs_number, given_name, family_name, birth_date, sex,"
        " postcode, address, email FROM read_parquet(?)",
        [files],
    )
    done("load")
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[
            cl.ForenameSurnameComparison("given_name", "family_name"),
            cl.DateOfBirthComparison("birth_date", input_is_string=False),
            cl.ExactMatch("sex"),
            cl.PostcodeComparison("postcode"),
            cl.JaroWinklerAtThresholds("address", [0.9]),
            cl.EmailComparison("email"),
            cl.ExactMatch("nhs_number"),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("nhs_number"),
            block_on("birth_date", "family_name"),
            block_on("birth_date", "given_name"),
            block_on("birth_date", "postcode"),
            block_on("postcode", "given_name"),
            block_on("postcode", "family_name"),
            block_on("given_name", "family_name", "substr(birth_date::VARCHAR, 1, 4)"),
            block_on("email"),
        ],
    )
    api = DuckDBAPI(connection=connection)
    linker = Linker(api.register("person", dataset_display_name="people"), settings)
    linker.training.estimate_probability_two_random_records_match([block_on("nhs_number")], recall=0.8)
    linker.training.estimate_u_using_random_sampling(max_pairs=5e6)
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("nhs_number"))
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("birth_date", "family_name"))
    done("train")
    pairs = linker.inference.predict(threshold_match_probability=0.9)
    done("predict")
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(pairs, threshold_match_probability=0.95)
    connection.execute(f"SELECT count(DISTINCT cluster_id) FROM {clusters.physical_name}").fetchall()
    done("cluster")
    print(json.dumps({"seconds": seconds, "total": time.perf_counter() - began}))


if __name__ == "__main__":
    main(sys.argv[1:])
