from __future__ import annotations

import time

import pytest

from engine.errors import StoreUnavailable
from engine.storage import clock
from engine.storage.home import Home


def test_a_live_shop_has_real_time(tmp_path):
    assert clock.read_offset(Home(tmp_path)) == 0
    before = time.time()
    assert before <= clock.now(Home(tmp_path)) <= time.time()


def test_each_shop_has_an_offset_of_its_own(tmp_path):
    clock.set_offset(Home(tmp_path, "demo"), -86_400 * 365)
    assert clock.read_offset(Home(tmp_path, "demo")) == -86_400 * 365
    assert clock.read_offset(Home(tmp_path)) == 0
    assert clock.now(Home(tmp_path, "demo")) < time.time() - 86_400 * 364


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"offset_seconds": "soon"}', '{"offset_seconds": null}'])
def test_a_clock_that_cannot_be_read_is_told(tmp_path, content):
    clock.set_offset(Home(tmp_path), 1)
    (Home(tmp_path).shop_folder / "clock.json").write_text(content)
    with pytest.raises(StoreUnavailable, match="real time"):
        clock.now(Home(tmp_path))
