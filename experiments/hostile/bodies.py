"""Bodies that are wrong as a whole, whatever route they are sent to: size, depth, encoding, type, ambiguous JSON."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

from experiments.hostile.wrong import LARGE, word

MOST_BODY = 2**20  # bytes, as the issue says; not read from the server under test
JSON_TYPE: Mapping[str, str] = {"Content-Type": "application/json"}
_GZIP = {**JSON_TYPE, "Content-Encoding": "gzip"}
_TYPES = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/html",
    "image/png",
)
_ENCODINGS = ("br", "deflate", "zstd", "compress", "x-gzip", "gzip, gzip", "identity, br", "gzip;q=1")


@dataclass(frozen=True, slots=True)
class Whole:
    """A body, how it is sent, and the statuses that are right for it; `names` must be told if there are any."""

    body: bytes
    right: frozenset[int]
    headers: Mapping[str, str] = field(default_factory=lambda: JSON_TYPE)
    chunked: bool = False
    names: frozenset[str] = frozenset()


def no_json(draw: Random) -> Whole:
    """Text that is no JSON, or that two readers could understand differently."""
    name, before, after = word(draw), *_around(draw)
    key = json.dumps(name)
    digits = draw.choice("123456789") * draw.randint(4_400, 9_000)
    if draw.random() < 0.25:
        again = draw.choice((f"{key}:2", f"{key} :2", f"{key}\n: null", f"\t{key}:[]"))
        text = f"{before}{key}{draw.choice((':', ' :', ': '))}1,{again}{after}"
        return Whole(text.encode(), frozenset({400}), names=frozenset({name}))
    value = draw.choice(
        (
            *("NaN", "Infinity", "-Infinity", "nan", "undefined", "None", "True", "tru", "'a'", "a", "+1", ".5", "1."),
            *("01", "-", "0x10", "1e", "1_000", "1,", "1 2", '"\x01"', '"\t"', '"\\x41"', '"\\u12"', '"a', "[1", "{"),
            *("/* a */ 1", "1 // a", "[1,]", '{"a":1,}', "{a:1}", "{1:1}", '{"a"}', "1;", "\u00a01", "@"),
            *(digits, f"-{digits}", f"{digits}.0", f"1e{draw.randint(309, 99_999)}", f"-{draw.randint(2, 9)}e999"),
        )
    )
    return Whole(f"{before}{key}:{value}{after}".encode(), frozenset({400}))


def _around(draw: Random) -> tuple[str, str]:
    """The place of the wrong part: in the object itself, or somewhere within it."""
    inner = json.dumps(word(draw))
    return draw.choice(
        (("{", "}"), (f"{{{inner}:[{{", "}]}"), (f"{{{inner}:{{", "}}"), ("[{", "}]"), (f"[{{{inner}:[[{{", "}]]}]"))
    )


def no_text(draw: Random) -> Whole:
    """Bytes that are no UTF-8, or no text at all."""
    wrong = draw.choice((b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x28\xa1", b"\x80", b"\xc3"))
    inside = json.dumps({word(draw): "HERE"}).encode().replace(b"HERE", wrong)
    sound = json.dumps({word(draw): 1})
    body = draw.choice(
        (
            *(inside, wrong + sound.encode(), b"\x00" + sound.encode(), sound.encode() + b"\x00", draw.randbytes(40)),
            *(sound.encode("utf-16"), sound.encode("utf-32"), sound.encode("utf-8-sig"), sound.encode() * 2),
            *(sound[: draw.randint(1, len(sound) - 1)].encode(), b"\x00" * draw.randint(1, 9_999), b"<a/>", b"a=1&b=2"),
        )
    )
    return Whole(body, frozenset({400}), chunked=draw.random() < 0.3)


def no_object(draw: Random) -> Whole:
    """Sound JSON of another kind than an object."""
    value: Any = draw.choice(
        (None, True, draw.randint(0, 10**9), word(draw), [word(draw)], [[]], [None], draw.random())
    )
    return Whole(json.dumps(value).encode(), frozenset({422}), chunked=draw.random() < 0.3)


def empty(draw: Random) -> Whole:
    return Whole(b" \n" * draw.randint(0, 99), frozenset({400, 422}), chunked=draw.random() < 0.5)


def too_deep(draw: Random) -> Whole:
    depth = draw.choice((10_000, draw.randint(1_500, 90_000)))
    opened, closed = draw.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"d":', b"}]")))
    return Whole(opened * depth + (b"1" + closed * depth if draw.random() < 0.7 else b""), frozenset({400}))


def too_large(draw: Random) -> Whole:
    """More than a body may hold, announced or found out on the way; or all of it in one text of a megabyte."""
    size = draw.choice((MOST_BODY + 1, MOST_BODY + draw.randint(2, 9_999), 2 * MOST_BODY))
    filling = draw.choice((b" ", b"x", b"[", b"\x00"))
    return Whole(b'{"a":"' + filling * (size - 8) + b'"}', frozenset({413}), chunked=draw.random() < 0.5)


def bad_gzip(draw: Random) -> Whole:
    """Bombs, which are not to be inflated, and streams that are damaged, doubled or none."""
    if draw.random() < 0.3:
        return Whole(_bomb(draw.choice((1, 2, 16, 64)) * MOST_BODY + 1), frozenset({413}), _GZIP)
    sound = gzip.compress(json.dumps({word(draw): word(draw)}).encode(), mtime=0)
    flipped = bytearray(sound)
    flipped[-draw.randint(1, 8)] ^= draw.randint(1, 255)  # the checksum or the length
    body = draw.choice(
        (
            *(sound[: draw.randint(1, len(sound) - 1)], bytes(flipped), sound * 2, sound + draw.randbytes(9)),
            *(json.dumps({word(draw): 1}).encode(), b"", draw.randbytes(60), b"\x1f\x8b" + draw.randbytes(30)),
        )
    )
    return Whole(body, frozenset({400}), _GZIP, chunked=draw.random() < 0.3)


@cache
def _bomb(size: int) -> bytes:
    return gzip.compress(b" " * size, mtime=0)


def other_type(draw: Random) -> Whole:
    """Another content type or encoding than the server reads."""
    body = json.dumps({word(draw): word(draw)}).encode()
    kind = draw.choice(("type", "none", "encoding"))
    headers = {
        "type": {"Content-Type": draw.choice(_TYPES)},
        "none": {},
        "encoding": {**JSON_TYPE, "Content-Encoding": draw.choice(_ENCODINGS)},
    }[kind]
    return Whole(body, frozenset({415}), headers, chunked=draw.random() < 0.3)


def large_name(draw: Random) -> Whole:
    """A megabyte where a name belongs."""
    return Whole(b'{"' + draw.choice(b"xyz").to_bytes() * LARGE + b'":1}', frozenset({200, 422}))


#: Each kind with how often it comes.
WHOLE = (
    (no_json, 8),
    (no_text, 4),
    (no_object, 2),
    (empty, 1),
    (too_deep, 1),
    (too_large, 1),
    (bad_gzip, 3),
    (other_type, 2),
    (large_name, 1),
)
