"""Read delivered files back with other means than the pipeline's, as their YAML says that they are to be read."""

import csv
import gzip
import io
import json
import zipfile
from fnmatch import fnmatch

import pyarrow.parquet as pq

from registry_pipeline.config import CsvSource, FhirNdjsonSource, ParquetSource


def path_of(configuration, source, night):
    return configuration.sources / source.path.format(night=night)


def text_of(configuration, source, night):
    path = path_of(configuration, source, night)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            (member,) = [n for n in archive.namelist() if fnmatch(n, source.member)]
            return archive.read(member).decode(source.encoding)
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes()).decode(source.encoding)
    return path.read_bytes().decode(source.encoding)


def rows_of(configuration, feed, night):
    """Delivered rows as dictionaries under the provider's own columns."""
    source = feed.source
    if isinstance(source, CsvSource):
        quoting = csv.QUOTE_MINIMAL if source.quote else csv.QUOTE_NONE
        reader = csv.DictReader(
            io.StringIO(text_of(configuration, source, night), newline=""), delimiter=source.delimiter, quoting=quoting,
            quotechar=source.quote or None, strict=True,
        )  # fmt: skip
        rows = list(reader)
        assert all(None not in row and None not in row.values() for row in rows), "a line is too long or too short"
        return rows
    if isinstance(source, ParquetSource):
        return pq.read_table(path_of(configuration, source, night)).to_pylist()
    if isinstance(source, FhirNdjsonSource):
        return [json.loads(line) for line in path_of(configuration, source, night).read_text("utf-8").splitlines()]
    table = source.query.split(" from ")[1].split()[0]
    return pq.read_table(configuration.sources / "replica" / night.isoformat() / f"{table}.parquet").to_pylist()


def column(feed, name):
    return feed.columns[name].source[0]
