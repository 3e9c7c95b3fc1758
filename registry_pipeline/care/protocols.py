"""Shared protocols: what providers have agreed is done for whom, how often, by whom, and what counts as done.

What belongs here: the shape of a protocol file (`protocols/*.yaml`; a deployment's own folder takes their place), and
reading and checking it with errors that name file and line. What does not: finding who is due (`gaps`), and the codes
that a list holds (`codes`).

A protocol says who is in (`who`), and its steps. A step has one timing:

* `every: 12 months`: an event that must come again. Due on the day after the interval since the last one is over. Who
  never had one is due `first_within` after coming in; without it, on the day of coming in. (NICE names a first date for
  few processes; where it does not, at once is this project's rule, stated in the protocol.) What was done before the
  data begin nobody sees: what was never seen is told as due since one interval after they begin, at the earliest.
* `within: 72 hours` with `after: {discharge: [mental_health]}`: something that must follow an event in time. Due on the
  day after the window has passed without it, for as long as the event lies within `look_back`.
* `always: true`: a state that must hold on every day (a care plan in force), or an event that must have been once.

`done_by` names the settings that may do it, `counts` what counts as done. Without `in`, it counts in whichever
setting's data it stands: done anywhere counts everywhere. The first of `counts` is where it is expected: where nobody
delivers that kind of data, the step is not evaluated; the others are further ways of having done it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from registry_pipeline import codes
from registry_pipeline.config import Configuration, Setting, line_of, read_described
from registry_pipeline.errors import BadInput

SHIPPED = Path(__file__).resolve().parent / "protocols"
"""The protocols that come with this code, as a proposal."""

RiskLevel = Literal["very_high", "high", "moderate", "low"]
FrailtyCategory = Literal["fit", "mild", "moderate", "severe"]
NAME = r"^[a-z][a-z0-9_]*$"

_UNITS: Mapping[str, tuple[int, int, int]] = {
    "hour": (0, 0, 1),
    "day": (0, 1, 0),
    "week": (0, 7, 0),
    "month": (1, 0, 0),
    "year": (12, 0, 0),
}
"""Unit: months, days and hours of one."""

_LONGEST = 100 * 12
"""Months in the longest interval: nothing is done once in a hundred years."""


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Interval:
    """A span of time as written: `12 months`, `6 weeks`, `2 days`, `72 hours`.

    Attributes:
        text: as written.
        months, days, hours: one of them is above 0.
    """

    text: str
    months: int
    days: int
    hours: int

    @classmethod
    def of(cls, text: Any) -> Interval:
        """Read one.

        Raises:
            ValueError: it is no span above zero in a unit that there is.
        """
        wanted = "write a whole number above 0 and hours, days, weeks, months or years, as in 12 months"
        match = re.fullmatch(r"\s*(-?[0-9]+)\s+(hour|day|week|month|year)s?\s*", str(text))
        if match is None:
            raise ValueError(f"{str(text)!r} is no interval: {wanted}")
        number = int(match[1])
        if number < 1:
            raise ValueError(f"{str(text)!r} is an impossible interval: {wanted}")
        months, days, hours = (number * of_one for of_one in _UNITS[match[2]])
        interval = cls(str(text).strip(), months, days, hours)
        if interval.length > _LONGEST * 30.5 * 24:
            raise ValueError(f"{str(text)!r} is longer than a hundred years: {wanted}")
        return interval

    @property
    def length(self) -> float:
        """Its length in hours, a month taken for 30.5 days: for comparing intervals only."""
        return (self.months * 30.5 + self.days) * 24 + self.hours


def _read_interval(value: Any) -> Any:
    return value if value is None or isinstance(value, Interval) else Interval.of(value)


def _one_or_several(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value if isinstance(value, tuple) or value is None else (value,)


def _wrong(at: str, sentence: str) -> PydanticCustomError:
    """An error that points at a key of the model."""
    # Given as a field, for a brace in the sentence itself would be taken for one.
    return PydanticCustomError("protocol", "{said}", {"said": sentence, "at": at})


def _refuse_but_one(model: BaseModel, what: str) -> None:
    """Raise unless exactly one key is given."""
    keys = {name: field.alias or name for name, field in type(model).model_fields.items()}
    given = [key for name, key in keys.items() if getattr(model, name) is not None]
    if len(given) != 1:
        found = f"it gives {' and '.join(given)}" if given else "it gives none"
        raise ValueError(f"{what} has exactly one of {', '.join(keys.values())}; {found}")


class Age(_Described):
    """Completed years on the night, both ends inclusive."""

    from_: int | None = Field(default=None, alias="from", ge=0, le=130)
    to: int | None = Field(default=None, ge=0, le=130)

    @model_validator(mode="after")
    def _some_age(self) -> Age:
        if self.from_ is None and self.to is None:
            raise ValueError("give from, to, or both")
        if self.from_ is not None and self.to is not None and self.to < self.from_:
            raise _wrong("to", f"nobody is aged from {self.from_} to {self.to}")
        return self


class Criterion(_Described):
    """Who is in: exactly one of these.

    Attributes:
        anybody: everybody.
        condition: has a condition of this code list in force: any provider's record of it that has begun and not ended,
            or an observation that was entered with such a code, which has no end.
        age: of this age.
        risk_level: of these levels of `risk_stratification`.
        frailty: of these electronic frailty categories of `risk_stratification`.
        carer: has an unpaid carer.
        care_plan: has a care plan in force; true for any, else of these types.
        service: has a social care service; true for any, else of these service types.
        group: is in another protocol, by its name.
        all_, any_, none: every one, any, or none of these holds (`none` only beside others, in `all`).
    """

    anybody: Literal[True] | None = None
    condition: str | None = None
    age: Age | None = None
    risk_level: tuple[RiskLevel, ...] | None = Field(default=None, min_length=1)
    frailty: tuple[FrailtyCategory, ...] | None = Field(default=None, min_length=1)
    carer: Literal[True] | None = None
    care_plan: Literal[True] | tuple[str, ...] | None = None
    service: Literal[True] | tuple[str, ...] | None = None
    group: str | None = None
    all_: tuple[Criterion, ...] | None = Field(default=None, alias="all", min_length=1)
    any_: tuple[Criterion, ...] | None = Field(default=None, alias="any", min_length=1)
    none: tuple[Criterion, ...] | None = Field(default=None, min_length=1)

    @field_validator("risk_level", "frailty", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return _one_or_several(value)

    @field_validator("care_plan", "service", mode="before")
    @classmethod
    def _any_or_listed(cls, value: Any) -> Any:
        return value if isinstance(value, bool) else _one_or_several(value)

    @model_validator(mode="after")
    def _one_of_them(self) -> Criterion:
        _refuse_but_one(self, "who is in")
        if self.all_ is not None and all(part.none is not None for part in self.all_):
            raise _wrong("all", "it says only who is not in: add who is (anybody: true, for everybody else)")
        for key, parts in (("any", self.any_), ("none", self.none)):
            if any(part.none is not None for part in parts or ()):
                raise _wrong(key, "none stands within all only, beside who is in")
        return self

    @property
    def parts(self) -> tuple[tuple[str, int, Criterion], ...]:
        """The criteria within, each with its key and place."""
        within = (("all", self.all_), ("any", self.any_), ("none", self.none))
        return tuple((key, i, part) for key, parts in within for i, part in enumerate(parts or ()))


class Contact(_Described):
    """A contact that the person attended; what is given has to be one of the values, as delivered.

    Attributes:
        reason: reasons for the contact.
        team: team types.
        mechanism: consultation mechanisms: 01 face to face, 02 telephone, 11 video.
        staff: staff groups.
    """

    reason: tuple[str, ...] = ()
    team: tuple[str, ...] = ()
    mechanism: tuple[str, ...] = ()
    staff: tuple[str, ...] = ()

    @field_validator("*", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return _one_or_several(value)


class Counted(_Described):
    """What counts as done: exactly one kind, and in which settings' data.

    Attributes:
        observation: an observation of this code list.
        condition: a condition entered with a code of this list (many systems keep care processes so).
        medication: a medicine of this code list, prescribed or issued.
        contact: an attended contact; true for any.
        care_plan: `in_force`: a care plan in force; `updated`: one in force, by when it was made or last updated.
        carer: `assessed`: a carer's assessment, by its date.
        coordinator: `named`: a care plan in force names a coordinator.
        in_: settings in whose data it counts; none given: in any.
    """

    observation: str | None = None
    condition: str | None = None
    medication: str | None = None
    contact: Literal[True] | Contact | None = None
    care_plan: Literal["in_force", "updated"] | None = None
    carer: Literal["assessed"] | None = None
    coordinator: Literal["named"] | None = None
    in_: tuple[Setting, ...] = Field(default=(), alias="in")

    @field_validator("in_", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return _one_or_several(value)

    @model_validator(mode="after")
    def _one_kind(self) -> Counted:
        given = [name for name in _KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"it gives {' and '.join(given)}" if given else "it gives none"
            raise ValueError(f"what counts has exactly one of {', '.join(_KINDS)}; {found}")
        return self

    @property
    def kind(self) -> str:
        """Its kind, by its key."""
        return next(name for name in _KINDS if getattr(self, name) is not None)

    @property
    def code_list(self) -> str | None:
        """The code list that it names."""
        return self.observation or self.condition or self.medication


_KINDS = ("observation", "condition", "medication", "contact", "care_plan", "carer", "coordinator")


class After(_Described):
    """What a step follows: a discharge, alive, of these settings.

    Day cases and regular attenders are no discharge here (PATIENT CLASSIFICATION 2, 3 and 4).
    """

    discharge: tuple[Setting, ...] = Field(min_length=1)

    @field_validator("discharge", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return _one_or_several(value)


class Step(_Described):
    """One thing that is done; see the module.

    Attributes:
        name: unique in the protocol.
        title: what is due, in words.
        source: who says so.
        note: what else a reader should know.
        done_by: settings that may do it.
        counts: what counts as done.
        only: who of the protocol's people it is for; None: all.
        every, first_within: an event that must come again, and when it is due for the first time.
        within, after, look_back: something that must follow an event.
        always: something that must hold, or must have been once.
        seamless: something is lost between two settings where it is not done.
    """

    name: str = Field(pattern=NAME)
    title: str = Field(min_length=1)
    source: str = Field(min_length=1)
    note: str = ""
    done_by: tuple[Setting, ...] = Field(min_length=1)
    counts: tuple[Counted, ...] = Field(min_length=1)
    only: Criterion | None = None
    every: Interval | None = None
    first_within: Interval | None = None
    within: Interval | None = None
    after: After | None = None
    look_back: Interval | None = None
    always: Literal[True] | None = None
    seamless: bool = False

    @field_validator("every", "first_within", "within", "look_back", mode="before")
    @classmethod
    def _intervals(cls, value: Any) -> Any:
        return _read_interval(value)

    @field_validator("done_by", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return _one_or_several(value)

    @model_validator(mode="after")
    def _one_timing(self) -> Step:
        timings = [name for name in ("every", "within", "always") if getattr(self, name) is not None]
        if len(timings) != 1:
            found = f"it gives {' and '.join(timings)}" if timings else "it gives none"
            raise _wrong(
                timings[-1] if timings else "name", f"a step has exactly one of every, within, always; {found}"
            )
        for key, wants in (("after", "within"), ("look_back", "within"), ("first_within", "every or always")):
            if getattr(self, key) is not None and timings[0] not in wants.split(" or "):
                raise _wrong(key, f"{key} goes with {wants}, not with {timings[0]}")
        return self

    @model_validator(mode="after")
    def _possible_intervals(self) -> Step:
        for key in ("every", "first_within", "look_back"):
            interval = getattr(self, key)
            if interval is not None and interval.hours:
                raise _wrong(key, f"{interval.text!r} is counted in hours: count it in days or longer")
        if self.every is not None and self.first_within is not None and self.first_within.length > self.every.length:
            said = f"the first is due within {self.first_within.text}, which is longer than every {self.every.text}"
            raise _wrong("first_within", said)
        if self.within is not None:
            if self.after is None or self.look_back is None:
                raise _wrong("within", "within needs after (what it follows) and look_back (for how long it is told)")
            if self.within.length > self.look_back.length:
                raise _wrong("within", f"{self.within.text} is longer than the look_back of {self.look_back.text}")
        return self

    @model_validator(mode="after")
    def _events_follow(self) -> Step:
        lasting = next((i for i, counted in enumerate(self.counts) if counted.kind != "contact"), None)
        if self.within is not None and lasting is not None:
            raise _wrong("counts", "what follows a discharge is a contact: another kind has no time of day")
        return self


class Agreed(_Described):
    """By whom a protocol was agreed, and on which day."""

    by: tuple[str, ...] = Field(min_length=1)
    day: date


class Protocol(_Described):
    """One protocol; see the module."""

    name: str = Field(pattern=NAME)
    version: str = Field(min_length=1)
    title: str = Field(min_length=1)
    source: str = Field(min_length=1)
    agreed: Agreed
    note: str = ""
    who: Criterion
    steps: tuple[Step, ...] = Field(min_length=1)

    @field_validator("version", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _says_who_is_in(self) -> Protocol:
        if self.who.none is not None:
            raise _wrong("who", "it says only who is not in: say who is, and put none beside it in all")
        return self

    @property
    def code_lists(self) -> tuple[str, ...]:
        """Code lists that it names, sorted."""
        return tuple(sorted({name for _, name in _lists(self)}))

    @property
    def groups(self) -> tuple[str, ...]:
        """Protocols whose people it refers to, sorted."""
        return tuple(sorted({name for _, name in _groups(self)}))


Path_ = tuple[str | int, ...]


def _criteria(protocol: Protocol) -> Iterator[tuple[Path_, Criterion]]:
    """Every criterion of a protocol with its place in the file."""
    tops: list[tuple[Path_, Criterion]] = [(("who",), protocol.who)]
    tops += [(("steps", i, "only"), step.only) for i, step in enumerate(protocol.steps) if step.only is not None]
    while tops:
        path, criterion = tops.pop(0)
        yield path, criterion
        tops += [((*path, key, i), part) for key, i, part in criterion.parts]


def _lists(protocol: Protocol) -> Iterator[tuple[Path_, str]]:
    for path, criterion in _criteria(protocol):
        if criterion.condition is not None:
            yield (*path, "condition"), criterion.condition
    for i, step in enumerate(protocol.steps):
        for j, counted in enumerate(step.counts):
            if counted.code_list is not None:
                yield ("steps", i, "counts", j, counted.kind), counted.code_list


def _groups(protocol: Protocol) -> Iterator[tuple[Path_, str]]:
    for path, criterion in _criteria(protocol):
        if criterion.group is not None:
            yield (*path, "group"), criterion.group


@dataclass(frozen=True)
class Protocols:
    """What a folder holds.

    Attributes:
        sound: protocols that can be used, each after those whose people it refers to.
        broken: what is wrong with each file that cannot be used, by the file's name.
    """

    sound: tuple[Protocol, ...]
    broken: Mapping[str, str]


def folder_of(configuration: Configuration) -> Path:
    """The folder of a deployment's protocols."""
    own = configuration.deployment.protocols
    return SHIPPED if own is None else configuration.directory / own


def check(configuration: Configuration) -> None:
    """Read every protocol.

    Raises:
        BadInput: the first that cannot be used.
    """
    for sentence in read(configuration).broken.values():
        raise BadInput(sentence)


def read(configuration: Configuration) -> Protocols:
    """Every protocol that can be used, and what is wrong with the others.

    Raises:
        BadInput: there is no such folder, or nothing in it.
    """
    folder = folder_of(configuration)
    files = sorted(folder.glob("*.y*ml")) if folder.is_dir() else []
    if not files:
        raise BadInput(f"{folder} holds no protocol: add one YAML file a protocol, or leave out protocols.")
    reader = _Reader(configuration)
    for file in files:
        reader.take(file)
    reader.refuse_unknown_groups()
    return Protocols(tuple(reader.ordered()), dict(sorted(reader.broken.items())))


class _Reader:
    """Protocols as they are read: those that are sound so far, and what is wrong with the rest."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.read: dict[str, tuple[Path, Protocol]] = {}
        self.broken: dict[str, str] = {}
        self.lists: dict[str, str | None] = {}

    def take(self, file: Path) -> None:
        """Read one file."""
        try:
            protocol: Protocol = read_described(file, Protocol)
            self._refuse(file, protocol)
        except BadInput as problem:
            self.broken[file.name] = str(problem)
        except OSError as problem:
            self.broken[file.name] = f"{file} cannot be read ({problem.strerror}): mend it or take it away."
        except RecursionError:
            self.broken[file.name] = f"{file} is nested too deeply to be read: say who is in more simply."
        else:
            self.read[protocol.name] = (file, protocol)

    def _refuse(self, file: Path, protocol: Protocol) -> None:
        if protocol.name in self.read:
            other = self.read[protocol.name][0].name
            raise self._at(
                file, ("name",), f"the protocol {protocol.name!r} stands in {other} already: name it otherwise"
            )
        steps = [step.name for step in protocol.steps]
        twice = next((i for i, name in enumerate(steps) if name in steps[:i]), None)
        if twice is not None:
            said = f"the step {steps[twice]!r} stands there twice: leave one, or name it otherwise"
            raise self._at(file, ("steps", twice, "name"), said)
        for path, name in _lists(protocol):
            fault = self._fault_of_list(name)
            if fault is not None:
                raise self._at(file, path, fault)

    def _fault_of_list(self, name: str) -> str | None:
        if name not in self.lists:
            known = codes.names(self.configuration)
            if name in known:
                try:
                    codes.load(self.configuration, name)
                    self.lists[name] = None
                except BadInput as problem:
                    self.lists[name] = f"the code list {name!r} cannot be used: {str(problem).rstrip('.')}"
            else:
                self.lists[name] = f"there is no code list {name!r}{_nearest(name, known)}"
        return self.lists[name]

    def refuse_unknown_groups(self) -> None:
        """Set aside whoever refers to a protocol that is not there, or in a circle; and whoever rests on those."""
        while True:
            fault = next(self._faults_of_groups(), None)
            if fault is None:
                return
            name, path, sentence = fault
            file, _ = self.read.pop(name)
            self.broken[file.name] = str(self._at(file, path, sentence))

    def _faults_of_groups(self) -> Iterator[tuple[str, Path_, str]]:
        for name, (_, protocol) in self.read.items():
            for path, group in _groups(protocol):
                if group not in self.read:
                    yield name, path, f"there is no protocol {group!r} that can be used{_nearest(group, self.read)}"
                elif circle := self._circle(name, group):
                    yield name, path, f"the rule is circular: {' needs '.join((name, *circle))}"

    def _circle(self, name: str, group: str) -> tuple[str, ...]:
        """The way from a group back to a name; empty where there is none."""
        ways: list[tuple[str, ...]] = [(group,)]
        seen = set()
        while ways:
            way = ways.pop(0)
            if way[-1] == name:
                return way
            if way[-1] in seen or way[-1] not in self.read:
                continue
            seen.add(way[-1])
            ways += [(*way, further) for further in self.read[way[-1]][1].groups]
        return ()

    def ordered(self) -> Iterator[Protocol]:
        """Each protocol after those that it refers to; otherwise in the order of their files."""
        done: set[str] = set()
        while len(done) < len(self.read):
            for name, (_, protocol) in self.read.items():
                if name not in done and done.issuperset(protocol.groups):
                    done.add(name)
                    yield protocol

    @staticmethod
    def _at(file: Path, path: Path_, sentence: str) -> BadInput:
        return BadInput(f"{file}, line {line_of(file, path)}: {sentence}.")


def _nearest(given: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(given, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?".rstrip("?") if near else ""
