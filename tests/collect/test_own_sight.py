"""What a source's streams see together: families, the source as a whole, and how much was asked."""

from collections.abc import Mapping
from math import isnan

import anyio
import pytest

from tests.collect.fakes import Rig, at
from watcher.collect.collector import StreamSpec, Window
from watcher.collect.lookout import FAMILIES, STREAMS, Lookout
from watcher.collect.source import SourceReader
from watcher.errors import CollectError, NetworkFailed, PermissionMissing, QuotaExceeded, VendorFailed
from watcher.model.ports import Clock
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE, SECOND

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


@pytest.mark.looptime
async def test_what_was_asked_since_the_last_bin_stands_in_the_newest(clock: Clock) -> None:
    rig = Rig(clock, A)
    rig.vendor.refusal = NetworkFailed("gone")
    for _ in range(7):
        rig.line.lookout.count(throttled=False)
    await read(rig, 2)

    assert [last(batch)["watcher_requests"] for batch in rig.sink.batches("source.sight")] == [7, 0]
