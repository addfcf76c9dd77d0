"""Templates of messages: what a marketer writes, filled in a sandbox that reaches nothing but what it is given.

The only file that knows Jinja. Conditions, loops and a few filters, nothing that could keep or double what was made:
so length, time and memory are bounded. A name that it is not given is an error, told with its line, and not an empty
place in somebody's mail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.errors import BadInput

MOST_TEMPLATE = 100_000  # characters
MOST_MESSAGE = 1_000_000  # characters; a loop that goes on behind it is stopped
MOST_ROUNDS = 10_000  # of all loops of one message together

#: What a template may be made of; everything else is refused by its line.
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Getattr, nodes.Getitem,
    nodes.Slice, nodes.If, nodes.CondExpr, nodes.For, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And,
    nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod,
    nodes.Concat, nodes.List, nodes.Tuple, nodes.Keyword,
)  # fmt: skip


class _Sandbox(ImmutableSandboxedEnvironment):
    """No attributes of Python, and arithmetic for numbers only: `"x" * 10 ** 9` would take the process's memory."""

    intercepted_binops = frozenset("*%+")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if not all(isinstance(each, int | float) for each in (left, right)):
            raise SecurityError(f"{operator} is for numbers; ~ puts texts together")
        return super().call_binop(context, operator, left, right)


class ReadyHtml:
    """HTML of our own making, which stands in a filled template as it is; never for what people say."""

    def __init__(self, html: str) -> None:
        self._html = html

    def __html__(self) -> str:
        return self._html


def checked_template(source: str, *, field: str, html: bool = False) -> str:
    """The template as it was given; BadInput with the line where it cannot be read."""
    _compiled(source, field, html)
    return source


def fill(source: str, values: Mapping[str, Any], *, field: str, html: bool = False) -> str:
    """The text of one message. With `html` values are escaped. BadInput says what in the template failed, and where."""
    template = _compiled(source, field, html)
    pieces, length = [], 0
    try:
        for piece in template.generate({**values, _ROUNDS: [0]}):
            pieces.append(piece)
            length += len(piece)
            if length > MOST_MESSAGE:
                raise BadInput(f"{field}: makes a message of over {MOST_MESSAGE:,} characters", field=field)
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise BadInput(f"{field}: cannot be filled: {_line(error)}{error}", field=field) from error
    return "".join(pieces)


@lru_cache(maxsize=256)
def _compiled(source: str, field: str, html: bool) -> Template:
    if len(source) > MOST_TEMPLATE:
        raise BadInput(f"{field}: has over {MOST_TEMPLATE:,} characters", field=field)
    environment = _ENVIRONMENTS[html]
    try:
        tree = environment.parse(source)
        _check(tree, field)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, _ROUNDS, [], [], None, None, lineno=loop.lineno)
        return Template.from_code(environment, environment.compile(tree, filename="<template>"), environment.globals)
    except TemplateSyntaxError as error:
        raise BadInput(f"{field}: line {error.lineno}: {error.message}", field=field, position=error.lineno) from error
    except (RecursionError, SyntaxError) as error:
        raise BadInput(f"{field}: is nested too deep", field=field) from error


def _line(error: Exception) -> str:
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"line {line}: " if line else ""


def _check(node: nodes.Node, field: str) -> None:
    for each in node.iter_child_nodes():
        if not isinstance(each, _ALLOWED):
            told = f"{field}: line {each.lineno}: {type(each).__name__.lower()} is not for messages"
            raise BadInput(told, field=field, position=each.lineno)
        _check(each, field)


@pass_context
def _counted(context: Context, values: Iterable[Any]) -> Iterator[Any]:
    """The values of a loop, while the message has rounds left."""
    used = context[_ROUNDS]
    for each in values:
        used[0] += 1
        if used[0] > MOST_ROUNDS:
            raise SecurityError(f"the loops go round more than {MOST_ROUNDS:,} times")
        yield each


def _money(amount: int, digits: int = 2) -> str:
    """Minor units as people write them."""
    return f"{amount / 10**digits:,.{digits}f}"


_ROUNDS = "rounds of loops"  # no template can name it
#: None of them makes something much longer than what it is given, or reaches an attribute by a name.
_FILTERS = (
    "abs", "capitalize", "default", "escape", "first", "float", "int", "last", "length", "lower", "round", "title",
    "trim", "truncate", "upper", "urlencode",
)  # fmt: skip


def _environment(*, html: bool) -> _Sandbox:
    made = _Sandbox(autoescape=html, undefined=StrictUndefined, cache_size=0)
    made.filters = {name: made.filters[name] for name in _FILTERS} | {"money": _money, _ROUNDS: _counted}
    made.globals = {}
    return made


_ENVIRONMENTS = {html: _environment(html=html) for html in (False, True)}
