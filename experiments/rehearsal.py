"""A copy of a shop to rehearse on: what is simulated there never stands among what really happened."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

from engine.settings import Settings
from engine.storage.clock import read_offset, set_offset
from engine.storage.embedded import open_stores
from engine.storage.home import Home
from engine.storage.ledger import opened_ledger
from engine.storage.migrate import migrate
from engine.storage.past_campaigns import read_past_campaigns, record_past_campaigns


def rehearsal_of(home: Home, settings: Settings) -> Home:
    """The shop's lake, customers, clock and past campaigns in a home of its own, made anew, with stores of its own.

    Files of the lake never change once they are written, so that the copy shares them and takes no room.
    """
    copy = Home(home.root / "rehearsal", home.shop)
    shutil.rmtree(copy.root, ignore_errors=True)
    for name in ("lake", "customers"):
        shutil.copytree(
            home.shop_folder / name,
            copy.shop_folder / name,
            copy_function=os.link,
            ignore=shutil.ignore_patterns("*.lock", "spill"),
        )
    set_offset(copy, read_offset(home))
    with open_stores(settings, {"ledger"}) as stores, opened_ledger(stores.ledger_url, home.shop) as ledger:
        past = read_past_campaigns(ledger)
    own = replace(settings, home=copy.root, postgres_url="", redis_url="", stream_url="")
    with open_stores(own, {"ledger"}) as stores:
        migrate(stores.ledger_url, copy.shop)
        with opened_ledger(stores.ledger_url, copy.shop) as ledger:
            record_past_campaigns(ledger, past)
    return copy
