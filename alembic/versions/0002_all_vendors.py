"""What vendors know beside numbers, what commands leave for the daemon to do, and more of each sight."""

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _inventory()
    _sights()
    _errands()


def _inventory() -> None:
    op.create_table(
        "inventory",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("vendor", sa.Text, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("gone_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("source", "kind", "id", name="pk_inventory"),
    )
    op.create_table(
        "inventory_change",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("vendor", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("item", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("change", sa.Text, nullable=False),
        sa.Column("fact", sa.Text, nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_inventory_change"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_inventory_change_once",
        "inventory_change",
        ["source", "kind", "item", "at", "change", "fact"],
        unique=True,
    )
    op.create_index("ix_inventory_change_at", "inventory_change", ["at"])


def _sights() -> None:
    op.add_column("sight", sa.Column("suggested_settle", sa.BigInteger))
    op.add_column("sight", sa.Column("next_try", sa.BigInteger, nullable=False, server_default=sa.text("0")))


def _errands() -> None:
    op.create_table(
        "errand",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger),
        sa.Column("until", sa.BigInteger),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_errand"),
        sqlite_autoincrement=True,
    )
