"""Where the engine stands, as bytes and back."""

import msgspec
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.labels import label_set
from watcher.model.snapshot import RowState, TrackState
from watcher.store.snapshot import decode, encode

INT64 = st.integers(-(2**63), 2**63 - 1)
NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
ROWS = st.builds(
    RowState,
    labels=st.dictionaries(NAMES, NAMES, max_size=3).map(label_set),
    state=st.integers(0, 3),
    opened=INT64,
    held=INT64,
    breached_until=INT64,
    clear_from=INT64,
    quiet=INT64,
    known_at=INT64,
    judged_at=INT64,
    noted=st.booleans(),
    lanes=st.lists(NAMES, max_size=3).map(tuple),
)
TRACKS = st.builds(
    TrackState,
    rule=NAMES,
    source=NAMES,
    streams=st.lists(NAMES, max_size=3).map(tuple),
    frozen_at=INT64,
    rows=st.lists(ROWS, max_size=4).map(tuple),
)


@given(st.lists(TRACKS, max_size=4))
def test_every_state_comes_back_exactly(states: list[TrackState]) -> None:
    assert decode(encode(states)) == tuple(states)


def test_a_snapshot_of_before_lanes_were_named_is_read() -> None:
    times = dict.fromkeys(("opened", "held", "breached_until", "clear_from", "quiet"), 1)
    row = {"labels": [], "state": 2, **times, "known_at": 1, "judged_at": 1, "noted": False}
    state = {"rule": "r", "source": "s", "streams": ["a"], "frozen_at": 1, "rows": [row]}
    payload = zstandard.ZstdCompressor().compress(msgspec.msgpack.encode([state]))

    assert decode(payload)[0].rows[0].lanes == ()
