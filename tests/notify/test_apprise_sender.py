"""Delivery through apprise, to a real SMTP server and a real webhook server on the loopback."""

import logging
from collections.abc import Callable
from email.message import EmailMessage
from urllib.parse import quote

import anyio
import pytest

from tests.notify.doubles import OPEN, T, due, incident, resolved
from tests.notify.servers import Hook, Mailbox
from watcher.document.secrets import SecretUrl
from watcher.errors import DeliveryFailed, DeliveryRejected
from watcher.model.incident import Incident
from watcher.model.message import Message, Telling
from watcher.model.rule import Severity
from watcher.model.time import MINUTE
from watcher.notify.apprise_log import redacted
from watcher.notify.apprise_sender import AppriseSender, problems
from watcher.notify.render import Renderer
from watcher.notify.stages import DIGEST, Plan, Reason


def message(*subjects: Incident, kind: str = "opened") -> Message:
    telling = Telling.OPENED if kind == DIGEST else Telling(kind)
    rows = tuple(due(one, telling, row=number) for number, one in enumerate(subjects, 1))
    return Renderer({}).message(Plan(kind, subjects, rows, Reason.TOLD), now=T + 12 * MINUTE)


def sender(url: str) -> AppriseSender:
    return AppriseSender(SecretUrl.read(url))


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n").strip()


async def test_mail_arrives_as_readable_text_and_html(mailbox: Mailbox) -> None:
    told = message(OPEN)

    answer = await sender(mailbox.url).send(told)

    [mail] = mailbox.mails
    assert answer == "accepted by E-Mail"
    assert mail.get_content_type() == "multipart/alternative"
    assert mail["Subject"] == told.title
    assert mail["X-Watcher-Key"] == told.key
    assert mail["References"] == f"<{OPEN.id}@watcher.invalid>"
    assert part(mail, "html") == told.html
    assert (
        part(mail, "plain").strip().replace("\r\n", "\n")
        == f"""\
critical

{OPEN.summary}

Open for 12 min.

Seen since: 2026-11-22 03:00 UTC (12 min ago)
Seen: 12.4 %
Usual: 0.2 % (0.1 % to 0.4 %)
Requests: 48 210 in 5 min
Where: source cdnv (cdnvideo), resource shop
Part: status 502, share 11.9 %
Severity: critical
Rule: http_5xx_spike

Details: watcher incidents show {OPEN.id}
Acknowledge: watcher incidents ack {OPEN.id}
Silence: watcher silences add --incident {OPEN.id} --for 2h

Incident: {OPEN.id}"""
    )


async def test_text_beyond_ascii_survives_mail(mailbox: Mailbox) -> None:
    await sender(mailbox.url).send(message(incident(summary="žluťoučký 店: 5xx 12,4 % · <b>é</b>")))

    [mail] = mailbox.mails
    assert "žluťoučký 店: 5xx 12,4 % · <b>é</b>" in mail["Subject"]
    assert "žluťoučký 店: 5xx 12,4 % · <b>é</b>" in part(mail, "plain")


async def test_a_webhook_receives_json_with_its_key_and_the_incidents(hook: Hook) -> None:
    told = message(OPEN)

    await sender(hook.url).send(told)

    [body] = hook.bodies
    assert {name: body[name] for name in ("title", "message", "type", "key", "kind")} == {
        "title": told.title,
        "message": told.text,
        "type": "failure",
        "key": told.key,
        "kind": "opened",
    }
    assert body["incidents"] == [told.facts]
    assert hook.keys == [told.key]


@pytest.mark.parametrize(
    ("subject", "kind", "expected"),
    [
        (resolved(), "resolved", "success"),
        (OPEN, "opened", "failure"),
        (incident(severity=Severity.WARNING), "opened", "warning"),
        (incident(severity=Severity.INFO), "opened", "info"),
    ],
)
async def test_the_type_is_success_for_a_recovery_and_else_by_severity(
    hook: Hook, subject: Incident, kind: str, expected: str
) -> None:
    await sender(hook.url).send(message(subject, kind=kind))

    assert [body["type"] for body in hook.bodies] == [expected]


async def test_a_long_digest_reaches_a_webhook_whole(hook: Hook) -> None:
    subjects = [incident(id=f"id-{n:02}", severity=Severity.INFO) for n in range(50)]

    await sender(hook.url).send(message(*subjects, kind=DIGEST))

    [body] = hook.bodies
    assert all(subject.id in body["message"] for subject in subjects)
    assert len(body["incidents"]) == 50


async def test_a_refusal_is_a_failure_with_its_reason_and_the_next_attempt_arrives(hook: Hook) -> None:
    hook.statuses = [503]
    target = sender(hook.url)

    with pytest.raises(DeliveryFailed, match="error=503"):
        await target.send(message(OPEN))
    await target.send(message(OPEN))

    assert len(hook.bodies) == 1


async def test_a_mail_server_that_refuses_is_a_failure(mailbox: Mailbox) -> None:
    mailbox.answers = ["451 4.7.1 try again later"]

    with pytest.raises(DeliveryFailed) as caught:
        await sender(mailbox.url).send(message(OPEN))

    assert str(caught.value) == 'Sending email to "ops@example.com" failed: 451 4.7.1 try again later'


async def test_a_mail_server_that_is_not_there_is_named_with_the_reason() -> None:
    with pytest.raises(DeliveryFailed, match=r'submitting email to "127.0.0.1": .*Connection refused'):
        await sender("mailto://127.0.0.1:1/?from=watcher@example.com&to=ops@example.com").send(message(OPEN))


async def test_who_has_a_mail_already_does_not_get_it_again_when_others_refused_it(mailbox: Mailbox) -> None:
    target = sender(mailbox.url.replace("to=ops@", "to=ada@example.com,bob@"))
    told = message(OPEN)
    mailbox.refused = {"bob@example.com"}

    with pytest.raises(DeliveryFailed, match=r"550 5\.1\.1 no such mailbox"):
        await target.send(told)
    mailbox.refused = set()
    await target.send(told)
    await target.send(message(resolved(), kind="resolved"))

    assert [mail["To"] for mail in mailbox.mails] == [
        "ada@example.com",
        "bob@example.com",
        "ada@example.com",
        "bob@example.com",
    ]


async def test_a_failure_shows_neither_password_nor_path(hook: Hook) -> None:
    url = f"json://user:hunter2hunter2@127.0.0.1:{hook.port}/token-abcdef"

    with pytest.raises(DeliveryFailed) as caught:
        await sender(url).send(message(OPEN))

    assert "hunter2" not in str(caught.value)
    assert "token-abcdef" not in str(caught.value)


async def test_a_send_that_was_given_up_blocks_only_itself_until_its_thread_ends(hook: Hook) -> None:
    hook.hold = anyio.Event()
    target = sender(hook.url)

    with anyio.move_on_after(0.2):
        await target.send(message(OPEN))
    with pytest.raises(DeliveryFailed, match="has not ended"):
        await target.send(message(OPEN))
    hook.hold.set()
    hook.hold = None
    await until(lambda: len(hook.bodies) == 1)
    await until(lambda: not target._sending)
    await target.send(message(OPEN))

    assert len(set(hook.keys)) == 1


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens in another thread."""
    with anyio.fail_after(5):
        while True:
            if condition():
                return
            await anyio.sleep(0.005)


async def test_a_url_apprise_cannot_read_is_rejected() -> None:
    with pytest.raises(DeliveryRejected, match="knows no receiver of the kind nonsense://"):
        await sender("nonsense://x").send(message(OPEN))


async def test_a_secret_that_is_gone_is_a_failure_which_may_pass() -> None:
    with pytest.raises(DeliveryFailed, match="WATCHER_TEST_ABSENT is not set"):
        await AppriseSender(SecretUrl.read("json://127.0.0.1/{env:WATCHER_TEST_ABSENT}")).send(message(OPEN))


async def test_a_password_with_reserved_characters_is_used_as_written(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHER_TEST_PASSWORD", "p@ss/w:rd#%")

    await sender(hook.url.replace("://", "://user:{env:WATCHER_TEST_PASSWORD}@")).send(message(OPEN))

    assert len(hook.bodies) == 1


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("json://127.0.0.1/hook", None),
        ("mailto://user:password@example.com", None),
        ("nonsense://abc", "apprise knows no receiver of the kind nonsense://"),
        ("slack://tokenabcdef", "apprise cannot use this URL: An invalid Slack"),
        ("json://{env:WATCHER_TEST_ABSENT}/", "environment variable WATCHER_TEST_ABSENT is not set"),
    ],
)
def test_problems_of_a_url_are_named_before_anything_is_sent(url: str, problem: str | None) -> None:
    found = problems(SecretUrl.read(url))

    assert (found is None) if problem is None else (found or "").startswith(problem)


@pytest.mark.parametrize(
    "url",
    [
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "json://user:TIiajkdnlazkcOXrIdevi7FQ@127.0.0.1/T1JJ3T3L2",
        "tgram://T1JJ3T3L2:TIiajkdnlazkcOXrIdevi7FQ/42",
        f"mailto://user:{quote('TIiajkdnlazkcOXrIdevi7FQ&', safe='')}@example.com",
    ],
)
def test_nothing_of_a_url_that_may_be_secret_survives_redaction(url: str) -> None:
    shown = redacted(f"posting to {url} failed: T1JJ3T3L2 TIiajkdnlazkcOXrIdevi7FQ&", url)

    assert "TIiajkdnlazkcOXrIdevi7FQ" not in shown
    assert "A1BRTD4JD" not in shown
    assert "failed" in shown


def test_a_short_password_is_masked_as_a_word_and_cuts_no_other_word() -> None:
    shown = redacted("no recipients specified for user:p@h, p!", "mailto://user:p@h")

    assert shown == "no recipients specified for user:***@h, ***!"


async def test_apprise_logs_no_payload(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    await sender(hook.url).send(message(OPEN))

    assert OPEN.id not in caplog.text
    assert "hooks/alpha" not in caplog.text
