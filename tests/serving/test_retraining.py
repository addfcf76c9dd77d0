"""The routine: jobs that train the bundle anew in a child process, and the watch that asks for them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from engine.storage.home import Home
from engine.storage.jobs import RETRAIN, cancel_job, next_job
from engine.storage.releases import current, versions
from engine.storage.retrainings import ask_for_retraining, find_retraining, last_retraining
from serving.metrics import TrainingMetrics
from serving.retraining import retraining, run_retraining
from serving.staleness import Watch, look_at_lake, watching_staleness
from tests.serving.conftest import eventually
from tests.stores import settings_of
from tests.trained import TINY_TOML

ROOT = Path(__file__).resolve().parents[2]
NOW = 1_750_000_000.0
TRAINING = 240.0  # seconds that a tiny training may take on a busy machine


@dataclass
class Routine:
    home: Home
    ledger: object
    environment: dict[str, str]
    figures: TrainingMetrics

    def settings(self, **more):
        return settings_of(self.home.root, **{**self.environment, **more})

    def ask(self):
        recipe = self.environment["HAWKER_RETRAIN_RECIPE"]
        return ask_for_retraining(self.ledger, recipe=recipe, events=1, actor="Ann", now=NOW)

    def taken(self):
        self.ask()
        return next_job(self.ledger, now=NOW, kinds=(RETRAIN,))

    def run(self, **more):
        job = self.taken()
        run_retraining(self.ledger, job, self.settings(**more), self.home, self.figures, threading.Event())
        return find_retraining(self.ledger, job.id)

    def counted(self, outcome):
        return self.figures.ended.labels(outcome)._value.get()


@pytest.fixture
def routine(own_home, ledger, ledger_url, tmp_path, monkeypatch):
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(TINY_TOML)
    environment = {
        "HAWKER_HOME": str(own_home.root),
        "HAWKER_POSTGRES_URL": ledger_url,
        "HAWKER_RETRAIN_RECIPE": str(recipe),
    }
    for name, value in {**environment, "PYTHONPATH": str(ROOT)}.items():
        monkeypatch.setenv(name, value)
    return Routine(own_home, ledger, environment, TrainingMetrics())


def test_a_retraining_that_a_gate_refuses_says_which_and_leaves_what_is_served(routine):
    """With so few customers nothing is better beyond its interval."""
    job = routine.run()
    assert (job.state, job.error, job.result["outcome"], job.result["version"]) == ("done", None, "refused", 2)
    assert "home_beats_frequency" in job.result["failed_gates"]
    failed = [each["name"] for each in job.result["gates"] if not each["passed"]]
    assert failed == job.result["failed_gates"]
    assert job.result["peak_mib"] > 50
    assert (current(routine.home).version, versions(routine.home)) == (1, [1, 2])
    assert routine.counted("refused") == 1


def test_one_that_needs_too_much_memory_fails_by_that_name_and_leaves_nothing(routine):
    job = routine.run(HAWKER_RETRAIN_MEMORY_MIB="60")
    assert (job.state, job.result["outcome"], job.result["why"]) == ("failed", "failed", "memory")
    assert job.error.startswith("the memory limit of 60 MiB was reached")
    assert versions(routine.home) == [1]
    assert routine.counted("failed") == 1


def test_one_that_takes_too_long_fails_by_that_name(routine):
    job = routine.run(HAWKER_RETRAIN_HOURS="0.0001")
    assert (job.state, job.result["why"]) == ("failed", "time")
    assert job.error.startswith("the time limit of 0.36 s was reached")


def test_a_recipe_that_cannot_be_read_is_the_jobs_failure_in_one_line(routine):
    Path(routine.environment["HAWKER_RETRAIN_RECIPE"]).write_text("windoes = 2")
    job = routine.run()
    assert (job.state, job.error) == ("failed", "the recipe has an unknown key windoes; did you mean windows?")


def test_one_that_cannot_be_started_fails_at_once_and_says_why(routine):
    """Without this its runner begins it again and again, until it is said to have died of it."""
    job = routine.taken()
    command = [str(routine.home.root / "nowhere" / "hawker")]
    settings = routine.settings(HAWKER_RETRAIN_MEMORY_MIB="1000000000000000")
    run_retraining(routine.ledger, job, settings, routine.home, routine.figures, threading.Event(), command=command)
    ended = find_retraining(routine.ledger, job.id)
    assert (ended.state, ended.result["why"]) == ("failed", "error")
    assert ended.error.startswith("it could not be started: [Errno 2] No such file or directory")


@pytest.mark.parametrize("how", ["cancelled", "out of time", "runner told to stop"])
def test_one_that_is_ended_when_all_was_done_is_told_as_done(routine, how):
    """Its version is served by then."""
    answer = json.dumps({"outcome": "published", "version": 2, "gates": [], "failed_gates": []})
    command = [sys.executable, "-c", f"import sys, time; print({answer!r}, flush=True); time.sleep(60)"]
    job, stopping = routine.taken(), threading.Event()
    settings = routine.settings(HAWKER_RETRAIN_HOURS="0.0006" if how == "out of time" else "1")
    if how == "runner told to stop":
        threading.Timer(3.0, stopping.set).start()
    if how == "cancelled":
        threading.Timer(3.0, cancel_job, (routine.ledger, job.id), {"now": NOW}).start()
    run_retraining(routine.ledger, job, settings, routine.home, routine.figures, stopping, command=command)
    ended = find_retraining(routine.ledger, job.id)
    assert (ended.state, ended.error, ended.result["outcome"], ended.result["version"]) == (
        "done",
        None,
        "published",
        2,
    )


def test_one_that_is_cancelled_ends_within_seconds(routine):
    job = routine.taken()
    thread = threading.Thread(
        target=run_retraining,
        args=(routine.ledger, job, routine.settings(), routine.home, routine.figures, threading.Event()),
    )
    thread.start()
    eventually(lambda: bool((find_retraining(routine.ledger, job.id).checkpoint or {}).get("stage")), within=60)
    cancel_job(routine.ledger, job.id, now=NOW)
    thread.join(30)
    assert not thread.is_alive()
    assert find_retraining(routine.ledger, job.id).state == "cancelled"
    assert versions(routine.home) == [1]


def test_a_runner_that_is_told_to_stop_puts_its_job_back(routine):
    job, stopping = routine.ask(), threading.Event()
    with retraining(routine.settings(), routine.home, routine.figures, stopping):
        eventually(lambda: (find_retraining(routine.ledger, job.id).checkpoint or {}).get("stage"), within=60)
    eventually(lambda: find_retraining(routine.ledger, job.id).state == "queued", within=20)


@contextmanager
def jobs_process(environment):
    """The process as the supervisor starts it."""
    (read_end, write_end), (heard, said) = os.pipe(), os.pipe()
    command = [sys.executable, "-m", "serving.jobs_process", "--lifeline", str(read_end), "--status", str(said)]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, pass_fds=(read_end, said))
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for each in (read_end, write_end, heard, said):
            os.close(each)


def test_a_runner_that_is_killed_leaves_no_training_behind_and_the_next_one_does_the_job(routine, stores):
    environment = {**routine.environment, "HAWKER_STREAM_URL": stores.stream_url, "HAWKER_REDIS_URL": stores.live_url}
    job = routine.ask()
    with jobs_process(environment) as process:
        eventually(lambda: _training_of(process.pid), within=60)
        eventually(lambda: (find_retraining(routine.ledger, job.id).checkpoint or {}).get("stage"), within=60)
        child = _training_of(process.pid)[0]
        process.send_signal(signal.SIGKILL)
        process.wait()
    eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, within=30)
    assert find_retraining(routine.ledger, job.id).state == "running"
    with jobs_process(environment):
        eventually(lambda: find_retraining(routine.ledger, job.id).state == "done", within=TRAINING)
    assert find_retraining(routine.ledger, job.id).result["version"] == 2
    assert current(routine.home).version == 1
    assert not list(routine.home.bundles.glob(".building-*"))


def _training_of(pid):
    children = psutil.Process(pid).children()
    return [each for each in children if "retrain" in each.cmdline()]


def test_a_second_retraining_at_the_same_time_is_refused(routine):
    command = [sys.executable, "-m", "hawker", "retrain", "--json"]
    lock = (
        "import fcntl, sys, time\n"
        f"held = open({str(routine.home.shop_folder / 'retraining.lock')!r}, 'w')\n"
        "fcntl.flock(held, fcntl.LOCK_EX); print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", lock], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].endswith("another retraining of this shop runs; wait for its end")


def test_the_watch_counts_and_asks_for_what_is_due(routine):
    seen = look_at_lake(routine.home)
    assert (seen.version, seen.events_since) == (1, 0)
    assert seen.events > 1_000
    watch = Watch(routine.home, routine.figures)
    assert watch.look() == seen
    watch.measure_drift(time.time())
    assert routine.figures.events_since._value.get() == 0


def test_where_something_happened_the_schedule_makes_a_job_of_it(routine, tiny_shop):
    """The bundle that is served is older than the newest events: it was trained on what lay before them."""
    middle = look_at_lake(routine.home).as_of - 86_400
    manifest = routine.home.bundles / "v000001" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "as_of": middle, "created_at": 1}))
    stopping = threading.Event()
    settings = routine.settings(HAWKER_RETRAIN="1h")
    with watching_staleness(settings, routine.home, routine.figures, stopping):
        eventually(lambda: last_retraining(routine.ledger) is not None, within=60)
    job = last_retraining(routine.ledger)
    assert (job.state, job.arguments["because"], job.actor) == ("queued", "schedule", None)
    assert routine.figures.events_since._value.get() > 0


@pytest.mark.parametrize("what", ["an earlier format", "a broken file", "a broken pointer", "no folder"])
def test_a_served_bundle_that_cannot_be_used_is_trained_anew(routine, what):
    """What is broken is what a training mends: an upgrade that changes the format must not end the routine."""
    folder = routine.home.bundles / "v000001"
    manifest = json.loads((folder / "manifest.json").read_text())
    if what == "an earlier format":
        (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 1}))
    elif what == "a broken file":  # and something happened since
        (folder / "manifest.json").write_text(json.dumps({**manifest, "as_of": manifest["as_of"] - 86_400}))
        (folder / next(iter(manifest["files"]))).write_bytes(b"")
    elif what == "a broken pointer":
        (routine.home.bundles / "current").write_text("{")
    else:
        folder.rename(routine.home.bundles / "gone")
    seen = look_at_lake(routine.home)
    assert seen.events_since > 0
    assert seen.version == (1 if what == "a broken file" else 0)
    with watching_staleness(
        routine.settings(HAWKER_RETRAIN_EVENTS="1"), routine.home, routine.figures, threading.Event()
    ):
        eventually(lambda: last_retraining(routine.ledger) is not None, within=60)
    assert last_retraining(routine.ledger).arguments["because"] == "events"


def test_drift_of_a_bundle_that_is_served_no_more_is_no_figure_of_the_next_one(trained_home, tmp_path):
    """As `hawker serve` runs it, whose processes share their figures: there none can be taken away."""
    code = f"""
from pathlib import Path
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from engine.storage.home import Home
from serving.metrics import TrainingMetrics
from serving.staleness import Watch
watch = Watch(Home(Path({str(trained_home.root)!r})), TrainingMetrics())
watch._tell({{"scores": 0.5, "event_mix": 0.25}})
watch.look()
watch.measure_drift(1_750_000_000.0)  # nothing happened since this bundle
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "error::UserWarning", "-c", code]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    told = [line for line in done.stdout.splitlines() if line.startswith("hawker_drift{")]
    assert sorted(told) == [f'hawker_drift{{of="{name}"}} NaN' for name in ("event_mix", "item_popularity", "scores")]
