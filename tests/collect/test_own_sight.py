"""What a source's streams see together: families, the source as a whole, and how much was asked."""

from collections.abc import Mapping
from dataclasses import replace
from math import isnan, nan

import anyio
import pytest

from tests.collect.fakes import Rig, at
from watcher.collect.collector import StreamSpec, Window
from watcher.collect.lookout import FAMILIES, STREAMS, Lookout
from watcher.collect.source import SourceReader
from watcher.errors import CollectError, NetworkFailed, PermissionMissing, QuotaExceeded, VendorFailed
from watcher.model.ports import Clock
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE, SECOND, Instant

A, B = StreamSpec("a", 0, MINUTE), StreamSpec("b", 0, MINUTE)


def last(batch: SampleBatch) -> Mapping[str, float]:
    """The newest bin: by the family of `watcher_failed`, else by the metric's name."""
    keys = [dict(labels).get("family", name) for name, labels in batch.metrics]
    return dict(zip(keys, batch.values[-1, :, 0].tolist(), strict=True))


async def read(rig: Rig, minutes: int) -> None:
    with anyio.move_on_after((minutes * MINUTE - 1) / SECOND):
        await SourceReader(rig.line, {}).run()


def test_the_families_are_those_of_the_error_tree() -> None:
    assert sorted(FAMILIES) == sorted(
        error.family for error in CollectError.__subclasses__() if error.__module__ == "watcher.errors"
    )


def test_a_source_is_up_while_any_of_its_real_streams_is() -> None:
    lookout = Lookout()
    assert isnan(lookout.up)

    lookout.see(STREAMS, NetworkFailed("no"))
    assert lookout.up == 0

    lookout.see(STREAMS, None)
    lookout.see("a", VendorFailed("no"))
    assert lookout.up == 0
    assert lookout.fails("vendor")

    lookout.see("b", None)
    assert lookout.up == 1

    lookout.forget("b")
    assert lookout.up == 0


def test_a_stream_that_fails_is_blind_until_another_is_answered() -> None:
    lookout = Lookout()
    for stream in ("a", "b"):
        lookout.see(stream, None)
    lookout.see("a", NetworkFailed("no"))
    assert lookout.blind("a")
    assert not lookout.blind("b")
    assert lookout.up == 0

    lookout.see("b", None)
    lookout.see("a", NetworkFailed("no"))
    assert not lookout.blind("a")
    assert lookout.up == 1

    lookout.see("b", NetworkFailed("no"))
    assert (lookout.blind("a"), lookout.blind("b")) == (True, True)
    assert lookout.up == 0


def test_what_streams_there_are_may_be_known_without_the_vendor() -> None:
    lookout = Lookout()
    lookout.see("a", NetworkFailed("no"))
    lookout.see(STREAMS, None)

    assert lookout.blind("a")


@pytest.mark.looptime
async def test_each_stream_says_of_each_family_whether_it_fails_so(clock: Clock) -> None:
    rig = Rig(clock, A, B)

    def forbidden(spec: StreamSpec, _window: Window) -> None:
        if spec.name == "a":
            raise PermissionMissing("HTTP 403")

    rig.vendor.judge = forbidden
    await read(rig, 3)
    a, b = last(rig.sink.batches("a.sight")[-1]), last(rig.sink.batches("b.sight")[-1])

    assert (a["watcher_up"], a["permission"], a["vendor"], a["source"]) == (0, 1, 0, 0)
    assert isnan(a["watcher_data_delay_seconds"])
    (why,) = rig.sink.batches("a.sight")[-1].exemplars
    assert why.facts == {"family": "permission", "reason": "HTTP 403"}
    assert rig.sink.batches("b.sight")[-1].exemplars == ()
    assert (b["watcher_up"], b["permission"], b["source"]) == (1, 0, 0)
    assert set(FAMILIES) < set(a)


@pytest.mark.looptime
async def test_the_source_as_a_whole_has_series_without_a_stream(clock: Clock) -> None:
    rig = Rig(clock, A, B)

    def down(spec: StreamSpec, _window: Window) -> None:
        rig.line.lookout.count(throttled=spec.name == "a")
        if clock.now() >= at("03:02"):
            raise QuotaExceeded("HTTP 429") if spec.name == "a" else NetworkFailed("gone")

    rig.vendor.judge = down
    await read(rig, 5)
    batches = rig.sink.batches("source.sight")
    whole = last(batches[-1])

    assert {batch.entities for batch in batches} == {((),)}
    assert [last(batch)["watcher_up"] for batch in batches][1:] == [1, 1, 0, 0]
    assert (whole["quota"], whole["network"], whole["vendor"]) == (1, 1, 0)
    assert (whole["watcher_requests"], whole["watcher_throttled_requests"]) == (2, 1)
    assert last(rig.sink.batches("a.sight")[-1])["source"] == 1
    assert [one.facts["reason"] for one in batches[-1].exemplars] == ["HTTP 429", "gone"]
    assert batches[1].exemplars == ()


@pytest.mark.looptime
async def test_what_was_asked_since_the_last_bin_stands_in_the_newest(clock: Clock) -> None:
    rig = Rig(clock, A)
    rig.vendor.refusal = NetworkFailed("gone")
    for _ in range(7):
        rig.line.lookout.count(throttled=False)
    await read(rig, 2)

    assert [last(batch)["watcher_requests"] for batch in rig.sink.batches("source.sight")] == [7, 0]


def bins(rig: Rig, stream: str, metric: str) -> Mapping[Instant, float]:
    """Of a stream: what is said in each bin, by its start."""
    return {
        start: float(values[place, 0])
        for batch in rig.sink.batches(f"{stream}.sight")
        for place in [[dict(labels).get("family", name) for name, labels in batch.metrics].index(metric)]
        for start, values in zip(batch.starts.tolist(), batch.values, strict=True)
    }


@pytest.mark.looptime
async def test_an_outage_is_one_of_the_source_though_its_streams_meet_it_one_by_one(clock: Clock) -> None:
    rig = Rig(clock, A, replace(B, every=2 * MINUTE), replace(B, name="c", every=5 * MINUTE))

    def gone(_stream: StreamSpec, _window: Window) -> None:
        if at("03:07") <= clock.now() < at("03:40"):
            raise NetworkFailed("connection refused")

    rig.vendor.judge = gone
    await read(rig, 60)
    down = {name: [start for start, up in rig.sink.sights(name) if up == 0] for name in "abc"}

    assert [starts[0] for starts in down.values()] == [at("03:07"), at("03:08"), at("03:10")]
    for name, starts in down.items():
        assert {bins(rig, name, "source")[start] for start in starts} == {1}
        assert max(starts) <= at("03:44")
    whole = bins(rig, "source", "watcher_up")
    assert {up for start, up in whole.items() if at("03:07") < start < at("03:44")} == {0}
    assert {
        up for start, up in whole.items() if at("03:00") < start < at("03:07") or start > at("03:44")
    } == {1}


@pytest.mark.looptime
async def test_once_one_stream_is_answered_again_the_others_are_asked_at_their_next_tick(
    clock: Clock,
) -> None:
    """Else they would wait for as long as the last of many failures made them."""
    rig = Rig(clock, A, replace(B, every=5 * MINUTE))

    def gone(_stream: StreamSpec, _window: Window) -> None:
        if clock.now() < at("03:36"):
            raise VendorFailed("HTTP 502")

    rig.vendor.judge = gone
    await read(rig, 60)
    asked = {name: [when for when, stream, _ in rig.vendor.asked if stream == name] for name in "ab"}

    assert next(when for when in asked["a"] if when > at("03:30")) == at("03:37")
    assert [when for when in asked["b"] if when > at("03:30")][:2] == [at("03:35"), at("03:40")]


@pytest.mark.looptime
async def test_what_was_not_asked_since_another_was_answered_again_is_neither_up_nor_down(
    clock: Clock,
) -> None:
    rig = Rig(clock, A, B)

    def gone(spec: StreamSpec, _window: Window) -> None:
        if at("03:07") <= clock.now() < at("03:09"):
            raise VendorFailed("HTTP 503", retry_after=None if spec.name == "a" else 5 * 60)

    rig.vendor.judge = gone
    await read(rig, 20)
    seen = [up for start, up in rig.sink.sights("b") if at("03:07") <= start <= at("03:13")]

    assert seen == pytest.approx([0, 0, 0, nan, nan, 1, 1], nan_ok=True)
    assert [poll.sight.next_try for poll in rig.sink.polls if poll.sight.stream == "b"].count(
        at("03:12")
    ) == 5
