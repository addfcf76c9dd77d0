"""What clients were told, and an independent look at whether it is so.

`python -m experiments.traffic.history FILE HOME` prints the verdict as JSON. The clients write a line a request: the
event ids it carried, the answer's status (0: no answer came), and the ids that the answer refused. The checker runs in
a process of its own and reads nothing but that file and the lake; the server's own counters have no say.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from engine.storage.home import Home
from engine.storage.lake import Lake


@dataclass(frozen=True, slots=True)
class Verdict:
    """Numbers of events. `lost`: acknowledged and not stored; `duplicated`: stored more than once; `refused_but_stored`
    and `never_sent` are stored against what was said; `unknown` were never answered, stored or not.
    """

    sent: int
    acknowledged: int
    refused: int
    unknown: int
    stored: int
    dead_lettered: int
    lost: int
    duplicated: int
    refused_but_stored: int
    never_sent: int

    @property
    def sound(self) -> bool:
        return not (self.lost or self.duplicated or self.refused_but_stored or self.never_sent)


class History:
    """The clients' own record, a line a request, written before the next request is sent."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, ids: Sequence[str], status: int, refused: Iterable[str] = ()) -> None:
        self._file.write(json.dumps([list(ids), status, list(refused)]) + "\n")


def check(history: Path, home: Home) -> Verdict:
    """Hold the clients' record against the lake."""
    sent: set[str] = set()
    acknowledged: set[str] = set()
    refused: set[str] = set()
    with history.open() as lines:
        for line in lines:
            ids, status, turned_down = json.loads(line)
            sent.update(ids)
            if 200 <= status < 300:
                acknowledged.update(set(ids) - set(turned_down))
                refused.update(turned_down)
    lake = Lake(home)
    rows = lake.events(["event_id"])["event_id"].to_pylist()
    stored = set(rows)
    dead = _dead_letters(lake, sent)
    return Verdict(
        sent=len(sent),
        acknowledged=len(acknowledged),
        refused=len(refused),
        unknown=len(sent - acknowledged - refused),
        stored=len(stored),
        dead_lettered=len(dead),
        lost=len(acknowledged - stored - dead),
        duplicated=len(rows) - len(stored),
        refused_but_stored=len((refused - acknowledged) & stored),
        never_sent=len(stored - sent),
    )


def _dead_letters(lake: Lake, sent: set[str]) -> set[str]:
    if "dead_letters" not in lake.versions():
        return set()
    texts = lake.query("SELECT text FROM dead_letters WHERE kind = 'events'")["text"].to_pylist()
    found = set()
    for text in texts:
        try:
            found.add(json.loads(text).get("event_id"))
        except (ValueError, AttributeError):
            continue
    return found & sent


if __name__ == "__main__":
    verdict = check(Path(sys.argv[1]), Home(Path(sys.argv[2])))
    sys.stdout.write(json.dumps(asdict(verdict) | {"sound": verdict.sound}))
