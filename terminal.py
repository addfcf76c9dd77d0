"""The terminal: how commands answer people and programs."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console, RenderableType

from engine.errors import HawkerError
from engine.settings import Settings, read_settings
from engine.storage.home import Home, home_of

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
out, err = Console(width=None if sys.stdout.isatty() else 160), Console(stderr=True)  # a log is wide


def here() -> tuple[Settings, Home]:
    settings = read_settings(os.environ)
    return settings, home_of(settings)


def fail(problem: HawkerError, code: int) -> NoReturn:
    err.print(f"hawker: {problem.message}", style="red", markup=False, soft_wrap=True)
    sys.exit(code)


def answer(found: dict[str, Any], as_json: bool, text: RenderableType) -> None:
    try:
        if as_json:
            typer.echo(json.dumps(found, ensure_ascii=False, default=str))
        else:
            out.print(text, markup=False, highlight=False, soft_wrap=True)
    except BrokenPipeError:
        os._exit(0)  # whoever read our output has seen enough


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """What is going on, on stderr: a living line at a terminal, a line a stage elsewhere."""
    if not err.is_terminal:
        start = time.monotonic()
        yield lambda text: err.print(f"{time.monotonic() - start:7.1f} s  {text}", markup=False, highlight=False)
        return
    with err.status("working") as status:
        yield status.update
