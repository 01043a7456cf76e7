"""Drills as commands judge them: who did not hear the opening was not told."""

from dataclasses import replace

import pytest

from tests.notify.doubles import T, incident
from watcher.app.drills import Outcome
from watcher.model.incident import Resolution, Status
from watcher.model.message import Telling
from watcher.model.ports import Delivery

OVER = incident(status=Status.RESOLVED, resolution=Resolution.RECOVERED, resolved_at=T, drill=True)
OPENING = Delivery("mail/0", Telling.OPENED, "done", 1, T, "told: 250 OK", "told")
ENDING = replace(OPENING, telling=Telling.RESOLVED)


@pytest.mark.parametrize(
    ("deliveries", "told"),
    [
        ((OPENING, ENDING), True),
        ((), False),
        ((replace(OPENING, state="skipped", reason="over while silenced"), ENDING), False),
        ((replace(OPENING, reason="told with its end"), replace(ENDING, reason="told with its end")), False),
        ((OPENING, ENDING, replace(OPENING, target="chat/0", state="skipped", reason="superseded")), False),
        ((OPENING, replace(ENDING, state="dead", reason="given up")), False),
        ((OPENING, replace(ENDING, state="due")), False),
    ],
)
def test_a_drill_is_told_when_every_target_has_heard_its_opening(
    deliveries: tuple[Delivery, ...], *, told: bool
) -> None:
    assert Outcome(OVER, deliveries).is_told is told
