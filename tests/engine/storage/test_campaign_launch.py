"""Plans and launches: who can be reached is frozen once, with arms, messages and coupons, or nothing happens."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.errors import BadInput, NotAllowed, UnknownThing
from engine.storage.campaign_launch import launch_campaign, lock_launch, start_due_campaigns
from engine.storage.campaign_moves import approve_campaign, edit_campaign
from engine.storage.campaign_plan import plan_campaign
from engine.storage.campaigns import campaign_changes, create_campaign, find_campaign
from engine.storage.class_batches import assign as put_into_class
from engine.storage.classes import create_classification, put_class
from engine.storage.coupon_issue import generate_codes, publish
from engine.storage.home import Home
from engine.storage.ledger import connection_of, rows_of
from engine.storage.offer_documents import put_offer
from engine.storage.offer_ledger import disable_offer
from engine.storage.segment_edits import create_segment
from engine.storage.segment_members import change_members
from engine.storage.shop_secrets import HOLDOUT_SALT, shop_secret
from engine.targeting.campaign import checked_campaign
from engine.targeting.campaign_draws import ARMS, Holdouts, draw, message_id
from engine.targeting.definition import read_definition
from engine.targeting.segments import Words
from engine.targeting.traits import TRAIT_FIELDS
from tests.engine.storage.shoppers import NOW, Shoppers, order
from tests.serving.conftest import eventually
from tests.stores import settings_of

ROOT = Path(__file__).resolve().parents[3]
AT = NOW.timestamp()
EVERYBODY = {"rule": "orders >= 1"}
PLAIN = {"name": "Back", "audience": EVERYBODY, "channel": "email", "offers": ["five"], "budget": 100_000}
WORDS = Words(TRAIT_FIELDS)


class Office:
    def __init__(self, home, ledger):
        self.home, self.ledger, self.settings = home, ledger, settings_of(home.root)

    def make(self, campaign_id="back", actor="anna", **more):
        campaign = checked_campaign({**PLAIN, **more}, WORDS)
        return create_campaign(self.ledger, campaign, campaign_id=campaign_id, actor=actor, now=AT)

    def plan(self, campaign_id="back"):
        stored = find_campaign(self.ledger, campaign_id)
        return plan_campaign(self.home, self.ledger, stored, self.settings, now=AT)

    def launch(self, campaign_id="back", now=AT, **more):
        return launch_campaign(self.home, self.ledger, campaign_id, self.settings, actor="anna", now=now, **more)

    def rows(self, statement, **values):
        with connection_of(self.ledger) as connection:
            return rows_of(connection, statement, **values)

    def frozen(self):
        """Rows of members, messages and coupons."""
        tables = ("campaign_members", "campaign_outbox", "coupons")
        return tuple(self.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables)


@pytest.fixture(scope="module")
def shop_home(tmp_path_factory):
    """Four hundred who ordered 20 or 120 days ago; 30 of them may not be written to, 10 complained, 5 said off."""
    shop = Shoppers(Home(tmp_path_factory.mktemp("home")))
    users = [f"u{number}" for number in range(400)]
    shop.happened(*(order(user, 20 if place % 2 else 120, 1_000 + place) for place, user in enumerate(users)))
    shop.happened(*((user, "subscribe", 25, {}) for user in users[30:]))
    complaint = {"properties": {"complaint_id": "c"}}
    shop.happened(*((user, "complaint_opened", 10, complaint) for user in users[390:]))
    shop.knows(**{user: {"attributes": '{"personalization": "off"}', "deleted": False} for user in users[380:385]})
    shop.refreshed()
    return shop.home


@pytest.fixture
def office(shop_home, ledger):
    for offer_id, amount in (("five", 500), ("ten", 1_000)):
        benefit = {"kind": "amount", "amount": amount}
        terms = {"offer_id": offer_id, "name": offer_id, "benefit": benefit, "currency": "EUR"}
        put_offer(ledger, terms, actor="anna", now=AT, zone="UTC")
    return Office(shop_home, ledger)


def test_a_plan_tells_whom_a_launch_would_reach_and_changes_nothing(office):
    office.make(offers=["five", "ten"])
    record = office.plan().as_json()
    assert (record["size"], record["reachable"], record["stops"]) == (400, 355, [])
    assert record["unreachable_by"] == {"minor": 0, "opted_out": 5, "suppressed": 10, "no_consent": 30}
    arms = [record[f"{arm}_arm"] for arm in ARMS]
    assert sum(arms) == record["customers"] == 355
    assert arms[0] == record["treated"] == sum(each["treated"] for each in record["by_variant"])
    assert {each["name"] for each in record["by_offer"]} == {"five", "ten"}
    assert sum(each["customers"] for each in record["by_segment"]) == 355
    assert office.frozen() == (0, 0, 0)
    assert find_campaign(office.ledger, "back").state == "draft"


def test_a_launch_freezes_members_messages_and_coupons(office):
    office.make()
    planned = office.plan().record
    done = office.launch()
    assert (done.state, done.launched_at.timestamp(), done.plan["customers"]) == ("running", AT, 355)
    assert office.frozen() == (355, planned["treated"], planned["treated"])
    assert dict(office.rows("SELECT arm, count(*) FROM campaign_members GROUP BY arm")) == {
        arm: planned[f"{arm}_arm"] for arm in ARMS
    }
    before = office.rows(
        "SELECT user_id, before_orders, before_revenue FROM campaign_members ORDER BY length(user_id), user_id"
    )
    assert before[:2] == [("u30", 0, 0), ("u31", 1, 1_031)]
    sent = office.rows(
        "SELECT o.user_id, c.user_id, m.arm, m.offer_id, o.channel, o.state FROM campaign_outbox o"
        " JOIN campaign_members m USING (campaign_id, user_id)"
        " LEFT JOIN coupons c ON c.source_id LIKE 'back-%' AND c.user_id = o.user_id"
    )
    assert {(row[0] == row[1], *row[2:]) for row in sent} == {(True, "treatment", "five", "email", "waiting")}
    assert [each.change for each in campaign_changes(office.ledger, "back")] == ["created", "approved", "launched"]


def test_arms_are_those_of_the_salted_draw_and_the_shops_holdout_gets_nothing(office):
    stored = office.make(holdout=0.3)
    office.launch()
    users = [user for (user,) in office.rows("SELECT user_id FROM campaign_members")]
    salt = shop_secret(office.ledger, HOLDOUT_SALT)
    drawn = draw(users, Holdouts(salt, 0.05, stored.salt, 0.3))
    arms = dict(office.rows("SELECT user_id, arm FROM campaign_members"))
    assert [arms[user] for user in users] == [ARMS[arm] for arm in drawn.arm]
    chances = dict(office.rows("SELECT DISTINCT arm, round(propensity::numeric, 6)::float FROM campaign_members"))
    assert chances == {"treatment": 0.665, "holdout": 0.285, "global_holdout": 0.05}
    assert office.rows("SELECT count(*) FROM campaign_members WHERE arm <> 'treatment' AND offer_id IS NOT NULL") == [
        (0,)
    ]


def test_a_coupon_is_found_again_under_the_name_of_its_message(office):
    office.make()
    office.launch()
    user = office.rows("SELECT user_id FROM campaign_outbox LIMIT 1")[0][0]
    again = publish(office.ledger, "five", user, message_id("back", user), join_once=False, now=AT)
    assert not again.fresh
    assert office.rows("SELECT code FROM coupons WHERE user_id = :user", user=user) == [(again.code,)]


def test_codes_that_wait_are_given_out_first(office):
    generate_codes(office.ledger, "five", 7, now=AT)
    office.make()
    office.launch()
    assert office.rows("SELECT count(*) FROM coupons WHERE issued_at IS NULL") == [(0,)]
    assert office.frozen()[1] == office.frozen()[2]
    assert office.rows("SELECT count(DISTINCT code) = count(*) FROM coupons") == [(True,)]


@pytest.mark.parametrize("more", [{"code": "none"}, {"code": "generic"}])
def test_offers_without_codes_of_their_own_issue_none(office, more):
    terms = {"offer_id": "open", "name": "o", "benefit": {"kind": "amount", "amount": 500}, "currency": "EUR", **more}
    put_offer(office.ledger, terms, actor="anna", now=AT, zone="UTC")
    office.make(offers=["open"])
    office.launch()
    assert office.frozen()[2] == 0


def test_variants_share_the_treated_and_may_be_a_message_alone(office):
    shares = [{"variant": "gift", "share": 0.5, "offer_id": "five"}, {"variant": "word", "share": 0.5}]
    office.make(variants=shares, holdout=0)
    office.launch()
    told = office.rows("SELECT variant, offer_id, count(*) FROM campaign_members WHERE arm = 'treatment' GROUP BY 1, 2")
    assert {row[:2] for row in told} == {("gift", "five"), ("word", None)}
    assert min(row[2] for row in told) > 120


def test_pieces_are_given_to_no_more_customers_than_there_are(office):
    office.make(offers=[{"offer_id": "five", "pieces": 50}])
    office.launch()
    assert office.rows("SELECT count(*) FROM coupons") == [(50,)]
    # Whoever comes too late is left out of all arms alike.
    assert 55 < office.frozen()[0] < 100


def test_an_audience_of_nobody_is_refused_with_its_reasons_and_counts(office):
    office.make(audience={"users": ["u1", "u2", "u395", "never"]})
    assert office.plan().as_json()["stops"][0]["code"] == "audience_empty"
    with pytest.raises(NotAllowed, match="none of its 3 customers can be reached: 1 suppressed, 2 no_consent"):
        office.launch()
    office.make("nobody", audience={"rule": "orders >= 100"})
    with pytest.raises(NotAllowed, match="holds nobody"):
        office.launch("nobody")
    assert office.frozen() == (0, 0, 0)
    assert find_campaign(office.ledger, "nobody").state == "draft"


def test_a_budget_that_no_offer_fits_is_refused(office):
    office.make(budget=499)
    assert office.plan().as_json()["stops"][0]["code"] == "budget_fits_nothing"
    with pytest.raises(BadInput, match="fits no offer: one use of the cheapest takes about 500 off"):
        office.launch()
    assert office.frozen() == (0, 0, 0)


def test_offers_are_there_and_active(office):
    office.make(offers=["never"])
    with pytest.raises(UnknownThing, match="never"):
        office.launch()
    office.make("off", offers=["five"])
    disable_offer(office.ledger, "five")
    with pytest.raises(NotAllowed, match="disabled"):
        office.launch("off")


def test_a_large_budget_is_launched_after_somebody_else_approved_it(office):
    office.make(budget=100_001)
    with pytest.raises(NotAllowed, match="approve"):
        office.launch()
    approve_campaign(office.ledger, "back", actor="bert", now=AT)
    assert office.launch().approved_by == "bert"


def test_what_runs_is_not_launched_again_but_for_the_same_launch_told_again(office):
    office.make()
    office.launch(token="job1")
    frozen = office.frozen()
    assert office.launch(token="job1").state == "running"
    for token in (None, "job2"):
        with pytest.raises(NotAllowed, match="cannot launch"):
            office.launch(token=token)
    assert office.frozen() == frozen


def test_of_two_launches_at_once_one_is_told_of_the_other(office):
    office.make()
    with connection_of(office.ledger) as connection:
        lock_launch(connection, "back")
        with pytest.raises(NotAllowed, match="being launched already"):
            office.launch()
    outcomes = []

    def try_it():
        try:
            outcomes.append(office.launch().state)
        except NotAllowed as problem:
            outcomes.append(problem.code)

    threads = [threading.Thread(target=try_it) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(outcomes).count("running") == 1
    assert set(outcomes) <= {"running", "launch_under_way", "wrong_state"}
    assert office.frozen()[0] == 355


def test_an_edit_while_a_launch_is_planned_stops_it(office):
    office.make()

    def meddle(stage):
        if stage == "freeze":
            campaign = checked_campaign({**PLAIN, "holdout": 0.5}, WORDS)
            edit_campaign(office.ledger, "back", campaign, approval_budget=10**6, actor="bert", now=AT)
        return True

    with pytest.raises(NotAllowed, match="changed while"):
        office.launch(goes_on=meddle)
    assert office.frozen() == (0, 0, 0)


def test_a_launch_that_is_told_to_end_leaves_nothing(office):
    office.make()
    for stop in ("plan", "freeze"):
        assert office.launch(goes_on=lambda stage, stop=stop: stage != stop).state == "draft"
    assert office.frozen() == (0, 0, 0)


def test_a_killed_launch_has_not_happened_and_is_repeated(office, ledger_url):
    office.make()
    script = (
        "from pathlib import Path\n"
        "from engine.storage.campaign_launch import launch_campaign\n"
        "from engine.storage.home import Home\n"
        "from engine.storage.ledger import open_ledger\n"
        "from tests.stores import settings_of\n"
        f"home, ledger = Home(Path({str(office.home.root)!r})), open_ledger({ledger_url!r}, 'default')\n"
        f"launch_campaign(home, ledger, 'back', settings_of(home.root), actor=None, now={AT})\n"
    )
    with connection_of(office.ledger) as connection:
        # Members and messages are copied before the coupons, and there it waits.
        rows_of(connection, "LOCK TABLE coupons IN SHARE MODE")
        child = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT)})
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'coupons'::regclass AND NOT granted"
        eventually(lambda: rows_of(connection, waiting) == [(1,)], within=60)
        child.kill()
        child.wait()
    eventually(lambda: office.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)])
    assert office.frozen() == (0, 0, 0)
    assert find_campaign(office.ledger, "back").state == "draft"
    assert office.launch().state == "running"
    assert office.frozen()[0] == 355


def test_a_campaign_that_starts_later_is_scheduled_and_started_when_due(office):
    start = AT + 3_600
    office.make(starts_at="2026-06-01T13:00:00Z")
    assert office.launch().state == "scheduled"
    assert office.frozen() == (0, 0, 0)
    assert start_due_campaigns(office.home, office.ledger, office.settings, now=start - 1) == {}
    assert start_due_campaigns(office.home, office.ledger, office.settings, now=start) == {"back": "running"}
    assert start_due_campaigns(office.home, office.ledger, office.settings, now=start) == {}
    assert office.frozen()[0] == 355


def test_a_scheduled_campaign_that_cannot_start_stays_approved_with_its_reason(office):
    office.make(starts_at="2026-06-01T13:00:00Z", audience={"rule": "orders >= 100"})
    office.launch()
    (told,) = start_due_campaigns(office.home, office.ledger, office.settings, now=AT + 3_600).values()
    assert "holds nobody" in told
    assert find_campaign(office.ledger, "back").state == "approved"
    assert campaign_changes(office.ledger, "back")[-1].detail == {"reason": told}


def test_a_triggered_campaign_starts_without_an_audience(office):
    office.make(trigger={"on": "entered", "segment": "vips", "again_after": "P30D"})
    assert office.launch().state == "running"
    assert office.frozen() == (0, 0, 0)


def test_what_is_over_is_not_launched(office):
    office.make(ends_at="2026-05-01T00:00:00Z")
    with pytest.raises(BadInput, match="past"):
        office.launch()


def test_what_a_customer_said_last_decides_before_the_trait(office):
    def say(user, granted, channel):
        office.rows(
            "INSERT INTO consents (user_id, purpose, channel, granted, proof, source, at) VALUES (:user, 'marketing',"
            " :channel, :granted, '{}', 'test', now())",
            user=user, granted=granted, channel=channel,
        )  # fmt: skip

    say("u100", False, "all")
    say("u101", False, "email")
    say("u102", False, "email")
    say("u102", True, "all")
    say("u103", False, "webhook")
    say("u1", True, "email")
    office.make(audience={"users": ["u1", "u2", "u100", "u101", "u102", "u103"]}, holdout=0)
    assert set(office.plan().people.user_ids) == {"u1", "u102", "u103"}
    office.make("shop", audience={"users": ["u2", "u100", "u101"]}, channel="storefront")
    assert set(office.plan("shop").people.user_ids) == {"u2", "u101"}
    office.make("news", audience={"users": ["u1", "u200"]}, purpose="news")
    assert office.plan("news").people.user_ids == []


def test_audiences_are_segments_lists_and_classes(office):
    definition = read_definition("days_since_order > 60", WORDS)
    create_segment(office.ledger, "Away", definition=definition, segment_id="away", actor=None, now=AT)
    create_segment(office.ledger, "List", definition=None, segment_id="list", actor=None, now=AT)
    change_members(office.ledger, "list", ["u50", "u51", "u1", "nobody"], mode="add", actor=None, now=AT)
    create_classification(office.ledger, "Kind", classification_id="kind", actor=None, now=AT)
    for place, (name, rule) in enumerate((("hand", None), ("late", "days_since_order > 60"), ("rest", "orders >= 1"))):
        put_class(
            office.ledger, "kind", name, names=name, place=place,
            definition=None if rule is None else read_definition(rule, WORDS), actor=None, now=AT,
        )  # fmt: skip
    put_into_class(office.ledger, "kind", "hand", ["u60", "u61"], reason={}, actor=None, now=AT)

    def reached(audience):
        campaign_id = f"c{abs(hash(str(audience)))}"
        office.make(campaign_id, audience=audience)
        return set(office.plan(campaign_id).people.user_ids)

    everybody = {f"u{number}" for number in range(30, 400)} - {f"u{n}" for n in (*range(380, 385), *range(390, 400))}
    away = {user for user in everybody if int(user[1:]) % 2 == 0}
    assert reached({"segment": "away"}) == away
    assert reached({"segment": "list"}) == {"u50", "u51"}
    assert reached({"class": "kind/hand"}) == {"u60", "u61"}
    assert reached({"class": "kind/late"}) == away - {"u60"}
    assert reached({"class": "kind/rest"}) == everybody - away - {"u61"}
    assert reached({"segment": "lifecycle.converted"}) <= everybody
    for audience in ({"segment": "never"}, {"class": "kind/never"}, {"class": "never/x"}):
        with pytest.raises(UnknownThing):
            reached(audience)
