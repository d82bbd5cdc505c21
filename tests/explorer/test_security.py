"""Who may ask the page's server, and for what."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from audiospec.explorer.run import HOST
from audiospec.explorer.security import HEADERS, new_token
from audiospec.testing.explorer import Client, serve


def raw(client: Client, path: str, host: str | None = None, method: str = "GET") -> tuple[int, str]:
    """Send a request as it is, without what urllib would change; return status and body."""
    place = urlsplit(client.page.address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port or 0)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    if host is not None:
        connection.putheader("Host", host)
    connection.endheaders()
    response = connection.getresponse()
    body = response.read().decode("utf-8", "replace")
    connection.close()
    return response.status, body


def test_the_server_listens_on_this_machine_only(client: Client) -> None:
    assert client.page.listener.getsockname()[0] == HOST == "127.0.0.1"


def test_tokens_differ_and_are_long() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 43  # 256 bits


def test_without_the_token_nothing_is_found(client: Client) -> None:
    token = urlsplit(client.page.address).path.strip("/")
    wrong = [
        *("", "/", "/index.html", "/api/store.json", "/static/main.js", f"/{token[:-1]}/", f"/{token}x/"),
        *(f"//{token}/api/store.json", f"/x/{token}/api/store.json", f"/{token.swapcase()}/api/store.json"),
        *("/é/api/store.json", "/%00/"),
    ]
    for path in wrong:
        reply = client.send(client.origin + path.replace("é", "%C3%A9"), {})
        assert (reply.status, reply.body) == (404, b"not found\n"), path
    assert client.send(client.page.address, {}).status == 200


def test_the_address_without_its_last_slash_leads_to_the_page(client: Client) -> None:
    token = urlsplit(client.page.address).path.strip("/")
    status, _ = raw(client, f"/{token}", urlsplit(client.page.address).netloc)
    assert status == 307


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "127.0.0.1:1", "", None]
)
def test_requests_for_another_host_are_refused(client: Client, host: str | None) -> None:
    """A name of another server may be made to lead to this machine; the browser sends that name."""
    place = urlsplit(client.page.address)
    given = None if host is None else host.format(port=place.port)
    status, body = raw(client, place.path + "api/store.json", given)
    assert status in (400, 403)
    assert "made.zarr" not in body


def test_the_name_of_this_machine_is_a_host(client: Client) -> None:
    place = urlsplit(client.page.address)
    assert raw(client, place.path, f"localhost:{place.port}")[0] == 200


def test_every_response_has_the_headers(client: Client) -> None:
    paths = ("", "static/main.js", "api/store.json", "api/spectrogram/0.png", "audio/0", "api/none", "x/y")
    replies = [client.get(path) for path in paths]
    replies.append(client.send(client.origin + "/", {}))
    replies.append(client.post({}, Origin="http://evil.example"))
    for reply in replies:
        for name, value in HEADERS.items():
            assert reply.headers.get_all(name) == [value]
    for reply in (*replies[:1], replies[2], *replies[5:]):
        assert reply.headers["Cache-Control"] == "no-store"
    policy = HEADERS["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


def test_another_page_cannot_correct_labels(client: Client) -> None:
    decision = {"track": 0, "new": "x", "seen": 0}
    refused: list[dict[str, str]] = [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": client.origin.replace("127.0.0.1", "localhost")},
        {"Content-Type": "text/plain"},  # what a form of another page could send
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Sec-Fetch-Site": "cross-site"},
    ]
    for headers in refused:
        assert client.post(decision, **headers).status == 403, headers
    address = f"{client.page.address}api/corrections"
    without = client.send(address, {"Content-Type": "application/json"}, json.dumps(decision).encode())
    assert without.status == 403
    assert client.get("api/track/0.json").json["decisions"] == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "POST"])
def test_nothing_else_is_a_method(client: Client, method: str) -> None:
    headers = {"Content-Type": "application/json", "Origin": client.origin}
    reply = client.send(f"{client.page.address}api/store.json", headers, b"{}", method)
    assert reply.status == 405


TRAVERSALS = [
    *("static/../server.py", "static/..%2fserver.py", "static/%2e%2e/server.py", "static/%2e%2e%2fserver.py"),
    *("static/..%5cserver.py", "static//etc/passwd", "static/%2fetc%2fpasswd", "static/main.js%00.css"),
    *("static/.", "static/", "static", "../server.py", "%2e%2e/%2e%2e/etc/passwd", "server.py"),
    *("audio/../made.zarr/zarr.json", "audio/..%2f..%2fmade.zarr%2fzarr.json", "audio/ant%2fant0.wav"),
    *("audio/-1", "audio/1e3", "audio/0x1", "audio/%D9%A1", "audio/999999999999", "audio/15"),
    *("api/track/..%2f0.json", "api/track/-1.json", "api/track/15.json", "api/spectrogram/..%2f0.png"),
    *("api/spectrogram/-1.png", "api/spectrogram/30.png", "api/../../../etc/passwd"),
]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_to_another_file(client: Client, path: str) -> None:
    place = urlsplit(client.page.address)
    status, body = raw(client, place.path + path, place.netloc)
    assert status == 404
    assert "def " not in body
    assert "root:" not in body


def test_labels_arrive_as_data(client: Client) -> None:
    """No response that a browser shows as a page holds text from the store."""
    reply = client.get("api/tracks.json?limit=20")
    assert "<img src=x onerror=alert(1)>" in {row["label"] for row in reply.json["rows"]}
    assert b"onerror" not in client.get("").body


def test_a_path_out_of_the_folder_is_not_opened(store: Path, music: Path) -> None:
    """The path of a track comes from the store, which may come from someone else."""
    from audiospec import open_store
    from audiospec.explorer.audio import AudioFiles
    from audiospec.explorer.problems import NotFoundError

    opened = open_store(store)
    secret = music.parent / "secret.wav"
    secret.write_bytes((music / "ant" / "ant0.wav").read_bytes())
    for path in ("../secret.wav", "ant/../../secret.wav", str(secret), "C:\\secret.wav", "ant\0/../x"):
        opened.tracks["path"][0] = path
        files = AudioFiles(opened, store.parent)
        assert not files.has(0)
        assert "leads out of the folder" in files.why_not(0)
        with pytest.raises(NotFoundError, match="leads out of the folder"):
            files.playable(0)


def test_only_sound_is_sent(music: Path, store: Path) -> None:
    from audiospec import open_store
    from audiospec.explorer.audio import AudioFiles
    from audiospec.explorer.problems import NotFoundError

    opened = open_store(store)
    (music / "notes.wav").write_text("password: hunter2\n" * 500)
    try:
        opened.tracks["path"][0] = "notes.wav"
        with pytest.raises(NotFoundError, match="is not audio"):
            AudioFiles(opened, store.parent).playable(0)
    finally:
        (music / "notes.wav").unlink()


def test_large_and_broken_requests_are_refused(client: Client) -> None:
    for body in (b"{", b"[]", b"null", b'{"track": 0}', b'{"track": true, "new": "a", "seen": 0}', b"\xff"):
        assert client.post(body).status == 400, body
    assert "at most" in client.post(b" " * 70_000).json["error"]
    assert client.post({"track": 99, "new": "ant", "seen": 0}).status == 404


def test_a_port_serves_one_page(made: Path) -> None:
    from audiospec.explorer.run import PortError, prepared

    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(PortError, match=f"port {port} is in use: choose another `port`"),
            prepared(made, port=port),
        ):
            pass


def test_two_pages_have_two_tokens(made: Path) -> None:
    with serve(made) as first, serve(made) as second:
        place = urlsplit(first.page.address)
        crossed = f"http://{urlsplit(second.page.address).netloc}{place.path}"
        assert first.send(crossed, {}).status == 404
