"""JSON bodies, read strictly: what two readers could understand differently is refused.

Python's own reader takes NaN and lets the last of two equal keys win; a shop whose SDK writes `user_id` twice would
then be told that all is well while half of what it said is gone.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

import orjson
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

#: A key whose colon stands apart; such bodies are read by the slow way, since counting misses them.
_SPACED_COLON = re.compile(rb'"[ \t\r\n]+:')


class BodyRefused(HTTPException):
    """A body that is no JSON or ambiguous: 400, with the key and the character where it shows, if there is one."""

    def __init__(self, code: str, detail: str, *, field: str | None = None, position: int | None = None) -> None:
        super().__init__(400, detail)
        self.code = code
        self.field = field
        self.position = position


def read_json(body: bytes) -> Any:
    """The value of a JSON text; BodyRefused for what is no JSON, a key that comes twice, NaN and the infinities.

    Almost all bodies cost one fast parse and one count of keys; only those that look odd are read slowly.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _read_slowly(body)  # a lone surrogate is JSON although orjson refuses it; the rest gets its reason
    return value if is_told_once(body, count_keys(value)) else _read_slowly(body)


def is_told_once(body: bytes, keys: int) -> bool:
    """Whether a JSON text, whose value holds so many keys, surely says each of them once."""
    return body.count(b'":') == keys and not _SPACED_COLON.search(body)


async def read_json_body(request: Request) -> Any:
    """The value of a request's body, for routes that read it by hand; 415 for another content type.

    A page of another shop may send plain text to this server without asking; JSON it may not.
    """
    _check_type(request)
    return read_json(await request.body())


def _check_type(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise HTTPException(415, "send JSON, with the content type application/json")


class StrictRoute(APIRoute):
    """A route whose body is read by `read_json`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            if self.body_field is not None:
                _check_type(request)
            return await handle(_StrictRequest(request.scope, request.receive))

        return handle_strictly


class _StrictRequest(Request):
    async def json(self) -> Any:
        return read_json(await self.body())


def count_keys(value: Any) -> int:
    """Those of all objects within."""
    count, waiting = 0, [value]
    while waiting:
        part = waiting.pop()
        if type(part) is dict:
            count += len(part)
            part = part.values()
        elif type(part) is not list:
            continue
        waiting += [each for each in part if type(each) is dict or type(each) is list]
    return count


def _read_slowly(body: bytes) -> Any:
    try:
        return json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_int=_number,
            parse_float=_finite,
            parse_constant=_refuse_constant,
        )
    except UnicodeDecodeError as error:
        raise BodyRefused("bad_json", "the body is not JSON: it is not UTF-8", position=error.start) from error
    except json.JSONDecodeError as error:
        raise BodyRefused("bad_json", f"the body is not JSON: {error.msg}", position=error.pos) from error
    except RecursionError as error:
        raise BodyRefused("too_deep", "the body is nested too deeply") from error
    except ValueError as error:  # more digits than Python converts, or more than 64 bits hold even as a float
        raise BodyRefused("bad_json", "the body holds a number that is too long or too large") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise BodyRefused(
                    "duplicate_key", f"{key}: this key comes twice in one object; send it once", field=key
                )
            seen.add(key)
    return found


def _number(text: str) -> int | float:
    """A whole number as the fast reader has it: beyond 64 bits it is a float."""
    value = int(text)
    if -(2**63) <= value < 2**64:
        return value
    try:
        return float(value)
    except OverflowError:
        return value  # beyond floats too: whoever asked for a number refuses it by name


def _finite(text: str) -> float:
    """1e999 is JSON, and Python's reader makes it infinite; whatever is stored of that is not what was sent."""
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise BodyRefused("bad_json", f"the body is not JSON: {name} is no number that JSON knows")
