"""The sentences of a report, in English and Chinese: what it says, and above all what it cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.currencies import minor_per_major
from engine.targeting.campaign_members import MONEY
from engine.targeting.campaign_report import LEAST_KNOWN, SMALL_ARM

Figures = Mapping[str, Any]

#: Names of measures, arms and headings, by language.
NAMES: Mapping[str, Mapping[str, str]] = {
    "en": {
        "messaged": "got a message", "exposed": "saw the offer", "issued": "got a coupon",
        "redeemed": "redeemed", "cost": "discounts", "orders": "orders", "revenue": "revenue", "margin": "margin",
        "treatment": "treated", "holdout": "held out", "global_holdout": "held out by the shop", "members": "customers",
    },
    "zh": {
        "messaged": "收到消息", "exposed": "看到优惠", "issued": "领到优惠券",
        "redeemed": "已核销", "cost": "优惠成本", "orders": "订单", "revenue": "销售额", "margin": "毛利",
        "treatment": "营销组", "holdout": "对照组", "global_holdout": "全店对照组", "members": "顾客",
    },
}  # fmt: skip

#: Measures whose effect is told as a part of what those held out did, too.
PARTS_TOLD = ("orders", "revenue", "margin")


def sentences(asked: Figures, language: str) -> list[str]:
    """What a reader must know before the numbers; `asked` as `as_asked` gives them."""
    say = _Said(asked, language)
    return [*say.warnings(), *say.findings(), *say.limits()]


def number_text(value: float | None, measure: str, currency: str | None) -> str:
    """An amount of a measure as people read it; a dash for none."""
    if value is None:
        return "–"
    if measure in MONEY:
        unit = minor_per_major(currency)
        digits = 0 if unit == 1 or value == 0 or abs(value) >= 1_000 * unit else 2
        return f"{value / unit:,.{digits}f}{f' {currency}' if currency else ''}"
    return f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:,.2f}"


class _Said:
    """Each method gives the sentences of one kind."""

    def __init__(self, asked: Figures, language: str) -> None:
        self._figures, self._zh = asked, language == "zh"
        self._names, self._currency = NAMES["zh" if self._zh else "en"], asked.get("currency")

    def _say(self, english: str, chinese: str) -> str:
        return chinese if self._zh else english

    def _text(self, value: float | None, measure: str) -> str:
        return number_text(value, measure, self._currency)

    def warnings(self) -> list[str]:
        told, figures = [], self._figures
        if figures["sample_ratio"]["alarm"]:
            told.append(
                self._say(
                    "Alarm: the arms are not as large as the draw should have made them. Find out what took customers"
                    " out of one of them before you trust any figure.",
                    "警报：各组人数与抽签比例不符。在查明原因之前，以下数字均不可信。",
                )
            )
        if figures["contacted_control"]:
            number = figures["contacted_control"]
            told.append(
                self._say(
                    f"{number:,} of those held out got a message or saw the offer all the same; they still count as"
                    " held out, which brings the effect nearer to zero.",
                    f"对照组中仍有 {number:,} 人收到消息或看到优惠；他们仍计入对照组，这会使效果更接近零。",
                )
            )
        if figures["windows_over"] < 1:
            share = figures["windows_over"]
            told.append(
                self._say(
                    f"The outcome window of {figures['window_days']} days is over for {share:.0%} of the customers:"
                    " the figures will still change.",
                    f"仅 {share:.0%} 的顾客已满 {figures['window_days']} 天观察期：数字还会变化。",
                )
            )
            if figures["intervals"] == "fixed":
                told.append(
                    self._say(
                        "These intervals are for one look at the end. Whoever looks in between and stops when it"
                        " pleases is misled more often than one time in twenty; ask for sequential intervals.",
                        "此区间仅适用于期末一次查看；中途反复查看并择时停止，误判会超过二十分之一，请改用序贯区间。",
                    )
                )
        return told

    def findings(self) -> list[str]:
        figures = self._figures
        if figures["control"] is None:
            return [
                self._say(
                    "Nobody was held out: nothing can be said of what the campaign changed.",
                    "没有对照组：无法判断活动带来了什么变化。",
                )
            ]
        if not figures["effects"]:
            return [
                self._say(
                    "An arm has fewer than two customers: nothing can be said of what the campaign changed.",
                    "某组顾客不足两人：无法判断活动带来了什么变化。",
                )
            ]
        told = [self._effect(each) for each in figures["effects"] if each["measure"] not in ("redeemed", "cost")]
        return [*told, *self._roi()]

    def _effect(self, effect: Figures) -> str:
        measure, total = effect["measure"], effect["total"]
        name, low, high = self._names[measure], total["low"], total["high"]
        if low is None:
            return self._say(f"The effect on {name} could not be computed.", f"无法计算对{name}的影响。")
        span = f"{self._text(low, measure)} – {self._text(high, measure)}"
        value = self._text(total["value"], measure)
        if low <= 0 <= high:
            return self._say(
                f"{name.capitalize()}: {value} more, but the interval ({span}) contains zero: the campaign may have"
                " changed nothing, or the opposite.",
                f"{name}：增量 {value}，但区间（{span}）包含零：活动可能没有效果，甚至相反。",
            )
        if high < 0:
            return self._say(
                f"{name.capitalize()}: {value}, the interval ({span}) lies below zero: the campaign did harm.",
                f"{name}：{value}，区间（{span}）低于零：活动造成了损失。",
            )
        return self._say(
            f"{name.capitalize()}: {value} more than without the campaign (95 % interval {span}).",
            f"{name}：比不做活动多 {value}（95% 区间 {span}）。",
        )

    def _roi(self) -> list[str]:
        roi = self._figures["roi"]
        has_margin = any(each["measure"] == "margin" for each in self._figures["effects"])
        if roi is None or roi["value"] is None:
            if not has_margin:
                return []
            return [
                self._say(
                    "A return on the discounts is not told: their cost is too near to zero to divide by.",
                    "优惠成本过小，不计算投资回报。",
                )
            ]
        span = f"{roi['low']:.2f} – {roi['high']:.2f}"
        return [
            self._say(
                f"Each unit of discount brought {roi['value']:.2f} units of profit after the discount itself ({span}).",
                f"每投入 1 元优惠，扣除优惠后带来 {roi['value']:.2f} 元利润（{span}）。",
            )
        ]

    def limits(self) -> list[str]:
        figures, told = self._figures, []
        if figures["control"] == "global_holdout":
            told.append(
                self._say(
                    "The campaign held nobody out; it is compared with those whom the shop leaves alone at all times,"
                    " so the difference holds what all other campaigns did, too.",
                    "活动本身没有对照组；此处与全店对照组比较，差异中也包含其他活动的影响。",
                )
            )
        elif figures["control"] and figures["members"]["global_holdout"]:
            number = figures["members"]["global_holdout"]
            told.append(
                self._say(
                    f"{number:,} customers of the audience are in the shop's own holdout, left alone by all campaigns;"
                    " they are shown and not compared with.",
                    f"人群中有 {number:,} 人属于全店对照组，任何活动都不打扰；仅列出，不参与比较。",
                )
            )
        told += self._too_near_zero() + self._costs() + self._size() + self._parts()
        return told

    def _too_near_zero(self) -> list[str]:
        """Measures whose effect is told, and of which nobody can say how large a part of the usual it is."""
        told = [each for each in self._figures["effects"] if each["measure"] in PARTS_TOLD]
        unsure = [
            each["measure"] for each in told if each["each"]["low"] is not None and each["relative"]["low"] is None
        ]
        if not unsure:
            return []
        names = [self._names[each] for each in unsure]
        return [
            self._say(
                f"How many per cent more that is cannot be told for {', '.join(names)}: what those held out did may as"
                " well be zero.",
                f"无法给出{'、'.join(names)}的百分比变化：对照组的数值可能为零。",
            )
        ]

    def _costs(self) -> list[str]:
        known, by_items = self._figures["costs_known"], self._figures["costs_by_items"]
        if known >= 1 and by_items < 1:
            return [
                self._say(
                    f"For {1 - by_items:.0%} of the revenue the items say no cost: there the margin is the one that the"
                    " campaign's author gave.",
                    f"{1 - by_items:.0%} 的销售额没有商品成本：此处采用活动填写的毛利率。",
                )
            ]
        if known >= 1:
            return []
        if known < LEAST_KNOWN:
            return [
                self._say(
                    f"What items cost is known for {known:.0%} of the revenue only: margin and return are not told, and"
                    " not guessed.",
                    f"仅 {known:.0%} 的销售额已知成本：不给出也不猜测毛利与回报。",
                )
            ]
        return [
            self._say(
                f"The margin is that of the {known:.1%} of the revenue whose costs are known.",
                f"毛利仅覆盖已知成本的 {known:.1%} 销售额。",
            )
        ]

    def _size(self) -> list[str]:
        figures = self._figures
        arms = ("treatment", figures["control"])
        if figures["control"] is None or min(figures["members"][each] for each in arms) >= SMALL_ARM:
            return []
        return [
            self._say(
                f"An arm has fewer than {SMALL_ARM:,} customers: intervals of money rest on a few large orders.",
                f"某组顾客不足 {SMALL_ARM:,} 人：金额区间取决于少数大单。",
            )
        ]

    def _parts(self) -> list[str]:
        figures = self._figures
        number = sum(bool(part["effects"]) for part in (*figures["segments"], *figures["variants"]))
        told = []
        if number >= 2:
            told.append(
                self._say(
                    f"{number} parts are looked at one by one: one in twenty shows an effect by chance alone.",
                    f"逐一查看了 {number} 个分组：纯属偶然，每二十个中也会有一个显示出效果。",
                )
            )
        if figures["assignment"] != "random" and any(not each["effects"] for each in figures["variants"]):
            told.append(
                self._say(
                    "Who got which offer was planned, not drawn: of offers without held-out customers of their own no"
                    " effect is told.",
                    "优惠由方案指定而非抽签：没有相应对照顾客的优惠不给出效果。",
                )
            )
        return told
