"""The design's table "Unknown", a row a test: silence is neither health nor trouble."""

from collections.abc import Callable

from tests.engine.conftest import World
from tests.engine.estates import Estate, above, book, minute
from tests.engine.listings import Listings
from watcher.model.incident import Change, Resolution
from watcher.model.rule import NofM
from watcher.model.time import DAY, HOUR, MINUTE

NAN = float("nan")


def shop(*values: float, **options: object) -> Estate:
    """A resource with these values, minute by minute."""
    world = Estate({"shop": {}}, above(**options))  # type: ignore[arg-type]
    world.run(range(len(values)), lambda at: {"shop": values[at]})
    return world


def state(world: Estate) -> str:
    track = world.engine.tracks("high", "cdn")[0]
    return ("folded", "inactive", "pending", "firing", "recovering")[track.course.state(0) + 1]


def test_a_missing_bin_is_unknown() -> None:
    world = Estate({"shop": {}})
    for at in (0, 1, 5, 6):
        world.feed(world.batch(at, {"shop": 9}))

    assert [row.resolved_at for row in book(world.transitions)] == [None]


def test_a_withdrawn_bin_is_unknown_and_leaves_what_the_others_say() -> None:
    world = shop(9, 9, 0)
    world.feed(world.batch(2, {"shop": NAN}))

    assert [row.resolved_at for row in book(world.transitions)] == [None]


def test_zero_is_zero_where_the_vendor_answered() -> None:
    assert [row.resolved_at for row in book(shop(9, 9, 0).transitions)] == [minute(2)]


def test_unknown_pauses_for() -> None:
    assert state(shop(9, NAN, hold=2 * MINUTE)) == "pending"
    assert state(shop(9, NAN, 9, hold=2 * MINUTE)) == "firing"


def test_unknown_pauses_keep_firing_for() -> None:
    assert state(shop(9, 0, NAN, NAN, NAN, keep=2 * MINUTE)) == "recovering"
    assert state(shop(9, 0, NAN, NAN, NAN, 0, keep=2 * MINUTE)) == "inactive"


def test_unknown_takes_no_slot_of_n_of_m() -> None:
    assert state(shop(9, NAN, NAN, NAN, 9, needs=NofM(2, 2))) == "firing"


def test_pending_and_unknown_for_more_than_three_bins_is_inactive() -> None:
    assert state(shop(9, NAN, NAN, NAN, hold=2 * MINUTE)) == "pending"
    assert state(shop(9, NAN, NAN, NAN, NAN, hold=2 * MINUTE)) == "inactive"


def test_pending_and_unknown_for_more_than_for_is_inactive() -> None:
    blind = [NAN] * 6

    assert state(shop(9, *blind[:5], hold=5 * MINUTE)) == "pending"
    assert state(shop(9, *blind, hold=5 * MINUTE)) == "inactive"


def test_firing_and_unknown_stays_firing() -> None:
    assert state(shop(9, *[NAN] * 300)) == "firing"


def test_firing_and_unknown_is_noted_after_a_day_and_closed_after_a_week() -> None:
    world = shop(9)
    for hour in range(1, 24 * 8):
        world.feed(world.batch(60 * hour, {"shop": NAN}))

    assert [one.change for one in world.transitions] == [Change.OPENED, Change.UNJUDGED, Change.RESOLVED]
    noted, closed = world.transitions[1:]
    assert DAY < noted.decided_at - minute(1) <= DAY + HOUR
    assert 7 * DAY < closed.decided_at - minute(1) <= 7 * DAY + HOUR
    assert (closed.resolution, closed.resolved_at) == (Resolution.UNJUDGED, minute(1))


def test_known_zero_traffic_leaves_a_ratio_unknown(world: Callable[..., World]) -> None:
    cdn = world("spike")
    cdn.run(range(60), (4000, 8))
    cdn.run(range(60, 70), (4000, 496))
    cdn.run(range(70, 100), (0, 0))

    assert cdn.state() == "firing"


def test_known_zero_traffic_is_a_reading_of_what_asks_for_presence(world: Callable[..., World]) -> None:
    """The vendor answers, and says zero: to a limit, and to `absence`, that is an answer."""
    cdn = world()
    cdn.run(range(2), (100, 9))
    cdn.run(range(2, 3), (0, 0))

    assert cdn.state() == "inactive"


def test_a_complete_listing_without_a_former_member_is_gone_not_unknown() -> None:
    cdn = Listings()
    cdn.feed(cdn.listing(0, {"shop": "offline", "video": "online"}))
    (gone,) = cdn.feed(cdn.listing(5, {"video": "online"}))

    assert gone.resolution is Resolution.GONE
