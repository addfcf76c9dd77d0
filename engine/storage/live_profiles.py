"""Live profiles: what each person did lately, in Valkey, bounded in bytes, read in one round trip.

One string a person, in the form of `live_person`: a head and two tails of events. Strong signs (purchases, carts,
dismissals) have a tail of their own, so that a burst of views does not push them out. Each tail is bounded in bytes;
the oldest events leave it first, and the bundle's history has them after the next training. A person who was merged
into another is kept as a pointer that the scripts follow.

Recording the same event twice changes nothing while the event is in the tail: each carries four bytes of its id's hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from engine.events import TYPE_CODES
from engine.storage.live_person import LiveEvent, LivePerson, Touch, as_arguments, packed, packed_touch, unpacked
from engine.storage.live_reads import LiveReads
from engine.storage.online import AsyncClient, ScriptMissing

#: Bytes of a tail: about 15 events with item ids of 6 characters, 5 with UUIDs.
STRONG_BYTES, LIGHT_BYTES = 280, 280
EXPIRY_DAYS = 90
_TREND_HOURS = 48

#: How the text of who was merged into another begins, and that of a person.
_MERGED, _PERSON = 0, 1
_LIGHT = frozenset({"view", "click", "search", "exposure", "login", "check_in"})
_TREND_WEIGHTS = {"purchase": 1.0, "cart_add": 0.3}

# KEYS: a person each. ARGV: limits of the tails, expiry, then for each person: the new strong and light records, each
# record behind its length; first and last time of them; first and last touch. The first touch is the earliest by time
# and the last one the latest, in whatever order they arrive; at the same instant the source decides. Counters: views,
# searches, purchases, others.
_RECORD_SCRIPT = """
local strong_limit, light_limit, expiry = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local view, search, purchase = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local function added(tail, new, limit, counts)
  local at = 1
  while at <= #new do
    local size = string.byte(new, at)
    local record = string.sub(new, at, at + size)
    at = at + size + 1
    if not string.find(tail, string.sub(record, 9, 12), 1, true) then
      tail = tail .. record
      local kind = string.byte(record, 2)
      local slot = kind == view and 1 or kind == search and 2 or kind == purchase and 3 or 4
      counts[slot] = math.min(counts[slot] + 1, 65535)
    end
  end
  local first = 1
  while #tail - first + 1 > limit do first = first + string.byte(tail, first) + 1 end
  return string.sub(tail, first)
end
local function told(touch)
  if string.byte(touch) ~= 1 then return 0, touch end
  local time, at = struct.unpack('<d', touch, 2)
  return time, string.sub(touch, at)
end
local function is_before(one, other)
  local one_time, one_source = told(one)
  local other_time, other_source = told(other)
  return one_time < other_time or (one_time == other_time and one_source < other_source)
end
for person = 1, #KEYS do
  local key, base = KEYS[person], 6 + (person - 1) * 6
  local stored = redis.call('GET', key)
  local hops = 0
  while stored and string.byte(stored) == 0 and hops < 8 do
    key = string.sub(stored, 2)
    stored = redis.call('GET', key)
    hops = hops + 1
  end
  local since, till = tonumber(ARGV[base + 3]), tonumber(ARGV[base + 4])
  local first, last, session, counts = since, till, since, {0, 0, 0, 0}
  local first_touch, last_touch, strong, light = ARGV[base + 5], ARGV[base + 6], '', ''
  if stored and string.byte(stored) == 1 then
    local _, f, l, s, a, b, c, d, at = struct.unpack('<BIIIHHHH', stored)
    first, last, session, counts = math.min(f, since), math.max(l, till), s, {a, b, c, d}
    if since - l > 1800 then session = since end
    local old_first, old_last
    old_first, at = struct.unpack('<Bc0', stored, at)
    old_last, at = struct.unpack('<Bc0', stored, at)
    strong, at = struct.unpack('<Hc0', stored, at)
    light = string.sub(stored, at)
    if old_first ~= '' and (first_touch == '' or is_before(old_first, first_touch)) then first_touch = old_first end
    if old_last ~= '' and (last_touch == '' or is_before(last_touch, old_last)) then last_touch = old_last end
  end
  strong = added(strong, ARGV[base + 1], strong_limit, counts)
  light = added(light, ARGV[base + 2], light_limit, counts)
  local head = struct.pack('<BIIIHHHH', 1, first, last, session, counts[1], counts[2], counts[3], counts[4])
  head = head .. struct.pack('<B', #first_touch) .. first_touch .. struct.pack('<B', #last_touch) .. last_touch
  redis.call('SET', key, head .. struct.pack('<H', #strong) .. strong .. light, 'EX', expiry)
end
return #KEYS
"""

# KEYS: persons to look up, then the catalogue's version. Answers for each person the key that its pointers lead to and
# the string there, then the version.
_READ_SCRIPT = """
local found = {}
for at = 1, #KEYS - 1 do
  local key = KEYS[at]
  local value = redis.call('GET', key)
  local hops = 0
  while value and string.byte(value) == 0 and hops < 8 do
    key = string.sub(value, 2)
    value = redis.call('GET', key)
    hops = hops + 1
  end
  found[2 * at - 1], found[2 * at] = key, value or ''
end
found[#found + 1] = redis.call('GET', KEYS[#KEYS]) or '0'
return found
"""


class LiveView(NamedTuple):
    """The answer of one round trip: the persons asked for who are known, and the catalogue's version.

    `texts` are what the store holds of these persons. `user_id` is whose history counts: the user asked for, or the one
    that the user or the session was merged into. `also` are what stands under further keys that were asked for, empty
    where nothing does.
    """

    texts: tuple[bytes, ...]
    catalogue_version: int
    user_id: str | None = None
    also: tuple[bytes, ...] = ()

    @property
    def persons(self) -> tuple[LivePerson, ...]:
        """The same in words."""
        return tuple(unpacked(each) for each in self.texts)


class LiveProfiles:
    """The profiles of one shop."""

    def __init__(self, client: AsyncClient, shop: str) -> None:
        self._client = client
        self._shop = shop
        self._version = f"{shop}:items:version".encode()

    async def record(self, events: Sequence[LiveEvent], *, trends: bool = True) -> None:
        """Add events to the profiles of those who did them, and purchases and carts to what is trending.

        Trends are counters, which count again what they are told again: a rebuild leaves them out.
        """
        persons: dict[str, tuple[list[bytes], list[bytes], list[float], list[Touch]]] = {}
        counted: dict[str, dict[str, float]] = {}
        for event in events:
            key = person_key(self._shop, event.user_id, event.session_id)
            strong, light, times, touches = persons.setdefault(key, ([], [], [], []))
            times.append(event.time)
            if event.source:
                touches.append(Touch(event.time, event.source))
            if event.item_id and (record := packed(event)):
                (light if event.type in _LIGHT else strong).append(record)
                if trends and (weight := _TREND_WEIGHTS.get(event.type)):
                    hour = counted.setdefault(trend_key(self._shop, event.time), {})
                    hour[event.item_id] = hour.get(event.item_id, 0.0) + weight
        if not persons:
            return
        arguments = self._limits()
        for strong, light, times, touches in persons.values():
            ends = packed_touch(min(touches, default=None)), packed_touch(max(touches, default=None))
            arguments += [b"".join(strong), b"".join(light), int(min(times)), int(max(times)), *ends]
        await self._run(_RECORD_SCRIPT, list(persons), arguments, counted)

    async def read(self, user_id: str | None, session_id: str | None, also: Sequence[str] = ()) -> LiveView:
        """What is known of a user, of a session, or of both, the catalogue's version, and what `also` keys hold."""
        keys = self._persons(user_id, session_id)
        *found, version = await self._run(_READ_SCRIPT, [*keys, *also, f"{self._shop}:items:version"], [])
        reached, values, more = found[: 2 * len(keys) : 2], found[1 : 2 * len(keys) : 2], found[2 * len(keys) + 1 :: 2]
        return self._view(reached, values, version, more)

    async def read_within(
        self, reads: LiveReads, user_id: str | None, session_id: str | None, also: Sequence[str] = ()
    ) -> LiveView:
        """The same within a request: together with those who ask at this moment, and not waited for any longer."""
        keys = [each.encode("utf-8", "surrogatepass") for each in (*self._persons(user_id, session_id), *also)]
        version, *found = await reads.get([self._version, *keys])
        n = len(keys) - len(also)
        persons = []
        for text in found[:n]:
            if text and text[0] == _MERGED:  # into somebody: only the script follows there
                return await reads.within(self.read(user_id, session_id, also))
            if text and text[0] == _PERSON:
                persons.append(text)
        return LiveView(tuple(persons), int(version or 0), user_id, tuple([value or b"" for value in found[n:]]))

    def _persons(self, user_id: str | None, session_id: str | None) -> list[str]:
        keys = [person_key(self._shop, user_id, None)] if user_id is not None else []
        return keys + ([person_key(self._shop, None, session_id)] if session_id is not None else [])

    def _view(
        self, reached: Sequence[bytes], values: Sequence[bytes], version: bytes, more: Sequence[bytes]
    ) -> LiveView:
        # A session that was merged into the user leads to the same string.
        persons = tuple(value for value in dict.fromkeys(values) if value[:1] == bytes((_PERSON,)))
        prefix = person_key(self._shop, "", None).encode()
        users = [key[len(prefix) :].decode("utf-8", "surrogatepass") for key in reached if key.startswith(prefix)]
        return LiveView(persons, int(version), users[0] if users else None, tuple(more))

    async def merge(self, kind: Literal["user", "session"], source_id: str, user_id: str) -> None:
        """Let a session, or another user, be this user from now on. Doing it again changes nothing.

        Two users who are one already stay as they are, so that pointers never run in a circle.
        """
        source = person_key(self._shop, *((source_id, None) if kind == "user" else (None, source_id)))
        target = person_key(self._shop, user_id, None)
        raw = source.encode("utf-8", "surrogatepass")
        ending, _, _ = await self._run(_READ_SCRIPT, [target, f"{self._shop}:items:version"], [])
        if ending == raw:
            return
        stored = await self._client.get(raw)
        if isinstance(stored, bytes) and stored[:1] == b"\x01":
            await self._run(_RECORD_SCRIPT, [target], [*self._limits(), *as_arguments(stored)])
        await self._client.set(raw, b"\x00" + target.encode("utf-8", "surrogatepass"), ex=EXPIRY_DAYS * 86_400)

    async def trending(self, now: float, *, hours: int = 24, most: int = 200) -> list[tuple[str, float]]:
        """The items with the most purchases and carts of late, an hour counting half as much every six hours."""
        keys = [trend_key(self._shop, now - 3_600 * back) for back in range(hours)]
        weights = {key: 0.5 ** (back / 6) for back, key in enumerate(keys)}
        found: Any = await self._client.zunion(weights, withscores=True)
        best = sorted(((bytes(each[0]), float(each[1])) for each in found), key=lambda each: -each[1])
        return [(name.decode("utf-8", "surrogatepass"), score) for name, score in best[:most]]

    def _limits(self) -> list[Any]:
        codes = [TYPE_CODES["view"], TYPE_CODES["search"], TYPE_CODES["purchase"]]
        return [STRONG_BYTES, LIGHT_BYTES, EXPIRY_DAYS * 86_400, *codes]

    async def _run(
        self,
        script: str,
        keys: Sequence[str],
        arguments: Sequence[Any],
        trends: dict[str, dict[str, float]] | None = None,
    ) -> Any:
        raw = [key.encode("utf-8", "surrogatepass") for key in keys]
        digest = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        for attempt in range(2):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.evalsha(digest, len(raw), *raw, *arguments)
            for key, items in (trends or {}).items():
                for item_id, weight in items.items():
                    pipeline.zincrby(key, weight, item_id.encode("utf-8", "surrogatepass"))
                pipeline.expire(key, _TREND_HOURS * 3_600)
            try:
                return (await pipeline.execute())[0]
            except ScriptMissing:
                if attempt:
                    raise
                # What followed in the pipeline was done; only the script has to be repeated.
                trends = None
                await self._client.script_load(script)
        raise AssertionError


def person_key(shop: str, user_id: str | None, session_id: str | None) -> str:
    return f"{shop}:p:u:{user_id}" if user_id is not None else f"{shop}:p:s:{session_id}"


def trend_key(shop: str, seconds: float) -> str:
    return f"{shop}:trend:{int(seconds) // 3_600}"
