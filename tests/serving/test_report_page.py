"""The page of a report: one sheet with everything inside, in both languages, whatever a campaign is called."""

from __future__ import annotations

import re
import xml.etree.ElementTree as xml

import numpy as np
import pytest

from engine.targeting.campaign_members import Design
from engine.targeting.campaign_report import as_asked, figures_of
from engine.targeting.report_words import sentences
from serving.report_page import report_page
from serving.report_plots import band, days, funnel, intervals, nice_ticks
from tests.engine.targeting.test_campaign_report import NOW, members

HOSTILE = '</title><script>alert("x")</script> & {{ 7 * 7 }}'


def page(people, language="en", *, name="Spring", design=None, sequential=False):
    design = design or Design(holdout=0.5, shares={"ten": 1.0})
    asked = as_asked(figures_of(people, design, now=NOW), sequential=sequential)
    asked = {"currency": "EUR", **asked}
    told = {"campaign_id": "spring", "name": name, "launched_at": "2025-05-01T", "as_of": "2025-06-01T"}
    return report_page({**told, "language": language, "sentences": sentences(asked, language), **asked})


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_page_needs_nothing_from_elsewhere_and_has_its_plots_inside(language):
    text = page(members(variant=np.arange(20_000) % 2, variants=("a", "b"), segment=np.arange(20_000) % 3,
                        segments=("lifecycle.lost", "x<y", "z")), language,
                design=Design(holdout=0.5, shares={"a": 0.5, "b": 0.5}))  # fmt: skip
    assert not re.search(
        r"""(?:src|href|url|@import|<script|<link|<iframe)\s*[=(]?\s*["']?https?:|<script|<link""", text
    )
    assert text.count("http") == text.count("http://www.w3.org/2000/svg")
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) == 4
    for each in drawings:
        xml.fromstring(each)  # well-formed, so that every browser draws it
        assert "nan" not in each.lower()
    assert ("What this says" in text) == (language == "en")
    assert "x&lt;y" in text


def test_what_a_marketer_wrote_stays_text():
    text = page(members(2_000), name=HOSTILE)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "{{ 7 * 7 }}" in text


def test_pages_of_campaigns_without_holdout_or_anybody_are_made_too():
    for people in (members(100, holdout=0.0), members(0), members(3, holdout=1.0)):
        assert "</html>" in page(people, design=Design(shares={"ten": 1.0}))


def test_an_alarm_stands_above_everything():
    people = members(holdout=0.4, propensity=np.full(20_000, 0.5))
    text = page(people)
    assert 0 < text.index('class="alarm"') < text.index('class="cards"')


def test_plots_hold_what_they_are_given():
    shown = str
    assert funnel([("a", 0), ("b<", 0)], shown).count("<rect") == 2
    assert "b&lt;" in funnel([("a", 4), ("b<", 1)], shown)
    one = intervals([("x", 0.0, 0.0, 0.0)], shown)
    assert one.count("<circle") == 1
    assert intervals([("x", -5, -9, -1)], shown).count("<line") > 2
    assert "polygon" in band([(1, 2, 1, 3), (2, 2, 1, 3)], shown, below="days")
    assert days([], ["a"], shown).startswith("<svg")
    assert days([("2025-01-01", [3, 4])], ["a", "乙"], shown).count("<circle") == 2
    for drawing in (one, days([], ["a"], shown), days([("d", [0.0])], ["a"], shown)):
        xml.fromstring(drawing)
        assert "nan" not in drawing


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 9, [0, 5, 10]), (-3, 17, [-5, 0, 5, 10, 15, 20]), (0, 0, [0]), (0, 0.4, [0, 0.1, 0.2, 0.3, 0.4])],
)
def test_ticks_are_round_and_hold_both_ends(low, high, ticks):
    assert nice_ticks(low, high) == pytest.approx(ticks)
