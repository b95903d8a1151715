"""The questions of a bucket, and how their answers are read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from engine.model import LifecycleConfiguration, LifecycleRule, ReplicationRule
from engine.plan.bucket_rules import expirations
from engine.s3 import messages, operations, xml
from engine.s3.bucket import ROOTS, BucketHead
from engine.s3.bucket_settings import default_encryption, region_of, replication_rules
from engine.s3.lifecycle_xml import LEAST_SIZE, lifecycle_configuration
from engine.s3.messages import Call
from engine.s3.operations import Operation
from engine.s3.parsing import Answer


class BucketAsked:
    """Asks by `ask`, which gives the answer to a request that has succeeded; `read` makes a document of it, of one of
    the roots that it is given."""

    def __init__(
        self,
        ask: Callable[[Call], Awaitable[Answer]],
        read: Callable[[Call, Answer, Sequence[str]], xml.Document],
    ) -> None:
        self._ask = ask
        self._read = read

    async def head(self, bucket: str) -> BucketHead:
        return _head_of(await self._ask(messages.of_bucket(operations.HEAD_BUCKET, bucket)))

    async def location(self, bucket: str) -> BucketHead:
        call = messages.of_bucket(operations.GET_LOCATION, bucket)
        answer = await self._ask(call)
        document = self._read(call, answer, ROOTS[call.operation.name])
        return _head_of(answer)._replace(region=region_of(document.element.text or ""))

    async def versioning(self, bucket: str) -> str:
        return (await self._setting(operations.GET_VERSIONING, bucket)).text("Status")

    async def lifecycle(self, bucket: str) -> tuple[LifecycleRule, ...]:
        return expirations(await self.configuration(bucket))

    async def configuration(self, bucket: str) -> LifecycleConfiguration:
        call = messages.of_bucket(operations.GET_LIFECYCLE, bucket)
        answer = await self._ask(call)
        document = self._read(call, answer, ROOTS[call.operation.name])
        return lifecycle_configuration(document, answer.header(LEAST_SIZE.encode()))

    async def replication(self, bucket: str) -> tuple[ReplicationRule, ...]:
        return replication_rules(await self._setting(operations.GET_REPLICATION, bucket))

    async def encryption(self, bucket: str) -> str:
        return default_encryption(await self._setting(operations.GET_ENCRYPTION, bucket))

    async def owner(self, bucket: str) -> str:
        acl = await self._setting(operations.GET_ACL, bucket)
        return next((item.text("ID") for item in acl.all("Owner")), "")

    async def _setting(self, operation: Operation, bucket: str) -> xml.Document:
        call = messages.of_bucket(operation, bucket)
        return self._read(call, await self._ask(call), ROOTS[operation.name])


def _head_of(answer: Answer) -> BucketHead:
    return BucketHead(answer.header(b"x-amz-bucket-region"), answer.header(b"date"), answer.header(b"server"))
