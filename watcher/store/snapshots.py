"""Snapshots of the whole engine: written beside the samples, checked when they are read again.

A snapshot is arrays for the most part. They are laid end to end and cut into pieces, each compressed with
zstd's checksum; the head says what lies where. A large array has pieces of its own, small ones share theirs.
Pieces are decompressed where they lie: of SQLite straight from the file, as whole blobs would be given room
twice, which costs more than all the rest.
"""

import secrets
from asyncio import gather
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from sqlite3 import Blob
from typing import IO, Any, Final, cast

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, insert, literal_column, select

from watcher.errors import DumpUnusable
from watcher.model.snapshot import EngineDump, Kept
from watcher.model.time import SECOND, Duration
from watcher.store import tables
from watcher.store.database import Database

_AT_ONCE: Final = 4
"""Pieces in one transaction or query: none of them is long, however large the engine."""
_WITHIN: Final[Duration] = 30 * SECOND
"""What one such query may take: a disk that is busy is no reason to learn everything again."""
_PIECE: Final = 4 * 2**20
_LARGE: Final = 2**18
"""Bytes of an array from which on it has pieces of its own."""
_ZSTD: Final = zstandard.ZstdCompressionParameters.from_level(
    1, window_log=_PIECE.bit_length() - 1, hash_log=17, write_checksum=True
)
"""Fast, as a snapshot is written every few minutes and read once; what rows have in common lies far apart."""
_THREADS: Final = 2


class _Array(msgspec.Struct, frozen=True, array_like=True):
    """One array in the row of them."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class _Head(msgspec.Struct, frozen=True):
    """All but the bytes of arrays."""

    meta: bytes
    """JSON: what the engine made of it it reads again."""
    rules: dict[str, str]
    arrays: tuple[_Array, ...]


_meta: Final = msgspec.json.Encoder().encode
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Head).decode


class SqlSnapshots:
    """Keeps them in the database where samples are."""

    def __init__(self, beside: Database, *, format_: int) -> None:
        """`format_` is that of the engine's dumps: one of another is not read."""
        self._samples = beside
        self._format = format_

    async def keep(self, dump: EngineDump, row: int) -> Kept:
        """Write it durably; it counts once the book names it.

        Raises:
            StoreUnavailable: it was not kept.
        """
        kept = Kept(secrets.token_hex(16), row)
        head, pieces = await self._samples.apart(partial(encode, dump))
        values = {
            "token": kept.token,
            "row": row,
            "format": self._format,
            "pieces": len(pieces),
            "head": head,
        }
        # The head first: what was begun and never ended goes with the ones before.
        await self._samples.write(lambda one: one.execute(insert(tables.snapshot), values).rowcount)
        for first in range(0, len(pieces), _AT_ONCE):
            some = dict(enumerate(pieces[first : first + _AT_ONCE], first))
            await self._samples.write(partial(_write, token=kept.token, pieces=some))
        return kept

    async def prune(self, kept: Kept) -> None:
        """Drop those of earlier rows; a later one is another daemon's, or about to be named.

        Raises:
            StoreUnavailable: they are dropped another time.
        """
        await self._samples.write(partial(_prune, row=kept.row))

    async def load(self, kept: Kept) -> EngineDump | None:
        """The snapshot; None where it is not there, or this watcher's engine cannot read it.

        Raises:
            StoreUnavailable: the database does not answer.
            DumpUnusable: it is damaged.
        """
        found = await self._samples.read(partial(_head, kept=kept, format_=self._format), within=_WITHIN)
        if found is None:
            return None
        head, count = found
        try:
            filling = await self._samples.apart(partial(_Filling, head))
            runs = iter([range(first, min(first + _AT_ONCE, count)) for first in range(0, count, _AT_ONCE)])
            readers = (self._fill(filling, kept.token, runs) for _ in range(_THREADS))
            for failure in await gather(*readers, return_exceptions=True):
                if failure is not None:
                    raise failure
            return filling.dump()
        except (zstandard.ZstdError, msgspec.DecodeError, ValueError) as error:
            raise DumpUnusable(f"{self._samples.address}: the snapshot is damaged: {error}") from error

    async def _fill(self, filling: "_Filling", token: str, runs: Iterator[range]) -> None:
        """Read runs of pieces for as long as there are any; others may take of them too."""
        for numbers in runs:
            reading = partial(filling.read, token=token, numbers=numbers)
            pieces = await self._samples.read(reading, within=_WITHIN)
            if pieces:
                await self._samples.apart(partial(filling.take, pieces))


def encode(dump: EngineDump) -> tuple[bytes, Sequence[bytes]]:
    """The head, and the pieces."""
    head = _Head(
        meta=_meta(dict(dump.meta)),
        rules=dict(dump.rules),
        arrays=tuple(_Array(name, one.dtype.str, one.shape) for name, one in dump.arrays.items()),
    )
    with ThreadPoolExecutor(_THREADS) as threads:
        contiguous = map(np.ascontiguousarray, dump.arrays.values())
        pieces = list(threads.map(_compressed, map(_joined, _cut(contiguous))))
    return _compressed(_encode(head)), pieces


class _Filling:
    """The dump that `encode` was given, from pieces as they come, in whatever order."""

    def __init__(self, head: bytes) -> None:
        """Nothing has come.

        Raises:
            zstandard.ZstdError, msgspec.DecodeError, ValueError: it is not the head that was written.
        """
        self._about = _decode(_decompressed(head))
        self._arrays = {one.name: np.empty(one.shape, one.dtype) for one in self._about.arrays}
        self._places = dict(enumerate(_cut(self._arrays.values())))
        """By number: of pieces that have not come."""
        self._count = len(self._places)

    def read(self, connection: Connection, token: str, numbers: range) -> Mapping[int, bytes]:
        """Take some pieces from a file; from a server, give them back: its connections are the event loop's.

        Raises:
            zstandard.ZstdError, ValueError: see `take`.
        """
        piece = tables.snapshot_piece.c
        wanted = (piece.token == token) & piece.number.in_(numbers)
        if connection.dialect.name != "sqlite":
            query = select(piece.number, piece.payload).where(wanted)
            return {row.number: row.payload for row in connection.execute(query)}
        raw: Any = connection.connection.dbapi_connection
        query = select(piece.number, literal_column("rowid").label("row")).where(wanted)
        for one in connection.execute(query).all():
            with raw.blobopen("snapshot_piece", "payload", one.row, readonly=True) as payload:
                self.take({one.number: payload})
        return {}

    def take(self, pieces: Mapping[int, bytes | Blob]) -> None:
        """Decompress pieces into their places.

        Raises:
            zstandard.ZstdError, ValueError: the bytes are not those that were written.
        """
        for number, piece in pieces.items():
            if number not in self._places:
                raise ValueError(f"there is no piece {number}")
            _fill(self._places[number], piece)
            del self._places[number]

    def dump(self) -> EngineDump:
        """All of it; its arrays are their owner's to write.

        Raises:
            ValueError: not all has come.
        """
        if self._places:
            raise ValueError(f"{self._count - len(self._places)} pieces, not {self._count}")
        return EngineDump(msgspec.json.decode(self._about.meta), self._arrays, self._about.rules)


def _fill(place: Sequence[memoryview], piece: bytes | Blob) -> None:
    """Decompress a piece into where it lies.

    Raises:
        ValueError: it is of another size.
    """
    content = zstandard.ZstdDecompressor().stream_reader(cast("IO[bytes] | bytes", piece))
    read = sum(_read_into(content, some) for some in place)
    if read != sum(map(len, place)) or content.read(1):
        raise ValueError("a piece is of another size than what it holds")


def _read_into(content: zstandard.ZstdDecompressionReader, place: memoryview) -> int:
    at = 0
    while at < len(place) and (count := content.readinto(place[at:])):
        at += count
    return at


def _cut(arrays: Iterable[NDArray[Any]]) -> Iterator[Sequence[memoryview]]:
    """The bytes of arrays end to end, by pieces: a large one has its own, small ones share some."""
    held: list[memoryview] = []
    size = 0
    for array in arrays:
        content = array.reshape(-1).view(np.uint8).data
        if len(content) >= _LARGE:
            yield from ([content[at : at + _PIECE]] for at in range(0, len(content), _PIECE))
            continue
        if size + len(content) > _PIECE:
            yield held
            held, size = [], 0
        held.append(content)
        size += len(content)
    if size:
        yield held


def _joined(content: Sequence[memoryview]) -> bytes | memoryview:
    return content[0] if len(content) == 1 else b"".join(content)


def _compressed(content: bytes | memoryview) -> bytes:
    return zstandard.ZstdCompressor(compression_params=_ZSTD).compress(content)


def _decompressed(content: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(content)


def _write(connection: Connection, token: str, pieces: Mapping[int, bytes]) -> None:
    rows = [{"token": token, "number": number, "payload": piece} for number, piece in pieces.items()]
    connection.execute(insert(tables.snapshot_piece), rows)


def _head(connection: Connection, kept: Kept, format_: int) -> tuple[bytes, int] | None:
    snapshot = tables.snapshot.c
    query = select(snapshot.head, snapshot.pieces).where(
        snapshot.token == kept.token, snapshot.row == kept.row, snapshot.format == format_
    )
    found = connection.execute(query).one_or_none()
    return None if found is None else (found.head, found.pieces)


def _prune(connection: Connection, row: int) -> None:
    snapshot, piece = tables.snapshot.c, tables.snapshot_piece.c
    before = select(snapshot.token).where(snapshot.row < row)
    connection.execute(delete(tables.snapshot_piece).where(piece.token.in_(before)))
    connection.execute(delete(tables.snapshot).where(snapshot.row < row))
