"""The sources that Hawker knows by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.storage.imports.complete_journey import complete_journey
from engine.storage.imports.draft import Draft
from engine.storage.imports.online_retail import online_retail
from engine.storage.imports.segment import segment
from engine.storage.imports.sources import Source
from engine.storage.imports.taobao import taobao

#: A preset opens its file (None: the one it brings along) and says how its rows become events.
Preset = Callable[[Any, Path | None], tuple[Source, Draft]]

PRESETS: Mapping[str, Preset] = {
    "complete-journey": complete_journey,
    "online-retail": online_retail,
    "segment": segment,
    "taobao": taobao,
}
