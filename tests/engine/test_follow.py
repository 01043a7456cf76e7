"""What `traffic_anomaly` is made of: the profile of the day, the level that follows it, the tails of days."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.engine import daily, follow, tails
from watcher.model.sample import Floats
from watcher.model.time import DAY, HOUR, MINUTE

NOON = 19_000 * DAY + 12 * HOUR
PACE = follow.Pace.of(memory=60, day=1_440, caution=0.3)


def followed(values: Floats, season: Floats | None = None, limit: float = 4.0) -> follow.State:
    """The state of one row after some bins in a row."""
    state = follow.blank(1)
    for number, value in enumerate(values):
        now = np.array([np.nan]) if season is None else season[number : number + 1]
        state = follow.step(state, np.array([value]), now, number=number, limit=np.array([limit]), pace=PACE)
    return state


def noise(bins: int, seed: int = 1) -> Floats:
    return 100 + np.random.default_rng(seed).normal(0, 5, bins)


def test_the_level_is_what_the_last_bins_were_and_the_spread_their_mean_stray() -> None:
    state = followed(noise(600))

    assert state["level"][0] == pytest.approx(100, abs=2)
    assert state["spread"][0] == pytest.approx(4, abs=1)
    assert state["bins"][0] == 600


def test_an_hour_of_outage_hardly_moves_the_level_and_two_days_do() -> None:
    hour = followed(np.concatenate([noise(600), np.zeros(60)]))
    days = followed(np.concatenate([noise(600), np.zeros(2_880)]))

    assert hour["level"][0] > 70
    assert days["level"][0] == pytest.approx(0, abs=1)


def test_the_level_moves_with_the_season_before_any_bin_shows_it() -> None:
    state = followed(noise(600), np.full(600, 50.0))

    assert follow.carried(state, np.array([52.0]))[0] == pytest.approx(104, abs=2)


def test_what_the_season_moves_up_and_down_again_never_grows() -> None:
    state = followed(noise(600), np.full(600, 50.0))
    season = np.random.default_rng(5).uniform(0, 100, 5_000)
    for now in season:
        state |= {"level": follow.carried(state, np.array([now])), "season": np.array([now])}

    assert 0 <= state["level"][0] < 1_000


def test_a_series_below_zero_moves_by_difference() -> None:
    state = followed(noise(600) - 200, np.full(600, -50.0))

    assert follow.carried(state, np.array([-40.0]))[0] == pytest.approx(-90, abs=3)


def test_a_steady_series_is_as_large_as_its_mean() -> None:
    assert follow.bulk(followed(noise(5_000)))[0] == pytest.approx(100, rel=0.01)


def test_a_series_of_nothing_but_bursts_is_as_large_as_a_burst_for_weeks() -> None:
    values = np.zeros(14 * 1_440)
    values[3_000:3_010] = 500

    state = followed(values)

    assert state["size"][0] < 1
    assert follow.bulk(state)[0] == pytest.approx(500, rel=0.01)
    assert follow.grain(state)[0] > 4


def test_one_absurd_bin_does_not_make_a_series_large() -> None:
    state = followed(np.concatenate([noise(5_000), [1e12], noise(100)]))

    assert follow.bulk(state)[0] == pytest.approx(100, rel=0.3)


def test_a_series_of_which_nothing_but_zero_came_has_no_size() -> None:
    assert follow.bulk(followed(np.zeros(50)))[0] == 0


def test_unknown_bins_teach_nothing_and_the_next_ones_come_after_a_gap() -> None:
    before = followed(noise(100))
    gap = follow.step(
        before, np.array([np.nan]), np.array([np.nan]), number=100, limit=np.array([4.0]), pace=PACE
    )
    again = follow.step(
        gap, np.array([100.0]), np.array([np.nan]), number=101, limit=np.array([4.0]), pace=PACE
    )

    assert {name: gap[name][0] for name in ("level", "spread", "bins")} == {
        name: before[name][0] for name in ("level", "spread", "bins")
    }
    assert not follow.after_gap(before, 100, 4).any()
    assert follow.after_gap(gap, 101, 4).all()
    assert follow.after_gap(again, 102, 4).all()
    assert again["since_gap"][0] == 1


@given(st.lists(st.floats(), min_size=1, max_size=80))
@settings(max_examples=60, deadline=None)
def test_no_value_breaks_the_state(values: list[float]) -> None:
    state = followed(np.array(values))

    known = any(abs(value) <= follow.LARGEST for value in values)
    assert np.isfinite(state["level"][0]) == known
    assert np.isfinite(state["size"][0]) == known


def test_rows_do_not_know_of_each_other() -> None:
    both = follow.blank(2)
    values = np.stack([noise(200), noise(200, seed=2) * 1_000], axis=1)
    for number, value in enumerate(values):
        both = follow.step(both, value, np.full(2, np.nan), number=number, limit=np.full(2, 4.0), pace=PACE)

    alone = followed(values[:, 1])
    assert {name: column[1] for name, column in both.items()} == pytest.approx(
        {name: column[0] for name, column in alone.items()}, nan_ok=True
    )


# --- the profile


def profile(days: int, width: int, bad_day: int | None = None) -> dict[str, daily.Array]:
    """Memory after some days of a value that is the hour of the day."""
    memory = {name: np.full((count, 1), np.nan, np.float32) for name, count in daily.sizes().items()}
    for start in range(NOON - 12 * HOUR, NOON - 12 * HOUR + days * DAY, width):
        bad = bad_day is not None and (start - (NOON - 12 * HOUR)) // DAY == bad_day
        daily.gather(memory, start, width, np.array([0.0 if bad else start % DAY / HOUR]))
    return memory


@pytest.mark.parametrize("width", [MINUTE, 5 * MINUTE, HOUR])
def test_the_profile_is_the_median_of_the_days_at_this_time(width: int) -> None:
    memory = profile(5, width, bad_day=3)

    assert daily.season(memory["profile"], NOON + 5 * DAY, width)[0] == pytest.approx(12, abs=0.2)


def test_the_first_day_has_no_profile() -> None:
    assert np.isnan(daily.season(profile(1, HOUR)["profile"], NOON, HOUR)).all()


# --- tails


def test_a_bad_day_is_one_of_many() -> None:
    memory = {name: np.full((count, 1), np.nan, np.float32) for name, count in tails.sizes("near").items()}
    rng = np.random.default_rng(4)
    for day in range(7):
        for _ in range(1_440):
            tails.count(memory, "near", np.abs(rng.standard_normal(1)) * (50 if day == 3 else 1))
        tails.close(memory, "near", np.array([True]), bins_a_day=1_440)

    common, worst, days = tails.limits(memory, "near")

    assert common[0] == pytest.approx(2.58, rel=0.15)  # what one of a hundred normal strays goes beyond
    assert worst[0] == pytest.approx(3.2, rel=0.2)
    assert days[0] == 7


def test_outages_on_half_of_the_days_are_no_habit() -> None:
    memory = {name: np.full((count, 1), np.nan, np.float32) for name, count in tails.sizes("near").items()}
    rng = np.random.default_rng(5)
    for day in range(14):
        strays = np.abs(rng.standard_normal(1_440))
        strays[700:710] = 40 if day % 2 else strays[700:710]
        for stray in strays:
            tails.count(memory, "near", np.array([stray]))
        tails.close(memory, "near", np.array([True]), bins_a_day=1_440)

    assert tails.limits(memory, "near")[1][0] < 5


def test_a_day_of_which_little_is_known_says_nothing() -> None:
    memory = {name: np.full((count, 1), np.nan, np.float32) for name, count in tails.sizes("near").items()}
    tails.count(memory, "near", np.array([100.0]))
    tails.close(memory, "near", np.array([True]), bins_a_day=1_440)

    assert np.isnan(tails.limits(memory, "near")[0]).all()
