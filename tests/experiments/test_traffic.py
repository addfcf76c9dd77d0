"""The checker finds what it is there to find, and a small storm loses nothing."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from engine.storage.home import Home
from engine.storage.lake import Lake
from experiments.crash_bench import kills
from experiments.ingest_bench import independent_check
from experiments.traffic.history import History, check
from experiments.traffic.shoppers import batches


@pytest.fixture
def told(tmp_path):
    """`told(stored, *lines)`: the verdict on these lines of history and these ids in the lake."""

    def judge(stored, *lines):
        home = Home(tmp_path / "home")
        rows = {"event_id": stored, "type": ["view"] * len(stored), "time": [datetime.now(UTC)] * len(stored)}
        Lake(home).append_events(pa.table(rows, pa.schema([("event_id", pa.string()), ("type", pa.string()), _TIME])))
        with (tmp_path / "history.jsonl").open("w") as file:
            for ids, status, refused in lines:
                History(file).write(ids, status, refused)
        return check(tmp_path / "history.jsonl", home)

    return judge


_TIME = ("time", pa.timestamp("us", tz="UTC"))


def test_what_was_acknowledged_and_is_there_is_sound(told):
    verdict = told(["a", "b"], (["a", "b", "c"], 200, ["c"]), (["d"], 503, []), (["a"], 0, []))
    assert verdict.sound
    assert (verdict.sent, verdict.acknowledged, verdict.refused, verdict.unknown, verdict.stored) == (4, 2, 1, 1, 2)


@pytest.mark.parametrize(
    ("stored", "lines", "found"),
    [
        (["a"], [(["a", "b"], 200, [])], "lost"),
        (["a", "b"], [(["a", "b"], 200, ["b"])], "refused_but_stored"),
        (["a", "z"], [(["a"], 200, [])], "never_sent"),
    ],
)
def test_what_is_wrong_is_counted(told, stored, lines, found):
    verdict = told(stored, *lines)
    assert not verdict.sound
    assert asdict(verdict)[found] == 1


def test_an_event_that_was_never_answered_may_be_there_or_not(told):
    assert told(["a"], (["a", "b"], 0, []), (["c"], 503, [])).sound


def test_the_checker_runs_in_a_process_of_its_own(told, tmp_path):
    told(["a"], (["a", "b"], 200, []))
    verdict = independent_check(tmp_path / "history.jsonl", Home(tmp_path / "home"))
    assert (verdict["lost"], verdict["sound"]) == (1, False)


def test_shoppers_send_what_the_same_seed_says():
    once, again = (list(batches("p", 2, 3, users=10, items=10, seed=1)) for _ in range(2))
    assert [ids for ids, _ in once] == [ids for ids, _ in again] == [[f"p-{b}-{n}" for n in range(3)] for b in range(2)]


def test_a_worker_that_is_killed_under_load_costs_no_event(tmp_path):
    found = kills(tmp_path / "storm", "worker", 2, 0)
    assert found["kills"] == 2  # the second waits until there is a worker again
    assert found["checker"]["sound"]
    assert found["checker"]["stored"] == found["checker"]["acknowledged"] > 0
