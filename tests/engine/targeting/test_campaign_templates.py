"""Templates of campaigns: one for every row of the playbooks, each a draft as it stands, in both languages."""

import pytest

from engine.errors import BadInput
from engine.storage.live_segments import words_of
from engine.targeting.campaign import campaign_document, checked_campaign
from engine.targeting.campaign_templates import TEMPLATES, template_document, templates_listed
from engine.targeting.groups import ACTIONS, groups
from engine.thresholds import read_thresholds
from serving.actions.draft_campaign import checked_draft
from serving.campaign_message import check_templates
from tests.stores import settings_of

GROUPS = groups(read_thresholds(""))
#: The rows of the playbooks: dimension, groups.
ROWS = {
    "frequency": ("high", "middle", "low"),
    "amount": ("high", "middle", "low"),
    "activity": ("active", "dormant", "churned"),
    "feedback": ("satisfied", "neutral", "dissatisfied"),
    "source": ("organic", "paid", "social"),
    "value": ("new", "returning", "high"),
    "care": ("birthday",),
}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", [*TEMPLATES, *(each.id for each in GROUPS if each.actions)])
def test_each_template_and_each_group_makes_a_draft(name, language, tmp_path):
    document = template_document(name, language=language, offer_id="o" if "double" in name else None)
    campaign = checked_draft(document, words_of(settings_of(tmp_path)))
    assert checked_campaign(campaign_document(campaign)) == campaign
    assert campaign.template is not None and campaign.language == language
    for with_offer in (True, False):
        check_templates({"template": campaign.template}, with_offer=with_offer)


def test_every_action_of_every_group_names_a_template():
    named = {action for each in GROUPS for action in each.actions}
    assert named <= set(ACTIONS) <= set(TEMPLATES)
    told = {each["template"]: each for each in templates_listed()}
    assert all(each["name"]["en"] and each["name"]["zh"] and each["meaning"] for each in told.values())


def test_every_row_of_the_playbooks_has_its_template():
    for dimension, names in ROWS.items():
        for name in names:
            assert template_document(f"{dimension}.{name}")["template"]["text"]
    for name in ("regional", "interest", "greeting", "holiday", "double_11", "618"):
        assert template_document(name)["name"]


def test_no_promotion_goes_to_who_complains_and_big_days_keep_a_hard_budget():
    apology = template_document("feedback.dissatisfied")
    assert (apology["purpose"], apology["offers"], "code" in apology["template"]["text"]) == ("service", [], False)
    for name in ("double_11", "618"):
        document = template_document(name)
        assert document["budget"] > document["quota"]["amount"] > 0
        assert document["trigger"]["day"] == name


def test_a_segment_a_channel_and_an_offer_are_put_in_their_place():
    document = template_document("win_back", segment="lost", channel="file", offer_id="ten")
    assert (document["audience"], document["channel"], document["offers"]) == ({"segment": "lost"}, "file", ["ten"])
    for wrong, field in (({"name": "none"}, "template_name"), ({"name": "coupon", "language": "fr"}, "language")):
        with pytest.raises(BadInput) as told:
            template_document(**wrong)
        assert told.value.field == field
