"""A shop's own file, described by a mapping."""

import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


EVENTS = '[events]\nuser = "user"\nitem = "item"\ntime = "time"\ntype = "view"\n'


@pytest.mark.parametrize(
    ("mapping", "times"),
    [
        (
            "",
            {
                "2024-01-02": utc(2024, 1, 2),
                "2024-01-02 03:04:05": utc(2024, 1, 2, 3, 4, 5),
                "2024-01-02T03:04:05.678901Z": utc(2024, 1, 2, 3, 4, 5, 678901),
                "2024-01-02T03:04:05+02:00": utc(2024, 1, 2, 1, 4, 5),
                "2024-01-02 03:04:05-08": utc(2024, 1, 2, 11, 4, 5),
            },
        ),
        (
            # An hour ahead in winter and two in summer; a zone in the file is stronger than the mapping's.
            'zone = "Europe/Berlin"',
            {
                "2024-01-02 12:00": utc(2024, 1, 2, 11),
                "2023-07-02 12:00": utc(2023, 7, 2, 10),
                "2023-07-02T12:00:00Z": utc(2023, 7, 2, 12),
            },
        ),
        ('zone = "America/New_York"', {"2023-07-02": utc(2023, 7, 2, 4)}),
        ('time_format = "%d/%m/%Y %H:%M"', {"02/07/2023 09:30": utc(2023, 7, 2, 9, 30)}),
        (
            'time_format = "%d/%m/%Y %H:%M"\nzone = "Asia/Tokyo"',
            {"02/07/2023 09:30": utc(2023, 7, 2, 0, 30)},
        ),
        ('time_format = "%d/%m/%Y %H:%M %z"', {"02/07/2023 09:30 +0200": utc(2023, 7, 2, 7, 30)}),
        (
            'time_format = "epoch"',
            {
                "1700000000": utc(2023, 11, 14, 22, 13, 20),
                "1700000000.5": utc(2023, 11, 14, 22, 13, 20, 500000),
            },
        ),
        ('time_format = "epoch_ms"', {"1700000000123": utc(2023, 11, 14, 22, 13, 20, 123000)}),
    ],
)
def test_times_are_brought_to_utc(shop, mapping, times):
    rows = "".join(f'u,{number},"{text}"\n' for number, text in enumerate(times))
    shop.load(shop.file("log.csv", "user,item,time\n" + rows), EVENTS + mapping)
    read = {int(event["item_id"]): event["time"] for event in shop.events()}
    assert [read[number] for number in sorted(read)] == list(times.values())


def test_timestamps_of_parquet_follow_their_own_zone_or_the_mappings(shop):
    moment = utc(2023, 7, 2, 12)
    for number, (kind, expected) in enumerate(
        [
            (pa.timestamp("ns"), 10),
            (pa.timestamp("us", tz="America/New_York"), 12),
            (pa.timestamp("s", tz="UTC"), 12),
        ]
    ):
        file = shop.folder / "log.parquet"
        pq.write_table(pa.table({"user": [f"u{number}"], "item": ["i"], "time": pa.array([moment], kind)}), file)
        shop.load(file, EVENTS + 'zone = "Europe/Berlin"\n')
        (event,) = [each for each in shop.events() if each["user_id"] == f"u{number}"]
        assert event["time"] == utc(2023, 7, 2, expected)


def test_a_full_mapping_fills_events_items_and_users(shop):
    text = (
        "wer;was;wann;aktion;menge;preis;liste;bestellung;titel;pfad;marke;lager;stadt;ertrag;filiale\n"
        "Jürgen;A-1;02.07.2023 12:00;gekauft;2;1.234,50;2.500,00;o1;Stuhl; Möbel > Stühle ;Eiche;7;Köln;hoch;5\n"
        "Anna;A-1;03.07.2023 12:00;gesehen;;1.200,00;;;Stuhl, neu;Möbel > Stühle;;6;;;5\n"
        "Anna;A-1;04.07.2023 12:00;gestohlen;;;;;;;;;;;\n"
    )
    mapping = """
        [file]
        delimiter = ";"
        encoding = "cp1252"
        decimal = ","
        [events]
        user = "wer"
        item = "was"
        time = "wann"
        time_format = "%d.%m.%Y %H:%M"
        zone = "Europe/Berlin"
        type_column = "aktion"
        quantity = "menge"
        price = "preis"
        list_amount = "liste"
        currency = "eur"
        order = "bestellung"
        source = "web"
        properties = ["filiale"]
        [events.types]
        gekauft = "purchase"
        gesehen = "view"
        [items]
        name = "titel"
        brand = "marke"
        categories = ["pfad"]
        category_separator = ">"
        stock = "lager"
        [users]
        region = "stadt"
        attributes = ["ertrag"]
    """
    report = shop.load(shop.file("log.csv", text.encode("cp1252")), mapping)
    assert shop.refused(report) == {2: "aktion: unknown event type gestohlen"}
    bought, _seen = shop.events()
    assert bought["time"] == utc(2023, 7, 2, 10)
    assert (bought["type"], bought["user_id"], bought["order_id"]) == ("purchase", "Jürgen", "o1")
    assert (bought["amount"], bought["list_amount"], bought["currency"]) == (246900, 250000, "EUR")
    assert (bought["source"], json.loads(bought["properties"])) == ("web", {"custom": {"filiale": "5"}})
    # The later row knows the name, the price and the stock better, and nothing of the brand.
    item = shop.items()["A-1"]
    assert (item["name"], item["price"], item["stock"], item["brand"]) == ("Stuhl, neu", 120000, 6, "Eiche")
    assert item["categories"] == ["Möbel", "Stühle"]
    user = shop.users()["Jürgen"]
    assert (user["region"], json.loads(user["attributes"])) == ("Köln", {"ertrag": "hoch"})


def test_an_import_leaves_what_it_does_not_know_of_an_item(shop):
    shop.lake.put_items(pa.table({"item_id": ["i"], "brand": ["Oak"], "available": [False]}))
    shop.load(shop.file("log.csv", "user,item,time\nu,i,2024-01-01\n"), EVENTS)
    assert shop.items()["i"]["brand"] == "Oak"
    assert shop.items()["i"]["available"] is False
    assert shop.lake.versions()["items"] == 0


@pytest.mark.parametrize(
    ("currency", "unit", "expected"),
    [("EUR", "major", 1235), ("JPY", "major", 12), ("KWD", "major", 12345), ("EUR", "minor", 12)],
)
def test_money_becomes_minor_units_of_its_currency(shop, currency, unit, expected):
    mapping = f'amount = "paid"\ncurrency = "{currency}"\namount_unit = "{unit}"\n'
    shop.load(shop.file("log.csv", "user,item,time,paid\nu,i,2024-01-01,12.345\n"), EVENTS + mapping)
    assert shop.events()[0]["amount"] == expected


def test_a_csv_without_a_header_takes_its_names_from_the_mapping(shop):
    report = shop.load(
        shop.file("log.csv", "u,i,2024-01-01\nu,i\n"), EVENTS + '[file]\ncolumns = ["user", "item", "time"]\n'
    )
    assert report.stored == 1
    assert shop.refused(report) == {1: "2 cells instead of 3"}


def test_a_byte_order_mark_is_no_part_of_a_name(shop):
    assert shop.load(shop.file("log.csv", b"\xef\xbb\xbfuser,item,time\r\nu,i,2024-01-01\r\n"), EVENTS).stored == 1


def test_columns_may_be_called_anything(shop):
    text = 'type,"a ""b\'",time,hawker\nu,i,2024-01-01,x\n'
    mapping = "[events]\nuser = 'type'\nitem = '''a \"b\\''''\ntime = 'time'\ntype = 'view'\n".replace("\\'", "'")
    report = shop.load(shop.file("log.csv", text), mapping)
    assert report.stored == 1
    assert shop.events()[0]["item_id"] == "i"


def test_ids_stored_as_floating_point_lose_their_point(shop):
    rows = pa.table({"user": [17850.0, None], "item": [1.5, 2.0], "time": ["2024-01-01"] * 2})
    pq.write_table(rows, shop.folder / "log.parquet")
    report = shop.load(shop.folder / "log.parquet", EVENTS)
    assert (report.stored, report.quarantined) == (1, 1)
    assert (shop.events()[0]["user_id"], shop.events()[0]["item_id"]) == ("17850", "1.5")


def test_json_lines_are_reached_by_paths(shop):
    lines = [
        {"user": {"id": "u1"}, "item": "i1", "time": "2024-01-01T00:00:00Z", "paid": 1.5, "odd key": "x"},
        {"user": {"id": 7}, "item": "i2", "time": "2024-01-01T00:00:00Z"},
        {"item": "i2", "time": "2024-01-01T00:00:00Z"},
        [1, 2],
    ]
    text = "\n".join(map(json.dumps, lines)) + "\n{broken\n"
    mapping = EVENTS.replace('"user"', '"user.id"') + 'amount = "paid"\nproperties = ["odd key"]\n'
    report = shop.load(shop.file("log.jsonl", text), mapping)
    assert (report.read, report.stored) == (5, 2)
    assert shop.refused(report) == {
        2: "user.id: no user",
        3: "the line is no JSON object",
        4: "the line is no JSON object",
    }
    assert {each["user_id"]: each["amount"] for each in shop.events()} == {"u1": 150, "7": None}
    assert json.loads(shop.lake.query("SELECT properties FROM events WHERE user_id = 'u1'")[0][0].as_py()) == {
        "custom": {"odd key": "x"}
    }


def test_sessions_stand_in_for_unknown_users(shop):
    mapping = '[events]\nsession = "visit"\nitem = "item"\ntime = "time"\ntype = "view"\n'
    report = shop.load(shop.file("log.csv", "visit,item,time\ns1,i,2024-01-01\n"), mapping)
    assert (report.stored, report.users) == (1, 0)
    assert shop.events()[0]["session_id"] == "s1"


def test_numbers_of_parquet_are_taken_as_they_are_whatever_the_mapping_says_of_text(shop):
    paid = pa.array([1234.5, 0.1], pa.float32())
    rows = {"user": ["u", "v"], "item": ["i", "i"], "time": ["2024-01-01"] * 2, "paid": paid, "old": [1e3, None]}
    pq.write_table(pa.table(rows), shop.folder / "log.parquet")
    mapping = EVENTS + 'amount = "paid"\nlist_amount = "old"\n'
    shop.load(shop.folder / "log.parquet", mapping)
    assert {each["user_id"]: (each["amount"], each["list_amount"]) for each in shop.events()} == {
        "u": (123450, 100000),
        "v": (10, None),
    }
    rows = rows | {"paid": [1234.5, 0.1], "user": ["w", "x"]}
    pq.write_table(pa.table(rows), shop.folder / "log.parquet")
    shop.load(shop.folder / "log.parquet", mapping + '[file]\ndecimal = ","\n')
    assert {each["user_id"]: each["amount"] for each in shop.events()}["w"] == 123450


def test_properties_are_json_whatever_the_cells_and_the_columns_hold(shop):
    text = 'user,item,time,"a ""b\'",c\nu,i,2024-01-01,"say ""hi""\\ü\t",x\nv,i,2024-01-01,,\n'
    mapping = EVENTS + """properties = ['''a "b\\'''', "c", "c"]\n""".replace("\\'", "'")
    shop.load(shop.file("log.csv", text), mapping)
    told = {each["user_id"]: each["properties"] for each in shop.events()}
    assert json.loads(told["u"]) == {"custom": {"a \"b'": 'say "hi"\\ü\t', "c": "x"}}
    assert told["v"] is None


def test_ids_that_are_protected_from_spreadsheets_are_bared(shop):
    cells = ['="0071"', '=""', '="', "=1", 'a="b"', '=" x "']
    rows = "".join('"{}",i{},2024-01-01\n'.format(cell.replace('"', '""'), n) for n, cell in enumerate(cells))
    report = shop.load(shop.file("log.csv", "user,item,time\n" + rows), EVENTS)
    assert shop.refused(report) == {1: "user: no user"}
    read = {event["item_id"]: event["user_id"] for event in shop.events()}
    assert read == {"i0": "0071", "i2": '="', "i3": "=1", "i4": 'a="b"', "i5": "x"}
