from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.storage.embedded import open_stores
from tests.engine.storage.homes import seed
from tests.stores import scratch_folder, settings_of


@pytest.fixture(scope="session")
def seeded() -> Iterator[Path]:
    """A home whose ledger was started once; copies of it save making a data folder."""
    with scratch_folder() as home:
        with open_stores(settings_of(home), {"ledger"}):
            pass
        yield home


@pytest.fixture
def new_home() -> Iterator[Path]:
    """A home that is not there yet."""
    with scratch_folder() as folder:
        yield folder / "home"


@pytest.fixture
def home(new_home: Path, seeded: Path) -> Path:
    """A home with an empty ledger, not running."""
    return seed(new_home, seeded)
