"""Home: where everything of a shop lies on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.errors import BadInput
from engine.settings import Settings


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below HAWKER_HOME. Nothing is created here; whoever writes makes its own folder."""

    root: Path
    shop: str = "default"

    @property
    def stores(self) -> Path:
        """Data folders of the embedded Valkey and PostgreSQL, shared by all shops of the home."""
        return self.root / "stores"

    @property
    def shop_folder(self) -> Path:
        return self.root / "shops" / self.shop

    @property
    def lake(self) -> Path:
        """One Delta table a folder: events, items, users, ..."""
        return self.shop_folder / "lake"

    @property
    def bundles(self) -> Path:
        """One folder a bundle version, and the `current` pointer."""
        return self.shop_folder / "bundles"

    @property
    def quarantine(self) -> Path:
        """Rows that an import refused, one file an import."""
        return self.shop_folder / "quarantine"

    @property
    def mlflow(self) -> Path:
        return self.root / "mlflow"


def home_of(settings: Settings) -> Home:
    """The home and shop that the settings name; BadInput when a file stands in the home's place."""
    if settings.home.exists() and not settings.home.is_dir():
        raise BadInput(f"HAWKER_HOME={settings.home} is a file; name a folder", field="HAWKER_HOME")
    return Home(settings.home.absolute(), settings.shop)
