"""The identity of a channel, its permissions, and the expiry of its token."""

import asyncio
import time
from typing import Protocol

from worker.local.realtime import tokens
from worker.local.realtime.authorization import (
    BROADCAST,
    Identity,
    MissingPartition,
    PolicyTimeout,
    ReadPolicies,
    Unanswered,
)
from worker.local.realtime.database import DatabaseAway
from worker.local.realtime.join import Admission
from worker.local.realtime.services import Services

# Timers do not run while a machine is suspended; after it resumes, expiry is noticed within this time.
LONGEST_TIMER = 300.0  # seconds

AWAY = "Realtime was unable to connect to the project database"


class Holder(Protocol):
    """The part of a channel that Access uses."""

    is_open: bool

    def shut_down(self, reason: str) -> None: ...

    def access_changed(self) -> None: ...


class Access:
    def __init__(self, holder: Holder, services: Services, admission: Admission) -> None:
        self.identity = admission.identity
        self.policies = admission.policies
        self._holder = holder
        self._services = services
        self._name = admission.name
        self._private = admission.request.private
        self._token = admission.request.access_token
        self._may_write: dict[str, bool] = {}  # by extension; queried at the first broadcast or track
        self._expiry: asyncio.TimerHandle | None = None
        self._throttle = services.settings.access_token_throttle_ms / 1000
        self._applied_at: float | None = None
        self._pending: str | None = None
        self._applying: asyncio.Task[None] | None = None

    def watch_expiry(self) -> None:
        if self._expiry:
            self._expiry.cancel()
        remaining = tokens.seconds_left(self.identity.claims)
        if remaining is not None:
            delay = max(0.0, min(LONGEST_TIMER, remaining))
            self._expiry = asyncio.get_running_loop().call_later(delay, self._check_expiry)

    def stop(self) -> None:
        if self._expiry:
            self._expiry.cancel()
        # That task may itself be closing the channel.
        if self._applying and self._applying is not asyncio.current_task():
            self._applying.cancel()

    async def may_write(self, extension: str = BROADCAST) -> bool:
        if not self._private:
            return True
        if extension not in self._may_write:
            identity = self.identity
            try:
                answer = await self._services.authorization.may_write(identity, self._name, extension)
            except (DatabaseAway, Unanswered):
                return False  # not cached: the next call queries again
            if identity is not self.identity:
                return False  # the identity has changed during the query
            self._may_write[extension] = answer
        return self._may_write[extension]

    async def ask_about_presence(self) -> None:
        """Query the policy for presence, if the channel joined without presence."""
        if self.policies.presence is None:
            self.policies = await self._read_policies(self.identity, with_presence=True)

    async def refresh(self, token: str) -> None:
        """Apply a new token: at once, or after the throttle if another was just applied; then only the newest."""
        if tokens.is_opaque(token) or token in (self._token, self._pending):
            return
        waited = self._throttle if self._applied_at is None else time.monotonic() - self._applied_at
        if waited >= self._throttle:
            return await self._apply(token)
        if self._pending is None:
            self._applying = asyncio.create_task(self._apply_pending(self._throttle - waited), name="token")
        self._pending = token

    async def _apply_pending(self, delay: float) -> None:
        await asyncio.sleep(delay)
        token, self._pending = self._pending, None
        if token is not None:
            await self._apply(token)

    async def _apply(self, token: str) -> None:
        self._applied_at = time.monotonic()
        try:
            claims = tokens.verify(token, self._services.settings.jwt_secret)
        except tokens.TokenError as error:
            return self._holder.shut_down(error.on_channel)
        identity = Identity(claims, self.identity.headers)
        if self._private and (refusal := await self._refusal(identity)):
            return self._holder.shut_down(refusal)
        if not self._holder.is_open:
            return
        self.identity, self._token, self._may_write = identity, token, {}
        self.watch_expiry()
        self._holder.access_changed()

    async def _refusal(self, identity: Identity) -> str | None:
        """Why the channel must close under the new identity. None: it stays open, and its policies are updated."""
        before = self.policies
        try:
            now = await self._read_policies(identity, with_presence=before.presence is not None)
        except (DatabaseAway, MissingPartition):
            return AWAY
        except PolicyTimeout:
            return "Query was cancelled, please try again"
        if not now.any:
            return f"You do not have permissions to read from this Channel topic: {self._name}"
        if now.lost_since(before):
            return f"You no longer have permission to read from this Channel topic: {self._name}"
        self.policies = now
        return None

    async def _read_policies(self, identity: Identity, *, with_presence: bool) -> ReadPolicies:
        return await self._services.authorization.read_policies(identity, self._name, with_presence=with_presence)

    def _check_expiry(self) -> None:
        if self._pending is not None:
            # A newer token is pending: apply it now instead of closing.
            if self._applying:
                self._applying.cancel()
            self._applying = asyncio.create_task(self._apply_pending(0), name="token")
            return
        try:
            tokens.check_expiry(self.identity.claims)
        except tokens.TokenError as error:
            self._holder.shut_down(error.on_channel)
        else:
            self.watch_expiry()
