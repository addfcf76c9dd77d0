"""Interface: what every HTTP interface of ours has: keys, ids, limits, problems, offline documentation."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request

from engine.errors import HawkerError
from serving.edge import MOST_BODY, Edge
from serving.gate import Gate, Needs
from serving.guard import Guard
from serving.json_body import BodyRefused
from serving.metrics import RequestMetrics
from serving.schemas import KEY_PROBLEMS, problems
from serving.wire import ProblemResponse, problem, refusal

_CODES = {404: "no_such_path", 405: "method_not_allowed", 413: "body_too_large", 415: "not_json"}
#: What a route that takes input may answer besides.
PROBLEMS = KEY_PROBLEMS | problems(
    (400, "Not JSON."),
    (404, "No such thing."),
    (413, "Too large."),
    (415, "Another content type."),
    (422, "Refused input."),
    (429, "More than can be kept; try again after `Retry-After`."),
)

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def new_interface(title: str, description: str, lifespan: Lifespan) -> FastAPI:
    """An interface without routes. After these, `guarded` puts the walls around it."""
    app: FastAPI = FastAPIOffline(
        title=title,
        version="1",
        description=description,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # we count ourselves
    )
    return app


def guarded(
    app: FastAPI,
    *,
    guard: Guard,
    metrics: RequestMetrics,
    origins: tuple[str, ...] = (),
    most_body: Callable[[str], int] = lambda path: MOST_BODY,
) -> FastAPI:
    """The interface with its gate and its edge; pages of `origins` may ask. `most_body`: bytes, by the path."""
    # From the inside out: a page's question about origins is answered before a key is asked for.
    app.add_middleware(Gate, guard=guard)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After", "Idempotent-Replayed"],
        )
    app.add_middleware(Edge, metrics=metrics, most_body=most_body)
    app.add_exception_handler(HawkerError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_problem)
    # What FastAPI puts outside of the edge answers failures, which the edge does already.
    stack: Any = app.build_middleware_stack()
    while not isinstance(stack, Edge):
        stack = stack.app
    app.middleware_stack = stack
    return app


def needs(*scopes: str) -> Any:
    return Depends(Needs(*scopes))


async def _refused(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HawkerError)
    return refusal(error, request)


async def _invalid(request: Request, error: Exception) -> ProblemResponse:
    """The first thing that is wrong with the shape of a request."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    request_id = request.scope["hawker.request_id"]
    where = [part for part in first["loc"] if part not in ("body", "query", "path")]
    names = [part for part in where if isinstance(part, str)]
    places = [part for part in where if isinstance(part, int)]
    code = "unknown_field" if first["type"] == "extra_forbidden" else "bad_input"
    told = "nobody knows this field" if code == "unknown_field" else str(first["msg"]).removeprefix("Value error, ")
    if not where and first["type"] != "value_error":
        told = "send a JSON object, with the content type application/json"
    field = ".".join(names) or None
    return problem(
        422,
        code,
        f"{field or 'the body'}: {told}",
        request_id=request_id,
        field=field,
        position=places[0] if places else None,
    )


async def _http_problem(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)
    request_id = request.scope["hawker.request_id"]
    if isinstance(error, BodyRefused):
        return problem(
            error.status_code,
            error.code,
            error.detail,
            request_id=request_id,
            field=error.field,
            position=error.position,
        )
    code = _CODES.get(error.status_code, "bad_request")
    headers = dict(error.headers or {})
    if error.status_code == 405 and (methods := _allowed(request.app, request.scope["path"])):
        headers["Allow"] = ", ".join(sorted(methods))
    return problem(error.status_code, code, str(error.detail), request_id=request_id, headers=headers)


def _allowed(app: FastAPI, path: str) -> set[str]:
    """The methods of all routes with this path; each route by itself knows its own only."""
    paths, methods = app.openapi()["paths"], set()
    for template, operations in ({path: paths[path]} if path in paths else paths).items():
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
            methods |= {method.upper() for method in operations}
    return methods
