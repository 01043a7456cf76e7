"""How many messages a target takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.notify.doubles import T
from watcher.model.time import HOUR, MINUTE, SECOND
from watcher.notify.rate import UNLIMITED, Bucket, Rate, parse_rate


def test_a_rate_is_read_and_written_alike() -> None:
    assert parse_rate("10/1m") == Rate(10, MINUTE)
    assert str(parse_rate("100/1h")) == "100/1h"
    assert parse_rate("none") == UNLIMITED
    assert str(UNLIMITED) == "none"


@pytest.mark.parametrize("text", ["", "10", "0/1m", "10/0s", "10/x", "-1/1m", "1.5/1m", "10/1m/1h"])
def test_anything_else_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="write 10/1m for ten messages in a minute, or none"):
        parse_rate(text)


def test_a_bucket_is_full_at_first_and_refills_evenly() -> None:
    bucket = Bucket(Rate(2, MINUTE))
    bucket.take(T)
    bucket.take(T)

    assert bucket.room(T) == 0
    assert bucket.next_at(T) == T + 30 * SECOND
    assert bucket.room(T + 30 * SECOND) == 1
    assert bucket.room(T + HOUR) == 2


def test_a_debt_is_paid_before_there_is_room() -> None:
    bucket = Bucket(Rate(1, MINUTE))
    for _ in range(3):
        bucket.take(T)

    assert bucket.room(T + MINUTE) == 0
    assert bucket.next_at(T + MINUTE) == T + 3 * MINUTE


def test_time_that_goes_back_adds_no_room() -> None:
    bucket = Bucket(Rate(1, MINUTE))
    bucket.take(T)

    assert bucket.room(T - HOUR) == 0
    assert bucket.room(T - HOUR + MINUTE) == 1


def test_without_a_limit_there_is_always_room() -> None:
    assert Bucket(UNLIMITED).room(T) is None


@given(st.integers(1, 20), st.integers(1, 120), st.lists(st.integers(0, 90), max_size=60))
def test_whoever_keeps_to_the_room_sends_no_more_than_the_rate_in_any_window(
    count: int, seconds: int, steps: list[int]
) -> None:
    bucket, now, sent = Bucket(Rate(count, seconds * SECOND)), T, []
    for step in steps:
        now += step * SECOND
        while bucket.room(now):
            bucket.take(now)
            sent.append(now)

    for first in sent:
        window = [at for at in sent if first <= at < first + seconds * SECOND]
        assert len(window) <= 2 * count  # a full bucket, and what flows in meanwhile
