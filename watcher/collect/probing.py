"""What probes of endpoints share: the addresses of a name, and many questions in the time of one reading."""

import socket
from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Final, Generic, TypeAlias, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
import idna

from watcher.collect.line import DEADLINE
from watcher.errors import NetworkFailed
from watcher.model.time import SECOND, Duration
from watcher.model.words import span

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")

Resolve: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a host name, as text. Raises `NetworkFailed` where it has none."""

BUDGET: Final[Duration] = DEADLINE * 3 // 4
"""Of one reading: what has not answered by then is silent, and the others are told in time."""
AT_ONCE: Final = 64
MOST_ADDRESSES: Final = 16
"""Of one name that are probed: more would be a network, not an endpoint."""
_LOOKUPS: Final = 32
"""Threads that may wait for a name server; their own, so that a dead one holds up no vendor's calls."""
_LONGEST_NAME: Final = 253
_LONGEST_LABEL: Final = 63


async def resolve(host: str) -> Sequence[str]:
    """Every address of a name, IPv4 and IPv6 as far as this machine has such an address itself; sorted.

    Raises:
        NetworkFailed: there is none.
    """
    look_up = partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    try:
        found = await anyio.to_thread.run_sync(look_up, abandon_on_cancel=True, limiter=_limiter())
    except OSError as error:
        raise NetworkFailed("the name does not resolve") from error
    return sorted({str(address[0]) for *_, address in found})


async def addresses(host: str, look_up: Resolve, timeout: Duration) -> tuple[str, ...] | str:  # noqa: ASYNC109 - of one question
    """What a name resolves to, or in words why that is not known. Raises nothing but cancellation."""
    try:
        with anyio.fail_after(timeout / SECOND):
            return tuple(await look_up(host))
    except TimeoutError:
        return f"the name did not resolve within {span(timeout)}"
    except NetworkFailed as error:
        return str(error)


class Turns(Generic[K]):
    """Many questions in the time of one reading.

    Those that had no answer in their turn come last the next time: any number of them leaves time for others.
    """

    def __init__(self) -> None:
        """Nobody has been asked."""
        self._silent: set[K] = set()

    async def ask(
        self, keys: Collection[K], question: Callable[[K], Awaitable[R | str]], budget: Duration
    ) -> dict[K, R | str]:
        """Answers by key; a text is none and says why. What has none within the budget is left out."""
        self._silent &= set(keys)
        answers: dict[K, R | str] = {}
        gate = anyio.Semaphore(AT_ONCE)

        async def ask_one(key: K) -> None:
            async with gate:
                self._silent.add(key)
                answers[key] = answer = await question(key)
                if not isinstance(answer, str):
                    self._silent.remove(key)

        with anyio.move_on_after(budget / SECOND):
            async with anyio.create_task_group() as group:
                for key in sorted(keys, key=self._silent.__contains__):
                    group.start_soon(ask_one, key)
        return answers


def is_ip(name: str) -> bool:
    """Whether a name is an IP address, which certificates hold apart from names."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def ascii_name(name: str) -> str:
    """A host name as it stands in DNS and in certificates: ASCII (IDNA 2008), lower case, no dot at the end.

    Raises:
        ValueError: it is none.
    """
    try:
        written = name if name.isascii() else idna.encode(name, uts46=True).decode()
    except UnicodeError as error:
        raise ValueError(f"{name!r} is no host name") from error
    plain = written.lower().removesuffix(".")
    labels = plain.split(".")
    fits = len(plain) <= _LONGEST_NAME and all(0 < len(label) <= _LONGEST_LABEL for label in labels)
    if not fits or not all(letter.isalnum() or letter in "-._" for letter in plain):
        raise ValueError(f"{name!r} is no host name")
    return plain


_limiters: Final[anyio.lowlevel.RunVar[anyio.CapacityLimiter]] = anyio.lowlevel.RunVar("lookups")


def _limiter() -> anyio.CapacityLimiter:
    """One for each event loop: they are bound to it."""
    try:
        return _limiters.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(_LOOKUPS)
        _limiters.set(limiter)
        return limiter
