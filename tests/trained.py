"""A tiny shop with a trained and published version, made once for all tests that only look at it.

It is generated (see experiments/shop), so its truth is known, and everything in it went the user's way:
into the lake, through `produce`, through `publish`.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.settings import Settings, read_settings
from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.storage.lake import Lake
from experiments.shop import Shop, ShopSize, generate
from training.produce import produce
from training.publish import publish
from training.recipe import Recipe
from training.shop_data import ShopData, read_shop
from training.tracking import Tracker

#: Two windows of ten days, so that the ranking judged on validation has learned from an earlier one.
SIZE, SEED = ShopSize(users=150, items=80, days=60), 4
#: One thread: on a machine that is busy with other tests, threads that wait for each other take minutes.
TINY = Recipe(name="tiny", windows=2, threads=1, compare=("bpr",))
TINY_TOML = 'windows = 2\nthreads = 1\ncompare = ["bpr"]\n'
PUBLISHED_AT = 1_750_000_000.0


@pytest.fixture(scope="session")
def mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables, which take seconds to make; homes start from copies (`with_mlflow`)."""

    def make(folder: Path) -> None:
        home = Home(folder)
        Tracker(home, settings_of(home)).aliases()
        close_mlflow(home)

    return once(tmp_path_factory, "mlflow", make) / "mlflow" / "mlflow.db"


@pytest.fixture(scope="session")
def tiny_shop() -> Shop:
    """The generated tables, and the truth behind them."""
    return generate(SIZE, seed=SEED)


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory, mlflow_store: Path, tiny_shop: Shop) -> Iterator[Home]:
    """A home with version 1 trained and published. No test changes it: those that must take `own_home`."""

    def make(folder: Path) -> None:
        home = with_mlflow(Home(folder), mlflow_store)
        fill(home, tiny_shop)
        settings = settings_of(home)
        version = produce(home, settings, TINY, until=None).version
        # Forced: with so few users no difference is beyond its interval.
        publish(home, version, now=PUBLISHED_AT, registry=Tracker(home, settings), force=True)
        close_mlflow(home)

    home = Home(once(tmp_path_factory, "trained", make))
    yield home
    assert not CustomerFiles(home).folder.exists(), "a test computed the customers of the home that all tests share"


@pytest.fixture
def own_home(tmp_path: Path, trained_home: Home) -> Iterator[Home]:
    """A copy of the trained home that a test may change."""
    shutil.copytree(trained_home.root, tmp_path / "home")
    home = Home(tmp_path / "home")
    yield home
    close_mlflow(home)


@pytest.fixture(scope="session")
def tiny_data(trained_home: Home) -> ShopData:
    """What training reads of the tiny shop."""
    return read_shop(Lake(trained_home))


def fill(home: Home, shop: Shop) -> None:
    lake = Lake(home)
    lake.put_items(shop.items)
    lake.put_users(shop.users)
    lake.append_events(shop.events)


def with_mlflow(home: Home, store: Path) -> Home:
    home.mlflow.mkdir(parents=True)
    shutil.copyfile(store, home.mlflow / "mlflow.db")
    return home


def settings_of(home: Home, **more: str) -> Settings:
    return read_settings({"HAWKER_HOME": str(home.root), **more})


def close_mlflow(home: Home) -> None:
    """MLflow keeps an open connection a file until the process ends."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Runs

    for kept in (Runs._engine_map, Registry._engine_map):
        engine = kept.pop(Tracker(home, settings_of(home)).uri, None)
        if engine is not None:
            engine.dispose()


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder that `make` fills, made by the first of the test workers that asks for it."""
    shared = factory.getbasetemp()
    if shared.name.startswith("popen-"):  # a worker's own folder, beside those of the others
        shared = shared.parent
    folder, made = shared / name, shared / f"{name}.made"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # what a maker that failed left behind
            make(folder)  # in its final place: MLflow keeps absolute paths
            made.touch()
    return folder
