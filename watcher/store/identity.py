"""Ids of incidents: 26 characters that sort by time."""

import secrets
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from watcher.model.ports import IdFactory
from watcher.model.time import Instant

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_PAIRS: Final = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_CHANCE_BITS: Final = 80
_CHANCE_SHIFTS: Final = range(_CHANCE_BITS - 10, -1, -10)
_TIME_BITS: Final = 48
_TIME_SHIFTS: Final = range(40, -1, -10)


def time_ordered(chance: Callable[[int], int] = secrets.randbits) -> IdFactory:
    """A factory of lower-case ULIDs, 26 characters; `chance` gives that many random bits."""

    def new_id(at: Instant) -> str:
        number = chance(_CHANCE_BITS)
        return _moment(at) + "".join([_PAIRS[number >> shift & 1023] for shift in _CHANCE_SHIFTS])

    return new_id


@lru_cache(maxsize=16)
def _moment(at: Instant) -> str:
    """The first ten characters: a storm asks for thousands of one moment."""
    moment = max(0, at) % (1 << _TIME_BITS)
    return "".join([_PAIRS[moment >> shift & 1023] for shift in _TIME_SHIFTS])
