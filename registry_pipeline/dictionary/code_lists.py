"""The code lists that published columns name, each with its values or form, and its source.

What belongs here: reading `code_lists.yaml`. What does not: which column has which list (`tables.CODES`), and the
clinical lists that scores, protocols and measures are made from (`codes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class CodeList:
    """One list.

    Attributes:
        name: by which `tables.CODES` knows it.
        title: for people.
        source: who keeps it.
        closed: whether no other value can occur; in an open list a provider's own code is kept as it came.
        values: code and what it means, in the source's order; empty where the list is too long to stand here.
        form: regular expression that its codes match in full, where there is one.
        unconfirmed: whether the source's own text was not at hand when it was written down.
    """

    name: str
    title: str
    source: str
    closed: bool = False
    values: Mapping[str | int, str] = field(default_factory=dict)
    form: str | None = None
    unconfirmed: bool = False


@cache
def load() -> Mapping[str, CodeList]:
    """Every list, by name."""
    from ruamel.yaml import YAML

    text = resources.files("registry_pipeline.dictionary").joinpath("code_lists.yaml").read_text(encoding="utf-8")
    content = YAML(typ="safe").load(text)
    return {name: CodeList(name=name, **said) for name, said in content.items()}
