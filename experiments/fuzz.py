"""Fuzz: schemathesis over a running storefront's OpenAPI document, with all of its checks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from engine.errors import NotAllowed

#: A body that is too large is a refusal too.
_CONFIG = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 406, 413, 415, 422, 428]

# What stands beside an item is told of unknown and deleted items too: an old page goes on showing a list.
[[operations]]
include-path-regex = "/(similar|bought-together)$"
checks = { use_after_free = { enabled = false } }
"""
_PHASES = "examples,coverage,fuzzing,stateful"
_CODE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """The operations that were asked, as `METHOD path`, and each failure as `METHOD path: what`."""

    operations: frozenset[str]
    failures: tuple[str, ...]


def fuzz(
    url: str, key: str, scratch: Path, *, examples: int, seed: int, phases: str = _PHASES, only: str = ""
) -> Fuzzed:
    """Ask every operation of the interface at `url` with `examples` sound and unsound requests of a fixed seed.

    `only` is a pattern of paths; all of them without it. `key` may everything, so that requests without it are seen to
    be refused. Raises NotAllowed where schemathesis, a tool of development, is not installed.
    """
    program = Path(sys.executable).with_name("schemathesis")
    if not program.exists():
        raise NotAllowed("schemathesis is not installed here; install the extra `dev`")
    report, config = scratch / "fuzz.xml", scratch / "schemathesis.toml"
    config.write_text(_CONFIG)
    command = [str(program), "--config-file", str(config), "run", f"{url}/openapi.json", "--checks", "all"]
    command += ["--header", f"Authorization: Bearer {key}", "--phases", phases, "--max-examples", str(examples)]
    command += ["--seed", str(seed), "--generation-deterministic", "--no-color"]
    command += ["--include-path-regex", only] if only else []
    # Its stateful phase puts NUL into texts whose pattern excludes it; the hostile bodies cover NUL.
    command += ["--generation-allow-x00", "false"]
    command += ["--warnings", "off", "--report", "junit", "--report-junit-path", str(report), "--continue-on-failure"]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "experiments.fuzz_hooks", "PYTHONPATH": str(_CODE)}
    done = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True, check=False)
    if not report.exists():
        raise NotAllowed(f"schemathesis did not run: {(done.stderr or done.stdout).strip()[-500:]}")
    cases = ElementTree.parse(report).getroot().iter("testcase")  # noqa: S314 (written by the line above)
    failures, operations = [], set()
    for case in cases:
        name = case.get("name", "")
        if " /" in name and case.find("skipped") is None:
            operations.add(name)  # its stateful phase stands among them under a name of its own
        failures += [f"{name}: {_first_words(each)}" for tag in ("failure", "error") for each in case.iter(tag)]
    if done.returncode and not failures:
        failures.append(f"schemathesis ended with code {done.returncode}: {done.stdout.strip()[-500:]}")
    return Fuzzed(frozenset(operations), tuple(failures))


def operations_of(document: Mapping[str, Any]) -> frozenset[str]:
    """What an OpenAPI document offers, as `METHOD path`."""
    return frozenset(f"{method.upper()} {path}" for path, each in document["paths"].items() for method in each)


def _first_words(failure: ElementTree.Element) -> str:
    text = failure.text or failure.get("message") or "failed"
    return json.dumps(text.strip()[:1500], ensure_ascii=False)
