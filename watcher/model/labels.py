"""Label sets, and the selectors that rules, routes and silences choose series with."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from pydantic_core import SchemaError, SchemaValidator, core_schema

LabelSet: TypeAlias = tuple[tuple[str, str], ...]
"""Name and value pairs, sorted by name: hashable, and equal when the labels are."""

VIEW_LABELS = ("resource", "provider", "region")
"""The labels that make views (design, "Each label set of a metric is a view")."""


def label_set(labels: Mapping[str, str] | Iterable[tuple[str, str]]) -> LabelSet:
    """The canonical form of some labels; empty values mean "no label" and are dropped."""
    pairs = labels.items() if isinstance(labels, Mapping) else labels
    return tuple(sorted((name, value) for name, value in pairs if value != ""))


@lru_cache(maxsize=1024)
def _pattern(regex: str) -> SchemaValidator:
    """By Rust's engine, whose time is linear in the value: Python's is exponential for ``(a+)+b``.

    Raises:
        SchemaError: not a regular expression, or one with back-references or look-around.
    """
    _compiled(regex)  # alone first: ``a)|(b`` would be one in parentheses
    return _compiled(f"^(?:{regex})$")


def _compiled(regex: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=regex, regex_engine="rust-regex"))


@dataclass(frozen=True, slots=True)
class Matcher:
    """What one label must be: any of some values, or fully matching a regular expression (Rust's)."""

    label: str
    values: tuple[str, ...] = ()
    regex: str | None = None

    def __str__(self) -> str:
        spec = "|".join(self.values) if self.regex is None else f"~{self.regex}"
        return f"{self.label}={spec}"

    def matches(self, value: str) -> bool:
        """Whether a label value (empty for an absent label) satisfies this."""
        if self.regex is not None:
            return _pattern(self.regex).isinstance_python(value)
        return value in self.values

    @classmethod
    def read(cls, label: str, spec: object) -> "Matcher":
        """From whatever stood in a file.

        Raises:
            ValueError: not a string, a list of strings or a regular expression.
        """
        if isinstance(spec, str):
            return cls.parse(label, spec)
        if isinstance(spec, list) and spec and all(isinstance(one, str) for one in spec):
            return cls.parse(label, [str(one) for one in spec])
        raise ValueError(f"`{label}` takes a string, a list of strings, or ~regex; quote a number")

    @classmethod
    def parse(cls, label: str, spec: str | list[str]) -> "Matcher":
        """From the configuration's form: a string, a list, or ``~regex`` (anchored).

        Raises:
            ValueError: the regular expression does not compile.
        """
        if isinstance(spec, list):
            return cls(label, tuple(spec))
        if not spec.startswith("~"):
            return cls(label, (spec,))
        try:
            _pattern(spec[1:])
        except SchemaError as error:
            why = str(error).strip().splitlines()[-1].strip().removeprefix("error: ")
            raise ValueError(f"{spec!r} is not a regular expression: {why}") from error
        return cls(label, regex=spec[1:])


def all_match(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether every matcher is satisfied; an absent label reads as empty."""
    return all(matcher.matches(labels.get(matcher.label, "")) for matcher in matchers)


@dataclass(frozen=True, slots=True)
class Selector:
    """Which series of one metric: its name and what its labels must be."""

    metric: str
    matchers: tuple[Matcher, ...] = ()
    otherwise: "Selector | None" = None
    """What plays the role in a stream that has no such series."""

    def __str__(self) -> str:
        labels = ",".join(map(str, self.matchers))
        return f"{self.metric}{{{labels}}}" if labels else self.metric

    def choices(self) -> "Iterator[Selector]":
        """This and what stands in for it, in order."""
        yield self
        if self.otherwise is not None:
            yield from self.otherwise.choices()

    def selects(self, metric: str, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels (source and vendor included) is chosen."""
        return metric == self.metric and all_match(self.matchers, labels)
