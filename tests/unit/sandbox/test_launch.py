"""A sandbox is found by the variables that it names, whatever it asks of those who speak to it."""

from __future__ import annotations

import pytest

from engine.sandbox import SandboxSettings, start_sandbox


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        (SandboxSettings(), set()),
        (SandboxSettings(session_token="of its own"), {"AWS_SESSION_TOKEN"}),
        (SandboxSettings(tls=True), {"AWS_CA_BUNDLE"}),
    ],
)
def test_all_that_leads_to_it_is_in_its_environment(settings: SandboxSettings, more: set[str]) -> None:
    always = {"AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"}
    with start_sandbox(settings) as sandbox:
        found = sandbox.environment
        assert found.keys() == always | more and all(found.values())
        assert found.get("AWS_SESSION_TOKEN", "") == settings.session_token
        assert found.get("AWS_CA_BUNDLE") == sandbox.ca_bundle
        assert list(found)[-1] == "AWS_REGION"
