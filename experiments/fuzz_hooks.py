"""What no JSON schema can say, said to schemathesis: rules between two fields of a body, or a body and its path.

Loaded by schemathesis itself (`SCHEMATHESIS_HOOKS`), never imported.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import unquote

import schemathesis


@schemathesis.hook
def map_case(context: Any, case: Any) -> Any:
    """A window that ends before it begins, a variant of itself, a user merged into itself and a list about items in
    view without any are refused, which other tests show; so are conditions and patches that are no sound ones.
    """
    body = case.body
    if isinstance(body, dict):
        # In order with what a PATCH finds stored, too. Both centuries have a leap day, so that each day stays one.
        for name, century in (("available_from", "16"), ("available_until", "20")):
            if _is_moment(body.get(name)):
                body[name] = century + body[name][2:]
        if _is_formula(body.get("filter")):
            body["filter"] = "attributes.seen = true"
            if isinstance(body.get("patch"), dict):
                body["patch"] = {"attributes": {"seen": True}}
        for each in (body, *(body["lists"] if isinstance(body.get("lists"), list) else ())):
            if isinstance(each, dict):
                _make_sound(each)
        named = [unquote(str(each)) for each in (case.path_parameters or {}).values()]
        for field in ("parent_id", "from_user_id"):
            if isinstance(body.get(field), str) and body[field] in named:
                body[field] = body[field][:-1] + ("b" if body[field].endswith("a") else "a")
    if isinstance(case.query, dict) and _is_formula(case.query.get("filter"), 2_000):
        case.query["filter"] = "attributes.seen = true"
    return case


def _make_sound(body: dict[str, Any]) -> None:
    """Formulas within the wishes of a list, and their windows; what is no text where one belongs stays as it is."""
    if _is_formula(body.get("filter")):
        body["filter"] = "attributes.seen = true"
    if body.get("placement") in ("similar", "bought-together") and body.get("item_ids", []) == []:
        body["item_ids"] = ["i1"]
    if _is_formula(body.get("hide")):
        body["hide"] = "attributes.seen = true"
    if isinstance(body.get("boost"), str) and _is_formula(body["boost"]):
        body["boost"] = "1.5"
    for name in ("boost", "promote", "pin"):
        for each in body[name] if isinstance(body.get(name), list) else ():
            if not isinstance(each, dict):
                continue
            for key in ("when", "filter"):
                if _is_formula(each.get(key)):
                    each[key] = "attributes.seen = true"
            if isinstance(each.get("factor"), str) and _is_formula(each["factor"]):
                each["factor"] = "1.5"
            for key, century in (("from", "16"), ("until", "20")):
                if _is_moment(each.get(key)):
                    each[key] = century + each[key][2:]


def _is_formula(value: Any, most: int = 20_000) -> bool:
    """Whether it might be one; what is empty or too long breaks the schema, and shall."""
    return isinstance(value, dict) or (isinstance(value, str) and 0 < len(value) <= most)


def _is_moment(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False
