"""Batches as bytes: the round trip is exact."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.store.building import batch
from watcher.model.labels import label_set
from watcher.model.sample import Exemplar, SampleBatch
from watcher.store import codec

WORDS = st.text(max_size=12)
LABELS = st.dictionaries(WORDS, WORDS, max_size=3).map(label_set)
INSTANTS = st.integers(-(2**62), 2**62)
SIZES = st.integers(0, 4)


@st.composite
def batches(draw: st.DrawFn) -> SampleBatch:
    bins, metrics, entities = draw(SIZES), draw(SIZES), draw(SIZES)
    # Any bits are a float: every NaN there is, infinities and the negative zero among them.
    bits = draw(arrays(np.uint64, (bins, metrics, entities)))
    return SampleBatch(
        source=draw(WORDS),
        vendor=draw(WORDS),
        stream=draw(WORDS),
        width=draw(st.integers(0, 10**9)),
        fetched_at=draw(INSTANTS),
        settled_until=draw(INSTANTS),
        entities=tuple(draw(LABELS) for _ in range(entities)),
        metrics=tuple((draw(WORDS), draw(LABELS)) for _ in range(metrics)),
        starts=draw(arrays(np.int64, bins)),
        values=bits.view(np.float64),
        names=draw(st.dictionaries(WORDS, WORDS, max_size=3)),
        exemplars=tuple(
            Exemplar(draw(SIZES), draw(INSTANTS), draw(st.dictionaries(WORDS, WORDS, max_size=2)))
            for _ in range(draw(SIZES))
        ),
    )


@settings(deadline=None, max_examples=150)
@given(batches())
def test_what_is_decoded_is_what_was_encoded(given_batch: SampleBatch) -> None:
    found = codec.decode(codec.encode(given_batch))

    names = [name for name in SampleBatch.__dataclass_fields__ if name not in {"starts", "values"}]
    assert [getattr(found, name) for name in names] == [getattr(given_batch, name) for name in names]
    assert found.starts.tolist() == given_batch.starts.tolist()
    assert found.values.dtype == np.float64
    assert found.values.shape == given_batch.values.shape
    assert found.values.tobytes() == given_batch.values.tobytes()


def test_an_array_that_is_a_view_of_another_is_written_as_it_reads() -> None:
    """Collectors transpose and slice."""
    grid = np.arange(24, dtype=np.float64).reshape(4, 3, 2).T[:, ::2, 1:3]
    entities = tuple(label_set({"resource": str(number)}) for number in range(2))
    metrics = (("a", ()), ("b", ()))
    whole = SampleBatch("s", "v", "t", 60_000, 0, 0, entities, metrics, np.array([0, 60_000]), grid)

    assert codec.decode(codec.encode(whole)).values.tolist() == grid.tolist()


def test_a_decoded_batch_may_be_written_to() -> None:
    """Arrays over the bytes of a row would not."""
    found = codec.decode(codec.encode(batch()))

    assert found.values.flags.writeable
    assert found.starts.flags.writeable
