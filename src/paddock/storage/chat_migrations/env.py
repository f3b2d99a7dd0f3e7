"""What Alembic runs: the steps, on the connection that `migrate` was given."""

from alembic import context

from paddock.storage.chat_tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
