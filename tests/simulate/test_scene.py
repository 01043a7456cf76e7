"""What vendors show besides traffic: calls of an API, domains, certificates, origin groups, jobs."""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulate.asking import NOON, StandingClock
from watcher.model.time import DAY, HOUR, MINUTE, SECOND
from watcher.simulate.calls import Call
from watcher.simulate.jobs import Job
from watcher.simulate.states import DomainState
from watcher.simulate.vendor import Scene
from watcher.simulate.world import World

Entry = Mapping[str, Any]


def scene(*troubles: Entry, **world: object) -> Scene:
    resources = [{"id": name, "requests_per_minute": 1} for name in ("a", "b")]
    content = {"resources": resources, "troubles": troubles} | world
    return Scene.of(World.model_validate(content), clock=StandingClock(), anchor=NOON)


@given(cuts=st.lists(st.integers(0, 10 * MINUTE), min_size=1, max_size=5).map(sorted))
@settings(max_examples=20, deadline=None)
def test_calls_of_adjacent_windows_are_those_of_the_whole(cuts: list[int]) -> None:
    calls = scene().calls
    edges = [NOON, *(NOON + cut for cut in cuts), NOON + 10 * MINUTE]
    pieces = [calls.between(start, end) for start, end in pairwise(edges)]

    together: list[Call] = [call for piece in pieces for call in piece]
    assert together == list(calls.between(NOON, NOON + 10 * MINUTE))
    assert [call.at for call in together] == sorted(call.at for call in together)


def test_calls_are_as_many_as_said_and_fail_only_in_trouble() -> None:
    trouble = {
        "kind": "failing_api_calls",
        "start": "now",
        "lasts": "30m",
        "share": 0.5,
        "url": "/v1/{project_id}/data/mask",
        "status": "503",
        "reason": "Mask service away",
    }
    calls = scene(trouble).calls

    assert len(calls.between(NOON - HOUR, NOON)) == pytest.approx(720, rel=0.15)
    assert not any(call.failed for call in calls.between(NOON - HOUR, NOON))
    failed = [call for call in calls.between(NOON, NOON + HOUR) if call.failed]
    assert len(failed) == pytest.approx(60, rel=0.4)
    assert Counter((call.url, call.code, call.reason) for call in failed) == {
        ("/v1/{project_id}/data/mask", "503", "Mask service away"): len(failed)
    }
    assert max(call.at for call in failed) < NOON + 30 * MINUTE


def test_some_calls_fail_in_good_times_where_the_scenario_says_so() -> None:
    calls = scene(api={"failing": 0.2, "usual_failures": {"404": "No such file"}}).calls.between(
        NOON, NOON + HOUR
    )
    failed = [call for call in calls if call.failed]

    assert len(failed) / len(calls) == pytest.approx(0.2, abs=0.05)
    assert {(call.code, call.reason) for call in failed} == {("404", "No such file")}


def test_a_domain_changes_and_comes_back_with_the_times_of_its_changes() -> None:
    states = scene({"kind": "domain_offline", "resource": "a", "start": "-1h", "lasts": "30m"}).states
    made = NOON - 200 * DAY

    assert states.domain("a", NOON - 2 * HOUR) == DomainState("online", made)
    assert states.domain("a", NOON - HOUR) == DomainState("offline", NOON - HOUR)
    assert states.domain("a", NOON) == DomainState("online", NOON - 30 * MINUTE)
    assert states.domain("b", NOON) == DomainState("online", made)
    assert states.domain("a", made - 1) is None


def test_a_domain_may_be_stuck_or_go_away() -> None:
    stuck = {"kind": "stuck_change", "resource": "a", "start": "-5h"}
    states = scene(stuck, {"kind": "domain_gone", "resource": "b", "start": "-10m"}).states

    assert states.domain("a", NOON) == DomainState("configuring", NOON - 5 * HOUR)
    assert (states.domain("b", NOON - 11 * MINUTE) is None, states.domain("b", NOON)) == (False, None)


def test_certificates_end_when_the_scenario_says() -> None:
    near = {"kind": "certificate_near_expiry", "resource": "a", "days_left": 5}
    states = scene(near, {"kind": "certificate_invalid", "resource": "b", "start": "now"}).states

    assert states.certificate("a", NOON).not_after == NOON + 5 * DAY
    assert states.certificate("b", NOON).not_after == NOON + 60 * DAY
    assert [states.certificate("b", at).valid for at in (NOON - 1, NOON)] == [True, False]


def test_an_origin_group_may_lose_all_its_members() -> None:
    groups = [{"id": "g", "members": {"o1.example.com": "active", "o2.example.com": "backup"}}]
    empty = {"kind": "origin_group_empty", "group": "g", "start": "now", "lasts": "5m"}
    states = scene(empty, origin_groups=groups).states

    assert states.group("g", NOON - 1) == groups[0]["members"]
    assert set(states.group("g", NOON).values()) == {"inactive"}
    assert states.group("g", NOON + 5 * MINUTE) == groups[0]["members"]


def test_usual_jobs_begin_on_time_and_end_soon() -> None:
    jobs = scene(jobs_every="1h").jobs
    now = jobs.at(NOON + 30 * MINUTE, past=5 * HOUR)

    assert [job.begun for job in now] == [NOON - ago * HOUR for ago in range(5)]
    assert {job.status for job in now} == {"FINISHED"}
    assert all(job.ended is not None and job.ended - job.begun <= 90 * SECOND for job in now)
    [first, *_] = jobs.at(NOON, past=5 * HOUR)
    assert (first.id, first.status, first.ended) == (now[0].id, "PENDING", None)


def test_jobs_may_get_stuck_or_fail() -> None:
    stuck = {"kind": "stuck_job", "resource": "a", "start": "-3h", "job": "UPDATE_DIST"}
    jobs = scene(stuck, {"kind": "failed_job", "resource": "b", "start": "-1h"}, jobs_every="7d").jobs

    def of(resource: str) -> Job:
        return next(job for job in jobs.at(NOON) if job.resource == resource and job.begun > NOON - DAY)

    assert (of("a").kind, of("a").status, of("a").ended) == ("UPDATE_DIST", "PENDING", None)
    assert (of("b").status, of("b").ended) == ("FAILED", NOON - 59 * MINUTE)
