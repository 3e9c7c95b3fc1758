"""Extract: what a provider delivered becomes `raw_<feed>`, text under canonical names, every value untouched.

What belongs here: the one entrance (`extract_feed`), which lands a delivery, has it read by the module for its kind
and writes the rows; and `check_columns` for whoever checks a configuration. What does not: whether a value is right
(validate), what it means (standardise), or what happens to the night when a feed cannot be taken (the caller).

One module per way that data arrives: `delimited` (csv), `parquet`, `postgres`, `fhir`; before them `unpack`
(compression and encodings), after them `mapping` (columns), beside them `landing` (what is kept for ever).
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.config import Configuration, Provider
from registry_pipeline.errors import BadInput, FeedFault
from registry_pipeline.extract import landing, left_out, mapping, redact
from registry_pipeline.extract.mapping import check_columns
from registry_pipeline.extract.parts import Part, Place
from registry_pipeline.govern import agreements, forgotten
from registry_pipeline.govern.forgotten import Forgotten
from registry_pipeline.outcomes import CheckOutcome, FeedOutcome
from registry_pipeline.storage import (
    Home,
    connect,
    raise_if_disk_full,
    read_json,
    whole_folder,
    write_json,
    write_table,
)
from registry_pipeline.tables import DELIVERY_COLUMNS, Column, Table, feed_table

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "CHECKS",
    "Extracted",
    "check_columns",
    "extract_feed",
    "has_new_delivery",
    "redact_landed",
    "unreadable_table",
]

CHECKS = (
    mapping.COLUMNS_AS_AGREED,
    CheckOutcome(
        name="every_row_readable",
        passed=True,
        severity="warning",
        scope="row",
        reason="A row that is no row is set aside with its line, so that the others can go on.",
    ),
    CheckOutcome(
        name="source_at_hand",
        passed=True,
        severity="warning",
        dimension="timeliness",
        reason="The source could not be read again; the night's rows come from what had landed before.",
    ),
    left_out.NO_WITHHELD_IDENTITY,
    *agreements.CHECKS,
)
"""What taking in a feed checks, as it is found when nothing is wrong."""
_EVERY_ROW_READABLE, _SOURCE_AT_HAND = CHECKS[1:3]

READER_VERSION = 1
"""Goes up when the readers give other rows for the same bytes: raw tables of before are then made anew."""


@dataclass(frozen=True)
class Extracted:
    """What came of taking in one feed for one night.

    Attributes:
        delivery: the delivery in the landing, provider/feed/night/version.
        sha256: digest of each delivered file, by name.
        rows: rows of `raw_<feed>`.
        unreadable: rows of the delivery that could not be read as rows.
        already_landed: whether this very content had landed before.
        checks: what was checked on the way.
        left_out: rows that may not be taken, by reason (`left_out`); they are in no table and no longer in the landing.
    """

    delivery: str
    sha256: dict[str, str]
    rows: int
    unreadable: int
    already_landed: bool
    checks: list[CheckOutcome] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)


def unreadable_table(feed: str) -> Table:
    """The table of rows that could not be read: where they are, and the rule that says why; no cell of theirs."""
    reason = Column("reason", "VARCHAR", "Name of the rule that set the row aside")
    return Table(
        f"unreadable_{feed}", "row of a delivery that could not be read", ("source_row",), (*DELIVERY_COLUMNS, reason)
    )


def extract_feed(configuration: Configuration, provider: Provider, feed: str, night: date) -> Extracted:
    """Land tonight's delivery of one feed and write `raw_<feed>`, and `unreadable_<feed>` where there are such rows.

    The same content again changes nothing; other content for the night lands as the next version. Where the source is
    gone although the night has landed, its latest version is read again.

    Args:
        configuration: the deployment.
        provider: who delivers.
        feed: which of its feeds.
        night: which night.

    Raises:
        BadInput: the provider's description cannot be used (a column that the feed does not have).
        FeedFault: the feed cannot be taken tonight; its `kind` says why. What was delivered is in the landing all the
            same, no table is left half-written, and tables of the night from an earlier delivery are gone.
        RunFailed: the disk is full.
    """
    if feed not in provider.feeds:
        raise BadInput(f"{provider.provider} delivers no feed {feed!r}: it delivers {', '.join(provider.feeds)}.")
    check_columns(provider, feed)
    place = Place(provider.provider, feed)
    refusal = agreements.refusal(configuration, provider, night)
    if refusal is not None:
        raise place.fault("agreement", refusal)
    extracted = _Extraction(configuration, provider, feed, night, place).run()
    checks = [*extracted.checks, left_out.check(extracted.left_out), *agreements.checks(provider, night)]
    return replace(extracted, checks=checks)


def redact_landed(
    configuration: Configuration, provider: Provider, feed: str, night: date, known: Forgotten, *, folder: Path
) -> list[redact.Redacted]:
    """Take forgotten people's rows out of every delivery of one feed and night that has landed.

    Args:
        configuration: the deployment.
        provider: who delivered; whom the configuration no longer names has its files looked through as text.
        feed: which of its feeds.
        night: which night.
        known: whom to look for.
        folder: where the versions lie.

    Returns:
        What was taken out of each delivery.
    """
    under_way = _Extraction(configuration, provider, feed, night, Place(provider.provider, feed))
    return [under_way.redact_again(landed, known) for landed in landing.versions(folder)]


def has_new_delivery(
    configuration: Configuration, provider: Provider, feed: str, night: date, outcome: FeedOutcome | None
) -> bool:
    """Whether a source holds something for the night that has not been taken: a late extract, or a corrected one.

    Cheap enough to ask every minute: files that are older than the last taking are not read again. A database can
    only be asked by taking from it, so it counts as new until it has answered once.

    Args:
        configuration: the deployment.
        provider: who delivers.
        feed: which of its feeds.
        night: which night.
        outcome: what came of the feed that night so far.
    """
    if agreements.refusal(configuration, provider, night) is not None:
        return False
    source = provider.feeds[feed].source  # type: ignore[index]  # feed names are checked on load
    if source.kind == "postgres":
        return outcome is None or outcome.status in ("missing", "unreachable")
    place = Place(provider.provider, feed)
    try:
        files = landing.find_files(place, configuration.sources, source.path, night)
    except FeedFault:
        return False
    landed = landing.versions(Home(configuration.home).landing(provider.provider, feed, night))
    if not landed or outcome is None:
        return True
    taken_at = max((version.folder / landing.MANIFEST).stat().st_ctime for version in landed)
    if all(file.stat().st_ctime <= taken_at for file in files):
        return False
    return landing.same_delivery(place, landed, files) is None


@dataclass(frozen=True)
class _Extraction:
    """One feed of one night under way."""

    configuration: Configuration
    provider: Provider
    feed: str
    night: date
    place: Place

    @property
    def home(self) -> Home:
        return Home(self.configuration.home)

    @property
    def folder(self) -> Path:
        """Where the night's versions lie."""
        return self.home.landing(self.provider.provider, self.feed, self.night)

    def run(self) -> Extracted:
        with self._working_folder() as work:
            landed = landing.versions(self.folder)
            try:
                files = self._take(work)
            except FeedFault as fault:
                if not landed or fault.kind not in ("missing", "unreachable"):
                    raise
                return self._from_landing(landed[-1], work, source_gone=fault)
            known = landing.same_delivery(self.place, landed, files)
            if known is not None:
                return self._from_landing(known, work)
            return self._land(files, landed[-1].version + 1 if landed else 1, work)

    @contextmanager
    def _working_folder(self) -> Iterator[Path]:
        """Decoded copies and such; gone when the block ends."""
        try:
            self.home.temporary.mkdir(parents=True, exist_ok=True)
            work = Path(tempfile.mkdtemp(prefix="extract-", dir=self.home.temporary))
        except OSError as problem:
            raise_if_disk_full(problem, self.home.temporary)
            raise
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _take(self, work: Path) -> list[Path]:
        """The delivered files, wherever they lie."""
        source = self._source
        if source.kind == "postgres":
            from registry_pipeline.extract import postgres

            taken = work / "taken"
            taken.mkdir()
            return [postgres.fetch(self.place, source, self.night, taken)]
        return landing.find_files(self.place, self.configuration.sources, source.path, self.night)

    @property
    def _source(self) -> Any:
        return self.provider.feeds[self.feed].source  # type: ignore[index]  # feed names are checked on load

    def _land(self, files: Sequence[Path], version: int, work: Path) -> Extracted:
        """Copy, read, and only then let the version appear: its manifest says how many rows it holds."""
        fault: FeedFault | None = None
        extracted: Extracted | None = None
        with whole_folder(self.folder / f"v{version}") as under_way:
            entries = landing.copy_in(self.place, files, under_way)
            sha256 = {entry["name"]: entry["sha256"] for entry in entries}
            landed = landing.Landed(under_way, version, sha256)
            try:
                extracted, redacted = self._read(landed, work, already_landed=False)
            except FeedFault as problem:
                fault = problem
                redacted = redact.take_out_unread(self._landed(landed), forgotten.load(self.home))
            manifest = self._manifest(entries, version, extracted, fault)
            if redacted:
                manifest["redacted"] = [redact.note(redacted, extracted.left_out if extracted else {})]
            landing.write_manifest(under_way, manifest)
        if extracted is None:
            raise fault or AssertionError
        self._remember(extracted)
        return extracted

    def _landed(self, landed: landing.Landed) -> redact.Delivery:
        return redact.Delivery(self.configuration, self.provider, self.feed, landed)

    def redact_again(self, landed: landing.Landed, known: Forgotten) -> redact.Redacted:
        """Take people's rows out of a delivery that has landed; its tables are not touched."""
        with self._working_folder() as work, self._connected() as connection:
            try:
                self._refuse_gone(landed)
                parts = self._parts(connection, landed, work)
                mapping.check_delivered(self.place, self.provider, parts)
            except FeedFault:
                redacted = redact.take_out_unread(self._landed(landed), known)
            else:
                found = left_out.find(
                    connection, self.configuration, self.provider, self.feed, self.night, parts, known=known
                )
                again = self._finder(connection, parts, known)
                redacted = redact.take_out(connection, self._landed(landed), parts, found, known, again)
        if redacted:
            redact.write_note(landed.folder, redacted, {"forgotten": redacted.rows})
        return redacted

    def _finder(
        self, connection: duckdb.DuckDBPyConnection, parts: Sequence[Part], known: Forgotten | None = None
    ) -> Callable[[str], left_out.LeftOut]:
        """What finds the rows that another feed of the same files leaves out."""

        def find(feed: str) -> left_out.LeftOut:
            return left_out.find(connection, self.configuration, self.provider, feed, self.night, parts, known=known)

        return find

    def _refuse_gone(self, landed: landing.Landed) -> None:
        """A file that could not be read, and was not kept because forgotten people might be in it."""
        gone = next((file.name for file in landed.files if not file.is_file()), None)
        if gone is not None:
            what = "it could not be read, and is not kept since people were forgotten: ask for it to be sent again"
            raise self.place.fault("unreadable", what, file=gone)

    def _manifest(
        self, entries: list[dict[str, Any]], version: int, extracted: Extracted | None, fault: FeedFault | None
    ) -> dict[str, Any]:
        agreement = self.provider.agreement_on(self.night)
        return {
            "provider": self.provider.provider,
            "feed": self.feed,
            "night": self.night.isoformat(),
            "version": version,
            "taken_at": landing.now(),
            "source": landing.describe_source(self._source, self.night),
            "agreement": agreement.reference if agreement else None,
            "files": entries,
            "bytes": sum(entry["bytes"] for entry in entries),
            "rows": extracted.rows if extracted else None,
            "rows_unreadable": extracted.unreadable if extracted else None,
            "problem": str(fault) if fault else None,
        }

    def _from_landing(self, landed: landing.Landed, work: Path, *, source_gone: FeedFault | None = None) -> Extracted:
        """A delivery that had landed before: its tables as they are, or made anew where they are not."""
        extracted = self._recalled(landed)
        if extracted is None:
            self._refuse_gone(landed)
            extracted, redacted = self._read(landed, work, already_landed=True)
            if redacted:
                redact.write_note(landed.folder, redacted, extracted.left_out)
            self._remember(extracted)
        if source_gone is not None:
            check = _SOURCE_AT_HAND.model_copy(update={"passed": False, "observed": source_gone.kind})
            return Extracted(**{**vars(extracted), "checks": [*extracted.checks, check]})
        return extracted

    # ----------------------------------------------------------------------------------------------- tables ---

    @property
    def _raw(self) -> Path:
        return self.home.staged(f"raw_{self.feed}", self.provider.provider, self.night)

    @property
    def _unreadable(self) -> Path:
        return self.home.unreadable(self.feed, self.provider.provider, self.night)

    @property
    def _record(self) -> Path:
        return self.home.extracted(self.feed, self.provider.provider, self.night)

    @property
    def _description(self) -> str:
        """Digest of everything but the delivery that the tables depend on."""
        described = self.provider.feeds[self.feed].model_dump_json()  # type: ignore[index]  # checked on load
        columns = [c.name for c in feed_table("raw", self.feed).columns]
        return hashlib.sha256(f"{READER_VERSION} {columns} {described}".encode()).hexdigest()

    def _delivery(self, landed: landing.Landed) -> str:
        return f"{self.provider.provider}/{self.feed}/{self.night.isoformat()}/v{landed.version}"

    def _remember(self, extracted: Extracted) -> None:
        """The last step: a record of the tables stands only when they stand."""
        content = {
            "delivery": extracted.delivery,
            "description": self._description,
            "sha256": extracted.sha256,
            "rows": extracted.rows,
            "unreadable": extracted.unreadable,
            "checks": [check.model_dump(mode="json") for check in extracted.checks],
            "left_out": extracted.left_out,
        }
        write_json(self._record, content)

    def _recalled(self, landed: landing.Landed) -> Extracted | None:
        """What was found before, if the tables of just this delivery and description still stand."""
        if not (self._record.is_file() and self._raw.is_file()):
            return None
        record = read_json(self._record)
        if record["delivery"] != self._delivery(landed) or record["description"] != self._description:
            return None
        if bool(record["unreadable"]) != self._unreadable.is_file():
            return None
        return Extracted(
            delivery=record["delivery"],
            sha256=record["sha256"],
            rows=record["rows"],
            unreadable=record["unreadable"],
            already_landed=True,
            checks=[CheckOutcome.model_validate(check) for check in record["checks"]],
            left_out=record.get("left_out", {}),
        )

    def _read(self, landed: landing.Landed, work: Path, *, already_landed: bool) -> tuple[Extracted, redact.Redacted]:
        for path in (self._record, self._raw, self._unreadable):
            path.unlink(missing_ok=True)
        with self._connected() as connection:
            extracted, redacted, new_records = self._read_with(connection, landed, work, already_landed=already_landed)
        if new_records:
            forgotten.add_records(self.home, new_records)
            self._look_again_at_other_feeds()
        return extracted, redacted

    @contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        settings = self.configuration.deployment
        connection = connect(self.home, memory_limit=settings.memory_limit, threads=settings.threads, macros=False)
        try:
            yield connection
        finally:
            connection.close()

    def _look_again_at_other_feeds(self) -> None:
        """A forgotten person came under a record key of which nobody knew: feeds taken before this one may have it."""
        for feed in self.provider.feeds:
            other = _Extraction(self.configuration, self.provider, feed, self.night, Place(self.place.provider, feed))
            if feed == self.feed or not other._record.is_file():
                continue
            with other._working_folder() as work:
                for landed in landing.versions(other.folder)[:-1]:
                    other.redact_again(landed, forgotten.load(self.home))
                other._record.unlink()
                other._from_landing(landing.versions(other.folder)[-1], work)

    def _read_with(
        self, connection: duckdb.DuckDBPyConnection, landed: landing.Landed, work: Path, *, already_landed: bool
    ) -> tuple[Extracted, redact.Redacted, tuple[tuple[str, str], ...]]:
        feed = self.provider.feeds[self.feed]  # type: ignore[index]  # feed names are checked on load
        delivery = self._delivery(landed)
        parts = self._parts(connection, landed, work)
        columns_check = mapping.check_delivered(self.place, self.provider, parts)
        unreadable = sum(part.unreadable_rows for part in parts)
        delivered = sum(part.rows for part in parts)
        if unreadable and not delivered:
            self._refuse(parts)
        if unreadable:
            query, parameters = mapping.unreadable_query(parts, delivery)
            write_table(connection, query, unreadable_table(self.feed), self._unreadable, parameters)
        found = left_out.find(connection, self.configuration, self.provider, self.feed, self.night, parts)
        query, parameters = mapping.raw_query(
            self.place, feed, parts, delivery, without_left_out=found.all_rows > 0, blanked=found.blanked
        )
        rows = write_table(connection, query, feed_table("raw", self.feed), self._raw, parameters)
        readable_check = _EVERY_ROW_READABLE.model_copy(
            update={"passed": not unreadable, "failing": unreadable, "rows": delivered + unreadable}
        )
        known = forgotten.load(self.home)
        again = (
            self._finder(connection, parts) if left_out.anybody(self.home, self.place.provider, self.night) else None
        )
        redacted = redact.take_out(connection, self._landed(landed), parts, found, known, again)
        checks = [columns_check, readable_check]
        extracted = Extracted(delivery, landed.sha256, rows, unreadable, already_landed, checks, found.rows)
        return extracted, redacted, found.new_records

    def _parts(self, connection: duckdb.DuckDBPyConnection, landed: landing.Landed, work: Path) -> list[Part]:
        folder = work / "read"
        folder.mkdir()
        if self._source.kind == "csv":
            from registry_pipeline.extract import delimited

            return delimited.read(connection, self.place, landed.files, self._source, folder)
        if self._source.kind == "fhir_ndjson":
            from registry_pipeline.extract import fhir

            return fhir.read(connection, self.place, landed.files, folder)
        from registry_pipeline.extract import parquet

        return parquet.read(connection, self.place, landed.files, folder)

    def _refuse(self, parts: Sequence[Part]) -> None:
        """No row could be read: name the first."""
        file, (line, reason) = next((part.file, part.first_problem) for part in parts if part.first_problem)
        what = f"no row can be read (the first: {reason}): correct how the source is described, or ask for it again"
        raise self.place.fault("unreadable", what, file=file, line=line)
