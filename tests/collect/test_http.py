"""How a plain HTTP status reads, and what `Retry-After` asks for."""

import pytest

from watcher.collect.http import Response, by_status, retry_after


@pytest.mark.parametrize(
    ("status", "family"),
    [(401, "auth"), (403, "permission"), (429, "quota"), (404, "request"), (422, "request"), (503, "vendor")],
)
def test_each_status_has_its_family(status: int, family: str) -> None:
    error = by_status(Response(status, {}, b""))

    assert error is not None
    assert (error.family, error.status) == (family, status)


def test_a_good_status_is_no_error() -> None:
    assert by_status(Response(204, {}, b"")) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "9" * 400}, 86_400.0),
        ({"retry-after": "Sun, 22 Nov 2099 03:00:00 GMT", "date": "Sun, 22 Nov 2026 03:00:00 GMT"}, 86_400.0),
        ({"retry-after": "Sun, 22 Nov 2026 03:01:30 GMT", "date": "Sun, 22 Nov 2026 03:00:00 GMT"}, 90.0),
        ({"retry-after": "Sun, 22 Nov 2026 02:00:00 GMT", "date": "Sun, 22 Nov 2026 03:00:00 GMT"}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 03:01:30 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_both_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(Response(429, headers, b"")) == seconds
