"""What was there at the start is not searched for garbage."""

import gc

from watcher.runtime.settled import settled


def test_what_was_made_before_is_left_alone_and_is_searched_again_afterwards() -> None:
    before: list[list[int]] = [[]]
    with settled():
        after: list[list[int]] = [[]]
        searched = {id(one) for one in gc.get_objects()}

        assert id(before) not in searched
        assert id(after) in searched
    assert id(before) in {id(one) for one in gc.get_objects()}
