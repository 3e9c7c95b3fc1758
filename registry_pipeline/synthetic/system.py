"""The whole made-up care system: every provider, every night, written as a deployment folder.

What belongs here: the order of the work. What does not: how any of it is done (the other rooms of this package).
"""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from registry_pipeline.config import REPOSITORY, Configuration, CsvSource, Feed, load_configuration
from registry_pipeline.errors import BadInput
from registry_pipeline.govern import pseudonyms
from registry_pipeline.storage import raise_if_disk_full
from registry_pipeline.synthetic import (
    activity,
    aftercare,
    areas,
    care_processes,
    delivery,
    fhir,
    nights,
    objecting,
    recording,
    truth,
)
from registry_pipeline.synthetic.population import NONE, Places, Population, day_number, populate
from registry_pipeline.synthetic.randomness import Ints, at_rate, stream

FIRST_NIGHT = date(2026, 4, 1)
DAYS_A_MONTH = 30.4375
ARRIVALS_A_YEAR = 0.031
"""Births (1.1%) and people who move in (2%), a year and head (ONS)."""

LEAST_ARRIVALS = 2
RECORDS_A_CHUNK = 100_000
"""Records whose events are made and written at a time: memory does not grow with the history."""

PRACTICES_A_TEAM = 4
"""With 9,000 people a practice a team has 36,000, as a primary care network (30,000 to 50,000)."""

KEPT_FOR_CORRECTION = 0.01
CORRECTIONS = 0.1
"""Corrections and deletions of earlier events, as a share of a night's new ones."""

MADE_UP = "../registry_home/made_up"
"""Where this repository's own configuration finds what was made."""

PARTS = ("truth", "replica", "drop", "postcodes.csv", "providers", "registry.yaml")
"""What a deployment folder gets, in the order in which it appears: without registry.yaml it is none yet."""

UNFINISHED = ".unfinished"
"""Where the parts lie until all are whole; what a killed run left there is removed by the next one."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Synthesised:
    """What was made: delivered rows over all nights by provider and feed, rows of the truth, and the time it took."""

    out: Path
    people: int
    nights: int
    rows: dict[str, dict[str, int]]
    truth: dict[str, int]
    seconds: float


@dataclass
class _Provider:
    """A provider's books while the nights go by."""

    holding: nights.Holding
    issued: Counter[str] = field(default_factory=Counter)
    earlier: dict[str, list[pa.Table]] = field(default_factory=dict)
    not_over: dict[str, pa.Table] = field(default_factory=dict)
    council: dict[str, pa.Table] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)


def synthesise(
    out: Path,
    *,
    people: int,
    nights: int,
    seed: int,
    first_night: date = FIRST_NIGHT,
    history_months: int = 24,
    progress: Progress | None = None,
    replace: bool = False,
) -> Synthesised:
    """Write a made-up care system as a complete deployment folder.

    Args:
        out: the folder; it may exist, but not hold a care system yet; a killed run leaves no part of one.
        people: on the first night, the dead of the last two years included; at least 100.
        nights: how many, from 1.
        seed: the same seed gives the same bytes.
        first_night: the first night.
        history_months: months of events that the first night brings; 0 gives one usual night's.
        progress: called with what is being done and the share done.
        replace: take the place of a made-up care system that lies there already (known by its truth).

    Raises:
        BadInput: a figure is out of range, or the folder already holds a care system.
        RunFailed: the disk is full.
    """
    replaces = replace and (out / "truth" / "person.parquet").is_file()
    _check(out, replaces=replaces, people=people, nights=nights, history_months=history_months)
    begun = time.perf_counter()
    unfinished = out / UNFINISHED
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        system = _System(
            unfinished, people, nights, seed, first_night, history_months, progress or (lambda _what, _share: None)
        )
        rows, truth_rows = system.run()
        _make_keys(out, system.configuration)
        _make_mesh(out, system.configuration)
        if replaces:
            _remove(out)
        for part in PARTS:
            (unfinished / part).rename(out / part)
        unfinished.rmdir()
    except OSError as problem:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise_if_disk_full(problem, unfinished)
        raise
    return Synthesised(out, people, nights, rows, truth_rows, time.perf_counter() - begun)


def _check(out: Path, *, replaces: bool, people: int, nights: int, history_months: int) -> None:
    if people < 100:
        raise BadInput(f"{people} people are too few for nine providers: give at least 100.")
    if nights < 1:
        raise BadInput(f"{nights} nights cannot be made: give at least 1.")
    if history_months < 0:
        raise BadInput(f"A history of {history_months} months cannot be made: give 0 or more.")
    for name in PARTS:
        if (out / name).exists() and not replaces:
            raise BadInput(f"{out} already holds {name}: give a new folder, or remove that first.")


def _remove(out: Path) -> None:
    """Remove a care system, its description first, so that a half removed one is none."""
    (out / "registry.yaml").unlink(missing_ok=True)
    for part in reversed(PARTS[:-1]):
        if (out / part).is_file():
            (out / part).unlink()
        else:
            shutil.rmtree(out / part, ignore_errors=True)


def _make_keys(out: Path, configuration: Configuration) -> None:
    """A random key for each output, the only thing that no seed gives.

    Keys that lie there are kept, so that the outputs of a home that was made with them go on.
    """
    for output in configuration.deployment.outputs.values():
        if output.key.file is not None and not (out / output.key.file).exists():
            (out / output.key.file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            pseudonyms.new_key(out / output.key.file)


def _make_mesh(out: Path, configuration: Configuration) -> None:
    """The folders of a MESH client that nobody runs; what lies there is kept."""
    mesh = configuration.deployment.national_opt_out
    for folder in (mesh.outbox, mesh.inbox) if mesh is not None else ():
        (out / folder).mkdir(mode=0o700, parents=True, exist_ok=True)


class _System:
    def __init__(
        self, out: Path, people: int, nights: int, seed: int, first_night: date, history_months: int, progress: Progress
    ) -> None:
        self.out, self.people, self.nights, self.seed = out, people, nights, seed
        self.first_night, self.progress = first_night, progress
        self.history = max(1, round(history_months * DAYS_A_MONTH))
        self.configuration = _copy_configuration(out, first_night, nights)
        self.replacements: list[tuple[Ints, Ints]] = []
        self.aftercare: dict[str, aftercare.Planned] = {}

    def run(self) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
        arrivals = np.full(self.nights - 1, max(LEAST_ARRIVALS, round(self.people * ARRIVALS_A_YEAR / 365)))
        self.progress("people", 0.0)
        population, places = populate(self.seed, self.people, arrivals, self.first_night)
        books: dict[str, _Provider] = {}
        touched = np.array([], np.int64)
        total = self.nights * len(self.configuration.providers)
        for number in range(self.nights):
            today = day_number(self.first_night) + number
            touched = self._day(population, places, today, number)
            for place, code in enumerate(self.configuration.providers):
                self.progress(
                    f"{self._night(number)} {code}", (number * len(self.configuration.providers) + place) / total
                )
                rng = stream(self.seed, code, number)
                if number == 0:
                    books[code] = _Provider(nights.open_books(population, places, code, rng, today))
                else:
                    books[code].holding = nights.turn_page(
                        books[code].holding, population, places, touched, rng, today, number
                    )
                self._deliver(code, books[code], population, rng, today, number)
        self.progress("truth", 1.0)
        name_neighbourhoods(self.out, list(places.practices))
        areas.write_postcodes(self.out / "postcodes.csv", places)
        truth_rows = truth.write_truth(
            self.out / "truth", population, places, [b.holding for b in books.values()], self.replacements,
            self.first_night, self.nights,
        )  # fmt: skip
        return {code: dict(book.rows) for code, book in books.items()}, truth_rows

    def _night(self, number: int) -> date:
        return self.first_night + timedelta(days=number)

    def _day(self, population: Population, places: Places, today: int, number: int) -> Ints:
        rng = stream(self.seed, "lives", number)
        if number == 0:
            had = np.flatnonzero(population.old_nhs_number != NONE)
            self.replacements.append((had, today - rng.integers(1, 3000, len(had))))
            return had
        touched, replaced = nights.live_on(population, places, rng, today, number)
        self.replacements.append((replaced, np.full(len(replaced), today)))
        return touched

    def _deliver(
        self, code: str, book: _Provider, population: Population, rng: np.random.Generator, today: int, number: int
    ) -> None:
        provider = self.configuration.provider(code)
        night = self._night(number)
        first_day = today - self.history + 1 if number == 0 else today
        holding = book.holding
        use = np.flatnonzero(nights.active(holding))
        known = activity.Known(
            population, holding.persons[use], holding.rows["local_id"].combine_chunks().take(pa.array(use)), code, today
        )
        with delivery.Writer(code, self.out, self.out / "replica", night) as writer:
            if any(feed.only for feed in provider.feeds.values()):
                self._deliver_council(book, known, writer, rng, (today - 729 if number == 0 else today, today))
                book.rows.update(writer.rows)
                return
            for name, feed in provider.feeds.items():
                if name == "patient":
                    self._deliver_patients(
                        book, feed, writer, delta=provider.delivery_of(name) == "delta" and number > 0
                    )
                elif name == "nhs_number_replacement":
                    with writer.feed(name, feed) as write:
                        write(self._replaced(population))
                else:
                    self._deliver_events(book, name, feed, known, writer, rng, (first_day, today))
        book.rows.update(writer.rows)

    def _deliver_patients(self, book: _Provider, feed: Feed, writer: delivery.Writer, *, delta: bool) -> None:
        holding = book.holding
        rows = holding.rows
        if delta:
            rows = pa.concat_tables([rows.filter(pa.array(holding.changed)), nights.marked_deleted(holding.gone)])
        if feed.source.kind == "fhir_ndjson":
            text = pa.table({n: delivery.as_text(rows[n].combine_chunks()) for n in rows.column_names})
            text = delivery.blemished(text, feed, self.seed, recording.BLEMISHES)
            writer.rows["patient"] = fhir.write_patients(text, writer.path(feed.source.path))
            return
        with writer.feed("patient", feed, blemish=(self.seed, recording.BLEMISHES)) as write:
            write(rows)

    def _deliver_events(
        self,
        book: _Provider,
        name: str,
        feed: Feed,
        known: activity.Known,
        writer: delivery.Writer,
        rng: np.random.Generator,
        window: tuple[int, int],
    ) -> None:
        """Tonight's events, those whose end is known only now, and corrections of earlier ones."""
        with writer.feed(name, feed) as write:
            made = 0
            for start in range(0, max(len(known), 1), RECORDS_A_CHUNK):
                part = known.slice(start, start + RECORDS_A_CHUNK)
                events = self._happen(part, name, window, rng, 1 + book.issued[name], start)
                book.issued[name] += len(events)
                made += len(events)
                if self.nights > 1:
                    kept = at_rate(rng, len(events), KEPT_FOR_CORRECTION)
                    book.earlier.setdefault(name, []).append(events.filter(pa.array(kept)))
                write(events)
                self._write_protected(name, feed, part, events, write, window)
                self._note_unfinished(book, name, events)
            if name == "contact":
                write(self._aftercare(book, known, window))
            if name in book.not_over and window[0] == window[1]:
                told, book.not_over[name] = activity.now_over(book.not_over[name], window[1])
                write(told)
            if window[0] == window[1] and len(book.earlier.get(name, [])) > 1:
                write(self._corrections(book, name, made, rng))

    def _happen(
        self, part: activity.Known, name: str, window: tuple[int, int], rng: np.random.Generator, first: int, start: int
    ) -> pa.Table:
        """A feed's events of some records; stays plan the contacts that follow them."""
        if name == "observation":
            own = stream(self.seed, part.provider, "observation", window[1], start)
            return care_processes.happen(part, window, own, first)
        events = activity.happen(part, name, window, rng, first)
        if name == "spell":
            own = stream(self.seed, part.provider, "aftercare", window[1], start)
            kind = aftercare.FOLLOWED_BY[part.provider[:2]]
            planned = self.aftercare.get(kind, aftercare.NOTHING)
            self.aftercare[kind] = planned.joined(aftercare.plan(part, events, own))
        return events

    def _aftercare(self, book: _Provider, known: activity.Known, window: tuple[int, int]) -> pa.Table:
        """Tonight's contacts that follow stays. Hospitals, and RV1's own stays, have delivered before them."""
        planned = self.aftercare.get(known.provider[:2], aftercare.NOTHING)
        own = stream(self.seed, known.provider, "after", window[1])
        events = aftercare.happen(known, planned, window, own, 1 + book.issued["contact"])
        book.issued["contact"] += len(events)
        return events

    def _write_protected(
        self, name: str, feed: Feed, part: activity.Known, events: pa.Table, write: Any, window: tuple[int, int]
    ) -> None:
        """Dissent in the history of a practice's patients, and events of people who may not be named."""
        first = int(part.persons[0]) if len(part) else 0
        where = objecting.SAID_IN.get(part.provider, "condition")
        if name == where and part.provider in recording.SUPPLIERS and window[0] != window[1]:
            write(objecting.dissent(part, window, stream(self.seed, part.provider, "dissent", first)))
        if objecting.has_withheld(feed) and len(events):
            rng = stream(self.seed, part.provider, "withheld", window[1], first)
            write(objecting.withheld(events, rng))

    def _note_unfinished(self, book: _Provider, name: str, events: pa.Table) -> None:
        if self.nights == 1 or f"{activity.LATER}end_date" not in events.column_names:
            return
        unfinished = events.filter(events["end_date"].is_null())
        book.not_over[name] = (
            pa.concat_tables([book.not_over[name], unfinished]) if name in book.not_over else unfinished
        )

    def _corrections(self, book: _Provider, name: str, made: int, rng: np.random.Generator) -> pa.Table:
        """Earlier events again: half of them deleted, half with another end or status."""
        kept = pa.concat_tables(book.earlier[name][:-1])
        count = min(len(kept), max(1, round(made * CORRECTIONS)))
        rows = np.sort(rng.choice(len(kept), count, replace=False)) if count else np.array([], np.int64)
        again = kept.take(pa.array(rows))
        rest = np.ones(len(kept), bool)
        rest[rows] = False
        book.earlier[name] = [kept.filter(pa.array(rest)), *book.earlier[name][-1:]]
        deleted = at_rate(rng, count, 0.5)
        again = again.set_column(again.column_names.index("deleted"), "deleted", pa.array(deleted))
        for column in ("end_date", "attendance_status", "updated_date"):
            if column in again.column_names:
                changed = again["start_date"] if column != "attendance_status" else pa.array(np.full(count, "3"))
                again = again.set_column(again.column_names.index(column), column, changed.cast(again[column].type))
                break
        return again

    def _deliver_council(
        self, book: _Provider, known: activity.Known, writer: delivery.Writer, rng: np.random.Generator,
        window: tuple[int, int],
    ) -> None:  # fmt: skip
        """One file with everything: each person at least once, and every event of the last two years."""
        provider = self.configuration.provider(known.provider)
        for name in [n for n in provider.feeds if n != "patient"]:
            events = activity.happen(known, name, window, rng, 1 + book.issued[name])
            if name == "carer":
                events = events.filter(events["carer_local_id"].is_valid())
            book.issued[name] += len(events)
            book.council[name] = pa.concat_tables([book.council[name], events]) if name in book.council else events
        rates = {**recording.BLEMISHES, "missing_local_id": 0.0, "repeated_row": 0.0}
        persons = delivery.as_delivered("patient", provider.feeds["patient"], book.holding.rows)
        persons = delivery.blemished(persons, provider.feeds["patient"], self.seed, rates)
        table, counts = delivery.client_level(provider, persons, book.council)
        source = provider.feeds["patient"].source
        assert isinstance(source, CsvSource)  # noqa: S101  # the council's form is CSV
        with writer.csv(source, quoted=False, columns=table.column_names) as write:
            write(table)
        writer.rows.update({"patient": len(persons), **counts})

    def _replaced(self, population: Population) -> pa.Table:
        people, day = self.replacements[-1]
        return pa.table({
            "nhs_number": pa.array(population.old_nhs_number[people]).cast(pa.string()),
            "replaced_by": pa.array(population.nhs_number[people]).cast(pa.string()),
            "start_date": pa.array(day.astype(np.int32)).cast(pa.date32()),
        })  # fmt: skip


def name_neighbourhoods(out: Path, practices: list[str]) -> None:
    """Write the neighbourhood teams into a deployment's `registry.yaml`: practices that lie beside each other.

    Args:
        out: the deployment's folder.
        practices: every practice, in the order in which they lie.
    """
    teams = {
        f"Neighbourhood {1 + start // PRACTICES_A_TEAM}": practices[start : start + PRACTICES_A_TEAM]
        for start in range(0, len(practices), PRACTICES_A_TEAM)
    }
    listed = "".join(f"  {team}: [{', '.join(codes)}]\n" for team, codes in teams.items())
    path = out / "registry.yaml"
    text, found = re.subn(
        r"(?m)^neighbourhoods:.*\n(?:[ \t]+.*\n)*", f"neighbourhoods:\n{listed}", path.read_text(encoding="utf-8")
    )
    path.write_text(text if found else f"{text}neighbourhoods:\n{listed}", encoding="utf-8")


def _copy_configuration(out: Path, first_night: date, nights: int) -> Configuration:
    """Copy this repository's configuration into the system's folder, with sources and replica lying in it."""
    out.mkdir(parents=True, exist_ok=True)
    here = REPOSITORY / "dagster_home"
    shutil.copytree(here / "providers", out / "providers", copy_function=shutil.copyfile, dirs_exist_ok=True)
    (out / "providers").chmod(0o700)  # copytree gives a folder the rights of its original
    text = (here / "registry.yaml").read_text(encoding="utf-8")
    written = {
        "sources": ".",
        "made_up_replica": "replica",
        "first_night": first_night.isoformat(),
        "last_night": (first_night + timedelta(days=nights - 1)).isoformat(),
    }
    for key, value in written.items():
        text = re.sub(rf"(?m)^{key}:.*$", f"{key}: {value}", text)
    text = text.replace(f"{MADE_UP}/", "")  # what is named by its path from here lies beside registry.yaml there
    (out / "registry.yaml").write_text(text, encoding="utf-8")
    return load_configuration(out, home=out / "registry_home")
