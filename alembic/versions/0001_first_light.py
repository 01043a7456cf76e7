"""The first schema: incidents and their story, the outbox, what the engine is rebuilt from, and the lease."""

import sqlalchemy as sa

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _incidents()
    _outbox()
    _streams()
    _journal()
    _engine_state()
    _lease()


def _incidents() -> None:
    op.create_table(
        "incident",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("severity", sa.SmallInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("resolution", sa.Text),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("detected_at", sa.BigInteger, nullable=False),
        sa.Column("acknowledged_at", sa.BigInteger),
        sa.Column("resolved_at", sa.BigInteger),
        sa.Column("parent_id", sa.Text),
        sa.Column("merged_into", sa.Text),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("recovery", sa.Text),
        sa.Column("drill", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incident"),
    )
    live = sa.text("status <> 'withdrawn'")
    op.create_index(
        "uq_incident_episode",
        "incident",
        ["identity", "opened_at"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
    op.create_index("ix_incident_identity_opened_at", "incident", ["identity", "opened_at"])
    op.create_index("ix_incident_opened_at", "incident", ["opened_at"])
    op.create_index("ix_incident_status", "incident", ["status", "resolved_at"])
    op.create_table(
        "timeline",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("incident_id", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("mark", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_timeline"),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.id"], name="fk_timeline_incident_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("incident_id", "mark", name="uq_timeline_incident_id_mark"),
        sqlite_autoincrement=True,
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("incident_id", sa.Text, nullable=False),
        sa.Column("mark", sa.Text, nullable=False),
        sa.Column("telling", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("rank", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.Column("ready_at", sa.BigInteger, nullable=False),
        sa.Column("repeat", sa.BigInteger, nullable=False),
        sa.Column("leased_until", sa.BigInteger, nullable=False),
        sa.Column("waits_for", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.id"], name="fk_outbox_incident_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("incident_id", "target", "mark", name="uq_outbox_incident_id_target_mark"),
        sqlite_autoincrement=True,
    )
    due = sa.text("state = 'due'")
    op.create_index(
        "ix_outbox_due", "outbox", ["target", "rank", "id"], sqlite_where=due, postgresql_where=due
    )


def _streams() -> None:
    op.create_table(
        "cursor",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.PrimaryKeyConstraint("source", "stream", name="pk_cursor"),
    )
    op.create_table(
        "sight",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("vendor", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("up", sa.Boolean, nullable=False),
        sa.Column("family", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("caught_up", sa.Boolean, nullable=False),
        sa.Column("behind", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("source", "stream", name="pk_sight"),
    )


def _journal() -> None:
    op.create_table(
        "journal",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("width", sa.BigInteger, nullable=False),
        sa.Column("fetched_at", sa.BigInteger, nullable=False),
        sa.Column("first_start", sa.BigInteger, nullable=False),
        sa.Column("last_end", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_journal"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_journal_source_stream_last_end", "journal", ["source", "stream", "last_end"])


def _engine_state() -> None:
    op.create_table(
        "engine_state",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_engine_state"),
    )


def _lease() -> None:
    lease = op.create_table(
        "lease",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lease"),
    )
    # The one row there ever is: taking it is then always an update, which two cannot both win.
    op.bulk_insert(lease, [{"name": "daemon", "holder": "", "epoch": 0, "since": 0, "seen": 0, "until": 0}])
