"""Two rule sets over the same samples: gained, lost, moved."""

from dataclasses import replace

import pytest

from watcher.model.incident import Evidence, Incident, IncidentKey, Resolution, Status
from watcher.model.rule import Severity
from watcher.model.time import MINUTE
from watcher.runtime.comparison import Moved, compare


def incident(opened: int = 10, resolved: int | None = 20, rule: str = "http_5xx_spike") -> Incident:
    return Incident(
        id=f"{rule}{opened}",
        key=IncidentKey(rule, (("resource", "shop"), ("source", "cdnv"))),
        severity=Severity.WARNING,
        status=Status.OPEN if resolved is None else Status.RESOLVED,
        resolution=None if resolved is None else Resolution.RECOVERED,
        summary="",
        opened_at=opened * MINUTE,
        detected_at=opened * MINUTE,
        resolved_at=None if resolved is None else resolved * MINUTE,
        evidence=Evidence(0, 0),
    )


def test_rule_sets_that_find_the_same_do_not_differ() -> None:
    found = compare([incident(), incident(40, 50)], [replace(incident(40, 50), id="x"), incident()])

    assert not found.differs


def test_what_only_one_finds_is_gained_or_lost() -> None:
    found = compare([incident(), incident(rule="old")], [incident(), incident(50, None)])

    assert [one.opened_at for one in found.gained] == [50 * MINUTE]
    assert [one.key.rule for one in found.lost] == ["old"]
    assert found.differs


@pytest.mark.parametrize(
    "now",
    [
        incident(12),
        incident(10, 25),
        incident(10, None),
        replace(incident(), severity=Severity.CRITICAL),
        replace(incident(), resolution=Resolution.GONE),
    ],
)
def test_one_episode_that_is_told_otherwise_has_moved(now: Incident) -> None:
    found = compare([incident()], [now])

    assert found.moved == [Moved(incident(), now)]
    assert (*found.gained, *found.lost) == ()


def test_what_was_withdrawn_is_no_incident() -> None:
    withdrawn = replace(incident(), status=Status.WITHDRAWN)

    assert not compare([withdrawn], []).differs
    assert [*compare([withdrawn], [incident()]).gained] == [incident()]


def test_an_episode_that_was_split_is_one_that_moved_and_one_that_is_new() -> None:
    found = compare([incident(10, 30)], [incident(10, 15), incident(20, 30)])

    assert [one.now.opened_at for one in found.moved] == [10 * MINUTE]
    assert [one.opened_at for one in found.gained] == [20 * MINUTE]
