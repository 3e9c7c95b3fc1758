"""How a published file is read, worked through for each reader.

What belongs here: the examples that the dictionary's page shows, which the tests run where their reader can run. What
does not: what a column is (`tables`).

A patient_id is a UUID of 16 bytes in Parquet, with that logical type. DuckDB and pandas give it as a UUID, Polars and
R's arrow as bytes: each example turns it into the text that the command line and the pages use.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """One reader's example.

    Attributes:
        reader: its name and language.
        code: reads `risk_stratification.parquet` and `patient.parquet` in the working directory.
        note: what to know of its types.
        is_run: whether the tests run it.
    """

    reader: str
    code: str
    note: str
    is_run: bool = True


EXAMPLES: tuple[Example, ...] = (
    Example(
        "DuckDB",
        """\
import duckdb

rows = duckdb.sql(
    \"\"\"
    SELECT patient_id::VARCHAR AS patient_id, risk_level, reasons, field_sources['sex'].rule AS sex_rule
    FROM 'risk_stratification.parquet'
    JOIN 'patient.parquet' USING (patient_id)
    ORDER BY risk_rank
    \"\"\"
).fetchall()
""",
        "Every type is DuckDB's own. In the deployment itself, registry_pipeline.open_registry() has a view of each"
        " table of the registry and of its consumers, all of one moment.",
    ),
    Example(
        "pandas (Python)",
        """\
import pandas

risk = pandas.read_parquet("risk_stratification.parquet", dtype_backend="numpy_nullable")
people = pandas.read_parquet("patient.parquet", columns=["patient_id", "sex", "field_sources"])
both = risk.merge(people, on="patient_id").sort_values("risk_rank")
both["patient_id"] = both["patient_id"].astype(str)
both["sex_rule"] = [dict(sources).get("sex", {}).get("rule") for sources in both["field_sources"]]
""",
        "A patient_id is a uuid.UUID (bytes where pyarrow is older than 26: uuid.UUID(bytes=value) makes one), an"
        " array a numpy array, a map a list of pairs. dtype_backend='numpy_nullable' keeps whole numbers whole where"
        " some are missing; dtype_backend='pyarrow' leaves UUIDs as bytes.",
    ),
    Example(
        "Polars (Python)",
        """\
import polars

uuid = polars.col("patient_id").bin.encode("hex").str.replace(
    "^(.{8})(.{4})(.{4})(.{4})(.{12})$", "$1-$2-$3-$4-$5"
)
risk = polars.scan_parquet("risk_stratification.parquet")
people = polars.scan_parquet("patient.parquet").select("patient_id", "sex", "field_sources")
both = (
    risk.join(people, on="patient_id")
    .with_columns(uuid, polars.col("field_sources").map.get("sex").struct.field("rule").alias("sex_rule"))
    .sort("risk_rank")
    .collect()
)
""",
        "A patient_id is Binary, 16 bytes: join by it as it is, and turn it into text at the end. A map is a Map of"
        " Polars 2; earlier versions give a list of key and value.",
    ),
    Example(
        "pyarrow (Python)",
        """\
import pyarrow.compute
import pyarrow.parquet

risk = pyarrow.parquet.read_table("risk_stratification.parquet")
said = risk.schema.field("emergency_admission_probability").metadata[b"description"].decode()
living = risk.filter(pyarrow.compute.field("is_alive")).sort_by("risk_rank")
patient_ids = [str(value) for value in living["patient_id"].to_pylist()]
""",
        "A patient_id is the extension type arrow.uuid. Each field's metadata has its description, its unit and its"
        " code list; the file's has the table, what a row is, its key and schema_version.",
    ),
    Example(
        "arrow (R)",
        """\
library(arrow)

as_uuid <- function(values) {
  vapply(values, function(bytes) {
    if (is.null(bytes)) return(NA_character_)
    sub("(.{8})(.{4})(.{4})(.{4})(.{12})", "\\\\1-\\\\2-\\\\3-\\\\4-\\\\5", paste(as.character(bytes), collapse = ""))
  }, "")
}
risk <- read_parquet("risk_stratification.parquet")
people <- read_parquet("patient.parquet", col_select = c("patient_id", "sex"))
risk$patient_id <- as_uuid(risk$patient_id)
people$patient_id <- as_uuid(people$patient_id)
both <- merge(risk, people, by = "patient_id")
""",
        "A patient_id is an arrow_fixed_size_binary, a list of 16 raw bytes each, which cannot be joined by: turn"
        " it into text first. An array is a list of vectors, a map a list of data frames (key, value), a timestamp a"
        " POSIXct in the provider's local time. (The package nanoparquet reads a patient_id as text by itself.) Not run"
        " in this project's tests, which ask the same C++ library, set as R sets it, for its types.",
        is_run=False,
    ),
)
