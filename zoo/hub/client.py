"""The client of the hub, and its errors in one line each.

Endpoint, token, cache and offline mode are its own: it reads them from the environment and its files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from audiospec.errors import AudiospecError, HubError
from audiospec.text import printable
from audiospec.version import __version__

_LOG_IN = "log in by `hf auth login`, or set HF_TOKEN"
_KEPT = "the repository has all files of a push or none, and those uploaded are not uploaded again"
#: Most characters of the hub's own message that are shown.
_MOST_TEXT = 200


def client() -> Any:
    """Import and return `huggingface_hub`, which reads its settings from the environment.

    Raises
    ------
    HubError
        It is not installed.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise HubError("a hub of models needs huggingface_hub", "pip install 'audiospec[hub]'") from error
    return huggingface_hub


def api() -> Any:
    """Return the hub's API, as this version of audiospec.

    Raises
    ------
    HubError
        `huggingface_hub` is not installed.
    """
    return client().HfApi(library_name="audiospec", library_version=__version__)


@contextmanager
def hub_errors(what: str, *, writes: bool = False) -> Iterator[None]:
    """Turn the errors of the hub's client in a block into a `HubError`.

    Parameters
    ----------
    what : str
        The address that is read or written.
    writes : bool
        Whether the block writes it, for which a token needs more rights.

    Raises
    ------
    HubError
        Says what the hub refused, and what to do about it.
    """
    try:
        yield
    except AudiospecError:
        raise
    except Exception as error:  # the client documents a part of what it raises, and wraps the rest
        raise _explained(_cause(error), what, writes) from error


def is_unreachable(error: Exception) -> bool:
    """Return whether an error of the client means that the hub was not reached, or is down."""
    errors = client().errors
    error = _cause(error)
    if isinstance(error, errors.HfHubHTTPError):
        return bool(error.response.status_code >= 500)
    return isinstance(error, (errors.HTTPError, errors.OfflineModeIsEnabled))


def _cause(error: Exception) -> Exception:
    """Return the error of the request that failed; uploads in threads wrap it."""
    inner = error.__cause__
    while isinstance(error, RuntimeError) and isinstance(inner, Exception):
        error, inner = inner, inner.__cause__
    return error


def _explained(error: Exception, what: str, writes: bool) -> HubError:
    """Return the error of the client as one line with what to do."""
    library = client()
    errors, endpoint = library.errors, library.constants.ENDPOINT
    if isinstance(error, errors.OfflineModeIsEnabled):
        return HubError(f"{what} needs the network, and HF_HUB_OFFLINE is set", "unset it, and run again")
    if isinstance(error, errors.LocalEntryNotFoundError):
        return HubError(
            f"{what} is not in the cache as a whole, and {endpoint} was not reached",
            "check the network, HF_ENDPOINT and HF_HUB_OFFLINE, and run again",
        )
    if isinstance(error, errors.HfHubHTTPError):
        return _refused(error, what, writes, endpoint)
    if isinstance(error, errors.HTTPError):  # of all requests that got no answer
        kept = f"; {_KEPT}" if writes else ""
        return HubError(
            f"{endpoint} did not answer while {what} was {'written' if writes else 'read'} ({_line(error)})",
            f"check the network and HF_ENDPOINT, and run again{kept}",
        )
    return HubError(
        f"{what} could not be {'written' if writes else 'read'} ({_line(error)})",
        f"run again; {_KEPT}" if writes else "run again",
    )


def _refused(error: Any, what: str, writes: bool, endpoint: str) -> HubError:
    """Return the error for an answer of the hub that is a refusal."""
    errors, status = client().errors, error.response.status_code
    has_token = "authorization" in error.response.request.headers
    if isinstance(error, errors.GatedRepoError):
        return HubError(f"{what} is gated, and access was not granted", f"ask for it on its page; {_LOG_IN}")
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError(f"{what} has no such revision", "name a branch, a tag or a commit of it")
    if status == 401 and has_token:
        return HubError(f"{endpoint} refuses the token ({what})", f"make a valid one, then {_LOG_IN}")
    if status == 401 or isinstance(error, errors.RepositoryNotFoundError):
        return HubError(
            f"{endpoint} has no repository {what}, or it is private"
            + ("" if has_token else " and there is no token"),
            f"check the name; {_LOG_IN} of someone who can {'write' if writes else 'read'} it",
        )
    if status == 403:
        return HubError(
            f"the token may not {'write' if writes else 'read'} {what} ({_line(error)})",
            "use a token with that right",
        )
    if status in (409, 412):
        return HubError(f"{what} was changed by someone else meanwhile ({_line(error)})", "run again")
    if status == 429:
        return HubError(f"{endpoint} takes no more requests for now ({what})", "wait, and run again")
    hint = "run again later" if status >= 500 else "check what it says"
    return HubError(f"{endpoint} answered {status} for {what} ({_line(error)})", hint)


def _line(error: Exception) -> str:
    """Return the message of an error in one line."""
    said = getattr(error, "server_message", None) or str(error)
    return printable(" ".join(said.split()))[:_MOST_TEXT] or type(error).__name__
