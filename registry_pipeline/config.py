"""Deployment and provider descriptions, read once from YAML and the environment.

What belongs here: the shape of `registry.yaml` and `providers/*.yaml`, and reading them with errors that name the
file, the line and the nearest valid key. What does not: anything that reads data, and any default that is a rule
about data (those stand in the stage that applies them).
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from registry_pipeline.errors import BadInput

REPOSITORY = Path(__file__).resolve().parent.parent
"""The checkout: `expectations/`, `linkage_models/` and `dagster_home/` lie in it, beside the package."""

Setting = Literal["gp", "acute", "community", "mental_health", "social_care"]
Delivery = Literal["full", "delta"]
ObjectionKind = Literal["national", "type_1", "local"]
"""National data opt-out; type 1 opt-out, recorded at the practice; objection made to this deployment."""
Purpose = Literal["direct_care", "case_conference", "risk_stratification", "audit", "planning", "research"]
ConsumerName = Literal[
    "risk_stratification", "care_gap", "patient_care_team", "case_conference_list", "audit_measure",
]  # fmt: skip
"""What reads the published registry, by the table that it makes; in the order in which they are made."""
FeedName = Literal[
    "patient", "spell", "attendance", "contact", "referral", "medication", "condition", "care_plan", "service",
    "carer", "observation", "nhs_number_replacement",
]  # fmt: skip


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_Model = TypeVar("_Model", bound=BaseModel)


class Column(_Described):
    """Where one canonical column comes from in a provider's own table.

    `columns: {birth_date: {from: DOB, format: "%d/%m/%Y"}}`; a plain string is short for `{from: NAME}`.

    Attributes:
        source: the provider's column, or several that are joined by `separator` where filled (an address in parts).
        format: strptime format of a date or timestamp column; without it ISO dates are expected.
        values: the provider's codes and what each is in the canonical code list (`{"TRUE": "01"}`).
        separator: what joins several source columns.
    """

    source: tuple[str, ...] = Field(alias="from", min_length=1)
    format: str | None = None
    values: dict[str, str] | None = None
    separator: str = " "

    @field_validator("source", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value

    @field_validator("values", mode="before")
    @classmethod
    def _codes_as_text(cls, value: Any) -> Any:
        # YAML reads a bare TRUE or 1 as a boolean or a number; a code list is text on both sides.
        if not isinstance(value, dict):
            return value
        as_text = {True: "TRUE", False: "FALSE"}
        return {as_text.get(k, str(k)) if isinstance(k, bool) else str(k): str(v) for k, v in value.items()}

    @property
    def codes(self) -> dict[str, str]:
        """`values` as every stage looks codes up: trimmed, as written and, if that leaves no doubt, in upper case."""
        written = {code.strip(): meant.strip() for code, meant in (self.values or {}).items()}
        return {**{code.upper(): meant for code, meant in written.items()}, **written}


class CsvSource(_Described):
    """Delimited text: any delimiter, quoting and encoding; a glob; plain, gzip or zip."""

    kind: Literal["csv"]
    path: str
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', max_length=1)
    escape: str = Field(default='"', max_length=1)
    encoding: str = "utf-8"
    member: str | None = Field(default=None, description="glob of the members to read, in a zip of several files")


class ParquetSource(_Described):
    """Parquet files; every column is read as text."""

    kind: Literal["parquet"]
    path: str


class PostgresSource(_Described):
    """A query on a PostgreSQL whose address and password stand in an environment variable.

    `$1` in the query is the night, as a date.
    """

    kind: Literal["postgres"]
    dsn_env: str
    query: str


class FhirNdjsonSource(_Described):
    """FHIR R4 resources, one JSON object a line (bulk export)."""

    kind: Literal["fhir_ndjson"]
    path: str


Source = Annotated[CsvSource | ParquetSource | PostgresSource | FhirNdjsonSource, Field(discriminator="kind")]


class Feed(_Described):
    """One table that a provider delivers.

    Attributes:
        source: how it arrives.
        columns: canonical column name to the provider's column. Empty: the provider's names are the canonical ones.
        only: the provider's column and the values of the rows that are this feed's (one file may hold several feeds).
        distinct: rows that are alike in every mapped column are one row (a file may repeat the person on each event).
        delivery: overrides the provider's `delivery` for this feed.
    """

    source: Source
    columns: dict[str, Column] = Field(default_factory=dict)
    only: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    distinct: bool = False
    delivery: Delivery | None = None

    @field_validator("only", mode="before")
    @classmethod
    def _one_value_or_several(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: tuple(map(str, v)) if isinstance(v, list) else (str(v),) for k, v in value.items()}

    @field_validator("columns", mode="before")
    @classmethod
    def _plain_names(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: {"from": v} if isinstance(v, str | list) else v for k, v in value.items()}


class Agreement(_Described):
    """A data sharing agreement under which a provider's records are taken.

    Attributes:
        purposes: what its records may be used for; an output for another purpose holds nothing of this provider.
        starts, ends: first and last day in force; None leaves that end open.
        on_end: whether its records leave the registry when it has ended, or stay as last delivered.
    """

    reference: str
    lawful_basis: str | None = None
    purposes: tuple[Purpose, ...] = ("direct_care",)
    starts: date | None = None
    ends: date | None = None
    on_end: Literal["remove", "keep"] = "remove"

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Agreement:
        if self.starts is not None and self.ends is not None and self.ends < self.starts:
            raise ValueError(f"the agreement {self.reference} ends {self.ends}, before it starts {self.starts}")
        return self

    def in_force(self, night: date) -> bool:
        """Whether records may be taken on this night (both ends inclusive)."""
        return (self.starts is None or self.starts <= night) and (self.ends is None or night <= self.ends)

    def overlaps(self, other: Agreement) -> bool:
        """Whether both are in force on some day."""
        first = max(self.starts or date.min, other.starts or date.min)
        return first <= min(self.ends or date.max, other.ends or date.max)


class Provider(_Described):
    """One organisation that delivers extracts: `providers/<provider>.yaml`."""

    provider: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    name: str = ""
    setting: Setting
    delivery: Delivery = "full"
    required: bool = False
    stale_after_days: int = Field(default=3, ge=0)
    agreements: tuple[Agreement, ...] = Field(default=(), alias="agreement")
    owners: tuple[str, ...] = ()
    feeds: dict[FeedName, Feed] = Field(min_length=1)
    expectations: dict[str, float | int | str | bool] = Field(default_factory=dict)

    @field_validator("agreements", mode="before")
    @classmethod
    def _one_or_several_agreements(cls, value: Any) -> Any:
        return (value,) if isinstance(value, dict | Agreement) else () if value is None else value

    @field_validator("agreements")
    @classmethod
    def _one_at_a_time(cls, value: tuple[Agreement, ...]) -> tuple[Agreement, ...]:
        for number, one in enumerate(value):
            for later, other in enumerate(value[number + 1 :], start=number + 1):
                if one.overlaps(other):
                    said = (
                        f"the agreements {one.reference} and {other.reference} are in force on the same days: end one"
                        " before the other starts"
                    )
                    raise PydanticCustomError("overlap", "{said}", {"said": said, "at": later})
        return tuple(sorted(value, key=lambda agreement: agreement.starts or date.min))

    def agreement_on(self, night: date) -> Agreement | None:
        """The agreement in force on a night, if one is."""
        return next((agreement for agreement in self.agreements if agreement.in_force(night)), None)

    def last_agreement(self, night: date) -> Agreement | None:
        """The agreement in force on a night, else the last that had ended by then."""
        begun = [a for a in self.agreements if a.starts is None or a.starts <= night]
        return begun[-1] if begun else None

    def delivery_of(self, feed: str) -> Delivery:
        """Full or delta, for one feed."""
        return self.feeds[feed].delivery or self.delivery  # type: ignore[index]  # feed names are checked on load


class KeySource(_Described):
    """Where a secret key is: exactly one of an environment variable and a file (relative to `registry.yaml`)."""

    env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    file: Path | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> KeySource:
        if (self.env is None) == (self.file is None):
            raise ValueError("give either env or file, and not both")
        return self


class PurposeRules(_Described):
    """Who is left out of what is read for a purpose.

    Attributes:
        objections: the kinds of objection that keep a person out.
        without_nhs_number: what becomes of people whom the national opt-out check cannot be asked about.
    """

    objections: tuple[ObjectionKind, ...] = ("national", "type_1", "local")
    without_nhs_number: Literal["remove", "keep"] = "remove"


class PurposeOutput(PurposeRules):
    """One output that must not see identities: how the registry is shown for one purpose.

    Attributes:
        key: the secret under which pseudonyms of this purpose are made.
        birth: how much of the birth date is given.
        age_band_years: width of the age bands.
        event_dates: `relative` gives the month, and days since the person's first event in the registry, so that
            intervals stay exact; `day` gives the date, for an agreement that covers it.
        smallest_group: k of k-anonymity: how many people at least should be alike in every quasi-identifier.
    """

    key: KeySource
    birth: Literal["month", "year"] = "year"
    age_band_years: int = Field(default=5, ge=1, le=20)
    event_dates: Literal["relative", "day"] = "relative"
    smallest_group: int = Field(default=5, ge=2)


class NationalOptOut(_Described):
    """The check against the national data opt-out over MESH: which mailbox, and where its files lie.

    Attributes:
        mailbox: the deployment's own MESH mailbox; a reply for another one is refused.
        outbox, inbox: folders of the MESH client, relative to `registry.yaml`.
        expires_after_days: age at which a reply may no longer be used.
    """

    mailbox: str = Field(pattern=r"^[A-Za-z0-9]+$")
    outbox: Path
    inbox: Path
    expires_after_days: int = Field(default=21, ge=1)


class PostcodeLookup(_Described):
    """A list of postcodes with their area, as the ONS Postcode Directory has it (CSV or Parquet).

    Attributes:
        path: the file, relative to `sources`.
        postcode, lsoa, deprivation_decile: its columns; decile 1 is the most deprived.
    """

    path: Path
    postcode: str = "postcode"
    lsoa: str = "lsoa"
    deprivation_decile: str | None = "deprivation_decile"


class RiskChoices(_Described):
    """How people are parted by risk, and which fitted model is used.

    Attributes:
        very_high, high, moderate: shares of the living, from the top; everybody else is low. The defaults are those of
            the Combined Predictive Model: 0.5%, 4.5% and 15%.
        model: version of the fitted model; None takes the newest that fits the registry's features.
    """

    very_high: float = Field(default=0.005, ge=0, le=1)
    high: float = Field(default=0.045, ge=0, le=1)
    moderate: float = Field(default=0.15, ge=0, le=1)
    model: str | None = None

    @model_validator(mode="after")
    def _at_most_everybody(self) -> RiskChoices:
        if self.very_high + self.high + self.moderate > 1:
            raise ValueError("very_high, high and moderate together are more than all people")
        return self


class CaseConferences(_Described):
    """How neighbourhood teams meet.

    Attributes:
        capacity: people whom one meeting can discuss.
        meetings: meetings ahead that the list is made for.
        again_after_days: days after which somebody who was discussed is put on the list again without a new reason.
    """

    capacity: int = Field(default=12, ge=1, le=500)
    meetings: int = Field(default=4, ge=1, le=52)
    again_after_days: int = Field(default=90, ge=0)


class AuditChoices(_Described):
    """How clinical audit looks back.

    Attributes:
        months: whole months up to the night.
        rebase: by measure, first days of months from which on its control limits are counted anew, because something
            was changed on purpose.
    """

    months: int = Field(default=24, ge=24, le=120)
    rebase: dict[str, tuple[date, ...]] = Field(default_factory=dict)


class Deployment(_Described):
    """The whole care system's own choices: `registry.yaml`. Every key has a default.

    Attributes:
        name: what the deployment is called in reports.
        home: data folder, relative to `registry.yaml`; the environment's REGISTRY_HOME comes first.
        sources: what relative paths of sources are relative to; default: the folder of `registry.yaml`.
        models: folder of linkage models; default: `linkage_models/` of this repository.
        model: version of the linkage model; default: the newest that fits.
        synthetic_nhs_numbers: whether NHS numbers 9000000000 to 9999999999 (made-up people) are accepted.
        first_night: first partition of the Dagster assets.
        last_night: last partition, where deliveries have ended (a made-up care system's have); None: tonight.
        schedule: cron of the nightly run; `deadline` is when the registry is built with whoever is in.
        made_up_replica: folder of the made-up system's PostgreSQL; started by the run where it is named.
        agreements_required: whether a provider without any agreement is refused; None: as soon as one provider has one.
        outputs: the pseudonymised outputs, by purpose; direct care reads `registry/current` and needs none.
        nightly_report: whether each night ends with its linkage quality report; it can be made later as well.
        sign_offs: by purpose, how many people must sign a night's report before its snapshot becomes current for it.
        national_opt_out: the check against the national data opt-out; needed by outputs that honour it.
        postcodes: the list that gives a postcode its area and deprivation.
        consumers: what is made of each published night; one that fails stops no other.
        protocols: folder of the shared protocols, relative to `registry.yaml`; default: those that come with the code.
        code_lists: folder of code lists, which add to those that come with the code or take their place by name.
        neighbourhoods: practices (general medical practice codes) of each neighbourhood team; a practice that none
            names is a team of its own.
        risk, case_conferences, audit: the consumers' own choices.
        overrides_url_env: environment variable that holds the address of the PostgreSQL in which overrides are kept, so
            that no password stands in a file; None keeps them in SQLite under the data folder.
        threads, memory_limit: DuckDB's share of the machine; None leaves it to DuckDB.
    """

    name: str = "patient registry"
    home: Path | None = None
    sources: Path | None = None
    models: Path | None = None
    model: str | None = None
    synthetic_nhs_numbers: bool = False
    timezone: str = "Europe/London"
    first_night: date = date(2026, 4, 1)
    last_night: date | None = None
    schedule: str = "0 2 * * *"
    deadline: time = time(6, 0)
    made_up_replica: Path | None = None
    agreements_required: bool | None = None
    outputs: dict[Purpose, PurposeOutput] = Field(default_factory=dict)
    nightly_report: bool = True
    sign_offs: dict[Purpose, Annotated[int, Field(ge=0, le=5)]] = Field(default_factory=dict)
    national_opt_out: NationalOptOut | None = None
    postcodes: PostcodeLookup | None = None
    consumers: tuple[ConsumerName, ...] = get_args(ConsumerName)
    protocols: Path | None = None
    code_lists: Path | None = None
    neighbourhoods: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    risk: RiskChoices = RiskChoices()
    case_conferences: CaseConferences = CaseConferences()
    audit: AuditChoices = AuditChoices()
    overrides_url_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    threads: int | None = Field(default=None, ge=1)
    memory_limit: str = "3GB"

    @field_validator("neighbourhoods")
    @classmethod
    def _practice_in_one_team(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        listed = [practice for practices in value.values() for practice in practices]
        twice = next((practice for practice in listed if listed.count(practice) > 1), None)
        if twice is not None:
            raise ValueError(f"the practice {twice} is in two neighbourhoods, or twice in one: name it once")
        return value

    @field_validator("memory_limit")
    @classmethod
    def _memory_is_a_size(cls, value: str) -> str:
        TypeAdapter(ByteSize).validate_python(value)
        return value


class Configuration(_Described):
    """Everything that was read: the deployment, its providers by code, and where it was read from."""

    directory: Path
    home: Path
    deployment: Deployment
    providers: dict[str, Provider]

    @property
    def agreements_required(self) -> bool:
        """Whether a provider without an agreement is refused.

        A deployment in which no provider has any is a trial; as soon as one has one, the others need theirs.
        """
        asked = self.deployment.agreements_required
        return any(p.agreements for p in self.providers.values()) if asked is None else asked

    def rules_of(self, purpose: Purpose) -> PurposeRules:
        """Who is left out of what is read for a purpose: as its output says, else by every check that there is.

        The national check can be asked only where the deployment has a mailbox for it.
        """
        if purpose == "direct_care":
            return PurposeRules(objections=())
        output = self.deployment.outputs.get(purpose)
        if output is not None:
            return output
        if purpose == "case_conference":  # direct care too; what a person said to this deployment holds all the same
            return PurposeRules(objections=("local",))
        known: tuple[ObjectionKind, ...] = ("type_1", "local")
        return PurposeRules(objections=("national", *known) if self.deployment.national_opt_out else known)

    @property
    def sources(self) -> Path:
        """What relative source paths are relative to."""
        return self.directory / (self.deployment.sources or ".")

    @property
    def models(self) -> Path:
        """The folder that holds the linkage models."""
        if self.deployment.models is None:
            return REPOSITORY / "linkage_models"
        return self.directory / self.deployment.models

    def provider(self, code: str) -> Provider:
        """One provider by its code.

        Raises:
            BadInput: no such provider; the message names the nearest.
        """
        if code not in self.providers:
            raise BadInput(f"There is no provider {code!r} in {self.directory}{_nearest(code, self.providers)}.")
        return self.providers[code]


def refuse_unknown_consumers(configuration: Configuration, asked: Collection[str] | None) -> tuple[ConsumerName, ...]:
    """The consumers asked for, in the order in which they are made; None gives all that the deployment names.

    Raises:
        BadInput: one is not a consumer, or not one of the deployment's.
    """
    named = configuration.deployment.consumers
    for name in asked or ():
        if name not in named:
            raise BadInput(f"{name!r} is not among the deployment's consumers{_nearest(name, named)}.")
    return tuple(name for name in named if not asked or name in asked)


def load_configuration(
    directory: Path, *, home: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Configuration:
    """Read `registry.yaml` and `providers/*.yaml` of one deployment.

    Args:
        directory: the folder that holds both.
        home: the data folder, before REGISTRY_HOME and the file's own `home`.
        environment: where REGISTRY_HOME is looked up.

    Raises:
        BadInput: a file is missing or wrong; the sentence names file, line and, for a typo, the nearest valid key.
    """
    directory = directory.resolve()
    if not directory.is_dir():
        raise BadInput(f"There is no configuration folder {directory}: give the folder that holds registry.yaml.")
    deployment_file = directory / "registry.yaml"
    if not deployment_file.is_file():
        raise BadInput(f"{deployment_file} is missing: it describes the deployment (an empty file takes all defaults).")
    deployment: Deployment = read_described(deployment_file, Deployment)
    providers: dict[str, Provider] = {}
    for file in sorted((directory / "providers").glob("*.y*ml")):
        provider: Provider = read_described(file, Provider)
        if provider.provider in providers:
            raise BadInput(f"{file}: the provider code {provider.provider!r} is already used by another file.")
        providers[provider.provider] = provider
    if not providers:
        raise BadInput(f"{directory / 'providers'} holds no provider: add one YAML file for each provider.")
    if home is None:
        named = environment.get("REGISTRY_HOME")
        home = Path(named) if named else directory / deployment.home if deployment.home else Path("registry_home")
    return Configuration(directory=directory, home=home.resolve(), deployment=deployment, providers=providers)


def read_described(file: Path, model: type[_Model]) -> _Model:
    """Any YAML file that has a shape, with the errors of `load_configuration`.

    Raises:
        BadInput: it is not YAML, or not of that shape; the sentence names file, line and the nearest valid key.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        content = YAML(typ="rt").load(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as problem:
        raise BadInput(f"{file} is not UTF-8 text: save it as UTF-8.") from problem
    except MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        raise BadInput(f"{file}, line {line}: not valid YAML ({problem.problem}).") from problem
    except ValueError as problem:  # a date that the calendar has not, which the reader makes into one at once
        raise BadInput(f"{file}, line {_line_of_no_date(file)}: no such date ({problem}).") from problem
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise BadInput(f"{file}, line 1: expected keys and values (`key: value`) at the top.")
    try:
        return model.model_validate(_plain(content))
    except ValidationError as problem:
        raise BadInput(_explain(file, content, model, problem)) from problem


def _line_of_no_date(file: Path) -> int:
    """The first line of a file with a date that the calendar has not; 1 where none is found."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        for year, month, day in re.findall(r"\b([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})\b", line):
            try:
                date(int(year), int(month), int(day))
            except ValueError:
                return number
    return 1


def line_of(file: Path, path: Sequence[str | int]) -> int:
    """The line of a YAML file, from 1, on which a key or an item of a list stands; of a file that can be read."""
    from ruamel.yaml import YAML

    return _line(YAML(typ="rt").load(file.read_text(encoding="utf-8")), list(path))


def _plain(node: Any) -> Any:
    """Round-trip YAML nodes as ordinary Python values."""
    if isinstance(node, dict):
        return {k: _plain(v) for k, v in node.items()}
    if isinstance(node, list):
        return [_plain(v) for v in node]
    return str(node) if isinstance(node, str) else node


def _explain(file: Path, content: Any, model: type[BaseModel], problem: ValidationError) -> str:
    errors = problem.errors(include_input=False, include_url=False)
    # A wrong `kind` or a typo makes other keys look missing: the typo is what the person has to see.
    error = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    location = error["loc"] + ((error["ctx"]["at"],) if "at" in error.get("ctx", {}) else ())
    path = [part for part in location if _in_content(content, location, part)]
    line = _line(content, path)
    where = ".".join(str(part) for part in path) or "the top"
    if error["type"] == "extra_forbidden":
        allowed = _allowed_keys(model, error["loc"][:-1])
        return f"{file}, line {line}: there is no key {error['loc'][-1]!r}{_nearest(str(error['loc'][-1]), allowed)}."
    if error["type"] == "missing":
        return f"{file}, line {line}: the key {str(error['loc'][-1])!r} is missing under {where}."
    if error["type"] == "too_short":
        return f"{file}, line {line}: {where}: nothing stands there: give at least {error['ctx']['min_length']}."
    message = re.sub(r"^Value error, ", "", error["msg"])
    return f"{file}, line {line}: {where}: {message[0].lower()}{message[1:]}."


def _in_content(content: Any, location: tuple[Any, ...], part: Any) -> bool:
    """Whether a part of pydantic's location is a key of the file (union tags and `[key]` marks are not)."""
    node = content
    for step in location:
        if (isinstance(node, dict) and step in node) or (
            isinstance(node, list) and isinstance(step, int) and step < len(node)
        ):
            if step == part:
                return True
            node = node[step]
    return False


def _line(content: Any, path: list[Any]) -> int:
    node: Any = content
    line = 1
    for step in path:
        try:
            position = node.lc.key(step) if hasattr(node, "keys") else node.lc.item(step)
            line = position[0] + 1
            node = node[step]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line


def _allowed_keys(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """The keys that are valid where an unknown one stands."""
    import typing

    current: Any = model
    for step in location:
        fields = getattr(current, "model_fields", None)
        if fields is None:
            break
        by_key = {(f.alias or name): f for name, f in fields.items()}
        if step not in by_key:
            continue
        stack, models = [by_key[step].annotation], []
        while stack:
            annotation = stack.pop()
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                models.append(annotation)
            stack.extend(typing.get_args(annotation))
        tags = {"csv": CsvSource, "parquet": ParquetSource, "postgres": PostgresSource, "fhir_ndjson": FhirNdjsonSource}
        tag = next((tags[part] for part in location if part in tags), None)
        current = tag if tag in models else (models[0] if models else None)
    if isinstance(getattr(current, "model_fields", None), dict):
        return [f.alias or name for name, f in current.model_fields.items()]
    return list(typing.get_args(FeedName))


def _nearest(given: str, valid: Any) -> str:
    names = [str(v) for v in valid]
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; valid: {', '.join(sorted(names))}" if names else ""
