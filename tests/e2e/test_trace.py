"""One sample followed through the running daemon: it passes the seven hops that ARCHITECTURE.md names."""

import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import anyio
import pytest

from tests.e2e.town import catching, town
from watcher.app import daemon
from watcher.app.settings import load
from watcher.engine.grid import Grid
from watcher.model.ports import Committed, Tick
from watcher.model.time import MINUTE, Instant, rfc3339

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([1-7]) \w+ \| `?([\w/.]+)`? \| `?(\w+)`? \|", re.MULTILINE)


@dataclass
class Tracer:
    """Notes each hop at which the sample of one bin is seen, in order."""

    hops: Mapping[str, tuple[str, int]]
    """File and hop by function. Every call of the process is asked for, so this is quick."""
    bin_start: Instant
    seen: list[int] = field(default_factory=list)

    def __call__(self, frame: FrameType, event: str, result: object) -> None:
        code = frame.f_code
        file, hop = self.hops.get(code.co_name, ("", 0))
        if hop and code.co_filename.endswith(file):
            self._note(hop, event, frame.f_locals, result)

    def _note(self, hop: int, event: str, given: Mapping[str, Any], result: object) -> None:
        if event == ("return" if hop == 3 else "call") and CARRIES[hop](given, result, self.bin_start):
            self.seen.append(hop)


def polls_carry(polls: object, start: Instant) -> bool:
    batches = [batch for poll in polls for batch in poll.batches] if isinstance(polls, Sequence) else []
    return any(batch.width == MINUTE and start in batch.starts for batch in batches)


def came(grid: Grid) -> list[Instant]:
    """The starts of the bins that a stream's grid holds."""
    numbers = range(grid.low, grid.high)
    return [grid.start(number) for number in numbers if grid.came(number, number + 1).all()]


Carries = Callable[[Mapping[str, Any], object, Instant], bool]
CARRIES: Mapping[int, Carries] = {
    1: lambda given, _, start: ("start", rfc3339(start).rstrip("Z")) in given["request"].query,
    2: lambda given, _, start: given["window"].start == start,
    3: lambda _, result, start: isinstance(result, list) and polls_carry(result, start),
    4: lambda given, _, start: given["batch"].width == MINUTE and start in given["batch"].starts,
    5: lambda given, _, start: (
        given["self"].rule.id == "http_5xx_spike"
        and any(start in came(lane.grid) for lane in given["self"].lanes.values())
    ),
    6: lambda given, _, start: polls_carry(given["tick"].polls, start),
    7: lambda given, _, start: any(incident.opened_at == start for incident in given["plan"].incidents),
}
"""How a hop's call is known to carry the sample of a bin."""


@contextmanager
def tracing(tracer: Tracer) -> Iterator[None]:
    threading.setprofile(tracer)
    sys.setprofile(tracer)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


@pytest.mark.timeout(120)
async def test_a_sample_passes_the_seven_hops_in_the_order_the_architecture_names(tmp_path: Path) -> None:
    rows = ROW.findall((ROOT / "ARCHITECTURE.md").read_text())
    hops = {function: (file, int(number)) for number, file, function in rows}
    assert [hop for _, hop in hops.values()] == [1, 2, 3, 4, 5, 6, 7]

    async with town(tmp_path) as place, catching() as catchers:
        tracer = Tracer(hops, bin_start=place.simulation.scene.anchor - 50 * MINUTE)
        stop = anyio.Event()

        def listen(_tick: Tick, _committed: Sequence[Committed]) -> None:
            if 7 in tracer.seen:
                stop.set()

        config = load(place.configure("traced", catchers, limit=50))
        with tracing(tracer), anyio.fail_after(100):
            await daemon.run(config, stop=stop, listen=listen)

    assert list(dict.fromkeys(tracer.seen)) == [1, 2, 3, 4, 5, 6, 7]
