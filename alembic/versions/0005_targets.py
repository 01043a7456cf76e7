"""What the names of targets mean, so that one that is renamed keeps what it is owed; what was given up."""

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

DEAD = sa.text("state = 'dead'")


def upgrade() -> None:
    op.create_table(
        "target",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("mark", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_target"),
    )
    op.create_index("ix_outbox_dead", "outbox", ["changed_at"], sqlite_where=DEAD, postgresql_where=DEAD)
