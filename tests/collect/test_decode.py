"""What is not the documented JSON becomes one error that shows enough and no secret."""

import msgspec
import pytest

from watcher.collect.decode import decode_json, masked
from watcher.collect.http import Response
from watcher.errors import ContractBroken


class Answer(msgspec.Struct):
    value: float


def answer(body: bytes, content_type: str = "application/json") -> Response:
    return Response(200, {"content-type": content_type, "set-cookie": "session=hidden"}, body)


def broken(response: Response, *, secret: bool = False) -> str:
    with pytest.raises(ContractBroken) as caught:
        decode_json(response, Answer, secret=secret)
    return str(caught.value)


def test_the_documented_answer_is_typed() -> None:
    assert decode_json(answer(b'{"value": 1.5, "extra": null}'), Answer) == Answer(1.5)


def test_numbers_in_strings_are_read_where_the_vendor_writes_them() -> None:
    assert decode_json(answer(b'{"value": "1.5"}'), Answer, strict=False) == Answer(1.5)
    assert "value" in broken(answer(b'{"value": "1.5"}'))


@pytest.mark.parametrize("keys", [None, 1, 2])
def test_a_key_that_stands_twice_is_no_answer(keys: int | None) -> None:
    twice = answer(b'{"value": 1, "x": [{"a": 1, "a": 1}]}')
    with pytest.raises(ContractBroken, match="the key 'a' stands twice"):
        decode_json(twice, Answer, keys=None if keys is None else lambda _answer: keys)


def test_a_key_that_stands_twice_is_found_however_it_is_spaced() -> None:
    with pytest.raises(ContractBroken, match="the key 'value' stands twice"):
        decode_json(answer(b'{"value" :1,"value":2}'), Answer, keys=lambda _answer: 1)


def test_the_same_key_in_two_objects_is_right() -> None:
    assert decode_json(answer(b'{"value": 1, "x": [{"a": 1}, {"a": 1}]}'), Answer) == Answer(1)


def test_html_in_place_of_json_says_its_type_size_and_beginning() -> None:
    page = b"<html>\r\n\t<head>\x1b[31m<title>502 Bad Gateway</title>" + b" " * 1_000
    message = broken(answer(page, "text/html"))

    assert f"text/html, {len(page)} bytes, begins '<html> <head> [31m<title>502 Bad Gateway" in message
    assert len(message) < 250


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe\x00", b'{"value": 1', b"[" * 100_000, b"null", b'{"value": {}}', b'{"value": NaN}'],
)
def test_anything_else_is_a_broken_contract(body: bytes) -> None:
    message = broken(answer(body))

    assert f"{len(body)} bytes" in message
    assert "hidden" not in message


def test_an_answer_that_may_hold_a_token_is_not_quoted() -> None:
    message = broken(answer(b'{"token": "cdn1_hidden"}'), secret=True)

    assert "application/json, 24 bytes" in message
    assert "hidden" not in message


@pytest.mark.parametrize(
    "body",
    [
        b"x" * 60 + b" S3cretPassw0rd-Long-Value rest",
        b'{"token": "S3cret", "value": 1',
        b'{"user": "a", "X-Api-Key" : \'S3cret with words\'}',
        b"username=a&password=S3cret&x=1",
        b"Authorization: Bearer S3cret",
        b'{"auth": {\n "value": "S3cret"}}',
        b"token: " + b"." * 100 + b" " * 10_000 + b"S3cret",
        (b"a-l0ng-w0rd-that-is-masked " * 300)[:5_110] + b" S3cret",
    ],
)
def test_what_may_be_a_secret_is_masked_before_the_quotation_is_cut(body: bytes) -> None:
    message = broken(answer(body))

    assert "S3cret" not in message
    assert "***" in message


def test_what_is_no_secret_can_be_read() -> None:
    assert "begins 'upstream connect error, reset reason: timeout'" in broken(
        answer(b"upstream connect error, reset reason: timeout", "text/plain")
    )


@pytest.mark.parametrize(
    "text",
    [
        '{"RequestId":"16A96B9A-F203-4EC5-8E43-CB92E68F4CD8"}',
        '{"DomainCname":"shop.example.com.w.kunlun.example"}',
        "origins orphan-7.eu-west-1.example.com and x9f3c2d1.cdn.example",
        "start_time=1638427576000&end_time=1638427636000",
        '{"openapi_called_records": [], "status_code_ratio_5xx_total": 0.1234567890123456}',
        "DescribeUserDomains HTTPServiceUnavailable https://vendor.test/v2/distributions/metrics",
        "2026-11-22T03:00:00.000000Z 20261122T030000Z",
    ],
)
def test_names_numbers_times_and_ids_of_answers_stay(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    "secret",
    [
        "LTAI5tExampleKeyId",
        "AKIA0123456789ABCDEF",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "dGhpcyBpcyBhIHRva2VuIG9mIG91cnM=",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "0123456789abcdef0123456789abcdef",
        "213423-2134234-a234234-23b424",
    ],
)
def test_what_no_person_would_write_is_masked(secret: str) -> None:
    assert masked(f'{{"x": "{secret}"}} {secret}') == '{"x": "***"} ***'
    assert masked(f"/v1/{secret.replace('/', '')}/embed") == "/v1/***/embed"
