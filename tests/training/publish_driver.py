"""A process of its own for what must die or must be alone: `python -m tests.training.publish_driver WHAT HOME`.

`store`: keep three runs. `store-killed`: die half way through keeping one. `repair`: record what is
stored. `kills`: publish version 2 over version 1 once for each step, killed there; print a JSON list
of what was found after the kill and after the repair.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.index import ItemIndex
from engine.storage.home import Home
from engine.storage.releases import current, open_bundle
from tests.training.runs import outcome, settings
from training.evidence import store
from training.publish import publish, rollback
from training.tracking import Tracker

NOW = 1_700_000_100.0
STEPS = ("judge", "point", "mirror", "figures", "model", "register", "finish", "champion", "challenger", "done")
#: Steps at which the pointer is already turned.
TURNED = STEPS[2:]


def main(what: str, home: Home) -> None:
    if what == "store":
        for _ in range(3):
            store(home, outcome())
    elif what == "store-killed":
        _store_killed(home)
    elif what == "repair":
        _say(Tracker(home, settings(home)).repair().aliases)
    elif what == "kills":
        _import_once(home)
        _say([_killed_at(step, home) for step in STEPS])


def _say(found: object) -> None:
    sys.stdout.write(json.dumps(found) + "\n")


def _import_once(ready: Home) -> None:
    """All that MLflow imports lazily while it records, so that not every child has to."""
    home = Home(ready.root.with_name("first"))
    shutil.copytree(ready.root, home.root)
    Tracker(home, settings(home)).repair()


def _store_killed(home: Home) -> None:
    """Die when all arrays are written, but not the index and the manifest."""
    run = outcome()

    class Deadly(ItemIndex):
        def save(self, path: Path) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

    deadly = object.__new__(Deadly)
    store(home, dataclasses.replace(run, bundle=dataclasses.replace(run.bundle, index=deadly)))


def _killed_at(step: str, ready: Home) -> dict[str, Any]:
    """`ready` has version 1 published and recorded, and version 2 stored only.

    Children do the work, so that this process never has an open database to share with them.
    """
    home = Home(ready.root.with_name(f"killed-{step}"))
    shutil.copytree(ready.root, home.root)

    def die(reached: str) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def publish_and_die() -> None:
        publish(home, 2, now=NOW, registry=Tracker(home, settings(home), on_step=die), on_step=die)

    died = _in_child(publish_and_die)
    pointer = current(home)
    found: dict[str, Any] = {
        "step": step,
        "signal": died,
        "pointer": pointer.version if pointer else None,
        "opened": open_bundle(home).manifest.version,
    }
    said = home.root / "said.json"

    def repair() -> None:
        """What comes next: by turns a rollback, doctor, or another publish."""
        tracker = Tracker(home, settings(home))
        if step in ("mirror", "champion"):
            rollback(home, now=NOW, registry=tracker)
        elif step in ("figures", "register", "done"):
            tracker.repair()
        else:
            publish(home, 2, now=NOW, registry=tracker)
        recorded = sorted(each.bundle_version for each in tracker.models())
        said.write_text(json.dumps({"aliases": tracker.aliases(), "recorded": recorded}))

    found["repaired"] = _in_child(repair)
    return found | {"after": open_bundle(home).manifest.version} | json.loads(said.read_text())


def _in_child(work: Callable[[], object]) -> int:
    """How the child ended: 0, or the negative number of the signal that killed it."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main(sys.argv[1], Home(Path(sys.argv[2])))
