"""Everything around a daemon, for real: simulated vendors, a mail server, a webhook, and child processes."""

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import orjson
from anyio.abc import Process
from ruamel.yaml import YAML

from watcher.app import book
from watcher.app.settings import load
from watcher.errors import DatabaseUnusable
from watcher.model.incident import Incident
from watcher.model.ports import History, IncidentQuery
from watcher.runtime.clock import SystemClock
from watcher.simulate.mail_catcher import MailCatcher, mail_catcher
from watcher.simulate.scenario import FIRST_LIGHT, load_scenario
from watcher.simulate.serve import Simulation, serve
from watcher.simulate.webhook_catcher import WebhookCatcher, webhook_catcher

Found = Mapping[tuple[str, str], tuple[int | None, int | None, str]]
"""By rule and what it is about: opened (None for states, which open when first seen), resolved, status."""


@dataclass(frozen=True, slots=True)
class Catchers:
    """Where one daemon's messages arrive."""

    mail: MailCatcher
    hook: WebhookCatcher


@dataclass(frozen=True, slots=True)
class Town:
    """One simulation that any number of daemons may watch, each with its own book and catchers."""

    simulation: Simulation
    folder: Path

    def configure(
        self,
        name: str,
        catchers: Catchers,
        *,
        database: str = "",
        limit: float = 40,
        probed: str = "5m",
        **more: object,
    ) -> Path:
        """Write a daemon's configuration; certificates are `probed` so often, `more` are sections of it."""
        announced = self.simulation.announcement()
        cdnvideo = announced["cdnvideo"]["source"] | {"limit": limit}
        return configured(
            self.folder / f"{name}.yaml",
            [cdnvideo, announced["tls"]["source"] | {"every": probed}],
            database=database or f"sqlite:///{self.folder}/{name}.db",
            receivers=[
                {"name": "mail", "urls": [catchers.mail.apprise_url]},
                {"name": "hook", "urls": [catchers.hook.apprise_url]},
            ],
            **more,
        )


def configured(path: Path, sources: Sequence[Mapping[str, Any]], **more: object) -> Path:
    """Write a configuration of these sources; its database is beside it unless another is given."""
    content = {"database": f"sqlite:///{path.with_suffix('.db')}"} | more | {"sources": list(sources)}
    with path.open("w") as file:
        YAML().dump(content, file)
    return path


@asynccontextmanager
async def town(folder: Path) -> AsyncIterator[Town]:
    """Serve the shipped scenario."""
    async with serve(load_scenario(FIRST_LIGHT), clock=SystemClock()) as simulation:
        yield Town(simulation, folder)


@asynccontextmanager
async def catching() -> AsyncIterator[Catchers]:
    """A mail server and a webhook of one daemon's own."""
    async with AsyncExitStack() as stack:
        mail = await stack.enter_async_context(mail_catcher())
        yield Catchers(mail, await stack.enter_async_context(webhook_catcher()))


@asynccontextmanager
async def watching(config: Path, environment: Mapping[str, str] | None = None) -> AsyncIterator[Process]:
    """A daemon of its own process, killed at the end if it still runs; `environment` is added to ours."""
    command = [sys.executable, "-m", "watcher", "run", "-c", str(config)]
    log = config.with_suffix(".log").open("ab")
    try:
        env = os.environ | dict(environment or {})
        async with await anyio.open_process(command, stdin=None, stdout=log, stderr=log, env=env) as process:
            try:
                yield process
            finally:
                if process.returncode is None:
                    process.kill()
    finally:
        log.close()


async def stop(process: Process) -> int:
    """SIGTERM, and the exit code."""
    os.kill(process.pid, signal.SIGTERM)
    with anyio.fail_after(20):
        return await process.wait()


async def shell(config: Path, *words: str, code: int = 0) -> Any:  # noqa: ANN401 - as JSON is
    """Run one verb as a process of its own; its answer."""
    command = [sys.executable, "-m", "watcher", *words, "-c", str(config), "--json"]
    ended = await anyio.run_process(command, check=False)
    assert ended.returncode == code, ended.stderr.decode()
    return orjson.loads(ended.stdout)


async def until(
    config: Path, satisfied: Callable[[Sequence[Incident], int, int], bool], *, seconds: float
) -> None:
    """Wait for the book to satisfy: incidents, messages owed, and streams that have not caught up."""
    try:
        with anyio.fail_after(seconds):
            while not satisfied(*await glance(config)):  # noqa: ASYNC110 - another process has no event
                await anyio.sleep(0.2)
    except TimeoutError:
        state, log = await glance(config), config.with_suffix(".log").read_text()[-3000:]
        raise AssertionError(f"not in {seconds:g} s: {state}\n{log}") from None


async def polled(satisfied: Callable[[], bool], *, seconds: float) -> None:
    """Wait for something that another process brings about."""
    with anyio.fail_after(seconds):
        while not satisfied():  # noqa: ASYNC110 - another process has no event
            await anyio.sleep(0.05)


async def glance(config: Path) -> tuple[Sequence[Incident], int, int]:
    """Incidents, messages owed, and streams that have not caught up; no book yet is an empty one."""
    try:
        async with book.history(load(config).database) as history:
            sights = await history.sights()
            behind = sum(not sight.caught_up for sight in sights) + (len(sights) < SIGHTS)
            return await _incidents(history), sum((await history.backlog()).values()), behind
    except DatabaseUnusable:
        return [], 0, SIGHTS


SIGHTS = 6
"""Streams of the shipped scenario: three of CDNvideo, one of TLS, and that of each source's own list."""


async def _incidents(history: History) -> Sequence[Incident]:
    return await history.incidents(IncidentQuery())


def settled(incidents: Sequence[Incident], owed: int, behind: int) -> bool:
    """Everything there was to find is found and told."""
    return len(incidents) >= 3 and owed == 0 and behind == 0


async def found(config: Path) -> Found:
    """What the book holds beside drills, comparable between daemons that looked at one truth."""
    incidents, _, _ = await glance(config)
    held: Counter[tuple[str, str]] = Counter()
    result: dict[tuple[str, str], tuple[int | None, int | None, str]] = {}
    for incident in incidents:
        if incident.drill:
            continue
        labels = dict(incident.key.labels)
        key = (incident.key.rule, labels.get("resource") or labels.get("domain") or labels["stream"])
        held[key] += 1
        opened = None if incident.key.rule == "certificate_expiry" else incident.opened_at
        result[key] = (opened, incident.resolved_at, incident.status)
    assert max(held.values(), default=0) <= 1, f"an incident stands twice: {held}"
    return result


async def drilled(config: Path) -> Sequence[str]:
    """The names of drills, one an incident."""
    incidents, _, _ = await glance(config)
    return [dict(one.key.labels)["drill"] for one in incidents if one.drill]


async def assert_each_was_told(config: Path, catchers: Catchers) -> None:
    """Every incident reached both receivers, its end too, and whatever came twice came with one key."""
    incidents, _, _ = await glance(config)
    hooks: Sequence[Mapping[str, Any]] = [json.loads(json.dumps(hook.body)) for hook in catchers.hook.hooks]
    for incident in incidents:
        mails = [mail for mail in catchers.mail.mails if incident.id in mail.body()]
        posts = [post for post in hooks if incident.id in str(post["message"])]
        ways = {
            "mail": {(mail.subject, mail.message["X-Watcher-Key"]) for mail in mails},
            "hook": {(post["title"], post["key"]) for post in posts},
        }
        for way, words in ways.items():
            ends = {key for title, key in words if title.startswith("Resolved")}
            before = {key for title, key in words if not title.startswith("Resolved")}
            assert words, f"no {way} told of {incident.summary}"
            assert ends or not incident.over, f"no {way} told the end of {incident.summary}"
            assert len(ends) <= 1 >= len(before), words
