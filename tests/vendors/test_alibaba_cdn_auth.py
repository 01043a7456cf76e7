"""Both of Alibaba Cloud's signatures: the page's vectors, and what is sent."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.vendors.alibaba_server import ACS3, RPC, Build, Server, info, read, said
from watcher.collect.http import Request
from watcher.collect.vendors.alibaba_cdn import auth
from watcher.collect.vendors.alibaba_cdn.settings import Acs3Auth, RpcAuth
from watcher.document.secrets import Secret
from watcher.errors import AuthenticationFailed, VendorFailed
from watcher.model.time import parse_rfc3339

ID, SECRET = "LTAIEXAMPLEKEYID0000", "EXAMPLESECRET000000000000000000"
NONCE = "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"
WHEN = parse_rfc3339("2026-11-22T01:30:00Z")
PLAIN, ODD = "example.com,aliyundoc.com", "a b*c~d.example.com,源站.example"
OLD_CORE = {"SignatureType": "", "RegionId": "ap-southeast-1"}


def keys(token: str = "") -> dict[str, Any]:
    given = {"access_key_id": Secret(text=ID), "access_key_secret": Secret(text=SECRET)}
    return {**given, "security_token": Secret(text=token)} if token else given


def rpc(request: Request, token: str = "") -> auth.Signed:
    signature = auth.RpcSignature(RpcAuth(kind="rpc", **keys(token)), lambda: WHEN, lambda: NONCE)
    return signature.signed(request, signature._keys())


def acs3(request: Request, nonce: str, token: str = "") -> auth.Signed:
    signature = auth.Acs3Signature(Acs3Auth(kind="acs3", **keys(token)), lambda: WHEN, lambda: nonce)
    return signature.signed(request, signature._keys())


@pytest.mark.parametrize(
    ("sources", "method", "more", "expected"),
    [
        (PLAIN, "GET", {}, "eFa3sw4r7BjPfT3Duve69+4lXYU="),
        (PLAIN, "POST", {}, "2STiYCs0XuvUMWiVH1lA1p4Ohnc="),
        (ODD, "GET", {}, "1CD06HbCSt5PmARHEKylHbL3phs="),
        (ODD, "POST", {}, "/2XqRoE02QAaO8N7AZCoVSqOI3I="),
        (PLAIN, "POST", OLD_CORE, "c3XD+N1HT6w2uy8glA8p2EEvcb0="),
        (PLAIN, "GET", OLD_CORE, "ILk8LHl4X9SbRY1AltyB3jhI5vY="),
    ],
)
def test_the_classic_signature_equals_the_pages_vectors(
    sources: str, method: str, more: Mapping[str, str], expected: str
) -> None:
    request = Request(method, "https://cdn.aliyuncs.com/", (("Sources", sources), *more.items()))

    assert dict(rpc(request).request.query)["Signature"] == expected


def test_the_classic_string_to_sign_equals_the_pages() -> None:
    request = Request("GET", "https://cdn.aliyuncs.com/", (("Sources", PLAIN),))

    assert rpc(request).text == (
        "GET&%2F&AccessKeyId%3DLTAIEXAMPLEKEYID0000%26Action%3DDescribeDomainsBySource%26Format%3DJSON"
        "%26SignatureMethod%3DHMAC-SHA1%26SignatureNonce%3D3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"
        "%26SignatureVersion%3D1.0%26Sources%3Dexample.com%252Caliyundoc.com"
        "%26Timestamp%3D2026-11-22T01%253A30%253A00Z%26Version%3D2018-05-10"
    )


def test_the_new_signature_equals_the_pages_vector() -> None:
    headers = {
        "accept": "application/json",
        "host": "cdn.aliyuncs.com",
        "x-acs-action": "DescribeDomainsBySource",
        "x-acs-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x-acs-date": "2026-11-22T01:30:00Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2018-05-10",
    }
    text = auth.acs3_string_to_sign("POST", (("Sources", PLAIN),), headers)

    assert text == f"{auth.ACS3}\n397bde153ad91e9d041bdc0ff854677ebf350a3cf5745dfa05bb8f9ab219e446"
    signature = auth.acs3_signature(text, SECRET)
    assert signature == "7cad3b45d96ba342ff5253375e6897069cb447300b3580dbbb5c4b2140848f59"


def test_every_header_that_must_be_signed_is() -> None:
    request = Request("POST", "http://127.0.0.1:8443/", (("Sources", PLAIN),))
    sent = acs3(request, NONCE, token="STS").request.headers

    names = dict(part.split("=", 1) for part in sent["authorization"].split(" ")[1].split(","))
    assert names["SignedHeaders"] == (
        "accept;content-type;host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-security-token;"
        "x-acs-signature-nonce;x-acs-version"
    )
    assert set(sent) == {*names["SignedHeaders"].split(";"), "authorization"}
    assert sent["host"] == "127.0.0.1:8443"
    assert sent["x-acs-security-token"] == "STS"


def test_a_security_token_is_signed_in_the_query_too() -> None:
    query = dict(rpc(Request("POST", "https://cdn.aliyuncs.com/"), token="STS/+=").request.query)

    assert query["SecurityToken"] == "STS/+="
    signature = query.pop("Signature")
    text = auth.rpc_string_to_sign("POST", [*query.items()])
    assert signature == auth.rpc_signature(text, SECRET)


@pytest.mark.looptime
@pytest.mark.parametrize("settings", [RPC, ACS3], ids=["rpc", "acs3"])
async def test_every_attempt_has_a_fresh_nonce_and_timestamp(
    build: Build, settings: Mapping[str, Any]
) -> None:
    server = Server(o=[info("a")])
    server.replies = [said("ServiceUnavailable", status=503), VendorFailed("x", retry_after=3)]
    await read(build("alibaba_cdn", server, origins=["o"], **settings))

    def seen(rpc_name: str, acs3_name: str) -> list[str | None]:
        return [
            {**dict(r.query), **r.headers}.get(rpc_name, r.headers.get(acs3_name)) for r in server.requests
        ]

    nonces, times = seen("SignatureNonce", "x-acs-signature-nonce"), seen("Timestamp", "x-acs-date")
    assert len(set(nonces)) == len(server.requests) == 3
    assert None not in nonces
    assert times[2] is not None
    assert times[0] is not None
    assert times[2] > times[0]
    assert len({r.headers.get("authorization", dict(r.query).get("Signature")) for r in server.requests}) == 3


@pytest.mark.looptime
@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "IncompleteSignature"])
@pytest.mark.parametrize("settings", [RPC, ACS3], ids=["rpc", "acs3"])
async def test_a_refused_signature_says_what_is_wrong_and_shows_nothing_signed(
    build: Build, settings: Mapping[str, Any], code: str
) -> None:
    words = []
    for told in ("as we", "as somebody else", ""):
        server = _Refusing(code, told)
        with pytest.raises(AuthenticationFailed) as caught:
            await read(build("alibaba_cdn", server, origins=["o"], **settings))
        assert len(server.requests) == 1
        words.append(str(caught.value))

    where = "(HTTP 400, request B0F074E5-A1AC-4B32-8EA2-6F450410D1E0)"
    assert words == [
        f"{code} {where}; the vendor signed the same text, so the access key secret is wrong",
        f"{code} {where}; the vendor signed another text: a proxy or gateway between may change requests",
        f"{code} {where}; check the access key secret",
    ]


class _Refusing(Server):
    """Refuses every signature, and tells what it signed itself."""

    def __init__(self, code: str, told: str) -> None:
        super().__init__()
        self._code = code
        self._told = told

    async def __call__(self, request: Request) -> Any:  # noqa: ANN401 - a response
        await super().__call__(request)
        query = [pair for pair in request.query if pair[0] != "Signature"]
        if self._told == "as somebody else":
            query.append(("X-Via", "proxy"))
        headers = {name: text for name, text in request.headers.items() if name != "authorization"}
        if "x-acs-date" in headers:
            text = auth.acs3_string_to_sign(request.method, query, headers)
        else:
            text = auth.rpc_string_to_sign(request.method, query)
        told = f" server string to sign is:{text}" if self._told else ""
        return said(self._code, f"Specified signature is not matched with our calculation.{told}")


@pytest.mark.parametrize("wrong", [{"env": "ALI_NOT_SET"}, "new\nline", "schlüssel"])
async def test_a_key_that_cannot_be_used_is_rejected_before_anything_is_sent(
    build: Build, wrong: object
) -> None:
    server = Server()
    settings = {**ACS3, "auth": {"kind": "acs3", "access_key_id": wrong, "access_key_secret": "s"}}
    with pytest.raises(AuthenticationFailed):
        await read(build("alibaba_cdn", server, origins=["o"], **settings))

    assert not server.requests


async def test_a_secret_is_read_at_each_use(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(o=[])
    keys = {"kind": "rpc", "access_key_id": {"env": "ALI_ID"}, "access_key_secret": "s"}
    collector = build("alibaba_cdn", server, origins=["o"], **{**RPC, "auth": keys})
    for name in ("one", "two"):
        monkeypatch.setenv("ALI_ID", name)
        await read(collector)

    assert [dict(request.query)["AccessKeyId"] for request in server.requests] == ["one", "two"]
