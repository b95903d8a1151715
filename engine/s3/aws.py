"""AWS's own names: where the S3 of each region is, and which hosts are S3's."""

from __future__ import annotations

import re

DOMAINS = {
    "cn-": "amazonaws.com.cn",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "us-isof-": "csp.hci.ic.gov",
    "eusc-": "amazonaws.eu",
}
"""Where the regions of AWS's partitions are, by their beginning (botocore's partitions.json); all others are under
amazonaws.com."""

_AWS_HOST = re.compile(
    r"(?:.+\.)?s3[a-z0-9-]*(?:\.dualstack)?(?:\.[a-z]{2,}(?:-[a-z]+)+-\d+)?(?:\.vpce)?\.(?:"
    + "|".join(re.escape(domain) for domain in ("amazonaws.com", *DOMAINS.values()))
    + ")"
).fullmatch


def domain_of(region: str) -> str:
    """Where a region's hosts are."""
    return next((domain for start, domain in DOMAINS.items() if region.startswith(start)), "amazonaws.com")


def is_aws_host(host: str) -> bool:
    """Whether a host is one of S3's own: of AWS's names, only those that its S3 has (Amazon Simple Storage Service
    endpoints and quotas; PrivateLink). Behind those of a load balancer or a machine anything may answer."""
    return _AWS_HOST(host.rstrip(".").lower()) is not None
