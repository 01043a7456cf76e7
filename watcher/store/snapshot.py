"""Where the engine stands, as bytes: MessagePack, compressed; every instant comes back exactly."""

from collections.abc import Sequence
from typing import Final

import msgspec
import zstandard

from watcher.model.snapshot import TrackState

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[TrackState, ...]).decode


def encode(states: Sequence[TrackState]) -> bytes:
    """The states as one compressed blob."""
    return zstandard.ZstdCompressor().compress(_encode(states))


def decode(payload: bytes) -> tuple[TrackState, ...]:
    """The states that `encode` was given."""
    return _decode(zstandard.ZstdDecompressor().decompress(payload))
