"""Git LFS: where to send and fetch large objects, and what git-lfs reads in refusals."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.http import HttpResponse

from registry.accounts.models import User
from registry.hub import lfs_batch
from registry.repositories.models import Repository
from registry.repositories.services import large_object_attach
from registry.storage.services import object_store_bytes

Call = Callable[..., HttpResponse]
Publish = Callable[..., Repository]
BATCH = "/alice/m.git/info/lfs/objects/batch"
DATA = b"weights"
OID = hashlib.sha256(DATA).hexdigest()
NEW = {"oid": "a" * 64, "size": 5}


def batch(call: Call, user: User | None, operation: str, *objects: dict[str, Any], **body: Any) -> HttpResponse:
    return call("POST", BATCH, user, body={"operation": operation, "objects": list(objects), **body})


def test_a_new_object_gets_a_signed_address(call: Call, publish: Publish, alice: User, settings: Any) -> None:
    publish(alice, "m")
    answer = batch(call, alice, "upload", NEW, transfers=["basic", "multipart"], hash_algo="sha256")
    assert answer["Content-Type"] == "application/vnd.git-lfs+json"
    payload = answer.json()
    assert (payload["transfer"], payload["hash_algo"]) == ("basic", "sha256")
    (entry,) = payload["objects"]
    assert (entry["oid"], entry["size"], entry["authenticated"]) == (NEW["oid"], 5, True)
    assert entry["actions"]["upload"]["href"].startswith(f"{settings.OBJECT_URL}/uploads/")
    assert entry["actions"]["verify"]["href"].startswith("http://testserver/alice/m.git/info/lfs/objects/verify?")


def test_an_object_that_is_there_needs_no_upload(call: Call, publish: Publish, alice: User) -> None:
    publish(alice, "m", large={"w.bin": DATA})
    (entry,) = batch(call, alice, "upload", {"oid": OID, "size": len(DATA)}).json()["objects"]
    assert "actions" not in entry
    (entry,) = batch(call, alice, "upload", {"oid": OID, "size": 1}).json()["objects"]
    assert entry["error"]["code"] == 422


def test_large_objects_go_in_parts_if_the_client_can(call: Call, publish: Publish, alice: User, settings: Any) -> None:
    publish(alice, "m")
    settings.MULTIPART_THRESHOLD, settings.MULTIPART_CHUNK_SIZE = 100, 40
    big = {"oid": "b" * 64, "size": 101}
    payload = batch(call, alice, "upload", big, NEW, transfers=["basic", "multipart"]).json()
    assert payload["transfer"] == "multipart"
    header = payload["objects"][0]["actions"]["upload"]["header"]
    assert header.pop("chunk_size") == "40"
    assert sorted(header) == ["1", "2", "3"]
    assert payload["objects"][1]["actions"]["upload"]["header"]["chunk_size"] == "40"
    assert batch(call, alice, "upload", big, transfers=["basic"]).json()["transfer"] == "basic"


def test_an_object_that_another_repository_holds_must_be_sent_all_the_same(
    call: Call, publish: Publish, alice: User, bob: User
) -> None:
    publish(bob, "secret", large={"w.bin": DATA}, private=True)
    publish(alice, "own", large={"w.bin": DATA + b"!"})
    publish(alice, "m")
    for oid, size in ((OID, len(DATA)), (hashlib.sha256(DATA + b"!").hexdigest(), len(DATA) + 1)):
        (entry,) = batch(call, alice, "upload", {"oid": oid, "size": size}).json()["objects"]
        assert "upload" in entry["actions"]


def test_an_object_over_the_limit_is_refused_alone(call: Call, publish: Publish, alice: User, settings: Any) -> None:
    publish(alice, "m")
    settings.MAX_OBJECT_SIZE = 4
    small = {"oid": "c" * 64, "size": 4}
    first, second = batch(call, alice, "upload", NEW, small).json()["objects"]
    assert first["error"]["code"] == 422
    assert "4" in first["error"]["message"]
    assert "upload" in second["actions"]


def test_downloads_are_for_objects_that_a_commit_names(
    call: Call, publish: Publish, alice: User, bob: User, settings: Any
) -> None:
    model = publish(alice, "m", large={"w.bin": DATA})
    waiting = object_store_bytes(data=b"waiting")
    large_object_attach(repository_id=model.pk, sha256=waiting.sha256, user_id=alice.pk)
    wanted = [{"oid": OID, "size": len(DATA)}, {"oid": waiting.sha256, "size": 7}, NEW]
    for user in (None, bob):
        first, second, third = batch(call, user, "download", *wanted).json()["objects"]
        assert urlsplit(first["actions"]["download"]["href"]).path == f"/objects/{OID}/{OID}"
        assert second["error"]["code"] == third["error"]["code"] == 404
    assert "download" in batch(call, alice, "download", wanted[1]).json()["objects"][0]["actions"]


def test_the_gate_stands_before_downloads(call: Call, publish: Publish, alice: User, bob: User) -> None:
    publish(alice, "m", large={"w.bin": DATA}, gated="manual")
    answer = batch(call, bob, "download", {"oid": OID, "size": 7})
    assert (answer.status_code, answer["X-Error-Code"]) == (403, "GatedRepo")
    assert "restricted" in answer.json()["message"]
    assert answer["X-Decision-Code"] == "REQUEST_REQUIRED"
    anonymous = batch(call, None, "download", {"oid": OID, "size": 7})
    assert anonymous.status_code == 401
    assert anonymous["LFS-Authenticate"].startswith("Basic ")


def test_refusals_are_written_for_git_lfs_and_for_python(call: Call, publish: Publish, alice: User, bob: User) -> None:
    publish(alice, "m", private=True)
    answer = batch(call, None, "upload", NEW)
    assert (answer.status_code, answer["X-Error-Code"]) == (401, "RepoNotFound")
    assert answer["LFS-Authenticate"].startswith("Basic ")
    assert answer.json()["message"]
    assert batch(call, bob, "upload", NEW).status_code == 404
    assert call("GET", BATCH, alice).status_code == 405


def test_readers_may_not_upload(call: Call, publish: Publish, alice: User, bob: User) -> None:
    publish(alice, "m")
    assert batch(call, bob, "upload", NEW).status_code == 403
    assert call("POST", BATCH, alice, "read", body={"operation": "upload", "objects": [NEW]}).status_code == 403


def test_verify_tells_whether_the_object_arrived(call: Call, publish: Publish, alice: User) -> None:
    model = publish(alice, "m")
    (entry,) = batch(call, alice, "upload", {"oid": OID, "size": 7}).json()["objects"]
    address = entry["actions"]["verify"]["href"].removeprefix("http://testserver")
    body = {"oid": OID, "size": 7}
    assert call("POST", address, body=body).status_code == 404
    object_store_bytes(data=DATA)
    large_object_attach(repository_id=model.pk, sha256=OID, user_id=alice.pk)
    assert call("POST", address, body=body).status_code == 200
    assert call("POST", address, body=body | {"size": 8}).status_code == 400
    assert call("POST", address, body=NEW).status_code == 400
    assert call("POST", address[:-3] + "xyz", body=body).status_code == 403


def test_nobody_holds_locks(call: Call, publish: Publish, alice: User, bob: User) -> None:
    publish(alice, "m")
    assert call("GET", "/alice/m.git/info/lfs/locks", bob).json() == {"locks": []}
    assert call("POST", "/alice/m.git/info/lfs/locks/verify", alice, body={}).json() == {"ours": [], "theirs": []}
    assert call("POST", "/alice/m.git/info/lfs/locks/verify", bob, body={}).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"operation": "erase", "objects": [NEW]},
        {"operation": "upload", "objects": []},
        {"operation": "upload", "objects": "x"},
        {"operation": "upload", "objects": [1]},
        {"operation": "upload", "objects": [{"oid": "A" * 64, "size": 1}]},
        {"operation": "upload", "objects": [{"oid": "../../etc/passwd", "size": 1}]},
        {"operation": "upload", "objects": [{"oid": "a" * 64, "size": -1}]},
        {"operation": "upload", "objects": [{"oid": "a" * 64, "size": 2**63}]},
        {"operation": "upload", "objects": [{"oid": "a" * 64}]},
        {"operation": "upload", "objects": [NEW] * (lfs_batch.MAX_OBJECTS + 1)},
        {"operation": "upload", "objects": [NEW], "hash_algo": "md5"},
        {"operation": "upload", "objects": [NEW], "transfers": "basic"},
    ],
)
def test_a_batch_that_makes_no_sense_is_refused(call: Call, publish: Publish, alice: User, body: Any) -> None:
    publish(alice, "m")
    answer = call("POST", BATCH, alice, body=body)
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_parts_grow_so_that_there_are_never_too_many() -> None:
    assert lfs_batch.chunk_size(10**6, 10**6) == 10**6
    assert -(-(10**12) // lfs_batch.chunk_size(10**12, 10**6)) <= lfs_batch.MAX_PARTS
