"""The kinds of error that a person sees.

What belongs here: exception classes that carry one clear sentence (what is wrong, where, what to do) and the exit
code of the `registry` command. What does not: handling of errors, and anything that holds a patient's value; a
message names providers, feeds, files, lines, columns, rules and counts only.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Literal

FaultKind = Literal[
    "missing",  # nothing was delivered for the night
    "unreachable",  # the source did not answer, or refused the credentials
    "unreadable",  # delivered, but cannot be read as what it is said to be
    "columns",  # columns are not as agreed
    "rejected",  # a critical feed rule is broken
    "agreement",  # no data sharing agreement is in force
    "failed",  # a stage broke on it in a way that nobody foresaw
]


class RegistryError(Exception):
    """Base of every error whose text is meant for the person at the terminal."""

    exit_code = 1


class BadInput(RegistryError):
    """What the person gave (arguments, configuration, environment) cannot be used."""

    exit_code = 2


class RunFailed(RegistryError):
    """The run could not do what was asked, although the input was sound."""


class NotAllowed(RunFailed):
    """What was asked for may not be made: no agreement covers it, or an objection cannot be looked up."""


class FeedFault(RegistryError):
    """One feed of one provider cannot be taken tonight; the night goes on without it.

    Attributes:
        kind: what sort of fault it is; see `FaultKind`.
        retryable: whether trying again soon may help (a source that did not answer), or not (bad data).
    """

    def __init__(self, message: str, *, kind: FaultKind, retryable: bool = False) -> None:
        super().__init__(message)
        self.kind: FaultKind = kind
        self.retryable = retryable


def kind_and_place(problem: BaseException) -> str:
    """What may be told of an error that nobody foresaw: its kind, and the line of ours that it came from.

    Its own text may hold a patient's value.
    """
    frames = [f for f in traceback.extract_tb(problem.__traceback__) if "registry_pipeline" in f.filename]
    place = f"{Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else "an unknown place"
    return f"{type(problem).__name__} at {place}"
