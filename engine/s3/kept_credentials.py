"""The credentials that requests are signed with, whoever sends them, and when they are looked at again.

They are asked for again once a minute while requests go on, so that those which expire are replaced before they do; a
request never waits for that, but for the first. Near their end their source is asked for others at each look (botocore,
RefreshableCredentials), and it may give the same, or take its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.s3.session import Credentials, Session

CREDENTIALS_AGE_S = 60.0
"""How old credentials may be before they are asked for again. Sessions refresh theirs ten minutes and more before
their end (botocore, RefreshableCredentials)."""


class KeptCredentials:
    """A session's. `tell` hears of others than those in use. Belongs to one event loop."""

    def __init__(self, session: Session, tell: Callable[[Credentials], None] | None = None) -> None:
        self._session = session
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._found: Credentials | None = None
        self._found_at = 0.0
        self._finding = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None

    def look(self) -> Credentials | None:
        """Those in use; None before the first were found."""
        is_old = self._loop.time() - self._found_at > CREDENTIALS_AGE_S
        if is_old and self._found is not None and self._renewing is None:
            self._renewing = self._loop.create_task(self._renew())
        return self._found

    async def get(self) -> Credentials:
        """Those in use. Raises `BadCredentials` where there are none yet, and none to be had."""
        if (found := self.look()) is not None:
            return found
        async with self._finding:
            return self._found or self._adopted(await self._session.credentials())

    async def refresh(self) -> None:
        """Others, after S3 said that those used have expired. Raises `BadCredentials`."""
        await self._session.refresh()
        self._adopted(await self._session.credentials())

    async def aclose(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)

    async def _renew(self) -> None:
        try:
            self._adopted(await self._session.credentials())
        except Exception:
            # Those in use may be good still. If they are not, S3 says so, and `refresh` says why there are no others.
            self._found_at = self._loop.time()
        finally:
            self._renewing = None

    def _adopted(self, credentials: Credentials) -> Credentials:
        self._found_at = self._loop.time()
        if credentials != self._found:
            self._found = credentials
            if self._tell is not None:
                self._tell(credentials)
        return credentials
