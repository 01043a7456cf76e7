"""Silences, windows and inhibition as stages: trouble is put off by name, an all-clear never."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import anyio
import pytest

from tests.notify.doubles import MemoryOutbox, RecordingSender, T, due, incident, resolved, withdrawn
from watcher.model.incident import Incident, IncidentKey
from watcher.model.labels import Matcher, label_set
from watcher.model.message import Telling
from watcher.model.ports import Clock
from watcher.model.recurrence import Recurrence
from watcher.model.silence import Silence
from watcher.model.time import HOUR, MINUTE, Instant
from watcher.notify.courier import Courier
from watcher.notify.manner import Terms
from watcher.notify.render import Renderer
from watcher.notify.stages import Decision, Suppressions, View, decide

NOW = T + HOUR
SILENCE = Silence("s-4a1f09c2", (Matcher("resource", ("shop",)),), T, NOW + HOUR, "ada", "the origin moves")
WINDOW = replace(SILENCE, id="deploys", reason="weekly deploys", ends_at=NOW + 2 * HOUR)
WIDER = Incident(
    id="0192f0c1-0000-7000-8000-00000000000b",
    key=IncidentKey("origin_group_empty", label_set({"source": "lsw", "resource": "g1"})),
    severity=incident().severity,
    status=incident().status,
    summary="origin group g1: no active member",
    opened_at=T,
    detected_at=T,
    evidence=incident().evidence,
)

SILENCED = Suppressions(silences=(SILENCE,))
MAINTAINED = Suppressions(maintenance=(WINDOW,))
INHIBITED = Suppressions(inhibitors={incident().id: WIDER})
EACH = pytest.mark.parametrize("suppressions", [SILENCED, MAINTAINED, INHIBITED])
NEWS = [
    Telling.OPENED,
    Telling.REOPENED,
    Telling.ROSE,
    Telling.WIDENED,
    Telling.REMINDER,
    Telling.UNJUDGED,
]


def looked(suppressions: Suppressions, subject: Incident, telling: Telling, *, heard: bool) -> Decision:
    return decide([due(subject, telling, heard=heard)], View(NOW, suppressions=suppressions))


@pytest.mark.parametrize("telling", NEWS)
@pytest.mark.parametrize(
    ("suppressions", "words", "until"),
    [
        (SILENCED, "silenced by s-4a1f09c2: the origin moves", NOW + HOUR),
        (MAINTAINED, "in maintenance by deploys: weekly deploys", NOW + 2 * HOUR),
        (INHIBITED, f"inhibited by origin_group_empty {WIDER.id}", NOW + MINUTE),
    ],
)
def test_trouble_waits_until_it_is_over_and_the_log_names_what_holds_it(
    suppressions: Suppressions, words: str, until: int, telling: Telling
) -> None:
    decision = looked(suppressions, incident(), telling, heard=True)

    assert not decision.plans
    assert [(wait.words, wait.until) for wait in decision.waits] == [(words, until)]


@EACH
@pytest.mark.parametrize(
    ("subject", "telling"), [(resolved(), Telling.RESOLVED), (withdrawn(), Telling.WITHDRAWN)]
)
def test_who_heard_of_it_hears_that_it_is_over(
    suppressions: Suppressions, subject: Incident, telling: Telling
) -> None:
    decision = looked(suppressions, subject, telling, heard=True)

    assert [plan.kind for plan in decision.plans] == [telling]


@EACH
def test_what_began_and_ended_meanwhile_is_told_to_nobody(suppressions: Suppressions) -> None:
    decision = looked(suppressions, resolved(), Telling.RESOLVED, heard=False)

    assert not decision.plans
    assert not decision.waits
    assert [skip.words.startswith("over while ") for skip in decision.skips] == [True]


@EACH
def test_what_still_stands_when_it_is_over_is_told_as_it_then_stands(suppressions: Suppressions) -> None:
    rows = [due(incident(), heard=False, reason="silenced by s-4a1f09c2: x")]
    later = replace(suppressions, inhibitors={})

    decision = decide(rows, View(NOW + 3 * HOUR, suppressions=later))

    assert [plan.kind for plan in decision.plans] == ["opened"]


def test_what_does_not_match_is_told() -> None:
    other = replace(incident(), key=IncidentKey("http_5xx_spike", label_set({"resource": "video"})))

    assert looked(SILENCED, other, Telling.OPENED, heard=False).plans


def test_one_that_comes_back_holds_until_the_end_of_its_present_span() -> None:
    nights = replace(SILENCE, ends_at=None, recurrence=Recurrence(3 * 60, 5 * 60))  # T is 03:00

    decision = looked(Suppressions(silences=(nights,)), incident(), Telling.OPENED, heard=False)

    assert [wait.until for wait in decision.waits] == [T + 2 * HOUR]


@pytest.mark.looptime
async def test_what_was_inhibited_is_told_within_a_minute_of_the_other_s_end(clock: Clock) -> None:
    outbox, sender, hidden = MemoryOutbox(), RecordingSender(), [INHIBITED]

    async def suppressing(_incidents: Sequence[Incident], _at: Instant) -> Suppressions:
        return hidden[0]

    row = outbox.owe(incident(), Telling.OPENED, "mail/0", at=clock.now())
    courier = Courier(
        outbox,
        {"mail/0": sender},
        renderer=Renderer({}),
        clock=clock,
        rng=Random(1),  # noqa: S311 - jitter, not a secret
        terms=Terms(suppressing=suppressing),
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(courier.run)
        await anyio.sleep(600)
        assert (sender.sent, row.state) == ([], "due")
        assert row.reason == f"inhibited by origin_group_empty {WIDER.id}"
        hidden[0] = Suppressions()
        await anyio.sleep(61)
        tasks.cancel_scope.cancel()

    assert [message.facts["id"] for message in sender.sent] == [incident().id]
    assert row.state == "done"
