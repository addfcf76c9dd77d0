"""The ready-made groups: what merchants are taught to tell apart, as rules over traits with documented thresholds.

The groups of one dimension exclude each other. Each names the actions that are usual for it, and whether to ask first
why its customers became so. Names are data, in English and Chinese.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput
from engine.events import TRAFFIC_SOURCES

Rule = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Group:
    """`rule` is a segment definition. `actions` are names of campaign templates, the most usual first."""

    id: str
    dimension: str
    name: Mapping[str, str]
    meaning: str
    rule: Rule
    actions: tuple[str, ...]
    ask_why: bool = False


#: What is usual to do, by the names of campaign templates.
ACTIONS: Mapping[str, Mapping[str, str]] = {
    "membership": {"en": "membership and exclusive offers", "zh": "会员与专属优惠"},
    "points": {"en": "points for orders and activities", "zh": "积分"},
    "vip_care": {"en": "VIP care, tailored service", "zh": "VIP 关怀"},
    "recommend": {"en": "product recommendations by preference", "zh": "个性化推荐"},
    "news": {"en": "promotion news", "zh": "促销资讯"},
    "coupon": {"en": "coupon", "zh": "优惠券"},
    "activity": {"en": "interactive activity", "zh": "互动活动"},
    "cross_sell": {"en": "wider variety, cross-sell", "zh": "交叉销售"},
    "win_back": {"en": "win-back mail, coupon, exclusive service", "zh": "召回"},
    "invite": {"en": "invite to share", "zh": "邀请分享"},
    "apology": {"en": "apology and exclusive service; no promotion until it is solved", "zh": "致歉与专属服务"},
    "social_activity": {"en": "social activity", "zh": "社交活动"},
    "newcomer": {"en": "newcomer offer", "zh": "新人礼"},
    "regional": {"en": "goods and events that match the region", "zh": "地域商品与活动"},
    "interest": {"en": "goods and events that match the interest", "zh": "兴趣商品与活动"},
    "greeting": {"en": "greeting, small gift or points", "zh": "问候与小礼物"},
}

DIMENSIONS: Mapping[str, Mapping[str, str]] = {
    "frequency": {"en": "purchase frequency", "zh": "购买频率"},
    "amount": {"en": "purchase amount", "zh": "购买金额"},
    "activity": {"en": "activity", "zh": "行为"},
    "feedback": {"en": "feedback", "zh": "反馈"},
    "source": {"en": "source", "zh": "来源"},
    "value": {"en": "value", "zh": "价值"},
    "rfm": {"en": "RFM", "zh": "RFM"},
    "lifecycle": {"en": "lifecycle", "zh": "生命周期"},
    "aipl": {"en": "AIPL", "zh": "AIPL"},
    "care": {"en": "care", "zh": "关怀"},
}


def groups(thresholds: Mapping[str, float]) -> tuple[Group, ...]:
    """All ready-made groups but those of a region or an interest, which `group_of` makes for any value."""
    t = thresholds
    return (
        *_frequency(t), *_amount(t), *_activity(t), *_feedback(t), *_source(), *_value(t), *_rfm(t), *_lifecycle(t),
        *_aipl(t), _birthday(t),
    )  # fmt: skip


def group_of(dimension: str, value: str) -> Group:
    """The group of one region, or of those with one interest. BadInput for another dimension."""
    if dimension == "region":
        rule, action = _trait("region", "=", value), "regional"
    elif dimension == "interest":
        rule, action = _trait("interests", "has", value), "interest"
    else:
        raise BadInput(f"dimension must be region or interest, not {dimension!r}", field="dimension")
    meaning = "Lives there." if dimension == "region" else "Among the five strongest interests."
    return Group(f"{dimension}:{value}", dimension, {"en": value, "zh": value}, meaning, rule, (action,))


def _trait(name: str, op: str, value: Any) -> Rule:
    return {"trait": name, "op": op, "value": value}


def _missing(name: str) -> Rule:
    return {"trait": name, "op": "is null"}


def _all(*rules: Rule) -> Rule:
    return {"all": list(rules)}


def _any(*rules: Rule) -> Rule:
    return {"any": list(rules)}


def _not(rule: Rule) -> Rule:
    return {"not": rule}


def _bands(name: str, least: float, middle: float, high: float, bought: Rule) -> tuple[Rule, Rule, Rule]:
    """High, middle and low of those with `bought`."""
    return (
        _all(bought, _trait(name, ">=", high)),
        _all(bought, _trait(name, ">=", middle), _trait(name, "<", high)),
        _all(bought, _trait(name, ">=", least), _trait(name, "<", middle)),
    )


def _frequency(t: Mapping[str, float]) -> tuple[Group, ...]:
    high, middle, low = _bands("orders_365d", 1, t["middle_orders"], t["high_orders"], _trait("orders_365d", ">", 0))
    return (
        Group("frequency.high", "frequency", {"en": "high frequency", "zh": "高频"},
              "Orders often; the loyal core.", high, ("membership", "points", "recommend")),
        Group("frequency.middle", "frequency", {"en": "middle frequency", "zh": "中频"},
              "Orders now and then; no habit yet.", middle, ("news", "recommend")),
        Group("frequency.low", "frequency", {"en": "low frequency", "zh": "低频"},
              "Orders rarely.", low, ("coupon", "activity"), ask_why=True),
    )  # fmt: skip


def _amount(t: Mapping[str, float]) -> tuple[Group, ...]:
    high, middle, low = _bands("spend_rank", 0, t["middle_spend"], t["high_spend"], _trait("orders_365d", ">", 0))
    return (
        Group("amount.high", "amount", {"en": "high spend", "zh": "高消费"},
              "Among those who spend most.", high, ("vip_care", "membership")),
        Group("amount.middle", "amount", {"en": "middle spend", "zh": "中等消费"},
              "Middle spend; room to grow.", middle, ("cross_sell", "recommend")),
        Group("amount.low", "amount", {"en": "low spend", "zh": "低消费"},
              "Small spend; price counts, or little interest.", low, ("coupon", "activity"), ask_why=True),
    )  # fmt: skip


def _activity(t: Mapping[str, float]) -> tuple[Group, ...]:
    seen, dormant, churned = "days_since_seen", t["dormant_days"], t["churned_days"]
    return (
        Group("activity.active", "activity", {"en": "active", "zh": "活跃"},
              "Was there lately.", _trait(seen, "<=", dormant), ("membership", "points", "recommend")),
        Group("activity.dormant", "activity", {"en": "dormant", "zh": "沉睡"},
              "Neither visited nor bought for a while.",
              _all(_trait(seen, ">", dormant), _trait(seen, "<=", churned)), ("coupon", "activity", "news"),
              ask_why=True),
        Group("activity.churned", "activity", {"en": "churned", "zh": "流失"},
              "Stopped visiting and buying.", _trait(seen, ">", churned), ("win_back", "coupon"), ask_why=True),
    )  # fmt: skip


def _feedback(t: Mapping[str, float]) -> tuple[Group, ...]:
    none = _all(_trait("ratings_365d", "=", 0), _trait("complaints_365d", "=", 0), _trait("returns_365d", "=", 0))
    bad = _any(
        _trait("complaints_open", ">", 0),
        _trait("complaints_90d", ">", 0),
        _trait("satisfaction", "<", t["dissatisfied"]),
        _all(_trait("returns_365d", ">=", t["least_returns"]), _trait("return_rate_365d", ">", t["many_returns"])),
    )
    good = _trait("satisfaction", ">=", t["satisfied"])
    return (
        Group("feedback.satisfied", "feedback", {"en": "satisfied", "zh": "满意"},
              "Answers well, and nothing speaks against it.", _all(good, _not(bad)), ("membership", "invite")),
        Group("feedback.neutral", "feedback", {"en": "neutral", "zh": "中立"},
              "Gave feedback without a clear opinion.", _all(_not(none), _not(good), _not(bad)),
              ("coupon", "activity"), ask_why=True),
        Group("feedback.dissatisfied", "feedback", {"en": "dissatisfied", "zh": "不满意"},
              "Answers badly, complained, or sends much back.", bad, ("apology",), ask_why=True),
        Group("feedback.none", "feedback", {"en": "no feedback", "zh": "无反馈"},
              "Said nothing in a year: no rating, survey, review, complaint or return.", _all(none, _not(bad)), ()),
    )  # fmt: skip


def _source() -> tuple[Group, ...]:
    def of(*names: str) -> Rule:
        return {"trait": "first_source", "op": "in", "value": [each for each in TRAFFIC_SOURCES if each in names]}

    return (
        Group("source.organic", "source", {"en": "organic", "zh": "自然流量"},
              "Came by a search engine or directly.", of("organic", "direct"), ("membership", "recommend")),
        Group("source.paid", "source", {"en": "paid", "zh": "付费流量"},
              "Came by ads or promotion; no habit yet.", of("paid"), ("coupon", "activity", "news"), ask_why=True),
        Group("source.social", "source", {"en": "social", "zh": "社交流量"},
              "Came by social media or a friend.", of("social", "referral"), ("social_activity", "cross_sell"),
              ask_why=True),
    )  # fmt: skip


def _value(t: Mapping[str, float]) -> tuple[Group, ...]:
    high = _trait("spend_rank", ">=", t["high_value"])
    return (
        Group("value.new", "value", {"en": "new", "zh": "新客"},
              "Ordered once.", _all(_trait("orders", "=", 1), _not(high)), ("newcomer",)),
        Group("value.returning", "value", {"en": "returning", "zh": "老客"},
              "Ordered more than once.", _all(_trait("orders", ">", 1), _not(high)), ("cross_sell", "coupon")),
        Group("value.high", "value", {"en": "high value", "zh": "高价值"},
              "The top of the buyers of a year.", high, ("vip_care",)),
    )  # fmt: skip


_RFM = (
    # high recency, frequency, money; names as Chinese merchants learn them
    ("champions", True, True, True, "champions", "重要价值客户", ("vip_care", "membership")),
    ("promising", True, False, True, "big spenders to develop", "重要发展客户", ("membership", "points")),
    ("keep", False, True, True, "loyal customers to keep", "重要保持客户", ("win_back", "vip_care")),
    ("rescue", False, False, True, "big spenders to win back", "重要挽留客户", ("win_back",)),
    ("regulars", True, True, False, "frequent small buyers", "一般价值客户", ("cross_sell",)),
    ("fresh", True, False, False, "recent small buyers", "一般发展客户", ("newcomer", "coupon")),
    ("fading", False, True, False, "fading small buyers", "一般保持客户", ("coupon", "news")),
    ("lost", False, False, False, "nearly lost", "一般挽留客户", ("coupon",)),
)


def _rfm(t: Mapping[str, float]) -> tuple[Group, ...]:
    def cell(high: bool, name: str) -> Rule:
        return _trait(name, ">=" if high else "<", t["rfm_high"])

    return tuple(
        Group(f"rfm.{cell_name}", "rfm", {"en": en, "zh": zh},
              f"Last order {'recent' if r else 'long ago'}, {'many' if f else 'few'} orders,"
              f" {'large' if m else 'small'} spend.",
              _all(cell(r, "rfm_recency"), cell(f, "rfm_frequency"), cell(m, "rfm_money")), actions, ask_why=not r)
        for cell_name, r, f, m, en, zh, actions in _RFM
    )  # fmt: skip


def _lifecycle(t: Mapping[str, float]) -> tuple[Group, ...]:
    lapsed = _any(
        _trait("days_since_order", ">", t["lapsed_days"]),
        _all(_trait("orders", "=", 0), _trait("days_since_seen", ">", t["lapsed_days"])),
    )
    none, one, more = (_trait("orders", op, value) for op, value in (("=", 0), ("=", 1), (">", 1)))
    fresh = _any(_trait("tenure_days", "<=", t["new_days"]), _missing("tenure_days"))
    return (
        Group("lifecycle.acquired", "lifecycle", {"en": "acquired", "zh": "获取"},
              "Came lately, has not ordered.", _all(none, fresh), ("newcomer",)),
        Group("lifecycle.nurtured", "lifecycle", {"en": "nurtured", "zh": "培育"},
              "Comes, has not ordered yet.", _all(none, _not(fresh), _not(lapsed)), ("recommend", "coupon")),
        Group("lifecycle.converted", "lifecycle", {"en": "converted", "zh": "转化"},
              "Ordered once.", _all(one, _not(lapsed)), ("cross_sell", "points")),
        Group("lifecycle.retained", "lifecycle", {"en": "retained", "zh": "维系"},
              "Ordered again.", _all(more, _not(lapsed)), ("membership", "points")),
        Group("lifecycle.lapsed", "lifecycle", {"en": "lapsed", "zh": "流失"},
              "Long without an order, or without a visit.", lapsed, ("win_back",), ask_why=True),
    )  # fmt: skip


def _aipl(t: Mapping[str, float]) -> tuple[Group, ...]:
    """The highest stage that holds."""
    loyal = _trait("orders_365d", ">=", t["loyal_orders"])
    bought = _trait("orders_365d", ">", 0)
    interested = _any(
        _trait("views_30d", ">=", t["interested_views"]),
        _trait("cart_adds_90d", ">", 0),
        _trait("searches_90d", ">", 0),
        _trait("wishlist_adds_365d", ">", 0),
    )
    return (
        Group("aipl.aware", "aipl", {"en": "aware", "zh": "认知"},
              "Was seen, no more.", _all(_trait("days_since_seen", ">=", 0), _not(interested), _not(bought)),
              ("news", "coupon")),
        Group("aipl.interested", "aipl", {"en": "interested", "zh": "兴趣"},
              "Looked, searched, saved or put into the cart.", _all(interested, _not(bought)),
              ("recommend", "newcomer")),
        Group("aipl.purchased", "aipl", {"en": "purchased", "zh": "购买"},
              "Bought within a year.", _all(bought, _not(loyal)), ("cross_sell",)),
        Group("aipl.loyal", "aipl", {"en": "loyal", "zh": "忠诚"},
              "Bought again and again within a year.", loyal, ("membership", "vip_care")),
    )  # fmt: skip


def _birthday(t: Mapping[str, float]) -> Group:
    return Group("care.birthday", "care", {"en": "birthday soon", "zh": "生日"}, "The birthday is near.",
                 _trait("days_to_birthday", "<=", t["birthday_days"]), ("greeting",))  # fmt: skip
