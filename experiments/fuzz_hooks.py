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
        if isinstance(body.get("filter"), str | dict):
            body["filter"] = "attributes.seen = true"
            if isinstance(body.get("patch"), dict):
                body["patch"] = {"attributes": {"seen": True}}
        if body.get("placement") in ("similar", "bought-together") and body.get("item_ids", []) == []:
            body["item_ids"] = ["i1"]
        named = [unquote(str(each)) for each in (case.path_parameters or {}).values()]
        for field in ("parent_id", "from_user_id"):
            if isinstance(body.get(field), str) and body[field] in named:
                body[field] = body[field][:-1] + ("b" if body[field].endswith("a") else "a")
    return case


def _is_moment(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False
