"""The three kinds of store, each empty; S3 is moto's server in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from registry.storage.digests import Sha256, parse_sha256
from registry.storage.stores import FileStore, MemoryStore, ObjectStore, store_from_url


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    name = f"bucket-{abs(hash(request.node.nodeid))}"
    boto3.client("s3", endpoint_url=s3_endpoint, region_name="us-east-1").create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["memory", "files", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "files":
        return FileStore(tmp_path / "objects")
    bucket, endpoint = request.getfixturevalue("s3_bucket"), request.getfixturevalue("s3_endpoint")
    return store_from_url(f"s3://{bucket}/some/prefix?endpoint={endpoint}")


@pytest.fixture
def digest() -> Callable[[bytes], Sha256]:
    return lambda data: parse_sha256(sha256(data).hexdigest())


@pytest.fixture
def put(store: ObjectStore, tmp_path: Path, digest: Callable[[bytes], Sha256]) -> Callable[[bytes], Sha256]:
    def put(data: bytes) -> Sha256:
        path = tmp_path / "arriving"
        path.write_bytes(data)
        store.put_file(digest(data), path)
        return digest(data)

    return put
