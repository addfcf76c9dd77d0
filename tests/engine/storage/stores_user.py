"""A user of a home in a process of its own: opens its stores, prints where they are, leaves when told.

stores_user.py HOME STORE,STORE...; any line on stdin is the word to leave. It needs no database
client, so that any interpreter can run it.
"""

import json
import os
import sys
from pathlib import Path

from engine.errors import HawkerError
from engine.settings import read_settings
from engine.storage.embedded import Machine, open_stores


def main(home: str, stores: str, socket_parent: str) -> int:
    settings = read_settings({"HAWKER_HOME": home})
    machine = Machine(socket_parent=Path(socket_parent))
    try:
        with open_stores(settings, stores.split(","), machine=machine) as opened:
            urls = {name: getattr(opened, f"{name}_url") for name in stores.split(",")}
            say({"urls": urls, "uid": os.geteuid()})
            sys.stdin.readline()
    except HawkerError as error:
        say({"error": error.message})
        return 1
    return 0


def say(what: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
