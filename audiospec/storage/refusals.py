"""What a bucket's refusal means: obstore's exceptions become those of `Folder`, and say what to do.

obstore says what happened in text alone, which may contain the credentials of a URL (a SAS token of Azure).
Of that text, only status and code get into a message, and the exception is not chained.
"""

from __future__ import annotations

import errno
import os
import re

from audiospec.errors import StorageError
from audiospec.storage.base import ConflictError
from audiospec.storage.location import WEB, Url

_STATUS = re.compile(r"status code: (\d{3})([ \w-]*)")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|The specified bucket does not exist")
_METADATA = re.compile(
    r"https?://(169\.254\.|metadata\.google|oauth2\.|sts\.)|/latest/(api/token|meta-data/)|instance metadata"
)
_NETWORK = re.compile(r"HTTP error|reqwest|hyper|decod|timed? ?out|connection", re.IGNORECASE)
_BEYOND = re.compile(r"but object was only \d+ bytes long|range start must not be greater")
_INVALID = re.compile(r'object with invalid path: .*?Path "([^"]*)"', re.DOTALL)
_ADDRESS = re.compile(r"https?://\S+")
_WHOLE = re.compile(r"non-partial response|NotPartial|suffix", re.IGNORECASE)

#: Where credentials are looked for.
_SOUGHT = {
    "s3": "in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in the role of a container, a web identity or an"
    " EC2 instance (profiles of ~/.aws are not read; AWS_SKIP_SIGNATURE=true reads public buckets)",
    "gs": "in GOOGLE_APPLICATION_CREDENTIALS, in gcloud's application default credentials, in the role of an"
    " instance (GOOGLE_SKIP_SIGNATURE=true reads public buckets)",
    "az": "in AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, in a"
    " managed identity (AZURE_SKIP_SIGNATURE=true reads public containers)",
}


class UnsupportedError(StorageError):
    """The storage does not know this kind of request: a range from the end, or a condition."""


def status_of(error: Exception) -> int | None:
    """Return the HTTP status that the server answered with; None if it did not answer."""
    match = _STATUS.search(str(error))
    return int(match[1]) if match else None


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed when it is sent again."""
    if isinstance(error, FileNotFoundError | ValueError):
        return False
    text = str(error)
    status = status_of(error)
    if status is not None:
        return status in (408, 429) or (status >= 500 and status not in (501, 505))
    return _NETWORK.search(text) is not None and not _METADATA.search(text) and "BadScheme" not in text


def translated(error: Exception, action: str, place: Url, seconds: float) -> Exception:
    """Return the exception of `Folder` for one of obstore.

    Parameters
    ----------
    error : Exception
    action : str
        What was tried, such as ``"read"``.
    place : Url
        Of which file.
    seconds : float
        How long it was tried.
    """
    kind, text, status = type(error).__name__, str(error), status_of(error)
    if kind in ("AlreadyExistsError", "PreconditionError"):
        return ConflictError(
            f"{place} was written by another process meanwhile", "run the same command again"
        )
    if _NO_BUCKET.search(text):
        return StorageError(
            f"there is no bucket {place.scheme}://{place.bucket}", "make it, or check its name and region"
        )
    if isinstance(error, FileNotFoundError) or (status == 404 and place.scheme in WEB):
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(place))
    if status == 416 or _BEYOND.search(text):
        return EOFError(f"{place} ends before the requested bytes")
    if kind == "NotSupportedError" or status == 501 or (status is None and _WHOLE.search(text)):
        return UnsupportedError(f"{place.scheme}://{place.bucket} does not know this way to {action} {place}")
    if _METADATA.search(text.partition("Debug source")[0]):
        return no_credentials(place)
    if status is None or status < 400:
        return _unanswered(error, action, place, seconds)
    reason = _reason(text)
    if status in (401, 403) or kind in ("PermissionDeniedError", "UnauthenticatedError"):
        return StorageError(
            f"not allowed to {action} {place}: {reason}",
            f"check the rights of the credentials; they are looked for {_sought(place)}",
        )
    if status >= 500 or status in (408, 429):
        return _silent(place, reason, seconds)
    return StorageError(f"cannot {action} {place}: {reason}")


def replaced(place: Url) -> ConflictError:
    """Return the error that says that a file has another version than was expected."""
    return ConflictError(f"{place} was written by another process meanwhile", "run the same command again")


def no_credentials(place: Url, detail: str = "") -> StorageError:
    """Return the error that says where credentials are looked for."""
    bucket = f"{place.scheme}://{place.bucket}"
    reason = f"no usable credentials for {bucket} ({detail})" if detail else f"no credentials for {bucket}"
    return StorageError(reason, f"they are looked for {_sought(place)}")


def _sought(place: Url) -> str:
    return _SOUGHT.get(place.scheme, "nowhere: web servers are read without any")


def _unanswered(error: Exception, action: str, place: Url, seconds: float) -> StorageError:
    text, bucket = str(error), f"{place.scheme}://{place.bucket}"
    if status_of(error) is not None or "configured region" in text:  # a redirection
        return StorageError(f"{bucket} is in another region", "set AWS_REGION")
    if "BadScheme" in text:
        return StorageError(
            f"{bucket} is at an address of http://",
            "use https://, or AWS_ALLOW_HTTP=true if its network is yours",
        )
    if (listed := _INVALID.search(text)) is not None:
        return StorageError(
            f"{place} contains a file whose name cannot be used: {listed[1]!r}",
            "rename it: no empty part (//), no `.` or `..` between slashes, no control characters",
        )
    if isinstance(error, ValueError):
        return StorageError(f"{place} cannot be used as the name of a file", "rename it")
    if _NETWORK.search(text):
        return _silent(place, _cause(text), seconds)
    reason = _ADDRESS.sub("…", text.partition("\n")[0].partition(" error: ")[2])
    return StorageError(f"cannot {action} {place}: {reason or type(error).__name__}")


def _silent(place: Url, reason: str, seconds: float) -> StorageError:
    tried = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
    return StorageError(
        f"{place} does not answer: {reason}, tried for {tried}",
        "finished shards are kept; run the same command again",
    )


def _reason(text: str) -> str:
    status, code = _STATUS.search(text), _CODE.search(text)
    said = f"{status[1]}{status[2].rstrip()}" if status else "no status"
    return f"{said} ({code[1]})" if code and code[1].lower() not in said.replace(" ", "").lower() else said


def _cause(text: str) -> str:
    """Return in words why no answer came: the innermost reasons that reqwest gives."""
    for pattern, words in (
        (r"dns error|failed to lookup", "its address is unknown"),
        (r"Connection refused|ConnectionRefused", "connection refused"),
        (r"TimedOut|timed out|Timeout", "timed out"),
        (r"certificate", "its certificate is not valid"),
        (r"IncompleteMessage|ConnectionReset|Connection reset|BrokenPipe|closed before", "connection lost"),
        (r"decod|IncompleteBody|unexpected end|end of file", "the answer broke off"),
    ):
        if re.search(pattern, text):
            return words
    return "connection failed"
