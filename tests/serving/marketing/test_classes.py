"""Classes over HTTP: exclusive, by rule or by hand, and every assignment can be undone."""

from __future__ import annotations

import json

import pytest

from engine.storage.online import connect_live


@pytest.fixture
def office(office, stores):
    """With users u0 to u9, even ones in the north, and a classification of three classes."""
    with connect_live(stores.live_url) as client:
        for number in range(10):
            document = {"user_id": f"u{number}", "region": "south" if number % 2 else "north"}
            client.set(f"default:user:u{number}", json.dumps(document))
    assert office.post("/v1/classes", names={"en": "Tier", "zh": "等级"}).status_code == 201
    for name in ("gold", "silver"):
        assert office.client.put(f"/v1/classes/tier/classes/{name}", json={"names": name}).status_code == 200
    office.client.put("/v1/classes/tier/classes/rest", json={"names": "Rest", "text": "orders_90d >= 1"})
    return office


def put_in(office, class_id, *users, **more):
    body = {"class_id": class_id} | ({"user_ids": list(users)} if users else {}) | more
    return office.client.post("/v1/classes/tier/assignments", json=body)


def where(office):
    found = office.get("/v1/classes/tier/members").json()["members"]
    return {each["user_id"]: each["class_id"] for each in found}


def undo(office, batch):
    return office.post(f"/v1/classes/tier/assignments/{batch.json()['batch_id']}/undo")


def test_a_classification_has_classes_by_rule_and_by_hand_in_an_order(office):
    found = office.get("/v1/classes/tier").json()
    assert [(each["class_id"], each["place"], each["text"]) for each in found["classes"]] == [
        ("gold", 1, None), ("silver", 2, None), ("rest", 3, "orders_90d >= 1")
    ]  # fmt: skip
    assert found["classes"][2]["definition"] == {"trait": "orders_90d", "op": ">=", "value": 1}
    office.client.put("/v1/classes/tier/classes/gold", json={"names": {"en": "Gold", "zh": "金"}, "place": 9})
    assert [each["class_id"] for each in office.get("/v1/classes/tier").json()["classes"]] == ["silver", "rest", "gold"]
    assert office.patch("/v1/classes/tier", names="Ranks").json()["names"] == {"en": "Ranks"}
    assert [each["classification_id"] for each in office.get("/v1/classes").json()["classifications"]] == ["tier"]
    assert office.post("/v1/classes", names="Tier").json()["code"] == "id_taken"
    assert office.delete("/v1/classes/tier").json() == {"deleted": True}
    assert office.get("/v1/classes/tier").json()["code"] == "unknown_classification"


def test_a_user_is_in_one_class_at_most(office):
    assert put_in(office, "gold", "u1", "u2", "u1").json()["changed"] == 2
    assert put_in(office, "silver", "u2", "u3").json()["changed"] == 2
    assert where(office) == {"u1": "gold", "u2": "silver", "u3": "silver"}
    assert put_in(office, "silver", "u2").json()["changed"] == 0
    assert put_in(office, None, "u1").json()["changed"] == 1
    assert where(office) == {"u2": "silver", "u3": "silver"}
    assert [each["members"] for each in office.get("/v1/classes/tier").json()["classes"]] == [0, 2, 0]


def test_assignments_are_undone_one_behind_the_other(office):
    first, second = put_in(office, "gold", "u1", "u2"), put_in(office, "silver", "u2", "u3")
    third = put_in(office, None, "u3")
    assert undo(office, third).json()["changed"] == 1
    assert where(office) == {"u1": "gold", "u2": "silver", "u3": "silver"}
    assert undo(office, second).json()["changed"] == 2
    assert where(office) == {"u1": "gold", "u2": "gold"}
    assert undo(office, first).json()["changed"] == 2
    assert where(office) == {}
    again = undo(office, first)
    assert (again.status_code, again.json()["code"]) == (409, "not_undoable")
    batches = office.get("/v1/classes/tier/assignments").json()["assignments"]
    assert len(batches) == 6
    assert sum("undoes" in each["reason"] for each in batches) == 3


def test_undoing_leaves_whom_a_later_assignment_moved(office):
    first = put_in(office, "gold", "u1", "u2")
    put_in(office, "silver", "u2")
    assert undo(office, first).json()["changed"] == 1
    assert where(office) == {"u2": "silver"}
    history = office.get("/v1/classes/tier/users/u2/history").json()["history"]
    assert {(each["former_class"], each["class_id"]) for each in history} == {(None, "gold"), ("gold", "silver")}


def test_users_are_named_by_a_condition_or_a_static_segment(office):
    by_condition = put_in(office, "gold", filter='region = "north"').json()
    assert (by_condition["changed"], by_condition["reason"]) == (5, {"filter": 'region = "north"'})
    office.post("/v1/segments", names="vips", kind="static")
    headers = {"content-type": "text/csv"}
    office.client.post("/v1/segments/vips/members", content=b"user_id\nu1\nu2\n", headers=headers)
    assert put_in(office, "silver", segment_id="vips").json()["reason"] == {"segment_id": "vips", "version": 2}
    assert where(office) == {"u0": "gold", "u1": "silver", "u2": "silver", "u4": "gold", "u6": "gold", "u8": "gold"}


def test_one_unknown_user_stops_the_whole_assignment(office):
    refused = put_in(office, "gold", "u1", "nobody").json()
    assert (refused["code"], refused["field"], refused["position"]) == ("unknown_user", "user_ids", 1)
    assert where(office) == {}
    done = put_in(office, "gold", "u1", "nobody", skip_unknown=True).json()
    assert (done["changed"], done["reason"]["unknown"]) == (1, 1)


def test_a_class_with_people_in_it_goes_only_when_they_are_let_go(office):
    batch = put_in(office, "gold", "u1")
    assert office.delete("/v1/classes/tier/classes/gold").json()["code"] == "in_use"
    put_in(office, "silver", "u1")
    put_in(office, "gold", "u2")
    assert office.delete("/v1/classes/tier/classes/gold?release=true").json() == {"deleted": True}
    assert where(office) == {"u1": "silver"}
    assert undo(office, batch).json()["changed"] == 0


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"class_id": "gold"}, 422, "user_ids"),
        ({"class_id": "gold", "user_ids": ["u1"], "filter": 'region = "x"'}, 422, "user_ids"),
        ({"class_id": "none", "user_ids": ["u1"]}, 404, "class_id"),
        ({"class_id": "gold", "filter": "regoin = 1"}, 422, "filter"),
        ({"class_id": "gold", "segment_id": "never"}, 404, "segment_id"),
        ({"user_ids": ["u1"]}, 422, "class_id"),
    ],
)
def test_what_is_no_assignment_is_refused_by_its_field(office, body, status, field):
    answer = office.client.post("/v1/classes/tier/assignments", json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text


def test_a_segment_that_a_class_names_stays(office):
    office.post("/v1/segments", names="base", text="orders_90d >= 2")
    office.client.put("/v1/classes/tier/classes/rest", json={"names": "Rest", "text": 'segment("base")'})
    assert office.get("/v1/segments/base").json()["dependents"] == ["tier/rest"]
    assert office.delete("/v1/segments/base").json()["code"] == "in_use"
