"""Reports: what trained versions measured, read from their manifests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from engine.bundle_files import read_manifest
from engine.errors import HawkerError, UnknownThing
from engine.storage.checkup import Finding
from engine.storage.home import Home
from engine.storage.releases import current, version_folder, versions
from training.evidence import content_digest
from training.gates import Gate
from training.outcome import K
from training.publish import Published
from training.run import LEARNED
from training.shop_data import moment
from training.tracking import Tracker

_KINDS = {"whole": "all purchases", "repeat": "bought before", "new": "never bought"}


def evaluation_of(home: Home, version: int | None) -> dict[str, Any]:
    """What a version (default: the newest) measured: its periods, scores and recipe; UnknownThing without one."""
    known = versions(home)
    if version is None:
        version = known[-1] if known else None
    if version is None or version not in known:
        there = ", ".join(map(str, known[-5:])) or "none; run `hawker train`"
        wanted = "" if version is None else f" {version}"
        raise UnknownThing(f"there is no trained version{wanted}; there are: {there}", field="version")
    manifest = read_manifest(version_folder(home, version))
    return {"version": version, "as_of": moment(manifest["as_of"]).isoformat(), **manifest["metrics"]}


def evaluation_table(scores: Sequence[dict[str, Any]], due: Mapping[str, Any]) -> Table:
    """One line a subject, period and kind: recall and NDCG with 95 % bounds, coverage, novelty; below them `due`."""
    told = due.get("test", {}).get("called due")
    again = (
        f"called due again within 7 days: {told['said']:.1%} said, {told['came']:.1%} bought on the test period, "
        f"calibration error {told['calibration error']:.3f}"
        if told
        else ""
    )
    table = Table(title=f"Lists of {K}, full ranking; the served lists are marked *", caption=again or None)
    for name in ("list", "period", "purchases", "users", f"NDCG@{K}", "95 %", f"recall@{K}", "coverage", "novelty"):
        table.add_column(name, justify="left" if name in ("list", "period", "purchases") else "right")
    order = {"validation": 0, "test": 1}
    kinds = list(_KINDS)
    for row in sorted(scores, key=lambda r: (order[r["period"]], kinds.index(r["kind"]), r[f"ndcg@{K}"]["mean"])):
        ndcg = row[f"ndcg@{K}"]
        table.add_row(
            row["subject"] + (" *" if row["is_placement"] else ""),
            row["period"],
            _KINDS[row["kind"]],
            f"{row['users']:,}",
            f"{ndcg['mean']:.4f}",
            f"{ndcg['low']:.4f} .. {ndcg['high']:.4f}",
            f"{row[f'recall@{K}']['mean']:.4f}",
            f"{row[f'coverage@{K}']:.3f}",
            f"{row[f'novelty@{K}']:.1f}",
        )
    return table


def trained_versions(home: Home) -> list[dict[str, Any]]:
    """All versions, newest first, with what they were trained on and the served lists' validation NDCG."""
    pointer = current(home)
    found = []
    for version in reversed(versions(home)):
        manifest = read_manifest(version_folder(home, version))
        found.append(
            {
                "version": version,
                "served": pointer is not None and pointer.version == version,
                "as_of": moment(manifest["as_of"]).isoformat(),
                "trained_at": moment(manifest["created_at"]).isoformat(),
                "recipe": manifest["recipe"].get("name"),
                "content": content_digest(version_folder(home, version)),
                "data_versions": manifest["data_versions"],
                f"ndcg@{K}": {
                    row["subject"]: row[f"ndcg@{K}"]["mean"]
                    for row in manifest["metrics"].get("scores", ())
                    if row["period"] == "validation" and LEARNED.get(row["subject"]) == row["kind"]
                },
            }
        )
    return found


def models_table(found: Sequence[dict[str, Any]]) -> Table:
    table = Table(title="Trained versions, newest first" if found else "No version is trained yet: run `hawker train`")
    for name in ("version", "served", "as of", "recipe", f"validation NDCG@{K}"):
        table.add_column(name)
    for row in found:
        figures = ", ".join(f"{name} {value:.4f}" for name, value in row[f"ndcg@{K}"].items())
        table.add_row(str(row["version"]), "yes" if row["served"] else "", row["as_of"][:16], row["recipe"], figures)
    return table


def gates_json(gates: Sequence[Gate]) -> list[dict[str, Any]]:
    return [{"name": g.name, "asked": g.asked, "measured": g.measured, "passed": g.passed} for g in gates]


def published_json(done: Published) -> dict[str, Any]:
    return {
        "version": done.version,
        "former": done.former,
        "gates": gates_json(done.gates),
        "warning": done.warning,
    }


def gates_table(gates: Sequence[Gate]) -> Table:
    """What each gate asked and measured."""
    table = Table(title="Gates")
    for name in ("gate", "asked", "measured", "passed"):
        table.add_column(name)
    for gate in gates:
        table.add_row(gate.name, gate.asked, gate.measured, "yes" if gate.passed else "NO")
    return table


def examine_registry(home: Home, registry: Tracker) -> Finding:
    """Let MLflow say what the pointer says; a finding for `hawker doctor`."""
    if not versions(home):
        return Finding("registry", True, "No version is trained yet.")
    try:
        repaired = registry.repair()
    except HawkerError as problem:
        return Finding("registry", False, f"MLflow does not mirror the bundles: {problem.message}")
    broken = ", ".join(map(str, repaired.unusable))
    if broken:
        return Finding("registry", False, f"Bundle versions that cannot be read: {broken}; remove or restore them.")
    return Finding("registry", True, "MLflow's versions and aliases mirror the bundles and their pointer.")
