"""A receiver whose TLS fails: what is wrong is said, against real servers of each kind."""

import datetime as dt
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import trustme

from tests.notify.servers import Hook
from tests.vendors.tls_servers import issued, made, named, serving
from watcher.errors import DeliveryFailed
from watcher.notify.senders.posting import Poster

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
async def poster(ca: trustme.CA) -> AsyncIterator[Poster]:
    trust = ssl.create_default_context()
    ca.configure_trust(trust)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
        yield Poster(session)


async def why(poster: Poster, context: ssl.SSLContext) -> str:
    async with serving(context) as address:
        with pytest.raises(DeliveryFailed) as caught:
            await poster.post(f"https://{address.replace('127.0.0.1', 'localhost')}/T0P/s3cr3t", b"{}", {})
    assert "s3cr3t" not in str(caught.value)
    return str(caught.value)


async def test_an_expired_certificate_is_called_expired(
    poster: Poster, ca: trustme.CA, tmp_path: Path
) -> None:
    expired = made(ca, tmp_path, named("localhost"), begins=LONG_AGO)

    assert await why(poster, expired) == "its certificate has expired"


async def test_a_certificate_of_tomorrow_makes_one_think_of_the_clock(
    poster: Poster, ca: trustme.CA, tmp_path: Path
) -> None:
    begins = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)

    early = made(ca, tmp_path, named("localhost"), begins=begins)

    assert await why(poster, early) == "its certificate is not valid yet: compare the clocks"


async def test_a_certificate_for_another_name_is_said_to_be_one(poster: Poster, ca: trustme.CA) -> None:
    assert await why(poster, issued(ca, "www.example.com")) == "its certificate is for another name"


async def test_an_authority_that_nobody_knows_is_not_trusted(poster: Poster) -> None:
    stranger = issued(trustme.CA(key_type=trustme.KeyType.ECDSA), "localhost")

    assert (await why(poster, stranger)).startswith("its certificate is not trusted: ")


async def test_a_port_without_tls_is_said_to_speak_none(poster: Poster, hook: Hook) -> None:
    with pytest.raises(DeliveryFailed, match="it speaks no TLS at this port"):
        await poster.post(f"https://127.0.0.1:{hook.port}/x", b"{}", {})


async def test_a_port_where_nothing_listens_refuses(poster: Poster, unused_tcp_port: int) -> None:
    with pytest.raises(DeliveryFailed, match="no connection: Connection refused"):
        await poster.post(f"https://127.0.0.1:{unused_tcp_port}/x", b"{}", {})
