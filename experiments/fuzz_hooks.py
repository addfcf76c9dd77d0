"""What no JSON schema can say, said to schemathesis: rules between two fields of a body, or a body and its path.

Loaded by schemathesis itself (`SCHEMATHESIS_HOOKS`), never imported.
"""

from __future__ import annotations

import re
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

import schemathesis

from engine.recommend.filters import FILTERS
from engine.recommend.placement_reader import RANKINGS
from engine.recommend.sources import SOURCES

_SALES = ("window", "segment")
_KEY = re.compile("[!-~]{1,255}")


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
                _about_sales(case.path, each)
        _marketing(case.path, body)
        _campaigns_and_lists(case.path, case.method, body)
        named = [unquote(str(each)) for each in (case.path_parameters or {}).values()]
        for field in ("parent_id", "from_user_id"):
            if isinstance(body.get(field), str) and body[field] in named:
                body[field] = body[field][:-1] + ("b" if body[field].endswith("a") else "a")
    campaign = (case.path_parameters or {}).get("campaign_id")
    if isinstance(campaign, str) and 1 <= len(campaign) <= 100 and sum(map(ord, campaign)) % 2:
        case.path_parameters["campaign_id"] = "fuzz"  # one that is there, if somebody made it
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and _KEY.fullmatch(key):  # another request has another key
        case.headers["Idempotency-Key"] = sha256(f"{case.formatted_path} {body}".encode(errors="replace")).hexdigest()
    if isinstance(case.query, dict):
        for name, moment in (("since", "1999-12-31T00:00:00Z"), ("until", "2001-01-01T00:00:00Z")):
            if _is_moment(case.query.get(name)):
                case.query[name] = moment
    if isinstance(case.query, dict) and _is_formula(case.query.get("filter"), 2_000):
        case.query["filter"] = "attributes.seen = true"
    return case


def _marketing(path: str, body: dict[str, Any]) -> None:
    """Rules and terms are languages of their own. What is said in two ways is said in one of them."""
    if isinstance(body.get("definition"), dict):
        body["definition"] = {"trait": "orders_90d", "op": ">=", "value": 1}
    if isinstance(body.get("text"), str):
        body["text"] = "orders_90d >= 1"
    if body.get("kind") == "static":
        _drop(body, text=str, definition=dict)
    elif isinstance(body.get("definition"), dict):
        _drop(body, text=str)
    elif path in ("/v1/segments", "/v1/segments/preview", "/v1/segments/explain") and body.get("text") is None:
        _drop(body, definition=type(None))
        body["text"] = "orders_90d >= 1"
    names = body.get("names")
    for holder in (body, *([names] if isinstance(names, dict) else [])):
        for name in ("names", "en", "zh"):
            if isinstance(holder.get(name), str) and holder[name] and not holder[name].strip():
                holder[name] = "blank"
    if isinstance(body.get("count"), int | float) and 1_000 < body["count"] <= 1_000_000:
        body["count"] = 1_000  # more take their time
    if path.endswith("/assignments"):
        _one_way(body)
    if path.endswith("/lookalike") and body.get("names") is None:
        _drop(body, segment_id=str)
        if isinstance(body.get("size"), int | float) and 10_000 < body["size"] <= 100_000:
            body["size"] = 10_000
    if path == "/v1/campaigns/suggestions" and isinstance(body.get("goal"), str):
        for name in ("item_id", "category"):
            body[name] = "i1" if body.get(name) is None else body[name]
    if path.startswith("/v1/offers/") and path.count("/") == 3:
        body.clear()
        body.update({"name": "Summer", "benefit": {"kind": "percent", "percent": 10}})
    if isinstance(body.get("url"), str) and body["url"].startswith("https://"):
        body["url"] = "https://shop.example/hook"


def _campaigns_and_lists(path: str, method: str, body: dict[str, Any]) -> None:
    """Documents of campaigns, and lists whose sources, filters and ranking must go together, are refused otherwise."""
    if isinstance(body.get("campaign"), dict):
        new = {"name": "Fuzz", "audience": {"segment": "activity.churned"}, "channel": "storefront"}
        body["campaign"] = new if method.upper() == "POST" else {"name": "Fuzzed"}
    if path.endswith("/consents") and isinstance(body.get("purpose"), str) and 0 < len(body["purpose"]) <= 200:
        body["purpose"] = "marketing"  # any printable word
    if path == "/v1/placements/{name}":
        for name, known in (("sources", SOURCES), ("filters", FILTERS)):
            given = body.get(name)
            if isinstance(given, list) and all(isinstance(each, str) and each in known for each in given):
                del body[name]
        if isinstance(body.get("ranking"), str) and body["ranking"] in ("", *RANKINGS):
            del body["ranking"]
        if body.get("like") is None:
            body["like"] = "home"


def _one_way(body: dict[str, Any]) -> None:
    """Users are named by a list, a condition or a segment, and by one of them alone."""
    kinds: dict[str, Any] = {"user_ids": list, "filter": (str, dict), "segment_id": str}
    said = [name for name, kind in kinds.items() if isinstance(body.get(name), kind)]
    for name in said[1:]:
        del body[name]
    if not said and all(body.get(name) is None for name in kinds):
        body["user_ids"] = []
    if (isinstance(body.get("user_ids"), list) and "skip_unknown" not in body) or body.get("skip_unknown") is False:
        body["skip_unknown"] = True


def _drop(body: dict[str, Any], **kinds: type) -> None:
    """Leave out fields of these kinds; others are wrong and stay so."""
    for name, kind in kinds.items():
        if isinstance(body.get(name), kind):
            body.pop(name, None)


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


def _about_sales(path: str, body: dict[str, Any]) -> None:
    """What sold within a window is asked of lists of what sells only."""
    if path == "/v1/placements/{name}":
        _drop(body, window=str, segment=str)
    elif path.startswith("/v1/recommendations") and any(isinstance(body.get(each), str) for each in _SALES):
        body["placement"] = "best-sellers"


def _is_formula(value: Any, most: int = 20_000) -> bool:
    """Whether it might be one; what is empty or too long breaks the schema, and shall."""
    return isinstance(value, dict) or (isinstance(value, str) and 0 < len(value) <= most)


def _is_moment(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False
