"""`make bench`: every part in a process of its own, then one table of goals.

It fails where a part breaks off, the peer is missing or fires otherwise. A goal that is not reached is told.
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.goals import FILE, QUICK, Goal, told

PARTS: Final = (
    "peer",
    "ticks",
    "ingest",
    "memory",
    "history",
    "restart",
    "backtest",
    "scaling",
    "proofs",
    "collect",
    "hand",
    "storm",
)

LONGEST: Final = 400
"""Seconds one part may take."""


def machine() -> str:
    """What the figures were taken on, and how busy it is."""
    model = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ""
    )
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} cores ({model.partition(':')[2].strip()}), load average {load}; "
        f"Python {platform.python_version()}, NumPy {np.__version__}"
        + (", QUICK: no results" if QUICK else "")
    )


def run(part: str, goals: Path) -> int:
    """One part; its exit code, 124 where it took too long."""
    print(f"\n=== {part}", flush=True)
    began = time.monotonic()
    command, environment = [sys.executable, "-m", f"benchmarks.{part}"], os.environ | {FILE: str(goals)}
    try:
        done = subprocess.run(command, env=environment, timeout=LONGEST, check=False)  # noqa: S603 - ourselves
        code = done.returncode
    except subprocess.TimeoutExpired:
        code = 124
    print(f"    {part}: {time.monotonic() - began:.0f} s{f', exit code {code}' if code else ''}", flush=True)
    return code


def summary(goals: Sequence[Goal]) -> None:
    """What was reached and what was not."""
    print("\n=== goals")
    for goal in sorted(goals, key=lambda goal: goal.mark):
        print(goal)
    print(f"{sum(goal.is_reached for goal in goals)} of {len(goals)} reached")


def main(parts: Sequence[str]) -> int:
    """Run them all, whatever becomes of each."""
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        goals = Path(folder) / "goals.jsonl"
        goals.touch()
        codes = {part: run(part, goals) for part in parts}
        summary(told(goals))
    print(machine())
    broken = [part for part, code in codes.items() if code]
    if broken:
        print(f"failed: {', '.join(broken)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or PARTS))
