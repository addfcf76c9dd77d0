"""Cores: who computes where, how much, and with how much memory of its own, as the system tells."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from experiments.traffic.served import Served


@contextmanager
def pinned(shop: Served) -> Iterator[None]:
    """The storefront on the first core; the stores, the load and all else on the last, until the block ends."""
    cores = sorted(os.sched_getaffinity(0))
    storefronts = shop.processes("storefront")
    for pid in [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]:
        if _belongs(pid, shop.supervisor.pid):
            _pin(pid, cores[:1] if pid in storefronts else cores[-1:])
    _pin(os.getpid(), cores[-1:])
    try:
        yield
    finally:
        _pin(os.getpid(), cores)


def beside(pid: int, other: int) -> None:
    """The process computes where the other one does."""
    _pin(pid, sorted(os.sched_getaffinity(other)))


def cpu_seconds(pid: int) -> float:
    """What a process has computed so far."""
    told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def own_mib(pid: int, *kinds: str) -> float:
    """MiB that a process shares with nobody; `kinds`: Private_Dirty leaves out what it only maps from files."""
    wanted = kinds or ("Private_Dirty", "Private_Clean")
    lines = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]]
    return sum(int(number) for name, number, _ in lines if name.rstrip(":") in wanted) / 1024


def _belongs(pid: int, ancestor: int) -> bool:
    """Whether a process is the ancestor or comes from it."""
    while pid > 1 and pid != ancestor:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return pid == ancestor


def _pin(pid: int, cores: Sequence[int]) -> None:
    """All threads of a process that are there; later ones inherit it."""
    with suppress(FileNotFoundError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), cores)
