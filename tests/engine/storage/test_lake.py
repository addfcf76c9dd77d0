import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import BadInput, NotAllowed, StoreUnavailable, UnknownThing
from engine.storage.home import Home
from engine.storage.lake import Lake, Stored
from engine.storage.lake_delta import DeltaStore
from engine.storage.lake_new_events import new_events
from engine.storage.lake_sql import open_sql
from engine.storage.lake_tables import EVENTS, ITEMS, LAKE_TABLES, MERGES, USERS
from engine.storage.lake_views import ParquetRows

START = datetime(2024, 1, 30, tzinfo=UTC)
ROOT = Path(__file__).parents[3]


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@pytest.fixture
def lake(home):
    return Lake(home)


def purchases(count, *, first=0, user="u"):
    """`count` purchases, one an hour, named by their number."""
    numbers = range(first, first + count)
    return pa.table(
        {
            "event_id": [f"e{number}" for number in numbers],
            "type": ["purchase"] * count,
            "time": pa.array([START + timedelta(hours=number) for number in numbers], pa.timestamp("us", tz="UTC")),
            "user_id": [f"{user}{number % 3}" for number in numbers],
            "item_id": [f"i{number % 5}" for number in numbers],
            "amount": pa.array([number * 100 for number in numbers], pa.int64()),
        }
    )


def ids(table):
    return sorted(table.column("event_id").to_pylist())


def test_an_empty_shop_reads_as_empty_tables_with_their_columns(lake):
    assert lake.events().schema == EVENTS.schema
    assert lake.items().schema == ITEMS.schema
    assert lake.users().schema == USERS.schema
    assert lake.query("SELECT count(*) AS n FROM events, items, users").to_pylist() == [{"n": 0}]
    assert lake.versions() == dict.fromkeys(LAKE_TABLES, -1)


def test_events_come_back_as_they_were_stored(lake):
    assert lake.append_events(purchases(100)) == Stored(stored=100, duplicates=0)
    stored = lake.events().sort_by("time")
    assert stored.schema == EVENTS.schema
    assert stored.select(purchases(0).column_names).to_pylist() == purchases(100).to_pylist()
    assert stored.column("order_id").null_count == 100


def test_events_are_stored_once_by_their_id(lake):
    batch = purchases(10)
    doubled = pa.concat_tables([batch, batch.slice(0, 4)])
    assert lake.append_events(doubled) == Stored(stored=10, duplicates=4)
    assert lake.append_events(pa.concat_tables([purchases(15), purchases(2)])) == Stored(stored=5, duplicates=12)
    assert ids(lake.events(["event_id"])) == ids(purchases(15))


def test_the_first_row_of_an_id_wins_within_a_batch_and_against_the_table(lake):
    first, second = purchases(1, user="first"), purchases(1, user="second")
    lake.append_events(pa.concat_tables([first, second]))
    lake.append_events(second)
    assert lake.events(["user_id"]).to_pylist() == [{"user_id": "first0"}]


def test_an_id_that_comes_back_with_another_time_is_still_a_duplicate(lake):
    lake.append_events(purchases(1))
    later = purchases(1).set_column(2, "time", pa.array([START + timedelta(days=90)], pa.timestamp("us", tz="UTC")))
    assert lake.append_events(later) == Stored(stored=0, duplicates=1)


def test_a_repeated_append_writes_no_version(lake):
    lake.append_events(purchases(10))
    before = lake.versions()
    lake.append_events(purchases(10))
    lake.append_events(purchases(0))
    assert lake.versions() == before


@pytest.mark.parametrize("at_once", [3, 7, 1000])
def test_repetitions_are_found_in_any_number_of_passes_over_the_ids(at_once, tmp_path):
    """Repeated twice and thrice, next to each other and far apart, known before or not."""
    chosen = [*range(40), 7, 7, 39, 12, *range(100, 140), 100]
    rows = pa.table({"event_id": [f"e{each}" for each in chosen], "place": range(len(chosen))})
    known = pa.table({"event_id": [f"e{each}" for each in range(5, 110)]})
    with open_sql(tmp_path / "spill") as sql:
        sql.register("incoming", rows)
        sql.register("in_the_lake", known)
        new = new_events(sql, "SELECT event_id FROM in_the_lake", at_once=at_once)
        kept = sql.sql(f"SELECT event_id, place FROM {new.rows} ORDER BY place").fetchall()
    wanted = [*range(5), *range(110, 140)]
    assert kept == [(f"e{each}", chosen.index(each)) for each in wanted]
    assert (new.count, new.of) == (len(wanted), len(chosen))


def test_rows_of_a_parquet_file_are_appended_under_a_condition(lake, tmp_path):
    file = tmp_path / "rows.parquet"
    pq.write_table(purchases(10).append_column("fine", pa.array([number < 7 for number in range(10)])), file)
    assert lake.append_events(ParquetRows(file, "fine")) == Stored(stored=7, duplicates=0)


def test_a_window_begins_with_since_and_ends_before_until(lake):
    lake.append_events(purchases(100))
    window = lake.events(["time"], since=START + timedelta(hours=40), until=START + timedelta(hours=60))
    times = sorted(window.column("time").to_pylist())
    assert times == [START + timedelta(hours=number) for number in range(40, 60)]
    assert lake.events(["time"], until=START).num_rows == 0


def test_a_time_without_a_zone_is_refused_as_a_bound(lake):
    with pytest.raises(BadInput, match="no zone"):
        lake.events(since=datetime(2024, 1, 1))  # noqa: DTZ001


def test_months_are_folders(lake, home):
    lake.append_events(purchases(100))
    assert {each.name for each in (home.lake / "events").glob("month=*")} == {
        "month=2024-01",
        "month=2024-02",
    }


def test_files_are_compressed_with_zstd(lake, home):
    lake.append_events(purchases(10))
    (file,) = (home.lake / "events").glob("month=*/*.parquet")
    with pq.ParquetFile(file) as opened:
        assert opened.metadata.row_group(0).column(0).compression == "ZSTD"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.append_column("colour", pa.array(["red"])), "no column colour"),
        (lambda t: t.drop_columns("time"), "need the column time"),
        (lambda t: t.set_column(0, "event_id", pa.array([None], pa.string())), "in every row"),
        (lambda t: t.set_column(5, "amount", pa.array([1.5])), "cannot hold"),
    ],
)
def test_events_of_the_wrong_shape_are_refused_and_nothing_is_written(lake, change, words):
    with pytest.raises(BadInput, match=words):
        lake.append_events(change(purchases(1)))
    assert lake.versions()["events"] == -1


def test_putting_items_replaces_them_and_tells_how_many_changed(lake):
    first = pa.table({"item_id": ["a", "b"], "price": [100, 200], "categories": [["food", "bread"], None]})
    assert lake.put_items(first) == 2
    assert lake.put_items(pa.table({"item_id": ["b", "c"], "price": [250, 300]})) == 2
    items = {row["item_id"]: row for row in lake.items().to_pylist()}
    assert [items[name]["price"] for name in "abc"] == [100, 250, 300]
    assert items["a"]["categories"] == ["food", "bread"]
    assert items["a"]["available"] is True
    assert items["a"]["deleted"] is False
    assert items["a"]["stock"] is None


def test_putting_what_is_there_writes_no_version_even_at_another_time(lake):
    def items(day):
        return pa.table(
            {
                "item_id": ["a", "b"],
                "tags": [["x"], None],
                "updated_at": pa.array([datetime(2024, 1, day, tzinfo=UTC)] * 2, pa.timestamp("us", tz="UTC")),
            }
        )

    assert lake.put_items(items(1)) == 2
    assert lake.put_items(items(2)) == 0
    assert lake.versions()["items"] == 0
    assert lake.put_users(pa.table({"user_id": ["u"]})) == 1
    assert lake.put_users(pa.table({"user_id": ["u"]})) == 0
    assert lake.versions()["users"] == 0


def test_the_last_row_of_an_item_wins_within_a_batch(lake):
    assert lake.put_items(pa.table({"item_id": ["a", "a"], "price": [1, 2]})) == 1
    assert lake.items().column("price").to_pylist() == [2]


def test_merging_keeps_what_the_new_rows_say_nothing_of(lake):
    lake.put_users(pa.table({"user_id": ["u"], "region": ["north"], "attributes": ['{"income":"low","kids":"2"}']}))
    assert lake.merge_users(pa.table({"user_id": ["u"], "gender": ["f"], "attributes": ['{"income":"high"}']})) == 1
    (user,) = lake.users().to_pylist()
    assert (user["region"], user["gender"]) == ("north", "f")
    assert json.loads(user["attributes"]) == {"income": "high", "kids": "2"}
    assert lake.merge_users(pa.table({"user_id": ["u"], "gender": ["f"], "attributes": ['{"income":"high"}']})) == 0


def test_a_training_run_can_name_what_it_read_and_read_it_again(lake):
    lake.append_events(purchases(10))
    named = lake.versions()
    lake.append_events(purchases(20))
    lake.put_items(pa.table({"item_id": ["a"]}))
    then = lake.at(named)
    assert then.events().num_rows == 10
    assert then.items().num_rows == 0
    assert then.query("SELECT count(*) AS n FROM events").to_pylist() == [{"n": 10}]
    assert then.versions() == named
    assert lake.events().num_rows == 20


def test_versions_that_never_were_are_refused(lake):
    lake.append_events(purchases(1))
    with pytest.raises(UnknownThing, match="no version 7"):
        lake.at({"events": 7}).events()
    with pytest.raises(UnknownThing, match="no version -2"):
        lake.at({"events": -2})
    with pytest.raises(UnknownThing, match="no version 0"):
        lake.at({"items": 0}).items()
    with pytest.raises(UnknownThing, match="no table sales"):
        lake.at({"sales": 0})


def test_a_pinned_lake_is_only_for_reading(lake):
    with pytest.raises(NotAllowed):
        lake.at({"events": -1}).append_events(purchases(1))


def test_sql_takes_parameters(lake):
    lake.append_events(purchases(10))
    by_place = lake.query("SELECT count(*) AS n FROM events WHERE user_id = ?", ["u0"])
    by_name = lake.query("SELECT count(*) AS n FROM events WHERE user_id = $who", {"who": "u0"})
    assert by_place.to_pylist() == by_name.to_pylist() == [{"n": 4}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELEC 1",
        "SELECT nothing FROM events",
        "SELECT 1; SELECT 2",
        "DROP VIEW events",
        "SELECT $who",
        "SELECT CAST('x' AS INTEGER)",
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY (SELECT 1) TO 'out.csv'",
    ],
)
def test_a_query_that_cannot_be_answered_is_refused(lake, sql):
    with pytest.raises(BadInput):
        lake.query(sql)


@pytest.mark.parametrize("damage", ["cut", "emptied", "removed", "zeroed", "log"])
def test_a_damaged_table_says_so(lake, home, damage):
    lake.append_events(purchases(2000))
    file = next((home.lake / "events").glob("month=*/*.parquet"))
    content = file.read_bytes()
    if damage == "removed":
        file.unlink()
    elif damage == "log":
        (home.lake / "events" / "_delta_log" / f"{0:020}.json").write_text('{"protocol"')
    else:
        half = len(content) // 2
        file.write_bytes({"cut": content[:half], "emptied": b"", "zeroed": bytes(half) + content[half:]}[damage])
    with pytest.raises(StoreUnavailable, match="backup") as caught:
        lake.events()
    assert caught.value.code == "lake_damaged"


def test_two_threads_that_append_the_same_events_store_them_once(lake):
    batches = [purchases(50, first=20 * number) for number in range(6)]
    with ThreadPoolExecutor(4) as pool:
        stored = list(pool.map(lake.append_events, batches * 2))
    assert sum(each.stored for each in stored) == 150
    assert sum(each.stored + each.duplicates for each in stored) == 600
    assert ids(lake.events(["event_id"])) == ids(purchases(150))


_WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.engine.storage.test_lake import purchases
from engine.storage.home import Home
from engine.storage.lake import Lake
lake = Lake(Home(Path(sys.argv[1])))
print("ready", flush=True)
for number in range(int(sys.argv[2])):
    lake.append_events(purchases(3000, first=2000 * number))
    print(number, flush=True)
"""


def writer(home, rounds):
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(home.root), str(rounds), str(ROOT)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_two_processes_that_append_the_same_events_store_them_once(lake, home):
    writers = [writer(home, 4), writer(home, 4)]
    for each in writers:
        with each:
            assert each.stdout.read().split() == ["ready", "0", "1", "2", "3"]
    assert ids(lake.events(["event_id"])) == ids(purchases(9000))


def test_a_writer_with_an_old_view_of_the_table_starts_over(lake, home):
    """The file lock does not reach other machines: the commit itself refuses what was prepared on an old version."""
    other = Lake(home)
    append, intruded = lake._append, []

    def late(table, sql, base):
        if not intruded:
            intruded.append(base)
            reader = sql.sql(f"SELECT {', '.join(EVENTS.schema.names)}, strftime(time, '%Y-%m') AS month FROM incoming")
            other._store.commit(EVENTS, reader.to_arrow_reader(), base=base)
        return append(table, sql, base)

    lake._append = late
    assert lake.append_events(purchases(10)) == Stored(stored=0, duplicates=10)
    assert lake.append_events(purchases(12)) == Stored(stored=2, duplicates=10)
    assert ids(lake.events(["event_id"])) == ids(purchases(12))


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.06, 0.15])
def test_kill_9_during_an_append_leaves_the_old_or_the_new_version(lake, home, delay):
    lake.append_events(purchases(10))
    with writer(home, 1000) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        acknowledged = process.stdout.read().split()
    rows = lake.events(["event_id"]).num_rows
    whole = {10 if not rounds else 2000 * (rounds - 1) + 3000 for rounds in range(60)}
    assert rows in whole
    assert rows >= (2000 * (len(acknowledged) - 1) + 3000 if acknowledged else 10)
    after = lake.append_events(purchases(2000 * 60))
    assert after.stored + rows == 2000 * 60
    assert lake.events(["event_id"]).num_rows == 2000 * 60


def test_equal_attributes_are_equal_in_any_order_and_spacing(lake):
    assert lake.put_items(pa.table({"item_id": ["a"], "attributes": ['{"x": 1, "b": [1, 2]}']})) == 1
    assert lake.put_items(pa.table({"item_id": ["a"], "attributes": ['{"b":[1,2],"x":1}']})) == 0
    assert lake.merge_items(pa.table({"item_id": ["a"], "attributes": ['{"x":1}']})) == 0
    assert lake.merge_items(pa.table({"item_id": ["a"], "attributes": ['{"b":[1,2]}']})) == 0


@pytest.mark.parametrize("text", ["{broken", "[1]", '"text"', ""])
def test_attributes_that_are_no_json_object_are_refused(lake, text):
    with pytest.raises(BadInput, match="JSON objects"):
        lake.put_items(pa.table({"item_id": ["a"], "attributes": [text]}))
    assert lake.versions()["items"] == -1


def test_a_table_made_before_a_column_was_thought_of_is_read_and_goes_on(lake):
    """Both by putting, which writes the table anew, and by appending to it."""
    old = replace(ITEMS, schema=pa.schema([field for field in ITEMS.schema if field.name not in ("url", "updated_by")]))
    store = DeltaStore(lake._home.lake)
    row = dict.fromkeys(old.schema.names) | {"item_id": "a", "available": True, "deleted": False}
    store.commit(old, pa.Table.from_pylist([row], old.schema).to_reader(), base=-1)
    assert lake.items().to_pylist()[0]["url"] is None
    lake.put_items(pa.table({"item_id": ["b"], "url": ["https://shop.example/b"]}))
    assert [each["url"] for each in lake.items().to_pylist()] == [None, "https://shop.example/b"]
    merges = replace(MERGES, schema=pa.schema([field for field in MERGES.schema if field.name != "actor"]))
    told = {"kind": "session", "id": "s", "user_id": "u", "time": None}
    store.commit(merges, pa.Table.from_pylist([told], merges.schema).to_reader(), base=-1)
    lake.take_from_stream("merges", pa.Table.from_pylist([{**told, "actor": "shop"}], MERGES.schema), 1)
    assert lake.query("SELECT actor FROM merges ORDER BY 1").column(0).to_pylist() == ["shop", None]
    assert lake.compact("merges", more_files_than=1, retention_days=30)
    assert lake.query("SELECT actor FROM merges ORDER BY 1").column(0).to_pylist() == ["shop", None]
