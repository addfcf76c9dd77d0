"""Hand-made happenings: a few words each, brought into a lake."""

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from engine.storage.customer_files import CustomerFiles
from engine.storage.customer_refresh import refresh_customers
from engine.storage.lake import Lake
from engine.storage.lake_tables import EVENTS, ITEMS, MERGES, USERS

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Shoppers:
    """Events are told by their age in days."""

    def __init__(self, home, zone="UTC"):
        self.home, self.lake, self.zone, self.number = home, Lake(home), zone, 0
        self.position = 0

    def happened(self, *told):
        """Rows (user or session, type, days ago, more columns); sessions alone begin with s:."""
        rows = []
        for who, kind, ago, more in told:
            self.number += 1
            row = dict.fromkeys(EVENTS.schema.names)
            row.update(event_id=f"e{self.number}", type=kind, time=NOW - timedelta(days=ago), quantity=1.0)
            row["session_id" if who.startswith("s:") else "user_id"] = who
            more = dict(more)
            row["properties"] = json.dumps(more.pop("properties", {}))
            row.update(more)
            rows.append(row)
        self.lake.append_events(pa.Table.from_pylist(rows, EVENTS.schema))

    def sells(self, **items):
        rows = [{**dict.fromkeys(ITEMS.schema.names), "item_id": name, **told} for name, told in items.items()]
        self.lake.put_items(pa.Table.from_pylist(rows, ITEMS.schema))

    def knows(self, **users):
        rows = [{**dict.fromkeys(USERS.schema.names), "user_id": name, **told} for name, told in users.items()]
        self.lake.put_users(pa.Table.from_pylist(rows, USERS.schema))

    def merges(self, kind, name, user):
        self.position += 1
        row = {"kind": kind, "id": name, "user_id": user, "time": NOW, "actor": None}
        self.lake.take_from_stream("merges", pa.Table.from_pylist([row], MERGES.schema), self.position)

    def refreshed(self, *, days_later=0.0, whole=False):
        now = (NOW + timedelta(days=days_later)).timestamp()
        return refresh_customers(self.home, now=now, zone=self.zone, whole=whole)

    def traits(self, *, days_later=0.0):
        """The traits of each person by user_id, as they are read so much later."""
        with CustomerFiles(self.home).reading((NOW + timedelta(days=days_later)).timestamp()) as sql:
            table = sql.sql("SELECT people.user_id, traits.* FROM people LEFT JOIN traits USING (person)")
            return {row.pop("user_id"): row for row in table.to_arrow_table().to_pylist()}


def order(user, ago, amount, item="a", **more):
    told = {"amount": amount, "list_amount": amount, "item_id": item, "order_id": f"{user}-{ago}", **more}
    return (user, "purchase", ago, told)
