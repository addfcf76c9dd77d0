from __future__ import annotations

import pytest

from engine.errors import BadInput
from engine.settings import read_settings


def test_the_access_log_is_on_until_it_is_switched_off():
    assert read_settings({}).access_log is True
    assert read_settings({"HAWKER_ACCESS_LOG": "off"}).access_log is False


@pytest.mark.parametrize(
    ("name", "value"), [("HAWKER_ACCESS_LOG", "no"), ("HAWKER_PORT", "http"), ("HAWKER_WORKERS", "two")]
)
def test_a_value_that_cannot_be_is_refused_by_name(name, value):
    with pytest.raises(BadInput, match=name) as refused:
        read_settings({name: value})
    assert refused.value.field == name


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(BadInput, match="did you mean HAWKER_PORT"):
        read_settings({"HAWKER_PROT": "1"})
