import json
from datetime import UTC, datetime

import pytest

from engine.storage.home import Home
from engine.storage.imports.run import ImportRequest, run_import
from engine.storage.lake import Lake

NOW = datetime(2024, 6, 1, tzinfo=UTC)

PLAIN = """
[events]
user = "user"
item = "item"
time = "time"
type = "purchase"
quantity = "quantity"
amount = "amount"
currency = "EUR"
"""


class Shop:
    """A shop in a folder of its own, and files brought into it."""

    def __init__(self, folder):
        self.folder = folder
        self.home = Home(folder / "home")
        self.lake = Lake(self.home)

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def load(self, path, mapping=PLAIN, **options):
        request = ImportRequest(path=path, mapping=self.file("map.toml", mapping))
        return run_import(self.home, request, now=NOW, **options)

    def load_preset(self, preset, path=None, **options):
        return run_import(self.home, ImportRequest(preset=preset, path=path), now=NOW, **options)

    def events(self):
        return self.lake.events().sort_by([("time", "ascending"), ("event_id", "ascending")]).to_pylist()

    def items(self):
        return {row["item_id"]: row for row in self.lake.items().to_pylist()}

    def users(self):
        return {row["user_id"]: row for row in self.lake.users().to_pylist()}

    def refused(self, report):
        """The quarantined rows as {row number: reason}."""
        if report.quarantine_file is None:
            return {}
        lines = report.quarantine_file.read_text().splitlines()
        return {line["row"]: line["reason"] for line in map(json.loads, lines)}

    def untouched(self):
        return set(self.lake.versions().values()) == {-1} and not self.home.quarantine.exists()


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


def adds_up(report):
    return report.read == report.stored + report.duplicates + report.quarantined
