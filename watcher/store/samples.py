"""The history of samples: chunks of streams, written once, in a file beside SQLite or in Postgres."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
import zstandard
from sqlalchemy import Connection, Row, func, insert, select, text, update

from watcher.model.labels import label_set
from watcher.model.sample import MetricKey
from watcher.model.time import Instant
from watcher.store import planes, tables
from watcher.store.address import SqliteFile, beside
from watcher.store.chunks import Chunk, Layout, Polls
from watcher.store.database import Database
from watcher.store.rows import labels_text
from watcher.store.statements import chunks as slices
from watcher.store.statements import insert_new

CELLS: Final = 16_384
"""In one block, about: a series of a month is thirty of them."""

Blocks: TypeAlias = Sequence[Sequence[bytes]]
"""By metric: the entities' columns, in parts."""


@asynccontextmanager
async def samples_of(database: Database, *, create: bool = True) -> AsyncIterator[Database]:
    """Where the samples of a database are: a file beside it, or itself.

    Both files hold the whole schema, and each uses its part. So where there is no file yet and none may be
    made, the book's own tables serve: they are empty.

    Raises:
        DatabaseUnusable: the file cannot be used.
    """
    if not isinstance(database.address, SqliteFile):
        yield database
        return
    file = beside(database.address)
    if not create and not file.path.exists():
        yield database
        return
    async with await Database.open(file.as_url(), clock=database.clock, create=create) as samples:
        yield samples


class _Head(msgspec.Struct, frozen=True):
    """All of a chunk but its values. Fields may be added with defaults; older chunks stay readable."""

    vendor: str
    names: dict[str, str]
    entities: bytes
    metrics: bytes
    layouts: tuple[tuple[bytes, bytes], ...]
    polls: tuple[bytes, ...]
    starts: bytes
    arrived: bytes
    parts: int


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Head).decode
_labels: Final = msgspec.json.Decoder(dict[str, str]).decode
_POLLS: Final = ("ids", "at", "fetched", "settled", "layout", "flags")


@dataclass(frozen=True, slots=True)
class StreamKey:
    """One stream with bins of one width."""

    source: str
    stream: str
    width: int


# --- writing


def blocks_of(chunk: Chunk) -> Blocks:
    """Its values as blocks; the part that takes time, and no database."""
    parts = _parts(chunk)
    return [
        [planes.encode(part) for part in np.array_split(chunk.values[:, metric], parts, axis=1)]
        for metric in range(len(chunk.metrics))
    ]


def _parts(chunk: Chunk) -> int:
    most = max(1, CELLS // max(1, len(chunk.starts)))
    return max(1, -(-len(chunk.entities) // most))


class Written(NamedTuple):
    """What a chunk came to on disk."""

    samples: int
    bytes: int
    last_row: int
    """Of the stream's rows: up to this one they are history."""


def write_chunk(connection: Connection, chunk: Chunk, blocks: Blocks) -> Written:
    """Keep a chunk, unless its first row is history already: then nothing changes.

    Two daemons may gather the same rows when one was stopped for longer than its lease. Their chunks need not
    end alike, so it is the answer that says what may be deleted.
    """
    stream = _stream_id(connection, StreamKey(chunk.source, chunk.stream, chunk.width))
    first_row, last_row = int(chunk.polls.ids[0]), int(chunk.polls.ids[-1])
    reached = _reached(connection, stream)
    if reached >= first_row:
        return Written(0, 0, reached)
    last_end = int(chunk.starts[-1]) + chunk.width if len(chunk.starts) else int(chunk.polls.settled[-1])
    keys = [*(("", labels) for labels in chunk.entities), *chunk.metrics]
    ids = _label_ids(connection, stream, keys, seen=last_end)
    entities, metrics = ids[: len(chunk.entities)], ids[len(chunk.entities) :]
    head = _head(chunk, entities, metrics)
    written = Written(
        samples=int(np.count_nonzero(~np.isnan(chunk.values))),
        bytes=len(head) + sum(len(part) for parts in blocks for part in parts),
        last_row=last_row,
    )
    values = {
        "stream_id": stream,
        "first_row": first_row,
        "first_start": int(chunk.starts[0]) if len(chunk.starts) else last_end,
        "last_end": last_end,
        **written._asdict(),
        "head": head,
    }
    chunk_id = connection.scalar(
        insert(tables.sample_chunk).values(values).returning(tables.sample_chunk.c.id)
    )
    rows = [
        {"chunk_id": chunk_id, "metric_id": metric, "part": part, "payload": payload}
        for metric, parts in zip(metrics, blocks, strict=True)
        for part, payload in enumerate(parts)
    ]
    if rows:
        connection.execute(insert(tables.sample_block), rows)
    return written


def _head(chunk: Chunk, entities: Sequence[int], metrics: Sequence[int]) -> bytes:
    content = _encode(
        _Head(
            vendor=chunk.vendor,
            names=dict(chunk.names),
            entities=planes.pack(np.array(entities, np.int64)),
            metrics=planes.pack(np.array(metrics, np.int64)),
            layouts=tuple((planes.pack(one.entities), planes.pack(one.metrics)) for one in chunk.layouts),
            polls=tuple(planes.pack(getattr(chunk.polls, name)) for name in _POLLS),
            starts=planes.pack(chunk.starts),
            arrived=planes.pack(chunk.arrived),
            parts=_parts(chunk),
        )
    )
    return planes.compressed(content)


def _stream_id(connection: Connection, key: StreamKey) -> int:
    stream = tables.sample_stream.c
    values = {"source": key.source, "stream": key.stream, "width": key.width}
    insert_new(connection, tables.sample_stream, [values])
    query = select(stream.id).where(
        stream.source == key.source, stream.stream == key.stream, stream.width == key.width
    )
    found: int = connection.execute(query.with_for_update()).scalar_one()  # one writes its chunks at a time
    return found


def _reached(connection: Connection, stream: int) -> int:
    """The last row of a stream that is history; 0 before there is any."""
    chunk = tables.sample_chunk.c
    return connection.scalar(select(func.max(chunk.last_row)).where(chunk.stream_id == stream)) or 0


def _label_ids(
    connection: Connection, stream: int, keys: Sequence[MetricKey], seen: Instant
) -> Sequence[int]:
    """Ids of entities (whose metric is empty) and metrics, new ones given."""
    label = tables.sample_label.c
    rows = [
        {"stream_id": stream, "digest": _digest(key), "metric": key[0], "labels": labels_text(key[1])}
        for key in keys
    ]
    insert_new(connection, tables.sample_label, [{**row, "seen": seen} for row in rows])
    found: dict[str, int] = {}
    for some in slices([row["digest"] for row in rows]):
        mine = (label.stream_id == stream) & label.digest.in_(some)
        found.update(
            (row.digest, row.id) for row in connection.execute(select(label.id, label.digest).where(mine))
        )
        connection.execute(update(tables.sample_label).where(mine, label.seen < seen).values(seen=seen))
    return [found[str(row["digest"])] for row in rows]


def _digest(key: MetricKey) -> str:
    return blake2b(f"{key[0]}\0{labels_text(key[1])}".encode(), digest_size=16).hexdigest()


# --- reading


Labels: TypeAlias = Mapping[int, MetricKey]
"""What the ids of a stream's labels stand for; an entity's metric is empty."""


def streams(connection: Connection) -> Mapping[int, StreamKey]:
    """Every stream there are samples of, by id."""
    rows = connection.execute(select(tables.sample_stream))
    return {row.id: StreamKey(row.source, row.stream, row.width) for row in rows}


class Place(NamedTuple):
    """Where one chunk lies: its rows of the journal, and its bins."""

    id: int
    stream: int
    first_row: int
    last_row: int
    first_start: Instant
    last_end: Instant


def places(connection: Connection) -> Sequence[Place]:
    """Every chunk, in the order of its rows; all of them from one moment."""
    chunk = tables.sample_chunk.c
    columns = chunk.id, chunk.stream_id, chunk.first_row, chunk.last_row, chunk.first_start, chunk.last_end
    return [Place(*row) for row in connection.execute(select(*columns).order_by(chunk.first_row))]


def covered(connection: Connection) -> Mapping[StreamKey, int]:
    """By stream: the last row of the journal that is history."""
    chunk = tables.sample_chunk.c
    known = streams(connection)
    query = select(chunk.stream_id, func.max(chunk.last_row).label("last")).group_by(chunk.stream_id)
    return {known[row.stream_id]: row.last for row in connection.execute(query)}


def labels_of(connection: Connection, stream: int) -> Labels:
    """The labels of a stream, by id."""
    label = tables.sample_label.c
    query = select(label.id, label.metric, label.labels).where(label.stream_id == stream)
    return {row.id: (row.metric, label_set(_labels(row.labels))) for row in connection.execute(query)}


Fetched: TypeAlias = tuple[bytes, Sequence[Row[int, int, bytes]]]


def fetch(connection: Connection, chunk: int, wanted: Collection[int] | None) -> Fetched | None:
    """A chunk's head, and its blocks of some metrics by id, None being all; None where it was forgotten."""
    block = tables.sample_block.c
    query = select(block.metric_id, block.part, block.payload).where(block.chunk_id == chunk)
    if wanted is not None:
        query = query.where(block.metric_id.in_(wanted))
    rows = connection.execute(query.order_by(block.metric_id, block.part)).all()
    # The head last: where it still is, the blocks were whole.
    head = connection.scalar(select(tables.sample_chunk.c.head).where(tables.sample_chunk.c.id == chunk))
    return None if head is None else (head, rows)


def restored(key: StreamKey, labels: Labels, fetched: Fetched) -> Chunk:
    """The chunk of what was fetched, with the metrics whose blocks were.

    Raises:
        zstandard.ZstdError, msgspec.DecodeError, ValueError, LookupError, struct.error: it is damaged.
    """
    payload, rows = fetched
    head = _decode(zstandard.ZstdDecompressor().decompress(payload))
    entities, every = planes.unpack(head.entities), planes.unpack(head.metrics).tolist()
    held = {row.metric_id for row in rows}
    metrics = [at for at, metric in enumerate(every) if metric in held]
    starts = planes.unpack(head.starts)
    values = np.empty((len(starts), len(metrics), len(entities)))
    place = {every[at]: number for number, at in enumerate(metrics)}
    edges = _edges(len(entities), head.parts)
    for row in rows:
        first, last = edges[row.part], edges[row.part + 1]
        values[:, place[row.metric_id], first:last] = planes.decode(row.payload).T
    return Chunk(
        source=key.source,
        vendor=head.vendor,
        stream=key.stream,
        width=key.width,
        entities=tuple(labels[entity][1] for entity in entities.tolist()),
        metrics=tuple(labels[every[at]] for at in metrics),
        layouts=tuple(_layout(one, metrics) for one in head.layouts),
        polls=Polls(*(planes.unpack(column) for column in head.polls)),
        starts=starts,
        arrived=planes.unpack(head.arrived),
        values=values,
        names=head.names,
    )


def _layout(packed: tuple[bytes, bytes], metrics: Sequence[int]) -> Layout:
    """A layout narrowed to some of the chunk's metrics, which are renumbered."""
    entities, every = (planes.unpack(one) for one in packed)
    place = {metric: number for number, metric in enumerate(metrics)}
    kept = [place[metric] for metric in every.tolist() if metric in place]
    return Layout(entities.astype(np.int32), np.array(kept, np.int32))


def _edges(entities: int, parts: int) -> Sequence[int]:
    """Where parts begin and end, as `np.array_split` makes them."""
    size, longer = divmod(entities, parts)
    return [at * size + min(at, longer) for at in range(parts + 1)]


def measure(connection: Connection) -> tuple[int, int]:
    """Samples kept, and bytes on disk of all that is kept beside the book."""
    count = connection.scalar(select(func.sum(tables.sample_chunk.c.samples)))
    if connection.dialect.name == "postgresql":
        size = sum(
            connection.scalar(select(func.pg_total_relation_size(table.name))) or 0 for table in _BESIDE
        )
    else:
        pages, size = (connection.scalar(text(f"PRAGMA {name}")) for name in ("page_count", "page_size"))
        size *= pages
    return int(count or 0), int(size)


_BESIDE: Final = (
    tables.sample_chunk,
    tables.sample_block,
    tables.sample_label,
    tables.sample_stream,
    tables.snapshot,
    tables.snapshot_piece,
)
