"""Runs the migrations on the connection that `twin.store.sql` hands over, inside its transaction."""

from alembic import context

from twin.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite cannot ALTER COLUMN
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
