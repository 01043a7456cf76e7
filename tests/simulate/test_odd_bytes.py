"""What a sloppy client may send: bytes that are no text are a mistake like any other, never a traceback."""

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

import pytest

from tests.simulate.asking import simulated

ODD = b"\xe9\xff"
FORM = b"application/x-www-form-urlencoded"
SDK = (
    b"SDK-HMAC-SHA256 Access=DEMOACCESSKEY0000000, SignedHeaders=host;x-foo;x-sdk-date, Signature="
    + b"0" * 64
)
ACS = (
    b"ACS3-HMAC-SHA256 Credential=LTAIDEMO00000000,SignedHeaders=host;x-acs-action;x-acs-date;"
    b"x-acs-signature-nonce;x-foo%b,Signature=0"
)
RECORDS = b"GET /v1/0123456789abcdef0123456789abcdef/openapi/called-records"
DATED: Mapping[bytes, bytes] = {
    b"X-Acs-Date": b"2026-11-22T12:00:00Z",
    b"X-Acs-Signature-Nonce": b"1",
    b"X-Acs-Action": ODD,
    b"X-Foo": ODD,
}
SIGNED: Mapping[bytes, bytes] = {
    b"Authorization": SDK,
    b"X-Sdk-Date": b"20261122T120000Z",
    b"X-Foo": b"fine",
}
Headers = Mapping[bytes, bytes]


async def status(root: str, call: bytes, headers: Headers, body: bytes = b"") -> int:
    """Of a request byte for byte as given."""
    at = urlsplit(root)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    lines = [b"Host: x", b"Connection: close", b"Content-Length: %d" % len(body)]
    lines += [name + b": " + value for name, value in headers.items()]
    writer.write(call + b" HTTP/1.1\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" + body)
    answered = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(answered.split()[1])


@pytest.mark.parametrize(
    ("vendor", "call", "headers", "expected"),
    [
        ("leaseweb", b"GET /cdn/v2/origins", {b"X-LSW-Auth": ODD}, 401),
        ("huawei", RECORDS, {**SIGNED, b"X-Foo": ODD}, 401),
        ("huawei", RECORDS, {**SIGNED, b"X-Sdk-Content-Sha256": ODD}, 401),
        ("alibaba", b"GET /", {b"Authorization": ACS % b"", **DATED}, 400),
        ("alibaba", b"GET /", {b"Authorization": ACS % (b";" + ODD), **DATED}, 400),
        ("cdnvideo", b"GET /app/inventory/v1/accounts/", {b"CDN-AUTH-TOKEN": ODD}, 401),
    ],
)
async def test_a_header_that_is_no_text_is_refused(
    vendor: str, call: bytes, headers: Headers, expected: int
) -> None:
    async with simulated(tokens=["fixed"]) as client:
        root = client.simulation.announced[vendor].root_url.removesuffix("/cdn/v2")
        body = b"x" if vendor == "huawei" else b""
        assert await status(root, call, headers, body) == expected


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, b"username=\xff&password=\xfe"),
        (FORM + b"; charset=nope", b"username=demo&password=x"),
        (b"multipart/form-data", b"zzz"),
        (b"multipart/form-data; boundary=x", b"zzz"),
    ],
)
async def test_a_form_that_cannot_be_read_is_a_bad_request(kind: bytes, body: bytes) -> None:
    async with simulated() as client:
        call = b"POST /app/oauth/v1/token/"
        assert await status(client.root_url, call, {b"Content-Type": kind}, body) == 400
