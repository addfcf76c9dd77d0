"""MLflow as the record of what is stored, and as its mirror, whatever goes wrong with it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import StoreUnavailable
from engine.profile import unknown
from engine.recommend.placements import PLACEMENTS
from engine.recommend.query import Query
from engine.recommend.recommender import recommend
from engine.storage.home import Home
from engine.storage.releases import current, open_bundle, version_folder
from tests.trained import close_mlflow, with_mlflow
from tests.training import publish_driver
from tests.training.runs import outcome, settings
from training.evidence import digest_of, store
from training.publish import publish, rollback
from training.tracking import Tracker

ROOT = Path(__file__).parents[2]
NOW = 1_700_000_100.0


@pytest.fixture
def home(tmp_path: Path, mlflow_store: Path) -> Iterator[Home]:
    home = with_mlflow(Home(tmp_path / "home"), mlflow_store)
    yield home
    close_mlflow(home)


def tracker_of(home: Home) -> Tracker:
    return Tracker(home, settings(home))


def client_of(home: Home):
    import mlflow

    uri = tracker_of(home).uri
    return mlflow.MlflowClient(uri, uri)


def run_apart(*arguments: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process without our paths, warnings or MLflow settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=kept | environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done


def test_a_recorded_run_holds_recipe_data_versions_metrics_curves_and_plots(home: Home) -> None:
    version = store(home, outcome())
    recorded = tracker_of(home).record(version)
    client = client_of(home)
    run = client.get_run(recorded.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["recipe.name"] == "toy"
    assert run.data.params["recipe.factors"] == "als"
    assert run.data.params["chosen.weights.view"] == "0.25"
    assert run.data.tags["data.events"] == "7"
    figures = run.data.metrics
    assert figures["validation/home/whole/ndcg_at_20"] == pytest.approx(0.3, abs=0.01)
    assert (
        figures["validation/home/whole/ndcg_at_20_low"]
        < figures["validation/home/whole/ndcg_at_20"]
        < figures["validation/home/whole/ndcg_at_20_high"]
    )
    assert figures["validation/home/whole/coverage_at_20"] == 0.5
    assert figures["seconds/fit_als"] == 2.5
    curve = client.get_metric_history(recorded.run_id, "curves/weights__view___20")
    assert [(each.step, each.value) for each in curve] == [(1, 0.1), (2, 0.2), (3, 0.15)]
    files = {each.path for each in client.list_artifacts(recorded.run_id, "plots")}
    assert files == {
        f"plots/{name}.png"
        for name in ("validation_whole", "validation_new", "validation_catalogue", "learning_curves")
    }
    model = client.get_model_version("hawker", str(recorded.model_version))
    assert model.tags["bundle_version"] == "1"
    assert model.tags["manifest_sha256"] == digest_of(version_folder(home, 1))
    (drawn,) = (home.mlflow / "artifacts").rglob("validation_whole.png")
    assert drawn.read_bytes().startswith(b"\x89PNG")


def test_recording_twice_records_once(home: Home) -> None:
    version = store(home, outcome())
    tracker = tracker_of(home)
    assert tracker.record(version) == tracker.record(version)
    assert len(tracker.models()) == 1


def test_the_champion_loads_with_plain_mlflow_elsewhere_and_answers_as_the_engine_does(
    home: Home, tmp_path: Path
) -> None:
    store(home, outcome())
    publish(home, now=NOW, registry=tracker_of(home))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = """
import json, mlflow, pandas, sys
model = mlflow.pyfunc.load_model("models:/hawker@champion")
users = pandas.DataFrame({"user_id": ["u1", "u7", "never seen"]})
answers = [model.predict(users), model.predict(users, params={"placement": "discover", "limit": 5}),
           model.predict(users, params={"placement": "similar", "item_ids": ["i3"]})]
import engine
print(json.dumps({"answers": [each.to_dict("split") for each in answers], "engine": engine.__file__}))
"""
    done = run_apart("-c", code, folder=elsewhere, MLFLOW_TRACKING_URI=tracker_of(home).uri, PYTHONPATH="")
    said = json.loads(done.stdout.splitlines()[-1])
    assert Path(said["engine"]).is_relative_to(home.mlflow / "artifacts")
    bundle = open_bundle(home)
    asked = [("home", 20, []), ("discover", 5, []), ("similar", 20, ["i3"])]
    for answer, (name, limit, items) in zip(said["answers"], asked, strict=True):
        assert answer["columns"] == ["user_id", "rank", "item_id", "score", "source"]
        expected = []
        for user in ("u1", "u7", "never seen"):
            profile = bundle.profile(user) or unknown()
            query = Query(PLACEMENTS[name], profile, float(bundle.manifest.as_of), limit, bundle.items.rows(items))
            expected += [
                [user, rank, bundle.items.ids[each.row], each.score, each.source]
                for rank, each in enumerate(recommend(query, bundle), start=1)
            ]
        assert len(expected) > 10
        assert answer["data"] == expected


def test_the_aliases_follow_publish_and_rollback(home: Home) -> None:
    tracker = tracker_of(home)
    store(home, outcome())
    tracker.repair()
    assert tracker.aliases() == {"challenger": 1}
    publish(home, now=NOW, registry=tracker)
    assert tracker.aliases() == {"champion": 1}
    tracker.record(store(home, outcome()))
    tracker.repair()
    assert tracker.aliases() == {"champion": 1, "challenger": 2}
    publish(home, now=NOW, registry=tracker)
    assert tracker.aliases() == {"champion": 2}
    rollback(home, now=NOW, registry=tracker)
    assert tracker.aliases() == {"champion": 1, "challenger": 2}
    assert not tracker.repair().is_changed
    newest, oldest = tracker.models()
    assert (newest.bundle_version, newest.aliases) == (2, ("challenger",))
    assert (oldest.bundle_version, oldest.aliases) == (1, ("champion",))
    assert oldest.as_of == 1_700_000_000
    assert oldest.metrics["validation/home/whole/users"] == 19.0


def test_aliases_changed_by_hand_are_brought_back(home: Home) -> None:
    tracker = tracker_of(home)
    for _ in range(2):
        store(home, outcome())
    publish(home, 1, now=NOW, registry=tracker)
    client_of(home).set_registered_model_alias("hawker", "champion", "2")
    assert tracker.repair().is_changed
    assert tracker.aliases() == {"champion": 1, "challenger": 2}


def test_a_broken_mlflow_loses_nothing_and_is_made_good_later(home: Home) -> None:
    version = store(home, outcome())
    file = home.mlflow / "mlflow.db"
    file.rename(home.mlflow / "kept.db")
    file.write_bytes(b"this is no database " * 100)
    with pytest.raises(StoreUnavailable, match=r"MLflow at sqlite.* failed"):
        tracker_of(home).record(version)
    published = publish(home, now=NOW, registry=tracker_of(home))
    assert published.warning.startswith("MLflow was not updated: ")
    assert open_bundle(home).manifest.version == 1
    close_mlflow(home)
    (home.mlflow / "kept.db").rename(file)
    repaired = tracker_of(home).repair()
    assert [each.bundle_version for each in repaired.recorded] == [1]
    assert repaired.aliases == {"champion": 1}
    assert tracker_of(home).models()[0].metrics["seconds/fit_als"] == 2.5


def test_an_unreachable_server_fails_soon_and_without_its_password(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    unreachable = settings(home, HAWKER_MLFLOW_URL=f"http://me:secret@127.0.0.1:{port}")
    version = store(home, outcome())
    start = time.monotonic()
    with pytest.raises(StoreUnavailable, match="MLflow at http://127") as refused:
        Tracker(home, unreachable).record(version)
    assert time.monotonic() - start < 30
    assert "secret" not in refused.value.message
    published = publish(home, now=NOW, registry=Tracker(home, unreachable))
    assert published.version == 1
    assert published.warning


def test_a_broken_version_is_left_out_and_the_others_are_recorded(home: Home) -> None:
    for _ in range(2):
        store(home, outcome())
    (version_folder(home, 1) / "users.ids.blob.npy").write_bytes(b"")
    repaired = tracker_of(home).repair()
    assert [each.bundle_version for each in repaired.recorded] == [2]
    assert repaired.unusable == (1,)
    assert repaired.aliases == {"challenger": 2}


def test_a_shop_made_anew_is_not_taken_for_the_old_one_with_the_same_numbers(home: Home) -> None:
    """The tracking server may outlive the home: the manifest's sum tells the two versions 1 apart."""
    tracker = tracker_of(home)
    store(home, outcome())
    publish(home, now=NOW, registry=tracker)
    shutil.rmtree(home.bundles)
    store(home, outcome(seed=5))
    publish(home, now=NOW, registry=tracker)
    champion = client_of(home).get_model_version_by_alias("hawker", "champion")
    assert int(champion.version) == 2
    assert champion.tags["manifest_sha256"] == digest_of(version_folder(home, 1))


def test_two_shops_of_a_home_have_models_of_their_own(home: Home) -> None:
    other = Home(home.root, "boots")
    store(home, outcome())
    store(other, outcome())
    publish(home, now=NOW, registry=tracker_of(home))
    publish(other, now=NOW, registry=tracker_of(other))
    found = {(each.name, int(each.version)) for each in client_of(home).search_model_versions("")}
    assert found == {("hawker", 1), ("hawker-boots", 1)}


def test_telemetry_is_off(home: Home) -> None:
    tracker_of(home).aliases()
    from mlflow.telemetry import get_telemetry_client

    assert get_telemetry_client() is None


def test_two_processes_may_create_the_store_at_once_also_after_a_killed_creation(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    store(home, outcome())
    home.mlflow.mkdir(parents=True)
    (home.mlflow / "creating.db").write_bytes(b"half a migration")
    command = [sys.executable, "-m", "tests.training.publish_driver", "repair", str(home.root)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [each.communicate(timeout=300)[0] for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert [json.loads(each) for each in said] == [{"challenger": 1}] * 2
    names = {path.name for path in home.mlflow.iterdir()}
    assert names == {"mlflow.db", ".lock", "artifacts"}


def test_killed_at_every_step_one_bundle_is_served_whole_and_the_next_command_repairs_the_alias(home: Home) -> None:
    store(home, outcome())
    publish(home, now=NOW, registry=tracker_of(home))
    store(home, outcome())
    close_mlflow(home)
    done = run_apart("-m", "tests.training.publish_driver", "kills", str(home.root))
    found = json.loads(done.stdout.splitlines()[-1])
    assert [each["step"] for each in found] == list(publish_driver.STEPS)
    for each in found:
        assert each["signal"] == -9, each
        expected = 2 if each["step"] in publish_driver.TURNED else 1
        assert each["pointer"] == each["opened"] == expected, each
        assert each["repaired"] == 0, each
        assert each["recorded"] == [1, 2], each
        rest = {"challenger": 2} if each["after"] == 1 else {}
        assert each["aliases"] == {"champion": each["after"], **rest}, each
    assert {each["after"] for each in found} == {1, 2}
    served = current(home)
    assert served is not None
    assert served.version == 1
