"""The columns that a file has to have."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from engine.errors import BadInput
from engine.storage.imports.sources import Source


def require_columns(source: Source, names: Iterable[str]) -> None:
    """Raise BadInput naming the first column that the source lacks, and those it has."""
    for name in names:
        if name not in source.columns:
            raise missing_column(name, source.path, source.columns)


def missing_column(name: str, path: Path, there: Iterable[str]) -> BadInput:
    """The refusal of a column that is not there: what was looked for, what is nearest, what is there."""
    present = list(there)
    near = difflib.get_close_matches(name, present, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return BadInput(
        f"{path} has no column {name!r}{hint}; it has {', '.join(present)}", code="missing_column", field=name
    )


def preset_file(path: Path | None, preset: str) -> Path:
    """The file that a preset reads; raises BadInput when none was named."""
    if path is None:
        raise BadInput(f"the preset {preset} needs the file to read: import {preset} FILE", field="path")
    return path
