"""Which endpoint is meant, wherever it is named, is what botocore makes of it; and whether it is AWS's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.plan.aws import is_aws_host
from engine.plan.settings import Connection
from engine.s3.session import Session

OWN = "http://127.0.0.1:9"
OTHER = "http://127.0.0.1:10"
KEYS = "aws_access_key_id = a\naws_secret_access_key = s\nregion = eu-west-1\n"
URL = f"endpoint_url = {OWN}\n"
SECTION = f"services = here\n[services here]\ns3 =\n  endpoint_url = {OWN}\n"
IGNORED = "ignore_configured_endpoint_urls = true\n"

SOURCES = {
    "nowhere": ("", "", {}),
    "environment": ("", "", {"AWS_ENDPOINT_URL": OWN}),
    "environment of S3": ("", "", {"AWS_ENDPOINT_URL_S3": OWN, "AWS_ENDPOINT_URL": OTHER}),
    "environment, ignored": ("", "", {"AWS_ENDPOINT_URL_S3": OWN, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "TRUE"}),
    "config": (f"[default]\n{KEYS}{URL}", "", {}),
    "config, ignored": (f"[default]\n{KEYS}{URL}{IGNORED}", "", {}),
    "environment, ignored by the config": (f"[default]\n{KEYS}{IGNORED}", "", {"AWS_ENDPOINT_URL_S3": OWN}),
    "config, ignored no more": (f"[default]\n{KEYS}{URL}{IGNORED}", "", {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "no"}),
    "services": (f"[default]\n{KEYS}{SECTION}", "", {}),
    "credentials": ("", f"[default]\n{KEYS}{URL}", {}),
    "credentials, ignored": ("", f"[default]\n{KEYS}{URL}{IGNORED}", {}),
    "credentials, over the config": (f"[default]\nendpoint_url = {OTHER}\n", f"[default]\n{KEYS}{URL}", {}),
    "credentials of AWS_PROFILE": ("", f"[dev]\n{KEYS}{URL}", {"AWS_PROFILE": "dev"}),
    "credentials of AWS_DEFAULT_PROFILE": ("", f"[dev]\n{KEYS}{URL}", {"AWS_DEFAULT_PROFILE": "dev"}),
    "config of AWS_DEFAULT_PROFILE": (f"[profile dev]\n{KEYS}{URL}", "", {"AWS_DEFAULT_PROFILE": "dev"}),
    "both profiles": (
        f"[profile dev]\n{KEYS}{URL}[profile b]\n{KEYS}",
        "",
        {"AWS_DEFAULT_PROFILE": "dev", "AWS_PROFILE": "b"},
    ),
    "services of AWS_PROFILE": (f"[profile dev]\n{KEYS}{SECTION}", "", {"AWS_PROFILE": "dev"}),
    "AWS's own, by name": (f"[default]\n{KEYS}endpoint_url = https://s3.eu-west-1.amazonaws.com\n", "", {}),
}
"""The config file, the credentials file and the environment. Another place where one may be named is a line."""


@pytest.mark.parametrize("source", SOURCES)
async def test_an_endpoint_is_seen_wherever_botocore_sees_it(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, credentials, environment = SOURCES[source]
    files = {"AWS_CONFIG_FILE": config, "AWS_SHARED_CREDENTIALS_FILE": credentials}
    for name, text in files.items():
        path = tmp_path / name
        monkeypatch.setenv(name, str(path))
        if text:
            path.write_text(text)
    if not config and not credentials:
        environment = environment | {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}
    else:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with Session(Connection()) as session:
        theirs = session.boto.create_client("s3", region_name=session.region)
        resolved = theirs.meta.endpoint_url
        theirs.close()
        assert session.is_aws == (resolved not in (OWN, OTHER))
        if not session.is_aws:
            assert session.endpoint == resolved


async def test_a_services_section_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nservices = gone\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with pytest.raises(UsageError, match=r"no \[services gone\]"):
        async with Session(Connection()):
            pass


@pytest.mark.parametrize(
    "host",
    [
        "s3.amazonaws.com",
        "s3.eu-west-1.amazonaws.com",
        "s3-us-west-2.amazonaws.com",
        "bucket.s3.dualstack.us-east-2.amazonaws.com",
        "s3-fips.us-gov-west-1.amazonaws.com",
        "mine-123456789012.s3-accesspoint.eu-west-1.amazonaws.com",
        "bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com",
        "S3.cn-north-1.amazonaws.com.cn.",
        "s3.us-iso-east-1.c2s.ic.gov",
        "s3express-use1-az5.us-east-1.amazonaws.com",
    ],
)
def test_hosts_of_S3_are_AWSs_own(host: str) -> None:
    assert is_aws_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "127.0.0.1",
        "minio.example",
        "s3.amazonaws.com.example",
        "s3-amazonaws.com",
        "amazonaws.com",
        "ec2-198-51-100-1.eu-west-1.compute.amazonaws.com",
        "s3-proxy-12345.eu-west-1.elb.amazonaws.com",
        "abc123.execute-api.eu-west-1.amazonaws.com",
    ],
)
def test_what_only_bears_AWSs_name_is_not(host: str) -> None:
    """A load balancer, a machine or a gateway: anything may answer there."""
    assert not is_aws_host(host)
