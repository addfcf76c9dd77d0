"""Habits that no linter knows: sizes, names, clocks, what the pure rooms may import, and no host in any file."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONGEST_FILE, LONGEST_FUNCTION = 300, 50  # lines
VAGUE = {
    "util",
    "utils",
    "helper",
    "helpers",
    "common",
    "misc",
    "core",
    "base",
    "manager",
    "handler",
    "handlers",
    "stuff",
}
CLOCKS = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "datetime.datetime.now", "datetime.datetime.utcnow"),
    *("date.today", "datetime.date.today", "time.time", "time.time_ns"),
}
#: What would give a pure room input or output although it comes with Python.
OUTSIDE = {
    "asyncio",
    "ftplib",
    "http",
    "multiprocessing",
    "random",
    "requests",
    "smtplib",
    "socket",
    "sqlite3",
    "subprocess",
    "urllib",
}


def test_no_file_is_long():
    long = {name: len(lines) for name in sources() if len(lines := text_of(name).splitlines()) > LONGEST_FILE}
    assert long == {}


def test_no_function_is_long():
    long = {
        f"{name}: {each.name}": length
        for name in sources()
        for each in functions(name)
        if (length := each.end_lineno - each.lineno + 1) > LONGEST_FUNCTION
    }
    assert long == {}


def test_names_of_files_and_folders_say_what_is_inside():
    parts = {part for name in files() for part in Path(name).with_suffix("").parts}
    assert {part for part in parts if VAGUE & set(re.split(r"[_.-]", part.lower()))} == set()


def test_the_pure_rooms_do_not_look_at_the_clock():
    assert [(name, found) for name in pure_rooms() for found in calls(name) if found in CLOCKS] == []


def test_the_pure_rooms_import_python_and_numpy_only():
    allowed = (set(sys.stdlib_module_names) | {"engine", "numpy"}) - OUTSIDE
    doors = {"engine/index_kinds.py": {"faiss"}, "engine/compiled.py": {"numba"}}
    strangers = [
        (name, module)
        for name in pure_rooms()
        for module in imports(name)
        if module.split(".")[0] not in allowed | doors.get(name, set())
    ]
    assert strangers == []


def test_the_engine_and_training_wait_for_one_thing_at_a_time():
    """But for the stores that are asked within requests, and what fills them anew."""
    found = {name for name in sources("engine", "training") if any(is_async(each) for each in walk(name))}
    waiting = ("event_stream", "live_breaker", "live_documents", "live_profiles", "live_reads", "live_wallets")
    waiting += ("live_line", "offered_segments", "online", "rebuild", "rebuild_command")
    assert found == {f"engine/storage/{name}.py" for name in waiting}


def test_only_the_command_line_prints():
    assert [name for name in sources() if name not in ("hawker.py", "terminal.py") and "print" in calls(name)] == []


def test_nothing_that_runs_code_is_unpickled_outside_of_training():
    risky = {"load", "loads", "Unpickler"}
    found = [
        (name, call)
        for name in sources("engine", "serving")
        for call in calls(name)
        if call.split(".")[0] in ("pickle", "cloudpickle", "joblib", "dill") and call.split(".")[-1] in risky
    ]
    allowing = [name for name in sources("engine", "serving") if re.search(r"allow_pickle\s*=\s*True", text_of(name))]
    assert (found, allowing) == ([], [])


def test_the_door_of_the_engine_is_empty():
    """Importing one room must not load the others."""
    assert imports("engine/__init__.py") == []


def test_lightfm_is_named_in_one_file():
    """It is loaded by name, where the import contracts cannot see it."""
    named = [name for name in sources("engine", "training", "serving") if "lightfm" in constants(name)]
    assert named == ["training/models/hybrid.py"]


def test_no_file_names_a_package_host():
    # Each has a class of one letter, so that this line does not match itself.
    hosts = re.compile(r"pypi[.]org|pythonhoste[d]|--(extra-)?index-ur[l]|--find-link[s]|npmj[s][.]")
    named = [name for name in files() if (found := read(name)) is not None and hosts.search(found)]
    assert named == []


def test_the_lock_files_name_no_address_at_all():
    locks = [name for name in files() if name.endswith(".lock")]
    assert len(locks) == 3
    assert [name for name in locks if "://" in text_of(name) or "\n--" in text_of(name)] == []


@cache
def files() -> tuple[str, ...]:
    """What a clone holds, and what would be in it if everything were committed."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    names = done.stdout.split("\0") if done.returncode == 0 else _walked()
    return tuple(sorted(name for name in names if name and (ROOT / name).is_file()))


def _walked() -> Iterator[str]:
    """The same for a copy without its history."""
    ignored = {".git", ".venv", ".hawker", "__pycache__", "build"}
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        if not any(part in ignored or part.endswith(("_cache", ".egg-info")) for part in parts):
            yield "/".join(parts)


def sources(*rooms: str) -> list[str]:
    """Python files outside of the tests, of these rooms or of all."""
    return [
        name
        for name in files()
        if name.endswith(".py") and not name.startswith("tests/") and (not rooms or name.split("/")[0] in rooms)
    ]


def pure_rooms() -> list[str]:
    return [name for name in sources("engine") if not name.startswith("engine/storage/")]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def read(name: str) -> str | None:
    """The text of a file, or nothing when it is not text."""
    try:
        return text_of(name)
    except UnicodeDecodeError:
        return None


@cache
def walk(name: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(text_of(name))))


def functions(name: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (each for each in walk(name) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))


def is_async(node: ast.AST) -> bool:
    return isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await)


def calls(name: str) -> list[str]:
    return [ast.unparse(each.func) for each in walk(name) if isinstance(each, ast.Call)]


def imports(name: str) -> list[str]:
    """Modules that a file imports, wherever in it; none of them is relative."""
    found = []
    for each in walk(name):
        if isinstance(each, ast.Import):
            found += [alias.name for alias in each.names]
        elif isinstance(each, ast.ImportFrom):
            found.append(each.module or ".")
    return found


def constants(name: str) -> set[str]:
    """The first words of dotted names among a file's texts."""
    texts = (each.value for each in walk(name) if isinstance(each, ast.Constant) and isinstance(each.value, str))
    return {text.split(".")[0] for text in texts}
