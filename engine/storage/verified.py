"""Verified: files of a version that were found whole once, and that nobody touched since, are not read again.

Reading a large bundle takes longer than all else of a start, and each process of a storefront would do it, at each
swap. What the system notes of a file changes whenever somebody writes to it or puts another in its place; a disk that
changes it silently is found by `hawker doctor`, which reads everything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

#: Digest, bytes, times of writing and of change in nanoseconds, number of the file.
Stamp = tuple[str, int, int, int, int]


def stamped(folder: Path, files: Mapping[str, Mapping[str, object]]) -> dict[str, Stamp]:
    """What the system says of those files of a manifest that are there."""
    found = {}
    for name, facts in files.items():
        with suppress(OSError):
            status = (folder / name).stat()
            found[name] = (
                str(facts["sha256"]),
                status.st_size,
                status.st_mtime_ns,
                status.st_ctime_ns,
                status.st_ino,
            )
    return found


def untouched(note: Path, stamps: Mapping[str, Stamp]) -> frozenset[str]:
    """The files that were found whole and are as they were then; none where nothing readable is noted."""
    try:
        noted = {str(name): tuple(each) for name, each in json.loads(note.read_bytes()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return frozenset()
    return frozenset(name for name, stamp in stamps.items() if noted.get(name) == stamp)


def remember(note: Path, stamps: Mapping[str, Stamp]) -> None:
    """Note files that were read and found whole; where nothing can be written they are read again next time."""
    made = note.with_name(f"{note.name}.{os.getpid()}")
    try:
        made.write_text(json.dumps(stamps))
        made.replace(note)
    except OSError:
        with suppress(OSError):
            made.unlink(missing_ok=True)
