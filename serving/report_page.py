"""The page of a report: one sheet of paper in English or Chinese, with all that it needs inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from engine.targeting.campaign_members import ARMS, MEASURES, STAGES
from engine.targeting.groups import groups
from engine.targeting.report_words import NAMES, PARTS_TOLD, number_text
from engine.thresholds import read_thresholds
from serving.message_template import ReadyHtml, fill
from serving.report_plots import band, days, funnel, intervals

_TEMPLATE = Path(__file__).with_name("campaign_report.html")
#: Rows of a table that fit on the sheet; the JSON has all of them.
_MOST_ROWS = 8

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "says": "What this says", "more": "Incremental {}", "spent": "Discounts given",
        "roi": "Profit per unit of discount",
        "funnel": "Treated customers", "effects": "More than without the campaign, by percent",
        "by_day": "Came so far, day by day",
        "grown": "Effect since joining: {}", "day": "days after joining",
        "arms": "By arm",
        "variant": "By variant: more than those held out", "segment": "By segment: more than those held out",
        "each": "a customer", "arm": "arm", "as_many": "if as many as treated", "unknown": "not known",
        "between": "95 % interval {} to {}",
        "no_span": "no interval", "draft": "{} · launched {} · figures of {}",
        "footer": "Customers count in the arm that they were assigned to, whatever reached them (intention to treat)."
        " In their {days} days after joining all that they bought counts, less what they sent back. Differences in"
        " means are adjusted by orders and revenue before joining (CUPED); {kind}. Nothing was cut or winsorised."
        " Chance of arms at least as uneven as these, if all was drawn well: {chance}.",
        "fixed": "intervals are Welch's, for one look at the end",
        "sequential": "intervals are a confidence sequence, which holds at all looks together",
    },
    "zh": {
        "says": "结论", "more": "增量{}", "spent": "优惠成本", "roi": "每元优惠带来的利润",
        "funnel": "营销组顾客", "effects": "比不做活动多（百分比）", "by_day": "累计进展（按日）",
        "grown": "加入后的累计效果：{}", "day": "加入后天数", "arms": "各组",
        "variant": "各方案：与对照组相比", "segment": "各分群：与对照组相比",
        "each": "人均", "arm": "组别", "as_many": "折合营销组人数", "unknown": "未知", "between": "95% 区间 {} 至 {}",
        "no_span": "无区间", "draft": "{} · 启动于 {} · 数据截至 {}",
        "footer": "顾客按抽签所分的组计入，不论是否触达（意向性分析）。计入加入后 {days} 天内的全部购买，"
        "扣除退货。均值之差以加入前的订单与销售额校正（CUPED）；{kind}。未截尾、未缩尾。"
        "若抽签无误，各组人数至少如此不均的概率：{chance}。",
        "fixed": "区间为 Welch 区间，仅适用于期末一次查看",
        "sequential": "区间为置信序列，任何时候查看均成立",
    },
}  # fmt: skip


def report_page(report: Mapping[str, Any]) -> str:
    """The HTML of a report as `report_campaign` gives it, in its own language."""
    page = _Page(report)
    return fill(_TEMPLATE.read_text(encoding="utf-8"), page.values(), field="report", html=True)


class _Page:
    """Each method makes one part of the page's values."""

    def __init__(self, report: Mapping[str, Any]) -> None:
        self._report = report
        language = report["language"]
        self._words, self._names = _WORDS[language], NAMES[language]
        self._groups = {each.id: each.name[language] for each in groups(read_thresholds(""))}

    def values(self) -> dict[str, Any]:
        report, sentences = self._report, list(self._report["sentences"])
        alarm = sentences.pop(0) if report["sample_ratio"]["alarm"] else None
        return {
            "language": report["language"], "title": report["name"], "under": self._under(), "alarm": alarm,
            "words": self._words, "cards": self._cards(), "sentences": sentences, "plots": self._plots(),
            "tables": self._tables(), "footer": self._footer(),
        }  # fmt: skip

    def _text(self, value: float | None, measure: str) -> str:
        return number_text(value, measure, self._report["currency"])

    def _under(self) -> str:
        report = self._report
        days = [str(report[each] or "")[:10] for each in ("launched_at", "as_of")]
        return self._words["draft"].format(report["campaign_id"], *days)

    def _cards(self) -> list[dict[str, str]]:
        report, totals = self._report, self._report["totals"].get("treatment", {})
        effects = {each["measure"]: each["total"] for each in report["effects"]}
        cards = [
            self._card(self._words["more"].format(self._names[each]), effects[each], partial(self._text, measure=each))
            for each in ("margin", "revenue", "orders")
            if each in effects
        ]
        cards.append({"name": self._words["spent"], "value": self._text(totals.get("cost", 0), "cost"), "span": "",
                      "kind": ""})  # fmt: skip
        if report["roi"] and report["roi"]["value"] is not None:
            cards.append(self._card(self._words["roi"], report["roi"], lambda value: f"{value:.2f}"))
        return cards

    def _card(self, name: str, found: Mapping[str, Any], text: Any) -> dict[str, str]:
        if found["low"] is None:
            return {"name": name, "value": self._words["unknown"], "span": self._words["no_span"], "kind": ""}
        kind = "" if found["low"] <= 0 <= found["high"] else "good" if found["low"] > 0 else "bad"
        span = self._words["between"].format(text(found["low"]), text(found["high"]))
        return {"name": name, "value": text(found["value"]), "span": span, "kind": kind}

    def _plots(self) -> list[dict[str, Any]]:
        report, words = self._report, self._words
        totals = report["totals"].get("treatment", {"members": 0})
        stages = [(self._names[each], totals.get(each, 0)) for each in ("members", *STAGES)]
        plots = [(words["funnel"], funnel(stages, _whole))]
        rows = [
            (self._names[each["measure"]], *(100 * each["relative"][name] for name in ("value", "low", "high")))
            for each in report["effects"]
            if each["measure"] in PARTS_TOLD and each["relative"]["low"] is not None
        ]
        if rows:
            plots.append((words["effects"], intervals(rows, lambda value: f"{value:g}%")))
        grown = [each for each in report["cumulative"] if each["low"] is not None]
        if len(grown) > 1:
            measure = "margin" if "margin" in totals else "revenue"
            points = [tuple(each[name] for name in ("day", "value", "low", "high")) for each in grown]
            title = words["grown"].format(self._names[measure])
            plots.append((title, band(points, self._short(measure), below=words["day"])))
        if report["days"]:
            told = [
                (each["day"], reached) for each, reached in zip(report["days"], _grown(report["days"]), strict=True)
            ]
            plots.append((words["by_day"], days(told, [self._names[each] for each in STAGES], _whole)))
        return [{"title": title, "drawing": ReadyHtml(drawing)} for title, drawing in plots]

    def _short(self, measure: str) -> Any:
        """Amounts beside others of their kind: without the currency."""
        return lambda value: number_text(value, measure, self._report["currency"]).split(" ")[0]

    def _tables(self) -> list[dict[str, Any]]:
        report = self._report
        named = [each for each in MEASURES if each in report["totals"].get("treatment", {})]
        head = [self._words["arm"], self._names["members"], *(self._names[each] for each in named)]
        rows = [
            [
                _cell(self._names[arm], None if arm == "treatment" else self._words["as_many"]),
                _cell(_whole(totals["members"])),
                *self._totals(arm, totals, named),
            ]
            for arm in ARMS  # the ledger keeps figures in an order of its own
            if (totals := report["totals"].get(arm))
        ]
        tables = [{"title": self._words["arms"], "head": head, "rows": rows}]
        for kind in ("variant", "segment"):
            parts = report[f"{kind}s"]
            if parts:
                tables.append(self._parts(kind, parts[:_MOST_ROWS]))
        return tables

    def _totals(self, arm: str, totals: Mapping[str, Any], named: Sequence[str]) -> list[dict[str, str]]:
        """What an arm did in all, and of those held out below it how much it would be of as many as were treated."""
        treated = self._report["members"]["treatment"]
        scale = treated / totals["members"] if arm != "treatment" and totals["members"] else None
        return [
            _cell(self._short(each)(totals[each]), None if scale is None else self._short(each)(totals[each] * scale))
            for each in named
        ]

    def _parts(self, kind: str, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        shown = [each for each in ("redeemed", "cost", "orders", "revenue", "margin")
                 if any(effect["measure"] == each for part in parts for effect in part["effects"])]  # fmt: skip
        head = [kind if self._report["language"] == "en" else "", self._names["members"], *map(self._names.get, shown)]
        rows = []
        for part in parts:
            effects = {each["measure"]: each["total"] for each in part["effects"]}
            size = sum(totals["members"] for arm, totals in part["totals"].items() if arm == "treatment")
            name = self._group_name(part[kind]) if kind == "segment" else part[kind]
            rows.append([_cell(name), _cell(_whole(size)), *(self._span(effects.get(each), each) for each in shown)])
        return {"title": self._words[kind], "head": head, "rows": rows}

    def _span(self, found: Mapping[str, Any] | None, measure: str) -> dict[str, str]:
        if found is None or found["low"] is None:
            return _cell("–")
        value, low, high = (self._short(measure)(found[each]) for each in ("value", "low", "high"))
        return _cell(value, f"{low} … {high}")

    def _group_name(self, segment: str) -> str:
        """A ready-made group as people call it."""
        return self._groups.get(segment, segment)

    def _footer(self) -> str:
        report = self._report
        chance = f"{report['sample_ratio']['chance']:.3f}"
        return self._words["footer"].format(
            days=report["window_days"], kind=self._words[report["intervals"]], chance=chance
        )


def _cell(text: str, below: str | None = None) -> dict[str, str]:
    return {"text": text, "below": below or ""}


def _grown(days: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """How many came to each stage until each day."""
    columns = [list(accumulate([day[stage] for day in days])) for stage in STAGES]
    return [list(each) for each in zip(*columns, strict=True)]


def _whole(value: float) -> str:
    return f"{value:,.0f}"
