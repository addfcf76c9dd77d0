"""The Dockerfile, as far as it can be checked without a container engine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_house_rules import imports, sources
from tests.test_install_lists import ROOMS, root_of

ROOT = Path(__file__).resolve().parents[1]
TARGETS = sorted(ROOMS)


def stages() -> dict[str, list[str]]:
    """Instructions by stage, each one on a single line and without comments."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    found: dict[str, list[str]] = {}
    for line in text.replace("\\\n", " ").splitlines():
        line = re.sub(r"\s+", " ", line.strip())
        if line.startswith("FROM "):
            name = line.split(" AS ")[1]
            found[name] = []
        elif line:
            found[name].append(line)
    return found


def arguments(stage: str, instruction: str) -> list[str]:
    return [line.removeprefix(f"{instruction} ") for line in stages()[stage] if line.startswith(f"{instruction} ")]


def copied(stage: str) -> list[str]:
    return [source for line in arguments(stage, "COPY") for source in line.split()[:-1]]


def test_the_targets_are_the_two_that_run():
    assert sorted(stages()) == sorted([*TARGETS, "house"])


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_copied_exists_and_is_not_left_out_of_the_build(target):
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied(target)
    assert [source for source in copied(target) if not (ROOT / source).exists() or source not in let_in] == []


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_copies_the_rooms_that_it_runs(target):
    rooms = {source.removesuffix(".py") for source in copied(target)} - {f"requirements-{target}.lock"}
    assert rooms == set(ROOMS[target])


@pytest.mark.parametrize("target", TARGETS)
def test_no_room_of_a_target_imports_one_that_the_target_leaves_out(target):
    """The command line may: its doors open only when their verb is called."""
    own = {root_of(name.replace("/", ".").removesuffix(".py")) for name in sources()}
    rooms = [room for room in ROOMS[target] if room != "hawker"]
    needed = {root_of(module) for name in sources(*rooms) for module in imports(name)} & own
    assert needed <= set(ROOMS[target])


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_installs_its_own_lock_file_with_hashes_before_the_code_comes_in(target):
    lock = f"requirements-{target}.lock"
    lines = stages()[target]
    install = next(place for place, line in enumerate(lines) if "pip install" in line)
    assert "--require-hashes" in lines[install]
    assert lines[install].endswith(f"--requirement {lock}")
    assert lines.index(f"COPY {lock} ./") < install < lines.index("COPY engine ./engine")


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_runs_as_an_ordinary_user_and_starts_without_a_shell(target):
    assert arguments(target, "USER") == ["hawker"]
    assert json.loads(arguments(target, "ENTRYPOINT")[0]) == ["python", "-m", "hawker"]
    verb = json.loads(arguments(target, "CMD")[0])
    assert verb == [{"serving": "serve", "training": "train"}[target]]


@pytest.mark.parametrize("target", TARGETS)
def test_the_shops_state_is_a_volume(target):
    home = re.search(r"HAWKER_HOME=(\S+)", " ".join(arguments("house", "ENV")))[1]
    assert arguments(target, "VOLUME") == [home]


@pytest.mark.parametrize(("room", "verb"), [("serving", "serve"), ("training", "train")])
def test_a_command_of_the_other_target_is_refused_in_one_line(room, verb, tmp_path):
    program = f"import sys; sys.modules['{room}'] = None; sys.argv = ['hawker', '{verb}']; import hawker; hawker.main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"HAWKER_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert room in done.stderr


def test_the_health_check_asks_whether_the_storefront_is_ready():
    _, command = arguments("serving", "HEALTHCHECK")[0].split("CMD ")
    program, flag, code = json.loads(command)
    assert (program, flag) == ("python", "-c")
    compile(code, "healthcheck", "exec")
    port = arguments("serving", "EXPOSE")[0]
    assert f"http://127.0.0.1:{port}/health/ready" in code
