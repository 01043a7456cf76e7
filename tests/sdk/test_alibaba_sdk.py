"""Alibaba Cloud's official SDKs, unchanged, against the simulated vendor on loopback.

They are synchronous, so that each call runs in a thread beside the server.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from anyio import to_thread

from tests.simulate.alibaba_asking import ID, RESOURCES, SECRET
from watcher.runtime.clock import SystemClock
from watcher.simulate.alibaba.server import Alibaba
from watcher.simulate.scenario import scenario
from watcher.simulate.serve import serve

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # in the SDKs' own code
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SOURCES = "o1.example.net,nobody.example.net,192.0.2.7"
"""Of which the second feeds nothing."""


class Sdk:
    """One of the two, reduced to what a test asks: an answer as plain data, or a code and a message."""

    def __init__(self, endpoint: str, *, secret: str = SECRET, token: str = "") -> None:
        self.endpoint = endpoint
        self.secret = secret
        self.token = token

    def ask(self, sources: str) -> Mapping[str, Any]:
        raise NotImplementedError


class NewSdk(Sdk):
    """`alibabacloud_cdn20180510`: ACS3 signature."""

    def ask(self, sources: str) -> Mapping[str, Any]:
        cdn = pytest.importorskip("alibabacloud_cdn20180510.client")
        models = pytest.importorskip("alibabacloud_cdn20180510.models")
        openapi = pytest.importorskip("alibabacloud_tea_openapi.utils_models")
        config = openapi.Config(
            access_key_id=ID,
            access_key_secret=self.secret,
            security_token=self.token or None,
            endpoint=self.endpoint,
            protocol="http",
        )
        client = cdn.Client(config)
        try:
            answer = client.describe_domains_by_source(models.DescribeDomainsBySourceRequest(sources=sources))
        except Exception as error:
            if not hasattr(error, "code"):
                raise
            return {"Code": error.code, "Message": str(error)}
        body: Mapping[str, Any] = answer.body.to_map()
        return body


class OldSdk(Sdk):
    """`aliyun-python-sdk-cdn`: classic signature."""

    def ask(self, sources: str) -> Mapping[str, Any]:
        core = pytest.importorskip("aliyunsdkcore.client")
        credentials = pytest.importorskip("aliyunsdkcore.auth.credentials")
        errors = pytest.importorskip("aliyunsdkcore.acs_exception.exceptions")
        calls = pytest.importorskip("aliyunsdkcdn.request.v20180510.DescribeDomainsBySourceRequest")
        key = (
            credentials.StsTokenCredential(ID, self.secret, self.token)
            if self.token
            else credentials.AccessKeyCredential(ID, self.secret)
        )
        host, _, port = self.endpoint.partition(":")
        client = core.AcsClient(region_id="ap-southeast-1", credential=key, port=int(port), auto_retry=False)
        request = calls.DescribeDomainsBySourceRequest()
        request.set_endpoint(host)
        request.set_protocol_type("http")
        request.set_Sources(sources)
        try:
            body: Mapping[str, Any] = json.loads(client.do_action_with_exception(request))
        except errors.ServerException as error:
            return {"Code": error.get_error_code(), "Message": error.get_error_msg()}
        return body


BOTH = pytest.mark.parametrize("sdk", [NewSdk, OldSdk])


@asynccontextmanager
async def vendor(
    **section: object,
) -> AsyncIterator[tuple[Alibaba, Callable[..., Awaitable[Mapping[str, Any]]]]]:
    """The server, and `ask(SDK, sources, **keys)`."""
    story = scenario({"resources": RESOURCES, "alibaba": section})
    async with serve(story, clock=SystemClock()) as simulation:
        endpoint = simulation.announced["alibaba"].root_url.removeprefix("http://")

        async def ask(sdk: type[Sdk], sources: str = SOURCES, **keys: str) -> Mapping[str, Any]:
            return await to_thread.run_sync(sdk(endpoint, **keys).ask, sources)

        yield simulation.server(Alibaba), ask


@BOTH
async def test_an_answer_is_understood(sdk: type[Sdk]) -> None:
    async with vendor() as (_, ask):
        body = await ask(sdk)

    assert body["Sources"] == SOURCES
    first, second = body["DomainsList"]["DomainsData"]
    assert (first["Source"], second["Source"]) == ("o1.example.net", "192.0.2.7")
    assert first["Domains"]["domainNames"] == ["shop.example.com", "blog.example.com"]
    info = second["DomainInfos"]["domainInfo"][0]
    assert set(info) == {"DomainName", "DomainCname", "CdnType", "Status", "CreateTime", "UpdateTime"}
    assert (info["DomainName"], info["Status"], info["CdnType"]) == (
        "files.example.com",
        "online",
        "download",
    )


@BOTH
async def test_odd_characters_are_signed_alike(sdk: type[Sdk]) -> None:
    async with vendor() as (_, ask):
        body = await ask(sdk, "a b*c~d.example.com,源站.example")

    assert body["Code"] == "InvalidSources.Malformed"


@BOTH
@pytest.mark.parametrize(
    ("sources", "code"),
    [("nobody.example.net", "InvalidSources.NotFound"), ("a..b", "InvalidSources.Malformed")],
)
async def test_documented_errors_reach_the_caller(sdk: type[Sdk], sources: str, code: str) -> None:
    async with vendor() as (_, ask):
        body = await ask(sdk, sources)

    assert body["Code"] == code


@pytest.mark.parametrize(
    ("sdk", "code"),
    [
        (NewSdk, "SignatureDoesNotMatch"),
        (OldSdk, "InvalidAccessKeySecret"),  # its own word, where the server signed just what it signed
    ],
)
async def test_a_wrong_secret_is_refused(sdk: type[Sdk], code: str) -> None:
    async with vendor() as (_, ask):
        body = await ask(sdk, secret="wrong")

    assert body["Code"] == code


@BOTH
async def test_a_temporary_key_is_accepted_with_its_token(sdk: type[Sdk]) -> None:
    async with vendor(security_token="sts/+= token") as (_, ask):
        assert "DomainsList" in await ask(sdk, token="sts/+= token")
        assert (await ask(sdk, token="other"))["Code"] == "InvalidSecurityToken.MismatchWithAccessKey"


@BOTH
async def test_throttling_is_told_by_its_code(sdk: type[Sdk]) -> None:
    async with vendor(per_second=1) as (server, ask):
        codes = {(await ask(sdk)).get("Code") for _ in range(4)}

    assert "Throttling.User" in codes
    assert {exchange.status for exchange in server.wire.log} == {200, 400}
