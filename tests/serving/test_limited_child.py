"""A child within its limits: what ends it, what is said of it, and that it never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serving.limited_child import Limits, run_limited, sentence
from tests.serving.conftest import eventually

ROOT = Path(__file__).resolve().parents[2]
ENOUGH = Limits(2_000, 60)


def run(code: str, limits: Limits = ENOUGH, **more):
    # What comes behind the code is the lifeline, which only our own commands look at.
    return run_limited([sys.executable, "-c", code], limits, environment=dict(os.environ), **more)


def test_a_child_that_ends_by_itself_is_told_with_its_output_and_its_last_complaint():
    ended = run("import sys; print('{\"a\": 1}'); print('first\\nhawker: last', file=sys.stderr); sys.exit(3)")
    assert (ended.code, ended.why, ended.said.strip(), ended.complained) == (3, "", '{"a": 1}', "hawker: last")
    assert sentence(ended, ENOUGH) == "last"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only the kernel's limit is there without /proc")
def test_one_that_takes_too_much_memory_is_ended_and_the_limit_is_named():
    slow = "import time; kept = []\nfor _ in range(4000): kept.append(bytearray(2**20)); time.sleep(0.002)"
    limits = Limits(150, 60)
    ended = run(slow, limits)
    assert ended.why == "memory"
    assert 150 <= ended.peak_mib < 400
    assert sentence(ended, limits).startswith("the memory limit of 150 MiB was reached (it had ")


def test_one_leap_far_above_the_limit_is_refused_by_the_kernel_and_told_as_the_same():
    limits = Limits(200, 60)
    ended = run("import time; time.sleep(0.5); kept = bytearray(2**33)", limits)
    assert (ended.why, ended.code) == ("memory", 1)
    assert "memory limit of 200 MiB" in sentence(ended, limits)


@pytest.mark.parametrize("limits", [Limits(150, 60), Limits(2_000, 4)])
def test_limits_hold_while_whoever_is_told_of_it_does_not_answer(limits):
    """A ledger that hangs."""
    slow = "import time; kept = []; time.sleep(2)\nfor _ in range(300): kept.append(bytearray(2**20))\ntime.sleep(60)"
    began = time.monotonic()
    ended = run(slow, limits, goes_on=lambda stage: time.sleep(30) is None)
    assert ended.why == ("memory" if limits.memory_mib == 150 else "time")
    assert time.monotonic() - began < 25


def test_what_goes_wrong_where_it_is_told_ends_the_child_and_is_raised():
    def goes_on(stage: str) -> bool:
        raise LookupError("nobody is there")

    with pytest.raises(LookupError, match="nobody is there"):
        run("import time; time.sleep(60)", goes_on=goes_on)


def test_a_limit_beyond_any_machine_is_none():
    assert run("print(1)", Limits(10**15, 60)).said == "1\n"


def test_what_is_told_of_a_child_can_be_stored_and_shown_anywhere():
    """The ledger holds no NUL, and what moves a cursor is nothing that a child did."""
    ended = run(r"import sys; sys.stderr.write('\x1b[31mit \0failed\x1b[0m\n'); sys.exit(1)")
    assert ended.complained == "[31mit failed[0m"


def test_one_that_takes_too_long_is_ended_also_where_it_does_not_listen():
    limits = Limits(2_000, 0.5)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    began = time.monotonic()
    ended = run(deaf, limits)
    assert (ended.why, ended.code) == ("time", -signal.SIGKILL)
    assert time.monotonic() - began < 20
    assert sentence(ended, limits).startswith("the time limit of 0.5 s was reached")


def test_one_that_is_wanted_no_more_is_ended_in_order():
    told = []

    def goes_on(line: str) -> bool:
        told.append(line)
        return len(told) < 3

    orderly = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "print('stage one', file=sys.stderr, flush=True)\n"
        "time.sleep(60)"
    )
    ended = run(orderly, goes_on=goes_on)
    assert (ended.why, ended.code) == ("stopped", 143)
    assert "stage one" in told


def test_one_that_somebody_kills_is_told_as_killed():
    ended = run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert (ended.why, ended.code) == ("", -signal.SIGKILL)
    assert "killed from outside" in sentence(ended, ENOUGH)


def test_one_that_says_nothing_is_told_by_its_code():
    assert sentence(run("raise SystemExit(7)"), ENOUGH) == "it ended with code 7 and said nothing"


def test_what_a_child_started_ends_with_it(tmp_path):
    """A grandchild that outlived its parent would hold memory that nobody counts."""
    note = tmp_path / "pid"
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    ended = run(code, Limits(2_000, 3))
    assert ended.why == "time"
    eventually(lambda: not _is_there(int(note.read_text())))


def test_our_own_command_ends_when_its_parent_is_killed(tmp_path):
    """The parent is killed, so that it cannot end anybody: the child hears it on its lifeline."""
    note = tmp_path / "pid"
    child = (
        "import os, sys, threading, time\n"
        f"open({str(note)!r}, 'w').write(str(os.getpid()))\n"
        "from serving.child import end_with_supervisor\n"
        "threading.Thread(target=end_with_supervisor, args=(int(sys.argv[2]), 1.0), daemon=True).start()\n"
        "time.sleep(60)"
    )
    parent = (
        "import os, sys\n"
        "from serving.limited_child import Limits, run_limited\n"
        f"run_limited([sys.executable, '-c', {child!r}], Limits(2000, 60), environment=dict(os.environ))"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    eventually(lambda: note.exists() and bool(note.read_text()))
    pid = int(note.read_text())
    assert _is_there(pid)
    process.kill()
    process.wait()
    eventually(lambda: not _is_there(pid))


def _is_there(pid: int) -> bool:
    """Whether it runs; a zombie that nobody waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" not in status.read_text()
