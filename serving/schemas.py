"""Schemas: the shapes of requests and answers at the edge, and nowhere further in."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from engine.events import LONGEST_ID_BYTES
from engine.recommend.answer import FIELDS
from engine.recommend.placements import PLACEMENTS
from engine.recommend.query import LIMIT
from engine.targeting.labels import ID_PATTERN
from serving.wish_schema import SEGMENT, WINDOW, Overruling, Wishes

_FOR_USERS: Any = [name for name, each in PLACEMENTS.items() if not each.needs_items]
_PLACEMENTS = "Which list: " + ", ".join(PLACEMENTS) + ", or one that the shop defined."
_ONE_FIELD = rf" *({'|'.join(FIELDS)})? *"
_FIELDS = "What to show of each item: " + ", ".join(FIELDS) + "."

_OFFERS = "Tell of each item what one piece costs with the best offer that the user may use now."


def sound_id(value: Any) -> str:
    """The same; ValueError for what can be no id."""
    # Not pydantic's own string: that refuses lone surrogates, which JSON can carry and a shop's id may hold.
    if not isinstance(value, str):
        raise ValueError("an id is a text")
    if not value:
        raise ValueError("an id is not empty")
    # Of what is longer nothing is known, and the log of what was served would keep it.
    if len(value) * 4 > LONGEST_ID_BYTES and len(value.encode("utf-8", "surrogatepass")) > LONGEST_ID_BYTES:
        raise ValueError(f"an id is at most {LONGEST_ID_BYTES} bytes long")
    return value


def decoded_id(segment: str) -> str:
    """The id that a segment of a path names; ValueError for what is none."""
    try:
        return sound_id(unquote_to_bytes(segment).decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        raise ValueError("an id in a path is percent-encoded UTF-8") from None


#: What a text may hold: anything but NUL and half a surrogate pair.
TEXT_PATTERN = "^[^\\u0000\\ud800-\\udfff]*$"
_LENGTH = {"minLength": 1, "maxLength": LONGEST_ID_BYTES}
#: The shop's own id in a body: any text of 1 to 512 bytes.
Id = Annotated[str, PlainValidator(sound_id), WithJsonSchema({"type": "string", **_LENGTH})]
_STORED = {**_LENGTH, "pattern": TEXT_PATTERN}
#: The same where it is stored: within 512 bytes, and what every store can hold.
StoredId = Annotated[str, PlainValidator(sound_id), WithJsonSchema({"type": "string", **_STORED})]
#: The same in a path, where it arrives percent-encoded, slashes included.
PathId = Annotated[str, AfterValidator(decoded_id), Field(description="The shop's own id, percent-encoded.")]
StoredPathId = Annotated[
    str, AfterValidator(decoded_id), Field(description="The shop's own id, percent-encoded.", json_schema_extra=_STORED)
]
#: What people define is called so.
DefinedPathId = Annotated[
    str,
    AfterValidator(decoded_id),
    Field(description="What people define is called so.", json_schema_extra={"pattern": f"^{ID_PATTERN}$"}),
]

#: JSON knows one kind of number, and 5.0 is a whole one.
Whole = Annotated[int, BeforeValidator(lambda each: int(each) if type(each) is float and each.is_integer() else each)]


class ListRequest(Wishes):
    placement: str = Field("home", description=_PLACEMENTS, json_schema_extra={"examples": _FOR_USERS})
    item_ids: list[Id] = Field(
        default_factory=list, max_length=100, description="The items in view, which the list is about."
    )
    limit: Whole = Field(20, ge=1, le=LIMIT)
    exclude: list[Id] = Field(default_factory=list, max_length=1000, description="Items not to show.")
    fields: list[str] = Field(
        [], max_length=20, description=_FIELDS, json_schema_extra={"items": {"type": "string", "enum": list(FIELDS)}}
    )
    explain: bool = Field(False, description="Say why each item is there.")
    offers: bool = Field(False, description=_OFFERS)
    pages: bool = Field(False, description="Keep what follows, for `next`, for 30 minutes.")
    window: str | None = WINDOW
    segment: str | None = SEGMENT


class RecommendationRequest(ListRequest):
    user_id: Id | None = Field(None, description="For whom; nobody, or somebody unknown, gets what is popular.")
    session_id: Id | None = Field(None, description="The visit it is for, of a shopper who has not signed in.")


class ListQuery(BaseModel):
    """The options of the short forms."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(20, ge=1, le=LIMIT)
    fields: str = Field(
        "",
        max_length=200,
        description=_FIELDS + " Separated by commas.",
        json_schema_extra={"pattern": f"^{_ONE_FIELD}(,{_ONE_FIELD})*$"},
    )
    explain: bool = Field(False, description="Say why each item is there.")
    offers: bool = Field(False, description=_OFFERS)
    filter: str | None = Field(
        None, min_length=1, max_length=2_000, description="What an item must fulfil, as a formula."
    )

    def field_names(self) -> list[str]:
        return [name.strip() for name in self.fields.split(",") if name.strip()]


class SalesQuery(ListQuery):
    window: str | None = WINDOW
    segment: str | None = SEGMENT


class UserListQuery(ListQuery):
    placement: str = Field("home", description=_PLACEMENTS, json_schema_extra={"examples": _FOR_USERS})


class MergeRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string"}}}
                for name in ("session_id", "from_user_id")
            ]
        },
    )

    session_id: StoredId | None = Field(None, description="The visit that turned out to be this user's.")
    from_user_id: StoredId | None = Field(None, description="Another id of the same person.")

    @model_validator(mode="after")
    def _names_somebody(self) -> MergeRequest:
        if self.session_id is None and self.from_user_id is None:
            raise ValueError("name a session_id, a from_user_id, or both")
        return self


class MergeAnswer(BaseModel):
    user_id: str = Field(description="Who they are from now on.")


class ItemOffer(BaseModel):
    offer_id: str
    net_price: int = Field(description="Of one piece, minor units.")
    ends_at: str | None = Field(description="From then on the price is another; null for no end.")


class RecommendedItem(BaseModel):
    id: str = Field(description="The shop's own id.")
    score: float = Field(description="Falls along the list; comparable within this list only.")
    source: str = Field(description="Who proposed the item.")
    reason: str | None = Field(description="Why it is there; null unless `explain` was asked for.")
    promoted: bool = Field(description="Somebody paid or decided for its place.")
    fields: dict[str, Any] = Field(description="The catalogue facts that were asked for.")
    due_at: str | None = Field(None, description="Told of what is due again: when.")
    chance: float | None = Field(None, description="Told of what is due again: how likely it is bought in 7 days.")
    offers: list[ItemOffer] = Field([], description="The best offer on it, where `offers` was asked for.")


class RecommendationAnswer(BaseModel):
    recommendation_id: str = Field(description="Exposures and clicks name it.")
    items: list[RecommendedItem] = Field(description="Best first.")
    bundle_version: int = Field(description="The published version that answered.")
    variant: str | None = Field(description="The arm of a running experiment, null without one.")
    personalized: bool = Field(description="What is known of the user had a say.")
    degraded: bool = Field(description="Something that should have had a say could not be reached.")
    missing_ids: list[str] = Field(description="Items in view that are not known here.")
    overruled: list[Overruling] = Field(description="Wishes that lost against others.")
    next: bool = Field(description="`next` with this answer's id gives what follows.")


class RejectedEvent(BaseModel):
    index: int = Field(description="Its place in the call, from 0.")
    code: str
    field: str | None
    message: str


class EventVerdicts(BaseModel):
    accepted: int = Field(description="New, and stored for good.")
    duplicates: int = Field(description="Stored before; nothing changed.")
    rejected: list[RejectedEvent]


class SegmentVerdicts(BaseModel):
    success: bool = Field(description="The calls were read; look at `rejected` for those that were not taken.")
    accepted: int = Field(description="Events that are new, and stored for good.")
    duplicates: int = Field(description="Events stored before; nothing changed.")
    ignored: int = Field(description="Calls that say nothing here, such as names that nobody knows.")
    rejected: list[RejectedEvent]


class DeleteByFilter(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    filter: Any = Field(
        description='A condition as text, or as `{"all" | "any" | "not"}` of `{"field", "op", "value"}`.',
        json_schema_extra={
            "anyOf": [{"type": "string", "minLength": 1, "maxLength": 20_000}, {"type": "object"}],
            "examples": ['attributes.colour = "red"', {"field": "attributes.colour", "op": "=", "value": "red"}],
        },
    )
    dry_run: bool = Field(False, description="Only count those that fulfil it.")


class UpdateByFilter(DeleteByFilter):
    patch: dict[str, Any] = Field(
        description="What changes, as in a PATCH.", json_schema_extra={"examples": [{"attributes": {"colour": "blue"}}]}
    )


class JobAnswer(BaseModel):
    job_id: str
    kind: str
    arguments: dict[str, Any]
    actor: str | None = Field(description="The name of the key that asked for it.")
    state: str = Field(description="queued, running, done, failed or cancelled.")
    done: int = Field(description="How many were looked at so far.")
    result: dict[str, Any] | None = Field(
        description="matched (fulfils the condition and is not as wished yet), changed, failed and the first reasons."
    )
    error: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class Document(BaseModel):
    """An item or a user, as the shop last said."""

    model_config = ConfigDict(extra="allow")


class Deleted(BaseModel):
    deleted: bool


class BulkVerdicts(BaseModel):
    accepted: int
    rejected: list[RejectedEvent]


class Problem(BaseModel):
    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | None
    position: int | str | None
    request_id: str | None
    reasons: list[dict[str, Any]] = Field([], description="Of coupons: each has a `code` and a `message`.")


def problems(*told: tuple[int, str]) -> dict[int | str, dict[str, Any]]:
    """Refusals of a route, for its documentation."""
    content: dict[str, Any] = {"application/problem+json": {}}
    return {status: {"model": Problem, "content": content, "description": meaning} for status, meaning in told}


KEY_PROBLEMS = problems(
    (401, "No key, or one that is not known."),
    (403, "The key may not do this."),
    (503, "A store is away; try again after `Retry-After`."),
)


class Alive(BaseModel):
    status: str


class Readiness(BaseModel):
    status: str
    shop: str
    bundle_version: int | None
    as_of: str | None = Field(description="Until when the bundle has seen events.")
    now: str = Field(description="The shop's time.")
    clock_offset_seconds: float = Field(description="What the shop's clock differs from real time; 0 for a live shop.")
    problem: str | None = Field(description="What is wrong although requests are answered.")
