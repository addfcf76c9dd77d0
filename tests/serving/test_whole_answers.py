"""An answer leaves in one write, and is byte by byte what uvicorn sends in several."""

from __future__ import annotations

import asyncio

import pytest
import uvicorn
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from serving.whole_answers import WholeAnswers

ANSWERS = {
    "/json": lambda: JSONResponse({"a": [1, 2]}),
    "/refused": lambda: JSONResponse({"no": 1}, 422, headers={"Retry-After": "1"}),
    "/empty": lambda: Response(b""),
    "/nothing": lambda: Response(status_code=204),
    "/elsewhere": lambda: RedirectResponse("/json"),
    "/stream": lambda: StreamingResponse(iter([b"a", b"bc"])),
    "/last": lambda: Response(b"x", headers={"connection": "close"}),
    "/short": lambda: Response(b"x", headers={"content-length": "5"}),
    "/odd": lambda: Response(b"x", headers={"x-odd": "a\rb"}),
}


async def app(scope, receive, send):
    if scope["path"] == "/fails":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("after the head")
    if scope["path"] == "/seen":
        seen = {name: value for name, value in scope.items() if name not in ("state", "client", "server")}
        await Response(repr(sorted(seen.items())))(scope, receive, send)
        return
    if scope["path"] == "/body":
        body = (await receive())["body"]
        await Response(b"got " + body)(scope, receive, send)
        return
    await ANSWERS[scope["path"]]()(scope, receive, send)


class Line(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self):
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written, self.closed = [], False

    def write(self, data):
        if data:
            self.written.append(bytes(data))

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        pass

    resume_reading = pause_reading


def answered(kind, *requests):
    async def inside():
        config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", server_header=False)
        config.load()
        state = ServerState()
        state.default_headers = [(b"date", b"today")]
        line, connection = Line(), kind(config, state, {})
        connection.access_log = False
        connection.connection_made(line)
        for request in requests:
            connection.data_received(request)
            await asyncio.sleep(0)
        while state.tasks:
            await asyncio.wait(list(state.tasks))
            await asyncio.sleep(0)
        connection.connection_lost(None)
        return line.written, line.closed

    return asyncio.run(inside())


def asked(path, method="GET", more=b"", *, version=b"1.1"):
    return b"%b %b HTTP/%b\r\nhost: a\r\n%b\r\n" % (method.encode(), path.encode(), version, more)


REQUESTS = [
    *([asked(path)] for path in ANSWERS),
    [asked("/json", "HEAD")],
    [asked("/json", version=b"1.0")],
    [asked("/json", more=b"connection: close\r\n")],
    [asked("/json"), asked("/refused"), asked("/stream"), asked("/json")],
    [asked("/json") + asked("/stream") + asked("/empty")],
    [asked("/body", "POST", b"content-length: 3\r\n") + b"abc"],
    [asked("/body", "POST", b"content-length: 3\r\nexpect: 100-continue\r\n"), b"abc"],
    [asked("/json?a=b"), asked("/%6ason"), asked("/json#a")],
    [asked("/json", more=b"X-Odd: a\r\nX-ODD: b\r\n")],
    [b"nonsense\r\n\r\n"],
]


@pytest.mark.parametrize("requests", REQUESTS)
def test_it_is_what_uvicorn_sends(requests):
    written, closed = answered(WholeAnswers, *requests)
    expected, expected_closed = answered(HttpToolsProtocol, *requests)
    assert b"".join(written) == b"".join(expected)
    assert closed == expected_closed
    assert closed or written


@pytest.mark.parametrize("path", ["/seen", "/seen?a=%20b&c", "/%73een"])
def test_an_app_is_told_what_uvicorn_tells_it(path):
    request = asked(path, "POST", b"X-Odd: a\r\nContent-Length: 0\r\n")
    (told,), _ = answered(WholeAnswers, request)
    assert told == b"".join(answered(HttpToolsProtocol, request)[0])
    assert b"x-odd" in told


class Later(asyncio.SelectorEventLoop):
    """A loop whose clock can be put on."""

    ahead = 0.0

    def time(self):
        return super().time() + self.ahead


def test_a_connection_that_lies_idle_is_closed_and_one_that_is_used_is_not():
    async def inside():
        config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_keep_alive=1_000)
        config.load()
        line, connection, closed = Line(), WholeAnswers(config, ServerState(), {}), []
        connection.access_log = False
        connection.connection_made(line)
        for seconds in (900, 900, 1_100):
            connection.data_received(asked("/json"))
            while connection.server_state.tasks:
                await asyncio.sleep(0)
            asyncio.get_running_loop().ahead += seconds
            for _ in range(3):
                await asyncio.sleep(0)
            closed.append(line.closed)
        connection.connection_lost(None)
        return closed, connection.timeout_keep_alive_task

    with asyncio.Runner(loop_factory=Later) as runner:
        assert runner.run(inside()) == ([False, False, True], None)


def test_head_and_body_leave_together():
    (whole,), _ = answered(WholeAnswers, asked("/json"))
    assert whole.endswith(b'\r\n\r\n{"a":[1,2]}')
    assert len(answered(WholeAnswers, asked("/json"), asked("/refused"))[0]) == 2


def test_what_fails_between_head_and_body_is_told_as_a_failure():
    written, _ = answered(WholeAnswers, asked("/fails"))
    assert b"".join(written).startswith(b"HTTP/1.1 500 ")
