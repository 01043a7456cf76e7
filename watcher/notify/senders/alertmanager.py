"""Prometheus' Alertmanager: each incident is one alert there, so that its routes and silences go on working.

An alert is known by its labels, and stands until its `endsAt`; Alertmanager forgets all of them when it
restarts. So what stands is told again every minute, from the book, with an `endsAt` far enough ahead that a
watcher which is stopped or blind for hours is never taken for a recovery.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import anyio
import orjson
import structlog

from watcher.errors import DeliveryFailed, DeliveryRejected, StoreUnavailable
from watcher.model.hand import Threads
from watcher.model.incident import Incident
from watcher.model.message import Message
from watcher.model.ports import Clock
from watcher.model.time import MINUTE, Duration, Instant, parse_rfc3339, rfc3339
from watcher.notify.receivers import AlertmanagerSettings
from watcher.notify.senders.posting import Poster, ensure_taken, revealed, texts_of

ENDS_AGAIN: Final[Duration] = 15 * MINUTE
"""How long an end is told again: one that crossed with a resend must not leave an alert standing."""
TOGETHER: Final = 500
"""Alerts in one post at most."""

Facts = Mapping[str, Any]
"""One incident as JSON-ready values."""
FactsOf = Callable[[Incident], Facts]

_PATH: Final = "/api/v2/alerts"
_STRANGE: Final = re.compile(r"[^a-zA-Z0-9_]")

_log = structlog.get_logger()


class AlertmanagerSender:
    """One Alertmanager. What it was told is kept as a thread: the severity, part of an alert's labels."""

    def __init__(
        self,
        target: str,
        settings: AlertmanagerSettings,
        poster: Poster,
        *,
        threads: Threads,
        clock: Clock,
    ) -> None:
        """The address is revealed at each send, so that a changed secret is followed."""
        self._target = target
        self._settings = settings
        self._poster = poster
        self._threads = threads
        self._clock = clock
        self._turn = anyio.Lock()

    async def send(self, message: Message) -> str:
        """Tell of the incidents as they stand.

        Raises:
            DeliveryFailed: not taken, or what it was told before cannot be looked up.
            DeliveryRejected: Alertmanager calls an alert invalid.
        """
        if not message.incidents:  # a trial: nothing happened, so nothing must ring
            await self._ask()
            return "answers; no alert was raised"
        async with self._turn:
            alerts: list[Facts] = []
            told: dict[str, str] = {}
            for facts in message.incidents:
                alerts += self._alerts(facts, await self._known(facts["id"]))
                told[facts["id"]] = facts["severity"]
            await self._post(alerts)
            await self._keep(told)
        return f"accepted {len(alerts)} alert{'' if len(alerts) == 1 else 's'}"

    async def resend(self, facts_of: FactsOf) -> int:
        """Tell again of what stands and of what ended lately; how many alerts.

        No news is told meanwhile: what the book said before an end must not come after that.

        Raises:
            DeliveryError: not taken.
            StoreUnavailable: the book did not answer in time.
        """
        async with self._turn:
            since = self._clock.now() - ENDS_AGAIN
            standing = await self._threads.standing(self._target, ended_since=since)
            alerts = [
                alert
                for incident, severity in standing
                for alert in self._alerts(facts_of(incident), severity, again=True)
            ]
            for start in range(0, len(alerts), TOGETHER):
                await self._post(alerts[start : start + TOGETHER])
        return len(alerts)

    @property
    def resend_every(self) -> Duration:
        """How often `resend` is due."""
        return self._settings.resend

    def _alerts(self, facts: Facts, known: str | None, *, again: bool = False) -> Sequence[Facts]:
        """The alert of an incident; before it, the end of the one that was told at another severity."""
        now = self._clock.now()
        if facts["resolved_at"] is not None or facts["status"] in {"resolved", "withdrawn"}:
            return [alert(facts, known or facts["severity"], ends=_end(facts, now))]
        if again and known is not None:
            return [alert(facts, known, ends=now + self._settings.expires)]
        present = alert(facts, facts["severity"], ends=now + self._settings.expires)
        if known in {None, facts["severity"]}:
            return [present]
        return [alert(facts, str(known), ends=now), present]

    async def _post(self, alerts: Sequence[Facts]) -> None:
        url = revealed(self._settings.url).rstrip("/") + _PATH
        answer = await self._poster.post(url, orjson.dumps(alerts), {})
        ensure_taken(answer, hidden=partial(texts_of, self._settings.url))

    async def _ask(self) -> None:
        url = revealed(self._settings.url).rstrip("/") + "/api/v2/status"
        answer = await self._poster.get(url)
        ensure_taken(answer, hidden=partial(texts_of, self._settings.url))
        if b"versionInfo" not in answer.body:
            raise DeliveryRejected("it answers, and is no Alertmanager: give its address as http://host:9093")

    async def _known(self, incident_id: str) -> str | None:
        try:
            return await self._threads.token(self._target, incident_id)
        except StoreUnavailable as error:
            raise DeliveryFailed(f"what it was told before cannot be looked up: {error}") from error

    async def _keep(self, told: Mapping[str, str]) -> None:
        """What was sent stays sent; the loss is an alert that is not told again."""
        try:
            await self._threads.keep(self._target, told)
        except StoreUnavailable as error:
            _log.warning("thread_not_kept", target=self._target, error=str(error))


def alert(facts: Facts, severity: str, *, ends: Instant) -> Facts:
    """One alert of API v2. Its labels stay the same as long as the severity does."""
    labels = {_STRANGE.sub("_", name): value for name, value in facts["labels"].items()}
    labels |= {"alertname": facts["rule"], "severity": severity, "incident": facts["id"]}
    if facts["drill"]:
        labels["drill"] = "true"
    annotations = {
        "summary": facts["summary"],
        "description": facts["evidence"]["text"],
        "why": facts.get("why", ""),
        "runbook": facts.get("runbook", ""),
        "flapping": f"came back {facts['returns']} times" if facts["flapping"] else "",
    }
    starts = parse_rfc3339(facts["opened_at"])
    return {
        "labels": labels,
        "annotations": {name: text for name, text in annotations.items() if text},
        "startsAt": rfc3339(starts),
        "endsAt": rfc3339(max(starts, ends)),
        "generatorURL": facts.get("links", {}).get("incident", ""),
    }


def _end(facts: Facts, now: Instant) -> Instant:
    """A withdrawal has no end of its own; an end to come would leave the alert standing."""
    return now if facts["resolved_at"] is None else min(now, parse_rfc3339(facts["resolved_at"]))
