"""A child process within limits of memory and time, that ends when it is told to, and when its parent dies.

The memory that counts is what the process has to itself (`RssAnon`): mapped files can be let go of at any time. It is
looked at several times a second; against one leap in between, the kernel refuses what lies far above (RLIMIT_DATA,
which also counts what was reserved and never used). Where there is no /proc, only the kernel's word counts.
"""

from __future__ import annotations

import logging
import os
import re
import resource
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger("hawker.child")

_LOOK_EVERY = 0.1  # seconds
_TELL_EVERY = 1.0  # seconds
_ABOVE = 2 * 2**30  # bytes of address space that are reserved without being used
_GRACE = 4.0  # seconds to end in order; those who keep us grant little more
#: What libraries say when they get no memory.
_NO_MEMORY = re.compile(r"MemoryError|bad_alloc|[Oo]ut of [Mm]emory|[Cc]annot allocate memory|[Uu]nable to allocate")
_MOST_SAID = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    memory_mib: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended. `why` is nothing, or what ended it: `memory`, `time`, `stopped`.

    `said` is its output, `complained` the last line of its other output.
    """

    code: int
    why: str
    said: str
    complained: str
    peak_mib: float
    seconds: float


def run_limited(
    command: Sequence[str],
    limits: Limits,
    *,
    environment: Mapping[str, str],
    goes_on: Callable[[str], bool] = lambda stage: True,
) -> Ended:
    """Run `command` to its end. About every second `goes_on` is told the last line that the child said of itself;
    where it answers False, the child is ended. Raises OSError where it cannot be started.

    The command gets `--lifeline N` before its `--`: a descriptor that reads as ended when this process is gone.
    """
    at = command.index("--") if "--" in command else len(command)
    before, after = command[:at], command[at:]
    lifeline, held = os.pipe()
    try:
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as told:
            process = subprocess.Popen(
                [*before, "--lifeline", str(lifeline), *after],
                stdin=subprocess.DEVNULL, stdout=said, stderr=told, pass_fds=(lifeline,), env=dict(environment),
                start_new_session=True,  # what it starts itself ends with it
            )  # fmt: skip
            watched = _Watched(process, limits, lambda: _last_line(told.fileno()))
            try:
                watched.cap()
                why = watched.until_end(goes_on)
            finally:
                watched.end()
            code = process.returncode
            output = os.pread(said.fileno(), _MOST_SAID, max(0, os.fstat(said.fileno()).st_size - _MOST_SAID))
            complained = _last_line(told.fileno())
            if code and not why and (_NO_MEMORY.search(_tail(told.fileno())) or watched.was_near_its_limit):
                why = "memory"
            return Ended(code, why, output.decode(errors="replace"), complained, watched.peak_mib, watched.seconds)
    finally:
        os.close(lifeline)
        os.close(held)


def sentence(ended: Ended, limits: Limits) -> str:
    """Why a child failed, for those who set its limits."""
    used = f"it had {ended.peak_mib:,.0f} MiB after {_span(ended.seconds)}"
    if ended.why == "memory":
        return f"the memory limit of {limits.memory_mib:,} MiB was reached ({used})"
    if ended.why == "time":
        return f"the time limit of {_span(limits.seconds)} was reached ({used})"
    if ended.code == -signal.SIGKILL:
        return f"it was killed from outside, as the kernel does where the machine's memory runs out ({used})"
    if ended.code < 0:
        return f"it died of signal {-ended.code}; {used}"
    return ended.complained.removeprefix("hawker: ") or f"it ended with code {ended.code} and said nothing"


class _Watched:
    """A running child under its limits."""

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits, stage: Callable[[], str]) -> None:
        self._process, self._limits, self._stage = process, limits, stage
        self._began = time.monotonic()
        self._asked: _Asked | None = None
        self.peak_mib = 0.0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def was_near_its_limit(self) -> bool:
        return self._process.returncode < 0 and self.peak_mib > 0.9 * self._limits.memory_mib

    def cap(self) -> None:
        """Let the kernel refuse a leap far above the limit."""
        if hasattr(resource, "prlimit"):
            most = self._limits.memory_mib * 2**20 + _ABOVE
            try:
                resource.prlimit(self._process.pid, resource.RLIMIT_DATA, (most, most))
            # It is over already, the shop's own limit is lower, or this one is beyond any machine.
            except (OSError, ValueError, OverflowError) as problem:
                log.debug("no limit was set: %s", problem)

    def until_end(self, goes_on: Callable[[str], bool]) -> str:
        """What ended it before its own end, if anything did."""
        told_at = 0.0
        while True:
            try:
                self._process.wait(_LOOK_EVERY)
                return ""
            except subprocess.TimeoutExpired:
                pass
            own = _own_mib(self._process.pid)
            self.peak_mib = max(self.peak_mib, own)
            if own > self._limits.memory_mib:
                return "memory"
            if self.seconds > self._limits.seconds:
                return "time"
            if self._asked is not None and not self._asked.is_alive():
                if not self._asked.answer():
                    return "stopped"
                self._asked = None
            if self._asked is None and time.monotonic() - told_at > _TELL_EVERY:
                told_at = time.monotonic()
                self._asked = _Asked(goes_on, self._stage())
                self._asked.start()

    def end(self) -> None:
        """End it and all that it started: at once where it takes memory, in order otherwise."""
        if self._process.poll() is None:
            in_order = self.peak_mib <= self._limits.memory_mib
            self._signal(signal.SIGTERM if in_order else signal.SIGKILL)
            try:
                self._process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                self._process.wait()
        if self._asked is not None:  # so that it asks nobody who has gone meanwhile; unless that hangs
            self._asked.join(_GRACE)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            log.debug("it ended by itself")


class _Asked(threading.Thread):
    """Whether a child goes on: a store that does not answer must not keep its limits from being looked at."""

    def __init__(self, goes_on: Callable[[str], bool], stage: str) -> None:
        super().__init__(name="asked", daemon=True)
        self._goes_on, self._told = goes_on, stage
        self._answer: bool | Exception = True

    def run(self) -> None:
        try:
            self._answer = self._goes_on(self._told)
        except Exception as problem:  # for those who asked
            self._answer = problem

    def answer(self) -> bool:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def _own_mib(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return sum(int(each) for each in re.findall(r"^(?:RssAnon|RssShmem|VmSwap):\s+(\d+) kB", text, re.MULTILINE)) / 1024


def _tail(descriptor: int) -> str:
    """The end of what was written to a file, without moving its writer."""
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, 8_192, max(0, size - 8_192)).decode(errors="replace")


def _last_line(descriptor: int) -> str:
    lines = _tail(descriptor).strip().splitlines()
    # Only what a ledger and a terminal take: no NUL, nothing that moves a cursor.
    return "".join(each for each in lines[-1] if each.isprintable()).strip() if lines else ""


def _span(seconds: float) -> str:
    return (
        f"{seconds / 3_600:.3g} h"
        if seconds >= 3_600
        else f"{seconds / 60:.3g} min"
        if seconds >= 60
        else f"{seconds:.3g} s"
    )
