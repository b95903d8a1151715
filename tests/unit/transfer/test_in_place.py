"""Objects that are set where they are: what is written, what stays, and every answer that tells less than it seems."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import AccessDenied, Ambiguous, Archived, Unsupported
from engine.model import Acl, CopyResult, Grant, ListedObject, ObjectHead, Proof, Properties, UploadRef
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.record import UploadRecord
from engine.plan.route import Route
from engine.store import CompleteUpload, CopyObject, CreateUpload, HeadObject, PutTags
from engine.transfer.carrier import Task
from tests.fake_store import FakeStore, Held, md5
from tests.unit.transfer.scene import KMS, Bench, crc64

PLACE = "s3://bkt/p/k"
CARRIED = Properties(
    content_type="image/png",
    cache_control="max-age=60",
    metadata=(("card", "25"),),
    tags=(("set", "base"), ("team", "old")),
    website_redirect="/elsewhere",
    encryption=KMS,
    acl=Acl(grants=(Grant("READ", 'id="friend"'),)),
)
PLAIN = CARRIED._replace(encryption=None)
LOST = Ambiguous("the connection broke", operation="CopyObject", code="ConnectionLost")


def setting(**what: Any) -> Route:
    (route,) = Plan.setting("s3://bkt/p/", **what).routes
    return route


COLDER = setting(storage_class="GLACIER_IR")


class Scene:
    """One object and the carrier of a route in place. `trusted`: the server is AWS."""

    def __init__(
        self, route: Route, properties: Properties = PLAIN, store: FakeStore | None = None, *, trusted: bool = False
    ) -> None:
        self.route = route
        self.store = store or FakeStore()
        self.store.put(PLACE, 10, properties=properties)
        self.bench = Bench(self.store, trusted=trusted, route=route)

    def in_parts(self, properties: Properties = PLAIN, **more: Any) -> Scene:
        self.store.put_parts(PLACE, [5 << 20, 3], properties=properties, **more)
        return self

    def task(self, **more: Any) -> Task:
        held = self.held
        source = ListedObject("p/k", held.size, held.etag, held.modified, held.properties.storage_class)
        return Task(self.route, "k", source, held.etag, **more)

    @property
    def held(self) -> Held:
        held = self.store.get(PLACE)
        assert held is not None
        return held

    async def carry(self, task: Task | None = None) -> Any:
        return await self.bench.carrier.carry(task or self.task())

    def writes(self) -> dict[str, int]:
        counts = self.store.counts
        return {name: counts[name] for name in ("CopyObject", "PutObjectTagging", "CompleteMultipartUpload")}


# --- what is written, and what stays -----------------------------------------------------------------------


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_class_is_set_under_the_objects_own_etag_and_all_else_stays(trusted: bool) -> None:
    scene = Scene(COLDER, trusted=trusted)
    before = scene.held
    outcome = await scene.carry()
    assert (outcome.state, outcome.proof, outcome.compared) == (State.COPIED, Proof.DIGEST, "etag")
    assert outcome.target_etag == before.etag == scene.held.etag
    assert scene.held.properties == PLAIN._replace(storage_class="GLACIER_IR")
    (request,) = scene.store.made("CopyObject")
    assert (request.source, request.source_etag, request.target_condition) == (request.target, before.etag, before.etag)


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("properties", [PLAIN, CARRIED._replace(encryption=KMS)])
async def test_parts_stay_parts(trusted: bool, properties: Properties) -> None:
    scene = Scene(COLDER, trusted=trusted).in_parts(properties)
    before = scene.held
    outcome = await scene.carry()
    assert (outcome.state, scene.held.parts) == (State.COPIED, before.parts)
    assert scene.held.properties == properties._replace(storage_class="GLACIER_IR")
    assert scene.store.counts["CopyObject"] == 0
    if properties.encryption is None:
        assert (scene.held.etag, outcome.proof, outcome.compared) == (before.etag, Proof.DIGEST, "etag of parts")
    assert scene.bench.journal.ends == ["completed"]


async def test_what_is_so_already_is_left_alone() -> None:
    scene = Scene(setting(metadata={"card": "25"}, tags={"set": "base"}))
    outcome = await scene.carry()
    assert (outcome.state, outcome.method, outcome.proof) == (State.COPIED, "found", Proof.DIGEST)
    assert not any(scene.writes().values())


async def test_tags_alone_need_no_copy_and_are_laid_over_the_others() -> None:
    scene = Scene(setting(tags={"team": "new"}))
    outcome = await scene.carry()
    assert (outcome.state, outcome.method, outcome.target_etag) == (State.COPIED, "tags", scene.held.etag)
    assert scene.held.properties.tags == (("set", "base"), ("team", "new"))
    assert scene.writes() == {"CopyObject": 0, "PutObjectTagging": 1, "CompleteMultipartUpload": 0}


async def test_tags_take_the_place_of_all_where_that_is_said() -> None:
    scene = Scene(setting(tags={"team": "new"}, replace_tags=True))
    await scene.carry()
    assert scene.held.properties.tags == (("team", "new"),)


async def test_tags_that_may_not_be_read_are_said_without_a_way_that_set_does_not_have() -> None:
    scene = Scene(setting(tags={"team": "new"}))
    scene.store.plan("GetObjectTagging", ("before", AccessDenied("no", operation="GetObjectTagging", code="403")))
    outcome = await scene.carry()
    assert (outcome.state, outcome.code) == (State.FAILED, "TagsDenied")
    assert outcome.message.endswith("Allow s3:GetObjectTagging.")


async def test_tags_of_an_archived_object_can_be_set_and_nothing_else() -> None:
    archived = PLAIN._replace(storage_class="DEEP_ARCHIVE")
    assert (await Scene(setting(tags={"team": "new"}), archived).carry()).state is State.COPIED
    outcome = await Scene(COLDER, archived).carry()
    assert (outcome.state, outcome.code) == (State.ARCHIVED, "InvalidObjectState")


@pytest.mark.parametrize("parts", [False, True])
async def test_metadata_is_laid_over_and_class_and_headers_stay(parts: bool) -> None:
    cold = PLAIN._replace(storage_class="STANDARD_IA")
    scene = Scene(setting(metadata={"new": "1"}), cold)
    if parts:
        scene.in_parts(cold)
    outcome = await scene.carry()
    assert outcome.state is State.COPIED, outcome.message
    assert scene.held.properties == cold._replace(metadata=(("card", "25"), ("new", "1")))


async def test_class_metadata_and_tags_are_one_copy() -> None:
    scene = Scene(setting(storage_class="STANDARD_IA", metadata={"new": "1"}, tags={"team": "new"}))
    await scene.carry()
    assert scene.writes() == {"CopyObject": 1, "PutObjectTagging": 0, "CompleteMultipartUpload": 0}
    found = scene.held.properties
    assert (found.storage_class, found.metadata) == ("STANDARD_IA", (("card", "25"), ("new", "1")))
    assert found.tags == (("set", "base"), ("team", "new"))


async def test_the_class_that_a_rule_gave_it_since_it_was_listed_is_not_taken_back() -> None:
    scene = Scene(setting(metadata={"new": "1"}))
    task = scene.task()
    scene.held.properties = scene.held.properties._replace(storage_class="GLACIER_IR")
    await scene.carry(task)
    assert scene.held.properties.storage_class == "GLACIER_IR"


# --- what changed meanwhile ---------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [{"storage_class": "GLACIER_IR"}, {"tags": {"team": "new"}}])
async def test_what_was_written_since_it_was_listed_is_left_alone(what: Any) -> None:
    scene = Scene(setting(**what))
    task = scene.task()
    scene.store.put(PLACE, etag=md5("new"))
    outcome = await scene.carry(task)
    assert (outcome.state, outcome.code) == (State.DRIFTED, "SourceChanged")
    assert not any(scene.writes().values())


async def test_what_is_written_between_the_look_and_the_copy_stays() -> None:
    scene = Scene(COLDER)

    def written(operation: str, request: Any) -> None:
        if operation == "CopyObject":
            scene.store.put(PLACE, etag=md5("new"))

    scene.store.before = written
    outcome = await scene.carry()
    assert (outcome.state, scene.held.etag) == (State.DRIFTED, md5("new"))
    assert scene.held.properties.storage_class == "STANDARD"


async def test_parts_that_do_not_make_up_the_object_do_not_take_its_place() -> None:
    """On a server that pins no parts, what is written meanwhile would be mixed with what was there."""
    scene = Scene(COLDER).in_parts()
    scene.store.honours_source = scene.store.honours_target = False
    task, seen = scene.task(), 0

    def written(operation: str, request: Any) -> None:
        nonlocal seen
        seen += operation == "UploadPartCopy"
        if operation == "UploadPartCopy" and seen == 2:
            held = scene.store.put_parts(PLACE, [5 << 20, 3])
            held.parts, held.etag = tuple((md5(f"new {size}"), size) for _, size in held.parts), md5("new") + "-2"

    scene.store.before = written
    outcome = await scene.carry(task)
    assert (outcome.state, outcome.code) == (State.FAILED, "PartsDiffer")
    assert scene.held.etag == md5("new") + "-2" and scene.writes()["CompleteMultipartUpload"] == 0
    assert scene.bench.journal.ends == ["aborted"]


# --- answers that were lost ---------------------------------------------------------------------------------


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize(("landed", "copies"), [("after", 1), ("before", 2)])
async def test_a_lost_answer_is_told_by_what_the_object_carries(landed: str, copies: int, trusted: bool) -> None:
    scene = Scene(COLDER, trusted=trusted)  # its ETag is the same, whether the copy landed or not
    scene.store.plan("CopyObject", (landed, LOST))
    outcome = await scene.carry()
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.DIGEST)
    assert scene.held.properties == PLAIN._replace(storage_class="GLACIER_IR")
    assert scene.store.counts["CopyObject"] == copies


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("landed", ["after", "before"])
async def test_a_lost_answer_to_complete_is_told_in_the_same_way(landed: str, trusted: bool) -> None:
    scene = Scene(COLDER, trusted=trusted).in_parts()
    scene.store.plan("CompleteMultipartUpload", (landed, LOST))
    etag = scene.held.etag
    outcome = await scene.carry()
    assert (outcome.state, scene.held.etag) == (State.COPIED, etag)
    assert scene.held.properties == PLAIN._replace(storage_class="GLACIER_IR")
    assert not scene.store.uploads


async def test_an_answer_lost_under_a_key_of_kms_is_settled_by_the_next_run() -> None:
    scene = Scene(COLDER, CARRIED)

    def lost() -> None:
        scene.held.etag = md5("encrypted anew")
        raise LOST

    scene.store.plan("CopyObject", ("after", lost))
    outcome = await scene.carry()
    assert outcome.state is State.DRIFTED  # its ETag is another, as one of somebody else's would be
    assert scene.held.properties == CARRIED._replace(storage_class="GLACIER_IR")
    assert scene.store.counts["CopyObject"] == 1


async def test_what_an_earlier_run_uploaded_goes_on() -> None:
    scene = Scene(COLDER).in_parts()
    held = scene.held
    ref = await scene.store.create_upload(
        CreateUpload(scene.task().target_ref, PLAIN._replace(storage_class="GLACIER_IR"))
    )
    upload = UploadRecord("r", "k", "bkt", "p/k", ref.upload_id, held.etag, held.size, str(5 << 20), "", 10**15)
    outcome = await scene.carry(scene.task(upload=upload))
    assert (outcome.state, scene.store.counts["CreateMultipartUpload"]) == (State.COPIED, 1)
    assert scene.held.properties == PLAIN._replace(storage_class="GLACIER_IR")


async def test_an_upload_of_an_object_that_is_as_it_is_wanted_is_aborted() -> None:
    cold = PLAIN._replace(storage_class="GLACIER_IR")
    scene = Scene(COLDER).in_parts(cold)
    held = scene.held
    ref: UploadRef = await scene.store.create_upload(CreateUpload(scene.task().target_ref, cold))
    upload = UploadRecord("r", "k", "bkt", "p/k", ref.upload_id, held.etag, held.size, str(5 << 20), "", 10**15)
    outcome = await scene.carry(scene.task(upload=upload))
    assert (outcome.state, outcome.method) == (State.COPIED, "found")
    assert not scene.store.uploads


# --- servers that say yes -----------------------------------------------------------------------------------


class Forgetful(FakeStore):
    """A server that answers 200 and does not do all of it."""

    def __init__(self, **forgets: Any) -> None:
        super().__init__()
        self.forgets = forgets

    async def copy_object(self, request: CopyObject) -> CopyResult:
        result = await super().copy_object(request)
        self._forget(request.target)
        return result

    async def complete_upload(self, request: CompleteUpload) -> CopyResult:
        result = await super().complete_upload(request)
        self._forget(request.upload.target)
        return result

    def _forget(self, ref: Any) -> None:
        held = self.objects[ref]
        held.properties = held.properties._replace(**self.forgets)


class Deaf(Forgetful):
    async def put_tags(self, request: PutTags) -> None:
        self.requests.append(("PutObjectTagging", request))


@pytest.mark.parametrize("parts", [False, True])
async def test_tags_that_a_server_loses_are_put_back(parts: bool) -> None:
    scene = Scene(COLDER, store=Forgetful(tags=()))
    if parts:
        scene.in_parts()
    outcome = await scene.carry()
    assert outcome.state is State.COPIED
    assert scene.held.properties == PLAIN._replace(storage_class="GLACIER_IR")


async def test_tags_that_a_server_loses_are_put_back_though_it_still_counts_them() -> None:
    class Stale(Forgetful):
        async def head_object(self, request: HeadObject) -> ObjectHead:
            head = await super().head_object(request)
            return head if self.held.properties.tags else head._replace(tag_count=2)

        held: Any

    store = Stale(tags=())
    scene = Scene(COLDER, store=store)
    store.held = scene.held
    assert (await scene.carry()).state is State.COPIED
    assert scene.held.properties == PLAIN._replace(storage_class="GLACIER_IR")


@pytest.mark.parametrize("route", [setting(tags={"team": "new"}), setting(storage_class="GLACIER_IR", tags={"a": "b"})])
async def test_tags_that_a_server_says_yes_to_and_does_not_put_are_not_set(route: Route) -> None:
    """The tags that it had are there as they were: none is lost."""
    scene = Scene(route, store=Deaf(tags=PLAIN.tags))
    outcome = await scene.carry()
    assert (outcome.state, scene.writes()["PutObjectTagging"]) == (State.FAILED, 1)
    assert "tags are {" in outcome.message and outcome.code == "NotTaken"


async def test_tags_that_a_server_loses_and_does_not_put_back_are_lost() -> None:
    outcome = await Scene(setting(storage_class="GLACIER_IR", tags={"a": "b"}), store=Deaf(tags=())).carry()
    assert (outcome.state, outcome.code) == (State.FAILED, "NotKept")
    assert "tags are {}, wanted {'a': 'b', 'set': 'base'" in outcome.message


async def test_what_a_server_loses_for_good_is_said_with_what_it_was() -> None:
    outcome = await Scene(COLDER, store=Forgetful(metadata=())).carry()
    assert (outcome.state, outcome.code) == (State.FAILED, "NotKept")
    assert "metadata.card is missing, wanted '25'" in outcome.message


@pytest.mark.parametrize("others", [{"color": "red"}, {"size": "8"}, {"color": "red", "size": "8"}])
async def test_what_somebody_else_sets_at_the_same_moment_is_no_loss(others: dict[str, str]) -> None:
    """The other looked before us and wrote after us: the next run sets what is not there, over what he set."""
    route = setting(metadata={"color": "blue"})
    scene = Scene(route, store=Forgetful(metadata=(*PLAIN.metadata, *others.items())))
    outcome = await scene.carry()
    assert (outcome.state, outcome.code, outcome.target_etag) == (State.FAILED, "NotTaken", "")
    assert "somebody else set the object at the same moment" in outcome.message
    scene.store.forgets = {}  # type: ignore[attr-defined]
    assert (await scene.carry()).state is State.COPIED
    assert dict(scene.held.properties.metadata) == {"card": "25"} | others | {"color": "blue"}


async def test_what_somebody_else_set_after_us_leaves_ours_as_it_is() -> None:
    both = (*PLAIN.metadata, ("color", "blue"), ("size", "8"))
    outcome = await Scene(setting(metadata={"color": "blue"}), store=Forgetful(metadata=both)).carry()
    assert (outcome.state, outcome.code) == (State.COPIED, "")


async def test_an_acl_that_is_gone_is_said_too() -> None:
    outcome = await Scene(COLDER, store=Forgetful(acl=Acl())).carry()
    assert (outcome.state, outcome.code) == (State.FAILED, "NotKept") and "acl is 'private'" in outcome.message


@pytest.mark.parametrize("parts", [False, True])
async def test_a_server_that_has_no_such_class_did_not_do_it(parts: bool) -> None:
    scene = Scene(COLDER, store=Forgetful(storage_class="STANDARD"))
    if parts:
        scene.in_parts()
    outcome = await scene.carry()
    assert (outcome.state, outcome.code, outcome.target_etag) == (State.FAILED, "NotTaken", "")


async def test_a_condition_that_is_refused_is_left_out_and_the_pin_stays() -> None:
    scene = Scene(COLDER)
    refused = Unsupported("no such condition", operation="CopyObject", code="NotImplemented")

    def refuse(operation: str, request: Any) -> None:
        if operation == "CopyObject" and request.target_condition is not None:
            raise refused

    scene.store.before = refuse
    outcome = await scene.carry()
    assert outcome.state is State.COPIED
    assert scene.store.made("CopyObject")[-1].source_etag == scene.held.etag


async def test_what_is_archived_behind_its_class_is_set_aside() -> None:
    scene = Scene(COLDER)
    archived = Archived("it is archived", operation="CopyObject", code="InvalidObjectState")
    scene.store.plan("CopyObject", ("before", archived))
    assert (await scene.carry()).state is State.ARCHIVED


async def test_a_checksum_proves_what_an_etag_of_kms_cannot() -> None:
    scene = Scene(COLDER)
    scene.store.put(PLACE, 10, properties=CARRIED, checksums=(crc64("x"),))
    scene.store.checksum_on_copy = True
    outcome = await scene.carry()
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.DIGEST)
    assert outcome.compared.startswith("CRC64NVME")
