"""Migration 0001: create the first tables.

Revision ID: 0001
Revises: none
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UID, CODE, AE_TITLE = sa.String(64), sa.String(40), sa.String(16)


def upgrade() -> None:
    create_received()
    create_jobs()


def create_received() -> None:
    op.create_table(
        "instances",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sop_instance_uid", UID, nullable=False, unique=True),
        sa.Column("sop_class_uid", UID, nullable=False),
        sa.Column("series_instance_uid", UID, nullable=False, index=True),
        sa.Column("study_instance_uid", UID, nullable=False),
        sa.Column("transfer_syntax_uid", UID, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("calling_ae_title", AE_TITLE, nullable=False),
        sa.Column("called_ae_title", AE_TITLE, nullable=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sa.Column("resent", sa.Integer, nullable=False, server_default="0"),
        sa.Column("header", sa.JSON),
        sa.Column("state", CODE, nullable=False),
        sa.Column("reason", CODE),
        sa.Column("job_key", sa.String(32), index=True),
    )
    op.create_table(
        "series",
        sa.Column("series_instance_uid", UID, primary_key=True),
        sa.Column("study_instance_uid", UID, nullable=False, index=True),
        sa.Column("state", CODE, nullable=False, index=True),
        sa.Column("reason", CODE),
        sa.Column("last_received_at", sa.Float, nullable=False),
    )
    op.create_table(
        "refusals",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("refused_at", sa.Float, nullable=False),
        sa.Column("calling_ae_title", AE_TITLE, nullable=False),
        sa.Column("called_ae_title", AE_TITLE, nullable=False),
        sa.Column("sop_class_uid", UID),
        sa.Column("sop_instance_uid", UID),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )


def create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("key", sa.String(32), primary_key=True),
        sa.Column("study_instance_uid", UID, nullable=False, index=True),
        sa.Column("series_instance_uid", UID, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("state", CODE, nullable=False, index=True),
        sa.Column("reason", CODE),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("enqueued_at", sa.Float),
    )
    op.create_table(
        "outputs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("job_key", sa.String(32), nullable=False, index=True),
        sa.Column("kind", CODE, nullable=False),
        sa.Column("sop_class_uid", UID, nullable=False),
        sa.Column("sop_instance_uid", UID, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("destination", sa.String(64), nullable=False),
        sa.Column("state", CODE, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("next_try_at", sa.Float, nullable=False),
        sa.Column("last_status", sa.Integer),
        sa.UniqueConstraint("sop_instance_uid", "destination"),
        sa.Index("ix_outputs_due", "state", "next_try_at"),
    )


def downgrade() -> None:
    for name in ("refusals", "outputs", "jobs", "series", "instances"):
        op.drop_table(name)
