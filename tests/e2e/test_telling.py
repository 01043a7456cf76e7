"""Every way to tell, for real and at once: mail over STARTTLS, a webhook, Slack and Alertmanager."""

import asyncio
import base64
import hmac
import json
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.e2e.town import configured, polled, stop, watching
from tests.notify.alertmanagers import Alertmanager, alertmanager
from tests.notify.servers import Mailbox, serving
from tests.notify.slack_server import CHANNEL, METHOD, TOKEN, Workspace

pytestmark = pytest.mark.timeout(180)

SECRET = "a secret of the webhook"


class SafeMailbox(Mailbox):
    """Takes mail after STARTTLS and a login alone."""

    def __init__(self) -> None:
        super().__init__()
        self.logins: list[bytes] = []

    def authenticate(
        self, _server: SMTP, session: Session, _envelope: Envelope, _mechanism: str, data: LoginPassword
    ) -> AuthResult:
        self.logins.append(data.login)
        return AuthResult(success=data.password == b"p@ss/word" and session.ssl is not None, handled=False)


@dataclass
class Place:
    """Where messages arrive."""

    mailbox: SafeMailbox
    workspace: Workspace
    hooks: list[tuple[bytes, dict[str, str]]]
    manager: Alertmanager | None
    beats: list[str]
    config: Path


@asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Place]:
    """Servers for every way to tell, and a configuration that tells them all."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    mailbox, workspace, hooks, beats = SafeMailbox(), Workspace(), [], []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    mail = await asyncio.get_running_loop().create_server(
        lambda: SMTP(
            mailbox,
            hostname="localhost",
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=mailbox.authenticate,
        ),
        "127.0.0.1",
        0,
    )
    mailbox.port = mail.sockets[0].getsockname()[1]

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/beat":
            beats.append(request.path)
            return web.Response()
        if request.path == METHOD:
            return await workspace.post_message(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        hooks.append((await request.read(), headers))
        return web.Response(status=202)

    try:
        async with serving(answer) as base, alertmanager(folder) as manager:
            workspace.url = f"{base}/api"
            url = f"mailtos://ops:{{env:MAIL_PASSWORD}}@localhost:{mailbox.port}?mode=starttls&from=w@example.com&to=o@example.com"
            receivers = [
                {
                    "name": "oncall",
                    "urls": [url],
                    "webhook": {"url": f"{base}/hook", "secret": {"env": "HOOK_SECRET"}},
                    "alertmanager": {"url": manager.url},
                    "slack": {"token": {"env": "SLACK_TOKEN"}, "channel": CHANNEL, "api_url": workspace.url},
                    "zone": "Europe/Berlin",
                }
            ]
            heartbeat = {"url": f"{base}/beat", "every": "1s"}
            config = configured(folder / "watcher.yaml", [], receivers=receivers, heartbeat=heartbeat)
            yield Place(mailbox, workspace, hooks, manager, beats, config)
    finally:
        mail.close()
        await mail.wait_closed()


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"MAIL_PASSWORD": "p@ss/word", "HOOK_SECRET": SECRET, "SLACK_TOKEN": TOKEN}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


async def command(*words: str) -> tuple[int, Any, str]:
    """Exit code, answer and complaints of a command of its own process."""
    done = await anyio.run_process([sys.executable, "-m", "watcher", *words], check=False)
    text = done.stdout.decode()
    return done.returncode, json.loads(text) if text.startswith("{") else text, done.stderr.decode()


def assert_told(found: Place, incident: str) -> None:
    """Each way heard of the opening and of the end, once, in its own form."""
    opening, ending = found.mailbox.mails
    assert "(drill)" in opening["Subject"]
    assert ending["Subject"].startswith("Resolved after")
    assert opening["References"] == ending["References"] == f"<{incident}@watcher.invalid>"
    assert found.mailbox.logins == [b"ops", b"ops"]
    for body, headers in found.hooks:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        proof = base64.b64encode(hmac.digest(SECRET.encode(), signed, "sha256")).decode()
        assert headers["webhook-signature"] == f"v1,{proof}"
    said = [json.loads(body) for body, _ in found.hooks]
    assert [(one["kind"], one["recovery"]) for one in said] == [("opened", False), ("resolved", True)]
    assert all(one["incidents"][0]["drill"] for one in said)
    first, last = found.workspace.posts
    assert last["thread_ts"] == first["ts"]


def telling(deliveries: Sequence[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {(one["target"], one["telling"], one["state"]) for one in deliveries}


EVERYBODY = {(f"oncall/{n}", kind, "done") for n in range(4) for kind in ("opened", "resolved")}


async def test_a_drill_beside_the_daemon_reaches_everybody_and_its_end_too(tmp_path: Path) -> None:
    async with place(tmp_path) as found, watching(found.config) as daemon:
        await polled(lambda: bool(found.beats), seconds=60)

        code, answer, complaints = await command(
            "drill", "http_5xx_spike", "-c", str(found.config), "--lasts", "3s", "--as", "ada", "--json"
        )

        assert (code, complaints) == (0, "")
        assert (answer["told"], answer["by_daemon"]) == (True, True)
        assert telling(answer["deliveries"]) == EVERYBODY
        assert answer["incident"]["summary"] == "drill of http_5xx_spike by ada: nothing is wrong"
        assert answer["incident"]["drill"] is True
        assert_told(found, answer["incident"]["id"])
        assert found.manager is not None
        await polled(lambda: len(found.manager.states()) == 2, seconds=10)  # type: ignore[union-attr]
        assert [state for state, _ in found.manager.states()] == ["firing", "resolved"]
        assert await stop(daemon) == 0


async def test_a_drill_without_a_daemon_is_carried_out_by_the_command(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        code, answer, _ = await command(
            "drill",
            "http_5xx_spike",
            "-c",
            str(found.config),
            "--lasts",
            "3s",
            "--severity",
            "info",
            "--json",
        )

        assert (code, answer["by_daemon"]) == (0, False)
        assert telling(answer["deliveries"]) == EVERYBODY
        assert answer["incident"]["severity"] == "info"
        assert_told(found, answer["incident"]["id"])


async def test_a_receiver_is_tested_by_every_way_it_has(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        code, answer, _ = await command("notify", "test", "oncall", "-c", str(found.config), "--json")

        assert code == 0
        assert [(one["target"], one["words"]) for one in answer["targets"]] == [
            ("oncall/0", "accepted by E-Mail"),
            ("oncall/1", "accepted with 202"),
            ("oncall/2", "answers; no alert was raised"),
            ("oncall/3", "posted"),
        ]


async def test_who_cannot_be_told_is_named_with_the_reason_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place(tmp_path) as found:
        monkeypatch.setenv("MAIL_PASSWORD", "wrong-password")
        monkeypatch.setenv("SLACK_TOKEN", "xoxb-wrong")

        code, answer, complaints = await command(
            "notify", "test", "oncall", "-c", str(found.config), "--json"
        )

        assert code == 1
        told = {one["target"]: (one["ok"], one["words"]) for one in answer["targets"]}
        assert told["oncall/0"][0] is False
        assert "535 5.7.8 Authentication credentials invalid" in told["oncall/0"][1]
        assert told["oncall/3"] == (False, "Slack refused: invalid_auth; check the token")
        assert [told[f"oncall/{n}"][0] for n in (1, 2)] == [True, True]
        assert "wrong" not in json.dumps(answer) + complaints


async def test_a_preview_shows_what_was_told_and_sends_nothing(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        config = str(found.config)
        _, answer, _ = await command("drill", "http_5xx_spike", "-c", config, "--lasts", "1s", "--json")
        told = len(found.hooks)
        page = tmp_path / "page.html"

        code, shown, _ = await command(
            "notify", "preview", answer["incident"]["id"], "--to", "oncall", "--html", str(page), "-c", config
        )
        _, shapes, _ = await command(
            "notify", "preview", answer["incident"]["id"], "--to", "oncall", "-c", config, "--json"
        )

        assert code == 0
        assert shown.startswith("Resolved after 1 s: http_5xx_spike (drill): ")
        assert "CET" in shown or "CEST" in shown
        assert "This is a drill: nothing is wrong." in page.read_text()
        by_target = {one["target"]: one for one in shapes["targets"]}
        assert [bool(by_target[f"oncall/{n}"]["html"]) for n in range(4)] == [True, False, False, False]
        assert [bool(by_target[f"oncall/{n}"]["blocks"]) for n in range(4)] == [False, False, False, True]
        assert len(found.hooks) == told
