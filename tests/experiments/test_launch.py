"""Bench `launch`, small: a sender that is killed sends to everybody, and to nobody twice."""

from __future__ import annotations

from engine.storage.customer_refresh import refresh_customers
from experiments.customer_scale import scaled_shop
from experiments.findings import Conditions
from experiments.launch_bench import kill_the_sender


def test_a_killed_sender_sends_to_everybody_and_to_nobody_twice(tmp_path):
    shop = scaled_shop(Conditions(True, tmp_path, tmp_path / "shop"))
    refresh_customers(shop.home, now=shop.last.timestamp(), zone="UTC")
    killed = kill_the_sender(shop.home, 2)
    assert killed["recipients"] > 4_000
    assert (killed["kills"], killed["sent"], killed["contacts"]) == (2, killed["recipients"], killed["recipients"])
    assert killed["doubled"] == 0
