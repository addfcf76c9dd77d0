"""What Alembic runs for each upgrade: on the connection and in the schema that `migrate` hands over."""

from __future__ import annotations

from alembic import context

_given = context.config.attributes
context.configure(connection=_given["connection"], version_table_schema=_given["schema"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
