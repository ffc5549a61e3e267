"""Migration 0002: add lost files, reasons of undelivered results, indexes for frequent queries.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UNREAD = sa.text("header IS NULL AND lost_at IS NULL")


def upgrade() -> None:
    op.add_column("instances", sa.Column("lost_at", sa.Float))
    op.add_column("outputs", sa.Column("reason", sa.String(40)))
    op.create_index("ix_instances_balance", "instances", ["state", "reason", "resent"])
    op.create_index(
        "ix_instances_unread", "instances", ["id"], sqlite_where=UNREAD, postgresql_where=UNREAD
    )


def downgrade() -> None:
    op.drop_index("ix_instances_unread", "instances")
    op.drop_index("ix_instances_balance", "instances")
    op.drop_column("outputs", "reason")
    op.drop_column("instances", "lost_at")
