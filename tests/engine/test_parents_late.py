"""Wider incidents when what decides of them comes late: near the restatement horizon, and across streams."""

from collections.abc import Mapping
from dataclasses import replace

from tests.engine.estates import NAN, Estate, above, book
from watcher.model.incident import Change
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE

SIX: Mapping[str, Mapping[str, str]] = {f"r{number}": {"account": "acme"} for number in range(6)}
HORIZON = 10 * MINUTE


def bad(*names: str) -> dict[str, float]:
    return dict.fromkeys(names, 9.0)


def test_what_joined_a_wider_one_that_was_over_by_the_final_numbers_is_no_part_of_it() -> None:
    """It stood before the edge; what joined it since then is decided again."""
    ordered, corrected = Estate(SIX, horizon=HORIZON), Estate(SIX, horizon=HORIZON)

    def final(at: int) -> Mapping[str, float]:
        return bad("r0", "r1", "r2", "r3") if at < 20 else bad("r4") if 22 <= at < 40 else {}

    def first(at: int) -> Mapping[str, float]:
        return {**final(at), **(bad("r0") if 20 <= at < 26 else {})}

    ordered.run(range(60), final)
    corrected.run(range(26), first)
    corrected.feed(*(corrected.batch(at, final(at)) for at in range(20, 26)))
    corrected.run(range(26, 60), final)

    assert book(corrected.transitions) == book(ordered.transitions)
    assert [row.parent for row in book(ordered.transitions) if row.key == "r4"] == [""]


def test_what_fires_by_late_bins_as_of_before_the_edge_is_explained_all_the_same() -> None:
    ordered, late = (Estate(SIX, above(hold=5 * MINUTE), horizon=HORIZON) for _ in range(2))

    def final(at: int) -> Mapping[str, float]:
        return bad("r0", "r1", "r2", "r3") if 20 <= at < 40 else {}

    ordered.run(range(70), final)
    late.run(range(22), final)
    late.run(range(22, 31), lambda _: dict.fromkeys(SIX, NAN))
    late.feed(*(late.batch(at, final(at)) for at in (*range(22, 31), 31)))
    late.run(range(32, 70), final)

    assert book(late.transitions) == book(ordered.transitions)
    assert [row.parent for row in book(ordered.transitions)] == ["", *["acme"] * 4]


def test_what_recovers_as_of_before_the_edge_was_over_for_what_came_after_it() -> None:
    """Whether it went on, and what opened meanwhile joined it, is known `keep_firing_for` later."""
    ordered, late = (Estate(SIX, above(keep=8 * MINUTE), horizon=HORIZON) for _ in range(2))

    def final(at: int) -> Mapping[str, float]:
        return bad("r0", "r1", "r2", "r3") if at < 20 or at == 27 else bad("r4") if 22 <= at < 50 else {}

    ordered.run(range(90), final)
    late.run(range(27), final)
    late.feed(late.batch(27, dict.fromkeys(SIX, NAN)))
    late.run(range(28, 37), final)
    late.feed(late.batch(27, final(27)))
    late.run(range(37, 90), final)

    assert book(late.transitions) == book(ordered.transitions)
    assert [row.parent for row in book(ordered.transitions) if row.key == "r4"] == ["acme"]


def other(cdn: Estate, at: int) -> SampleBatch:
    """A minute of another stream of the source, that is always well."""
    own = replace(cdn.batch(at, {}), stream="b")
    return replace(own, entities=((("account", "zoo"), ("resource", "z")),), values=own.values[:, :, :1])


def test_who_was_judged_is_not_forgotten_while_another_stream_is_behind() -> None:
    """Three of seven are not the account, also when its edge has gone on and the other stream's has not."""
    seven = {f"r{number}": {"account": "acme"} for number in range(7)}
    quiet = dict.fromkeys([f"r{number}" for number in range(3, 7)], NAN)
    cdn = Estate(seven, horizon=HORIZON)
    for at in range(60):
        failing = bad("r0", "r1", "r2") if 20 <= at < 40 else {}
        cdn.feed(cdn.batch(at, {**failing, **(quiet if at > 11 else {})}), other(cdn, max(0, at - 5)))

    assert {row.parent for row in book(cdn.transitions)} == {""}
    assert {one.change for one in cdn.transitions} == {Change.OPENED, Change.RESOLVED}
