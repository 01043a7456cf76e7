"""Many questions in the time of one reading."""

from collections import Counter

import anyio
import pytest

from watcher.collect.probing import Turns
from watcher.model.time import SECOND


@pytest.mark.looptime
async def test_who_is_silent_comes_last_and_of_the_others_the_one_asked_longest_ago() -> None:
    asked: list[int] = []

    async def question(key: int) -> int:
        asked.append(key)
        await anyio.sleep(5 if key < 3 else 0.1)
        return key

    turns = Turns[int](at_once=2)
    for _ in range(3):
        until = anyio.current_time() + 60
        answers = await turns.ask(range(5), question, until=until, longest=lambda _: 10 * SECOND)
        assert answers == {number: number for number in range(5)}

    assert asked == [0, 1, 2, 3, 4, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2]


@pytest.mark.looptime
async def test_where_there_are_too_many_for_one_reading_each_has_its_turn() -> None:
    """And none is begun that might be cut off: it would be as if it had not answered."""
    times = Counter[int]()

    async def question(key: int) -> int:
        await anyio.sleep(3)
        times[key] += 1
        return key

    turns = Turns[int](at_once=10)
    for _ in range(5):
        until = anyio.current_time() + 20
        answers = await turns.ask(range(300), question, until=until, longest=lambda _: 5 * SECOND)
        assert len(answers) == 60

    assert set(times.values()) == {1}
    assert len(times) == 300
