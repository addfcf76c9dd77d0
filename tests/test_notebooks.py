"""The notebooks: they run on a small shop, say something, define nothing and carry no outputs."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import nbformat
import pytest

from engine.storage.lake import Lake
from engine.storage.releases import current, versions

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def test_there_are_four_notebooks_and_nothing_else():
    assert [path.stem for path in NOTEBOOKS] == [
        "compare_models",
        "from_events_to_an_audience",
        "look_at_the_events",
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
def test_a_notebook_runs_on_a_small_shop_and_changes_nothing(path, trained_home, monkeypatch, tmp_path):
    # Imported here: it brings an event loop with it, which the other tests need not load.
    from nbclient import NotebookClient

    for name in [name for name in os.environ if name.startswith("HAWKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HAWKER_HOME", str(trained_home.root))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    before = Lake(trained_home).versions(), versions(trained_home), current(trained_home)
    notebook = read(path)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (Lake(trained_home).versions(), versions(trained_home), current(trained_home)) == before
    kinds, told = set(), ""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            assert output.get("name") != "stderr", output
            kinds |= set(output.get("data", ()))
            told += str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
    assert {"image/png", "text/html"} <= kinds
    assert "NaN" not in told.replace("NaT", "")
    assert all(words in told for words in SAYS[path.stem]), told


SAYS = {
    "from_events_to_an_audience": ("frequency.low", "reachable", 'share("spring", 0.0, 0.9)', "decided"),
    "look_at_the_events": ("purchase", "cart_add", "% bought before"),
    "compare_models": ("home", "frequency", "validation", "coverage_floor", "half-life in days"),
    "why_did_this_user_see_this": ("you bought it", "similar_users", "before 2025-"),
}
