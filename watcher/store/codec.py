"""A batch as bytes: a MessagePack header and its arrays, shuffled by byte and compressed.

The round trip is exact, to the bit of every NaN. Shuffling puts the bytes of equal weight side by side, which
are alike in counts and so compress well.
"""

import struct
from typing import Final

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from watcher.model.labels import LabelSet
from watcher.model.sample import Exemplar, Floats, MetricKey, SampleBatch

_LEVEL: Final = 1
"""zstd: level 3 saves one per cent on counts and takes a third longer."""
_LENGTH: Final = struct.Struct("<I")
_FLOAT: Final = np.dtype("<f8")
_INSTANT: Final = np.dtype("<i8")


class _Header(msgspec.Struct, frozen=True):
    """All of a batch but its arrays. Fields may be added with defaults; older rows stay readable."""

    source: str
    vendor: str
    stream: str
    width: int
    fetched_at: int
    settled_until: int
    bins: int
    entities: tuple[LabelSet, ...]
    metrics: tuple[MetricKey, ...]
    names: dict[str, str]
    exemplars: tuple[tuple[int, int, dict[str, str]], ...]
    complete: bool = False
    partial: bool = False


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Header).decode


def encode(batch: SampleBatch) -> bytes:
    """The batch as one compressed blob."""
    header = _encode(
        _Header(
            source=batch.source,
            vendor=batch.vendor,
            stream=batch.stream,
            width=batch.width,
            fetched_at=batch.fetched_at,
            settled_until=batch.settled_until,
            bins=len(batch.starts),
            entities=batch.entities,
            metrics=batch.metrics,
            names=dict(batch.names),
            exemplars=tuple((one.entity, one.at, dict(one.facts)) for one in batch.exemplars),
            complete=batch.complete,
            partial=batch.partial,
        )
    )
    starts = batch.starts.astype(_INSTANT).tobytes()
    parts = (_LENGTH.pack(len(header)), header, starts, _shuffled(batch.values))
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(b"".join(parts))


def decode(payload: bytes) -> SampleBatch:
    """The batch that `encode` was given."""
    content = memoryview(zstandard.ZstdDecompressor().decompress(payload))
    (length,) = _LENGTH.unpack_from(content)
    arrays = _LENGTH.size + length
    header = _decode(content[_LENGTH.size : arrays])
    values = arrays + header.bins * _INSTANT.itemsize
    return SampleBatch(
        source=header.source,
        vendor=header.vendor,
        stream=header.stream,
        width=header.width,
        fetched_at=header.fetched_at,
        settled_until=header.settled_until,
        entities=header.entities,
        metrics=header.metrics,
        starts=np.frombuffer(content[arrays:values], _INSTANT).astype(np.int64),
        values=_restored(content[values:], (header.bins, len(header.metrics), len(header.entities))),
        names=header.names,
        exemplars=tuple(Exemplar(*one) for one in header.exemplars),
        complete=header.complete,
        partial=header.partial,
    )


def _shuffled(values: Floats) -> bytes:
    cells = np.ascontiguousarray(values, _FLOAT).reshape(-1, 1).view(np.uint8)
    return cells.T.tobytes()


def _restored(content: memoryview, shape: tuple[int, int, int]) -> Floats:
    planes: NDArray[np.uint8] = np.frombuffer(content, np.uint8).reshape(_FLOAT.itemsize, -1)
    return np.ascontiguousarray(planes.T).view(_FLOAT).reshape(shape).astype(np.float64)
