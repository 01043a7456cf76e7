"""Ids of incidents: 26 characters that sort by time."""

import secrets
from collections.abc import Callable
from typing import Final

from watcher.model.ports import IdFactory
from watcher.model.time import Instant

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_LENGTH: Final = 26
_CHANCE_BITS: Final = 80
_TIME_BITS: Final = 48


def time_ordered(chance: Callable[[int], int] = secrets.randbits) -> IdFactory:
    """A factory of lower-case ULIDs; `chance` gives that many random bits."""

    def new_id(at: Instant) -> str:
        moment = max(0, at) % (1 << _TIME_BITS)
        number = moment << _CHANCE_BITS | chance(_CHANCE_BITS)
        return "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))

    return new_id
