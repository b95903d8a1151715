"""The wire and what it stands on, at whatever server a test names."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from engine.plan.settings import Connection
from engine.s3.boto_store import BotoStore
from engine.s3.session import Session
from engine.s3.tls_cryptography import library
from engine.s3.wire_store import WireStore
from engine.store import ObjectStore
from tests.unit.s3.certificates import Issued, issue

OpenStore = Callable[..., Awaitable[Any]]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that mean nothing, and nothing of the machine's own."""
    for name in list(os.environ):  # another folder's session may have its own there
        if name.startswith("AWS_") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Issued:
    return issue(folder, "The tests' authority", authority=True)


@pytest.fixture(params=["python", "cryptography"])
def tls_library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """TLS by one library after the other, whichever the machine would choose."""
    name = str(request.param)
    found = library() if name == "cryptography" else None
    assert (found is not None) == (name == "cryptography")
    monkeypatch.setattr("engine.s3.trust.quicker_library", lambda: found)
    return name


@pytest.fixture
async def open_store() -> AsyncIterator[OpenStore]:
    """`await open_store(url, plane="wire", **more)`: a store, closed at the test's end."""
    async with AsyncExitStack() as stack:

        async def open_one(url: str, plane: str = "wire", session: Session | None = None, **more: Any) -> ObjectStore:
            session = session or Session(Connection(endpoint_url=url))
            await stack.enter_async_context(session)
            if plane == "boto":
                return await stack.enter_async_context(BotoStore(session))
            return await stack.enter_async_context(WireStore(session, **more))

        yield open_one
