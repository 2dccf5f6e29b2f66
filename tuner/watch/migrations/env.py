"""Alembic's entry: migrate on the connection that the caller has opened, in the caller's transaction."""

from __future__ import annotations

from alembic import context

from tuner.watch.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    version_table="watch_version",
)
context.run_migrations()
