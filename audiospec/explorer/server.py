"""The page's server: routes, parameters, and the status of what has no answer."""

from __future__ import annotations

import json
import mimetypes
import os
import re
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiospec.errors import AudiospecError
from audiospec.explorer.catalogue import Query
from audiospec.explorer.problems import ChangedError, ExplorerError, GoneError, NotFoundError
from audiospec.explorer.session import Session
from audiospec.stores.layout.schema import ReplacedError

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

#: The files of the page.
STATIC = Path(__file__).with_name("static")
PAGE = "index.html"
#: Largest body of a request in bytes.
MOST_BODY = 1 << 16
#: Numbers of tracks and rows in addresses.
_NUMBER = re.compile(r"\d{1,10}", re.ASCII)
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

Answer = Callable[["Request"], "Response"]


def static_files() -> dict[str, Path]:
    """Return name → file of everything that the page loads; nothing else can be asked for."""
    return {file.name: file for file in sorted(STATIC.iterdir()) if file.suffix in _TYPES}


def media_type(name: str) -> str:
    """Return the type of one of the page's files."""
    return _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def application(session: Session) -> Starlette:
    """Return the application that answers the page, at paths without a token; see `Guard`."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.responses import FileResponse, Response
    from starlette.routing import Route

    files = static_files()

    def file(request: Request) -> Response:
        name = request.path_params.get("name", PAGE)
        if name not in files:
            raise NotFoundError(f"the page has no file {name!r}")
        return FileResponse(files[name], media_type=media_type(name))

    def store(request: Request) -> Response:
        return _json(session.overview())

    def tracks(request: Request) -> Response:
        values = request.query_params
        return _json(
            session.table(
                _query(values),
                values.get("run", ""),
                _count(values, "offset", 0),
                _count(values, "limit", 100),
            )
        )

    def track(request: Request) -> Response:
        values = request.query_params
        number = _number(request.path_params["number"])
        return _json(session.track(number, values.get("run", ""), values.get("view", "")))

    def spectrogram(request: Request) -> Response:
        row = _number(request.path_params["row"])
        picture = session.picture(row, request.query_params.get("view", ""))
        return Response(picture, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})

    def audio(request: Request) -> Response:
        number = _number(request.path_params["number"])
        if number >= len(session.catalogue):
            raise NotFoundError(f"there is no track {number}")
        playable = session.audio.playable(number, decode=request.query_params.get("decode") == "1")
        return FileResponse(playable.path, media_type=playable.media_type)

    def map_(request: Request) -> Response:
        values = request.query_params
        return _json(session.map(values.get("view", ""), values.get("method", "pca")))

    def confusion(request: Request) -> Response:
        return _json(session.confusion(request.query_params.get("run", "")))

    def findings(request: Request) -> Response:
        values = request.query_params
        return _json(session.findings.listed(_count(values, "offset", 0), _count(values, "limit", 500)))

    def histogram(request: Request) -> Response:
        return _json(session.histogram(request.query_params.get("column", "")))

    async def corrections(request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MOST_BODY:
                return _error(ExplorerError(f"a request has at most {MOST_BODY} bytes"))
        return await run_in_threadpool(_answered, session, lambda _: _decide(session, request, body), request)

    def answering(answer: Answer) -> Answer:
        return lambda request: _answered(session, answer, request)

    routes = [
        Route("/", answering(file)),
        Route(f"/{PAGE}", answering(file)),
        Route("/static/{name}", answering(file)),
        Route("/api/store.json", answering(store)),
        Route("/api/tracks.json", answering(tracks)),
        Route("/api/track/{number}.json", answering(track)),
        Route("/api/spectrogram/{row}.png", answering(spectrogram)),
        Route("/api/map.json", answering(map_)),
        Route("/api/confusion.json", answering(confusion)),
        Route("/api/findings.json", answering(findings)),
        Route("/api/histogram.json", answering(histogram)),
        Route("/audio/{number}", answering(audio)),
        Route("/api/corrections", corrections, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _no_route})


def _answered(session: Session, answer: Answer, request: Request) -> Response:
    """Return an answer, or why there is none."""
    try:
        if request.url.path.startswith("/api/"):
            session.require_unchanged()
        return answer(request)
    except AudiospecError as error:
        return _error(error)
    except Exception as error:
        if os.environ.get("AUDIOSPEC_DEBUG", "0") not in ("", "0"):
            traceback.print_exc()
        return _error(error)


def _no_route(request: Request, error: Exception) -> Response:
    """Answer a request for what there never is."""
    return _json(
        {"error": f"the page has no {request.url.path}", "hint": ""}, getattr(error, "status_code", 404)
    )


def _error(error: Exception) -> Response:
    if isinstance(error, AudiospecError):
        status = error.status if isinstance(error, ExplorerError) else 400
        if isinstance(error, ReplacedError):
            status = GoneError.status
        return _json({"error": " ".join(error.reason.split()), "hint": error.hint}, status)
    reason = " ".join(f"unexpected {type(error).__name__}: {error}".split())
    return _json({"error": reason, "hint": "start `audiospec --debug explore` to see more"}, 500)


def _json(value: Any, status: int = 200) -> Response:
    from starlette.responses import Response

    content = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Response(content, status, media_type="application/json")


def _decide(session: Session, request: Request, body: bytes | bytearray) -> Response:
    """Answer the request to decide about a label."""
    try:
        value = json.loads(bytes(body).decode("utf-8"))
        number, new, why, seen = value["track"], value["new"], value.get("why", ""), value["seen"]
        whole = all(isinstance(one, int) and not isinstance(one, bool) for one in (number, seen))
        if not (whole and isinstance(new, str | None) and isinstance(why, str)):
            raise TypeError("a value of another type")
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ExplorerError(
            f"expected track, new, why and seen as JSON; got something else ({type(error).__name__})"
        ) from error
    names = request.query_params.get("run", ""), request.query_params.get("view", "")
    session.track(number, *names)  # raises if there is no such track, run or view
    try:
        session.decisions.decide(number, new, why, seen)
    except ChangedError as error:
        present = session.track(number, *names)
        return _json({"error": error.reason, "hint": error.hint, "track": present}, error.status)
    return _json(session.track(number, *names))


def _query(values: Mapping[str, str]) -> Query:
    return Query(
        sort=values.get("sort") or "number",
        descending=_flag(values, "descending"),
        label=values.get("label", ""),
        side=values.get("side", ""),
        predicted=values.get("predicted", ""),
        finding=values.get("finding", ""),
        error=_flag(values, "error"),
        corrected=_flag(values, "corrected"),
        text=values.get("query", ""),
    )


def _flag(values: Mapping[str, str], name: str) -> bool:
    text = values.get(name, "")
    if text not in ("", "0", "1"):
        raise ExplorerError(f"expected 0 or 1 as `{name}`; got {text[:20]!r}")
    return text == "1"


def _count(values: Mapping[str, str], name: str, default: int) -> int:
    text = values.get(name, "")
    if not text:
        return default
    if not _NUMBER.fullmatch(text):
        raise ExplorerError(f"expected a whole number as `{name}`; got {text[:20]!r}")
    return int(text)


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise NotFoundError(f"expected a number; got {text[:20]!r}")
    return int(text)
