"""Alembic's entry: migrates over the connection of ``node.ledger.database``."""

from alembic import context

from node.ledger.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
