"""What a measurement is held against, and how a part of `make bench` hands its figures to the summary."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

FILE: Final = "WATCHER_BENCH_GOALS"
"""Names the file that goals are added to, one JSON object a line; unset, they are only printed."""
QUICK: Final = bool(os.environ.get("WATCHER_BENCH_QUICK"))
"""Small sizes, for work on the benchmarks themselves: what is printed then is no result."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal of the issue, and what was reached."""

    mark: str
    what: str
    goal: float
    reached: float | None
    """None: it could not be measured."""
    unit: str
    at_least: bool = False
    """Whether more is better."""
    why: str = ""
    """Why it could not be measured."""

    @property
    def is_reached(self) -> bool:
        """Whether the measurement is as good as the goal."""
        if self.reached is None:
            return False
        return self.reached >= self.goal if self.at_least else self.reached <= self.goal

    @property
    def ratio(self) -> float:
        """How many times better than asked; below 1 it is not reached."""
        if not self.reached:
            return 0.0
        return self.reached / self.goal if self.at_least else self.goal / self.reached

    def __str__(self) -> str:
        side = ">=" if self.at_least else "<="
        asked = f"({self.mark}) {self.what:<62} goal {side} {self.goal:g} {self.unit}"
        if self.reached is None:
            return f"{asked}: NOT MEASURED, {self.why}"
        verdict = "reached" if self.is_reached else "NOT REACHED"
        return f"{asked}: {self.reached:.3g} {self.unit}, {self.ratio:.2f} times, {verdict}"


def tell(*goals: Goal) -> None:
    """Print them, and hand them to the summary where there is one."""
    for goal in goals:
        print(goal, flush=True)
    if path := os.environ.get(FILE):
        with Path(path).open("a") as file:
            file.writelines(json.dumps(asdict(goal)) + "\n" for goal in goals)


def told(path: Path) -> Sequence[Goal]:
    """The goals that parts have handed in, in their order."""
    return [Goal(**json.loads(line)) for line in path.read_text().splitlines()]


def spread(seconds: Sequence[float]) -> str:
    """Milliseconds: median, least and most."""
    ordered = sorted(seconds)
    return f"{ordered[len(ordered) // 2] * 1e3:.1f} [{ordered[0] * 1e3:.1f}..{ordered[-1] * 1e3:.1f}]"
