"""The sentences of a placement's report, in English and Chinese: what it says, and above all what it cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.recommend.placement_report import MEASURES, MONEY, SMALL_ARM

Figures = Mapping[str, Any]
_NAMES = {
    "en": dict(zip(MEASURES, ("click-through", "conversion", "revenue", "all that they bought"), strict=True)),
    "zh": dict(zip(MEASURES, ("点击率", "转化率", "列表带来的销售额", "总消费"), strict=True)),
}


def sentences(figures: Figures, language: str) -> list[str]:
    """What a reader must know before the numbers."""
    zh = language == "zh"
    return [*_warnings(figures, zh), *_findings(figures, zh), *_limits(figures, zh)]


def _warnings(figures: Figures, zh: bool) -> list[str]:
    told = []
    ratio = figures["sample_ratio"]
    if ratio is not None and ratio["alarm"]:
        told.append(
            "警报：各版本人数与分流比例不符。查明原因之前，以下数字均不可信。"
            if zh
            else "Alarm: the variants have not as many people as the draw should have given them. Find out what took"
            " people out of one of them before you trust any figure."
        )
    if figures["reweighed"]:
        told.append(
            "实验期间分流比例被修改：人群已重新分配，结果不可比较。请用新名称重新开始实验。"
            if zh
            else "The weights were changed under the same name: people changed sides, and the variants cannot be"
            " compared. Give the experiment another name and begin anew."
        )
    if number := figures["crossed"]:
        told.append(
            f"{number:,} 人看到过多个版本；按其首次看到的版本计。"
            if zh
            else f"{number:,} people saw several variants; they count for the first."
        )
    return told


def _findings(figures: Figures, zh: bool) -> list[str]:
    told = []
    for each in figures["variants"]:
        if not each["effects"]:
            continue
        beyond = [effect for effect in each["effects"] if _is_beyond(effect)]
        told += [_effect(each["variant"], effect, zh) for effect in beyond]
        if not beyond:
            told.append(
                f"{each['variant']}：与 control 的差异尚未超出偶然。"
                if zh
                else f"{each['variant']}: nothing differs from the control beyond chance so far."
            )
    return told


def _is_beyond(effect: Figures) -> bool:
    low, high = effect["difference"]["low"], effect["difference"]["high"]
    return low is not None and (low > 0 or high < 0)


def _effect(variant: str, effect: Figures, zh: bool) -> str:
    name, part = _NAMES["zh" if zh else "en"][effect["measure"]], effect["relative"]
    more = effect["difference"]["value"] > 0
    if part["value"] is None:
        return (
            f"{variant}：{name}{'更高' if more else '更低'}。"
            if zh
            else (f"{variant}: {name} is {'higher' if more else 'lower'} than the control's, which is 0.")
        )
    span = f"{part['low']:+.1%} – {part['high']:+.1%}"
    if zh:
        return f"{variant}：{name}相对 control {part['value']:+.1%}（任何时候查看均有效的 95% 区间 {span}）。"
    return f"{variant}: {name} {part['value']:+.1%} beside the control (95 % interval that holds at all looks {span})."


def _limits(figures: Figures, zh: bool) -> list[str]:
    told = []
    if not figures["exposed"]:
        told.append(
            "没有收到曝光事件：点击率以请求的列表计，而非实际展示。"
            if zh
            else "No exposures arrived: click-through counts what was asked for, not what was shown."
        )
    compared = [each for each in figures["variants"] if each["share"] is not None]
    if len(compared) > 1 and min(each["people"] for each in compared) < SMALL_ARM:
        names = ", ".join(_NAMES["zh" if zh else "en"][each] for each in MONEY)
        told.append(
            f"某版本不足 {SMALL_ARM:,} 人：{names}的区间取决于少数大单。"
            if zh
            else f"A variant has fewer than {SMALL_ARM:,} people: intervals of {names} rest on a few large orders."
        )
    return told
