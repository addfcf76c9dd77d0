"""The profile of a request: the bundle's whole history of the user, and what happened since, from the live store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.bundle import Bundle
from engine.profile import Profile, unknown
from engine.storage.live_profiles import LiveProfiles, LiveView
from engine.storage.live_reads import LiveReads
from engine.storage.live_tail import continued
from engine.storage.online import StoreError


class Known(NamedTuple):
    """What is known of who asks. `degraded`: the live store, which might know more, could not be asked. `source` is
    where the first visit of somebody came from who did nothing yet."""

    profile: Profile
    catalogue_version: int | None
    degraded: bool
    also: tuple[bytes, ...] = ()
    source: str | None = None


class ProfileReader:
    """Reads profiles for one process."""

    def __init__(self, profiles: LiveProfiles | None, reads: LiveReads | None) -> None:
        self._profiles = profiles
        self._reads = reads

    async def read(
        self,
        bundle: Bundle,
        user_id: str | None,
        session_id: str | None,
        also: Sequence[str] = (),
        *,
        stored: Profile | None = None,
    ) -> Known:
        """One round trip; the history alone where there is no live store or it does not answer.

        `stored` is the bundle's history of `user_id`, for who looked it up already.
        """
        stored = stored or _history(bundle, user_id)
        if self._profiles is None or self._reads is None:
            return Known(stored, None, degraded=False)
        try:
            view = await self._profiles.read_within(self._reads, user_id, session_id, also)
        except (StoreError, OSError):
            return Known(stored, None, degraded=True)
        # A bundle made before a merge knows the history under the name that was asked for.
        history = stored if view.user_id in (user_id, None) else _history(bundle, view.user_id)
        if not len(history):
            history = stored
        # What lies before the bundle's moment is in the history.
        profile = continued(history, view.texts, bundle.manifest.as_of, bundle.items)
        source = None if len(profile) else _first_source(view)
        return Known(profile, view.catalogue_version, degraded=False, also=view.also, source=source)


def _first_source(view: LiveView) -> str | None:
    touches = [(each.first_touch_at, each.first_touch) for each in view.persons if each.first_touch]
    return min(touches)[1] if touches else None


def _history(bundle: Bundle, user_id: str | None) -> Profile:
    return (bundle.profile(user_id) if user_id is not None else None) or unknown()
