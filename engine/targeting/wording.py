"""Wording: the terms of an offer as one sentence in English or Chinese, kept with each coupon that is issued."""

from __future__ import annotations

from datetime import datetime

from engine.expression import Comparison
from engine.targeting.gains import Speech
from engine.targeting.money import money_text
from engine.targeting.offers import Minimum, Offer, Valid
from engine.targeting.terms_reader import seconds_of

_DAYS_ZH = {"mon": "一", "tue": "二", "wed": "三", "thu": "四", "fri": "五", "sat": "六", "sun": "日"}
_UNITS = ((86_400, "day", "天"), (3_600, "hour", "小时"), (60, "minute", "分钟"), (1, "second", "秒"))


def told(offer: Offer, language: str) -> str:
    """One sentence with everything that a customer must know of the terms; times in UTC, as they are kept."""
    speech = Speech(language, lambda amount: money_text(amount, offer.currency, language))
    benefit = offer.benefit.rules.told(offer.benefit.terms, speech)
    parts = [_scope(offer, speech) + benefit] if speech.is_chinese else [benefit + _scope(offer, speech)]
    if offer.minimum != Minimum():
        parts.append(_minimum(offer.minimum, speech))
    if offer.largest_discount is not None:
        most = speech.money(offer.largest_discount)
        parts.append(f"最多优惠{most}" if speech.is_chinese else f"at most {most} off")
    parts += _who(offer, speech) + _when(offer.valid, speech)
    if offer.stacking.exclusive:
        parts.append("不与其他优惠同享" if speech.is_chinese else "not with other offers")
    if speech.is_chinese:
        return "，".join(parts) + "。"
    sentence = ", ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _scope(offer: Offer, speech: Speech) -> str:
    if offer.scope is None:
        return ""
    if isinstance(offer.scope, Comparison) and offer.scope.op == "has" and offer.scope.field == "categories":
        return f"“{offer.scope.value}”类商品" if speech.is_chinese else f" on {offer.scope.value}"
    return "指定商品" if speech.is_chinese else " on selected products"


def _minimum(minimum: Minimum, speech: Speech) -> str:
    chinese, after = speech.is_chinese, minimum.when == "after"
    needed = []
    if minimum.amount is not None:
        needed.append(f"满{speech.money(minimum.amount)}" if chinese else speech.money(minimum.amount))
    if minimum.quantity is not None:
        pieces = "piece" if minimum.quantity == 1 else "pieces"
        needed.append(f"满{minimum.quantity}件" if chinese else f"{minimum.quantity} {pieces}")
    if chinese:
        return ("优惠后" if after else "") + "且".join(needed) + "可用"
    return f"from {' and '.join(needed)}" + (" after other discounts" if after else "")


def _who(offer: Offer, speech: Speech) -> list[str]:
    eligible, found = offer.eligible, []
    if eligible.tiers:
        found.append(
            f"限{'、'.join(eligible.tiers)}会员" if speech.is_chinese else f"for {' or '.join(eligible.tiers)}"
        )
    if eligible.segments:
        found.append("限受邀用户" if speech.is_chinese else "for invited customers")
    if eligible.first_order:
        found.append("限首单" if speech.is_chinese else "on a first order")
    return found


def _when(valid: Valid, speech: Speech) -> list[str]:
    chinese, found = speech.is_chinese, []
    if valid.weekdays:
        days = "、".join(f"周{_DAYS_ZH[each]}" for each in valid.weekdays)
        found.append(days if chinese else f"on {', '.join(each.capitalize() for each in valid.weekdays)}")
    if valid.hours:
        spans = [f"{opens}-{closes}" for opens, closes in valid.hours]
        found.append(f"每日{'、'.join(spans)}" if chinese else f"at {', '.join(spans)}")
    if valid.from_:
        found.append(f"{_time(valid.from_)}起" if chinese else f"from {_time(valid.from_)}")
    if valid.until:
        found.append(f"{_time(valid.until)}前有效" if chinese else f"until {_time(valid.until)}")
    if valid.for_:
        length = _length(seconds_of(valid.for_), chinese=chinese)
        found.append(f"领取后{length}内有效" if chinese else f"for {length} after issue")
    return found


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _length(seconds: int, *, chinese: bool) -> str:
    """In the largest unit that tells it without a rest."""
    size, english, word = next(each for each in _UNITS if seconds % each[0] == 0)
    count = seconds // size
    return f"{count}{word}" if chinese else f"{count} {english}{'' if count == 1 else 's'}"
