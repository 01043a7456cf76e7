"""Names of hosts: how they are written, and what addresses they have."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from threading import Thread
from typing import Any, Final, TypeAlias, TypeVar

import anyio
import anyio.lowlevel
import idna

from watcher.collect.probing import Turns
from watcher.errors import NetworkFailed
from watcher.model.time import SECOND, Duration
from watcher.model.words import span

R = TypeVar("R")

Resolve: TypeAlias = Callable[[str, Duration], Awaitable[Sequence[str]]]
"""The addresses of a host name, as text, looked up for so long at most.

Raises `NetworkFailed` where it has none, and `NobodySays` where no name server said so.
"""

MOST_ADDRESSES: Final = 16
"""Of one name that are probed: more would be a network, not an endpoint."""
LOOKUPS: Final = 32
"""Threads that may wait for a name server; their own, so that a dead one holds up no vendor's calls."""
_NOBODY: Final = {socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_SYSTEM}
_NAMED: Final = 5
_LONGEST_NAME: Final = 253
_LONGEST_LABEL: Final = 63


class NobodySays(NetworkFailed):
    """No name server has said anything of a name: it may as well be our own network that fails."""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Why the addresses of a name are not known now."""

    why: str
    is_said: bool = False
    """By a name server: the name has none."""
    is_asked: bool = True
    """False: there was no time to ask."""


class Hosts:
    """What names resolve to, reading after reading."""

    def __init__(self, look_up: Resolve, timeout: Duration) -> None:
        """`timeout` is that of one look-up; waiting for a turn does not count."""
        self.addresses: Mapping[str, tuple[str, ...]] = {}
        """By host, as it last resolved; an IP address is its own."""
        self._look_up = look_up
        self._timeout = timeout
        self._turns = Turns[str](LOOKUPS)

    async def resolve(self, hosts: Iterable[str], until: float) -> Mapping[str, Unresolved]:
        """Look up all; those of which that failed. Others than these are forgotten."""
        wanted = set(hosts)
        names = sorted(host for host in wanted if not is_ip(host))
        answers = await self._turns.ask(names, self._one, until=until, longest=lambda _: self._timeout)
        found = {name: answers.get(name, _NOT_ASKED) for name in names}
        self.addresses = (
            {host: before for host, before in self.addresses.items() if host in wanted}
            | {host: (host,) for host in wanted if is_ip(host)}
            | {name: answer for name, answer in found.items() if not isinstance(answer, Unresolved)}
        )
        return {name: answer for name, answer in found.items() if isinstance(answer, Unresolved)}

    def probed(self, host: str) -> Sequence[str]:
        """The addresses of a host, as it last resolved, as many as are probed."""
        return self.addresses.get(host, ())[:MOST_ADDRESSES]

    def cut(self) -> list[str]:
        """Which hosts have more addresses than are probed, in words."""
        return [
            f"{host} has {len(found)} addresses, of which {MOST_ADDRESSES} are probed"
            for host, found in sorted(self.addresses.items())
            if len(found) > MOST_ADDRESSES
        ][:_NAMED]

    async def _one(self, host: str) -> tuple[str, ...] | Unresolved:
        try:
            return tuple(await self._look_up(host, self._timeout))
        except NetworkFailed as error:
            return Unresolved(str(error), is_said=not isinstance(error, NobodySays))


_NOT_ASKED: Final = Unresolved("the name was not looked up in time", is_asked=False)


async def resolve(host: str, timeout: Duration) -> Sequence[str]:  # noqa: ASYNC109 - of the look-up, without the wait for a thread
    """Every address of a name, IPv4 and IPv6 as far as this machine has such an address itself; sorted.

    Raises:
        NetworkFailed: there is none; as `NobodySays` where no name server says so.
    """
    try:
        name = ascii_name(host) + "." * host.endswith(".")
        look_up = partial(socket.getaddrinfo, name, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        found = await _in_thread(look_up, timeout)
    except TimeoutError as error:
        raise NobodySays(f"the name did not resolve within {span(timeout)}") from error
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in _NOBODY:
            raise NobodySays("the name does not resolve for now") from error
        raise NetworkFailed("the name does not resolve") from error
    return sorted({str(address[0]) for *_, address in found})


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


# --- threads


_tokens: Final[anyio.lowlevel.RunVar[anyio.Semaphore]] = anyio.lowlevel.RunVar("lookups")


async def _in_thread(call: Callable[[], R], timeout: Duration) -> R:  # noqa: ASYNC109 - see resolve
    """In a thread of its own, of which there are so many at most.

    One that is waited for no longer cannot be stopped: it keeps its place until it ends, so that a dead name
    server does not gather threads. The process does not wait for it when it ends.

    Raises:
        TimeoutError: it took longer than `timeout` from when it began.
    """
    tokens = _tokens_here()
    await tokens.acquire()
    future: Future[R] = Future()
    future.set_running_or_notify_cancel()
    future.add_done_callback(partial(_give_back, tokens, asyncio.get_running_loop()))
    Thread(target=_run, args=(call, future), name="name look-up", daemon=True).start()
    with anyio.fail_after(timeout / SECOND):
        return await asyncio.wrap_future(future)


def _run(call: Callable[[], R], future: Future[R]) -> None:
    try:
        future.set_result(call())
    except Exception as error:  # noqa: BLE001 - handed on to who waits
        future.set_exception(error)


def _give_back(tokens: anyio.Semaphore, loop: asyncio.AbstractEventLoop, _future: Future[Any]) -> None:
    with suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(tokens.release)


def _tokens_here() -> anyio.Semaphore:
    """One for each event loop: it is bound to it."""
    try:
        return _tokens.get()
    except LookupError:
        tokens = anyio.Semaphore(LOOKUPS)
        _tokens.set(tokens)
        return tokens
