"""Who may ask: requests of this page only, by the token in its address.

The server listens on this machine alone, but every page that a browser shows can send it requests, and every
program of any user can connect. The token in the path keeps them out. The host is checked, because a name of
another server may be made to lead here (DNS rebinding), and the origin of what changes something.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: What a page from here may load: files from here, and nothing else.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: Headers of every response.
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


def new_token() -> str:
    """Return a token that cannot be guessed: 256 bits, in characters of a path."""
    return secrets.token_urlsafe(32)


class Guard:
    """Lets requests through to an application that have the token, and come from its own page.

    Parameters
    ----------
    app : ASGI application
        It sees paths without the token.
    token : str
    port : int
        Where the server listens.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        if port == 80:  # browsers leave it out
            self._hosts |= {"127.0.0.1", "localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        from starlette.responses import PlainTextResponse, RedirectResponse

        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"expected requests of HTTP; got {scope['type']}")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                extra = {**HEADERS, "Cache-Control": "no-store"}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.lower().encode(), value.encode())
                        for name, value in extra.items()
                        if name.lower().encode() not in present
                    ),
                ]
            await send(message)

        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        hosts = headers.get("host", [])
        first, slash, rest = scope["path"].removeprefix("/").partition("/")
        answer: ASGIApp
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            answer = PlainTextResponse("the page has another address\n", 403)
        elif not secrets.compare_digest(first.encode(), self._token.encode()):
            answer = PlainTextResponse("not found\n", 404)
        elif not slash:
            answer = RedirectResponse(f"/{self._token}/")
        elif scope["method"] not in ("GET", "HEAD") and not _is_own(headers, hosts[0]):
            answer = PlainTextResponse("only the page itself may change something\n", 403)
        else:
            answer = self._app
            scope = {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode(), "root_path": ""}
        await answer(scope, receive, send_with_headers)


def _is_own(headers: dict[str, list[str]], host: str) -> bool:
    """Whether a request is one of the page's own, which other pages cannot imitate."""
    kinds = [value.partition(";")[0].strip().lower() for value in headers.get("content-type", [])]
    return (
        headers.get("origin", []) == [f"http://{host}"]
        and headers.get("sec-fetch-site", ["same-origin"]) == ["same-origin"]
        and kinds == ["application/json"]
    )
