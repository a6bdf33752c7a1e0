"""Objects in an S3-compatible bucket, served by presigned URLs of the bucket's endpoint."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from registry.storage.content_disposition import content_disposition
from registry.storage.digests import Sha256, parse_sha256
from registry.storage.errors import DigestInvalidError, ObjectMissingError
from registry.storage.stores.interface import Disposition

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MISSING_CODES = frozenset({"404", "NoSuchKey", "NotFound"})
_READ_AHEAD = 1 << 20


class S3Store:
    """Objects under `{prefix}ab/cd/{sha256}` of a bucket.

    Credentials come from boto3's own chain (`AWS_ACCESS_KEY_ID`, instance roles, …).

    Args:
        bucket: its name; it must exist.
        prefix: put before every key; empty or ending in `/`.
        endpoint: the address this process uses; None means Amazon's.
        public_endpoint: the address clients use, where it differs (containers); presigned URLs are made for it.
        region: the bucket's region.
        presign: False where clients cannot reach the bucket; then the data plane streams the bytes.
    """

    def __init__(  # noqa: PLR0913 (a value each that the URL may set)
        self,
        bucket: str,
        *,
        prefix: str = "",
        endpoint: str | None = None,
        public_endpoint: str | None = None,
        region: str = "us-east-1",
        presign: bool = True,
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._client = _client(endpoint, region)
        self._signer = _client(public_endpoint, region) if public_endpoint else self._client
        self._presign = presign

    def exists(self, sha256: Sha256) -> bool:
        """Returns whether the object is there: S3 shows an object only once its upload is complete."""
        try:
            self.size(sha256)
        except ObjectMissingError:
            return False
        return True

    def size(self, sha256: Sha256) -> int:
        """Returns the object's size in bytes."""
        try:
            return int(self._client.head_object(Bucket=self._bucket, Key=self._key(sha256))["ContentLength"])
        except ClientError as error:
            raise _translated(error, sha256) from error

    def put_file(self, sha256: Sha256, path: Path) -> None:
        """Uploads the file (in parts where it is large; the SDK sends checksums) and removes it."""
        self._client.upload_file(
            str(path), self._bucket, self._key(sha256), Config=TransferConfig(max_concurrency=4, use_threads=True)
        )
        path.unlink()

    def open(self, sha256: Sha256, start: int = 0) -> BinaryIO:
        """Returns the body of a ranged GET."""
        size = self.size(sha256)
        if start >= size:  # S3 answers 416 for an empty range
            return io.BytesIO()
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key(sha256), Range=f"bytes={start}-")
        except ClientError as error:
            raise _translated(error, sha256) from error
        return cast("BinaryIO", io.BufferedReader(_Body(answer["Body"]), _READ_AHEAD))

    def delete(self, sha256: Sha256) -> None:
        """Deletes the object; S3 does not mind if there is none."""
        self._client.delete_object(Bucket=self._bucket, Key=self._key(sha256))

    def local_path(self, sha256: Sha256) -> Path | None:
        """Returns None: the bytes are elsewhere."""
        del sha256
        return None

    def presigned_url(
        self, sha256: Sha256, *, filename: str, content_type: str, disposition: Disposition, expires_in: int
    ) -> str | None:
        """Returns a URL signed for GET (hub-api 1.1: clients learn it by HEAD and use it with GET)."""
        if not self._presign:
            return None
        parameters = {
            "Bucket": self._bucket,
            "Key": self._key(sha256),
            "ResponseContentType": content_type,
            "ResponseContentDisposition": content_disposition(disposition, filename),
        }
        url = self._signer.generate_presigned_url("get_object", Params=parameters, ExpiresIn=expires_in)
        return str(url)

    def stored(self) -> Iterator[tuple[Sha256, datetime]]:
        """Yields digests and modification times, a thousand keys a request."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        for entry in (entry for page in pages for entry in page.get("Contents", ())):
            try:
                yield parse_sha256(entry["Key"].rsplit("/", 1)[-1]), entry["LastModified"]
            except DigestInvalidError:  # somebody else's key in a shared bucket
                continue

    def _key(self, sha256: Sha256) -> str:
        return f"{self._prefix}{sha256[:2]}/{sha256[2:4]}/{sha256}"


class _Body(io.RawIOBase):
    """A response body as a raw file, so that the standard buffered reader can wrap it."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._body.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._body.close()
        super().close()


def _client(endpoint: str | None, region: str) -> Any:
    # Path addressing: S3-compatible servers seldom have wildcard names for buckets.
    style = {"addressing_style": "path"} if endpoint else {}
    config = Config(signature_version="s3v4", s3=style, retries={"mode": "standard", "max_attempts": 4})
    return boto3.client("s3", endpoint_url=endpoint, region_name=region, config=config)


def _translated(error: Exception, sha256: Sha256) -> Exception:
    if isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in _MISSING_CODES:
        return ObjectMissingError(f"the object store has no object `{sha256}`")
    return error
