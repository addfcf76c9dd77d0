"""Segments in the ledger: versions, circles, lists, and what holds on to what."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy.exc import DBAPIError

from engine.errors import BadInput, NotAllowed, UnknownThing
from engine.storage.ledger import connection_of, rows_of
from engine.storage.segment_edits import archive_segment, create_segment, delete_segment, edit_segment
from engine.storage.segment_members import change_members, static_members
from engine.storage.segments import dependents, find_segment, list_segments, live_segments, segment_versions
from engine.targeting.definition import Definition

NOW = 1_750_000_000.0


def rule(value=1, *uses):
    parts = [{"trait": "orders_90d", "op": ">=", "value": value}, *({"segment": each} for each in uses)]
    return Definition({"all": parts}, f"orders_90d >= {value}", uses)


def make(ledger, name, *uses, value=1, static=False):
    definition = None if static else rule(value, *uses)
    return create_segment(ledger, {"en": name}, definition=definition, segment_id=name, actor="anna", now=NOW)


def test_a_segment_keeps_every_version_with_its_author_and_none_of_them_changes(ledger):
    first = make(ledger, "vip")
    assert (first.version, first.created_by, first.definition["all"][0]["value"]) == (1, "anna", 1)
    same = edit_segment(ledger, "vip", definition=rule(1), actor="bo", now=NOW + 1)
    assert (same.version, same.updated_by) == (1, "anna")
    second = edit_segment(ledger, "vip", definition=rule(2), names={"en": "VIP", "zh": "贵宾"}, actor="bo", now=NOW + 2)
    assert (second.version, second.updated_by, second.names["zh"]) == (2, "bo", "贵宾")
    assert [(each.version, each.text, each.created_by) for each in segment_versions(ledger, "vip")] == [
        (2, "orders_90d >= 2", "bo"),
        (1, "orders_90d >= 1", "anna"),
    ]
    with pytest.raises(DBAPIError, match="never changes"), connection_of(ledger) as connection:
        rows_of(connection, "UPDATE segment_versions SET text = 'x'")


def test_who_did_not_see_the_last_version_is_told_so(ledger):
    make(ledger, "vip")
    edit_segment(ledger, "vip", definition=rule(2), version=1, actor=None, now=NOW)
    with pytest.raises(NotAllowed, match="version 2 now") as refused:
        edit_segment(ledger, "vip", definition=rule(3), version=1, actor=None, now=NOW)
    assert refused.value.code == "changed_meanwhile"


def test_an_id_is_made_of_the_english_name_and_differs_from_the_others(ledger):
    ids = [
        create_segment(ledger, names, definition=rule(), actor=None, now=NOW).id
        for names in ({"en": "Crème & Café!"}, {"en": "creme cafe"}, {"zh": "高消费客户"})
    ]
    assert ids[0] == "creme-cafe"
    assert ids[1].startswith("creme-cafe-")
    assert ids[2].startswith("segment-")
    with pytest.raises(NotAllowed) as refused:
        make(ledger, "creme-cafe")
    assert refused.value.code == "id_taken"


def test_a_rule_names_segments_that_are_there_and_closes_no_circle(ledger):
    make(ledger, "a")
    make(ledger, "b", "a")
    make(ledger, "c", "b", "activity.churned")
    with pytest.raises(BadInput, match="'nobody'") as unknown:
        make(ledger, "d", "nobody")
    assert unknown.value.code == "unknown_segment"
    with pytest.raises(BadInput, match="a -> c -> b -> a") as circle:
        edit_segment(ledger, "a", definition=rule(1, "c"), actor=None, now=NOW)
    assert circle.value.code == "circle"
    with pytest.raises(BadInput, match="names itself"):
        edit_segment(ledger, "a", definition=rule(1, "a"), actor=None, now=NOW)
    assert [each.id for each in live_segments(ledger)] == ["a", "b", "c"]
    assert find_segment(ledger, "a").version == 1


def test_segments_are_evaluated_after_those_that_they_name(ledger):
    make(ledger, "z")
    make(ledger, "m", "z")
    make(ledger, "a", "m")
    assert [each.id for each in live_segments(ledger)] == ["z", "m", "a"]


def test_two_edits_at_once_close_no_circle_together(ledger):
    make(ledger, "a")
    make(ledger, "b")
    refused = []

    def name(one, other):
        try:
            edit_segment(ledger, one, definition=rule(1, other), actor=None, now=NOW)
        except BadInput as error:
            refused.append(error.code)

    threads = [threading.Thread(target=name, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert refused == ["circle"]


def test_what_others_name_stays_until_they_let_go(ledger):
    make(ledger, "a")
    make(ledger, "b", "a")
    assert dependents(ledger, "a") == ["b"]
    for end in (
        lambda: archive_segment(ledger, "a", archived=True, actor=None, now=NOW),
        lambda: delete_segment(ledger, "a"),
    ):
        with pytest.raises(NotAllowed, match="named by b") as refused:
            end()
        assert refused.value.code == "in_use"
    archive_segment(ledger, "b", archived=True, actor="bo", now=NOW + 1)
    archived = archive_segment(ledger, "a", archived=True, actor="bo", now=NOW + 1)
    assert (archived.archived_by, [each.id for each in list_segments(ledger)]) == ("bo", [])
    with pytest.raises(BadInput):
        archive_segment(ledger, "b", archived=False, actor=None, now=NOW)
    archive_segment(ledger, "a", archived=False, actor=None, now=NOW)
    assert archive_segment(ledger, "b", archived=False, actor=None, now=NOW).archived_at is None
    archive_segment(ledger, "b", archived=True, actor=None, now=NOW)
    delete_segment(ledger, "a")
    assert [each.id for each in list_segments(ledger, archived=True)] == ["b"]


def test_a_list_is_added_to_taken_from_and_replaced_and_each_time_has_a_version(ledger):
    make(ledger, "vips", static=True)
    change = lambda users, mode: change_members(ledger, "vips", users, mode=mode, actor="anna", now=NOW)  # noqa: E731
    assert change(["b", "a", "日本"], "add").members == 3
    assert change(["a", "a", "c"], "add").members == 4
    assert change(["b", "x"], "remove").members == 3
    assert static_members(ledger, "vips") == ["a", "c", "日本"]
    assert static_members(ledger, "vips", after="a", limit=1) == ["c"]
    assert change(["c", "d"], "replace").version == 5
    assert static_members(ledger, "vips") == ["c", "d"]
    assert [each.members for each in segment_versions(ledger, "vips")] == [2, 3, 4, 3, 0]


def test_a_list_has_no_rule_and_a_rule_has_no_list(ledger):
    make(ledger, "vips", static=True)
    make(ledger, "rule")
    with pytest.raises(NotAllowed, match="is a list"):
        edit_segment(ledger, "vips", definition=rule(), actor=None, now=NOW)
    with pytest.raises(NotAllowed, match="is a rule"):
        change_members(ledger, "rule", ["a"], mode="add", actor=None, now=NOW)


@pytest.mark.parametrize("name", ["", "A b", "-a", "a" * 65, "日本", 7])
def test_an_id_that_rules_could_not_write_is_refused(ledger, name):
    with pytest.raises(BadInput):
        create_segment(ledger, {"en": "x"}, definition=rule(), segment_id=name, actor=None, now=NOW)


@pytest.mark.parametrize(
    "names", [None, {}, {"fr": "x"}, {"en": ""}, {"en": "a\nb"}, {"en": "\ud800"}, {"en": "x" * 201}, 5]
)
def test_a_name_is_a_printable_text_in_a_known_language(ledger, names):
    with pytest.raises(BadInput, match="names"):
        create_segment(ledger, names, definition=rule(), actor=None, now=NOW)


def test_what_never_was_is_unknown(ledger):
    for name in ("never", "\0", "\ud800"):
        with pytest.raises(UnknownThing):
            find_segment(ledger, name)
