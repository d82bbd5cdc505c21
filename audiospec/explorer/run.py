"""Show a store on a page of this machine, until it is stopped."""

from __future__ import annotations

import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from audiospec.errors import AudiospecError
from audiospec.explorer.security import Guard, new_token
from audiospec.explorer.server import application
from audiospec.explorer.session import Session
from audiospec.machine import user_name
from audiospec.storage.location import Location
from audiospec.stores.base import FeatureStore, open_store

if TYPE_CHECKING:
    import uvicorn

    from audiospec.doctor.diagnosis import Diagnosis

#: The only address that the server listens at.
HOST = "127.0.0.1"
#: The port that is used if none is chosen and it is free, so that the address differs by its token only.
PORT = 8765
#: How long open requests are waited for at the end, s.
_LONGEST_END = 3.0


class PortError(AudiospecError, OSError):
    """A port is in use, or may not be used."""


@dataclass(frozen=True, eq=False)
class Page:
    """A page that is ready to be served.

    Attributes
    ----------
    session : Session
    address : str
        URL with the token. Whoever has it, on this machine, can see the tracks and correct labels.
    server : uvicorn.Server
    listener : socket.socket
        Listens already.
    """

    session: Session
    address: str
    server: uvicorn.Server
    listener: socket.socket

    def serve(self) -> None:
        """Answer the page until Ctrl-C, which raises KeyboardInterrupt, or until ``server.should_exit``."""
        # In a thread: uvicorn would handle signals itself, and one that arrives while it starts is lost.
        thread = threading.Thread(target=self.server.run, args=([self.listener],), daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(0.5)
        finally:
            self.server.should_exit = True
            thread.join(_LONGEST_END)


def explore(
    store: FeatureStore | Location | str,
    *,
    runs: Path | str | None = None,
    view: str | None = None,
    findings: Diagnosis | None = None,
    port: int | None = None,
    open_browser: bool = True,
    who: str | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Show a store on a page of this machine: look, listen, sort, correct labels. Returns after Ctrl-C.

    Parameters
    ----------
    store : FeatureStore, path or str
    runs : path or None
        A run, or a folder that has runs at any depth: what they predict is shown beside the tracks.
    view : str or None
        Name of the view that is shown at first, or its beginning. None: the spectrograms with the longest
        chunks.
    findings : Diagnosis or None
        What the doctor found. None: it looks while the page is used.
    port : int or None
        Where the server listens. None: `PORT`, or any free one if that is in use.
    open_browser : bool
        Whether to open the page in a browser.
    who : str or None
        Who decides about labels; None: the name of the user.
    ready : callable or None
        Called with the address once the page can be opened.

    Raises
    ------
    PortError
        The port is in use, or may not be used.
    AudiospecError
        The store, the view, the runs or the findings cannot be used, or Starlette is not installed.
    """
    with prepared(store, runs=runs, view=view, findings=findings, port=port, who=who) as page:
        try:
            if ready is not None:
                ready(page.address)
            if open_browser:  # in a thread, because a browser of the terminal returns when it is left
                threading.Thread(target=webbrowser.open, args=[page.address], daemon=True).start()
            page.serve()
        except KeyboardInterrupt as stop:
            if type(stop) is not KeyboardInterrupt:  # SIGTERM, which the command line reports
                raise


@contextmanager
def prepared(
    store: FeatureStore | Location | str,
    *,
    runs: Path | str | None = None,
    view: str | None = None,
    findings: Diagnosis | None = None,
    port: int | None = None,
    who: str | None = None,
) -> Iterator[Page]:
    """Provide a page that is ready to be served; parameters and errors are those of `explore`."""
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise AudiospecError(
            f"the page needs {' and '.join(missing)}, not installed here",
            "pip install 'audiospec[explore]'",
        )
    import uvicorn

    with _listening(port) as listener, opened(store, runs, view, findings, who) as session:
        number = listener.getsockname()[1]
        token = new_token()
        guarded = Guard(application(session), token, number)
        config = uvicorn.Config(
            guarded,
            access_log=False,  # it would print the token
            log_level="critical",
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        yield Page(session, f"http://{HOST}:{number}/{token}/", uvicorn.Server(config), listener)


@contextmanager
def opened(
    store: FeatureStore | Location | str,
    runs: Path | str | None = None,
    view: str | None = None,
    findings: Diagnosis | None = None,
    who: str | None = None,
) -> Iterator[Session]:
    """Provide a session of a store; parameters and errors are those of `explore`."""
    store = store if isinstance(store, FeatureStore) else open_store(store)
    with tempfile.TemporaryDirectory(prefix="audiospec-explore-") as work:
        session = Session(
            store,
            Path(work),
            runs=None if runs is None else Path(runs),
            view=view,
            findings=findings,
            who=user_name() if who is None else who,
        )
        try:
            yield session
        finally:
            session.close()


@contextmanager
def _listening(port: int | None) -> Iterator[socket.socket]:
    """Provide a socket that listens at a port: the given one, or `PORT`, or any free one."""
    listener = _listener(PORT if port is None else port)
    if listener is None and port is None:
        listener = _listener(0)
    if listener is None:
        raise PortError(f"port {port} is in use", "choose another `port`, or leave it out")
    with listener:
        yield listener


def _listener(port: int) -> socket.socket | None:
    """Return a socket that listens at a port; None if it is in use."""
    if not 0 <= port < 1 << 16:
        raise PortError(f"expected a port of 0 to 65535; got {port}", "choose another `port`")
    listener = socket.socket()
    if sys.platform != "win32":  # there it would let two programs use one port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except PermissionError as error:
        listener.close()
        raise PortError(f"port {port} may not be used by this user", "choose a `port` above 1023") from error
    except OSError:
        listener.close()
        return None
    listener.set_inheritable(False)
    return listener
