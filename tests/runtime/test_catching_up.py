"""When a source counts as caught up."""

from watcher.model.sample import Sight
from watcher.runtime.catching_up import CatchingUp


def sight(stream: str, *, caught_up: bool, source: str = "cdn") -> Sight:
    return Sight(source, "test", stream, 0, up=True, caught_up=caught_up)


def test_a_source_nobody_has_seen_counts_as_catching_up() -> None:
    assert "cdn" in CatchingUp()


def test_a_source_has_caught_up_when_every_stream_has() -> None:
    catching_up = CatchingUp()
    assert catching_up.see([sight("a", caught_up=True), sight("b", caught_up=False)]) == ()
    assert "cdn" in catching_up
    assert catching_up.see([sight("b", caught_up=True)]) == ("cdn",)
    assert "cdn" not in catching_up


def test_it_is_said_once_and_again_after_falling_behind() -> None:
    catching_up = CatchingUp()
    assert catching_up.see([sight("a", caught_up=True)]) == ("cdn",)
    assert catching_up.see([sight("a", caught_up=True)]) == ()
    assert catching_up.see([sight("a", caught_up=False)]) == ()
    assert catching_up.see([sight("a", caught_up=True)]) == ("cdn",)


def test_one_source_does_not_wait_for_another() -> None:
    catching_up = CatchingUp()
    sights = [sight("a", caught_up=True), sight("a", caught_up=False, source="edge")]

    assert catching_up.see(sights) == ("cdn",)
    assert "edge" in catching_up
