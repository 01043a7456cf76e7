"""The history of samples, snapshots of the engine, ticks in the journal, and rules that only record."""

import sqlalchemy as sa

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _incidents()
    _ticks()
    _snapshots()
    _samples()
    _chunks()


def _incidents() -> None:
    op.add_column("incident", sa.Column("shadow", sa.Boolean, nullable=False, server_default=sa.false()))


def _ticks() -> None:
    # Rows of before are each a tick of their own: nothing replays them, since no snapshot is that old.
    op.add_column("journal", sa.Column("at", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.add_column("journal", sa.Column("opens", sa.Boolean, nullable=False, server_default=sa.true()))


def _snapshots() -> None:
    op.create_table(
        "kept",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("row", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_kept"),
    )
    op.create_table(
        "snapshot",
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("row", sa.BigInteger, nullable=False),
        sa.Column("format", sa.Integer, nullable=False),
        sa.Column("pieces", sa.Integer, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("token", name="pk_snapshot"),
    )
    op.create_table(
        "snapshot_piece",
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("token", "number", name="pk_snapshot_piece"),
    )


def _samples() -> None:
    op.create_table(
        "sample_stream",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("width", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sample_stream"),
        sa.UniqueConstraint("source", "stream", "width", name="uq_sample_stream_source_stream_width"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sample_label",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("stream_id", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sample_label"),
        sa.UniqueConstraint("stream_id", "digest", name="uq_sample_label_stream_id_digest"),
        sqlite_autoincrement=True,
    )


def _chunks() -> None:
    op.create_table(
        "sample_chunk",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("stream_id", sa.BigInteger, nullable=False),
        sa.Column("first_row", sa.BigInteger, nullable=False),
        sa.Column("last_row", sa.BigInteger, nullable=False),
        sa.Column("first_start", sa.BigInteger, nullable=False),
        sa.Column("last_end", sa.BigInteger, nullable=False),
        sa.Column("samples", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sample_chunk"),
        sa.UniqueConstraint("stream_id", "first_row", name="uq_sample_chunk_stream_id_first_row"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sample_chunk_last_end", "sample_chunk", ["last_end"])
    op.create_table(
        "sample_block",
        sa.Column("chunk_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("metric_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("part", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("chunk_id", "metric_id", "part", name="pk_sample_block"),
    )
