"""Plots of a training run as PNG, from plain rows; drawn without a display and without global state."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from training.outcome import K

_BASELINES = ("popularity", "frequency")


def plots(scores: Mapping[str, Mapping[str, Any]], curves: Mapping[str, list[float]]) -> dict[str, bytes]:
    """File name -> PNG: metric bars by period and kind, coverage against novelty, learning curves.

    `scores` are rows of `Score.row` by any key; what is empty draws nothing.
    """
    drawn: dict[str, bytes] = {}
    for period in sorted({str(row["period"]) for row in scores.values()}):
        for kind in ("whole", "new", "repeat"):
            rows = [row for row in scores.values() if (row["period"], row["kind"]) == (period, kind)]
            if rows:
                drawn[f"plots/{period}_{kind}.png"] = _bars(rows, f"{period}, {kind}")
        whole = [row for row in scores.values() if (row["period"], row["kind"]) == (period, "whole")]
        if whole:
            drawn[f"plots/{period}_catalogue.png"] = _catalogue(whole, period)
    if curves:
        drawn["plots/learning_curves.png"] = _curves(curves)
    return drawn


def _bars(rows: list[Mapping[str, Any]], title: str) -> bytes:
    """Models and placements beside the baselines, with their 95 % intervals."""
    rows = sorted(rows, key=lambda row: float(row[f"ndcg@{K}"]["mean"]))
    figure = _figure(height=1.2 + 0.35 * len(rows))
    for place, metric in enumerate((f"ndcg@{K}", f"recall@{K}")):
        axes = figure.add_subplot(1, 2, place + 1)
        means = [row[metric]["mean"] for row in rows]
        reach = [
            [row[metric]["mean"] - row[metric]["low"] for row in rows],
            [row[metric]["high"] - row[metric]["mean"] for row in rows],
        ]
        axes.barh([row["subject"] for row in rows], means, xerr=reach, color=[_colour(row) for row in rows])
        axes.set_xlabel(metric)
        if place:
            axes.set_yticklabels([])
    figure.suptitle(title)
    return _png(figure)


def _catalogue(rows: list[Mapping[str, Any]], title: str) -> bytes:
    """How much of the catalogue the lists hold, against how unusual what they hold is."""
    figure = _figure(height=4.0)
    axes = figure.add_subplot()
    for row in rows:
        at = (row[f"coverage@{K}"], row[f"novelty@{K}"])
        axes.scatter(*at, color=_colour(row))
        axes.annotate(row["subject"], at, textcoords="offset points", xytext=(5, 3))
    axes.set_xlabel(f"coverage@{K}: share of the catalogue in the lists")
    axes.set_ylabel(f"novelty@{K}, bits")
    figure.suptitle(title)
    return _png(figure)


def _curves(curves: Mapping[str, list[float]]) -> bytes:
    """One panel a curve: their scales differ."""
    figure = _figure(height=2.4 * len(curves))
    for place, (name, values) in enumerate(sorted(curves.items()), start=1):
        axes = figure.add_subplot(len(curves), 1, place)
        axes.plot(range(1, len(values) + 1), values, marker="." if len(values) < 50 else "")
        axes.set_title(name)
    axes.set_xlabel("step")
    return _png(figure)


def _colour(row: Mapping[str, Any]) -> str:
    if row["is_placement"]:
        return "tab:green"
    return "tab:gray" if row["subject"] in _BASELINES else "tab:blue"


def _figure(height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, min(height, 60.0)), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Any) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=100)
    return out.getvalue()
