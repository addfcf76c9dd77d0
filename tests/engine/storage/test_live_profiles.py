"""Live profiles: bounded, idempotent, one round trip."""

from __future__ import annotations

import asyncio

from engine.events import TYPE_CODES
from engine.storage.live_person import LiveEvent
from engine.storage.live_profiles import LIGHT_BYTES, STRONG_BYTES, LiveProfiles, person_key
from engine.storage.online import open_async

NOW = 1_750_000_000.0


def run(stores, use):
    async def inside():
        client = open_async(stores.live_url, "HAWKER_REDIS_URL", seconds=10)
        try:
            return await use(LiveProfiles(client, "default"))
        finally:
            await client.aclose()

    return asyncio.run(inside())


def record_and_read(stores, *calls, user="u", session=None):
    async def use(profiles):
        for events in calls:
            await profiles.record(events)
        return await profiles.read(user, session)

    return run(stores, use).persons


def event(name, kind="view", item="i1", *, user="u", session=None, after=0.0, **more):
    return LiveEvent(name, user, session, item, kind, NOW + after, **more)


def items(person):
    return [each.item_id for each in person.tail]


def test_nobody_known_is_nobody(stores, live):
    assert record_and_read(stores) == ()


def test_what_somebody_did_comes_back_in_the_order_of_time(stores, live):
    (person,) = record_and_read(
        stores,
        [event("b", "purchase", "i2", after=20, quantity=3.0), event("a", item="界/1", after=10)],
        [event("c", "cart_add", "i3", after=15)],
    )
    assert items(person) == ["界/1", "i3", "i2"]
    assert person.tail[-1].type_code == TYPE_CODES["purchase"]
    assert (person.tail[-1].time, person.tail[-1].quantity) == (NOW + 20, 3.0)
    assert (person.first_seen, person.last_seen) == (NOW + 10, NOW + 20)
    assert (person.views, person.purchases, person.others) == (1, 1, 1)


def test_recording_again_changes_nothing(stores, live):
    events = [event("a", after=1), event("b", "purchase", "i2", after=2)]
    once = record_and_read(stores, events)
    assert record_and_read(stores, events, events) == once


def test_views_do_not_push_purchases_out_and_the_whole_stays_bounded(stores, live):
    views = [event(f"v{n}", item=f"item-{n}", after=n) for n in range(500)]
    (person,) = record_and_read(stores, [event("p", "purchase", "bought")], views[:250], views[250:])
    assert items(person)[0] == "bought"
    assert items(person)[-1] == "item-499"
    assert len(live.get(person_key("default", "u", None))) <= STRONG_BYTES + LIGHT_BYTES + 64
    assert live.memory_usage(person_key("default", "u", None)) <= 0.8 * 2**30 / 1e6
    assert person.views == 500
    assert live.ttl(person_key("default", "u", None)) > 89 * 86_400


def test_a_session_begins_after_half_an_hour_of_rest(stores, live):
    (person,) = record_and_read(
        stores, [event("a")], [event("b", after=1_700)], [event("c", after=4_000)], [event("d", after=4_100)]
    )
    assert person.session_start == NOW + 4_000


def test_the_first_touch_stays_and_the_last_one_moves(stores, live):
    (person,) = record_and_read(
        stores, [event("a")], [event("b", source="paid")], [event("c", source="social", after=1)], [event("d")]
    )
    assert (person.first_touch, person.last_touch) == ("paid", "social")


def test_a_merged_session_is_the_user_from_then_on(stores, live):
    async def use(profiles):
        await profiles.record([event("a", item="i1", user=None, session="s"), event("b", item="i2", after=1)])
        for _ in range(2):
            await profiles.merge("session", "s", "u")
        await profiles.record([event("c", item="i3", user=None, session="s", after=2)])
        await profiles.merge("user", "u", "v")
        return await profiles.read("v", None), await profiles.read("v", "s")

    alone, both = run(stores, use)
    assert items(alone.persons[0]) == ["i1", "i2", "i3"]
    assert both == alone  # the session leads to the same person, who counts once


def test_a_merged_person_is_asked_for_by_any_name(stores, live):
    async def use(profiles):
        await profiles.merge("session", "s", "\ud800")
        await profiles.merge("user", "\ud800", "v")
        asked = (("\ud800", None), (None, "s"), (None, "other"), ("v", "s"))
        return [(await profiles.read(*each)).user_id for each in asked]

    assert run(stores, use) == ["v", "v", None, "v"]


def test_users_merged_in_a_circle_stay_one_person(stores, live):
    async def use(profiles):
        await profiles.record([event("a", item="i1", user="u"), event("b", item="i2", user="v", after=1)])
        for source, target in (("u", "v"), ("v", "w"), ("w", "u")):
            await profiles.merge("user", source, target)
        return [await profiles.read(name, None) for name in "uvw"]

    views = run(stores, use)
    assert [items(view.persons[0]) for view in views] == [["i1", "i2"]] * 3
    assert {view.user_id for view in views} == {"w"}


def test_the_catalogues_version_comes_in_the_same_answer(stores, live):
    live.set("default:items:version", 7)
    assert run(stores, lambda profiles: profiles.read("u", None)).catalogue_version == 7


def test_what_is_bought_and_put_into_carts_trends(stores, live):
    async def use(profiles):
        await profiles.record([event(f"p{n}", "purchase", "hot", user=f"u{n}") for n in range(5)])
        await profiles.record([event("c", "cart_add", "warm"), event("v", item="cold")])
        await profiles.record([event("old", "purchase", "yesterday", after=-23 * 3_600)])
        return await profiles.trending(NOW)

    found = run(stores, use)
    assert [item for item, _ in found] == ["hot", "warm", "yesterday"]
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def test_a_server_that_forgot_the_scripts_is_told_them_again(stores, live):
    record_and_read(stores, [event("a")])
    live.script_flush()
    (person,) = record_and_read(stores, [event("b", item="i2", after=1)])
    assert items(person) == ["i1", "i2"]
