"""Answers that are not as documented are kept for a report: redacted, capped, few, and not over and over."""

from collections import deque
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.collect.fakes import Rig
from watcher.collect.collector import StreamSpec, Window
from watcher.collect.evidence import BODY, FILES, Evidence, Exchange, record, recording
from watcher.collect.http import Request, Response
from watcher.errors import ContractBroken
from watcher.model.ports import Clock
from watcher.model.time import DAY, HOUR, MINUTE

REQUEST = Request("GET", "http://vendor.test/v1/metrics", (("domain", "shop"), ("signature", "c2lnbmF0dXJl")))


def exchange(body: bytes = b'{"odd": 1}', request: Request = REQUEST) -> Exchange:
    return Exchange(request, 200, (("content-type", "application/json"),), body[:BODY], len(body))


def test_a_report_says_what_was_asked_and_answered_and_no_secret(tmp_path: Path) -> None:
    body = b'{"token": "abc", "echo": "hunter2", "ak": "AKIA0123456789ABCDEF", "odd": 1}'
    path = Evidence(tmp_path / "answers", "src").keep(
        ContractBroken("no list"), [exchange(body)], {"hunter2"}, 0
    )

    assert path is not None
    text = path.read_text()
    assert "no list" in text
    assert "GET http://vendor.test/v1/metrics" in text
    assert "domain=shop" in text
    assert "content-type: application/json" in text
    assert '"odd": 1' in text
    for secret in ("abc", "hunter2", "AKIA", "c2lnb"):
        assert secret not in text
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_secret_is_masked_before_what_looks_like_one_takes_a_part_of_it(tmp_path: Path) -> None:
    secret = "abcd&0123456789abcdef0123!zz9"
    odd = exchange(f"x {secret} y".encode())
    path = Evidence(tmp_path, "src").keep(ContractBroken("no"), [odd], {secret}, 0)

    assert path is not None
    assert "x *** y" in path.read_text()


def test_a_secret_that_the_cut_would_split_is_not_there(tmp_path: Path) -> None:
    secret = "correct horse battery staple"
    body = b"no, " * (BODY // 4 - 3) + secret.encode()
    path = Evidence(tmp_path, "src").keep(ContractBroken("odd"), [exchange(body)], {secret}, 0)

    assert path is not None
    assert "correct" not in path.read_text()


def test_people_and_their_machines_are_masked_wherever_they_stand(tmp_path: Path) -> None:
    body = (
        b'{"user_name": "li.si", "source_ip": "203.0.113.7", "mail": "li@acme.test", "domain_name": "acme",'
        b'"fail_reason": "li.si may not", "to": "acme", "from": "198.51.100.3", "status": 418}'
    )
    path = Evidence(tmp_path, "src").keep(ContractBroken("odd for li.si"), [exchange(body)], set(), 0)

    assert path is not None
    text = path.read_text()
    assert '"status": 418' in text
    for person in ("li.si", "203.0", "li@", "acme", "198.51", "may not"):
        assert person not in text


def test_what_a_report_is_for_stays_to_be_read(tmp_path: Path) -> None:
    cname, request_id = "shop.example.com.w.kunlun.example", "16A96B9A-F203-4EC5-8E43-CB92E68F4CD8"
    body = f'{{"RequestId":"{request_id}","DomainCname":"{cname}","openapi_called_records":[]}}'
    address = f"https://vendor.test/cdn/v2/distributions/{request_id.lower()}/metrics"
    asked = Request("GET", address, (("start_time", "1638427576000"), ("user_name", "li.si")))
    error = ContractBroken(f"{cname} is no origin")
    path = Evidence(tmp_path, "src").keep(error, [exchange(body.encode(), asked)], set(), 0)

    assert path is not None
    text = path.read_text()
    for line in (f"{cname} is no origin", f"GET {address}", "start_time=1638427576000", body):
        assert line in text
    assert "li.si" not in text


def test_a_file_that_went_since_is_not_named_again(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path, "src")
    first = evidence.keep(ContractBroken("odd"), [exchange()], set(), 0)
    assert first is not None
    first.unlink()

    second = evidence.keep(ContractBroken("odd"), [exchange()], set(), HOUR)
    assert second is not None
    assert second.exists()


def test_a_long_answer_is_cut(tmp_path: Path) -> None:
    path = Evidence(tmp_path, "src").keep(ContractBroken("odd"), [exchange(b"no, " * BODY)], set(), 0)

    assert path is not None
    assert BODY < path.stat().st_size < BODY + 1_000
    assert f"[the first {BODY} bytes]" in path.read_text()


def test_the_same_complaint_is_written_once_a_day_whatever_its_figures(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path, "src")
    paths = [
        evidence.keep(ContractBroken(f"{minute} rows of totals"), [exchange()], set(), minute * MINUTE)
        for minute in range(2 * DAY // MINUTE)
    ]

    assert len(set(paths)) == len(list(tmp_path.iterdir())) == 2


def test_only_the_newest_are_kept_of_each_source(tmp_path: Path) -> None:
    for name in ("src", "src.2"):
        evidence = Evidence(tmp_path, name)
        for number in range(FILES + 3):
            evidence.keep(ContractBroken("odd " + "x" * number), [exchange()], set(), number * HOUR)
    files = sorted(path.name for path in tmp_path.iterdir())

    assert len(files) == 2 * FILES
    assert "src.1970-01-01T070000Z.txt" in files


def test_where_nothing_can_be_written_that_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    evidence = Evidence(tmp_path / "file" / "answers", "src")
    with capture_logs() as logs:
        kept = [evidence.keep(ContractBroken("odd " + "x" * n), [exchange()], set(), 0) for n in range(3)]

    assert kept == [None] * 3
    assert [line["event"] for line in logs] == ["answer_not_kept"]


def test_without_an_answer_there_is_nothing_to_keep(tmp_path: Path) -> None:
    assert Evidence(tmp_path, "src").keep(ContractBroken("too large"), deque(), set(), 0) is None


@pytest.mark.parametrize(
    "body",
    [
        b"a" * BODY,
        b"a." * BODY,
        b"/a" * BODY,
        b"a@" * BODY,
        b"user" * BODY,
        b"pass" * (BODY // 4),
        b"key:" * (BODY // 4),
        b" " * BODY,
        b"\xff" * BODY,
    ],
)
def test_no_answer_takes_long_to_mask(body: bytes, tmp_path: Path) -> None:
    assert Evidence(tmp_path, "src").keep(ContractBroken("odd"), [exchange(body)], {"hunter2"}, 0) is not None


async def test_a_login_is_never_remembered() -> None:
    async def answer(_request: Request) -> Response:
        return Response(200, {}, b"token")

    with recording() as exchanges:
        await record(Request("POST", "http://vendor.test/login", retry=False), answer)
        await record(REQUEST, answer)

    assert [one.request for one in exchanges] == [REQUEST]


@pytest.mark.looptime
async def test_the_second_odd_answer_of_a_poll_is_kept_and_named_in_sight_and_log(
    clock: Clock, tmp_path: Path
) -> None:
    rig = Rig(clock)
    object.__setattr__(rig.line, "evidence", Evidence(tmp_path, "cdn"))

    async def answer(_request: Request) -> Response:
        return Response(200, {}, b"<html>")

    async def odd(_stream: StreamSpec, _window: Window) -> None:
        await record(REQUEST, answer)
        raise ContractBroken("text/html, 6 bytes")

    rig.vendor.collect = odd  # type: ignore[assignment, method-assign]
    with capture_logs() as logs:
        await rig.poll(StreamSpec("s", 0, MINUTE), 5 * MINUTE)
    path = tmp_path / "cdn.2026-11-22T030000Z.txt"
    said = f"text/html, 6 bytes; the answer is kept in {path}"

    assert {poll.sight.message for poll in rig.sink.polls} == {said}
    assert [line["message"] for line in logs] == [said]
    assert "<html>" in path.read_text()
