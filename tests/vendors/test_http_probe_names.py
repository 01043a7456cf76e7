"""HTTP probes of names: each address of them, and those that other sources know."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

import anyio
import pytest
import trustme
from aiohttp import web

from tests.vendors.http_servers import (
    AT,
    UP,
    Answering,
    Asking,
    answering,
    read,
    reason,
    recorded,
    web_server,
)
from tests.vendors.tls_servers import issued
from watcher.collect.hosts import LOOKUPS
from watcher.collect.vendors.http.answer import Answer, fault
from watcher.collect.vendors.http.settings import HttpSettings
from watcher.errors import NetworkFailed
from watcher.model.inventory import Item, ItemKind, Known
from watcher.model.time import DAY, SECOND, Duration, Instant

WWW = "www.example.com"


async def on_one_port(stack: AsyncExitStack, *servers: tuple[Answering, str], trust: object = None) -> int:
    port = 0
    for answer, host in servers:
        port = await stack.enter_async_context(web_server(answer, host, port, trust))  # type: ignore[arg-type]
    return port


async def test_each_address_answers_for_itself(ca: trustme.CA, ca_file: str) -> None:
    """With the URL's name in the handshake, on the certificate and in the Host header."""
    seen: list[tuple[str, str, dict[str, str]]] = []
    dns = {WWW: ["127.0.0.1", "127.0.0.2", "::1"]}
    async with AsyncExitStack() as stack:
        servers = [(recorded(seen, answering()), "127.0.0.1"), (answering("", 500), "127.0.0.2")]
        port = await on_one_port(stack, *servers, trust=issued(ca, WWW))
        url = f"https://{WWW}:{port}/"
        target = {"url": url, "per_address": True, "provider": "cdn-a"}
        batch = await Asking(target, dns=dns, ca_file=ca_file).read()

    labels = [dict(entity) for entity in batch.entities]
    assert labels == [{"target": url, "address": address, "provider": "cdn-a"} for address in dns[WWW]]
    assert [read(batch, place) for place in range(3)] == [UP, {"up": 0, "status": 500}, {"up": 0}]
    assert seen[0][2]["Host"] == f"{WWW}:{port}"
    assert f"{url} at 127.0.0.2: HTTP 500; expected 2xx" in batch.remark


async def test_an_address_in_a_url_is_its_only_one() -> None:
    async with web_server(answering()) as port:
        batch = await Asking({"url": f"http://127.0.0.1:{port}/", "per_address": True}).read()

    assert [dict(entity)["address"] for entity in batch.entities] == ["127.0.0.1"]
    assert read(batch) == UP


async def test_a_name_without_an_address_is_not_up_and_is_probed_where_it_last_was() -> None:
    dns = {WWW: ["127.0.0.1"]}
    async with web_server(answering()) as port:
        url = f"http://{WWW}:{port}/"
        asking = Asking({"url": url, "per_address": True}, dns=dns)
        before = await asking.read()
        del dns[WWW]
        after = await asking.read()

    assert read(before) == UP
    assert [dict(entity) for entity in after.entities] == [
        {"target": url, "address": "127.0.0.1"},
        {"target": url},
    ]
    assert [read(after, place) for place in (0, 1)] == [UP, {"up": 0}]
    assert reason(after, 1) == "the name does not resolve"
    assert after.complete


async def test_names_for_which_there_was_no_time_are_unknown_and_probed_where_they_last_were() -> None:
    slow = False

    async def look_up(_host: str, timeout: Duration) -> Sequence[str]:  # noqa: ASYNC109 - as the real one
        if slow:
            await anyio.sleep(timeout / SECOND)
        return ["127.0.0.1"]

    async with web_server(answering()) as port:
        targets = [{"url": f"http://{n}.example:{port}/", "per_address": True} for n in range(3 * LOOKUPS)]
        asking = Asking(*targets, look_up=look_up, budget=3 * SECOND, timeout="1s")
        before = await asking.read()
        slow = True
        after = await asking.read()

    assert before.size == 3 * 3 * LOOKUPS
    assert after.size == before.size, "as many are up, and none is down"
    assert after.complete


async def test_after_a_name_that_never_resolved_nothing_is_said_to_be_all_there_is() -> None:
    """An incident of an address, from before a restart, must not end as gone."""
    batch = await Asking({"url": "http://missing.example/", "per_address": True}).read()

    assert [dict(entity) for entity in batch.entities] == [{"target": "http://missing.example/"}]
    assert read(batch) == {"up": 0}
    assert not batch.complete


async def test_a_name_is_reached_wherever_it_answers() -> None:
    """Without `per_address` one address that answers is enough, as for a visitor."""
    async with web_server(answering(), "127.0.0.2") as port:
        dns: dict[str, Sequence[str]] = {WWW: ["127.0.0.1", "127.0.0.2"]}
        batch = await Asking({"url": f"http://{WWW}:{port}/"}, dns=dns).read()

    assert read(batch) == UP


async def test_many_are_asked_at_once() -> None:
    async def slow(_request: web.BaseRequest) -> web.Response:
        await anyio.sleep(0.2)
        return web.Response()

    async with web_server(slow) as port:
        targets = [{"url": f"http://127.0.0.1:{port}/{n}"} for n in range(40)]
        began = anyio.current_time()
        batch = await Asking(*targets).read()

    assert all(read(batch, place) == UP for place in range(40))
    assert anyio.current_time() - began < 4


# --- discovery


def domain(name: str, *, seen: Instant = AT, **facts: str) -> Known:
    return Known("ali", "alibaba_cdn", Item(ItemKind.DOMAIN, name, facts), seen, seen)


async def test_domains_that_other_sources_know_are_asked_for() -> None:
    names = ("a.example.com", "b.example.com")
    known = [domain(name, status="online") for name in names]
    known += [domain("off.example.com", status="offline"), domain("old.example.com", seen=AT - 8 * DAY)]
    batch = await Asking(discover=True, known=known).read()

    assert [dict(entity) for entity in batch.entities] == [{"target": f"https://{name}/"} for name in names]
    assert [read(batch, place) for place in range(2)] == [{"up": 0}] * 2
    assert reason(batch) == "the name does not resolve"
    assert batch.complete


@pytest.mark.parametrize(
    ("status", "why"), [(200, ""), (301, ""), (404, ""), (500, "HTTP 500; expected 200-499")]
)
def test_any_answer_of_a_discovered_domain_will_do_but_a_failure(status: int, why: str) -> None:
    settings = HttpSettings.model_validate({"name": "web", "discover": True})

    assert fault(Answer(status, ""), settings.expect_status, "") == why


async def test_a_domain_of_which_a_target_is_configured_is_left_to_it() -> None:
    async with web_server(answering()) as port:
        dns = {WWW: ["127.0.0.1"]}
        asking = Asking({"url": f"http://{WWW}:{port}/health"}, discover=True, known=[domain(WWW)], dns=dns)
        batch = await asking.read()

    assert len(batch.entities) == 1
    assert read(batch) == UP


async def test_a_proxy_that_is_not_there_says_nothing_of_domains_and_looks_up_their_names() -> None:
    async with web_server(answering()) as port:
        pass
    asking = Asking(
        {"url": f"https://{WWW}/health"},
        discover=True,
        known=[domain(WWW), domain("b.example.com")],
        proxy=f"http://127.0.0.1:{port}",
    )
    with pytest.raises(
        NetworkFailed, match=r"/health: the proxy cannot be reached; https://b\.example\.com/: the"
    ):
        await asking.read()


async def test_before_any_source_has_listed_a_domain_there_is_nothing_to_ask_for() -> None:
    batch = await Asking(discover=True).read()

    assert (batch.entities, batch.complete) == ((), False)
    assert (batch.remark, batch.note) == ("", "no source has listed a domain yet")
