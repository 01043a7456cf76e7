"""Leaseweb's background jobs: under way, over, and over in ways that no document knows."""

import pytest

from tests.conftest import LoopClock
from tests.vendors.leaseweb_server import KEY, START, Build, Server, action, read, states, values
from watcher.model.time import HOUR, SECOND

pytestmark = pytest.mark.looptime


@pytest.fixture
def lsw(clock: LoopClock) -> Server:
    clock.shift = START - clock.now()
    return Server()


def invalidation(inner: object, *urls: object) -> dict[str, object]:
    return {"status": inner, "url_status": [{"status": url, "message": "m"} for url in urls]}


@pytest.mark.parametrize(
    ("status", "resource", "expected"),
    [
        ("PENDING", None, "pending"),
        ("FINISHED", invalidation("FINISHED", "SUCCESS"), "finished"),
        ("FINISHED", {}, "finished"),
        ("FINISHED", [], "finished"),
        ("FINISHED", {"status": 7, "url_status": "x"}, "finished"),
        ("FINISHED", {"status": None, "url_status": [None, {"status": None}]}, "finished"),
        ("FINISHED", invalidation("PENDING", "PENDING"), "finished"),
        ("PENDING", invalidation("FINISHED", "SUCCESS"), "pending"),
        ("FAILED", invalidation("FINISHED", "SUCCESS"), "failed"),
        ("FINISHED", invalidation("FINISHED", "SUCCESS", "TIMED_OUT"), "timed_out"),
        ("PENDING", invalidation("PENDING", "ERROR"), "error"),
        ("FINISHED", invalidation("ABORTED"), "aborted"),
        ("Partly done", None, "partly done"),
    ],
    ids=str,
)
async def test_what_no_document_knows_stands_for_the_whole_job(
    build: Build, lsw: Server, status: str, resource: object, expected: str
) -> None:
    lsw.lists["/actions"] = [action("a1", status, resource=resource)]

    batch = await read(build("leaseweb", lsw, **KEY), "actions")

    assert states(batch, "job_status") == {("a1", "invalidation"): expected}
    known = {dict(labels)["status"] for name, labels in batch.metrics if name == "job_status"}
    assert known == {"pending", "finished", expected}


async def test_a_status_seen_before_stays_a_column(build: Build, lsw: Server) -> None:
    collector = build("leaseweb", lsw, **KEY)
    lsw.lists["/actions"] = [action("a1", "FAILED")]
    await read(collector, "actions")
    lsw.lists["/actions"] = [action("a1", "FINISHED")]

    assert values(await read(collector, "actions"), "job_status", status="failed") == [0]


async def test_a_pending_job_is_as_old_as_it_is_whatever_touched_it(build: Build, lsw: Server) -> None:
    times = {"created": "2026-11-22T00:00:00Z", "updated": "2026-11-22T01:00:00Z"}
    lsw.lists["/actions"] = [action("a1", "PENDING", **times), action("a2", "FINISHED", **times)]

    batch = await read(build("leaseweb", lsw, **KEY), "actions")

    changed = [values(batch, "job_changed_seconds", place)[0] * SECOND for place in (0, 1)]
    assert changed == [START - 2 * HOUR, START - HOUR]


async def test_what_finished_lately_is_told_by_the_first_look_alone(build: Build, lsw: Server) -> None:
    """A daemon before may have told it as open; later ones are known to have been."""
    collector = build("leaseweb", lsw, **KEY)
    lsw.lists["/actions"] = [action("a1")]
    assert states(await read(collector, "actions"), "job_status") == {("a1", "invalidation"): "finished"}
    lsw.lists["/actions"] = [action("a1"), action("a2")]

    batch = await read(collector, "actions")

    assert not batch.entities
    assert batch.complete


async def test_those_that_ended_long_ago_are_not_told_others_are(build: Build, lsw: Server) -> None:
    long_ago = {"created": "2026-10-01T00:00:00Z", "updated": "2026-10-01T00:00:10Z"}
    lsw.lists["/actions"] = [
        action("old", **long_ago),
        action("late", created="2026-10-01T00:00:00Z", updated="2026-11-22T00:00:00Z"),
        action("open", "PENDING", **long_ago),
        action("failed", "ERROR", **long_ago),
        action("timeless", created=None, updated=None),
    ]

    batch = await read(build("leaseweb", lsw, **KEY), "actions")

    assert {dict(entity)["job"] for entity in batch.entities} == {"late", "open", "failed"}
    assert batch.complete


async def test_one_that_ends_is_told_as_ended_however_old_it_is(build: Build, lsw: Server) -> None:
    collector = build("leaseweb", lsw, **KEY)
    long_ago = {"created": "2026-10-01T00:00:00Z"}
    seen = []
    for status in ("PENDING", "FINISHED", "FINISHED"):
        lsw.lists["/actions"] = [action("a1", status, **long_ago)]
        seen.append(states(await read(collector, "actions"), "job_status"))

    assert seen == [{("a1", "invalidation"): "pending"}, {("a1", "invalidation"): "finished"}, {}]


async def test_too_many_are_told_in_part(build: Build, lsw: Server) -> None:
    lsw.lists["/actions"] = [action(f"a{number}", "PENDING") for number in range(2_003)]

    batch = await read(build("leaseweb", lsw, **KEY), "actions")

    assert len(batch.entities) == 2_000
    assert not batch.complete
    assert batch.remark == "3 more jobs have not finished"


async def test_jobs_that_finished_are_no_unfinished_ones_however_many(build: Build, lsw: Server) -> None:
    lsw.lists["/actions"] = [action(f"a{number}") for number in range(2_500)]
    lsw.lists["/actions"].append(action("open", "PENDING"))

    batch = await read(build("leaseweb", lsw, **KEY), "actions")

    assert dict(batch.entities[0])["job"] == "open"
    assert len(batch.entities) == 2_000
    assert batch.complete
    assert batch.remark == ""


@pytest.mark.parametrize("said", ["", None, " ", "\n"])
async def test_one_without_a_status_is_unknown_and_hides_no_other(
    build: Build, lsw: Server, said: str | None
) -> None:
    lsw.lists["/actions"] = [action("a1", "ERROR"), {**action("a2"), "status": said}]

    batch = await read(build("leaseweb", lsw, **KEY), "actions")

    assert states(batch, "job_status") == {("a1", "invalidation"): "error"}
    assert {dict(entity)["job"] for entity in batch.entities} == {"a1", "a2"}
    assert batch.remark == "job a2 has no status"


async def test_a_status_may_be_a_sentence(build: Build, lsw: Server) -> None:
    lsw.lists["/actions"] = [action("a1", "Failed:\tthe provider did not take the files in time")]

    batch = await read(build("leaseweb", lsw, **KEY), "actions")

    assert states(batch, "job_status") == {("a1", "invalidation"): "failed: the provider did not take the fi"}


async def test_odd_statuses_have_a_bound_and_none_is_lost(build: Build, lsw: Server) -> None:
    lsw.lists["/actions"] = [action(f"a{number}", f"WORD{number}") for number in range(40)]

    seen = states(await read(build("leaseweb", lsw, **KEY), "actions"), "job_status")

    assert len(seen) == 40
    assert len(set(seen.values())) == 33
    assert list(seen.values()).count("another") == 8


async def test_what_a_job_of_another_kind_is_about_is_no_status_of_it(build: Build, lsw: Server) -> None:
    lsw.lists["/actions"] = [action("a1", "FINISHED", type="UPDATE_DIST", resource={"status": "DEPLOYED"})]

    assert states(await read(build("leaseweb", lsw, **KEY), "actions"), "job_status") == {
        ("a1", "update_dist"): "finished"
    }
