"""The heartbeat goes out only while every part of the daemon gets on."""

from collections.abc import Callable

import anyio
import pytest
from structlog.testing import capture_logs

from watcher.errors import DeliveryFailed
from watcher.model.time import MINUTE, SECOND
from watcher.runtime.heartbeat import Heartbeat
from watcher.runtime.progress import Progress

pytestmark = pytest.mark.looptime

DEADLINES = {"collector cdnv": 5 * MINUTE, "engine": 4 * MINUTE, "store": 30 * SECOND, "courier": 5 * MINUTE}
PACE = {"collector cdnv": 60, "engine": 60, "store": 5, "courier": 60}


class Pings:
    """Counts pings by the minute in which they came."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.error: Exception | None = None

    async def __call__(self) -> None:
        if self.error is not None:
            raise self.error
        self.times.append(anyio.current_time())


async def beating(progress: Progress, part: str, until: Callable[[], bool]) -> None:
    """A part that gets on at its pace until it hangs."""
    while True:
        await anyio.sleep(PACE[part])
        if not until():
            progress.beat(part)


async def test_it_goes_out_every_minute_while_all_get_on() -> None:
    progress, pings = Progress(DEADLINES), Pings()

    async with anyio.create_task_group() as tasks:
        for part in DEADLINES:
            tasks.start_soon(beating, progress, part, lambda: False)
        tasks.start_soon(Heartbeat(progress.stalled, pings, every=MINUTE).run)
        await anyio.sleep(3_601)
        tasks.cancel_scope.cancel()

    assert len(pings.times) == 60


@pytest.mark.parametrize("stuck", DEADLINES)
async def test_whichever_part_stands_still_it_stops_and_goes_on_with_it(stuck: str) -> None:
    progress, pings, began = Progress(DEADLINES), Pings(), anyio.current_time()

    def hangs() -> bool:
        return 1_800 <= anyio.current_time() - began < 3_600

    with capture_logs() as logs:
        async with anyio.create_task_group() as tasks:
            for part in DEADLINES:
                tasks.start_soon(beating, progress, part, hangs if part == stuck else lambda: False)
            tasks.start_soon(Heartbeat(progress.stalled, pings, every=MINUTE).run)
            await anyio.sleep(5_400)
            tasks.cancel_scope.cancel()

    deadline = DEADLINES[stuck] / SECOND
    silent = [time - began for time in pings.times if 1_800 + deadline < time - began < 3_600]
    assert silent == []
    assert any(time - began > 3_700 for time in pings.times)
    assert [(line["event"], line.get("stalled")) for line in logs] == [
        ("heartbeat_withheld", [stuck]),
        ("heartbeat_goes_on", None),
    ]


async def test_before_a_part_had_time_to_get_on_it_counts_as_well() -> None:
    progress, pings = Progress(DEADLINES), Pings()

    with anyio.move_on_after(599), capture_logs():
        await Heartbeat(progress.stalled, pings, every=10 * SECOND).run()

    assert [round(time) for time in pings.times] == [10, 20, 30]


async def test_a_ping_that_does_not_arrive_is_said_once_and_tried_again() -> None:
    pings = Pings()
    pings.error = DeliveryFailed("it answered 503")
    heart = Heartbeat(tuple, pings, every=MINUTE)

    with capture_logs() as logs:
        for _ in range(3):
            await heart.once()
        pings.error = None
        await heart.once()

    assert len(pings.times) == 1
    assert [line["event"] for line in logs] == ["heartbeat_failed"]


async def test_what_has_gone_through_a_part_is_its_beat() -> None:
    progress, sent = Progress({"collector cdnv": MINUTE}), []

    async def send(item: int) -> None:
        sent.append(item)

    await anyio.sleep(61)
    before = progress.stalled()
    await progress.passing("collector cdnv", send)(1)

    assert (before, progress.stalled(), sent) == (["collector cdnv"], [], [1])


def test_nothing_is_expected_of_what_has_no_deadline() -> None:
    async def run() -> list[str]:
        progress = Progress({})
        progress.beat("engine")
        return [*progress.stalled()]

    assert anyio.run(run) == []
