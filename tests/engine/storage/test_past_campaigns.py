from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from engine.errors import BadInput
from engine.storage.past_campaigns import PastCampaigns, record_past_campaigns

START, END = datetime(2017, 3, 1, tzinfo=UTC), datetime(2017, 4, 1, tzinfo=UTC)
PAST = PastCampaigns(
    campaigns=[("c1", "TypeA", START, END), ("c2", "TypeB", START, END)],
    members=[("c1", "u1"), ("c1", "u2"), ("c2", "u1")],
    coupons=[("k1", "c1"), ("k1", "c2")],
    # The source may say the same thing twice.
    coupon_items=[("k1", "c1", "i1"), ("k1", "c1", "i1"), ("k1", "c1", "tab\tand\\line\n"), ("k1", "c2", "i1")],
    redemptions=[("u1", "k1", "c1", START), ("u1", "k1", "c1", END)],
)
NEW = {"campaigns": 2, "members": 3, "coupons": 2, "coupon_items": 3, "redemptions": 2}
NOTHING = dict.fromkeys(NEW, 0)


def test_a_repeated_import_changes_nothing(ledger: Engine) -> None:
    assert record_past_campaigns(ledger, PAST) == NEW
    before = _everything(ledger)
    assert record_past_campaigns(ledger, PAST) == NOTHING
    assert _everything(ledger) == before


def test_an_import_adds_what_is_new_only(ledger: Engine) -> None:
    record_past_campaigns(ledger, PAST)
    more = PastCampaigns(members=[("c1", "u1"), ("c2", "u9")], redemptions=[("u9", "k1", "c2", END)])
    assert record_past_campaigns(ledger, more) == {**NOTHING, "members": 1, "redemptions": 1}


def test_ids_come_back_as_they_went_in(ledger: Engine) -> None:
    record_past_campaigns(ledger, PAST)
    items = {row[2] for row in _everything(ledger)["past_coupon_items"]}
    assert items == {"i1", "tab\tand\\line\n"}
    assert ("u1", "k1", "c1", END) in _everything(ledger)["past_redemptions"]


def test_a_row_of_an_unknown_campaign_is_refused_and_nothing_is_written(ledger: Engine) -> None:
    with pytest.raises(BadInput, match=r"campaign_id\)=\(c7\)") as refusal:
        record_past_campaigns(ledger, replace(PAST, members=[("c7", "u1")]))
    assert refusal.value.field == "past_campaign_members"
    assert not any(_everything(ledger).values())


@pytest.mark.parametrize("item", ["zero\0byte", "\ud800", None])
def test_a_value_that_no_column_can_hold_is_refused(ledger: Engine, item: str) -> None:
    with pytest.raises(BadInput) as refusal:
        record_past_campaigns(ledger, replace(PAST, coupon_items=[("k1", "c1", item)]))
    assert refusal.value.field == "past_coupon_items"
    assert not any(_everything(ledger).values())


def test_given_a_connection_the_caller_commits(ledger: Engine) -> None:
    with ledger.connect() as connection:
        assert record_past_campaigns(connection, PAST) == NEW
        connection.rollback()
    assert not any(_everything(ledger).values())
    with ledger.begin() as connection:
        assert record_past_campaigns(connection, PAST) == NEW
        # In one transaction too, a second time finds all of it there.
        assert record_past_campaigns(connection, PAST) == NOTHING
    assert all(_everything(ledger).values())


def _everything(ledger: Engine) -> dict[str, list[tuple[object, ...]]]:
    tables = ("past_campaigns", "past_campaign_members", "past_coupons", "past_coupon_items", "past_redemptions")
    with ledger.connect() as connection:
        return {
            table: sorted(tuple(row) for row in connection.execute(text(f"SELECT * FROM {table}"))) for table in tables
        }
