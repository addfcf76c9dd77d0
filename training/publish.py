"""Publish and roll back: which bundle the shop serves.

The `current` pointer in the shop's bundle folder is the only truth; serving reads nothing else. The
MLflow aliases mirror it afterwards. A crash or an unreachable MLflow in between leaves them behind,
and the next publish, rollback or `hawker doctor` brings them back (`Registry.repair`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from engine.errors import BundleUnusable, HawkerError, NotAllowed, NotEnoughData, UnknownThing
from engine.storage.home import Home
from engine.storage.releases import current, point_back, point_to, versions
from training.gates import Gate, answers, judge


class Registry(Protocol):
    """Where versions are recorded and marked for people to see; see training/tracking.py."""

    def repair(self) -> object:
        """Record the versions that are not recorded yet, and let the aliases mirror the pointer."""


@dataclass(frozen=True, slots=True)
class Published:
    """What is served now. `former` was before (None: nothing, or the same); `warning` says what MLflow lacks."""

    version: int
    former: int | None
    gates: tuple[Gate, ...]
    warning: str = ""


def publish(
    home: Home,
    version: int | None = None,
    *,
    now: float,
    registry: Registry | None,
    force: bool = False,
    show: Callable[[tuple[Gate, ...]], None] = lambda gates: None,
    on_step: Callable[[str], None] = lambda step: None,
) -> Published:
    """Judge a version (by default the newest), serve it from now on, and mirror that in MLflow.

    `force` overrules the gates of quality, never the one that loads and answers. `show` gets all gates
    as soon as they are known, also when one then stops the publishing; `on_step` is told what comes
    next. NotAllowed names the failed gates and their figures and leaves everything as it was;
    UnknownThing: no such version; NotEnoughData: none at all.
    """
    known = versions(home)
    if not known:
        raise NotEnoughData(f"shop {home.shop!r} has no trained bundle; run `hawker train`", code="nothing_trained")
    version = known[-1] if version is None else version
    if version not in known:
        raise UnknownThing(f"there is no bundle version {version}; the newest is {known[-1]}", field="version")
    on_step("judge")
    gates = judge(home, version)
    show(gates)
    _refuse_failed(version, gates, force=force)
    before = _served(home)
    on_step("point")
    point_to(home, version, now)
    on_step("mirror")
    warning = _mirror(registry)
    on_step("done")
    return Published(version, None if before == version else before, gates, warning)


def rollback(
    home: Home, *, now: float, registry: Registry | None, on_step: Callable[[str], None] = lambda step: None
) -> Published:
    """Serve again what was served before; NotAllowed when nothing was, or when it no longer loads and answers."""
    on_step("judge")
    before = current(home)
    known = set(versions(home))
    earlier = [version for version in before.history if version in known] if before else []
    if not earlier:
        raise NotAllowed("there is no earlier bundle to roll back to", code="nothing_to_roll_back")
    gate = answers(home, earlier[-1])
    _refuse_failed(earlier[-1], (gate,), force=False)
    on_step("point")
    pointer = point_back(home, now)
    on_step("mirror")
    warning = _mirror(registry)
    on_step("done")
    return Published(pointer.version, before.version if before else None, (gate,), warning)


def _refuse_failed(version: int, gates: tuple[Gate, ...], *, force: bool) -> None:
    stops = [gate for gate in gates if not gate.passed and not (force and gate.is_forceable)]
    if stops:
        told = "; ".join(f"{gate.name}: {gate.measured} (asked: {gate.asked})" for gate in stops)
        hint = "; --force publishes it all the same" if all(gate.is_forceable for gate in stops) else ""
        raise NotAllowed(f"version {version} is not published: {told}{hint}", code="gate_failed", field=stops[0].name)


def _served(home: Home) -> int | None:
    """The version served now; publishing is how an unreadable pointer is repaired, so it does not fail on one."""
    try:
        pointer = current(home)
    except BundleUnusable:
        return None
    return pointer.version if pointer else None


def _mirror(registry: Registry | None) -> str:
    """What could not be mirrored, in one line. The pointer stands whatever MLflow says."""
    if registry is None:
        return ""
    try:
        registry.repair()
    except HawkerError as problem:
        return f"MLflow was not updated: {problem.message}; the next publish, rollback or `hawker doctor` does it"
    return ""
