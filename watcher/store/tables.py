"""The schema: every table of the database, the same on SQLite and on Postgres.

Instants are BigInteger milliseconds UTC; labels and evidence are JSON text, so that both databases hold the
same bytes. `alembic/versions` makes these tables; a test compares the two.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
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

SCHEMA: Final = "0005"
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
_DEAD = text("state = 'dead'")
_GROUPED = text("\"group\" <> ''")
_ASKED = text("state = 'asked'")

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
    Column("acknowledged_by", Text, nullable=False, server_default=text("''")),
    Column("unack_at", BigInteger),  # when it counts as open again, unless somebody acts before
    Column("assignee", Text, nullable=False, server_default=text("''")),
    Column("snoozed_until", BigInteger),
    Column("returns", Integer, nullable=False, server_default=text("0")),
    Column("flapping", Boolean, nullable=False, server_default=false()),
    Column("peak", Text),  # the worst reading, as evidence
    Column("affected", Float),  # requests hurt beyond what was expected
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
    Column("mark", Text),  # which transition or act this is
    Column("who", Text, nullable=False, server_default=text("''")),  # empty: watcher itself
    UniqueConstraint("incident_id", "mark"),
    sqlite_autoincrement=True,
)

act = Table(
    "act",
    metadata,
    Column("id", _RowId, primary_key=True),  # the order in which they are applied
    Column("incident_id", Text, ForeignKey("incident.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("text", Text, nullable=False),  # of a note; whom it is assigned to; why
    Column("until", BigInteger),  # where a snooze ends
    Column("asked_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("applied_at", BigInteger),
    Column("effective_at", BigInteger),  # event time: the watermark in the tick that applied it
    Column("row", BigInteger),  # the last journal row before it, so that a replay applies it where it was
    Column("detail", Text, nullable=False, server_default=text("''")),  # why it was refused
    Index("ix_act_asked", "id", sqlite_where=_ASKED, postgresql_where=_ASKED),
    Index("ix_act_incident_id", "incident_id"),
    Index("ix_act_row", "row"),
    sqlite_autoincrement=True,
)

silence = Table(
    "silence",
    metadata,
    Column("id", Text, primary_key=True),
    Column("matchers", Text, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger),
    Column("recurrence", Text),  # {"days", "from", "to", "zone"}; none: from start to end without a break
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),  # by a person, before its time
    Column("ended_by", Text, nullable=False, server_default=text("''")),
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
    Column("route", Text, nullable=False, server_default=text("''")),
    Column("group", Text, nullable=False, server_default=text("''")),  # labels it is grouped by, as JSON
    Column("reason", Text, nullable=False, server_default=text("''")),  # the last decision, named
    Column("fence", BigInteger, nullable=False, server_default=text("0")),  # who claimed it last may mark it
    Column("policy", Text, nullable=False, server_default=text("'{}'")),
    UniqueConstraint("incident_id", "target", "mark"),
    Index("ix_outbox_due", "target", "rank", "id", sqlite_where=_DUE, postgresql_where=_DUE),
    Index("ix_outbox_dead", "changed_at", sqlite_where=_DEAD, postgresql_where=_DEAD),
    Index(
        "ix_outbox_group",
        "target",
        "route",
        "group",
        "state",
        "changed_at",
        sqlite_where=_GROUPED,
        postgresql_where=_GROUPED,
    ),
    sqlite_autoincrement=True,
)

thread = Table(
    "thread",
    metadata,
    Column("target", Text, primary_key=True),
    Column("incident_id", Text, ForeignKey("incident.id", ondelete="CASCADE"), primary_key=True),
    Column("token", Text, nullable=False),  # JSON: what a sender needs to answer in the same thread
)

target = Table(
    "target",
    metadata,
    Column("name", Text, primary_key=True),
    Column("mark", Text, nullable=False),  # digest of its address without secrets: who is meant by the name
)

drill = Table(
    "drill",
    metadata,
    Column("name", Text, primary_key=True),  # what its incident's label `drill` says
    Column("rule", Text, nullable=False),
    Column("severity", SmallInteger, nullable=False),
    Column("labels", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("lasts", BigInteger, nullable=False),
    Column("opened", Boolean, nullable=False),
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
