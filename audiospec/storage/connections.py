"""Connections to buckets: one store of obstore for each bucket of a process, and the guard against forks."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from audiospec.errors import StorageError
from audiospec.storage.location import Url
from audiospec.storage.refusals import no_credentials

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

#: How long requests are sent again to a bucket that does not answer, s. AUDIOSPEC_PATIENCE changes it.
PATIENCE = 180.0
#: Variables that say who asks. Without any, obstore asks the instance that it may run on, at this address.
_CREDENTIALS = {
    "s3": (
        *("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_SKIP_SIGNATURE", "AWS_METADATA_ENDPOINT"),
    ),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SKIP_SIGNATURE"),
    "az": ("AZURE_",),
}
_INSTANCES = {"s3": "169.254.169.254", "gs": "metadata.google.internal"}
#: Where `gcloud auth application-default login` leaves credentials.
_GCLOUD = Path("~/.config/gcloud/application_default_credentials.json")

_stores: dict[tuple[str, ...], ObjectStore] = {}
_lock = threading.Lock()
#: The first bucket that this process has used, and the one that its parent had used when it was forked.
_used = ""
_used_by_parent = ""


def patience() -> float:
    """Return how long requests are sent again to a bucket that does not answer, s."""
    text = os.environ.get("AUDIOSPEC_PATIENCE", "")
    with suppress(ValueError):
        return max(0.0, float(text)) if text else PATIENCE
    raise StorageError(f"AUDIOSPEC_PATIENCE={text!r}: expected seconds")


def check_fork(location: Url) -> None:
    """Refuse a process that was forked after buckets were used: obstore's threads are not in it.

    Raises
    ------
    StorageError
    """
    global _used
    if _used_by_parent:
        raise StorageError(
            f"this process was forked after it had used {_used_by_parent}",
            "use DataLoader(..., multiprocessing_context='forkserver')",
        )
    _used = _used or f"{location.scheme}://{location.bucket}"


def _forked() -> None:
    global _used_by_parent, _lock
    _used_by_parent = _used_by_parent or _used
    _lock = threading.Lock()  # another thread of the parent may have held it


os.register_at_fork(after_in_child=_forked)


def connect(location: Url) -> ObjectStore:
    """Return obstore's store of a location's bucket. Credentials and endpoint are those of the environment.

    Raises
    ------
    StorageError
        obstore is not installed, or there are no credentials.
    """
    # Tests and notebooks change the environment: a store belongs to the one that it was made in.
    names = sorted(
        name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_", "AUDIOSPEC_PATIENCE"))
    )
    key = (location.scheme, location.bucket, *(f"{name}={os.environ[name]}" for name in names))
    with _lock:
        if key not in _stores:
            _stores[key] = _open(location)
        return _stores[key]


def _open(location: Url) -> ObjectStore:
    try:
        from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store
    except ImportError:
        raise StorageError(f"{location.scheme}:// needs obstore", "pip install 'audiospec[cloud]'") from None
    seconds = patience()
    retries: RetryConfig = {
        "max_retries": 3,  # BucketFolder goes on: obstore would also repeat what no repetition helps (501)
        "retry_timeout": timedelta(seconds=seconds),
        "backoff": {
            "init_backoff": timedelta(seconds=min(0.1, seconds / 100)),
            "max_backoff": timedelta(seconds=min(15.0, seconds / 12)),
            "base": 2,
        },
    }
    # A shard has 24 MiB, and a request may take its time as long as bytes flow. A busy server is silent for
    # seconds, which is no refusal, however short patience is.
    silence = f"{min(60, max(30, seconds / 3)):.0f}s"
    options: ClientConfig = {"timeout": "10min", "read_timeout": silence, "connect_timeout": "10s"}
    # obstore reads these from the environment only where a program sets no options of its own.
    prefix = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}.get(location.scheme, "AWS_")
    options["allow_http"] = _is_set(f"{prefix}ALLOW_HTTP") or location.scheme == "http"
    options["allow_invalid_certificates"] = _is_set(f"{prefix}ALLOW_INVALID_CERTIFICATES")
    if proxy := os.environ.get(f"{prefix}PROXY_URL"):
        options["proxy_url"] = proxy
    try:
        if location.scheme in _CREDENTIALS:
            _refuse_anonymous(location)
        match location.scheme:
            case "s3":
                return S3Store(location.bucket, client_options=options, retry_config=retries)
            case "gs":
                return GCSStore(location.bucket, client_options=options, retry_config=retries)
            case "az":
                return AzureStore(location.bucket, client_options=options, retry_config=retries)
        return HTTPStore(
            f"{location.scheme}://{location.bucket}", client_options=options, retry_config=retries
        )
    except StorageError:
        raise
    except Exception as error:
        failure = no_credentials(
            location, str(error).partition("\n")[0].rpartition(" error: ")[2].rstrip(".")
        )
    raise failure  # such as no account of Azure, or a file of Google's that is none


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in ("1", "true", "yes", "on")


def _refuse_anonymous(location: Url) -> None:
    """Refuse at once where obstore would look for an instance's role until its patience ends."""
    prefixes = _CREDENTIALS[location.scheme]
    if any(name.startswith(prefixes) for name in os.environ):
        return
    if location.scheme == "gs" and _GCLOUD.expanduser().exists():
        return
    try:
        socket.create_connection((_INSTANCES[location.scheme], 80), timeout=2).close()
    except (OSError, KeyError):
        raise no_credentials(location) from None
