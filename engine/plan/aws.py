"""AWS's own names: which partition a region is of, where the S3 of each region is, and which hosts are S3's. Pure."""

from __future__ import annotations

import re

PARTITIONS = {
    "cn-": ("aws-cn", "amazonaws.com.cn"),
    "us-gov-": ("aws-us-gov", "amazonaws.com"),
    "us-iso-": ("aws-iso", "c2s.ic.gov"),
    "us-isob-": ("aws-iso-b", "sc2s.sgov.gov"),
    "eu-isoe-": ("aws-iso-e", "cloud.adc-e.uk"),
    "us-isof-": ("aws-iso-f", "csp.hci.ic.gov"),
    "eusc-": ("aws-eusc", "amazonaws.eu"),
}
"""The partition of a region, by its beginning, and where that one's hosts are (botocore's partitions.json); all others
are of "aws", under amazonaws.com."""

_DEFAULT = ("aws", "amazonaws.com")

_AWS_HOST = (
    r"(?:.+\.)?s3[a-z0-9-]*(?:\.dualstack)?(?:\.[a-z]{2,}(?:-[a-z]+)+-\d+)?(?:\.vpce)?\.(?:"
    + "|".join(re.escape(domain) for domain in sorted({domain for _, domain in (_DEFAULT, *PARTITIONS.values())}))
    + ")"
)


def partition_of(region: str) -> str:
    """The partition that a region is of: the second word of its ARNs."""
    return _of(region)[0]


def domain_of(region: str) -> str:
    """Where a region's hosts are."""
    return _of(region)[1]


def _of(region: str) -> tuple[str, str]:
    return next((found for start, found in PARTITIONS.items() if region.startswith(start)), _DEFAULT)


def is_aws_host(host: str) -> bool:
    """Whether a host is one of S3's own: of AWS's names, only those that its S3 has (Amazon Simple Storage Service
    endpoints and quotas; PrivateLink). Behind those of a load balancer or a machine anything may answer."""
    return re.fullmatch(_AWS_HOST, host.rstrip(".").lower()) is not None
