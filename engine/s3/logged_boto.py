"""botocore's way to S3 with a line in the log for each request."""

from __future__ import annotations

from engine.s3.boto_store import BotoStore
from engine.s3.logged import LoggedStore


class LoggedBotoStore(LoggedStore, BotoStore):
    """Opened in the place of `BotoStore` where requests are logged."""
