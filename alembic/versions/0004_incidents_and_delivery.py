"""Acts of people, silences, the life and figures of incidents, and how messages are grouped and claimed."""

import sqlalchemy as sa

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
ASKED = sa.text("state = 'asked'")
GROUPED = sa.text("\"group\" <> ''")


def upgrade() -> None:
    _incidents()
    _acts()
    _silences()
    _drills()
    _outbox()


def _empty(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''"))


def _incidents() -> None:
    for column in (
        _empty("acknowledged_by"),
        sa.Column("unack_at", sa.BigInteger),
        _empty("assignee"),
        sa.Column("snoozed_until", sa.BigInteger),
        sa.Column("returns", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("flapping", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("peak", sa.Text),
        sa.Column("affected", sa.Float),
    ):
        op.add_column("incident", column)
    op.add_column("timeline", _empty("who"))


def _acts() -> None:
    op.create_table(
        "act",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("incident_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("applied_at", sa.BigInteger),
        sa.Column("effective_at", sa.BigInteger),
        sa.Column("row", sa.BigInteger),
        _empty("detail"),
        sa.PrimaryKeyConstraint("id", name="pk_act"),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.id"], name="fk_act_incident_id", ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_act_asked", "act", ["id"], sqlite_where=ASKED, postgresql_where=ASKED)
    op.create_index("ix_act_incident_id", "act", ["incident_id"])
    op.create_index("ix_act_row", "act", ["row"])


def _silences() -> None:
    op.create_table(
        "silence",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("matchers", sa.Text, nullable=False),
        sa.Column("starts_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger),
        sa.Column("recurrence", sa.Text),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        _empty("ended_by"),
        sa.PrimaryKeyConstraint("id", name="pk_silence"),
    )


def _outbox() -> None:
    for column in (
        _empty("route"),
        _empty("group"),
        _empty("reason"),
        sa.Column("fence", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("policy", sa.Text, nullable=False, server_default=sa.text("'{}'")),
    ):
        op.add_column("outbox", column)
    op.create_index(
        "ix_outbox_group",
        "outbox",
        ["target", "route", "group", "state", "changed_at"],
        sqlite_where=GROUPED,
        postgresql_where=GROUPED,
    )
    op.create_table(
        "thread",
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("incident_id", sa.Text, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("target", "incident_id", name="pk_thread"),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.id"], name="fk_thread_incident_id", ondelete="CASCADE"
        ),
    )


def _drills() -> None:
    op.create_table(
        "drill",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("severity", sa.SmallInteger, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("lasts", sa.BigInteger, nullable=False),
        sa.Column("opened", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_drill"),
    )
