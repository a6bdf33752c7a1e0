"""Object stores, and which one the settings choose."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from registry.storage.stores.files import FileStore
from registry.storage.stores.interface import Disposition, ObjectStore
from registry.storage.stores.memory import MemoryStore

__all__ = ["Disposition", "FileStore", "MemoryStore", "ObjectStore", "get_store", "store_from_url"]

_S3_OPTIONS = frozenset({"endpoint", "public_endpoint", "region", "presign"})


def get_store() -> ObjectStore:
    """Returns the store of `settings.OBJECT_STORE_URL`; the same one at each call."""
    return store_from_url(settings.OBJECT_STORE_URL)


@lru_cache(maxsize=8)
def store_from_url(url: str) -> ObjectStore:
    """Returns the store that a URL describes.

    `file:///folder`, `memory://name`, or
    `s3://bucket[/prefix]?endpoint=…&public_endpoint=…&region=…&presign=true|false`.

    Raises:
        ImproperlyConfigured: the URL is not understood, or boto3 is not installed.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return FileStore(Path(unquote(parts.path)))
    if parts.scheme == "memory":
        return MemoryStore()
    if parts.scheme == "s3" and parts.netloc:
        return _s3_store(parts)
    raise ImproperlyConfigured(f"WEIGHBRIDGE_OBJECT_STORE_URL: `{url}` is neither file:///folder nor s3://bucket")


def _s3_store(parts: SplitResult) -> ObjectStore:
    options = dict(parse_qsl(parts.query))
    unknown = ", ".join(sorted(options.keys() - _S3_OPTIONS))
    if unknown:
        raise ImproperlyConfigured(f"WEIGHBRIDGE_OBJECT_STORE_URL: unknown option {unknown}")
    presign = options.pop("presign", "true")
    if presign not in {"true", "false"}:
        raise ImproperlyConfigured(f"WEIGHBRIDGE_OBJECT_STORE_URL: presign is `{presign}`, neither true nor false")
    try:  # boto3 comes with the extra `scaled` and costs 20 MB of memory: load it only where it is used
        module = import_module("registry.storage.stores.s3")
    except ImportError as error:
        message = "WEIGHBRIDGE_OBJECT_STORE_URL: s3:// needs boto3; install weighbridge[scaled]"
        raise ImproperlyConfigured(message) from error
    prefix = unquote(parts.path).strip("/")
    store: ObjectStore = module.S3Store(
        parts.netloc, prefix=f"{prefix}/" if prefix else "", presign=presign == "true", **options
    )
    return store
