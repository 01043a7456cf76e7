"""What Prometheus is loaded with is what remote write says it is, read back by the letter of the formats."""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.remote_write import labels, request, snappy, varint

NOON = 1_795_305_600_000


def number(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (content[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if content[at - 1] < 0x80:
            return value, at


def fields(content: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(content):
        key, at = number(content, at)
        if key & 7 == 0:
            value, at = number(content, at)
            yield key >> 3, value
        else:
            size, at = (8, at) if key & 7 == 1 else number(content, at)
            yield key >> 3, content[at : at + size]
            at += size


def unpacked(content: bytes) -> bytes:
    size, at = number(content, 0)
    assert content[at] == 0xFC
    assert int.from_bytes(content[at + 1 : at + 5], "little") == size - 1

    return content[at + 5 :]


def read(content: bytes) -> dict[tuple[tuple[str, str], ...], list[tuple[int, float]]]:
    found = {}
    for _, series in fields(unpacked(content)):
        names, samples = [], []
        for kind, part in fields(series):
            one = dict(fields(part))
            if kind == 1:
                names.append((one[1].decode(), one[2].decode()))
            else:
                samples.append((one[2], struct.unpack("<d", one[1])[0]))
        found[tuple(names)] = samples
    return found


def test_a_write_holds_every_known_value_at_its_time_under_sorted_labels() -> None:
    named = [labels({"resource": name, "__name__": "cdn_bytes"}) for name in ("a", "b")]
    values = np.array([[1.0, 2.5], [np.nan, 4.0]])

    read_back = read(request(named, values, [NOON, NOON + 60_000]))

    assert read_back == {
        (("__name__", "cdn_bytes"), ("resource", "b")): [(NOON, 2.5), (NOON + 60_000, 4.0)],
        (("__name__", "cdn_bytes"), ("resource", "a")): [(NOON, 1.0)],
    }


def test_a_long_text_is_one_literal() -> None:
    text = bytes(range(256)) * 1_000

    assert unpacked(snappy(text)) == text


def test_numbers_are_written_in_base_128() -> None:
    assert varint(300) == b"\xac\x02"
