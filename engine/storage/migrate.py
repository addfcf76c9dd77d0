"""Brings a shop's part of the ledger to the tables that this code knows; any number of processes may try at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.schema import CreateSchema

from engine.errors import NotAllowed
from engine.storage.ledger import check_durability, connect, connection_of, schema_of

_MIGRATIONS = Path(__file__).with_name("migrations")


def migrate(url: str, shop: str) -> None:
    """Make the shop's schema and tables, or bring them up to date, in one transaction.

    Raises NotAllowed when the tables were made by a newer Hawker, StoreUnavailable when the ledger
    does not answer or is not durable.
    """
    schema = schema_of(shop)
    engine = connect(url, shop, pooled=False)
    try:
        with connection_of(engine) as connection:
            check_durability(connection)
            if is_current(connection, shop):
                return
            # Held to the end of the transaction; the second in line finds the work done.
            connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtextextended(:what, 0))"), {"what": f"hawker migrates {schema}"}
            )
            connection.execute(CreateSchema(schema, if_not_exists=True))
            config = _config()
            config.attributes["connection"] = connection
            config.attributes["schema"] = schema
            if not is_current(connection, shop):
                command.upgrade(config, "head")
    finally:
        engine.dispose()


def missing_tables(connection: Connection, shop: str) -> list[str]:
    """The tables that this code's revisions make and the shop's ledger does not have, in the order of their making."""
    there = set(inspect(connection).get_table_names(schema=schema_of(shop)))
    made: dict[str, None] = {}
    for file in sorted((_MIGRATIONS / "versions").glob("r*.py")):
        for call in _table_calls(file):
            name = str(call.args[0].value) if isinstance(call.args[0], ast.Constant) else ""
            if isinstance(call.func, ast.Attribute) and call.func.attr == "drop_table":
                made.pop(name, None)
            elif name:
                made[name] = None
    return [name for name in made if name not in there]


def _table_calls(file: Path) -> Iterator[ast.Call]:
    """The calls of a revision that make or drop a table, as they are written: running it to know would change it."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name != "downgrade":  # upgrade, and what it calls
            for call in ast.walk(node):
                named = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args
                if named and call.func.attr in ("create_table", "drop_table"):  # type: ignore[attr-defined]
                    yield call  # type: ignore[misc]


def is_current(connection: Connection, shop: str) -> bool:
    """Whether the shop's tables are those of this code; a newer state than we know is refused."""
    scripts = ScriptDirectory.from_config(_config())
    options = {"version_table_schema": schema_of(shop)}
    found = MigrationContext.configure(connection, opts=options).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise NotAllowed(
            f"the ledger of shop {shop!r} is at revision {found}, this Hawker knows {scripts.get_current_head()} and "
            "older; start the newer Hawker that made it, or restore a backup from before",
            code="ledger_newer",
        )
    return found == scripts.get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
