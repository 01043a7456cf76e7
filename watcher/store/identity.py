"""Ids of incidents: 26 characters that sort by time."""

import secrets
from collections.abc import Callable
from typing import Final

from watcher.model.ports import IdFactory
from watcher.model.time import Instant

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_LENGTH: Final = 26
_PAIRS: Final = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_SHIFTS: Final = range(5 * (_LENGTH - 2), -1, -10)
_CHANCE_BITS: Final = 80
_TIME_BITS: Final = 48


def time_ordered(chance: Callable[[int], int] = secrets.randbits) -> IdFactory:
    """A factory of lower-case ULIDs; `chance` gives that many random bits."""

    def new_id(at: Instant) -> str:
        moment = max(0, at) % (1 << _TIME_BITS)
        number = moment << _CHANCE_BITS | chance(_CHANCE_BITS)
        return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])

    return new_id
