"""Columns of numbers as bytes: decimals as integers, what changes from row to row, shuffled by byte, zstd.

Exact for every double. A column whose values have at most six decimals becomes integers; any other one keeps
its bits. Of integers either the step from row to row is written or the distance from the least one, whichever
is smaller; then bytes of equal weight stand side by side, which are alike and so compress well.
"""

import struct
from typing import Any, Final, NamedTuple

import numpy as np
import zstandard
from numpy.typing import NDArray

from watcher.model.sample import Floats

LEVEL: Final = 3
_DECIMALS: Final = 6
_EXACT: Final = 2.0**52
"""Integers below this are doubles, and so are their halves."""
_RAW: Final = 255
"""Instead of a number of decimals: the column keeps its bits."""
_HEAD: Final = struct.Struct("<IIBB")
_COLUMN: Final = np.dtype([("decimals", "u1"), ("steps", "u1"), ("base", "<i8")])

_Integers = NDArray[np.int64]
_Bytes = NDArray[np.uint8]


class _Layout(NamedTuple):
    """What stands where in an unpacked payload."""

    rows: int
    columns: NDArray[np.void]
    gaps: NDArray[np.bool_] | None
    """`[columns, rows]`: where nothing was said."""
    integers: _Bytes
    """`[bytes, columns, rows]`"""
    raw: _Bytes
    """`[8, raw columns, rows]`"""


def encode(values: Floats) -> bytes:
    """The columns of `[rows, columns]`, column by column, as one compressed blob."""
    columns = np.ascontiguousarray(values.T, np.float64)
    gaps = np.isnan(columns)
    filled = _filled(columns, gaps) if gaps.any() else columns
    about = np.zeros(len(columns), _COLUMN)
    about["decimals"], integers = _decimals(filled)
    raw = about["decimals"] == _RAW
    about["steps"], about["base"], small = _reduced(integers)
    planes = _split(small)
    parts = (
        _HEAD.pack(columns.shape[1], len(columns), len(planes), int(gaps.any())),
        about.tobytes(),
        np.packbits(gaps, axis=None).tobytes() if gaps.any() else b"",
        planes.tobytes(),
        _shuffled(columns[raw]).tobytes(),
    )
    return compressed(b"".join(parts))


def decode(payload: bytes) -> Floats:
    """All the columns that `encode` was given, as `[columns, rows]`."""
    return _restored(_unpacked(payload))


def compressed(content: bytes) -> bytes:
    """As zstd writes it, with a checksum: what is damaged is refused, and not read as other numbers."""
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(content)


def pack(numbers: NDArray[np.integer[Any]]) -> bytes:
    """Whole numbers as their steps, shuffled: to be compressed with what stands beside them."""
    steps = np.diff(numbers.astype("<i8"), prepend=np.int64(0))
    return steps.view(np.uint8).reshape(-1, 8).T.tobytes()


def unpack(content: bytes) -> _Integers:
    """The numbers that `pack` was given."""
    steps = np.ascontiguousarray(np.frombuffer(content, np.uint8).reshape(8, -1).T)
    numbers: _Integers = np.cumsum(steps.view("<i8").ravel())
    return numbers


def _filled(columns: Floats, gaps: NDArray[np.bool_]) -> Floats:
    """Gaps take the value before them, else 0: a step of nothing."""
    last = np.maximum.accumulate(np.where(gaps, 0, np.arange(columns.shape[1])), axis=1)
    filled = np.take_along_axis(columns, last, axis=1)
    return np.where(np.isnan(filled), 0.0, filled)


def _decimals(columns: Floats) -> tuple[_Bytes, _Integers]:
    """How many decimals each column has, and its values as integers; zeros where it keeps its bits."""
    found = np.full(len(columns), _RAW, np.uint8)
    integers = np.zeros(columns.shape, np.int64)
    small = (np.abs(columns) < _EXACT).all(axis=1) & ~(np.signbit(columns) & (columns == 0)).any(axis=1)
    left = np.flatnonzero(small)
    for decimals in range(_DECIMALS + 1):
        if not left.size:
            break
        power = 10.0**decimals
        values = columns[left]
        scaled = np.rint(values * power)
        exact = (scaled / power == values).all(axis=1) & (np.abs(scaled) < _EXACT).all(axis=1)
        found[left[exact]] = decimals
        integers[left[exact]] = scaled[exact].astype(np.int64)
        left = left[~exact]
    return found, integers


def _reduced(integers: _Integers) -> tuple[NDArray[np.bool_], _Integers, NDArray[np.uint64]]:
    """By column: whether steps are written, from what, and the small numbers."""
    if not integers.shape[1]:
        return np.zeros(len(integers), np.bool_), np.zeros(len(integers), np.int64), integers.view(np.uint64)
    least = integers.min(axis=1)
    steps = np.diff(integers, axis=1, prepend=integers[:, :1])
    spread = np.abs(integers - integers.mean(axis=1, keepdims=True)).sum(axis=1)
    by_steps = np.abs(steps).sum(axis=1) < spread
    zigzag = (steps << 1) ^ (steps >> 63)
    small = np.where(by_steps[:, None], zigzag, integers - least[:, None])
    return by_steps, np.where(by_steps, integers[:, 0], least), small.view(np.uint64)


def _split(small: NDArray[np.uint64]) -> _Bytes:
    """`[bytes, columns, rows]`: as many bytes as the largest number needs."""
    width = (int(small.max(initial=0)).bit_length() + 7) // 8
    cells = small.astype("<u8").view(np.uint8).reshape(*small.shape, 8)
    return np.ascontiguousarray(np.moveaxis(cells[..., :width], -1, 0))


def _shuffled(columns: Floats) -> _Bytes:
    cells = columns.astype("<f8").view(np.uint8).reshape(*columns.shape, 8)
    return np.ascontiguousarray(np.moveaxis(cells, -1, 0))


def _unpacked(payload: bytes) -> _Layout:
    content = memoryview(zstandard.ZstdDecompressor().decompress(payload))
    rows, count, width, has_gaps = _HEAD.unpack_from(content)
    at = _HEAD.size
    columns = np.frombuffer(content, _COLUMN, count, at)
    at += columns.nbytes
    gaps = None
    if has_gaps:
        packed = np.frombuffer(content, np.uint8, (count * rows + 7) // 8, at)
        gaps = np.unpackbits(packed, count=count * rows).reshape(count, rows).view(np.bool_)
        at += packed.nbytes
    integers = np.frombuffer(content, np.uint8, width * count * rows, at).reshape(width, count, rows)
    raw = np.frombuffer(content, np.uint8, -1, at + integers.nbytes)
    return _Layout(rows, columns, gaps, integers, raw.reshape(8, -1, rows) if rows else raw.reshape(8, 0, 0))


def _restored(layout: _Layout) -> Floats:
    columns = layout.columns
    numbers = _joined(layout.integers, columns, layout.rows)
    steps = columns["steps"].astype(np.bool_)
    if steps.any():
        zigzag = numbers if steps.all() else numbers[steps]
        restored = np.cumsum((zigzag >> 1) ^ -(zigzag & 1), axis=1)
        if steps.all():
            numbers = restored
        else:
            numbers[steps] = restored
    numbers += columns["base"][:, None]
    found = numbers.astype(np.float64)
    scaled = (columns["decimals"] > 0) & (columns["decimals"] != _RAW)
    if scaled.any():
        found[scaled] /= np.power(10.0, columns["decimals"][scaled])[:, None]
    raw = columns["decimals"] == _RAW
    if raw.any():
        bits = np.ascontiguousarray(np.moveaxis(layout.raw, 0, -1))
        found[raw] = bits.view("<f8")[..., 0]
    if layout.gaps is not None:
        found[layout.gaps] = np.nan
    return found


def _joined(planes: _Bytes, columns: NDArray[np.void], rows: int) -> _Integers:
    """The small numbers, of which `planes` hold as many bytes as the largest one needs."""
    if len(planes) == 1:
        least: _Bytes = planes[0]
        return least.astype(np.int64)
    numbers = np.zeros((len(columns), rows), "<i8")
    cells = numbers.view(np.uint8).reshape(len(columns), rows, 8)
    for at, plane in enumerate(planes):
        cells[..., at] = plane
    found: _Integers = numbers.astype(np.int64, copy=False)
    return found
