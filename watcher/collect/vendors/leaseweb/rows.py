"""Rows of lists as structs: strict in what is judged, forgiving in what is only shown."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

import msgspec

from watcher.collect.words import clean
from watcher.errors import ContractBroken
from watcher.model.time import SECOND, Instant, parse_rfc3339

Row: TypeAlias = Mapping[str, Any]

LONGEST_ID: Final = 256
LATEST: Final[Instant] = 253_402_300_800 * SECOND
"""The year 10000."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?P<zone>Z|[+-]\d\d:\d\d)?", re.ASCII)


class Moment(int):
    """An `Instant` that the vendor wrote as one of its times."""


class Thing(msgspec.Struct, kw_only=True):
    """What every row has. An empty text says as little as null: both are a field that is not there."""

    judged: ClassVar[Collection[str]] = ()
    """Fields in which another shape is a changed contract. In any other it is an unknown value."""

    id: str
    created: Moment | None = None
    updated: Moment | None = None

    @property
    def changed(self) -> Instant | None:
        """The vendor's own time of the last change."""
        return self.created if self.updated is None else self.updated


T = TypeVar("T")
ThingT = TypeVar("ThingT", bound=Thing)


def things(rows: Sequence[Row], kind: type[ThingT], slips: list[str]) -> Sequence[ThingT]:
    """Rows as structs; each field that nothing is judged by and that has another shape becomes a slip.

    Raises:
        ContractBroken: a field that is judged has another shape.
    """
    return [_thing({name: value for name, value in row.items() if value != ""}, kind, slips) for row in rows]


def _thing(row: dict[str, Any], kind: type[ThingT], slips: list[str]) -> ThingT:
    try:
        return msgspec.convert(row, kind, dec_hook=_moment)
    except msgspec.ValidationError:
        pass  # in which field is found out here, since most rows have none
    for field in msgspec.structs.fields(kind):
        try:
            msgspec.convert(row.get(field.name), field.type | None, dec_hook=_moment)
        except msgspec.ValidationError as error:
            what = f"{field.name} of {row['id']}: {clean(str(error))}"
            if field.name in kind.judged:
                raise ContractBroken(what) from error
            slips.append(what)
            del row[field.name]
    return msgspec.convert(row, kind, dec_hook=_moment)


def _moment(_kind: type, said: object) -> Moment:
    if not isinstance(said, str):
        raise TypeError("no time")
    return Moment(parse_time(said))


def parse_time(text: str) -> Instant:
    """The instant of any of this vendor's times; one without a zone is UTC.

    Raises:
        ValueError: no time, or one before 1970.
    """
    form = _TIME.fullmatch(text)
    try:
        at = -1 if form is None else parse_rfc3339(text if form["zone"] else f"{text}Z")
    except (ValueError, OverflowError):
        at = -1  # a 31st of February
    if 0 <= at < LATEST:
        return at
    raise ValueError(f"{clean(text, 40)!r} is no time")


def told(slips: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" (and {len(slips) - 1} more)" if len(slips) > 1 else ""
    return f"{slips[0]}{more}" if slips else ""


def converted(value: object, kind: type[T], what: str) -> T:
    """A decoded JSON value as a struct.

    Raises:
        ContractBroken: it has another shape.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ContractBroken(f"{what}: {error}") from error


def check_ids(texts: Collection[str], what: str) -> None:
    """Refuse texts that cannot become a label or part of a path.

    Raises:
        ContractBroken: one is empty, not printable or far too long.
    """
    if "" not in texts and max(map(len, texts), default=1) <= LONGEST_ID and "".join(texts).isprintable():
        return
    odd = next(text for text in texts if not 0 < len(text) <= LONGEST_ID or not text.isprintable())
    raise ContractBroken(f"{what} {clean(odd, 40)!r}")
