"""Alembic's entry: compares and upgrades the schema of the store that `app.store.migrate` names."""

from __future__ import annotations

from alembic import context

from app.store.schema import metadata

connection = context.config.attributes["connection"]
# SQLite can't alter most things in place; batch mode rebuilds the table instead.
context.configure(
    connection=connection,
    target_metadata=metadata(),
    render_as_batch=True,
    compare_type=True,
    user_module_prefix="base.",
)
with context.begin_transaction():
    context.run_migrations()
