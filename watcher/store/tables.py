"""The schema: every table of the database, the same on SQLite and on Postgres.

Instants are BigInteger milliseconds UTC; labels and evidence are JSON text, so that both databases hold the
same bytes. `alembic/versions` makes these tables; a test compares the two.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

SCHEMA: Final = "0003"
"""The revision these tables stand at; known here, so that an up-to-date database starts without alembic."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

_RowId = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER numbers itself on SQLite

_LIVE = text("status <> 'withdrawn'")
_DUE = text("state = 'due'")

incident = Table(
    "incident",
    metadata,
    Column("id", Text, primary_key=True),
    Column("identity", Text, nullable=False),  # digest of rule and labels: short enough for any index
    Column("rule", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("severity", SmallInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("resolution", Text),
    Column("summary", Text, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("detected_at", BigInteger, nullable=False),
    Column("acknowledged_at", BigInteger),
    Column("resolved_at", BigInteger),
    Column("parent_id", Text),
    Column("merged_into", Text),
    Column("evidence", Text, nullable=False),
    Column("recovery", Text),
    Column("drill", Boolean, nullable=False),
    Column("shadow", Boolean, nullable=False, server_default=false()),  # recorded, told to nobody
    # Two episodes of one key cannot start together, so no restart can open one twice.
    Index(
        "uq_incident_episode",
        "identity",
        "opened_at",
        unique=True,
        sqlite_where=_LIVE,
        postgresql_where=_LIVE,
    ),
    Index("ix_incident_identity_opened_at", "identity", "opened_at"),  # withdrawn ones are looked up too
    Index("ix_incident_opened_at", "opened_at"),
    Index("ix_incident_status", "status", "resolved_at"),
)

timeline = Table(
    "timeline",
    metadata,
    Column("id", _RowId, primary_key=True),
    Column("incident_id", Text, ForeignKey("incident.id", ondelete="CASCADE"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("mark", Text),  # which transition this is; empty for what people do
    UniqueConstraint("incident_id", "mark"),
    sqlite_autoincrement=True,
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", _RowId, primary_key=True),
    Column("incident_id", Text, ForeignKey("incident.id", ondelete="CASCADE"), nullable=False),
    Column("mark", Text, nullable=False),  # which transition it tells of, or which row it reminds of
    Column("telling", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("rank", SmallInteger, nullable=False),  # what is told first: critical, openings
    Column("state", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("ready_at", BigInteger, nullable=False),  # when it is due once it is held no longer
    Column("repeat", BigInteger, nullable=False),
    Column("leased_until", BigInteger, nullable=False),  # 0: nobody is sending it
    Column("waits_for", BigInteger),  # an older row about the same, not delivered when this one was written
    Column("attempts", Integer, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
    UniqueConstraint("incident_id", "target", "mark"),
    Index("ix_outbox_due", "target", "rank", "id", sqlite_where=_DUE, postgresql_where=_DUE),
    sqlite_autoincrement=True,
)

cursor = Table(
    "cursor",
    metadata,
    Column("source", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger),
)

sight = Table(
    "sight",
    metadata,
    Column("source", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("vendor", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("up", Boolean, nullable=False),
    Column("family", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("caught_up", Boolean, nullable=False),
    Column("behind", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("suggested_settle", BigInteger),
    Column("next_try", BigInteger, nullable=False, server_default=text("0")),
)

journal = Table(
    "journal",
    metadata,
    Column("id", _RowId, primary_key=True),  # commit order: one writer, and ids are never used again
    Column("source", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("width", BigInteger, nullable=False),
    Column("fetched_at", BigInteger, nullable=False),
    Column("first_start", BigInteger, nullable=False),
    Column("last_end", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False, server_default=text("0")),  # what the engine was told
    Column("opens", Boolean, nullable=False, server_default=true()),  # the first row of its tick
    Index("ix_journal_source_stream_last_end", "source", "stream", "last_end"),
    sqlite_autoincrement=True,
)

engine_state = Table(
    "engine_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # one row: 1
    Column("payload", LargeBinary, nullable=False),
)

kept = Table(
    "kept",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # one row: 1
    Column("token", Text, nullable=False),  # the snapshot that counts; another one was never adopted
    Column("row", BigInteger, nullable=False),  # the last journal row it holds
)

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),  # empty: nobody
    Column("epoch", BigInteger, nullable=False),  # one more with each owner: fences off the ones before
    Column("since", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
)

inventory = Table(
    "inventory",
    metadata,
    Column("source", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),  # the vendor's
    Column("vendor", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("gone_at", BigInteger),
)

inventory_change = Table(
    "inventory_change",
    metadata,
    Column("id", _RowId, primary_key=True),
    Column("source", Text, nullable=False),
    Column("vendor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("item", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("change", Text, nullable=False),
    Column("fact", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    # One change of one item at one time: a tick that is applied again adds none.
    Index("uq_inventory_change_once", "source", "kind", "item", "at", "change", "fact", unique=True),
    Index("ix_inventory_change_at", "at"),
    sqlite_autoincrement=True,
)

errand = Table(
    "errand",
    metadata,
    Column("id", _RowId, primary_key=True),
    Column("source", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("since", BigInteger),
    Column("until", BigInteger),
    Column("asked_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

# --- beside: on SQLite these are used in a file of its own, on Postgres in the same database

snapshot = Table(
    "snapshot",
    metadata,
    Column("token", Text, primary_key=True),
    Column("row", BigInteger, nullable=False),
    Column("format", Integer, nullable=False),
    Column("pieces", Integer, nullable=False),
    Column("head", LargeBinary, nullable=False),
)

snapshot_piece = Table(
    "snapshot_piece",
    metadata,
    Column("token", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
)

sample_stream = Table(
    "sample_stream",
    metadata,
    Column("id", _RowId, primary_key=True),
    Column("source", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("width", BigInteger, nullable=False),
    UniqueConstraint("source", "stream", "width"),
    sqlite_autoincrement=True,
)

sample_label = Table(
    "sample_label",
    metadata,
    Column("id", _RowId, primary_key=True),
    Column("stream_id", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),  # of what follows: labels may be too long for an index
    Column("metric", Text, nullable=False),  # empty: the labels of an entity
    Column("labels", Text, nullable=False),
    Column("seen", BigInteger, nullable=False),  # the last end of a chunk that names it
    UniqueConstraint("stream_id", "digest"),
    sqlite_autoincrement=True,
)

sample_chunk = Table(
    "sample_chunk",
    metadata,
    Column("id", _RowId, primary_key=True),
    Column("stream_id", BigInteger, nullable=False),
    Column("first_row", BigInteger, nullable=False),  # of the journal, as is the next
    Column("last_row", BigInteger, nullable=False),
    Column("first_start", BigInteger, nullable=False),
    Column("last_end", BigInteger, nullable=False),
    Column("samples", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("head", LargeBinary, nullable=False),
    # One chunk holds a row of the journal, however often it is written.
    UniqueConstraint("stream_id", "first_row"),
    Index("ix_sample_chunk_last_end", "last_end"),
    sqlite_autoincrement=True,
)

sample_block = Table(
    "sample_block",
    metadata,
    Column("chunk_id", BigInteger, primary_key=True, autoincrement=False),
    Column("metric_id", BigInteger, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
)
