"""A program of its own: breaks the rooms in its working directory, one import at a time, and tells which walls saw it.

Reads [[file, line of code], ...] as JSON on stdin; prints the names of the broken contracts of each. The
linter finds packages through the import system, so this must run where the copied rooms come first.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from importlinter import api
from importlinter.application import use_cases

assert api.read_configuration  # importing it is what sets the linter up


def main() -> None:
    use_cases._register_contract_types(use_cases.read_user_options("pyproject.toml"))
    broken = [broken_by(Path(file), line) for file, line in json.load(sys.stdin)]
    sys.stdout.write("\n" + json.dumps(broken))


def broken_by(file: Path, line: str) -> list[str]:
    """Names of the contracts that are broken while `file` ends with `line`; an empty line changes nothing."""
    existed = file.exists()
    before = file.read_text() if existed else ""
    file.write_text(f"{before}\n{line}\n")
    try:
        options = use_cases.read_user_options("pyproject.toml")
        report = use_cases.create_report(options, cache_dir=None)
    finally:
        if existed:
            file.write_text(before)
        else:
            file.unlink()
    problems = {name: str(problem) for name, problem in report.invalid_contract_options.items()}
    assert not problems, problems
    return [contract.name for contract, check in report.get_contracts_and_checks() if not check.kept]


if __name__ == "__main__":
    main()
