"""Starting and stopping a whole simulation, its announcement, and its TLS servers."""

import asyncio
import os
import ssl
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import aiohttp
import pytest
from cryptography import x509

from tests.simulate.asking import NOON, StandingClock, simulated
from watcher.model.time import SECOND, to_datetime
from watcher.simulate.scenario import load_scenario
from watcher.simulate.serve import serve
from watcher.simulate.vendor import known

LISTENERS = (
    {"name": "www.example.com", "days_left": 5},
    {"name": "old.example.com", "days_left": -2},
    {"name": "other.example.com", "presents": "elsewhere.example.com"},
    {"name": "strange.example.com", "trusted": False},
)


async def test_the_announcement_holds_ready_sources_for_what_the_default_scenario_serves() -> None:
    async with serve(load_scenario(), clock=StandingClock()) as simulation:
        announced = simulation.announcement()

        assert announced["cdnvideo"] == {
            "base_url": simulation.announced["cdnvideo"].base_url,
            "root_url": simulation.announced["cdnvideo"].root_url,
            "source": {
                "name": "cdnvideo",
                "vendor": "cdnvideo",
                "base_url": simulation.announced["cdnvideo"].base_url,
                "username": "demo",
                "password": "demo-password",
                "accounts": ["test_account"],
            },
        }
        source = announced["tls"]["source"]
        assert (source["vendor"], len(source["targets"])) == ("tls", 2)
        assert os.access(source["ca_file"], os.R_OK)
    assert not os.access(source["ca_file"], os.F_OK)


async def test_without_tls_servers_none_are_announced() -> None:
    async with simulated() as client:
        assert set(client.simulation.announcement()) == set(known())


async def test_a_taken_port_is_an_error_that_leaves_nothing_open() -> None:
    async with serve(load_scenario(), clock=StandingClock()) as simulation:
        port = urlsplit(simulation.announced["cdnvideo"].base_url).port
        assert port is not None
        with pytest.raises(OSError, match="in use"):
            async with serve(load_scenario(), clock=StandingClock(), port=port):
                pass


async def test_a_stopped_simulation_does_not_wait_for_a_slow_answer() -> None:
    async with aiohttp.ClientSession() as session:
        async with simulated(faults=[{"kind": "slow", "delay": "1h"}]) as client:
            url = client.root_url
            with pytest.raises(TimeoutError):
                await session.get(url, timeout=aiohttp.ClientTimeout(total=0.02))
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(url)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("www.example.com", None),
        ("old.example.com", "certificate has expired"),
        ("other.example.com", "Hostname mismatch"),
        ("strange.example.com", "unable to get local issuer"),
    ],
)
async def test_tls_servers_present_what_the_scenario_says(name: str, complaint: str | None) -> None:
    really_now = int(datetime.now(UTC).timestamp()) * SECOND  # what OpenSSL judges by
    async with simulated(tls=LISTENERS, at=really_now) as client:
        trust = ssl.create_default_context(cafile=str(client.simulation.tls.ca_file))
        url = f"https://127.0.0.1:{client.simulation.tls.ports[name]}/"
        if complaint is None:
            async with client.session.get(url, ssl=trust, server_hostname=name) as response:
                assert (response.status, await response.text()) == (200, "fine\n")
        else:
            with pytest.raises(aiohttp.ClientConnectorCertificateError, match=complaint):
                await client.session.get(url, ssl=trust, server_hostname=name)


@pytest.mark.parametrize(("name", "days"), [("www.example.com", 5), ("old.example.com", -2)])
async def test_certificates_expire_as_many_days_after_the_start_as_said(name: str, days: int) -> None:
    async with simulated(tls=LISTENERS) as client:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        port = client.simulation.tls.ports[name]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
        presented = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        await writer.wait_closed()

    expiry = x509.load_der_x509_certificate(presented).not_valid_after_utc
    assert expiry == to_datetime(NOON) + timedelta(days=days)
