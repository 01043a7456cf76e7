"""A rule's `for`: a duration, or so many of the newest bins."""

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from watcher.model.rule import NofM
from watcher.model.time import Duration, parse_duration

_BINS: Final = re.compile(r"(\d+) of (\d+)")
MOST_BINS: Final = 60
"""Bins that are kept of a row for it."""


def read_hold(value: Any) -> Duration | NofM:  # noqa: ANN401 - whatever YAML held
    """From ``5m`` or ``3 of 5``.

    Raises:
        ValueError: neither.
    """
    if isinstance(value, str) and (found := _BINS.fullmatch(value.strip())):
        needed, of = int(found[1]), int(found[2])
        if not 1 <= needed <= of <= MOST_BINS:
            raise ValueError(f"{value!r} cannot be; write N of M, with N up to M and M up to {MOST_BINS}")
        return NofM(needed, of)
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ValueError as error:
            raise ValueError(f"{value!r} is neither a duration such as 5m nor bins such as 3 of 5") from error
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"{value} has no unit; write {value}m, or bins as {value} of {value + 2}")  # noqa: TRY004
    raise ValueError("write a duration as 5m, or bins as 3 of 5")


HoldField = Annotated[Any, BeforeValidator(read_hold)]
"""How long a breach lasts before it fires: a `Duration` or a `NofM`."""
