"""Lists for a file of users or items: the same as over HTTP, and as of a moment from nothing later."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as parquet
import pytest

from engine.errors import BadInput, UnknownThing
from engine.ids import IdMap
from engine.learned import Peers
from engine.storage.batch import (
    lists_for_items,
    lists_for_users,
    read_ids,
    read_moment,
    rebuilt_profiles,
    unfairness,
    write_lists,
)
from engine.storage.lake import Lake
from engine.storage.releases import open_bundle
from tests.serving.conftest import storefront
from tests.trained import SIZE
from training.peers import nobodys_peers

USERS = [f"u{row}" for row in range(0, SIZE.users, 5)]
LONG_AGO, LAST = "2025-01-20T12:00:00+00:00", "2025-02-10T12:00:00+00:00"
OF_USERS = ("home", "discover", "buy-again", "trending")


@pytest.fixture(scope="module")
def bundle(trained_home):
    return open_bundle(trained_home)


@pytest.fixture(scope="module")
def lake(trained_home):
    return Lake(trained_home)


def lists_as_of(bundle, lake, text, *, users=USERS, placement="home", limit=20) -> pa.Table:
    return lists_for_users(bundle, lake, users, placement, limit=limit, now=0.0, as_of=read_moment(text))


def add_purchase(home, user, item, moment: datetime) -> None:
    row = {"event_id": "added", "type": "purchase", "time": moment, "user_id": user, "item_id": item, "quantity": 1.0}
    columns = {name: [value] for name, value in row.items()}
    columns["time"] = pa.array([moment], pa.timestamp("us", tz="UTC"))
    assert Lake(home).append_events(pa.table(columns)).stored == 1


def item_of(bundle, taken) -> str:
    """An item that the user has nothing to do with."""
    return next(bundle.items.ids[row] for row in range(len(bundle.items)) if row not in set(taken.tolist()))


def test_as_of_the_bundles_moment_each_rebuilt_profile_is_the_stored_one(bundle, lake):
    every = [bundle.users.ids[row] for row in range(len(bundle.users))]
    found = rebuilt_profiles(bundle, lake, every, datetime.fromtimestamp(bundle.manifest.as_of, UTC))
    assert [user for user in every if not found[user].is_stored] == []


@pytest.mark.parametrize("placement", OF_USERS)
def test_the_lists_of_users_are_those_over_http(trained_home, bundle, lake, placement):
    now = bundle.manifest.as_of + 3600
    ids = [*USERS, "nobody"]
    ours = lists_for_users(bundle, lake, ids, placement, limit=10, now=now, as_of=None)
    rebuilt = lists_for_users(bundle, lake, ids, placement, limit=10, now=0.0, as_of=datetime.fromtimestamp(now, UTC))
    assert rebuilt.equals(ours)
    with storefront(trained_home, now) as running:
        theirs = []
        for user in ids:
            answer = running.ask(placement=placement, user_id=user, limit=10)
            assert answer.status_code == 200
            theirs += [
                (user, place, item["id"], item["score"], item["source"], item.get("due_at"), item.get("chance"))
                for place, item in enumerate(answer.json()["items"], start=1)
            ]
    columns = ours.to_pydict()
    columns["due_at"] = [each and each.replace(microsecond=0).isoformat() for each in columns["due_at"]]
    assert list(zip(*columns.values(), strict=True)) == theirs
    assert (ours["due_at"].null_count < ours.num_rows) == (placement == "buy-again")


@pytest.mark.parametrize("placement", ["similar", "bought-together"])
def test_the_lists_beside_items_are_those_over_http(trained_home, bundle, placement):
    ids = [bundle.items.ids[row] for row in range(0, len(bundle.items), 7)]
    ours = lists_for_items(bundle, [*ids, "unknown"], placement, limit=5, now=0.0)
    assert ours.column_names == ["item_id", "rank", "similar_id", "score", "source"]
    with storefront(trained_home, 0.0) as running:
        theirs = []
        for item in ids:
            answer = running.get(f"/v1/items/{item}/{placement}", limit=5)
            theirs += [
                (item, place, each["id"], each["score"], each["source"])
                for place, each in enumerate(answer.json()["items"], start=1)
            ]
    assert list(zip(*ours.to_pydict().values(), strict=True)) == theirs


def test_a_purchase_after_the_moment_changes_no_list(own_home, bundle, lake):
    before = {name: lists_as_of(bundle, lake, LAST, placement=name) for name in OF_USERS}
    user = USERS[1]
    item = item_of(bundle, bundle.profile(user).items)
    add_purchase(own_home, user, item, read_moment(LAST))  # at the very moment is after
    after = {name: lists_as_of(bundle, Lake(own_home), LAST, placement=name) for name in OF_USERS}
    assert after == before


def test_a_purchase_before_the_moment_is_in_the_profile_and_in_no_other(own_home, bundle, lake):
    user = USERS[1]
    item = item_of(bundle, bundle.profile(user).items)
    moment = read_moment(LAST)
    add_purchase(own_home, user, item, moment - timedelta(seconds=1))
    before, after = (rebuilt_profiles(bundle, each, USERS, moment) for each in (lake, Lake(own_home)))
    row = bundle.items.row(item)
    assert row not in before[user].items
    assert (after[user].items[-1], after[user].times[-1]) == (row, int(moment.timestamp()) - 1)
    for other in set(USERS) - {user}:
        assert before[other].items.tolist() == after[other].items.tolist()
    again = lists_as_of(bundle, Lake(own_home), LAST, users=[user], placement="buy-again", limit=80)
    assert item not in again["item_id"].to_pylist(), "it was bought this second"
    new = lists_as_of(bundle, Lake(own_home), LAST, users=[user], placement="discover", limit=80)
    assert item not in new["item_id"].to_pylist()


def test_the_moment_moves_the_profile_with_it(bundle, lake):
    early, late = (rebuilt_profiles(bundle, lake, USERS, read_moment(text)) for text in (LONG_AGO, LAST))
    assert sum(len(profile) for profile in early.values()) < sum(len(profile) for profile in late.values())
    for user in USERS:
        assert all(time < read_moment(LONG_AGO).timestamp() for time in early[user].times)
        assert late[user].times[: len(early[user])].tolist() == early[user].times.tolist()
        assert not early[user].is_stored or len(early[user]) == len(bundle.profile(user))


def test_before_the_first_event_everybody_gets_the_popular_list(bundle, lake):
    """But for what they declared: where that says something, it is bent to those who declared the same."""
    lists = lists_as_of(bundle, lake, "2024-12-31", users=["u1", "nobody", "no one"])
    items, sources = lists["item_id"].to_pylist(), lists["source"].to_pylist()
    assert items[20:40] == items[40:]
    assert set(sources[20:]) == {"popular"}
    plain = dataclasses.replace(bundle, peers=nobodys_peers())
    again = lists_as_of(plain, lake, "2024-12-31", users=["u1", "nobody"])["item_id"].to_pylist()
    assert again[:20] == again[20:] == items[20:40]
    bent = dataclasses.replace(bundle, peers=_of_the_first_item(bundle))
    assert lists_as_of(bent, lake, "2024-12-31", users=["u1"])["source"].to_pylist()[0] == "peers"


def _of_the_first_item(bundle):
    """Whatever the region, people there buy one item a hundred times as often."""
    words = IdMap.of([f"region={each}" for each in ("north", "south", "east", "west")])
    row = bundle.popular.items[5:6]
    return Peers(words, np.full(4, 50, np.int32), row, np.full((4, 1), np.log(100.0), np.float32))


def test_an_unknown_user_gets_the_popular_list_and_nothing_to_buy_again(bundle, lake):
    lists = lists_for_users(bundle, lake, ["nobody"], "home", limit=5, now=0.0, as_of=None)
    popular = [bundle.items.ids[row] for row in bundle.popular.items if bundle.sellable[row]][:5]
    assert lists["item_id"].to_pylist() == popular
    assert lists["rank"].to_pylist() == [1, 2, 3, 4, 5]
    assert lists_for_users(bundle, lake, ["nobody"], "buy-again", limit=5, now=0.0, as_of=None).num_rows == 0


def test_a_bundle_that_learned_from_later_events_is_said_to_be_unfair(bundle):
    trained_until = datetime.fromtimestamp(bundle.manifest.as_of, UTC)
    assert f"{trained_until:%Y-%m-%dT%H:%MZ}" in unfairness(bundle, trained_until - timedelta(seconds=1))
    assert unfairness(bundle, trained_until) == ""


def test_an_unknown_item_has_no_rows(bundle):
    assert lists_for_items(bundle, ["unknown"], "similar", limit=5, now=0.0).num_rows == 0


def test_a_placement_for_users_is_refused_beside_items_and_the_other_way_round(bundle, lake):
    with pytest.raises(BadInput, match="'home' is for users"):
        lists_for_items(bundle, ["i1"], "home", limit=5, now=0.0)
    with pytest.raises(BadInput, match="'similar' is about items in view"):
        lists_for_users(bundle, lake, ["u1"], "similar", limit=5, now=0.0, as_of=None)
    with pytest.raises(UnknownThing, match="did you mean 'similar'"):
        lists_for_items(bundle, ["i1"], "similr", limit=5, now=0.0)


def test_each_format_holds_the_same_rows(bundle, lake, tmp_path):
    lists = lists_for_users(bundle, lake, [*USERS, 'ü, "x"'], "home", limit=3, now=bundle.manifest.as_of, as_of=None)
    for ending in ("parquet", "csv", "jsonl"):
        write_lists(tmp_path / "new" / f"lists.{ending}", lists)
    folder = tmp_path / "new"
    assert sorted(path.name for path in folder.iterdir()) == ["lists.csv", "lists.jsonl", "lists.parquet"]
    assert parquet.read_table(folder / "lists.parquet").equals(lists)
    assert csv.read_csv(folder / "lists.csv").cast(lists.schema).equals(lists)
    rows = [json.loads(line) for line in (folder / "lists.jsonl").read_text().splitlines()]
    assert rows == lists.to_pylist()


def test_another_ending_is_refused_and_a_file_that_is_there_stays(bundle, lake, tmp_path):
    lists = lists_for_users(bundle, lake, ["u1"], "home", limit=3, now=bundle.manifest.as_of, as_of=None)
    with pytest.raises(BadInput, match=r"must end in \.parquet, \.csv or \.jsonl"):
        write_lists(tmp_path / "lists.txt", lists)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_lists(tmp_path / "folder.csv", lists)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]


def test_ids_are_read_from_every_format_each_once_in_order(tmp_path):
    ids = ["u2", "0012", "ü", "u2", "u 1"]
    once = ["u2", "0012", "ü", "u 1"]
    parquet.write_table(pa.table({"x": range(5), "user_id": ids}), tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("x,user_id\n" + "".join(f"1,{each}\n" for each in ids))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"user_id": each}) + "\n\n" for each in ids))
    (tmp_path / "a.txt").write_text("\n".join(ids) + "\n\n")
    (tmp_path / "a").write_text("\r\n".join(ids))
    for name in ("a.parquet", "a.csv", "a.jsonl", "a.txt", "a"):
        assert read_ids(tmp_path / name, "user_id") == once, name


def test_numbers_are_ids_too_and_empty_places_are_nobody(tmp_path):
    parquet.write_table(pa.table({"user_id": pa.array([7, None, 12], pa.int64())}), tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("user_id,x\n7,1\n,1\n12,1\n")
    (tmp_path / "a.jsonl").write_text('{"user_id": 7}\n{"user_id": null}\n{"x": 1}\n{"user_id": 12}\n')
    for name in ("a.parquet", "a.csv", "a.jsonl"):
        assert read_ids(tmp_path / name, "user_id") == ["7", "12"], name


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"user,x\nu1,2\n", "has no column user_id; it has user, x"),
        ("a.csv", b"user_id,user_id\nu1,u2\n", "has two columns user_id"),
        ("a.csv", b"user_id\n", "names no user_id"),
        ("a.csv", b"user_id\n\n\n", "names no user_id"),
        ("a.csv", b"", "cannot be read"),
        ("a.csv", b"user_id,x\nu1,2\nu2\n", "cannot be read"),
        ("a.csv", b"user_id\n\xff\xfe\n", "cannot be read"),
        ("a.jsonl", b"", "has no user_id in any line"),
        ("a.jsonl", b'{"user": "u1"}\n', "has no user_id in any line"),
        ("a.jsonl", b'["u1"]\n', "has no user_id in any line"),
        ("a.jsonl", b'{"user_id": null}\n', "names no user_id"),
        ("a.jsonl", b"{user_id: u1}\n", "cannot be read"),
        ("a.parquet", b"", "cannot be read"),
        ("a.parquet", b"PAR1 this is no Parquet PAR1", "cannot be read"),
        ("a.txt", b"", "names no user_id"),
        ("a.txt", b"\xff\xfe", "cannot be read"),
    ],
)
def test_an_unusable_file_of_ids_is_refused_in_one_line(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput) as refused:
        read_ids(tmp_path / name, "user_id")
    assert words in refused.value.message
    assert name in refused.value.message
    assert "\n" not in refused.value.message


def test_a_missing_file_and_a_folder_of_ids_are_refused(tmp_path):
    with pytest.raises(BadInput, match="there is no file"):
        read_ids(tmp_path / "nothing.csv", "user_id")
    with pytest.raises(BadInput, match="there is no file"):
        read_ids(tmp_path / "nothing.parquet", "user_id")
    for name in ("a.csv", "a.parquet", "a.jsonl", "a"):
        (tmp_path / name).mkdir()
        with pytest.raises(BadInput, match=r"cannot be read|has no column user_id"):
            read_ids(tmp_path / name, "user_id")


def test_a_column_of_something_else_is_refused(tmp_path):
    parquet.write_table(pa.table({"user_id": [["u1"], ["u2"]]}), tmp_path / "a.parquet")
    with pytest.raises(BadInput, match="cannot be read"):
        read_ids(tmp_path / "a.parquet", "user_id")


def test_a_time_without_a_zone_is_utc():
    assert read_moment("2025-02-10") == datetime(2025, 2, 10, tzinfo=UTC)
    assert read_moment("2025-02-10T18:30") == datetime(2025, 2, 10, 18, 30, tzinfo=UTC)
    assert read_moment("2025-02-10T18:30:00+02:00") == datetime(2025, 2, 10, 16, 30, tzinfo=UTC)
    assert read_moment("2025-02-10T18:30:00Z").tzinfo is UTC


@pytest.mark.parametrize("text", ["", "yesterday", "2025-13-01", "0001-01-01T00:00+14:00", "9999-12-31T23:00-14:00"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(BadInput, match="is no time; write it like"):
        read_moment(text)
