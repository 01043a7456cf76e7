"""What probes of endpoints share: many questions in the time of one reading, and telling what fails."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Annotated, Final, Generic, TypeAlias, TypeVar

import anyio
import structlog
from pydantic import AfterValidator

from watcher.collect.fields import problem
from watcher.collect.line import DEADLINE
from watcher.document.fields import DurationField
from watcher.model.time import SECOND, Duration

K = TypeVar("K")
R = TypeVar("R")

BUDGET: Final[Duration] = DEADLINE * 3 // 4
"""Of one reading, from its beginning: what cannot be asked by then waits for the next one."""
LONGEST: Final[Duration] = BUDGET // 2
"""One probe: so that it may take that long after names were looked up, and others have a turn before it."""
LOOKING_UP: Final = 3
"""A third of the time of one reading is for names, at most."""
AT_ONCE: Final = 64
SLOW: Final[Duration] = SECOND
"""Who took longer than this for an answer, or had none by then, comes behind the others the next time."""
_GRACE: Final[Duration] = SECOND
"""For questions that end in time, but whose answer waits for its turn on this machine."""
_NAMED: Final = 5
"""Targets that words about many name."""


class Turns(Generic[K]):
    """Many questions in the time of one reading.

    First come those that were quick the last time, and among these the one asked longest ago. So the silent
    take no time from others, and where there are too many for one reading, each has its turn.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        """Nobody has been asked."""
        self._at_once = at_once
        self._last: dict[K, tuple[bool, float]] = {}
        """Whether it was slow, and when it was asked."""

    async def ask(
        self,
        keys: Collection[K],
        question: Callable[[K], Awaitable[R]],
        *,
        until: float,
        longest: Callable[[K], Duration],
    ) -> dict[K, R]:
        """Answers by key. `longest` is what a question may take; `until` is a time of the event loop.

        None is begun that might not end by then, so that none is cut off: whoever is not asked is left out.
        """
        wanted = set(keys)
        self._last = {key: last for key, last in self._last.items() if key in wanted}
        answers: dict[K, R] = {}
        gate = anyio.Semaphore(self._at_once)

        async def ask_one(key: K) -> None:
            async with gate:
                began = anyio.current_time()
                if began + longest(key) / SECOND > until:
                    return
                self._last[key] = (True, began)
                answers[key] = await question(key)
                self._last[key] = (anyio.current_time() - began > SLOW / SECOND, began)

        with anyio.CancelScope(deadline=until + _GRACE / SECOND):
            async with anyio.create_task_group() as group:
                for key in sorted(keys, key=lambda key: self._last.get(key, (False, 0.0))):
                    group.start_soon(ask_one, key)
        return answers


class Faults:
    """What is wrong with which targets, in words; logged when it begins and when it ends."""

    def __init__(self, source: str) -> None:
        """Nothing is wrong yet."""
        self._log = structlog.get_logger().bind(source=source)
        self._told: Mapping[str, str] = {}

    def tell(self, faults: Mapping[str, str]) -> None:
        """Log what is new of these, by what it is called, and what is over."""
        before, self._told = self._told, dict(faults)
        for called in sorted(faults.keys() - before.keys()):
            self._log.warning("probe_failed", target=called, why=faults[called])
        for called in sorted(before.keys() - faults.keys()):
            self._log.info("probe_recovered", target=called)


def some(faults: Mapping[str, str]) -> str:
    """The first few of what is wrong, in words."""
    return "; ".join(f"{called}: {why}" for called, why in list(faults.items())[:_NAMED])


def _timeout(timeout: Duration) -> Duration:
    if not SECOND <= timeout <= LONGEST:
        raise problem("out of bounds", f"write 1s to {LONGEST // SECOND}s")
    return timeout


ProbeTimeout: TypeAlias = Annotated[DurationField, AfterValidator(_timeout)]
"""What one probe may take."""
