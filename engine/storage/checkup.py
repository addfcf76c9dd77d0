"""What `hawker doctor` finds: one sentence a subject, from the disk up to the published bundle."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import HawkerError
from engine.recommend.soundness import check_sound
from engine.settings import Settings
from engine.storage import postgres_place
from engine.storage.embedded import Machine, Stores, open_stores
from engine.storage.home import Home
from engine.storage.ledger import Ledger, check_durability, connect, connection_of
from engine.storage.live_segments import words_of
from engine.storage.migrate import is_current, missing_tables
from engine.storage.online import connect_live, connect_stream
from engine.storage.releases import current, open_bundle
from engine.storage.retrainings import last_retraining, told_of
from engine.storage.set_aside import defined

# Below this, a day's events and a new bundle of a middle-sized shop may not fit.
_ENOUGH_FREE_BYTES = 2**30
# Segments that are set aside are told by name.
_MOST_SEGMENTS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """`ok` is false for what keeps Hawker from working or puts data at risk."""

    name: str
    ok: bool
    sentence: str


def examine(settings: Settings, *, machine: Machine | None = None) -> list[Finding]:
    """Look at everything that Hawker stands on; embedded stores are started for it and left as they were.

    Raises nothing for what it finds: a store that does not start is a finding.
    """
    home = Home(settings.home.resolve(), settings.shop)
    findings = [_home(home.root)]
    if findings[0].ok:
        findings += [_disk(home.root), *_stores(settings, machine), _ledger_place(settings, home)]
    return [*findings, _mlflow(settings, home), _bundle(home)]


def _home(root: Path) -> Finding:
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        return Finding("home", False, f"{root} cannot be written to: {error.strerror}; choose another HAWKER_HOME.")
    return Finding("home", True, f"{root} can be written to.")


def _disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free
    enough = free >= _ENOUGH_FREE_BYTES
    return Finding("disk", enough, f"{free / 2**30:.1f} GiB are free{'' if enough else '; make room for 1 GiB'}.")


def _stores(settings: Settings, machine: Machine | None) -> Iterator[Finding]:
    """Each store alone, so that one which does not start says nothing about the others."""

    def live(stores: Stores) -> Iterator[Finding]:
        connect_live(stores.live_url, seconds=2.0).close()
        yield Finding("live", True, "The live store answers.")

    def stream(stores: Stores) -> Iterator[Finding]:
        connect_stream(stores.stream_url).close()
        yield Finding("stream", True, "The stream answers, and keeps what it acknowledges.")

    def ledger(stores: Stores) -> Iterator[Finding]:
        yield from _ledger(stores.ledger_url, settings)

    checks: dict[str, Callable[[Stores], Iterator[Finding]]] = {"live": live, "stream": stream, "ledger": ledger}
    for name, check in checks.items():
        try:
            with open_stores(settings, {name}, machine=machine) as stores:
                yield from check(stores)
        except HawkerError as error:
            yield Finding(name, False, f"{error.message}.")


def _ledger(url: str, settings: Settings) -> Iterator[Finding]:
    shop = settings.shop
    engine = connect(url, shop, pooled=False)
    try:
        with connection_of(engine) as connection:
            yield Finding("ledger", True, "The ledger answers.")
            yield _found("durability", lambda: check_durability(connection), "The ledger keeps what it acknowledges.")
            try:
                current, missing = is_current(connection, shop), ", ".join(missing_tables(connection, shop))
            except HawkerError as error:
                yield Finding("migrations", False, f"{error.message}.")
            else:
                yield _migrations(shop, missing, current=current)
                if current and not missing:
                    yield _segments(connection, settings)
                    yield _retraining(connection)
    finally:
        engine.dispose()


def _migrations(shop: str, missing: str, *, current: bool) -> Finding:
    whose = f"The ledger's tables of shop {shop!r} are"
    if current and missing:  # nothing makes them again
        told = f"The ledger of shop {shop!r} is up to date, yet lacks {missing}; restore a backup that has them."
        return Finding("migrations", False, told)
    if current:
        return Finding("migrations", True, f"{whose} up to date.")
    lacks = f"missing {missing}" if missing else "those of an older Hawker"
    return Finding("migrations", True, f"{whose} {lacks}; hawker serve, or the next command that needs them, migrates.")


def _segments(connection: Ledger, settings: Settings) -> Finding:
    aside = sorted(defined(connection, words_of(settings)).set_aside.items())
    if not aside:
        return Finding("segments", True, "Every rule of a segment or class can be evaluated.")
    told = "; ".join(f"{name}: {reason}" for name, reason in aside[:_MOST_SEGMENTS])
    more = f"; and {len(aside) - _MOST_SEGMENTS} more" if len(aside) > _MOST_SEGMENTS else ""
    return Finding(
        "segments", False, f"Set aside until somebody mends their rules, their members as of then: {told}{more}."
    )


def _retraining(connection: Ledger) -> Finding:
    """What came of the last one: a bundle that grows old without anybody knowing sells less each week."""
    name = "retraining"
    last = last_retraining(connection)
    if last is None:
        return Finding(name, True, "The bundle was not retrained by itself yet; HAWKER_RETRAIN says when.")
    ended = last.finished_at or last.created_at
    return Finding(name, last.state != "failed", f"Retraining of {ended:%Y-%m-%d %H:%M}: {told_of(last)}.")


def _found(name: str, check: Callable[[], None], sentence: str) -> Finding:
    try:
        check()
    except HawkerError as error:
        return Finding(name, False, f"{error.message}.")
    return Finding(name, True, sentence)


def _ledger_place(settings: Settings, home: Home) -> Finding:
    name = "ledger_place"
    if settings.postgres_url:
        return Finding(name, True, "The ledger is the server that HAWKER_POSTGRES_URL names.")
    folder = postgres_place.folder(home.stores)
    if postgres_place.recorded(home.stores) is not None:
        return Finding(
            name,
            True,
            f"This machine refuses user namespaces, so the ledger runs as another user and lies in {folder}; "
            "back that folder up with the home.",
        )
    if os.geteuid() == 0:
        return Finding(name, True, f"The ledger lies in {folder} and runs in a user namespace, since root may not.")
    return Finding(name, True, f"The ledger lies in {folder} and runs as user id {os.geteuid()}.")


def _mlflow(settings: Settings, home: Home) -> Finding:
    if settings.mlflow_url:
        return Finding("mlflow", True, "Training runs are kept by the server that HAWKER_MLFLOW_URL names.")
    kept = home.mlflow.is_dir() and any(home.mlflow.iterdir())
    return Finding("mlflow", True, f"Training runs are kept in {home.mlflow}." if kept else "No training run yet.")


def _bundle(home: Home) -> Finding:
    try:
        pointer = current(home)
        if pointer is None:
            return Finding("bundle", True, "No bundle is published yet: hawker train, then hawker publish.")
        check_sound(open_bundle(home, anew=True))
    except HawkerError as error:
        return Finding("bundle", False, f"{error.message}.")
    return Finding("bundle", True, f"Version {pointer.version} is published, and whole.")
