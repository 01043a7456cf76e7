"""Every recorded answer of every vendor becomes the samples that are written beside it. See `golden.py`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import LoopClock
from tests.vendors import golden
from watcher.collect.collector import Collector

FOLDERS = golden.cases(Path(__file__).parent)


@pytest.mark.parametrize("folder", FOLDERS, ids=[f"{path.parent.name}-{path.name}" for path in FOLDERS])
async def test_recorded_answers_become_the_samples_written_beside_them(
    folder: Path, build: Callable[..., Collector], clock: LoopClock
) -> None:
    await golden.check(folder, build, clock)
