"""Ids of incidents."""

from hypothesis import given
from hypothesis import strategies as st

from watcher.store.identity import time_ordered

MOMENTS = st.integers(0, 2**48 - 1)


@given(MOMENTS, MOMENTS)
def test_ids_sort_as_their_times_do(one: int, other: int) -> None:
    new_id = time_ordered(lambda _bits: 0)

    assert (new_id(one) < new_id(other)) == (one < other)


@given(MOMENTS)
def test_an_id_is_26_characters_that_nobody_misreads(at: int) -> None:
    new_id = time_ordered()(at)

    assert len(new_id) == 26
    assert set(new_id) <= set("0123456789abcdefghjkmnpqrstvwxyz")


def test_ids_of_one_moment_differ() -> None:
    new_id = time_ordered()

    assert len({new_id(0) for _ in range(1_000)}) == 1_000


def test_the_time_in_an_id_is_that_of_a_ulid() -> None:
    """The example of the ULID specification."""
    assert time_ordered(lambda _bits: 0)(1_469_918_176_385)[:10] == "01aryz6s41"
