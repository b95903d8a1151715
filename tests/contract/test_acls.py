"""Access control lists: what a new object has, and what it is given."""

from __future__ import annotations

import hashlib

from engine.model import Acl, Properties
from engine.store import CopyObject, GetAcl, HeadObject
from tests.contract.ground import Contract, outcome

ETAG = hashlib.md5(b"contract").hexdigest()


async def acl_said(contract: Contract, name: str) -> str:
    try:
        return str(await contract.store.get_acl(GetAcl(contract.ref(name))))
    except Exception as error:
        return type(error).__name__


async def test_a_new_object_is_its_owners_alone(contract: Contract) -> None:
    await contract.put("plain")
    contract.holds("GetObjectAcl of a new object", await acl_said(contract, "plain"), "private")
    contract.holds("GetObjectAcl of a missing key", await acl_said(contract, "missing"), "NotFound")


async def test_an_acl_that_is_given_comes_back(contract: Contract) -> None:
    given = await outcome(contract.put("open", properties=Properties(acl=Acl(canned="public-read"))))
    if contract.ground.is_named and given == "Rejected":
        return  # the bucket takes no ACLs, as new ones on AWS
    if contract.holds("an ACL can be put", given, "done"):
        contract.holds("PutObject's ACL", await acl_said(contract, "open"), "public-read")


async def test_a_copy_is_private_unless_it_is_told(contract: Contract) -> None:
    source = await contract.put("source", properties=Properties(content_type="a/b", metadata=(("m", "v"),)))
    plain, told = contract.ref("plain"), contract.ref("told")
    await contract.store.copy_object(CopyObject(source, plain, ETAG))
    contract.holds("the ACL of a copy", await acl_said(contract, "plain"), "private")
    properties = Properties(acl=Acl(canned="public-read"))
    copied = await outcome(
        contract.store.copy_object(CopyObject(source, told, ETAG, properties=properties, keep_headers=True))
    )
    if contract.ground.is_named and copied == "Rejected":
        return
    if contract.holds("an ACL can be given to a copy", copied, "done"):
        contract.holds("CopyObject's ACL", await acl_said(contract, "told"), "public-read")
        head = await contract.store.head_object(HeadObject(told))
        assert (head.properties.content_type, head.properties.metadata) == ("a/b", (("m", "v"),))
