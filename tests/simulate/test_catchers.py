"""The mail and webhook catchers, with real clients."""

import asyncio
import smtplib
from email.message import EmailMessage
from typing import Any

import aiohttp
import pytest

from watcher.model.time import SECOND
from watcher.simulate.mail_catcher import Mail, mail_catcher
from watcher.simulate.webhook_catcher import Hook, webhook_catcher


def mail() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "watcher@example.com", "oncall@example.com"
    message["Subject"] = "Störung: shop"
    message.set_content("5xx 12.4 %\n")
    message.add_alternative("<b>5xx 12.4 %</b>\n", subtype="html")
    return message


def send(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as smtp:
        smtp.send_message(mail())


async def test_a_mail_is_kept_with_its_parts_and_told_of() -> None:
    told: list[Mail] = []
    async with mail_catcher(on_mail=told.append) as catcher:
        await asyncio.to_thread(send, catcher.port)
        [caught] = await catcher.mails.wait(1)

        assert (caught.sender, caught.recipients) == ("watcher@example.com", ("oncall@example.com",))
        assert (caught.subject, caught.body().strip()) == ("Störung: shop", "5xx 12.4 %")
        assert "<b>" in caught.body("html")
        assert told == [caught]


@pytest.mark.parametrize("reply", ["451 Try later", "554 Never"])
async def test_a_refusing_mail_server_keeps_nothing_until_it_accepts_again(reply: str) -> None:
    async with mail_catcher() as catcher:
        catcher.answer = reply
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            await asyncio.to_thread(send, catcher.port)
        assert (refusal.value.smtp_code, len(catcher.mails), catcher.refused) == (int(reply[:3]), 0, 1)

        catcher.answer = ""
        await asyncio.to_thread(send, catcher.port)
        assert len(catcher.mails) == 1


async def test_a_mail_catcher_stops_with_a_session_still_open() -> None:
    async with mail_catcher() as catcher:
        reader, writer = await asyncio.open_connection("127.0.0.1", catcher.port)
        assert (await reader.readline()).startswith(b"220")
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_waiting_for_what_does_not_come_ends() -> None:
    async with mail_catcher() as catcher:
        with pytest.raises(TimeoutError):
            await catcher.mails.wait(1, seconds=0.01)


async def post(url: str, **more: Any) -> tuple[int, str | None]:  # noqa: ANN401 - as aiohttp takes it
    async with aiohttp.ClientSession() as session, session.post(url, **more) as response:
        return response.status, response.headers.get("Retry-After")


async def test_a_hook_is_kept_with_its_headers_and_told_of() -> None:
    told: list[Hook] = []
    async with webhook_catcher(on_hook=told.append) as catcher:
        assert await post(catcher.url, json={"id": 1}, headers={"X-Key": "k"}) == (200, None)
        [caught] = await catcher.hooks.wait(1)

        assert (caught.body, caught.headers["x-key"], caught.path) == ({"id": 1}, "k", "/hook")
        assert told == [caught]


async def test_a_refusing_webhook_keeps_nothing_and_may_ask_to_wait() -> None:
    async with webhook_catcher() as catcher:
        catcher.status, catcher.retry_after = 503, 7 * SECOND
        assert await post(catcher.url, json={}) == (503, "7")
        assert (len(catcher.hooks), catcher.refused) == (0, 1)

        catcher.status = 204
        assert (await post(catcher.url, json={}))[0] == 204
        assert len(catcher.hooks) == 1


async def test_a_webhook_may_answer_later_than_the_sender_waits() -> None:
    async with webhook_catcher() as catcher:
        catcher.delay = 60 * SECOND
        with pytest.raises(TimeoutError):
            await post(catcher.url, json={}, timeout=aiohttp.ClientTimeout(total=0.05))
        assert len(catcher.hooks) == 0


async def test_what_is_not_json_is_refused() -> None:
    async with webhook_catcher() as catcher:
        assert (await post(catcher.url, data=b"{"))[0] == 400
        assert (len(catcher.hooks), catcher.refused) == (0, 1)
