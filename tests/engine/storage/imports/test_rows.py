"""Good rows go in, bad rows are set aside with their number and the reason, and the totals add up."""

import json
import math
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HEADER = "user,item,time,quantity,amount\n"
GOOD = "u1,i1,2024-01-01T10:00:00Z,2,3.50\n"


def test_good_rows_become_events_items_and_users(shop):
    report = shop.load(shop.file("log.csv", HEADER + GOOD + "u2,i2,2024-01-02,1,\n"))
    assert (report.read, report.stored, report.duplicates, report.quarantined) == (2, 2, 0, 0)
    assert (report.items, report.users, report.quarantine_file) == (2, 2, None)
    first, second = shop.events()
    assert first["time"] == datetime(2024, 1, 1, 10, tzinfo=UTC)
    assert (first["type"], first["user_id"], first["item_id"], first["quantity"]) == ("purchase", "u1", "i1", 2.0)
    assert (first["amount"], first["currency"]) == (350, "EUR")
    assert second["amount"] is None
    assert set(shop.items()) == {"i1", "i2"}
    assert set(shop.users()) == {"u1", "u2"}


BAD_ROWS = [
    (",i1,2024-01-01,1,1", "user: no user"),
    ("u1,,2024-01-01,1,1", "item: no item"),
    ("u1,i1,,1,1", "time: the time is missing or cannot be read"),
    ("u1,i1,yesterday,1,1", "time: the time is missing or cannot be read"),
    ("u1,i1,2024-13-01,1,1", "time: the time is missing or cannot be read"),
    ("u1,i1,1969-12-31T23:59:59Z,1,1", "time: the time is before 1970"),
    ("u1,i1,2024-06-02T00:00:01Z,1,1", "time: the time is in the future"),
    ("u1,i1,infinity,1,1", "time: the time is in the future"),
    ("u1,i1,2024-01-01,0,1", "quantity: not more than 0"),
    ("u1,i1,2024-01-01,-1,1", "quantity: not more than 0"),
    ("u1,i1,2024-01-01,many,1", "quantity: not a number"),
    ("u1,i1,2024-01-01,inf,1", "quantity: infinite"),
    ("u1,i1,2024-01-01,1,-0.01", "amount: negative"),
    ("u1,i1,2024-01-01,1,nan", "amount: not a number"),
    ("u1,i1,2024-01-01,1,1e400", "amount: infinite"),
    ("u1,i1,2024-01-01,1,1e300", "amount: too large"),
    ("u1,i1,2024-01-01,1,free", "amount: not a number"),
    (f"{'ü' * 257},i1,2024-01-01,1,1", "user: more than 512 bytes"),
    (f"u1,{'i' * 513},2024-01-01,1,1", "item: more than 512 bytes"),
    ("u\x001,i1,2024-01-01,1,1", "user: a NUL character"),
    ("u1,i1,2024-01-01,1,1,extra", "6 cells instead of 5"),
    ("u1,i1", "2 cells instead of 5"),
]


def test_a_bad_row_is_set_aside_with_its_number_and_the_reason(shop):
    rows = [GOOD, *(row + "\n" for row, _ in BAD_ROWS), GOOD.replace("u1", "u9")]
    report = shop.load(shop.file("log.csv", HEADER + "".join(rows)))
    assert (report.read, report.stored, report.quarantined) == (len(rows), 2, len(BAD_ROWS))
    assert shop.refused(report) == {number: reason for number, (_, reason) in enumerate(BAD_ROWS, start=1)}


def test_what_is_just_inside_the_bounds_goes_in(shop):
    rows = ["u1,i1,1970-01-01T00:00:00Z,0.001,0", f"{'u' * 512},i1,2024-06-02T00:00:00Z,1,1"]
    report = shop.load(shop.file("log.csv", HEADER + "\n".join(rows)))
    assert report.stored == 2


def test_the_quarantine_keeps_the_row_as_it_was(shop):
    report = shop.load(shop.file("log.csv", HEADER + GOOD + 'u1,"i\n,1",never,1,\nu1,i1\n'))
    lines = [json.loads(line) for line in report.quarantine_file.read_text().splitlines()]
    assert lines[0]["raw"] == {"user": "u1", "item": "i\n,1", "time": "never", "quantity": "1", "amount": None}
    assert lines[1]["raw"] == "u1,i1"
    assert report.quarantine_file.parent == shop.home.quarantine


def test_row_numbers_count_through_rows_of_the_wrong_length_and_blank_lines_between_batches(shop):
    rows = []
    for number in range(60_000):
        if number % 1000 == 7:
            rows.append(f"u{number},short")
        elif number % 1000 == 500:
            rows.append(f"u{number},i1,never,{'9' * 90},1")
        else:
            rows.append(f"u{number},i{number % 9},2024-01-01,1,{'1' * 9}.00{'0' * 80}")
        if number % 5000 == 0:
            rows.append("")
    report = shop.load(shop.file("log.csv", HEADER + "\n".join(rows)))
    assert report.read == 60_000
    assert report.quarantined == 120
    wrong = shop.refused(report)
    assert {row % 1000 for row, reason in wrong.items() if "cells" in reason} == {7}
    assert {row % 1000 for row, reason in wrong.items() if "time" in reason} == {500}


def test_a_repeated_import_changes_nothing(shop):
    file = shop.file("log.csv", HEADER + GOOD + "u2,,2024-01-01,1,1\n")
    first = shop.load(file)
    versions = shop.lake.versions()
    quarantined = {each: each.read_bytes() for each in shop.home.quarantine.iterdir()}
    second = shop.load(file)
    assert (second.read, second.stored, second.duplicates, second.quarantined) == (2, 0, 1, 1)
    assert (second.items, second.users) == (0, 0)
    assert shop.lake.versions() == versions
    assert {each: each.read_bytes() for each in shop.home.quarantine.iterdir()} == quarantined
    assert second.quarantine_file == first.quarantine_file


def test_a_file_that_has_grown_brings_only_its_new_rows(shop):
    shop.load(shop.file("log.csv", HEADER + GOOD))
    report = shop.load(shop.file("log.csv", HEADER + "u7,i7,2024-02-02,1,1\n" + GOOD))
    assert (report.read, report.stored, report.duplicates) == (2, 1, 1)


def test_equal_rows_are_one_event_unless_the_mapping_names_their_ids(shop):
    assert shop.load(shop.file("log.csv", HEADER + GOOD + GOOD)).duplicates == 1
    with_ids = shop.file("named.csv", "id," + HEADER + "a," + GOOD + "b," + GOOD)
    named = '[events]\nevent_id = "id"\nuser = "user"\nitem = "item"\ntime = "time"\ntype = "purchase"\n'
    assert shop.load(with_ids, named).stored == 2


def test_nothing_is_left_of_the_staging(shop):
    shop.load(shop.file("log.csv", HEADER + GOOD))
    assert list((shop.home.shop_folder / "staging").iterdir()) == []


def test_what_a_dead_import_left_behind_is_removed(shop):
    left = shop.home.shop_folder / "staging" / "dead"
    left.mkdir(parents=True)
    (left / "staged.parquet").write_bytes(b"half")
    shop.load(shop.file("log.csv", HEADER + GOOD))
    assert not left.exists()


def test_progress_tells_stage_rows_and_total(shop):
    told = []
    shop.load(shop.file("log.csv", HEADER + GOOD * 3), progress=lambda *step: told.append(step))
    assert told == [("read", 3, None), ("store", 0, 3), ("store", 3, 3)]
    rows = pa.table({"user": ["u"], "item": ["i"], "time": ["2024-01-01"], "quantity": [1], "amount": [1.0]})
    pq.write_table(rows, shop.folder / "log.parquet")
    told.clear()
    shop.load(shop.folder / "log.parquet", progress=lambda *step: told.append(step))
    assert told[0] == ("read", 1, 1)


def test_an_error_in_the_progress_bar_stores_nothing(shop):
    def broken(stage, done, total):
        raise RuntimeError("the terminal is gone")

    with pytest.raises(RuntimeError, match="terminal"):
        shop.load(shop.file("log.csv", HEADER + GOOD), progress=broken)
    assert shop.untouched()


_cells = {
    "user": st.sampled_from(["u1", "u2", "", None, "x" * 513, "ünï", "u\x00"]),
    "item": st.sampled_from(["i1", "i2", "", None, "y" * 600]),
    "time": st.sampled_from(["2024-01-01", "2024-02-03T04:05:06Z", "", None, "soon", "1950-01-01", "2031-01-01"]),
    "quantity": st.one_of(st.none(), st.sampled_from([1.0, 2.5, 0.0, -3.0]), st.floats()),
    "amount": st.one_of(st.none(), st.sampled_from([9.99, 0.0, -1.0]), st.floats()),
}
_dirty_rows = st.lists(st.fixed_dictionaries(_cells), min_size=1, max_size=40)


def _is_good(row):
    number = row["quantity"]
    paid = row["amount"]
    return (
        row["user"] in ("u1", "u2", "ünï")
        and row["item"] in ("i1", "i2")
        and row["time"] in ("2024-01-01", "2024-02-03T04:05:06Z")
        and (number is None or (math.isfinite(number) and number > 0))
        and (paid is None or (math.isfinite(paid) and paid >= 0 and paid * 100 <= 1e15))
    )


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_dirty_rows)
def test_totals_add_up_over_any_dirty_rows(tmp_path_factory, rows):
    from tests.engine.storage.imports.conftest import Shop, adds_up

    shop = Shop(tmp_path_factory.mktemp("shop"))
    file = shop.folder / "log.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), file)
    if not any(row["user"] for row in rows):
        return
    report = shop.load(file)
    good = [number for number, row in enumerate(rows) if _is_good(row)]
    assert adds_up(report)
    assert report.read == len(rows)
    assert report.stored + report.duplicates == len(good)
    assert set(shop.refused(report)) == set(range(len(rows))) - set(good)
    assert shop.lake.events().num_rows == report.stored
    again = shop.load(file)
    assert (again.stored, again.duplicates, again.quarantined) == (0, len(good), report.quarantined)


_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("user", "item", "time")),
        *((name, pa.float64()) for name in ("quantity", "amount")),
    ]
)
