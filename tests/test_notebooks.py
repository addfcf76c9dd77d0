"""The notebooks: they run on a small shop, say something, define nothing and carry no outputs."""

from __future__ import annotations

import ast
import os
import re
from datetime import timedelta
from pathlib import Path

import nbformat
import pytest

from engine.storage.lake import Lake
from engine.storage.ledger import opened_ledger
from engine.storage.releases import current, versions
from tests.engine.storage.campaigns import launched

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def test_there_are_five_notebooks_and_nothing_else():
    assert [path.stem for path in NOTEBOOKS] == [
        "compare_models",
        "from_events_to_an_audience",
        "look_at_the_events",
        "read_a_finished_campaign",
        "why_did_this_user_see_this",
    ]
    assert {path.suffix for path in (ROOT / "notebooks").iterdir() if path.is_file()} == {".ipynb"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_stripped_and_defines_nothing(path):
    notebook = read(path)
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]  # named, so that they stay when a cell is edited
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z][a-z-]*", each) for each in ids), ids
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    for cell in notebook.cells:
        assert cell.metadata == {}
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
            assert [each for each in ast.walk(ast.parse(cell.source)) if isinstance(each, DEFINITIONS)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_a_small_shop_and_changes_nothing(path, own_home, request, monkeypatch, tmp_path):
    # Imported here: it brings an event loop with it, which the other tests need not load.
    from nbclient import NotebookClient

    for name in [name for name in os.environ if name.startswith("HAWKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HAWKER_HOME", str(own_home.root))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    if path.stem == "read_a_finished_campaign":
        monkeypatch.setenv("HAWKER_POSTGRES_URL", with_a_campaign(own_home, request.getfixturevalue("ledger_url")))
    before = Lake(own_home).versions(), versions(own_home), current(own_home)
    notebook = read(path)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (Lake(own_home).versions(), versions(own_home), current(own_home)) == before
    kinds, told = set(), ""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            assert output.get("name") != "stderr", output
            kinds |= set(output.get("data", ()))
            told += str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
    assert {"image/png", "text/html"} <= kinds
    assert "NaN" not in told.replace("NaT", "")
    assert all(words in told for words in SAYS[path.stem]), told


def with_a_campaign(home, ledger_url):
    """The ledger's address, once a campaign is in it that ran over the last four weeks of the record."""
    lake = Lake(home)
    last = lake.query("SELECT max(time) AS last FROM events")["last"][0].as_py()
    users = lake.query("SELECT DISTINCT user_id FROM events WHERE user_id IS NOT NULL ORDER BY 1")["user_id"]
    members = [
        (user, "treatment" if place % 2 else "holdout", {}) for place, user in enumerate(users.to_pylist())
    ]  # fmt: skip
    with opened_ledger(ledger_url, home.shop) as ledger:
        launched(ledger, members, at=last - timedelta(days=28), state="completed", offers=[])
    return ledger_url


SAYS = {
    "read_a_finished_campaign": ("Spring completed", "orders", "chance of arms", "incremental"),
    "from_events_to_an_audience": ("frequency.low", "reachable", 'share("spring", 0.0, 0.9)', "decided"),
    "look_at_the_events": ("purchase", "cart_add", "% bought before"),
    "compare_models": ("home", "frequency", "validation", "coverage_floor", "half-life in days"),
    "why_did_this_user_see_this": ("you bought it", "similar_users", "before 2025-"),
}
