"""Tables of the ledger. Times are seconds since 1970 (UTC); migrations create these tables."""

from typing import Final

from sqlalchemy import (
    JSON,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA: Final = MetaData()
UID: Final = String(64)
CODE: Final = String(40)
AE_TITLE: Final = String(16)

instances: Final = Table(
    "instances",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("sop_instance_uid", UID, nullable=False, unique=True),
    Column("sop_class_uid", UID, nullable=False),
    Column("series_instance_uid", UID, nullable=False, index=True),
    Column("study_instance_uid", UID, nullable=False),
    Column("transfer_syntax_uid", UID, nullable=False),
    Column("path", Text, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("calling_ae_title", AE_TITLE, nullable=False),
    Column("called_ae_title", AE_TITLE, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("resent", Integer, nullable=False, server_default="0"),
    Column("header", JSON(none_as_null=True)),
    Column("state", CODE, nullable=False),
    Column("reason", CODE),
    Column("job_key", String(32), index=True),
    Column("lost_at", Float),
    Index("ix_instances_balance", "state", "reason", "resent"),
)
UNREAD: Final = instances.c.header.is_(None) & instances.c.lost_at.is_(None)
Index("ix_instances_unread", instances.c.id, sqlite_where=UNREAD, postgresql_where=UNREAD)

series: Final = Table(
    "series",
    METADATA,
    Column("series_instance_uid", UID, primary_key=True),
    Column("study_instance_uid", UID, nullable=False, index=True),
    Column("state", CODE, nullable=False, index=True),
    Column("reason", CODE),
    Column("last_received_at", Float, nullable=False),
)

jobs: Final = Table(
    "jobs",
    METADATA,
    Column("key", String(32), primary_key=True),
    Column("study_instance_uid", UID, nullable=False, index=True),
    Column("series_instance_uid", UID, nullable=False),
    Column("folder", Text, nullable=False),
    Column("state", CODE, nullable=False, index=True),
    Column("reason", CODE),
    Column("created_at", Float, nullable=False),
    Column("enqueued_at", Float),
)

outputs: Final = Table(
    "outputs",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("job_key", String(32), nullable=False, index=True),
    Column("kind", CODE, nullable=False),
    Column("sop_class_uid", UID, nullable=False),
    Column("sop_instance_uid", UID, nullable=False),
    Column("path", Text, nullable=False),
    Column("destination", String(64), nullable=False),
    Column("state", CODE, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", Float, nullable=False),
    Column("next_try_at", Float, nullable=False),
    Column("last_status", Integer),
    Column("reason", CODE),
    UniqueConstraint("sop_instance_uid", "destination"),
    Index("ix_outputs_due", "state", "next_try_at"),
)

refusals: Final = Table(
    "refusals",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("refused_at", Float, nullable=False),
    Column("calling_ae_title", AE_TITLE, nullable=False),
    Column("called_ae_title", AE_TITLE, nullable=False),
    Column("sop_class_uid", UID),
    Column("sop_instance_uid", UID),
    Column("status", Integer, nullable=False),
    Column("reason", Text, nullable=False),
)
