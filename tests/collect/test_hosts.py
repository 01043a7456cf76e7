"""Names of hosts, and what addresses they have."""

import socket
import threading
from collections.abc import Iterator, Sequence

import anyio
import pytest

from watcher.collect.hosts import LOOKUPS, Hosts, NobodySays, ascii_name, resolve
from watcher.errors import NetworkFailed
from watcher.model.time import SECOND, Duration

WWW = "www.example.com"


async def test_names_are_looked_up_for_real() -> None:
    assert set(await resolve("localhost", 5 * SECOND)) <= {"127.0.0.1", "::1"}
    with pytest.raises(NetworkFailed, match="does not resolve"):
        await resolve("nowhere.invalid", 5 * SECOND)


@pytest.mark.parametrize("host", [f"{'x' * 64}.example", "a..b", "ü" * 70])
async def test_what_cannot_be_a_name_does_not_resolve(host: str) -> None:
    with pytest.raises(NetworkFailed, match="does not resolve"):
        await resolve(host, 5 * SECOND)


class NameServer:
    """Stands in for the system's: `quick` names have an address, others keep it waiting until it answers."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.threads: list[threading.Thread] = []
        """Of those that keep it waiting."""
        self.answers = threading.Event()

    def look_up(self, host: str, *_: object, **_more: object) -> list[object]:
        self.asked.append(host)
        if "quick" not in host:
            self.threads.append(threading.current_thread())
            self.answers.wait(30)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.look_up)
    yield server
    server.answers.set()


async def test_a_name_is_looked_up_as_it_stands_in_dns(server: NameServer) -> None:
    """Not as the system would write it: by IDNA 2003 the sharp s is two letters, and another domain."""
    for host in ("stra\u00dfe-quick.de", "quick.Example.", "quick"):
        await resolve(host, SECOND)

    assert server.asked == ["xn--strae-quick-y6a.de", "quick.example.", "quick"]


async def test_a_dead_name_server_holds_up_so_many_threads_and_no_more(server: NameServer) -> None:
    """They cannot be stopped; nobody waits for them, not even the end of the process."""
    for _ in range(3):
        with anyio.move_on_after(0.1):
            async with anyio.create_task_group() as group:
                for number in range(2 * LOOKUPS):
                    group.start_soon(resolve, f"dead-{number}.example", 10 * SECOND)

    assert len(server.threads) == LOOKUPS
    assert all(thread.daemon for thread in server.threads)


async def test_waiting_for_a_thread_is_not_waiting_for_the_name(server: NameServer) -> None:
    hosts = Hosts(resolve, 200)
    dead = [f"dead-{number}.example" for number in range(LOOKUPS)]
    first = await hosts.resolve(dead, anyio.current_time() + 5)
    async with anyio.create_task_group() as group:
        group.start_soon(answering_later, server)
        second = await hosts.resolve(["quick.example"], anyio.current_time() + 5)

    assert first.keys() == {*dead}
    assert {one.why for one in first.values()} == {"the name did not resolve within 0 s"}
    assert not any(one.is_said for one in first.values())
    assert second == {}


async def answering_later(server: NameServer) -> None:
    await anyio.sleep(0.4)
    server.answers.set()


async def test_a_name_that_was_not_looked_up_in_time_is_not_said_to_be_none() -> None:
    async def never(host: str, timeout: Duration) -> Sequence[str]:  # noqa: ASYNC109 - as the real one
        raise NobodySays(f"{host} did not resolve within {timeout}")

    hosts = Hosts(never, 10 * SECOND)
    late = await hosts.resolve([WWW, "127.0.0.1"], anyio.current_time() + 5)
    asked = await hosts.resolve([WWW, "127.0.0.1"], anyio.current_time() + 15)

    assert [(one.is_asked, one.is_said) for one in (late[WWW], asked[WWW])] == [(False, False), (True, False)]
    assert hosts.addresses == {"127.0.0.1": ("127.0.0.1",)}


@pytest.mark.parametrize("wrong", ["", "a..b", "-/-", "a b", "x" * 64, ".".join(["x" * 60] * 5), "ü" * 64])
def test_what_is_no_host_name_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="is no host name"):
        ascii_name(wrong)
