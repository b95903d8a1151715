"""The questions of a bucket, asked by aiobotocore."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from engine.errors import Ambiguous
from engine.model import LifecycleConfiguration, LifecycleRule, ReplicationRule, VersionsPage
from engine.plan.bucket_rules import expirations
from engine.s3 import xml
from engine.s3.answers import default_encryption_of, headers_of, region_of, replication_of
from engine.s3.bucket import ROOTS, BucketHead
from engine.s3.lifecycle_xml import LEAST_SIZE, lifecycle_configuration, lifecycle_xml
from engine.s3.versions_xml import versions_page
from engine.store import ListVersions

DOCUMENT = "Document"
"""What came, word by word, in an answer of the client's."""
SENT: ContextVar[LifecycleConfiguration] = ContextVar("SENT")
"""What the call that is being made sends."""


class BotoBucket:
    """Asks by `call(operation, method, ref, **arguments)`."""

    def __init__(self, call: Callable[..., Awaitable[dict[str, Any]]]) -> None:
        self._call = call

    async def head(self, bucket: str) -> BucketHead:
        return _head_of(await self._ask("HeadBucket", "head_bucket", bucket))

    async def location(self, bucket: str) -> BucketHead:
        answer = await self._ask("GetBucketLocation", "get_bucket_location", bucket)
        return _head_of(answer)._replace(region=region_of(str(answer.get("LocationConstraint") or "")))

    async def versioning(self, bucket: str) -> str:
        return str((await self._ask("GetBucketVersioning", "get_bucket_versioning", bucket)).get("Status", ""))

    async def lifecycle(self, bucket: str) -> tuple[LifecycleRule, ...]:
        return expirations(await self.configuration(bucket))

    async def configuration(self, bucket: str) -> LifecycleConfiguration:
        answer = await self._ask("GetBucketLifecycleConfiguration", "get_bucket_lifecycle_configuration", bucket)
        return lifecycle_configuration(xml.read(answer[DOCUMENT]), headers_of(answer).get(LEAST_SIZE, ""))

    async def versions(self, request: ListVersions) -> VersionsPage:
        """By the document: botocore's parser takes versions and delete markers apart."""
        key, version = request.after
        more = {"KeyMarker": key, "VersionIdMarker": version} if key else {}
        ref = f"s3://{request.bucket}/{request.prefix}"
        asked = {"Bucket": request.bucket, "Prefix": request.prefix, "EncodingType": "url"}
        answer = await self._call(request.operation, "list_object_versions", ref, **asked, **more)
        try:
            return versions_page(xml.read(answer[DOCUMENT]), request.prefix)
        except (KeyError, ValueError) as error:
            why = f"the answer cannot be read ({error})"
            raise Ambiguous(why, operation=request.operation, ref=ref, code="UnreadableAnswer") from error

    async def put_configuration(self, bucket: str, configuration: LifecycleConfiguration) -> None:
        """As it is, where botocore would leave out what it does not know."""
        if not configuration.rules:
            await self._ask("DeleteBucketLifecycle", "delete_bucket_lifecycle", bucket)
            return
        given = SENT.set(configuration)
        try:
            await self._call(
                "PutBucketLifecycleConfiguration",
                "put_bucket_lifecycle_configuration",
                f"s3://{bucket}/",
                Bucket=bucket,
                LifecycleConfiguration={"Rules": []},
            )
        finally:
            SENT.reset(given)

    async def replication(self, bucket: str) -> tuple[ReplicationRule, ...]:
        answer = await self._ask("GetBucketReplication", "get_bucket_replication", bucket)
        return replication_of(answer.get("ReplicationConfiguration", {}).get("Rules", ()))

    async def encryption(self, bucket: str) -> str:
        return default_encryption_of(await self._ask("GetBucketEncryption", "get_bucket_encryption", bucket))

    async def owner(self, bucket: str) -> str:
        answer = await self._ask("GetBucketAcl", "get_bucket_acl", bucket)
        return str(answer.get("Owner", {}).get("ID", ""))

    async def _ask(self, operation: str, method: str, bucket: str) -> dict[str, Any]:
        return await self._call(operation, method, f"s3://{bucket}/", Bucket=bucket)


def send_configuration(params: dict[str, Any], **more: Any) -> None:
    """For botocore's event `before-call` of PutBucketLifecycleConfiguration."""
    configuration = SENT.get()
    params["body"] = lifecycle_xml(configuration)
    if configuration.least_size:
        params["headers"][LEAST_SIZE] = configuration.least_size


def keep_document(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **more: Any) -> None:
    """For botocore's event `before-parse`: what its parser makes of a configuration lacks what it does not know."""
    customized_response_dict[DOCUMENT] = response_dict["body"].decode("utf-8", "replace")


def refuse_other_roots(operation_model: Any, response_dict: dict[str, Any], **more: Any) -> None:
    """For botocore's event `before-parse`: its parser takes any root, and finds no rule in a listing.

    Raises `Ambiguous` where what answers a question for a setting, an ACL or tags is something else."""
    name: str = operation_model.name
    roots = ROOTS.get(name)
    if roots is None or response_dict["status_code"] >= 300:
        return
    body: bytes = response_dict["body"]
    if not body.strip() and name == "GetObjectTagging":  # Ceph RGW, for an object without tags
        return
    try:
        found = xml.read(xml.decode(body)).name
    except xml.NotXml as error:
        found = str(error)
    if found not in (*roots, "Error"):
        raise Ambiguous(
            f"the answer cannot be read (<{found}> where <{roots[0]}> was due)", operation=name, code="UnreadableAnswer"
        )


def _head_of(answer: dict[str, Any]) -> BucketHead:
    headers = headers_of(answer)
    region = str(answer.get("BucketRegion") or headers.get("x-amz-bucket-region") or "")
    return BucketHead(region, headers.get("date", ""), headers.get("server", ""))
