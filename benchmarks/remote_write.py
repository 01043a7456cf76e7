"""Samples in the form Prometheus takes by remote write: protobuf records laid out as one array of bytes.

All series of one metric have labels of one length and all times have six bytes, so every record has the same
length and whole columns are written at once: the peer's time, not ours, decides how long loading takes.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.model.sample import Floats
from watcher.model.time import Instant

HEADERS: Final = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_SAMPLE: Final = 18
"""Bytes of a sample: field 2 of 16 bytes, in it a double (field 1) and a time (field 2) of six bytes."""
_TIME_BYTES: Final = 6


def varint(number: int) -> bytes:
    """Base 128, least significant group first."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def field(number: int, content: bytes) -> bytes:
    """A field that holds so many bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def labels(pairs: Mapping[str, str]) -> bytes:
    """The labels of one series, sorted as the protocol asks."""
    return b"".join(
        field(1, field(1, name.encode()) + field(2, value.encode())) for name, value in sorted(pairs.items())
    )


def samples(values: Floats, times: Sequence[Instant]) -> NDArray[np.uint8]:
    """`[series, bytes]` of `[times, series]` values."""
    count, series = values.shape
    records = np.zeros((series, count, _SAMPLE), np.uint8)
    records[:, :, :3] = (2 << 3 | 2, _SAMPLE - 2, 1 << 3 | 1)
    records[:, :, 3:11] = np.ascontiguousarray(values.T, "<f8").view(np.uint8).reshape(series, count, 8)
    records[:, :, 11] = 2 << 3
    spelt = [varint(time) for time in times]
    assert all(len(one) == _TIME_BYTES for one in spelt), "times are milliseconds of this age"
    records[:, :, 12:] = np.frombuffer(b"".join(spelt), np.uint8).reshape(1, count, _TIME_BYTES)
    return records.reshape(series, count * _SAMPLE)


def request(named: Sequence[bytes], values: Floats, times: Sequence[Instant]) -> bytes:
    """A whole write of `[times, series]` values; NaN is not sent; all labels are equally long."""
    whole = ~np.isnan(values).any(axis=0)
    written = [_records([named[at] for at in np.flatnonzero(whole).tolist()], values[:, whole], times)]
    for at in np.flatnonzero(~whole).tolist():
        known = np.flatnonzero(~np.isnan(values[:, at])).tolist()
        if known:
            written.append(_records([named[at]], values[known, at][:, None], [times[k] for k in known]))
    return snappy(b"".join(written))


def _records(named: Sequence[bytes], values: Floats, times: Sequence[Instant]) -> bytes:
    if not named:
        return b""
    heads = np.frombuffer(b"".join(named), np.uint8).reshape(len(named), -1)
    body = np.concatenate([heads, samples(values, times)], axis=1)
    prefix = np.frombuffer(b"\x0a" + varint(body.shape[1]), np.uint8)
    return np.concatenate([np.broadcast_to(prefix, (len(named), len(prefix))), body], axis=1).tobytes()


def snappy(content: bytes) -> bytes:
    """Snappy's block format with one literal: framed, not compressed."""
    return varint(len(content)) + b"\xfc" + (len(content) - 1).to_bytes(4, "little") + content
