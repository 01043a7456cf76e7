"""Huawei Cloud's official SDK, unchanged, against the simulated vendor on loopback.

It is synchronous, so that each call runs in a thread beside the server.
"""

import time
from typing import Any
from urllib.parse import quote

import pytest
from anyio import to_thread
from hypothesis import given
from hypothesis import strategies as st

from tests.simulate.asking import Client, simulated
from watcher.collect.credentials import host_of
from watcher.collect.http import Request
from watcher.collect.vendors.huawei_dsc.signing import Key, sdk_date, signed
from watcher.model.time import MINUTE
from watcher.simulate.huawei.server import Huawei
from watcher.simulate.huawei.settings import HuaweiSettings

dsc = pytest.importorskip("huaweicloudsdkdsc.v1")
credentials = pytest.importorskip("huaweicloudsdkcore.auth.credentials")
errors = pytest.importorskip("huaweicloudsdkcore.exceptions.exceptions")
config = pytest.importorskip("huaweicloudsdkcore.http.http_config")
signer = pytest.importorskip("huaweicloudsdkcore.signer.signer")
sdk_request = pytest.importorskip("huaweicloudsdkcore.sdk_request")

DEMO = HuaweiSettings()
EMBED = "/v1/{project_id}/sdg/doc/watermark/embed"


def now() -> int:
    """The SDK signs with the machine's own time."""
    return round(time.time() * 1000)


class Sdk:
    """The SDK's client, and one call of it."""

    def __init__(self, client: Client, *, secret: str = DEMO.secret_key, token: str = "") -> None:
        access = credentials.BasicCredentials(DEMO.access_key, secret, DEMO.project_id)
        if token:
            access = access.with_security_token(token)
        quiet = config.HttpConfig.get_default_config()
        quiet.retry_times = 0
        url = client.simulation.announced["huawei"].root_url
        builder = dsc.DscClient.new_builder().with_credentials(access).with_endpoint(url)
        self._client = builder.with_http_config(quiet).build()

    async def records(self, **query: Any) -> Any:  # noqa: ANN401 - the SDK has no types
        request = dsc.ShowOpenApiCalledRecordsRequest(**query)
        return await to_thread.run_sync(self._client.show_open_api_called_records, request)


async def test_it_reads_every_page_of_a_minute() -> None:
    sections = {"huawei": {"page": 3, "end": "empty"}}
    async with simulated(sections=sections, at=now()) as client:
        sdk, start = Sdk(client), client.clock.at // MINUTE * MINUTE - 10 * MINUTE
        window = {"start_time": start, "end_time": start + MINUTE - 1}
        answers = [await sdk.records(**window, limit=2000)]
        while answers[-1].next_marker:
            answers.append(await sdk.records(**window, limit=2000, marker=answers[-1].next_marker))
        server = client.simulation.server(Huawei)
        assert isinstance(server, Huawei)
        truth = server.feed._calls.between(start, start + MINUTE)

    found = [record for answer in answers for record in answer.openapi_called_records]
    assert sorted(record.timestamp for record in found) == [call.at for call in truth]
    first = answers[0]
    assert (first.total, first.succeed, first.failed) == (len(truth), len(truth), 0)
    assert {record.response_code for record in found} == {"200"}
    assert {record.fail_reason for record in found} == {""}
    assert {record.user_name for record in found} <= {"build", "nightly"}


async def test_it_reads_without_any_parameter_and_by_url() -> None:
    async with simulated(at=now()) as client:
        everything = await Sdk(client).records()
        some = await Sdk(client).records(called_url=EMBED, limit=1)

    assert len(everything.openapi_called_records) == 1000
    assert everything.next_marker
    assert 0 < some.total < everything.total
    assert some.openapi_called_records[0].request_url == EMBED.format(project_id=DEMO.project_id)


async def test_a_temporary_key_signs_its_token() -> None:
    async with simulated(sections={"huawei": {"security_token": "temporary"}}, at=now()) as client:
        assert (await Sdk(client, token="temporary").records(limit=1)).total

        with pytest.raises(errors.ClientRequestException) as caught:
            await Sdk(client).records(limit=1)

    assert caught.value.status_code == 401


async def test_it_understands_a_refused_signature() -> None:
    async with simulated(at=now()) as client:
        with pytest.raises(errors.ClientRequestException) as caught:
            await Sdk(client, secret="wrong").records()

    assert (caught.value.status_code, caught.value.error_code) == (401, "APIG.0301")
    assert caught.value.request_id
    assert caught.value.error_msg.endswith("verify aksk signature fail")


@pytest.mark.parametrize("query", [{"limit": 2001}, {"start_time": 2, "end_time": 1}, {"marker": "made up"}])
async def test_it_understands_an_invalid_parameter(query: dict[str, Any]) -> None:
    async with simulated(at=now()) as client:
        with pytest.raises(errors.ClientRequestException) as caught:
            await Sdk(client).records(**query)

    error = caught.value
    assert (error.status_code, error.error_code, error.error_msg) == (
        400,
        "dsc.40000011",
        "Invalid parameter",
    )


async def test_it_understands_that_a_service_is_down() -> None:
    faults = {"faults": [{"kind": "refusal", "status": 503, "description": "Backend unavailable"}]}
    async with simulated(sections={"huawei": faults}, at=now()) as client:
        with pytest.raises(errors.ServerResponseException) as caught:
            await Sdk(client).records()

    assert (caught.value.status_code, caught.value.error_code) == (503, "APIG.0201")


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@given(
    query=st.dictionaries(TEXT, TEXT, max_size=5),
    segments=st.lists(TEXT.filter(lambda text: not set(text) & set("/%?#")), min_size=1, max_size=4),
    secret=st.text(st.characters(codec="ascii"), min_size=1, max_size=40),
)
def test_our_signature_is_its_signature(query: dict[str, str], segments: list[str], secret: str) -> None:
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    url, at = f"http://127.0.0.1:8080{path}", 1_795_311_000_000
    headers = {"Content-Type": "application/json", "Host": host_of(url), "X-Sdk-Date": sdk_date(at)}
    theirs = sdk_request.SdkRequest(
        method="GET",
        schema="http",
        host="127.0.0.1:8080",
        resource_path=path,
        query_params=list(query.items()),
        header_params=dict(headers),
        body="",
    )
    signer.Signer(credentials.BasicCredentials("AK", secret, "p")).sign(theirs)

    ours = signed(
        Request("GET", url, tuple(query.items()), {"Content-Type": "application/json"}), Key("AK", secret), at
    )

    assert ours["Authorization"] == theirs.header_params["Authorization"]
