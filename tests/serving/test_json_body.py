"""JSON bodies are read strictly."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.json_body import BodyRefused, read_json

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(plain, st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : "), (",", "\n:")]))
def test_any_value_is_read_as_it_was_written(value, separators):
    assert read_json(json.dumps(value, separators=separators).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":1,"b":{"c":1,"c":2}}',
        '[{"x":[{"a":1, "a" :2}]}]',
        # One key with a spaced colon and one double: the counts agree, and yet a key comes twice.
        '{"a" :1,"b":2,"b":3}',
        '{"a":"\\":","a":2}',
        '{"\\u0061":1,"a":2}',
    ],
)
def test_a_key_that_comes_twice_is_named(text):
    with pytest.raises(BodyRefused) as refused:
        read_json(text.encode())
    assert refused.value.code == "duplicate_key"
    assert refused.value.field in text or refused.value.field == "a"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b'{"a":NaN}', "bad_json"),
        (b"[-Infinity]", "bad_json"),
        (b"\xff\xfe", "bad_json"),
        ('{"a":1}'.encode("utf-16"), "bad_json"),
        (b"[" * 100_000 + b"]" * 100_000, "too_deep"),
        (b"1" * 100_000, "bad_json"),
        (b"[1e309]", "bad_json"),
        (b'{"a":-1e999}', "bad_json"),
        (b"9" * 400 + b".0", "bad_json"),
    ],
)
def test_what_is_no_json_is_refused_with_its_reason(body, code):
    with pytest.raises(BodyRefused) as refused:
        read_json(body)
    assert (refused.value.status_code, refused.value.code) == (400, code)


def test_a_lone_surrogate_is_json():
    assert read_json(b'{"id":"\\ud800"}') == {"id": "\ud800"}


def test_a_quote_before_a_colon_inside_a_text_is_no_key():
    assert read_json(b'{"a":"say \\":\\":"}') == {"a": 'say ":":'}
